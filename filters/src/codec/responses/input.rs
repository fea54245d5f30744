//! `input` as it is read: each item once, where it stands. The text of an item, which only those need that go on word by
//! word, is looked for when the first of them comes.

use super::item::Item;
use super::json::{Str, object, parse};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// So many items are read where they stand: an item that is read takes twenty times the memory of a short one's text.
pub(super) const MANY: usize = 16_384;

/// A string, or a list of items.
#[derive(Debug)]
pub(super) enum Content<'a> {
    Str(Str<'a>),
    List(Vec<Entry<'a>>),
}

/// An item of the list.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    Read(Item<'a>),
    /// To be read.
    Text(&'a RawValue),
}

/// `input`, of which the first `READ` items are read where they stand. With 0 of them an item that makes no sense is no
/// error yet: it is one when the item is read by itself, and names its place.
#[derive(Debug)]
pub(super) struct Input<'a, const READ: usize>(pub(super) Content<'a>);

impl<'de, const READ: usize> Deserialize<'de> for Input<'de, READ> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V<const READ: usize>;
        impl<'de, const READ: usize> Visitor<'de> for V<READ> {
            type Value = Content<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }
            fn visit_borrowed_str<E>(self, s: &'de str) -> Result<Self::Value, E> {
                Ok(Content::Str(Str(Cow::Borrowed(s))))
            }
            fn visit_str<E>(self, s: &str) -> Result<Self::Value, E> {
                Ok(Content::Str(Str(Cow::Owned(s.to_owned()))))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while list.len() < READ {
                    match from.next_element()? {
                        Some(item) => list.push(Entry::Read(item)),
                        None => return Ok(Content::List(list)),
                    }
                }
                while let Some(text) = from.next_element()? {
                    list.push(Entry::Text(text));
                }
                Ok(Content::List(list))
            }
        }
        d.deserialize_any(V::<READ>).map(Self)
    }
}

/// The texts of all items.
#[derive(Debug)]
pub(super) struct Texts<'a> {
    body: &'a str,
    found: Option<Vec<&'a RawValue>>,
}

object! {
    /// A body of which nothing else counts.
    Body { input "input": Vec<&'de RawValue> }
}

impl<'a> Texts<'a> {
    /// Those in a body that was read before.
    pub(super) fn of(body: &'a str) -> Self {
        Self { body, found: None }
    }

    /// That of one item.
    pub(super) fn get(&mut self, at: usize) -> &'a RawValue {
        let find = || parse::<Body<'a>>(self.body, "").ok().and_then(|b| b.input).unwrap_or_default();
        // What was read before is there.
        self.found.get_or_insert_with(find).get(at).copied().unwrap_or(RawValue::NULL)
    }
}
