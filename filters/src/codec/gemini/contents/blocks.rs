//! Blocks to parts.

use super::Writer;
use crate::codec::gemini::json::Json;
use crate::codec::gemini::{Platform, media, seal};
use crate::ir::block::{Block, Body, CallKind, Thinking, ToolCall, ToolResult};
use crate::ir::{Origin, Role};
use serde_json::value::RawValue;
use std::borrow::Cow;

impl<'a> Writer<'a, '_> {
    pub(super) fn block(&mut self, b: &'a Block, role: Option<Role>) {
        let Block { body, cache, at } = b;
        let at = &*at.0;
        if cache.is_some() {
            self.losses.hint(format!("{at}.cache_control"), "the model's provider caches prompts by itself");
        }
        match body {
            Body::Text { text, citations, signature } => {
                if !citations.is_empty() {
                    self.losses
                        .hint(format!("{at}.citations"), "the model's provider takes no citations back");
                }
                self.part(role);
                self.json.words("text", text);
                self.json.maybe("thoughtSignature", seal::for_google(signature.as_ref()));
                self.end_part(at);
            }
            Body::Refusal(text) => {
                self.part(role);
                self.json.words("text", text);
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
        let fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(object).unwrap_or_default();
        fields.iter().for_each(|(k, v)| self.json.member(k, v));
    }

    pub(super) fn media(&mut self, b: &'a Block, role: Option<Role>, signature: Option<&str>) {
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
        self.json.written(&part.out[1..]);
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
        self.json.words("text", text);
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
        let text = match texts[..] {
            [one] => Cow::Borrowed(one),
            _ => Cow::Owned(texts.join("\n")),
        };
        write_outcome(self.json, &text, *is_error);
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
                self.losses
                    .hint(format!("{at}.cache_control"), "the model's provider caches prompts by itself");
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
pub(in crate::codec::gemini) fn write_arguments(json: &mut Json, arguments: &str, kind: CallKind) {
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

/// `response`: see [`crate::codec::gemini::part::result`].
fn write_outcome(json: &mut Json, text: &str, is_error: bool) {
    match object(text) {
        Some(object) if !is_error => json.raw(object),
        None if text.is_empty() && !is_error => json.raw("{}"),
        object => {
            json.object();
            json.key(if is_error { "error" } else { "output" });
            match object {
                Some(object) => json.raw(object),
                None => json.text(text),
            }
            json.end_object();
        }
    }
}
