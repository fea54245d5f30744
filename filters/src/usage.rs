//! Token counting: what a provider says of a call's usage, from JSON bodies and from event streams.
//!
//! A [`Meter`] looks at every event and copies none: a search for a needle decides whether an event is worth
//! parsing, and of a body only the wanted top-level members are ever held. What was said stays known when the
//! client leaves early.

mod anthropic;
mod cohere;
mod gemini;
mod openai;
mod scan;
mod watch;

pub use watch::{Ended, Watch};

use crate::estimate::{Delivered, Estimate};
use crate::event::{Event, Piece};
use crate::surface::{Dialect, Surface};
use sallyport_schema::call::Usage;
use scan::{BodyScan, Wanted};
use std::sync::LazyLock;

/// Counts the tokens of one call.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    dialect: Option<Dialect>,
    /// OpenAI's count, whole; each report replaces the one before. (Gemini's: merged.)
    openai: Option<Usage>,
    /// Anthropic's counts, merged from several events.
    anthropic: Option<anthropic::Counts>,
    complete: bool,
    object_id: Option<String>,
    stored: Option<bool>,
    sequence: Option<u64>,
    body: BodyScan,
    /// Texts are turned into vectors: there is no output.
    embeds: bool,
    /// `openai` is a sum of input and output that nobody has told apart.
    total_only: bool,
    /// What was said is not the last word: the output goes on.
    partial: bool,
    /// What the client was given, for an estimate.
    delivered: Delivered,
    estimated: bool,
}

/// What nobody has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Neither input nor output.
    Everything,
    /// Tokens of the output, or all of them.
    Output,
}

/// What an event was to the meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Something with content of its own.
    Other,
    /// OpenAI's chunk that exists for `include_usage` only: no choices, just the usage.
    UsageOnly,
}

/// A prepared search.
macro_rules! needle {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<memchr::memmem::Finder<'static>> =
            LazyLock::new(|| memchr::memmem::Finder::new($text));
    };
}
needle!(USAGE, "\"usage\"");
needle!(METADATA, "\"usageMetadata\"");
needle!(METADATA_TOO, "\"usage_metadata\"");
needle!(FINISH, "\"finishReason\"");
needle!(BLOCKED, "\"blockReason\"");
needle!(SEQUENCE, "\"sequence_number\":");

impl Meter {
    /// A meter for a call. Surfaces that cost no tokens, or tell of tokens counted before (`count_tokens`, stored
    /// responses), are never counted.
    pub fn new(surface: Surface) -> Self {
        let dialect = match surface {
            Surface::CountTokens
            | Surface::GeminiCountTokens
            | Surface::StoredResponse
            | Surface::Passthrough
            | Surface::Models
            | Surface::Hello => None,
            s => Some(s.dialect()),
        };
        let body =
            if dialect == Some(Dialect::Gemini) { BodyScan::with_arrays() } else { BodyScan::default() };
        Self { dialect, body, embeds: surface.embeds(), ..Self::default() }
    }

    /// The same for a provider that may leave usage out: the words are kept (bounded), so that they can be counted.
    #[must_use]
    pub fn keeping_words(self) -> Self {
        Self { delivered: Delivered::new(!self.embeds), ..self }
    }

    /// Looks at an event of the upstream.
    pub fn on_event(&mut self, event: &Event<'_>) -> Seen {
        match (event.piece, self.dialect) {
            (Piece::Sse { name, data }, Some(dialect)) => self.delivered.event(dialect, name, data),
            (Piece::Body(piece), Some(_)) => self.delivered.piece(piece),
            (_, None) => {}
        }
        match (event.piece, self.dialect) {
            (Piece::Sse { name, data }, Some(Dialect::OpenAi)) => return self.openai_event(name, data),
            (Piece::Sse { name, data }, Some(Dialect::Responses)) => self.responses_event(name, data),
            (Piece::Sse { name, data }, Some(Dialect::Anthropic)) => self.anthropic_event(name, data),
            (Piece::Sse { data, .. }, Some(Dialect::Gemini)) => self.gemini_event(data),
            // Rankings are never streams.
            (Piece::Sse { .. }, None | Some(Dialect::Cohere)) => {}
            (Piece::Body(piece), dialect) => self.body_piece(piece, dialect),
        }
        Seen::Other
    }

    fn openai_event(&mut self, name: &[u8], data: &[u8]) -> Seen {
        if data == b"[DONE]" {
            self.complete = true;
            return Seen::Other;
        }
        // Images and audio streams end with an event of their own instead.
        if name.ends_with(b".completed") || name.ends_with(b".done") {
            self.complete = true;
        }
        if !says_usage(data) {
            return Seen::Other;
        }
        let Some((said, only)) = openai::chunk(data) else { return Seen::Other };
        self.openai_says(Some(said));
        if only { Seen::UsageOnly } else { Seen::Other }
    }

