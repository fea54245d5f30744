//! `thoughtSignature`: reading and writing.
//! <https://ai.google.dev/gemini-api/docs/thought-signatures>

use crate::ir::block::Thinking;
use crate::ir::{Origin, Signature};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

/// What a function call of a history that Gemini did not write carries instead of a signature: Gemini 3 refuses a call
/// without one, and Google documents this value for calls of other models.
pub(super) const DUMMY: &str = "skip_thought_signature_validator";

/// The documented dummies, and the base64 that an SDK with a field of bytes makes of them.
const DUMMIES: [&str; 4] = [
    DUMMY,
    "context_engineering_is_the_way_to_go",
    "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I",
    "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
];

/// The beginning of the base64 of what [`Signature::wrap`] makes of a foreign signature (`sp1.`). In this dialect the
/// field is base64: SDKs decode it, and give it back in either alphabet.
const WRAPPED: &str = "c3AxL";

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// Either padding.
const PLAIN: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
/// Either padding.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Reads the field. None: empty, or a dummy.
pub(super) fn read(text: &str) -> Option<Signature> {
    if text.is_empty() || DUMMIES.contains(&text.trim_end_matches('=')) {
        return None;
    }
    if text.starts_with(WRAPPED) {
        let bytes = PLAIN.decode(text).or_else(|_| URL_SAFE.decode(text)).ok();
        if let Some(inner) = bytes.and_then(|b| String::from_utf8(b).ok()) {
            let found = Signature::unwrap(&inner, Origin::Google);
            // What does not unwrap is Google's own that happens to begin so.
            if found.value != inner {
                return Some(found);
            }
        }
    }
    Some(Signature::new(Origin::Google, text))
}

/// The field for Google: only what is its own.
pub(super) fn for_google(signature: Option<&Signature>) -> Option<&str> {
    signature.filter(|s| s.origin == Origin::Google && !s.value.is_empty()).map(|s| s.value.as_str())
}

/// Marks the signature of a thought that is sealed as a whole (Anthropic's `redacted_thinking`): it must not come back
/// as the proof of an empty thought.
const REDACTED: &str = "redacted";

/// The field of a thought for a client.
pub(super) fn of_thought(redacted: bool, signature: &Signature) -> String {
    if redacted && signature.id.is_none() {
        return for_client(&Signature { id: Some(REDACTED.to_owned()), ..signature.clone() });
    }
    for_client(signature)
}

/// A thought with the signature that its part carries.
pub(super) fn thought(text: String, signature: Option<Signature>) -> Thinking {
    match signature {
        Some(s) if s.id.as_deref() == Some(REDACTED) => {
            let signature = Some(Signature { id: None, ..s });
            Thinking { signature, redacted: true, ..Thinking::default() }
        }
        signature => Thinking { text, signature, ..Thinking::default() },
    }
}

/// The field for a client, who gives it back.
pub(super) fn for_client(signature: &Signature) -> String {
    if signature.origin == Origin::Google && signature.id.is_none() {
        return signature.value.clone();
    }
    STANDARD.encode(signature.wrap(Origin::Google))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    #[test]
    fn foreign_signatures_pass_through_a_field_of_bytes() {
        let own = Signature::new(Origin::Google, "CpYEAXLI2nxHJhy3+/==");
        assert_eq!(for_client(&own), own.value);
        assert_eq!(read(&own.value), Some(own.clone()));
        assert_eq!(for_google(Some(&own)), Some(&*own.value));
        let foreign = Signature { id: Some("rs_1".into()), ..Signature::new(Origin::OpenAi, "gAAAAäö?") };
        assert_eq!(for_google(Some(&foreign)), None);
        let told = for_client(&foreign);
        assert_eq!(read(&told), Some(foreign.clone()));
        // As Python's SDK gives it back.
        let again = URL_SAFE_NO_PAD.encode(STANDARD.decode(&told).unwrap());
        assert_eq!(read(&again), Some(foreign));
        assert_eq!(read("c3AxLnh4"), Some(Signature::new(Origin::Google, "c3AxLnh4")));
    }

    #[test]
    fn dummies_are_no_signatures() {
        for d in DUMMIES {
            assert_eq!(read(d), None);
            assert_eq!(read(&format!("{d}=")), None);
        }
        assert_eq!(STANDARD.encode(DUMMY).trim_end_matches('='), DUMMIES[2]);
        assert_eq!(STANDARD.encode(DUMMIES[1]).trim_end_matches('='), DUMMIES[3]);
        assert_eq!(read(""), None);
    }
}
