//! Blocks, written: in requests and, with what only answers need, in answers.

use super::extras::Extras;
use super::turns::{Fit, fit};
use super::write::{Json, Object, Sink};
use super::{citation, media, tools};
use crate::ir::block::{CallKind, Thinking, ToolCall, ToolResult};
use crate::ir::{Block, Origin, Role, block::Body};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Blocks as `content`: a single text without anything hanging on it as a string.
pub(super) fn content<B: Sink>(json: &mut Json<B>, blocks: &[&Block], extras: &Extras<'_>) {
    match blocks {
        [Block { body: Body::Text { text, citations, .. }, cache: None, at }]
            if !citations.iter().any(citation::is_own) && !extras.has(&at.0) =>
        {
            json.string(text);
        }
        _ => json.list(blocks, |json, b| block(json, b, extras)),
    }
}

/// The blocks of a turn. `ends`: an assistant's turn that the model goes on with, whose text must not end in white
/// space. `think`: is thinking on? If not, such a turn must hold no thoughts.
pub(super) fn turn<B: Sink>(
    json: &mut Json<B>,
    blocks: &[&Block],
    ends: bool,
    think: bool,
    extras: &Extras<'_>,
) {
    if !ends {
        return content(json, blocks, extras);
    }
    let mut blocks: Vec<&Block> =
        blocks.iter().copied().filter(|b| think || !matches!(b.body, Body::Thinking(_))).collect();
    let trimmed = blocks.last().and_then(|b| match &b.body {
        Body::Text { text, citations, signature } if text.ends_with(char::is_whitespace) => {
            let (citations, signature) = (citations.clone(), signature.clone());
            let body = Body::Text { text: text.trim_end().to_owned(), citations, signature };
            Some(Block { body, cache: b.cache, at: b.at.clone() })
        }
        _ => None,
    });
    if let (Some(new), Some(last)) = (&trimmed, blocks.last_mut()) {
        *last = new;
    }
    content(json, &blocks, extras);
}

/// One block of a request; [`fit`] has said that it can be said.
fn block<B: Sink>(json: &mut Json<B>, b: &Block, extras: &Extras<'_>) {
    let Block { body, cache, at } = b;
    let rest = |o: &mut Object<'_, B>| {
        if let Some(ttl) = cache {
            tools::write_cache(o.key("cache_control"), *ttl);
        }
        extras.say(&at.0, o);
    };
    match body {
        Body::Server { raw, .. } | Body::Opaque { raw, .. } => json.raw(raw.text()),
        // Thoughts cannot be marked for the cache.
        Body::Thinking(t) => thought(json, t),
        Body::Text { text, citations, signature: _ } => json.object(|o| {
            o.str("type", "text");
            o.str("text", text);
            let own: Vec<_> = citations.iter().filter(|c| citation::is_own(c)).collect();
            if !own.is_empty() {
                o.list("citations", own, citation::write);
            }
            rest(o);
        }),
        Body::Refusal(text) => json.object(|o| {
            o.str("type", "text");
            o.str("text", text);
            rest(o);
        }),
        Body::Image(m) => json.object(|o| {
            o.str("type", "image");
            media::write_image(o, m);
            rest(o);
        }),
        Body::Document(m) => json.object(|o| {
            o.str("type", "document");
            media::write_document(o, m);
            rest(o);
        }),
        Body::ToolCall(c) => json.object(|o| {
            call(o, c, &identifier(&c.id));
            rest(o);
        }),
        Body::ToolResult(r) => json.object(|o| {
            let ToolResult { call_id, name: _, content: inner, is_error, kind: _ } = r;
            o.str("type", "tool_result");
            o.str("tool_use_id", &identifier(call_id));
            let inner: Vec<_> = inner.iter().filter(|b| matches!(fit(b, Role::User), Fit::Yes)).collect();
            if !inner.is_empty() {
                content(o.key("content"), &inner, extras);
            }
            if *is_error {
                o.raw("is_error", "true");
            }
            rest(o);
        }),
        // Never sent: `fit` refuses them.
        Body::Audio(_) | Body::Video(_) => json.raw("null"),
    }
}

/// The members of a `tool_use` block.
pub(super) fn call<B: Sink>(o: &mut Object<'_, B>, c: &ToolCall, id: &str) {
    let ToolCall { id: _, name, namespace: _, arguments, kind, signature: _ } = c;
    o.str("type", "tool_use");
    o.str("id", id);
    o.str("name", name);
    o.raw("input", &input(arguments, *kind));
}

/// `input` must be an object. What is no JSON is wrapped as Anthropic's guide to fine-grained tool streaming says:
/// <https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming>.
pub(super) fn input(arguments: &str, kind: CallKind) -> Cow<'_, str> {
    let wrapped = |key: &str| {
        let mut json = Json::with_capacity(arguments.len() + 24);
        json.object(|o| o.str(key, arguments));
        Cow::Owned(json.into_raw().text().to_owned())
    };
    let text = arguments.trim();
    match kind {
        CallKind::Custom => wrapped("input"),
        CallKind::Function if text.is_empty() => Cow::Borrowed("{}"),
        CallKind::Function if text.starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok() => {
            Cow::Borrowed(text)
        }
        CallKind::Function => wrapped("INVALID_JSON"),
    }
}

/// A thought: `thinking`, or `redacted_thinking` where all of it is sealed.
pub(super) fn thought<B: Sink>(json: &mut Json<B>, t: &Thinking) {
    let Thinking { text, summary, signature, redacted } = t;
    let signature = signature.as_ref().map(|s| s.wrap(Origin::Anthropic)).unwrap_or_default();
    json.object(|o| {
        if *redacted {
            o.str("type", "redacted_thinking");
            o.str("data", &signature);
        } else {
            o.str("type", "thinking");
            if summary.is_empty() {
                o.str("thinking", text);
            } else {
                o.str("thinking", &summary.join("\n\n"));
            }
            o.str("signature", &signature);
        }
    });
}

/// An id that the API accepts (`^[a-zA-Z0-9_-]+$`): calls and results are changed alike.
fn identifier(id: &str) -> Cow<'_, str> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !id.is_empty() && id.chars().all(fine) {
        return Cow::Borrowed(id);
    }
    let mut out: String = id.chars().map(|c| if fine(c) { c } else { '_' }).collect();
    if out.is_empty() {
        out.push('_');
    }
    Cow::Owned(out)
}
