//! Reading JSON of which no member may be lost, and finding the field that is wrong.

use crate::codec::DecodeError;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A text, borrowed where it has no escapes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Str<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(Text).map(Self)
    }
}

/// Reads a text.
struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_borrowed_str<E>(self, s: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(s))
    }
    fn visit_str<E>(self, s: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(s.to_owned()))
    }
    fn visit_string<E>(self, s: String) -> Result<Self::Value, E> {
        Ok(Cow::Owned(s))
    }
}

/// A string, or something with more in it.
#[derive(Clone, Debug)]
pub(super) enum StrOr<'a, T> {
    Str(Cow<'a, str>),
    Other(T),
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for StrOr<'a, T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V<'a, T>(PhantomData<(&'a (), T)>);
        impl<'de: 'a, 'a, T: Deserialize<'de>> Visitor<'de> for V<'a, T> {
            type Value = StrOr<'a, T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or the form with members")
            }
            fn visit_borrowed_str<E>(self, s: &'de str) -> Result<Self::Value, E> {
                Ok(StrOr::Str(Cow::Borrowed(s)))
            }
            fn visit_str<E>(self, s: &str) -> Result<Self::Value, E> {
                Ok(StrOr::Str(Cow::Owned(s.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                T::deserialize(SeqAccessDeserializer::new(seq)).map(StrOr::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(StrOr::Other)
            }
        }
        d.deserialize_any(V(PhantomData))
    }
}

/// A member of an answer that matters only if it has the usual shape.
#[derive(Clone, Debug, Default)]
pub(super) struct Maybe<T>(pub(super) Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(d)?;
        Ok(Self(serde_json::from_str::<Option<T>>(raw.get()).ok().flatten()))
    }
}

/// Declares an object whose members are all optional (null: not there) and whose unknown members are kept in `rest`.
macro_rules! object {
    ($(#[$meta:meta])* struct $name:ident<$a:lifetime> { $($field:ident $key:literal: $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $name<$a> {
            $(pub(super) $field: Option<$ty>,)*
            /// Members that have no name here.
            pub(super) rest: Vec<(std::borrow::Cow<$a, str>, &$a serde_json::value::RawValue)>,
        }

        impl<'de: $a, $a> serde::Deserialize<'de> for $name<$a> {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct V<$a>(std::marker::PhantomData<&$a ()>);
                impl<'de: $a, $a> serde::de::Visitor<'de> for V<$a> {
                    type Value = $name<$a>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<Self::Value, A::Error> {
                        let mut out = $name::default();
                        while let Some(key) = map.next_key::<$crate::codec::chat::json::Str<$a>>()? {
                            match key.0.as_ref() {
                                $($key => out.$field = map.next_value()?,)*
                                _ => {
                                    if let Some(value) = map.next_value()? {
                                        out.rest.push((key.0, value));
                                    }
                                }
                            }
                        }
                        Ok(out)
                    }
                }
                d.deserialize_map(V(std::marker::PhantomData))
            }
        }
    };
}
pub(super) use object;

/// Reads a whole document; an error names the field.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, DecodeError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| DecodeError::new("", "The body is not UTF-8. Send JSON, encoded as UTF-8."))?;
    serde_json::from_str(text).map_err(|e| explain(text, &e))
}

fn explain(text: &str, e: &serde_json::Error) -> DecodeError {
    if !e.is_data() {
        return DecodeError::new("", format!("The body is not valid JSON: {e}."));
    }
    let said = e.to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
    let mut why: String = said.chars().take(200).collect();
    if let Some((got, want)) = said.rsplit_once(", expected ") {
        let got: String = got.chars().take(100).collect();
        let want = match want {
            "f64" => "a number",
            "u64" | "u32" => "a whole number that is not negative",
            "i64" => "a whole number",
            "a boolean" => "true or false",
            "a sequence" => "an array",
            other => other,
        };
        why = format!("{got}; {want} is wanted here.");
    }
    DecodeError::new(path_at(text, e.line(), e.column()), why)
}

/// The path of the value that ends or begins at a place in a JSON text (serde_json counts lines from 1 and columns
/// in bytes).
fn path_at(text: &str, line: usize, column: usize) -> String {
    let bytes = text.as_bytes();
    let start = match line {
        0 | 1 => 0,
        n => bytes.iter().enumerate().filter(|(_, c)| **c == b'\n').nth(n - 2).map_or(0, |(i, _)| i + 1),
    };
    let end = (start + column).min(bytes.len());
    // (array?, index, key): of an array the index counts, of an object the key.
    let mut stack: Vec<(bool, usize, &str)> = Vec::new();
    let (mut at, mut at_key) = (0, false);
    while at < end {
        match bytes[at] {
            open @ (b'{' | b'[') => {
                stack.push((open == b'[', 0, ""));
                at_key = open == b'{';
            }
            b'}' | b']' => {
                stack.pop();
                at_key = false;
            }
            b',' => match stack.last_mut() {
                Some((true, index, _)) => *index += 1,
                _ => at_key = true,
            },
            b'"' => {
                let from = at + 1;
                at = from;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                if let (true, Some(top)) = (at_key, stack.last_mut()) {
                    top.2 = text.get(from..at).unwrap_or_default();
                }
                at_key = false;
            }
            _ => {}
        }
        at += 1;
    }
    let mut path = String::new();
    for (array, index, key) in stack {
        match (array, path.is_empty()) {
            (true, _) => path.push_str(&format!("[{index}]")),
            (false, true) => path.push_str(key),
            (false, false) if key.is_empty() => {}
            (false, false) => {
                path.push('.');
                path.push_str(key);
            }
        }
    }
    path
}

/// A member of an object, as text: for the rare thing that is kept whole.
pub(super) fn member<'a>(object: &'a [u8], key: &str) -> Option<&'a RawValue> {
    struct Member<'k>(&'k str);
    impl<'de> Visitor<'de> for Member<'_> {
        type Value = Option<&'de RawValue>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some((key, value)) = map.next_entry::<Str<'de>, &'de RawValue>()? {
                if key.0 == self.0 {
                    found = Some(value);
                }
            }
            Ok(found)
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    serde_json::Deserializer::from_slice(object).deserialize_map(Member(key)).ok()?
}

#[cfg(test)]
mod tests;
