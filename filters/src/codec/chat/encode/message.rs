//! Messages.

use super::call_id;
use super::part::{content_of, joined, mark, part, text_document};
use super::tools::flat_name;
use super::wire::{AudioIdOut, CallBodyOut, CallOut, ContentOut, MessageOut, PartOut, SealsOut};
use crate::codec::chat::options::{ChatOptions, ReasoningWords, Thoughts};
use crate::codec::chat::thoughts;
use crate::codec::says_error;
use crate::ir::block::{Block, Body, CallKind, Media, Source, Thinking, ToolCall, ToolResult};
use crate::ir::conversation::{Message, Role};
use crate::ir::loss::Losses;
use crate::ir::signature::Origin;

/// Says all messages.
pub(super) fn encode<'a>(
    messages: &'a [Message],
    o: &ChatOptions,
    losses: &mut Losses,
) -> Vec<MessageOut<'a>> {
    let mut out = Vec::with_capacity(messages.len());
    for m in messages {
        let Message { role, content, name, at: _ } = m;
        let role = match role {
            Role::Developer if o.developer => "developer",
            Role::System | Role::Developer => "system",
            Role::User => {
                user(content, name.as_deref(), o, &mut out, losses);
                continue;
            }
            Role::Assistant => {
                out.push(assistant(content, name.as_deref(), o, losses));
                continue;
            }
        };
        let parts = content.iter().filter_map(|b| part(b, o, losses)).collect();
        if !o.system_anywhere && !out.is_empty() {
            late_instructions(parts, m, o, &mut out, losses);
            continue;
        }
        out.push(MessageOut {
            role,
            name: name.as_deref(),
            content: content_of(parts, o),
            ..MessageOut::default()
        });
    }
    out
}

/// Instructions that are not the first message, for a server that takes only one, at the beginning.
fn late_instructions<'a>(
    parts: Vec<PartOut<'a>>,
    m: &Message,
    o: &ChatOptions,
    out: &mut Vec<MessageOut<'a>>,
    losses: &mut Losses,
) {
    let beginning = out.iter().all(|m| m.role == "system");
    if !beginning {
        losses.hint(
            m.at.0.to_string(),
            "the model's provider takes instructions at the beginning only: the user says it",
        );
    }
    match out.last_mut() {
        Some(last) if beginning || last.role == "tool" && !o.user_after_tool => add_parts(last, parts),
        _ => out.push(MessageOut { role: "user", content: content_of(parts, o), ..MessageOut::default() }),
    }
}

/// A user's turn: each tool's result is a message of its own, before the rest.
fn user<'a>(
    content: &'a [Block],
    name: Option<&'a str>,
    o: &ChatOptions,
    out: &mut Vec<MessageOut<'a>>,
    losses: &mut Losses,
) {
    let (mut rest, mut media, mut results) = (Vec::new(), Vec::new(), false);
    for b in content {
        match &b.body {
            Body::ToolResult(r) => {
                results = true;
                out.push(result(r, b, &mut media, o, losses));
            }
            _ => rest.extend(part(b, o, losses)),
        }
    }
    // What a tool's message cannot hold follows right behind all of them.
    media.append(&mut rest);
    if let (false, Some(tool)) = (o.user_after_tool, out.last_mut().filter(|m| m.role == "tool")) {
        add_parts(tool, media);
        return;
    }
    if !media.is_empty() || !results {
        let content = content_of(media, o).or(Some(ContentOut::Text("".into())));
        out.push(MessageOut { role: "user", name, content, ..MessageOut::default() });
    }
}

/// Adds to a message's content.
fn add_parts<'a>(m: &mut MessageOut<'a>, mut more: Vec<PartOut<'a>>) {
    if more.is_empty() {
        return;
    }
    let mut parts = match m.content.take() {
        None => Vec::new(),
        Some(ContentOut::Text(text)) if text.is_empty() => Vec::new(),
        Some(ContentOut::Text(text)) => vec![PartOut::text(text)],
        Some(ContentOut::Parts(parts)) => parts,
    };
    parts.append(&mut more);
    m.content = Some(joined(parts));
}

fn result<'a>(
    r: &'a ToolResult,
    b: &'a Block,
    media: &mut Vec<PartOut<'a>>,
    o: &ChatOptions,
    losses: &mut Losses,
) -> MessageOut<'a> {
    // The name is the call's, and the kind likewise.
    let ToolResult { call_id: id, name: _, content, is_error, kind: _ } = r;
    let (mut parts, mut apart) = (Vec::new(), Vec::new());
    for inner in content {
        let text = matches!(&inner.body, Body::Text { .. }) || text_document(inner).is_some();
        if let Some(p) = part(inner, o, losses) {
            if text || o.tool_media { parts.push(p) } else { apart.push(p) }
        }
    }
    if *is_error {
        told_as_error(&mut parts);
    }
    if !apart.is_empty() {
        let note = format!("What the tool call {} gave back beside text:", call_id(id, o));
        media.push(PartOut::text(note.into()));
        media.append(&mut apart);
        if parts.is_empty() {
            parts.push(PartOut::text("It follows in the next message.".into()));
        }
    }
    if let (Some(ttl), Some(last)) = (b.cache, parts.last_mut()) {
        mark(last, ttl, b, o, losses);
    }
    let content = content_of(parts, o).or(Some(ContentOut::Text("".into())));
    MessageOut { role: "tool", tool_call_id: Some(call_id(id, o)), content, ..MessageOut::default() }
}

