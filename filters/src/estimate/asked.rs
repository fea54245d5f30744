//! The strings of a request that a model reads.
//!
//! One walk over the JSON, whatever the dialect: members that hold prompts are known by name, and inside them all
//! strings count but ids, kinds and what is base64. Of tools, schemas and arguments the names count, too.

use super::EXACT;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// What a request holds.
#[derive(Clone, Default)]
pub(super) struct Asked {
    /// The strings' beginning, one a line, up to [`EXACT`] bytes.
    pub(super) text: String,
    /// Bytes of all of them.
    pub(super) bytes: u64,
    /// Turns, and items that are like turns.
    pub(super) turns: u64,
    /// Images, documents, sounds.
    pub(super) images: u64,
    /// Tools are offered.
    pub(super) tools: bool,
    /// Tokens that the client has cut itself (prompts as lists of numbers).
    pub(super) tokens: u64,
}

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The body.
    Top,
    /// A list of turns, and one of them.
    Turns,
    Turn,
    /// Strings count; keys are known names.
    Text,
    /// A prompt (a text, texts, tokens, turns), and one of several.
    Prompt,
    Item,
    /// A client's own JSON: all of it counts.
    Own,
    /// Anthropic's `source`: media, or a text.
    Source,
}

impl Asked {
    /// Looks through a body. None: it is no JSON object. What came before a fault counts.
    pub(super) fn of(raw: &[u8]) -> Option<Self> {
        let mut out = Self::default();
        let mut json = serde_json::Deserializer::from_slice(raw);
        // A fault is not ours to tell: the provider has accepted the body, or was never asked.
        let walked = Walk { out: &mut out, role: Role::Top }.deserialize(&mut json);
        (walked.is_ok() || out.bytes > 0).then_some(out)
    }

    fn text(&mut self, s: &str) {
        self.bytes += s.len() as u64 + 1;
        if self.text.len() < EXACT {
            self.text.push_str(&s[..s.floor_char_boundary(EXACT - self.text.len())]);
            self.text.push('\n');
        }
    }
}

/// What the member `key` of a value of `role` is; None: nothing that a model reads.
fn member(role: Role, key: &str, out: &mut Asked) -> Option<Role> {
    Some(match (role, key) {
        // (An input that is an object is that of a tool's call.)
        (Role::Own | Role::Prompt, _) => {
            out.text(key);
            Role::Own
        }
        (Role::Source, "content") => Role::Text,
        (Role::Source, _) => return None,
        (Role::Top, "messages" | "contents") => Role::Turns,
        (Role::Top, "prompt" | "input") => Role::Prompt,
        (Role::Top, "tools") => {
            out.tools = true;
            Role::Own
        }
        (Role::Top, "functions" | "response_format" | "output_config" | "text") => Role::Own,
        (
            Role::Top,
            "system" | "instructions" | "systemInstruction" | "system_instruction" | "suffix" | "query"
            | "documents" | "requests" | "content",
        ) => Role::Text,
        (Role::Top, "generateContentRequest" | "generate_content_request") => Role::Top,
        (Role::Top, _) => return None,
        (
            _,
            "image_url" | "inlineData" | "inline_data" | "fileData" | "file_data" | "input_audio" | "file",
        ) => {
            out.images += 1;
            return None;
        }
        (_, "source") => Role::Source,
        (
            _,
            "tools" | "tool_calls" | "functionCall" | "function_call" | "functionResponse"
            | "function_response",
        ) => Role::Own,
        (_, "input") => Role::Prompt,
        (
            _,
            "type" | "role" | "id" | "name" | "model" | "tool_use_id" | "tool_call_id" | "call_id"
            | "cache_control" | "signature" | "thoughtSignature" | "thought_signature" | "encrypted_content"
            | "data" | "file_id" | "filename" | "url" | "mimeType" | "mime_type" | "media_type" | "status"
            | "phase" | "detail" | "taskType" | "task_type",
        ) => return None,
        _ => Role::Text,
    })
}

struct Walk<'a> {
    out: &'a mut Asked,
    role: Role,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: Error>(self, s: &str) -> Result<(), E> {
        if self.role != Role::Top {
            self.out.text(s);
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<(), E> {
        match self.role {
            Role::Prompt | Role::Item => self.out.tokens += 1,
            Role::Own => self.out.text(&n.to_string()),
            _ => {}
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<(), E> {
        self.visit_u64(n.unsigned_abs())
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<(), E> {
        if self.role == Role::Own {
            self.out.text(&n.to_string());
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<(), E> {
        if self.role == Role::Own {
            self.out.text(if yes { "true" } else { "false" });
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { out, role } = self;
        let role = match role {
            Role::Top => return Err(Error::custom("not an object")),
            Role::Turns => Role::Turn,
            Role::Prompt => Role::Item,
            Role::Turn | Role::Source => Role::Text,
            other => other,
        };
        while seq.next_element_seed(Walk { out: &mut *out, role })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { out, role } = self;
        out.turns += u64::from(matches!(role, Role::Turn | Role::Item));
        let (mut kind, mut data) = (None, None);
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match (role, &*key) {
                (Role::Source, "type") => kind = Some(map.next_value::<Loose<'de>>()?),
                (Role::Source, "data") => data = Some(map.next_value::<Loose<'de>>()?),
                _ => match member(role, &key, out) {
                    Some(role) => map.next_value_seed(Walk { out: &mut *out, role })?,
                    None => drop(map.next_value::<IgnoredAny>()?),
                },
            }
        }
        if role == Role::Source {
            match (kind, data) {
                (Some(Loose(Some(kind))), data) if kind == "text" => {
                    data.and_then(|d| d.0).iter().for_each(|d| out.text(d));
                }
                (Some(Loose(Some(kind))), _) if kind == "content" => {}
                _ => out.images += 1,
            }
        }
        Ok(())
    }
}

/// A string, or something else. Borrowed where it has no escapes: it may be megabytes of base64.
struct Loose<'de>(Option<Cow<'de, str>>);

impl<'de> serde::Deserialize<'de> for Loose<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = <&serde_json::value::RawValue>::deserialize(d)?.get();
        let inner = raw.strip_prefix('"').and_then(|r| r.strip_suffix('"'));
        Ok(Self(match inner {
            Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
            Some(_) => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
            None => None,
        }))
    }
}
