//! Token counts. What Anthropic's numbers mean is known in one place, [`crate::usage`]; here they are only fetched
//! from there, and written.

use super::write::{Json, Object, Sink};
use crate::event::{Event, Fate, Piece};
use crate::ir::{Tokens, reply::Usage};
use crate::surface::Surface;
use crate::usage::Meter;

/// Counts of one answer.
#[derive(Clone, Debug)]
pub(super) struct Counter(Meter);

impl Default for Counter {
    fn default() -> Self {
        Self(Meter::new(Surface::Messages))
    }
}

impl Counter {
    /// Takes in a `message_start` or `message_delta`; None: it says nothing.
    pub(super) fn event(&mut self, name: &[u8], data: &[u8]) -> Option<Tokens> {
        self.0.on_event(&Event { piece: Piece::Sse { name, data }, fate: Fate::Keep });
        self.0.by_own_model().map(|usage| Tokens { usage, ..Tokens::default() })
    }
}

/// Reads a usage object.
pub(super) fn decode(usage: &str) -> Option<Tokens> {
    let mut json = Json::with_capacity(usage.len() + 16);
    json.object(|o| o.raw("usage", usage));
    Counter::default().event(b"message_delta", &json.into_bytes())
}

/// Writes `usage`: the input apart as fresh, written to and read from the cache. `end`: of a `message_delta`, which
/// has no split by life time; it is said there where it would be lost otherwise. Nor has a `message_start` before the
/// counts are known: SDKs would keep its zeros beside the sum that comes at the end.
pub(super) fn write<B: Sink>(o: &mut Object<'_, B>, tokens: Option<&Tokens>, tier: Option<&str>, end: bool) {
    let split = tokens.is_some() && !end;
    // Sound is part of the sums; Anthropic has no word for it.
    let Tokens { usage, audio_input: _, audio_output: _, estimated: _ } = tokens.copied().unwrap_or_default();
    let Usage { input, cached_input, cache_write, cache_write_1h, output, reasoning } = usage;
    let written = cache_write.saturating_add(cache_write_1h);
    o.object("usage", |u| {
        u.number("input_tokens", input.saturating_sub(written).saturating_sub(cached_input));
        u.number("cache_creation_input_tokens", written);
        u.number("cache_read_input_tokens", cached_input);
        if split || cache_write_1h > 0 {
            u.object("cache_creation", |c| {
                c.number("ephemeral_5m_input_tokens", cache_write);
                c.number("ephemeral_1h_input_tokens", cache_write_1h);
            });
        }
        u.number("output_tokens", output);
        if reasoning > 0 {
            u.object("output_tokens_details", |d| d.number("thinking_tokens", reasoning));
        }
        match tier {
            Some(t @ ("standard" | "priority" | "batch")) => u.str("service_tier", t),
            Some("default") => u.str("service_tier", "standard"),
            // Other providers' tiers have no name here.
            _ => {}
        }
    });
}
