//! Writes JSON: members in the order they are said, raw JSON as it is.

use crate::codec::text;
use crate::ir::Raw;
use bytes::BytesMut;

/// A JSON text being written into a buffer.
#[derive(Debug)]
pub(super) struct Json<B>(B);

impl Json<Vec<u8>> {
    /// An empty text.
    pub(super) fn with_capacity(n: usize) -> Self {
        Self(Vec::with_capacity(n))
    }

    /// The bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The text as a raw value.
    pub(super) fn into_raw(self) -> Raw {
        // What this writer wrote is JSON; null stands in for what cannot happen.
        let text = String::from_utf8(self.0).unwrap_or_default();
        Raw::parse(&text).unwrap_or_else(|_| null())
    }
}

impl<'a> Json<&'a mut BytesMut> {
    /// Appends to a buffer.
    pub(super) fn append(out: &'a mut BytesMut) -> Self {
        Self(out)
    }
}

/// JSON's null.
pub(super) fn null() -> Raw {
    Raw(serde_json::value::RawValue::NULL.to_owned())
}

/// What JSON is written into.
pub(super) trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);
    /// Appends a quoted string.
    fn string(&mut self, s: &str);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    fn string(&mut self, s: &str) {
        text::quote(s, self);
    }
}

impl Sink for &mut BytesMut {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    fn string(&mut self, s: &str) {
        text::quote(s, *self);
    }
}

impl<B: Sink> Json<B> {
    /// An object.
    pub(super) fn object(&mut self, f: impl FnOnce(&mut Object<'_, B>)) {
        self.0.put(b"{");
        f(&mut Object { json: self, first: true });
        self.0.put(b"}");
    }

    /// A list of `items`.
    pub(super) fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut f: impl FnMut(&mut Self, T)) {
        self.0.put(b"[");
        let mut first = true;
        for item in items {
            if !first {
                self.0.put(b",");
            }
            first = false;
            f(self, item);
        }
        self.0.put(b"]");
    }

    /// A string.
    pub(super) fn string(&mut self, s: &str) {
        self.0.string(s);
    }

    /// A whole number.
    pub(super) fn number(&mut self, mut n: u64) {
        // Twenty digits hold every u64.
        let (mut digits, mut at) = ([0_u8; 20], 20);
        loop {
            at -= 1;
            digits[at] = b'0' + (n % 10) as u8;
            n /= 10;
            if n == 0 {
                break;
            }
        }
        self.0.put(&digits[at..]);
    }

    /// JSON text.
    pub(super) fn raw(&mut self, text: &str) {
        self.0.put(text.as_bytes());
    }
}

/// An object being written.
#[derive(Debug)]
pub(super) struct Object<'j, B> {
    json: &'j mut Json<B>,
    first: bool,
}

impl<B: Sink> Object<'_, B> {
    /// A key; its value must be written next.
    pub(super) fn key(&mut self, key: &str) -> &mut Json<B> {
        if !self.first {
            self.json.0.put(b",");
        }
        self.first = false;
        self.json.0.string(key);
        self.json.0.put(b":");
        self.json
    }

    /// A string member.
    pub(super) fn str(&mut self, key: &str, value: &str) {
        self.key(key).string(value);
    }

    /// A member of raw JSON.
    pub(super) fn raw(&mut self, key: &str, text: &str) {
        self.key(key).raw(text);
    }

    /// A number, a boolean, a list of strings: whatever serde can write small.
    pub(super) fn value(&mut self, key: &str, value: &impl serde::Serialize) {
        let text = serde_json::to_string(value).unwrap_or_else(|_| "null".into());
        self.key(key).raw(&text);
    }

    /// A whole number.
    pub(super) fn number(&mut self, key: &str, n: u64) {
        self.key(key).number(n);
    }

    /// An object member.
    pub(super) fn object(&mut self, key: &str, f: impl FnOnce(&mut Object<'_, B>)) {
        self.key(key).object(f);
    }

    /// A list member.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        f: impl FnMut(&mut Json<B>, T),
    ) {
        self.key(key).list(items, f);
    }
}
