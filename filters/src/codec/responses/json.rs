//! Reading JSON objects member by member: known ones typed and borrowed, unknown ones kept as they are, errors with
//! the path of the member that is wrong.

use crate::codec::{DecodeError, text};
use crate::ir::Raw;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A string, borrowed from the input unless it has escapes.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(transparent)]
pub(super) struct Str<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Str<'_> {
    /// Owned.
    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl std::ops::Deref for Str<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// Separates the path of a member from what is wrong with it, in the text of a serde error: serde has no other place
/// for a path. No key of a format has it.
const STEP: char = '\u{1f}';

/// An error of the member `key`.
pub(super) fn within<E: Error>(key: &str, error: impl fmt::Display) -> E {
    E::custom(format_args!("{key}{STEP}{error}"))
}

/// Members of an object in their order; nulls are left out.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    keep(&mut members, key, map.next_value()?);
                }
                Ok(Members(members))
            }
        }
        d.deserialize_map(V)
    }
}

/// Keeps a member unless it is null, which says nothing.
pub(super) fn keep<'a>(to: &mut Vec<(Cow<'a, str>, &'a RawValue)>, key: Str<'a>, value: &'a RawValue) {
    if value.get() != "null" {
        to.push((key.0, value));
    }
}

/// Declares an object: members with their types (each may be missing or null), and `rest` for all others.
macro_rules! object {
    ($(#[$meta:meta])* $name:ident $(<const $n:ident: $of:ty>)? { $($field:ident $key:literal: $ty:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $name<'de $(, const $n: $of)?> {
            $(pub(super) $field: Option<$ty>,)*
            /// Members without a name here.
            pub(super) rest: Vec<(std::borrow::Cow<'de, str>, &'de serde_json::value::RawValue)>,
        }

        impl<'de $(, const $n: $of)?> serde::Deserialize<'de> for $name<'de $(, $n)?> {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct V $(<const $n: $of>)?;
                impl<'de $(, const $n: $of)?> serde::de::Visitor<'de> for V $(<$n>)? {
                    type Value = $name<'de $(, $n)?>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut object = $name::default();
                        while let Some(key) = map.next_key::<$crate::codec::responses::json::Str<'de>>()? {
                            match &*key {
                                $($key => {
                                    object.$field = map
                                        .next_value()
                                        .map_err(|e| $crate::codec::responses::json::within($key, e))?;
                                })*
                                _ => $crate::codec::responses::json::keep(&mut object.rest, key, map.next_value()?),
                            }
                        }
                        Ok(object)
                    }
                }
                d.deserialize_map(V $(::<$n>)?)
            }
        }
    };
}
pub(super) use object;

/// Parses the value that stands at `path` (empty: the whole body).
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str, path: &str) -> Result<T, DecodeError> {
    serde_json::from_str(text).map_err(|e| located(&e, path))
}

/// The string that stands at `path`, out of a value that was read before.
pub(super) fn string<'a>(value: &'a RawValue, path: &str) -> Result<Cow<'a, str>, DecodeError> {
    match text::inside(value.get()).map(text::unescape) {
        Some(Ok(text)) => Ok(text),
        // Says what it is instead.
        Some(Err(_)) | None => parse::<Str<'_>>(value.get(), path).map(|s| s.0),
    }
}

/// The whole body as text.
pub(super) fn body_text(body: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(body).map_err(|_| DecodeError::new("", "The body is not UTF-8."))
}

/// The whole body, parsed.
pub(super) fn parse_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, DecodeError> {
    parse(body_text(body)?, "")
}

fn located(error: &serde_json::Error, path: &str) -> DecodeError {
    let text = error.to_string();
    let syntax = error.is_syntax() || error.is_eof();
    let mut steps: Vec<&str> = text.split(STEP).collect();
    let why = steps.pop().unwrap_or_default();
    let mut field = path.to_owned();
    for step in steps {
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(step);
    }
    // The place in the text helps with broken JSON; of a wrong type the path says it.
    let why = if syntax { why } else { why.rsplit_once(" at line ").map_or(why, |(w, _)| w) };
    DecodeError::new(field, format!("{}.", capital(why)))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// An owned copy of a value.
pub(super) fn raw(value: &RawValue) -> Raw {
    Raw(value.to_owned())
}

/// `path.key`, or `key` at the top.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A required member.
pub(super) fn required<T>(value: Option<T>, path: &str, key: &str) -> Result<T, DecodeError> {
    value.ok_or_else(|| DecodeError::new(join(path, key), "It is required, but missing."))
}
