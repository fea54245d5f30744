//! Proofs and sealed thoughts: opaque texts that only the provider that made them understands, and that it wants back
//! verbatim in the next turn of a tool loop.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Who made it, and who alone can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Claude, on every platform (Anthropic, Bedrock, Vertex share signatures).
    Anthropic,
    /// OpenAI and Azure: `encrypted_content` of reasoning items.
    OpenAi,
    /// Gemini, on every platform: `thoughtSignature`.
    Google,
    /// Another vendor (a non-Claude model behind Bedrock's Converse, an OpenAI-compatible server).
    Other,
}

/// One opaque text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Its maker.
    #[serde(rename = "o")]
    pub origin: Origin,
    /// What the maker gave, verbatim.
    #[serde(rename = "v")]
    pub value: String,
    /// Id of the item it belongs to (`rs_…`), where the maker has ids.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Marks a signature of one vendor that travels in another one's field, through a client that gives it back.
const MARK: &str = "sp1.";

impl Signature {
    /// A signature without an id.
    pub fn new(origin: Origin, value: impl Into<String>) -> Self {
        Self { origin, value: value.into(), id: None }
    }

    /// The text for a signature field of `native`'s dialect: verbatim if it is `native`'s own and has no id to
    /// remember, else wrapped so that [`Signature::unwrap`] finds it again.
    pub fn wrap(&self, native: Origin) -> String {
        if self.origin == native && self.id.is_none() {
            return self.value.clone();
        }
        // A struct of strings always serialises.
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{MARK}{}", URL_SAFE_NO_PAD.encode(json))
    }

    /// Reads a signature field of `native`'s dialect: what [`Signature::wrap`] made, or `native`'s own.
    pub fn unwrap(text: &str, native: Origin) -> Self {
        text.strip_prefix(MARK)
            .and_then(|t| URL_SAFE_NO_PAD.decode(t).ok())
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_else(|| Self::new(native, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_signature_comes_back_as_it_was() {
        let own = Signature::new(Origin::Anthropic, "EqQB…==");
        assert_eq!(own.wrap(Origin::Anthropic), "EqQB…==");
        for s in [own, Signature { id: Some("rs_1".into()), ..Signature::new(Origin::OpenAi, "gAAAA") }] {
            for native in [Origin::Anthropic, Origin::OpenAi, Origin::Google] {
                assert_eq!(Signature::unwrap(&s.wrap(native), native), s);
            }
        }
        // What only looks like ours is the provider's own.
        assert_eq!(Signature::unwrap("sp1.no", Origin::Google), Signature::new(Origin::Google, "sp1.no"));
    }
}
