//! What is kept whole is found again in the body: rare, so it is looked for only then, and each list only once, however
//! many of its entries are kept.

use crate::codec::chat::json::member;
use crate::ir::Raw;
use serde_json::value::RawValue;

/// The body of a request, and its lists that were looked for.
pub(crate) struct Verbatim<'b> {
    body: &'b [u8],
    messages: Option<Vec<&'b RawValue>>,
    /// The parts of the message with this number.
    parts: Option<(usize, Vec<&'b RawValue>)>,
    tools: Option<Vec<&'b RawValue>>,
}

impl<'b> Verbatim<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        Self { body, messages: None, parts: None, tools: None }
    }

    /// `messages[i].content[j]`.
    pub(super) fn part(&mut self, i: usize, j: usize) -> Raw {
        let body = self.body;
        if self.parts.as_ref().is_none_or(|(of, _)| *of != i) {
            let messages = self.messages.get_or_insert_with(|| list(body, "messages"));
            let parts = messages.get(i).map(|m| list(m.get().as_bytes(), "content")).unwrap_or_default();
            self.parts = Some((i, parts));
        }
        raw(self.parts.as_ref().and_then(|(_, parts)| parts.get(j)))
    }

    /// `tools[i]`.
    pub(super) fn tool(&mut self, i: usize) -> Raw {
        let body = self.body;
        raw(self.tools.get_or_insert_with(|| list(body, "tools")).get(i))
    }
}

fn list<'b>(object: &'b [u8], key: &str) -> Vec<&'b RawValue> {
    member(object, key).and_then(|l| serde_json::from_str(l.get()).ok()).unwrap_or_default()
}

fn raw(found: Option<&&RawValue>) -> Raw {
    Raw(found.map_or(RawValue::NULL, |r| r).to_owned())
}