/// The format has no field for a failure: the text must say it, and mostly does.
fn told_as_error(parts: &mut Vec<PartOut<'_>>) {
    let first = parts.first_mut().and_then(|p| p.text.as_mut());
    match first {
        Some(text) if says_error(text) => {}
        Some(text) => text.to_mut().insert_str(0, "Error: "),
        None => parts.insert(0, PartOut::text("Error".into())),
    }
}

fn assistant<'a>(
    content: &'a [Block],
    name: Option<&'a str>,
    o: &ChatOptions,
    losses: &mut Losses,
) -> MessageOut<'a> {
    let mut out = MessageOut { role: "assistant", name, ..MessageOut::default() };
    let mut parts = Vec::new();
    let mut sealed = Vec::new();
    for b in content {
        let Block { body, cache, at } = b;
        if cache.is_some() && !matches!(body, Body::Text { .. }) {
            losses.hint(
                format!("{}.cache_control", at.0),
                "the model's provider takes cache marks on texts only",
            );
        }
        match body {
            Body::Thinking(t) => thought(t, b, o, &mut out, &mut parts, losses),
            Body::ToolCall(c) => {
                if c.kind == CallKind::Custom && !o.custom_tools {
                    losses.add(at.0.to_string(), "the model's provider has no tools with free text");
                }
                out.tool_calls.push(call(c, o));
                sealed.extend(c.signature.as_ref().map(|s| (s, c.id.as_str())));
            }
            Body::Refusal(text) => out.refusal.get_or_insert_default().push_str(text),
            Body::Audio(Media { source: Source::File { origin: Origin::OpenAi, id }, .. }) if o.account => {
                out.audio = Some(AudioIdOut { id });
            }
            Body::Text { citations, signature: _, .. } => {
                if !citations.is_empty() {
                    losses.hint(at.0.to_string(), "sources are not taken back by the model's provider");
                }
                parts.extend(part(b, o, losses));
            }
            // The format's assistants speak and call only.
            Body::Image(_) | Body::Document(_) | Body::Audio(_) | Body::Video(_) => {
                losses.add(at.0.to_string(), "the model's provider takes no media from an assistant");
            }
            _ => parts.extend(part(b, o, losses)),
        }
    }
    if o.thoughts == Thoughts::Details {
        for (s, id) in sealed {
            let index = u32::try_from(out.reasoning_details.len()).unwrap_or(u32::MAX);
            out.reasoning_details.push(thoughts::DetailOut::sealed(s, Some(id), index));
        }
    }
    // DeepSeek and Kimi refuse a turn with calls and without thoughts.
    if o.reasoning == ReasoningWords::Switch && !out.tool_calls.is_empty() {
        out.reasoning_content.get_or_insert_default();
    }
    out.content = content_of(parts, o);
    if out.content.is_none() && out.tool_calls.is_empty() && out.refusal.is_none() && out.audio.is_none() {
        out.content = Some(ContentOut::Text("".into()));
    }
    out
}

fn thought<'a>(
    t: &'a Thinking,
    b: &Block,
    o: &ChatOptions,
    out: &mut MessageOut<'a>,
    parts: &mut Vec<PartOut<'a>>,
    losses: &mut Losses,
) {
    let append = |to: &mut Option<String>| {
        for text in thoughts::readable(t) {
            let to = to.get_or_insert_default();
            if !to.is_empty() {
                to.push_str("\n\n");
            }
            to.push_str(text);
        }
    };
    match o.thoughts {
        // The model never sees its earlier thoughts here, whoever its client is.
        Thoughts::Omit => {
            losses.hint(b.at.0.to_string(), "the model's provider does not take thoughts of earlier turns");
        }
        Thoughts::Content => append(&mut out.reasoning_content),
        Thoughts::Reasoning => append(&mut out.reasoning),
        Thoughts::Both => {
            append(&mut out.reasoning_content);
            append(&mut out.reasoning);
        }
        Thoughts::Details => {
            append(&mut out.reasoning);
            thoughts::write(t, &mut out.reasoning_details);
        }
        Thoughts::Parts => {
            let inner: Vec<_> = thoughts::readable(t).map(|s| PartOut::text(s.into())).collect();
            if !inner.is_empty() {
                parts.push(PartOut { kind: "thinking", thinking: Some(inner), ..PartOut::default() });
            }
        }
    }
    let plain = !matches!(o.thoughts, Thoughts::Omit | Thoughts::Details);
    if plain && t.signature.is_some() {
        losses.hint(b.at.0.to_string(), "the proof of a thought means nothing to another provider");
    }
}

fn call<'a>(c: &'a ToolCall, o: &ChatOptions) -> CallOut<'a> {
    let ToolCall { id, name, namespace, arguments, kind, signature } = c;
    let name = Some(flat_name(namespace.as_deref(), name));
    let custom = *kind == CallKind::Custom && o.custom_tools;
    let google = signature.as_ref().filter(|s| s.origin == Origin::Google && o.call_signatures);
    let mut out = CallOut {
        id: Some(call_id(id, o)),
        kind: Some(if custom { "custom" } else { "function" }),
        extra_content: google.map(|s| SealsOut::new(&s.value)),
        ..CallOut::default()
    };
    if custom {
        out.custom = Some(CallBodyOut { name, input: Some(arguments), ..CallBodyOut::default() });
    } else {
        // Nothing at all is how some models call a tool without parameters; servers parse it.
        let arguments = if arguments.is_empty() { "{}" } else { arguments.as_str() };
        out.function = Some(CallBodyOut { name, arguments: Some(arguments), ..CallBodyOut::default() });
    }
    out
}
