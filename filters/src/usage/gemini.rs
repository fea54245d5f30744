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

/// Takes in a later report. Each says all that is known by then, and the last one is right, also where it says less
/// than one before (a prompt that was counted anew); but a count that it leaves out stands as it was.
pub(super) fn merge(sum: &mut Option<Usage>, later: Usage) {
    let Some(own) = sum else {
        *sum = Some(later);
        return;
    };
    let told = |old: u64, new: u64| if new > 0 { new } else { old };
    // Answer and thoughts are counted apart, and each may be told without the other.
    let answer = |u: &Usage| u.output.saturating_sub(u.reasoning);
    let answer = told(answer(own), answer(&later));
    own.reasoning = told(own.reasoning, later.reasoning);
    own.output = answer.saturating_add(own.reasoning);
    own.input = told(own.input, later.input);
    own.cached_input = told(own.cached_input, later.cached_input).min(own.input);
}

#[cfg(test)]
mod tests;
