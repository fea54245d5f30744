//! Messages to `systemInstruction` and `contents`.

mod blocks;

use super::json::Json;
use super::model::Model;
use super::{Options, media, seal};
use crate::ir::block::{Block, Body, Thinking};
use crate::ir::{Conversation, Losses, Message, Raw, Role};
pub(super) use blocks::write_arguments;
use std::collections::HashMap;

/// Is a field of [`Conversation::extra`] one of a Gemini client's parts? Only this dialect has such paths.
pub(super) fn is_part_field(path: &str) -> bool {
    (path.starts_with("contents[") || path.starts_with("systemInstruction.")) && path.contains(".parts[")
}

/// Writes both members; gives back the fields of parts that could not be put back into their part.
pub(super) fn write<'a>(
    json: &mut Json,
    c: &'a Conversation,
    model: Model,
    options: &'a Options,
    losses: &mut Losses,
) -> Vec<&'a str> {
    let mut w = Writer {
        json,
        model,
        options,
        losses,
        names: None,
        messages: &c.messages,
        rest: c.extra.iter().filter(|(k, _)| is_part_field(k)).map(|(k, v)| (k.as_str(), v)).collect(),
        open: None,
        results_only: false,
        pending: Vec::new(),
        signed: false,
    };
    let lead = c.messages.iter().take_while(|m| m.role.instructs()).count();
    let (first, turns) = c.messages.split_at(lead);
    if first.iter().any(|m| !m.content.is_empty()) {
        w.json.key("systemInstruction");
        w.json.object();
        w.json.key("parts");
        w.json.array();
        for m in first {
            w.name(m);
            m.content.iter().for_each(|b| w.block(b, None));
        }
        w.json.end_array();
        w.json.end_object();
    }
    w.json.key("contents");
    w.json.array();
    turns.iter().for_each(|m| w.message(m));
    w.flush();
    w.close();
    w.json.end_array();
    w.rest.into_iter().map(|(k, _)| k).collect()
}

struct Writer<'a, 'j> {
    json: &'j mut Json,
    model: Model,
    options: &'a Options,
    losses: &'j mut Losses,
    /// Functions by call id; made when first needed.
    names: Option<HashMap<&'a str, &'a str>>,
    messages: &'a [Message],
    /// Fields of parts that wait for their part.
    rest: Vec<(&'a str, &'a Raw)>,
    /// The turn that is being written.
    open: Option<Role>,
    /// It consists of results of functions so far.
    results_only: bool,
    /// Instructions in mid-conversation that wait for the user's next turn.
    pending: Vec<&'a Message>,
    /// The turn has had a function call; only the first one needs a signature.
    signed: bool,
}

impl<'a> Writer<'a, '_> {
    fn name(&mut self, m: &Message) {
        if m.name.is_some() {
            self.losses.add(format!("{}.name", m.at.0), "the model's provider has no names of participants");
        }
    }

    fn message(&mut self, m: &'a Message) {
        self.name(m);
        if m.content.is_empty() {
            return;
        }
        if m.role.instructs() {
            self.losses.hint(
                &*m.at.0,
                "said in the user's turn: the model's provider takes instructions at the beginning only",
            );
            self.pending.push(m);
            return;
        }
        let assistant = m.role == Role::Assistant;
        if assistant {
            self.flush();
        }
        let calls = |b: &Block| matches!(b.body, Body::ToolCall(_));
        let results = |b: &Block| matches!(b.body, Body::ToolResult(_));
        // A call must follow a user's turn, and all results of one turn's calls must stand in one turn.
        let joins =
            if assistant { m.content.iter().any(calls) } else { self.results_only && results(&m.content[0]) };
        if self.open != Some(m.role) || !joins {
            self.close();
        }
        let first = m.content.iter().take_while(|b| results(b)).count();
        let (head, tail) = m.content.split_at(first);
        head.iter().for_each(|b| self.block(b, Some(m.role)));
        // Media of results for models that cannot see them inside.
        if !self.model.third() {
            for b in head {
                if let Body::ToolResult(r) = &b.body {
                    let seen = r.content.iter().filter(|b| media::of(&b.body).is_some());
                    seen.for_each(|b| self.block(b, Some(m.role)));
                }
            }
        }
        let only = first > 0 && tail.is_empty() && self.pending.is_empty();
        if !assistant {
            self.speak_pending();
        }
        let mut i = 0;
        while let Some(b) = tail.get(i) {
            i += 1;
            // The signature of a picture (see `part::signed`).
            if let (Some(seal), Some(next)) = (lone_seal(b), tail.get(i))
                && media::of(&next.body).is_some()
            {
                self.media(next, Some(m.role), Some(seal));
                i += 1;
                continue;
            }
            // What other dialects write beside tool calls.
            let blank = matches!(&b.body, Body::Text { text, signature: None, .. } if text.is_empty());
            if !(blank && assistant && m.content.len() > 1) {
                self.block(b, Some(m.role));
            }
        }
        self.results_only = only && self.open.is_some();
    }

    fn speak_pending(&mut self) {
        for m in std::mem::take(&mut self.pending) {
            m.content.iter().for_each(|b| self.block(b, Some(Role::User)));
        }
    }

    /// Instructions that no user's turn has taken.
    fn flush(&mut self) {
        if !self.pending.is_empty() {
            if self.open != Some(Role::User) {
                self.close();
            }
            self.speak_pending();
        }
    }

    /// Begins a turn, if none is open, and a part.
    fn part(&mut self, role: Option<Role>) {
        if let (None, Some(role)) = (self.open, role) {
            self.json.object();
            self.json.member("role", if role == Role::Assistant { "model" } else { "user" });
            self.json.key("parts");
            self.json.array();
            self.open = Some(role);
        }
        self.json.object();
    }

    fn close(&mut self) {
        if self.open.take().is_some() {
            self.json.end_array();
            self.json.end_object();
        }
        self.signed = false;
        self.results_only = false;
    }

    /// Ends a part, with the fields that a Gemini client wrote beside it.
    fn end_part(&mut self, at: &str) {
        if !self.rest.is_empty() && !at.is_empty() {
            let json = &mut *self.json;
            self.rest.retain(|(path, raw)| {
                let Some(field) = path.strip_prefix(at).and_then(|f| f.strip_prefix('.')) else {
                    return true;
                };
                if field.contains('.') {
                    return true;
                }
                json.raw_member(field, raw.text());
                false
            });
        }
        self.json.end_object();
    }
}

/// A block that is nothing but Google's signature.
fn lone_seal(b: &Block) -> Option<&str> {
    match &b.body {
        Body::Thinking(Thinking { text, summary, signature, redacted: false })
            if text.is_empty() && summary.is_empty() =>
        {
            seal::for_google(signature.as_ref())
        }
        _ => None,
    }
}
