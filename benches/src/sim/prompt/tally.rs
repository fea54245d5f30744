//! One pass over a conversation: its text is counted, its triggers are found.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The outcome of reading a conversation.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    bytes: usize,
    /// Insides of the triggers in the last user message: `` for `[tool]`, `NAME {…}` for `[tool:NAME {…}]`.
    pub(crate) triggers: Vec<String>,
    is_result: bool,
    is_system: bool,
    is_models: bool,
}

impl Tally {
    /// Input tokens by the rule above.
    pub(crate) fn tokens(&self) -> u32 {
        self.bytes.div_ceil(4) as u32
    }

    /// Reads a part that is no conversation.
    pub(super) fn read(&mut self, part: &RawValue, counts: Counts) {
        let mut json = serde_json::Deserializer::from_str(part.get());
        // a RawValue is valid JSON, so this cannot fail but by nesting too deep; then what was read counts
        let _ = Walk { tally: self, counts }.deserialize(&mut json);
    }

    /// Reads `messages` or `input`.
    pub(super) fn converse(&mut self, conversation: &RawValue) {
        if !conversation.get().trim_start().starts_with('[') {
            return self.read(conversation, Counts::Yes);
        }
        let mut json = serde_json::Deserializer::from_str(conversation.get());
        let _ = json.deserialize_seq(Turns(self));
    }

    fn add(&mut self, text: &str) {
        self.bytes += text.len();
        let mut rest = text;
        while let Some(at) = memchr::memmem::find(rest.as_bytes(), b"[tool") {
            rest = &rest[at + 5..];
            if let Some(inside) = trigger(rest) {
                self.triggers.push(inside.to_owned());
            }
        }
    }
}

/// What stands between `[tool` (already eaten) and its closing bracket.
fn trigger(rest: &str) -> Option<&str> {
    if rest.starts_with(']') {
        return Some("");
    }
    let rest = rest.strip_prefix(':')?;
    let name_end = rest.find([']', ' '])?;
    if rest[name_end..].starts_with(']') {
        return Some(&rest[..name_end]);
    }
    // arguments may hold brackets of their own: let a JSON parser find their end
    let arguments = rest[name_end..].trim_start();
    let mut json = serde_json::Deserializer::from_str(arguments).into_iter::<serde::de::IgnoredAny>();
    json.next()?.ok()?;
    let end = rest.len() - arguments.len() + json.byte_offset();
    rest[end..].trim_start().starts_with(']').then(|| &rest[..end])
}

/// Which strings count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    No,
    Yes,
    Everything,
}

enum Key {
    Text,
    Type,
    Role,
    Other(usize),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "content" | "text" | "input" | "output" | "arguments" | "thinking" | "query" => Key::Text,
                    "type" => Key::Type,
                    "role" => Key::Role,
                    _ => Key::Other(key.len()),
                })
            }
        }
        d.deserialize_identifier(Name)
    }
}

impl Key {
    /// The keys that are told apart are rare in tool schemas; their length is good enough at 4 bytes.
    fn len(&self) -> usize {
        match self {
            Self::Other(len) => *len,
            Self::Text | Self::Type | Self::Role => 4,
        }
    }
}

/// The elements of `messages` or `input`: triggers count in what the user said last.
struct Turns<'t>(&'t mut Tally);

impl<'de> Visitor<'de> for Turns<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let tally = self.0;
        let mut triggers = Vec::new();
        let mut answered = false;
        loop {
            tally.is_result = false;
            tally.is_system = false;
            tally.is_models = false;
            tally.triggers.clear();
            if seq.next_element_seed(Walk { tally: &mut *tally, counts: Counts::Yes })?.is_none() {
                break;
            }
            if tally.is_result {
                triggers.clear();
            } else if tally.is_models {
                answered = true;
            } else if !tally.is_system {
                if std::mem::take(&mut answered) {
                    triggers.clear();
                }
                triggers.append(&mut tally.triggers);
            }
        }
        tally.triggers = triggers;
        Ok(())
    }
}