    fn openai_says(&mut self, said: Option<openai::Said>) {
        self.openai = said.as_ref().map(|s| s.usage);
        self.total_only = said.is_some_and(|s| s.total_only);
        if self.total_only && self.embeds {
            // All of it is input.
            self.total_only = false;
            self.openai = self.openai.map(|u| Usage { input: u.output, output: 0, ..u });
        }
    }

    fn responses_event(&mut self, name: &[u8], data: &[u8]) {
        if let Some(n) = number_after(data, &SEQUENCE) {
            self.sequence = Some(n);
        }
        match kind(name, data) {
            Some(b"response.created" | b"response.queued") if self.object_id.is_none() => {
                if let Some(r) = openai::response(data) {
                    self.response(r);
                }
            }
            Some(
                b"response.completed" | b"response.incomplete" | b"response.failed" | b"response.cancelled",
            ) => {
                self.complete = true;
                if let Some(r) = openai::response(data) {
                    self.response(r);
                }
            }
            Some(b"error") => self.complete = true,
            _ => {}
        }
    }

    fn response(&mut self, r: openai::Response) {
        self.openai = r.usage.or(self.openai);
        self.object_id = r.id.or(self.object_id.take());
        self.stored = r.store.or(self.stored);
    }

    fn anthropic_event(&mut self, name: &[u8], data: &[u8]) {
        match kind(name, data) {
            Some(b"message_start" | b"message_delta") if says_usage(data) => {
                if let Some(counts) = anthropic::event(data) {
                    // The first report is of the input; of the output it knows next to nothing.
                    self.partial = kind(name, data) == Some(b"message_start");
                    self.anthropic.get_or_insert_default().merge(counts);
                }
            }
            Some(b"message_stop" | b"error") => self.complete = true,
            _ => {}
        }
    }

    fn gemini_event(&mut self, data: &[u8]) {
        let tells = METADATA.find(data).or_else(|| METADATA_TOO.find(data)).is_some();
        if tells && let Some(usage) = gemini::event(data) {
            gemini::merge(&mut self.openai, usage);
        }
        // There is no event that ends a stream; the last one says why it ended.
        if FINISH.find(data).is_some() || BLOCKED.find(data).is_some() || data.starts_with(br#"{"error""#) {
            self.complete = true;
        }
    }

    fn body_piece(&mut self, piece: &[u8], dialect: Option<Dialect>) {
        let Self { body, openai, anthropic, object_id, stored, .. } = self;
        let mut said = None;
        body.push(piece, |wanted, value| match (wanted, dialect) {
            (Wanted::Usage, Some(Dialect::OpenAi | Dialect::Responses)) => said = Some(openai::usage(value)),
            (Wanted::Usage | Wanted::Meta, Some(Dialect::Cohere)) => {
                *openai = cohere::usage(value).or(openai.take());
            }
            (Wanted::Usage, Some(Dialect::Anthropic)) => *anthropic = anthropic::counts(value),
            (Wanted::Metadata, Some(Dialect::Gemini)) => {
                // A stream without `alt=sse` is an array of answers.
                if let Some(usage) = gemini::usage(value) {
                    gemini::merge(openai, usage);
                }
            }
            (Wanted::Id, Some(Dialect::Responses)) => *object_id = serde_json::from_slice(value).ok(),
            (Wanted::Store, Some(Dialect::Responses)) => *stored = serde_json::from_slice(value).ok(),
            _ => {}
        });
        self.complete = body.ended();
        if let Some(said) = said {
            self.openai_says(said);
        }
    }

    /// For an answer that is translated: the codec has read the counts already; events are not looked at any more.
    pub fn told(&mut self, usage: Usage, complete: bool) {
        self.dialect = None;
        self.openai = Some(usage);
        self.complete = complete;
    }

    /// For a stream that is translated: the number that its next event would have.
    pub fn numbered(&mut self, next: u64) {
        self.sequence = next.checked_sub(1);
    }

    /// For an answer that is translated: what was told may not be the last word.
    pub fn partly(&mut self, partial: bool) {
        self.partial = partial;
    }

    /// For a stream that is translated: what the client was given since the last time.
    pub fn delivers(&mut self, more: &mut Delivered) {
        self.delivered.absorb(more);
    }

    /// For a whole answer that is translated, and that tells no usage: the client's body.
    pub fn delivers_whole(&mut self, body: &[u8]) {
        if !self.embeds {
            self.delivered.whole(body);
        }
    }

    /// What the client was given.
    pub fn delivered(&self) -> &Delivered {
        &self.delivered
    }

