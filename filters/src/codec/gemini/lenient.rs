//! Reading Google's JSON as leniently as Google does, in one pass and with the path to what is wrong.

use crate::codec::DecodeError;
use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// Separates the steps of a path from each other and from the message, inside an error's text.
const STEP: char = '\u{1}';

/// The same error, one step further out.
pub(super) fn inside<E: Error>(step: impl fmt::Display, e: E) -> E {
    E::custom(format_args!("{step}{STEP}{e}"))
}

/// Reads a body; an error names the field (`contents[0].parts[1].text`).
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(body).map_err(|e| {
        let text = e.to_string();
        let mut steps: Vec<&str> = text.split(STEP).collect();
        let why = steps.pop().unwrap_or_default();
        let mut field = String::new();
        for step in steps {
            if !field.is_empty() && !step.starts_with('[') {
                field.push('.');
            }
            field.push_str(step);
        }
        DecodeError::new(field, why)
    })
}

/// A text, borrowed where it has no escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Str<'a>(pub(super) Cow<'a, str>);

impl Str<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn own(self) -> String {
        self.0.into_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Str<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(v.to_owned())))
            }
            fn visit_string<E>(self, v: String) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(v)))
            }
        }
        d.deserialize_str(V)
    }
}

/// An array; one value without brackets is an array of one, as Google reads it.
#[derive(Clone, Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for V<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                loop {
                    match seq.next_element() {
                        Ok(Some(v)) => out.push(v),
                        Ok(None) => return Ok(List(out)),
                        Err(e) => return Err(inside(format_args!("[{}]", out.len()), e)),
                    }
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|v| List(vec![v]))
            }
            fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<Self::Value, E> {
                T::deserialize(BorrowedStrDeserializer::new(v)).map(|v| List(vec![v]))
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<Self::Value, E> {
                T::deserialize(StrDeserializer::new(v)).map(|v| List(vec![v]))
            }
        }
        d.deserialize_any(V(PhantomData))
    }
}

/// A number, also one in a string.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Num(pub(super) f64);

/// A whole number, also one in a string or with a fraction of zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Int(pub(super) i64);

impl Int {
    /// As a count; nothing is negative.
    pub(super) fn count(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for Num {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(NumVisitor).map(|n| match n {
            Number::Int(n) => Num(n as f64),
            Number::Float(n) => Num(n),
        })
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match d.deserialize_any(NumVisitor)? {
            Number::Int(n) => Ok(Int(n)),
            // 2^53: beyond it a float is no exact whole number.
            Number::Float(n) if n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_992.0 => Ok(Int(n as i64)),
            Number::Float(_) => Err(D::Error::custom("expected a whole number")),
        }
    }
}

enum Number {
    Int(i64),
    Float(f64),
}

struct NumVisitor;

impl Visitor<'_> for NumVisitor {
    type Value = Number;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }
    fn visit_u64<E>(self, v: u64) -> Result<Number, E> {
        Ok(i64::try_from(v).map_or(Number::Float(v as f64), Number::Int))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Number, E> {
        Ok(Number::Int(v))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Number, E> {
        Ok(Number::Float(v))
    }
    fn visit_str<E: Error>(self, v: &str) -> Result<Number, E> {
        if let Ok(n) = v.parse() {
            return Ok(Number::Int(n));
        }
        match v.parse::<f64>() {
            Ok(n) if n.is_finite() => Ok(Number::Float(n)),
            _ => Err(E::custom("expected a number")),
        }
    }
}

/// A message of Google's: every field optional, null as absent, two spellings of each name; what has no name here is
/// kept in `other`.
macro_rules! wire {
    ($(#[$meta:meta])* $name:ident<$l:lifetime> {
        $($field:ident: $ty:ty = $first:literal $(| $more:literal)*),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $name<$l> {
            $(pub(super) $field: Option<$ty>,)*
            pub(super) other: Vec<(std::borrow::Cow<$l, str>, &$l serde_json::value::RawValue)>,
        }

        impl<'de: $l, $l> serde::Deserialize<'de> for $name<$l> {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct V<$l>(std::marker::PhantomData<&$l ()>);
                impl<'de: $l, $l> serde::de::Visitor<'de> for V<$l> {
                    type Value = $name<$l>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut out = $name::default();
                        while let Some($crate::codec::gemini::lenient::Str(key)) = map.next_key()? {
                            match &*key {
                                $($first $(| $more)* => {
                                    out.$field = map
                                        .next_value()
                                        .map_err(|e| $crate::codec::gemini::lenient::inside(&key, e))?;
                                })*
                                _ => {
                                    let raw: &serde_json::value::RawValue = map.next_value()?;
                                    if raw.get() != "null" {
                                        out.other.push((key, raw));
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
pub(super) use wire;