struct Walk<'t> {
    tally: &'t mut Tally,
    counts: Counts,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if self.counts != Counts::No {
            self.tally.add(text);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Walk { tally: &mut *self.tally, counts: self.counts })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Key>()? {
            if self.counts == Counts::Everything {
                self.tally.bytes += key.len();
                map.next_value_seed(Walk { tally: &mut *self.tally, counts: Counts::Everything })?;
                continue;
            }
            match key {
                Key::Text => map.next_value_seed(Walk { tally: &mut *self.tally, counts: Counts::Yes })?,
                Key::Other(_) => map.next_value_seed(Walk { tally: &mut *self.tally, counts: Counts::No })?,
                Key::Type => map.next_value_seed(Tag(&mut *self.tally))?,
                Key::Role => map.next_value_seed(Tag(&mut *self.tally))?,
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The value of `role` or `type`: whose turn is it, and is it a tool's result?
struct Tag<'t>(&'t mut Tally);

impl<'de> DeserializeSeed<'de> for Tag<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        let tag = Option::<Cow<'de, str>>::deserialize(d).map_err(D::Error::custom)?;
        match tag.as_deref() {
            Some(
                "tool" | "function" | "tool_result" | "function_call_output" | "custom_tool_call_output",
            ) => {
                self.0.is_result = true;
            }
            Some("assistant" | "reasoning" | "function_call" | "custom_tool_call") => {
                self.0.is_models = true;
            }
            Some("system" | "developer" | "additional_tools") => self.0.is_system = true,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::prompt::Ask;

    fn tally(body: &str) -> Tally {
        Ask::parse(body.as_bytes()).unwrap().tally()
    }

    #[test]
    fn counts_text_and_nothing_else() {
        let t = tally(
            r#"{"model":"m","messages":[{"role":"system","content":"1234"},
            {"role":"user","content":[{"type":"text","text":"12\u00e9"},{"type":"image_url","image_url":{"url":"data:xxxxxxxx"}}]}]}"#,
        );
        assert_eq!((t.bytes, t.tokens()), (8, 2));
        let t = tally(
            r#"{"system":[{"type":"text","text":"123"}],"messages":[{"role":"user","content":"45"}],"tools":[{"name":"abc"}]}"#,
        );
        assert_eq!(t.bytes, 3 + 2 + 7);
        assert_eq!(tally(r#"{"input":"12345"}"#).tokens(), 2);
    }

    #[test]
    fn triggers_of_the_last_user_message() {
        let t = tally(
            r#"{"messages":[{"role":"user","content":"a [tool] b [tool:x] [tool:y {\"a\":[1]}] [tool: [toolbox]"}]}"#,
        );
        assert_eq!(t.triggers, ["", "x", "y {\"a\":[1]}"]);
        let answered = r#"{"messages":[{"role":"user","content":"[tool]"},{"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","content":"ok"}]}"#;
        assert!(tally(answered).triggers.is_empty());
        let answered = r#"{"messages":[{"content":"[tool]","role":"user"},{"role":"user","content":[{"type":"tool_result","content":"[tool]"}]}]}"#;
        assert!(tally(answered).triggers.is_empty());
        let reminded =
            r#"{"input":[{"role":"user","content":"[tool]"},{"content":"be good","role":"developer"}]}"#;
        assert_eq!(tally(reminded).triggers, [""]);
        let in_parts = r#"{"messages":[{"role":"user","content":"[tool]"},{"role":"assistant","content":"no"},{"role":"user","content":"[tool:a]"},{"role":"user","content":"now"}]}"#;
        assert_eq!(tally(in_parts).triggers, ["a"], "one turn in two messages");
        assert_eq!(tally(r#"{"input":"[tool]","instructions":"[tool]"}"#).triggers, [""]);
    }
}