    /// What nobody has said; None: all was said, or estimated.
    pub fn gap(&self) -> Option<Gap> {
        match self.by_own_model() {
            _ if self.estimated => None,
            None => Some(Gap::Everything),
            Some(_) if self.total_only => Some(Gap::Everything),
            // Gemini's reports count what came with them; the first may come before any words.
            Some(u) if self.dialect == Some(Dialect::Gemini) => {
                (u.output == 0 && !self.complete && !self.embeds).then_some(Gap::Output)
            }
            Some(_) => self.partial.then_some(Gap::Output),
        }
    }

    /// Fills in what nobody has said.
    pub fn fill(&mut self, e: Estimate) {
        if self.gap().is_none() {
            return;
        }
        self.openai = Some(match self.by_own_model() {
            None => Usage { input: e.input, output: e.output, ..Usage::default() },
            Some(total) if self.total_only => {
                let input = e.input.min(total.output);
                Usage { input, output: total.output - input, ..total }
            }
            Some(known) => Usage { output: known.output.max(e.output), ..known },
        });
        self.estimated = true;
    }

    /// Is the count, or a part of it, an estimate?
    pub fn estimated(&self) -> bool {
        self.estimated
    }

    /// What is known so far; None: nothing was said.
    pub fn usage(&self) -> Option<Usage> {
        let a = self.anthropic.as_ref();
        let mut sum = self.openai.or_else(|| a.map(anthropic::Counts::usage))?;
        for (_, more) in self.by_other_models() {
            sum.input += more.input;
            sum.cached_input += more.cached_input;
            sum.cache_write += more.cache_write;
            sum.cache_write_1h += more.cache_write_1h;
            sum.output += more.output;
            sum.reasoning += more.reasoning;
        }
        Some(sum)
    }

    /// The part of [`Meter::usage`] that the call's own model used.
    pub fn by_own_model(&self) -> Option<Usage> {
        self.openai.or_else(|| self.anthropic.as_ref().map(anthropic::Counts::usage))
    }

    /// The parts that other models used inside the call (Anthropic's advisor tool): the model, and its usage.
    pub fn by_other_models(&self) -> impl Iterator<Item = &(String, Usage)> {
        self.anthropic.iter().flat_map(|a| a.others.iter())
    }

    /// At the end of a call: the same as [`Meter::usage`].
    pub fn finish(&self) -> Option<Usage> {
        self.usage()
    }

    /// Did the answer come to its own end: a terminal event of the dialect, or the end of the JSON document? A body
    /// that is neither (audio) counts as complete: its end is the transport's to judge.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// Id of the object that the provider keeps (`resp_…`), where the API lets a client come back to it.
    pub fn object_id(&self) -> Option<&str> {
        // OpenAI stores responses unless told not to, and says which it was.
        self.object_id.as_deref().filter(|_| self.stored != Some(false))
    }

    /// Id of the object that the provider made, whether it keeps it or not.
    pub fn made(&self) -> Option<&str> {
        self.object_id.as_deref()
    }

    /// The `sequence_number` that an error event must carry: one more than the last one seen.
    pub fn next_sequence(&self) -> u64 {
        self.sequence.map_or(0, |n| n + 1)
    }
}

/// Is there a `"usage"` that is not null? (A text cannot hold the needle: its quotes are escaped.)
fn says_usage(data: &[u8]) -> bool {
    USAGE.find_iter(data).any(|at| {
        let rest = data[at + USAGE.needle().len()..].trim_ascii_start();
        rest.strip_prefix(b":").is_some_and(|v| !v.trim_ascii_start().starts_with(b"null"))
    })
}

/// The number after a needle.
fn number_after(data: &[u8], needle: &memchr::memmem::Finder<'_>) -> Option<u64> {
    let rest = data[needle.find(data)? + needle.needle().len()..].trim_ascii_start();
    let digits = rest.iter().take_while(|c| c.is_ascii_digit()).take(19);
    digits.fold(None, |n, c| Some(n.unwrap_or(0) * 10 + u64::from(c - b'0')))
}

/// An event's kind: its name, or, of a stream without names, the `type` in its data.
fn kind<'a>(name: &'a [u8], data: &'a [u8]) -> Option<&'a [u8]> {
    if !name.is_empty() {
        return Some(name);
    }
    #[derive(serde::Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        r#type: std::borrow::Cow<'a, str>,
    }
    // Almost always the first member; a whole parse only where it is not.
    if let Some(rest) = data.strip_prefix(br#"{"type":""#) {
        return rest.split(|c| *c == b'"').next();
    }
    match serde_json::from_slice::<Typed<'a>>(data).ok()?.r#type {
        std::borrow::Cow::Borrowed(t) => Some(t.as_bytes()),
        std::borrow::Cow::Owned(_) => None,
    }
}

#[cfg(test)]
mod tests;
