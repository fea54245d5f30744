//! Writing JSON piece by piece: commas by themselves, numbers by serde.

use crate::codec::{ROOM, text};
use crate::ir::Raw;
use serde::Serialize;

/// A JSON text that grows.
#[derive(Debug, Default)]
pub(super) struct Json {
    pub(super) out: Vec<u8>,
    comma: bool,
}

impl Json {
    /// For a whole request.
    pub(super) fn with_room() -> Self {
        Self { out: Vec::with_capacity(ROOM), comma: false }
    }

    fn separate(&mut self) {
        if std::mem::replace(&mut self.comma, true) {
            self.out.push(b',');
        }
    }

    fn open(&mut self, bracket: u8) {
        self.separate();
        self.out.push(bracket);
        self.comma = false;
    }

    fn close(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.comma = true;
    }

    /// `{`
    pub(super) fn object(&mut self) {
        self.open(b'{');
    }

    /// `}`
    pub(super) fn end_object(&mut self) {
        self.close(b'}');
    }

    /// `[`
    pub(super) fn array(&mut self) {
        self.open(b'[');
    }

    /// `]`
    pub(super) fn end_array(&mut self) {
        self.close(b']');
    }

    /// A member's name.
    pub(super) fn key(&mut self, name: &str) {
        self.text(name);
        self.out.push(b':');
        self.comma = false;
    }

    /// A text.
    pub(super) fn text(&mut self, text: &str) {
        self.separate();
        text::quote(text, &mut self.out);
    }

    /// Anything that serialises.
    pub(super) fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.separate();
        // Texts, numbers, and lists of them always serialise into memory.
        if serde_json::to_writer(&mut self.out, value).is_err() {
            self.out.extend_from_slice(b"null");
        }
    }

    /// JSON text.
    pub(super) fn raw(&mut self, text: &str) {
        self.separate();
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A value written elsewhere.
    pub(super) fn written(&mut self, value: &[u8]) {
        self.separate();
        self.out.extend_from_slice(value);
    }

    /// A member.
    pub(super) fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        self.key(name);
        self.value(value);
    }

    /// A member that is a text.
    pub(super) fn words(&mut self, name: &str, text: &str) {
        self.key(name);
        self.text(text);
    }

    /// A member that may be absent.
    pub(super) fn maybe<T: Serialize>(&mut self, name: &str, value: Option<T>) {
        if let Some(v) = value {
            self.member(name, &v);
        }
    }

    /// A member of JSON text.
    pub(super) fn raw_member(&mut self, name: &str, text: &str) {
        self.key(name);
        self.raw(text);
    }

    /// Starts a new text; the memory is used again.
    pub(super) fn clear(&mut self) {
        self.out.clear();
        self.comma = false;
    }

    /// The text as a value that is carried; empty objects stay such.
    pub(super) fn into_raw(self) -> Option<Raw> {
        Raw::parse(std::str::from_utf8(&self.out).ok()?).ok()
    }
}
