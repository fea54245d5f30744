//! Messages to `systemInstruction` and `contents`.

use super::json::Json;
use super::model::Model;
use super::{Options, Platform, media, seal};
use crate::ir::block::{Block, Body, CallKind, Thinking, ToolCall, ToolResult};
use crate::ir::{Conversation, Losses, Message, Origin, Raw, Role};
use serde_json::value::RawValue;
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
            self.losses.hint(&*m.at.0, "said in the user's turn: the model's provider takes instructions at the beginning only");
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
        let joins = if assistant { m.content.iter().any(calls) } else { self.results_only && results(&m.content[0]) };
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
                let Some(field) = path.strip_prefix(at).and_then(|f| f.strip_prefix('.')) else { return true };
                if field.contains('.') {
                    return true;
                }
                json.raw_member(field, raw.text());
                false
            });
        }
        self.json.end_object();
    }

    fn block(&mut self, b: &'a Block, role: Option<Role>) {
        let Block { body, cache, at } = b;
        let at = &*at.0;
        if cache.is_some() {
            self.losses.hint(format!("{at}.cache_control"), "the model's provider caches prompts by itself");
        }
        match body {
            Body::Text { text, citations, signature } => {
                if !citations.is_empty() {
                    self.losses.hint(format!("{at}.citations"), "the model's provider takes no citations back");
                }
                self.part(role);
                self.json.member("text", text);
                self.json.maybe("thoughtSignature", seal::for_google(signature.as_ref()));
                self.end_part(at);
            }
            Body::Refusal(text) => {
                self.part(role);
                self.json.member("text", text);
                self.end_part(at);
            }
            Body::Image(_) | Body::Document(_) | Body::Audio(_) | Body::Video(_) => self.media(b, role, None),
            Body::ToolCall(call) => self.call(call, at, role),
            Body::ToolResult(result) => self.result(result, at, role),
            Body::Thinking(t) => self.thinking(t, at, role),
            Body::Server { kind: _, origin: Origin::Google, raw } => {
                let text = raw.text();
                let inner = is_server_call(text);
                if inner && self.options.platform == Platform::Vertex {
                    self.losses.add(at, "Vertex AI takes no calls of its own tools back");
                    return;
                }
                self.part(role);
                self.members(text);
                self.end_part(at);
            }
            Body::Opaque { origin: Origin::Google, name: _, raw } => {
                self.part(role);
                self.members(raw.text());
                self.end_part(at);
            }
            Body::Server { .. } => self.losses.add(at, "a tool of another provider"),
            Body::Opaque { name, .. } => {
                self.losses.add(format!("{at} ({name})"), "only its own provider understands it");
            }
        }
    }

    /// The members of an object, inside the open part.
    fn members(&mut self, object: &str) {
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(object).unwrap_or_default();
        fields.iter().for_each(|(k, v)| self.json.member(k, v));
    }

    fn media(&mut self, b: &'a Block, role: Option<Role>, signature: Option<&str>) {
        let Some((m, kind)) = media::of(&b.body) else { return };
        let at = &*b.at.0;
        if b.cache.is_some() && signature.is_some() {
            self.losses.hint(format!("{at}.cache_control"), "the model's provider caches prompts by itself");
        }
        if let Some(context) = &m.context {
            self.part(role);
            self.json.member("text", context);
            self.json.end_object();
        }
        // The part is written elsewhere first: it may turn out that it cannot be.
        let mut part = Json::default();
        part.object();
        if !media::write(&mut part, m, kind, at, self.options, self.model.third(), self.losses) {
            return;
        }
        self.part(role);
        self.json.raw(&String::from_utf8_lossy(&part.out[1..]));
        self.json.maybe("thoughtSignature", signature);
        self.end_part(at);
    }

    fn thinking(&mut self, t: &Thinking, at: &str, role: Option<Role>) {
        let Thinking { text, summary, signature, redacted: _ } = t;
        let own = seal::for_google(signature.as_ref());
        if signature.is_some() && own.is_none() {
            self.losses.hint(format!("{at}.signature"), "a proof that only its own provider can read");
        }
        let joined;
        let text = if summary.is_empty() {
            text
        } else {
            joined = summary.join("\n\n");
            &joined
        };
        if text.is_empty() && own.is_none() {
            return;
        }
        self.part(role);
        self.json.member("text", text);
        self.json.member("thought", &true);
        self.json.maybe("thoughtSignature", own);
        self.end_part(at);
    }

    fn call(&mut self, call: &ToolCall, at: &str, role: Option<Role>) {
        let ToolCall { id, name, namespace, arguments, kind, signature } = call;
        if namespace.is_some() {
            self.losses.add(format!("{at}.namespace"), "the model's provider has no namespaces of tools");
        }
        self.part(role);
        self.json.key("functionCall");
        self.json.object();
        if self.options.call_ids && !id.is_empty() {
            self.json.member("id", id);
        }
        self.json.member("name", name);
        self.json.key("args");
        write_arguments(self.json, arguments, *kind);
        self.json.end_object();
        let own = seal::for_google(signature.as_ref());
        // Only the first call of a turn must have one; parallel ones have none.
        let dummy = (!std::mem::replace(&mut self.signed, true) && self.model.third()).then_some(seal::DUMMY);
        self.json.maybe("thoughtSignature", own.or(dummy));
        self.end_part(at);
    }

    fn result(&mut self, r: &'a ToolResult, at: &str, role: Option<Role>) {
        let ToolResult { call_id, name, content, is_error, kind: _ } = r;
        let known = name.as_deref().filter(|n| !n.is_empty()).or_else(|| self.function(call_id));
        self.part(role);
        self.json.key("functionResponse");
        self.json.object();
        if self.options.call_ids && !call_id.is_empty() {
            self.json.member("id", call_id);
        }
        self.json.member("name", known.unwrap_or(call_id));
        self.json.key("response");
        let texts: Vec<&str> = content.iter().filter_map(Block::as_text).collect();
        write_outcome(self.json, &texts.join("\n"), *is_error);
        let prefix = format!("{at}.functionResponse.");
        let json = &mut *self.json;
        self.rest.retain(|(path, raw)| match path.strip_prefix(&prefix) {
            Some(field) if !at.is_empty() => {
                json.raw_member(field, raw.text());
                false
            }
            _ => true,
        });
        let seen = content.iter().any(|b| media::of(&b.body).is_some()) && self.model.third();
        if seen {
            self.json.key("parts");
            self.json.array();
        }
        for b in content {
            match &b.body {
                Body::Text { .. } => {}
                body if media::of(body).is_some() => {
                    if seen {
                        self.media(b, None, None);
                    }
                }
                _ => self.losses.add(format!("{at}.content"), "results of functions are texts and media"),
            }
            if b.cache.is_some() && b.as_text().is_some() {
                self.losses.hint(format!("{at}.cache_control"), "the model's provider caches prompts by itself");
            }
        }
        if seen {
            self.json.end_array();
        }
        self.json.end_object();
        self.end_part(at);
    }

    fn function(&mut self, id: &str) -> Option<&'a str> {
        let messages = self.messages;
        let names = self.names.get_or_insert_with(|| {
            let all = messages.iter().flat_map(|m| &m.content).filter_map(|b| match &b.body {
                Body::ToolCall(c) => Some((c.id.as_str(), c.name.as_str())),
                _ => None,
            });
            all.collect()
        });
        names.get(id).copied()
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

