//! Token counts: OpenAI's `CompletionUsage`, and what imitators add to it.

use crate::ir::reply::{Tokens, Usage};
use serde::{Deserialize, Serialize};

/// Numbers are read as floats: some servers write `12.0`.
type Number = Option<f64>;

/// `usage`, as it comes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UsageIn {
    prompt_tokens: Number,
    completion_tokens: Number,
    total_tokens: Number,
    prompt_tokens_details: Option<DetailsIn>,
    completion_tokens_details: Option<DetailsIn>,
    /// DeepSeek's word for cached tokens.
    prompt_cache_hit_tokens: Number,
    /// Kimi's.
    cached_tokens: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DetailsIn {
    cached_tokens: Number,
    cache_write_tokens: Number,
    audio_tokens: Number,
    reasoning_tokens: Number,
}

/// Not negative, whole.
fn n(value: Number) -> u64 {
    value.map_or(0, |v| v.max(0.0) as u64)
}

impl UsageIn {
    /// The counts; None: there are none (Groq writes an empty object where it does not know).
    pub(super) fn tokens(self) -> Option<Tokens> {
        self.prompt_tokens.or(self.completion_tokens).or(self.total_tokens)?;
        let input = n(self.prompt_tokens);
        // xAI and Gemini's OpenAI endpoint leave reasoning out of the completion but not out of the total.
        let output = n(self.completion_tokens).max(n(self.total_tokens).saturating_sub(input));
        let p = self.prompt_tokens_details.unwrap_or_default();
        let c = self.completion_tokens_details.unwrap_or_default();
        let cached = p.cached_tokens.or(self.prompt_cache_hit_tokens).or(self.cached_tokens);
        Some(Tokens {
            usage: Usage {
                input,
                cached_input: n(cached),
                cache_write: n(p.cache_write_tokens),
                cache_write_1h: 0,
                output,
                reasoning: n(c.reasoning_tokens),
            },
            audio_input: n(p.audio_tokens),
            audio_output: n(c.audio_tokens),
            estimated: false,
        })
    }
}

/// `usage`, as it is written.
#[derive(Debug, Serialize)]
pub(super) struct UsageOut {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptOut,
    completion_tokens_details: CompletionOut,
}

#[derive(Debug, Serialize)]
struct PromptOut {
    cached_tokens: u64,
    audio_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct CompletionOut {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl From<&Tokens> for UsageOut {
    fn from(t: &Tokens) -> Self {
        let Tokens { usage, audio_input, audio_output, estimated: _ } = *t;
        let Usage { input, cached_input, cache_write, cache_write_1h, output, reasoning } = usage;
        Self {
            prompt_tokens: input,
            completion_tokens: output,
            total_tokens: input.saturating_add(output),
            prompt_tokens_details: PromptOut {
                cached_tokens: cached_input,
                audio_tokens: audio_input,
                // The format knows one kind of write only.
                cache_write_tokens: cache_write.saturating_add(cache_write_1h),
            },
            completion_tokens_details: CompletionOut {
                reasoning_tokens: reasoning,
                audio_tokens: audio_output,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }
}
