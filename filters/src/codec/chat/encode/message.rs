//! Messages.

use super::call_id;
use super::tools::flat_name;
use super::wire::{
    AudioIdOut, BreakpointOut, CacheOut, CallBodyOut, CallOut, ContentOut, FileOut, ImageOut, MessageOut,
    PartOut, SealsOut, SoundOut, Url,
};
use crate::codec::chat::options::{CacheWords, ChatOptions, Thoughts};
use crate::codec::chat::thoughts;
use crate::ir::block::{Block, Body, CacheTtl, CallKind, Media, Source, Thinking, ToolCall, ToolResult};
use crate::ir::conversation::{Message, Role};
use crate::ir::loss::Losses;
use crate::ir::signature::Origin;
use std::borrow::Cow;

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
        out.push(MessageOut {
            role,
            name: name.as_deref(),
            content: content_of(parts, o),
            ..MessageOut::default()
        });
    }
    out
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
    if !media.is_empty() || !results {
        let content = content_of(media, o).or(Some(ContentOut::Text("".into())));
        out.push(MessageOut { role: "user", name, content, ..MessageOut::default() });
    }
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
        Some(text) => {
            let start: String = text.chars().take(60).collect();
            if !start.to_ascii_lowercase().contains("error") {
                text.to_mut().insert_str(0, "Error: ");
            }
        }
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
        let Block { body, cache: _, at } = b;
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
    let unsaid = matches!(o.thoughts, Thoughts::Content | Thoughts::Parts) && t.signature.is_some();
    if unsaid {
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

/// One text is a string; anything else is an array. None: nothing.
fn content_of<'a>(mut parts: Vec<PartOut<'a>>, o: &ChatOptions) -> Option<ContentOut<'a>> {
    let plain = |p: &PartOut<'_>| {
        p.kind == "text" && p.cache_control.is_none() && p.prompt_cache_breakpoint.is_none()
    };
    if parts.len() == 1 && parts.iter().all(plain) {
        return parts.pop().and_then(|p| p.text).map(ContentOut::Text);
    }
    if o.flat_text && !parts.is_empty() && parts.iter().all(|p| p.kind == "text") {
        let texts: Vec<_> = parts.into_iter().filter_map(|p| p.text).collect();
        return Some(ContentOut::Text(texts.join("\n\n").into()));
    }
    (!parts.is_empty()).then_some(ContentOut::Parts(parts))
}

/// A document of plain text, as a text: the format's files are PDFs.
fn text_document(b: &Block) -> Option<String> {
    let Body::Document(m) = &b.body else { return None };
    let Source::Text(text) = &m.source else { return None };
    let head = [m.name.as_deref(), m.context.as_deref()];
    let mut out: String = head.into_iter().flatten().flat_map(|h| [h, "\n\n"]).collect();
    out.push_str(text);
    Some(out)
}

