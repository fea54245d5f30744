//! Messages.

use super::calls::Calls;
use super::verbatim::Verbatim;
use super::{Extra, part, spot};
use crate::codec::DecodeError;
use crate::codec::chat::json::StrOr;
use crate::codec::chat::thoughts;
use crate::codec::chat::wire::{Annotation, Call, CallBody, Message as Wire, Part, Seals};
use crate::ir::block::{Block, Body, CallKind, Citation, Media, Source, Thinking, ToolCall, ToolResult};
use crate::ir::conversation::{Message, Role};
use crate::ir::signature::{Origin, Signature};
use std::collections::HashMap;

/// Reads all messages. Runs of tools' messages become one message of the user's.
pub(super) fn decode(
    wire: Vec<Wire<'_>>,
    body: &[u8],
    extra: &mut Extra,
) -> Result<Vec<Message>, DecodeError> {
    let mut out: Vec<Message> = Vec::with_capacity(wire.len());
    let (mut calls, mut body) = (Calls::default(), Verbatim::new(body));
    let mut results_open = false;
    for (i, mut m) in wire.into_iter().enumerate() {
        let path = format!("messages[{i}]");
        extra.rest(&path, std::mem::take(&mut m.rest));
        let cache = m.cache_control.take().map(|c| part::ttl(&c));
        let role = match m.role.as_ref().map_or("", |r| r.0.as_ref()) {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" | "function" => {
                let mut block = result(m, &path, (i, &mut body), &calls, extra)?;
                block.cache = cache.or(block.cache);
                match out.last_mut() {
                    Some(last) if results_open => last.content.push(block),
                    _ => out.push(Message { at: spot(&path), ..Message::new(Role::User, vec![block]) }),
                }
                results_open = true;
                continue;
            }
            _ => {
                return Err(DecodeError::new(
                    format!("{path}.role"),
                    "Use system, developer, user, assistant or tool.",
                ));
            }
        };
        results_open = false;
        let name = m.name.take();
        let mut content = if role == Role::Assistant {
            let content = assistant(m, &path, Some((i, &mut body)), extra)?;
            calls.note(&content);
            content
        } else {
            let parts = m.content.ok_or_else(|| {
                DecodeError::new(format!("{path}.content"), "Give a string or an array of parts.")
            })?;
            blocks(parts, &path, Some((i, &mut body)), extra)?
        };
        if let Some(last) = content.last_mut() {
            last.cache = cache.or(last.cache);
        }
        out.push(Message { role, content, name, at: spot(&path) });
    }
    Ok(out)
}

/// Where unknown parts are found again: the message's number and the whole body.
pub(crate) type Origins<'o, 'b> = Option<(usize, &'o mut Verbatim<'b>)>;

/// A content. A string stands at the message's `content`.
fn blocks(
    content: StrOr<'_, Vec<Part<'_>>>,
    path: &str,
    mut origin: Origins<'_, '_>,
    extra: &mut Extra,
) -> Result<Vec<Block>, DecodeError> {
    let parts = match content {
        StrOr::Str(text) => {
            let at = if path.is_empty() { String::new() } else { format!("{path}.content") };
            return Ok(vec![Block::new(part::text(text.into_owned())).at(spot(&at))]);
        }
        StrOr::Other(parts) => parts,
    };
    let mut out = Vec::with_capacity(parts.len());
    for (j, p) in parts.into_iter().enumerate() {
        let at = if path.is_empty() { String::new() } else { format!("{path}.content[{j}]") };
        match part::decode(p, &at, extra)? {
            part::Decoded::Block(b) => out.push(b),
            part::Decoded::Unknown(kind) => {
                let Some((i, body)) = &mut origin else { continue };
                if kind.is_empty() {
                    return Err(DecodeError::new(format!("{at}.type"), "Say what kind of part this is."));
                }
                let raw = body.part(*i, j);
                out.push(Block::new(Body::Opaque { origin: Origin::Other, name: kind, raw }).at(spot(&at)));
            }
        }
    }
    Ok(out)
}