fn is_server_call(part: &str) -> bool {
    let start = part.trim_start().trim_start_matches('{').trim_start();
    start.starts_with("\"toolCall\"") || start.starts_with("\"toolResponse\"")
}

/// The text, if it is a JSON object. (A scan, not a tree.)
fn object(text: &str) -> Option<&str> {
    let text = text.trim();
    (text.starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok()).then_some(text)
}

/// `args`: an object. Free text, and what a model wrote that is none, goes under `input`.
pub(super) fn write_arguments(json: &mut Json, arguments: &str, kind: CallKind) {
    match object(arguments).filter(|_| kind == CallKind::Function) {
        Some(object) => json.raw(object),
        None if arguments.trim().is_empty() => json.raw("{}"),
        None => {
            json.object();
            json.member("input", arguments);
            json.end_object();
        }
    }
}

/// `response`: see [`super::part::result`].
fn write_outcome(json: &mut Json, text: &str, is_error: bool) {
    match object(text) {
        Some(object) if !is_error => json.raw(object),
        None if text.is_empty() && !is_error => json.raw("{}"),
        object => {
            json.object();
            json.key(if is_error { "error" } else { "output" });
            match object {
                Some(object) => json.raw(object),
                None => json.value(text),
            }
            json.end_object();
        }
    }
}
