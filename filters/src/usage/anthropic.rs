//! Anthropic's usage objects <https://docs.anthropic.com/en/api/messages>: input, cache writes and cache reads are
//! reported apart; streams report first in `message_start`, then, cumulatively, in `message_delta`.

use sallyport_schema::call::Usage;
use serde::Deserialize;

/// The counts as reported.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<ByLifeTime>,
    output_tokens_details: Option<OutputDetails>,
    iterations: Option<Vec<Iteration>>,
    /// Usage by models other than the call's own, from `iterations`.
    #[serde(skip)]
    pub(super) others: Vec<(String, Usage)>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct ByLifeTime {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

/// One sampling inside the call. The counts at the top are the sum of the `message` ones; a `compaction` and an
/// advisor's turn are not in it (stated for compactions in the SDK's types, and seen in recorded advisor calls).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Iteration {
    r#type: String,
    model: Option<String>,
    #[serde(flatten)]
    counts: IterationCounts,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct IterationCounts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<ByLifeTime>,
}

impl IterationCounts {
    fn usage(&self, thinking: u64) -> Usage {
        let read = self.cache_read_input_tokens.unwrap_or(0);
        let life = self.cache_creation.unwrap_or_default();
        let long = life.ephemeral_1h_input_tokens.unwrap_or(0);
        let short = life.ephemeral_5m_input_tokens.unwrap_or(0);
        // The sum of both is always given; the split by life time only by newer versions.
        let written = self.cache_creation_input_tokens.unwrap_or(0).max(long.saturating_add(short));
        Usage {
            input: self.input_tokens.unwrap_or(0).saturating_add(written).saturating_add(read),
            cached_input: read,
            cache_write: written - long,
            cache_write_1h: long,
            output: self.output_tokens.unwrap_or(0),
            reasoning: thinking,
        }
    }
}

impl Counts {
    /// Takes in a later report. Counts are cumulative: the larger one is the newer one, and a field that a report
    /// leaves out (or a server fills with 0) stands as it was.
    pub(super) fn merge(&mut self, later: Self) {
        let max = |a: &mut Option<u64>, b: Option<u64>| *a = (*a).max(b);
        max(&mut self.input_tokens, later.input_tokens);
        max(&mut self.output_tokens, later.output_tokens);
        max(&mut self.cache_creation_input_tokens, later.cache_creation_input_tokens);
        max(&mut self.cache_read_input_tokens, later.cache_read_input_tokens);
        if let Some(l) = later.cache_creation {
            let own = self.cache_creation.get_or_insert_default();
            max(&mut own.ephemeral_5m_input_tokens, l.ephemeral_5m_input_tokens);
            max(&mut own.ephemeral_1h_input_tokens, l.ephemeral_1h_input_tokens);
        }
        if let Some(l) = later.output_tokens_details {
            max(&mut self.output_tokens_details.get_or_insert_default().thinking_tokens, l.thinking_tokens);
        }
        if later.iterations.is_some() {
            self.iterations = later.iterations;
            self.others = later.others;
        }
    }

    /// The call's own model, compactions included.
    pub(super) fn usage(&self) -> Usage {
        let thinking = self.output_tokens_details.and_then(|d| d.thinking_tokens).unwrap_or(0);
        let top = IterationCounts {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cache_creation_input_tokens: self.cache_creation_input_tokens,
            cache_read_input_tokens: self.cache_read_input_tokens,
            cache_creation: self.cache_creation,
        };
        let mut sum = top.usage(thinking);
        for i in self.iterations.iter().flatten().filter(|i| i.r#type == "compaction") {
            let more = i.counts.usage(0);
            sum.input = sum.input.saturating_add(more.input);
            sum.cached_input = sum.cached_input.saturating_add(more.cached_input);
            sum.cache_write = sum.cache_write.saturating_add(more.cache_write);
            sum.cache_write_1h = sum.cache_write_1h.saturating_add(more.cache_write_1h);
            sum.output = sum.output.saturating_add(more.output);
        }
        sum
    }

    /// Splits off what other models used.
    fn with_others(mut self) -> Self {
        let advisors = self.iterations.iter().flatten().filter(|i| i.r#type == "advisor_message");
        self.others = advisors.filter_map(|i| Some((i.model.clone()?, i.counts.usage(0)))).collect();
        self
    }
}

/// A usage object; None: null or not one.
pub(super) fn counts(raw: &[u8]) -> Option<Counts> {
    serde_json::from_slice::<Option<Counts>>(raw).ok()?.map(Counts::with_others)
}

/// The usage in a `message_start` (inside `message`) or a `message_delta`.
pub(super) fn event(data: &[u8]) -> Option<Counts> {
    #[derive(Deserialize)]
    struct Event {
        usage: Option<Counts>,
        message: Option<Message>,
    }
    #[derive(Deserialize)]
    struct Message {
        usage: Option<Counts>,
    }
    let e: Event = serde_json::from_slice(data).ok()?;
    e.usage.or(e.message.and_then(|m| m.usage)).map(Counts::with_others)
}
