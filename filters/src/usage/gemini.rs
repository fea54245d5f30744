//! Gemini's `usageMetadata`, in events and bodies. What the counts mean is known in one place, the codec.

use crate::codec::gemini;
use sallyport_schema::call::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A `usageMetadata` object; None: null, or one without counts.
pub(super) fn usage(raw: &[u8]) -> Option<Usage> {
    gemini::decode_usage(raw)
}

/// The usage in an event.
pub(super) fn event(data: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow, rename = "usageMetadata", alias = "usage_metadata")]
        usage: Option<&'a RawValue>,
    }
    let e: Event<'_> = serde_json::from_slice(data).ok()?;
    usage(e.usage?.get().as_bytes())
}

/// Takes in a later report. Counts are cumulative: the larger one is the newer one, and one that a report leaves out
/// stands as it was.
pub(super) fn merge(sum: &mut Option<Usage>, later: Usage) {
    let Some(own) = sum else {
        *sum = Some(later);
        return;
    };
    // Answer and thoughts are counted apart, and each may be told without the other.
    let answer = |u: &Usage| u.output.saturating_sub(u.reasoning);
    let answer = answer(own).max(answer(&later));
    own.reasoning = own.reasoning.max(later.reasoning);
    own.output = answer.saturating_add(own.reasoning);
    own.input = own.input.max(later.input);
    own.cached_input = own.cached_input.max(later.cached_input);
}

#[cfg(test)]
mod tests;
