//! Contents and their parts.

use super::wire::{BreakpointOut, CacheOut, ContentOut, FileOut, ImageOut, PartOut, SoundOut, Url};
use crate::codec::chat::options::{CacheWords, ChatOptions};
use crate::ir::block::{Block, Body, CacheTtl, Media, Source};
use crate::ir::loss::Losses;
use crate::ir::signature::Origin;
use std::borrow::Cow;

/// A text and nothing that hangs on it.
fn plain(p: &PartOut<'_>) -> bool {
    p.kind == "text" && p.cache_control.is_none() && p.prompt_cache_breakpoint.is_none()
}

/// One text is a string; anything else is an array. None: nothing.
pub(super) fn content_of<'a>(mut parts: Vec<PartOut<'a>>, o: &ChatOptions) -> Option<ContentOut<'a>> {
    if parts.len() == 1 && parts.iter().all(plain) {
        return parts.pop().and_then(|p| p.text).map(ContentOut::Text);
    }
    if o.flat_text && !parts.is_empty() {
        return Some(joined(parts));
    }
    (!parts.is_empty()).then_some(ContentOut::Parts(parts))
}

/// Texts as one string; with anything else among them an array.
pub(super) fn joined(parts: Vec<PartOut<'_>>) -> ContentOut<'_> {
    if !parts.iter().all(plain) {
        return ContentOut::Parts(parts);
    }
    let texts: Vec<_> = parts.into_iter().filter_map(|p| p.text).collect();
    ContentOut::Text(texts.join("\n\n").into())
}

/// A document of plain text, as a text: the format's files are PDFs.
pub(super) fn text_document(b: &Block) -> Option<String> {
    let Body::Document(m) = &b.body else { return None };
    let Source::Text(text) = &m.source else { return None };
    let head = [m.name.as_deref(), m.context.as_deref()];
    let mut out: String = head.into_iter().flatten().flat_map(|h| [h, "\n\n"]).collect();
    out.push_str(text);
    Some(out)
}

/// A part of a user's, system's or tool's content; None: it cannot be said, and why is noted.
pub(super) fn part<'a>(b: &'a Block, o: &ChatOptions, losses: &mut Losses) -> Option<PartOut<'a>> {
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

/// Marks the end of what a prompt cache should keep.
pub(super) fn mark(p: &mut PartOut<'_>, ttl: CacheTtl, b: &Block, o: &ChatOptions, losses: &mut Losses) {
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
