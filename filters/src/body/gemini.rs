//! What a body of Gemini's says that the path has said already: the model, again, and what must not pass.

use super::fields::{not_json, not_utf8};
use super::json::{self, Kind, Member, Visit};
use super::{Envelope, Format, Text, invalid};
use crate::rejection::Rejection;

/// Members of the outermost object that hold requests with a `model` of their own.
const NESTED: [&str; 3] = ["requests", "generateContentRequest", "generate_content_request"];

/// Contents that are kept at the provider.
const CACHED: [&str; 2] = ["cachedContent", "cached_content"];

/// Reads and validates a JSON body.
pub(super) fn read(raw: &[u8]) -> Result<Envelope, Rejection> {
    let text = std::str::from_utf8(raw).map_err(|e| not_utf8(raw, e.valid_up_to()))?;
    let mut reader = Reader { text, out: Envelope::default(), error: None };
    let object = json::scan(text, &mut reader).map_err(|e| not_json(text, e))?;
    if let Some(error) = reader.error {
        return Err(error);
    }
    let mut out = reader.out;
    out.format = Format::Json(object);
    Ok(out)
}

struct Reader<'a> {
    text: &'a str,
    out: Envelope,
    error: Option<Rejection>,
}

impl Visit for Reader<'_> {
    fn descend(&mut self, key: &str, escaped: bool) -> bool {
        is_one_of(&NESTED, key, escaped)
    }

    fn member(&mut self, m: Member) {
        let key = &self.text[m.key.clone()];
        if is_one_of(&["model"], key, m.key_escaped) {
            match self.model(&m) {
                Some(text) => self.out.other_models.extend(text),
                None => {
                    let wrong =
                        invalid("model", "invalid_type", "Invalid type for 'model': expected a string.");
                    self.error.get_or_insert(wrong);
                }
            }
        } else if is_one_of(&CACHED, key, m.key_escaped) && m.kind != Kind::Null {
            // Made elsewhere: whose it is cannot be known.
            let why = "This gateway does not pass 'cachedContent' on: it cannot tell whose cached contents are. \
                       Send the contents whole.";
            self.error.get_or_insert(invalid("cachedContent", "unsupported_parameter", why));
        }
    }
}

impl Reader<'_> {
    /// The inner None: null. The outer one: no text.
    fn model(&self, m: &Member) -> Option<Option<Text>> {
        match m.kind {
            Kind::Null => Some(None),
            Kind::Text if m.value_escaped => {
                let text: String = serde_json::from_str(&self.text[m.value.clone()]).ok()?;
                let span = m.value.start + 1..m.value.end - 1;
                Some(Some(Text { span, decoded: Some(text.into_boxed_str()) }))
            }
            Kind::Text => Some(Some(Text { span: m.value.start + 1..m.value.end - 1, decoded: None })),
            _ => None,
        }
    }
}

fn is_one_of(names: &[&str], key: &str, escaped: bool) -> bool {
    if !escaped {
        return names.contains(&key);
    }
    // Undoing escapes first: "mod\u0065l" is `model` to every reader.
    serde_json::from_str::<String>(&format!("\"{key}\"")).is_ok_and(|key| names.contains(&key.as_str()))
}

#[cfg(test)]
mod tests;