/// A tool's message.
fn result(
    m: Wire<'_>,
    path: &str,
    (i, body): (usize, &mut Verbatim<'_>),
    calls: &Calls,
    extra: &mut Extra,
) -> Result<Block, DecodeError> {
    let old = m.role.as_ref().is_some_and(|r| r.0 == "function");
    // The old form has no ids: its call is the last one of that name (see `legacy_id`).
    let call_id = match m.tool_call_id {
        Some(id) => id,
        None if old => calls.last(m.name.as_deref()).map_or_else(|| legacy_id(i), str::to_owned),
        None => {
            return Err(DecodeError::new(format!("{path}.tool_call_id"), "Name the call that this answers."));
        }
    };
    let kind = calls.kind(&call_id).unwrap_or_default();
    let content = match m.content {
        None => Vec::new(),
        Some(StrOr::Str(s)) if s.is_empty() => Vec::new(),
        Some(c) => blocks(c, path, Some((i, body)), extra)?,
    };
    let name = if old { None } else { m.name };
    let result = ToolResult { call_id, name, content, is_error: false, kind };
    Ok(Block::new(Body::ToolResult(result)).at(spot(path)))
}

/// The id of a call that the old `function_call` form does not give one: by the place of its message.
fn legacy_id(i: usize) -> String {
    format!("call_function_{i}")
}

/// An assistant's message, in a request (`path` says where) or in an answer (`path` is empty).
pub(crate) fn assistant(
    m: Wire<'_>,
    path: &str,
    origin: Origins<'_, '_>,
    extra: &mut Extra,
) -> Result<Vec<Block>, DecodeError> {
    let number = origin.as_ref().map(|(i, _)| *i);
    let below = |name: &str| if path.is_empty() { String::new() } else { format!("{path}.{name}") };
    // An answer may write these as it likes; of a client's they are not lost in silence.
    let odd = [
        ("reasoning_content", m.reasoning_content.as_ref().is_some_and(|r| r.0.is_none())),
        ("reasoning", m.reasoning.as_ref().is_some_and(|r| r.0.is_none())),
        ("reasoning_details", m.reasoning_details.as_ref().is_some_and(|r| r.0.is_none())),
    ];
    if let (false, Some((name, _))) = (path.is_empty(), odd.iter().find(|(_, odd)| *odd)) {
        return Err(DecodeError::new(below(name), "Give it back as it came in the answer."));
    }
    let mut texts = match m.content {
        None => Vec::new(),
        Some(StrOr::Str(s)) if s.is_empty() => Vec::new(),
        Some(c) => blocks(c, path, origin, extra)?,
    };
    let mut calls = Vec::new();
    for (j, call) in m.tool_calls.into_iter().flatten().enumerate() {
        let at = below(&format!("tool_calls[{j}]"));
        let call = tool_call(call, &at, path.is_empty(), extra)?;
        calls.push(Block::new(Body::ToolCall(call)).at(spot(&at)));
    }
    if let Some(mut f) = m.function_call {
        extra.below(path, "function_call", std::mem::take(&mut f.rest));
        let at = below("function_call");
        let id = number.map_or_else(String::new, legacy_id);
        let call = ToolCall { id, ..named(f, CallKind::Function, &at)? };
        calls.push(Block::new(Body::ToolCall(call)).at(spot(&at)));
    }
    // Thoughts first: from the entries with proofs where there are any, else from the plain text.
    let details = m.reasoning_details.and_then(|d| d.0);
    let mut places = if details.is_some() { places(&calls) } else { HashMap::new() };
    let is_call = |id: &str| places.contains_key(id);
    let (mut thought, seals) = thoughts::read(details.unwrap_or_default(), is_call);
    let plain = m.reasoning_content.and_then(|r| r.0).filter(|r| !r.0.is_empty());
    let plain = plain.or(m.reasoning.and_then(|r| r.0).filter(|r| !r.0.is_empty()));
    if let Some(text) = plain
        && thought.iter().all(|t| thoughts::readable(t).next().is_none())
    {
        match thought.first_mut() {
            // A sealed thought and its text apart.
            Some(t) if !thoughts::sealed_apart(t) => t.text = text.0.into_owned(),
            _ => thought.insert(0, Thinking { text: text.0.into_owned(), ..Thinking::default() }),
        }
    }
    for (id, seal) in seals {
        // The first seal of an id leaves nothing for the others.
        for place in places.remove(&id).into_iter().flatten() {
            if let Some(Block { body: Body::ToolCall(c), .. }) = calls.get_mut(place)
                && c.signature.is_none()
            {
                c.signature = Some(seal.clone());
            }
        }
    }
    if let Some(s) = m.extra_content.and_then(|e| e.0).and_then(Seals::signature) {
        seal(&mut calls, &mut texts, Signature::unwrap(&s, Origin::Google));
    }
    cite(m.annotations.and_then(|a| a.0).unwrap_or_default(), &mut texts);
    let at = below("reasoning_content");
    let mut out: Vec<Block> =
        thought.into_iter().map(|t| Block::new(Body::Thinking(t)).at(spot(&at))).collect();
    out.append(&mut texts);
    if let Some(refusal) = m.refusal.filter(|r| !r.is_empty()) {
        out.push(Block::new(Body::Refusal(refusal)).at(spot(&below("refusal"))));
    }
    if let Some(audio) = m.audio {
        let source = match audio.data {
            Some(data) => Source::Base64(data),
            None => Source::File { origin: Origin::OpenAi, id: audio.id.clone().unwrap_or_default() },
        };
        let name = audio.id.filter(|_| matches!(source, Source::Base64(_)));
        let media =
            Media { mime: None, source, name, detail: None, context: audio.transcript, citations: false };
        out.push(Block::new(Body::Audio(media)).at(spot(&below("audio"))));
    }
    for p in m.images.and_then(|i| i.0).unwrap_or_default() {
        if let Ok(part::Decoded::Block(b)) = part::decode(p, "", extra) {
            out.push(b.at(spot(&below("images"))));
        }
    }
    out.append(&mut calls);
    Ok(out)
}

/// Where the calls of each id stand.
fn places(calls: &[Block]) -> HashMap<String, Vec<usize>> {
    let mut places = HashMap::<String, Vec<usize>>::new();
    for (at, block) in calls.iter().enumerate() {
        if let Body::ToolCall(c) = &block.body {
            places.entry(c.id.clone()).or_default().push(at);
        }
    }
    places
}

/// A signature of the whole message belongs to its first call, else to its last text.
fn seal(calls: &mut [Block], texts: &mut [Block], seal: Signature) {
    if let Some(Block { body: Body::ToolCall(c), .. }) = calls.first_mut() {
        if c.signature.is_none() {
            c.signature = Some(seal);
        }
        return;
    }
    for b in texts.iter_mut().rev() {
        if let Body::Text { signature, .. } = &mut b.body {
            *signature = Some(seal);
            return;
        }
    }
}

/// Sources belong to the last text.
fn cite(annotations: Vec<Annotation>, texts: &mut [Block]) {
    let text = texts.iter_mut().rev().find_map(|b| match &mut b.body {
        Body::Text { citations, .. } => Some(citations),
        _ => None,
    });
    if let Some(citations) = text {
        citations.extend(annotations.into_iter().filter_map(citation));
    }
}

/// A source.
pub(crate) fn citation(a: Annotation) -> Option<Citation> {
    let c = a.url_citation?;
    let range = c.start_index.zip(c.end_index);
    Some(Citation { url: c.url, title: c.title, cited_text: c.content, range, raw: None })
}

/// A tool call; in an answer the id may be missing.
fn tool_call(
    call: Call<'_>,
    path: &str,
    in_answer: bool,
    extra: &mut Extra,
) -> Result<ToolCall, DecodeError> {
    if !in_answer {
        extra.rest(path, call.rest);
    }
    let custom = call.kind.as_ref().is_some_and(|k| k.0 == "custom") || call.custom.is_some();
    let (body, kind, field) = match custom {
        true => (call.custom, CallKind::Custom, "custom"),
        false => (call.function, CallKind::Function, "function"),
    };
    let missing = || DecodeError::new(format!("{path}.{field}"), "Give name and arguments.");
    let mut body = body.ok_or_else(missing)?;
    extra.below(path, field, std::mem::take(&mut body.rest));
    let id = call.id.filter(|id| in_answer || !id.is_empty());
    let id = match id {
        Some(id) => id,
        None if in_answer => String::new(),
        None => return Err(DecodeError::new(format!("{path}.id"), "Give the call's id.")),
    };
    let signature = call.extra_content.and_then(|e| e.0).and_then(Seals::signature);
    let signature = signature.map(|s| Signature::unwrap(&s, Origin::Google));
    Ok(ToolCall { id, signature, ..named(body, kind, &format!("{path}.{field}"))? })
}

/// Name and arguments.
fn named(body: CallBody<'_>, kind: CallKind, path: &str) -> Result<ToolCall, DecodeError> {
    let name = body.name.filter(|n| !n.is_empty());
    let name = name.ok_or_else(|| DecodeError::new(format!("{path}.name"), "Name the tool."))?;
    let arguments = match kind {
        CallKind::Custom => body.input.unwrap_or_default(),
        CallKind::Function => body.arguments.map(arguments).unwrap_or_default(),
    };
    Ok(ToolCall { name, arguments, kind, ..ToolCall::default() })
}

/// Arguments as text.
pub(crate) fn arguments(a: StrOr<'_, serde_json::Value>) -> String {
    match a {
        StrOr::Str(s) => s.into_owned(),
        StrOr::Other(value) => value.to_string(),
    }
}
