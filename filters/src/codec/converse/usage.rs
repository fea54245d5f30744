//! Converse's token counts.

use crate::ir::reply::{Tokens, Usage};
use serde::Deserialize;

/// `TokenUsage`: `inputTokens` leaves out what was read from the cache or written to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TokenUsage {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
    cache_details: Option<Vec<CacheDetail>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CacheDetail {
    ttl: String,
    input_tokens: u64,
}

impl TokenUsage {
    pub(super) fn tokens(&self) -> Tokens {
        let read = self.cache_read_input_tokens.unwrap_or(0);
        let details = self.cache_details.as_deref().unwrap_or_default();
        let of = |long: bool| details.iter().filter(move |d| (d.ttl == "1h") == long).map(|d| d.input_tokens);
        let (long, short) = (of(true).fold(0, u64::saturating_add), of(false).fold(0, u64::saturating_add));
        // The sum is always given, the split only by some models.
        let written = self.cache_write_input_tokens.unwrap_or(0).max(long.saturating_add(short));
        Tokens {
            usage: Usage {
                input: self.input_tokens.saturating_add(read).saturating_add(written),
                cached_input: read,
                cache_write: written - long,
                cache_write_1h: long,
                output: self.output_tokens,
                reasoning: 0,
            },
            ..Tokens::default()
        }
    }
}
