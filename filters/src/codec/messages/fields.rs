//! A request read just so deep that every mistake can be named by its path, and every unknown member is still there:
//! objects as lists of their members, values as the text they came as. One pass over the bytes.

use crate::codec::text::{inside, unescape};
use crate::ir::Raw;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A key, borrowed where it has no escapes.
pub(super) struct Key<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, s: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(s)))
            }
            fn visit_str<E: Error>(self, s: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(s.to_owned())))
            }
        }
        d.deserialize_str(V)
    }
}

/// The members of an object, in their order. Of a member given twice the last one counts, as in JSON parsers
/// everywhere.
#[derive(Debug, Default)]
pub(super) struct Fields<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// A member; None: absent or null.
    pub(super) fn value(&self, key: &str) -> Option<&'a RawValue> {
        let (_, raw) = self.0.iter().rev().find(|(k, _)| k == key)?;
        Some(*raw).filter(|r| r.get() != "null")
    }

    /// A member's text; None: absent or null.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.value(key).map(RawValue::get)
    }

    /// The object as JSON again: members as they came.
    pub(super) fn raw(&self) -> Raw {
        let size = self.0.iter().map(|(k, v)| k.len() + v.get().len() + 8).sum::<usize>();
        let mut out = super::write::Json::with_capacity(size);
        out.object(|o| {
            for (key, value) in &self.0 {
                o.raw(key, value.get());
            }
        });
        out.into_raw()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match Elem::deserialize(d)? {
            Elem::Object(f) => Ok(f),
            _ => Err(D::Error::custom("an object is expected")),
        }
    }
}

/// What stands in a list, or in a member whose shape is not yet known.
#[derive(Debug)]
pub(super) enum Elem<'a> {
    /// An object.
    Object(Fields<'a>),
    /// Something else.
    Other,
}

/// What stands in `content`, `system`, `tools`, `messages`.
#[derive(Debug, Default)]
pub(super) enum Content<T> {
    /// Nothing, or null.
    #[default]
    Absent,
    /// A string.
    Text(String),
    /// A list.
    List(Vec<T>),
    /// Something else.
    Other,
}

/// Defines the visits of everything that is not what is looked for.
macro_rules! others {
    ($value:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any JSON")
        }
        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de: 'a, 'a> Deserialize<'de> for Elem<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Elem<'de>;
            others!(Elem::Other);
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Elem::Other)
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Elem::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                skip_list(list).map(|()| Elem::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(4);
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    fields.push((key.0, map.next_value::<&'de RawValue>()?));
                }
                Ok(Elem::Object(Fields(fields)))
            }
        }
        d.deserialize_any(V)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Content<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for V<T> {
            type Value = Content<T>;
            others!(Content::Other);
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Content::Absent)
            }
            fn visit_str<E: Error>(self, s: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(s.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(e) = list.next_element()? {
                    all.push(e);
                }
                Ok(Content::List(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Content::Other)
            }
        }
        d.deserialize_any(V(std::marker::PhantomData))
    }
}

/// An object with one member read deeper than the others.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// The other members.
    pub(super) fields: Fields<'a>,
    /// `content`.
    pub(super) content: Content<Elem<'a>>,
    /// It is an object at all.
    pub(super) object: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Message<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        const NOT: Message<'static> =
            Message { fields: Fields(Vec::new()), content: Content::Absent, object: false };
        impl<'de> Visitor<'de> for V {
            type Value = Message<'de>;
            others!(NOT);
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(NOT)
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(NOT)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                skip_list(list).map(|()| NOT)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = Message { object: true, ..NOT };
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    if key.0 == "content" {
                        out.content = map.next_value()?;
                    } else {
                        out.fields.0.push((key.0, map.next_value()?));
                    }
                }
                Ok(out)
            }
        }
        d.deserialize_any(V)
    }
}

/// A whole request.
#[derive(Debug, Default)]
pub(super) struct Top<'a> {
    /// `messages`.
    pub(super) messages: Content<Message<'a>>,
    /// `system`.
    pub(super) system: Content<Elem<'a>>,
    /// `tools`.
    pub(super) tools: Content<Elem<'a>>,
    /// All others.
    pub(super) fields: Fields<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Top<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Top<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = Top::default();
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    match key.0.as_ref() {
                        "messages" => out.messages = map.next_value()?,
                        "system" => out.system = map.next_value()?,
                        "tools" => out.tools = map.next_value()?,
                        _ => out.fields.0.push((key.0, map.next_value()?)),
                    }
                }
                Ok(out)
            }
        }
        d.deserialize_map(V)
    }
}

/// A string out of a member's text; None: it is something else.
pub(super) fn string(text: &str) -> Option<Cow<'_, str>> {
    inside(text).and_then(|t| unescape(t).ok())
}

/// A value of a known shape out of a member's text.
pub(super) fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// A list of strings or objects out of a member's text.
pub(super) fn content(text: &str) -> Content<Elem<'_>> {
    if let Some(text) = string(text) {
        return Content::Text(text.into_owned());
    }
    // What was validated once can only fail by its depth.
    serde_json::from_str(text).unwrap_or(Content::Other)
}

/// Where and how a text is not what it should be. serde's own words may quote the text, which nobody's log may hold.
pub(super) fn place(e: &serde_json::Error) -> String {
    let what = match e.classify() {
        serde_json::error::Category::Data => "not the expected shape",
        _ => "not valid JSON",
    };
    format!("{what} (line {}, column {})", e.line(), e.column())
}

/// A whole body, or an event's data.
pub(super) fn whole<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, serde_json::Error> {
    match std::str::from_utf8(body) {
        // Checked once instead of string by string.
        Ok(text) => serde_json::from_str(text),
        // Says where.
        Err(_) => serde_json::from_slice(body),
    }
}