/// A part of a user's, system's or tool's content; None: it cannot be said, and why is noted.
fn part<'a>(b: &'a Block, o: &ChatOptions, losses: &mut Losses) -> Option<PartOut<'a>> {
    let Block { body, cache, at } = b;
    let mut lost = |why: &'static str| -> Option<PartOut<'a>> {
        losses.add(at.0.to_string(), why);
        None
    };
    let mut out = match body {
        Body::Text { text, .. } => PartOut::text(Cow::Borrowed(text)),
        Body::Image(m) => match url(&m.source, m.mime.as_deref(), "image/png") {
            Some(url) => {
                let image = ImageOut { url, detail: m.detail.as_deref() };
                PartOut { kind: "image_url", image_url: Some(image), ..PartOut::default() }
            }
            None => return lost("the picture is stored at another provider"),
        },
        Body::Video(m) if o.video => match url(&m.source, m.mime.as_deref(), "video/mp4") {
            Some(url) => {
                let video = ImageOut { url, detail: None };
                PartOut { kind: "video_url", video_url: Some(video), ..PartOut::default() }
            }
            None => return lost("the film is stored at another provider"),
        },
        Body::Video(_) => return lost("the model's provider takes no films"),
        Body::Audio(m) => match &m.source {
            Source::Base64(data) => {
                let sound = SoundOut { data, format: sound_format(m.mime.as_deref()) };
                PartOut { kind: "input_audio", input_audio: Some(sound), ..PartOut::default() }
            }
            _ => return lost("the model's provider takes sounds only as base64"),
        },
        Body::Document(m) => {
            if m.citations {
                losses.add(format!("{}.citations", at.0), "the model's provider cites no documents");
            }
            match text_document(b) {
                Some(text) => PartOut::text(text.into()),
                None => match file(m, o) {
                    Some(file) => PartOut { kind: "file", file: Some(file), ..PartOut::default() },
                    None => {
                        losses.add(at.0.to_string(), "the model's provider cannot take this document");
                        return None;
                    }
                },
            }
        }
        Body::Refusal(text) => PartOut::text(Cow::Borrowed(text)),
        Body::Server { .. } => return lost("the model's provider did not run that tool and cannot read it"),
        Body::Opaque { .. } => return lost("the model's provider does not know this kind of content"),
        Body::ToolCall(_) | Body::ToolResult(_) | Body::Thinking(_) => {
            return lost("this kind of content does not belong here");
        }
    };
    if let Some(ttl) = cache {
        mark(&mut out, *ttl, b, o, losses);
    }
    Some(out)
}

fn mark(p: &mut PartOut<'_>, ttl: CacheTtl, b: &Block, o: &ChatOptions, losses: &mut Losses) {
    match o.cache {
        CacheWords::Control => p.cache_control = Some(cache_control(ttl)),
        CacheWords::Breakpoint => {
            let ttl = (ttl == CacheTtl::Hour).then_some("12h");
            p.prompt_cache_breakpoint = Some(BreakpointOut { mode: "explicit", ttl });
        }
        CacheWords::None => {
            losses.hint(format!("{}.cache_control", b.at.0), "the model's provider caches by itself");
        }
    }
}

/// Anthropic's mark.
pub(super) fn cache_control(ttl: CacheTtl) -> CacheOut {
    CacheOut { kind: "ephemeral", ttl: (ttl == CacheTtl::Hour).then_some("1h") }
}

fn url<'a>(source: &'a Source, mime: Option<&'a str>, usual: &'static str) -> Option<Url<'a>> {
    match source {
        Source::Url(url) => Some(Url::Plain(url)),
        Source::Base64(data) => Some(Url::Data { mime: mime.unwrap_or(usual), data }),
        Source::File { .. } | Source::Text(_) => None,
    }
}

fn file<'a>(m: &'a Media, o: &ChatOptions) -> Option<FileOut<'a>> {
    if !o.files {
        return None;
    }
    let filename = m.name.as_deref();
    match &m.source {
        Source::Base64(data) => {
            let mime = m.mime.as_deref().unwrap_or("application/pdf");
            let file_data = Some(Url::Data { mime, data });
            // OpenAI wants a name with bytes.
            Some(FileOut { filename: filename.or(Some("document.pdf")), file_data, file_id: None })
        }
        Source::Url(url) if o.file_urls => {
            Some(FileOut { filename, file_data: Some(Url::Plain(url)), file_id: None })
        }
        Source::File { origin: Origin::OpenAi, id } if o.account => {
            Some(FileOut { filename, file_id: Some(id), file_data: None })
        }
        _ => None,
    }
}

/// OpenAI's words are not the subtypes.
fn sound_format(mime: Option<&str>) -> &str {
    match mime.map(|m| m.strip_prefix("audio/").unwrap_or(m)) {
        Some("mpeg" | "mp3" | "mpga") => "mp3",
        None | Some("wav" | "x-wav" | "wave" | "vnd.wave") => "wav",
        Some(other) => other,
    }
}
