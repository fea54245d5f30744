//! Images and files: `input_image` and `input_file` parts, both ways.

use super::json::{Str, object};
use crate::ir::block::{Media, Source};
use crate::ir::{Origin, Raw};
use base64::Engine;
use serde::Serialize;
use std::borrow::Cow;

object! {
    /// `input_image` and `input_file`, with whatever stands in either.
    Part {
        kind "type": Str<'de>,
        text "text": Str<'de>,
        refusal "refusal": Str<'de>,
        annotations "annotations": Vec<&'de serde_json::value::RawValue>,
        logprobs "logprobs": &'de serde_json::value::RawValue,
        image_url "image_url": Str<'de>,
        file_id "file_id": Str<'de>,
        file_url "file_url": Str<'de>,
        file_data "file_data": Str<'de>,
        filename "filename": Str<'de>,
        detail "detail": Str<'de>,
        input_audio "input_audio": Audio<'de>,
        breakpoint "prompt_cache_breakpoint": Breakpoint<'de>,
    }
}

object! {
    /// `input_audio.input_audio`.
    Audio { data "data": Str<'de>, format "format": Str<'de> }
}

object! {
    /// `prompt_cache_breakpoint`.
    Breakpoint { mode "mode": Str<'de>, ttl "ttl": Str<'de> }
}

/// Base64 or an address: what an `image_url` or `file_data` says.
fn source(text: &str) -> (Option<String>, Source) {
    match text.strip_prefix("data:").and_then(|t| t.split_once(";base64,")) {
        Some((mime, data)) => {
            (Some(mime.to_owned()).filter(|m| !m.is_empty()), Source::Base64(data.to_owned()))
        }
        None => (None, Source::Url(text.to_owned())),
    }
}

fn file(id: Str<'_>) -> Source {
    Source::File { origin: Origin::OpenAi, id: id.into_string() }
}

fn media(mime: Option<String>, source: Source, name: Option<Str<'_>>, detail: Option<Str<'_>>) -> Media {
    let (name, detail) = (name.map(Str::into_string), detail.map(Str::into_string));
    Media { mime, source, name, detail, context: None, citations: false }
}

/// Reads an `input_image`; None: it says neither address nor file.
pub(super) fn image(p: &mut Part<'_>) -> Option<Media> {
    let detail = p.detail.take();
    if let Some(url) = p.image_url.take() {
        let (mime, source) = source(&url);
        return Some(media(mime, source, None, detail));
    }
    p.file_id.take().map(|id| media(None, file(id), None, detail))
}

/// Reads an `input_file`; None: it says no source.
pub(super) fn document(p: &mut Part<'_>) -> Option<Media> {
    let (name, detail) = (p.filename.take(), p.detail.take());
    if let Some(data) = p.file_data.take() {
        // Bare base64 is accepted too.
        let (mime, source) = match source(&data) {
            (None, Source::Url(bare)) => (None, Source::Base64(bare)),
            known => known,
        };
        return Some(media(mime, source, name, detail));
    }
    if let Some(url) = p.file_url.take() {
        return Some(media(None, Source::Url(url.into_string()), name, detail));
    }
    p.file_id.take().map(|id| media(None, file(id), name, detail))
}

/// Reads an `input_audio`.
pub(super) fn audio(p: &mut Part<'_>) -> Option<Media> {
    let a = p.input_audio.take()?;
    let mime = a.format.map(|f| format!("audio/{}", &*f));
    Some(media(mime, Source::Base64(a.data?.into_string()), None, None))
}

/// A part of a message or of a tool's output, as it is written.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutPart<'a> {
    InputText {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<OutBreakpoint>,
    },
    InputImage {
        #[serde(skip_serializing_if = "Option::is_none")]
        image_url: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        detail: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<OutBreakpoint>,
    },
    InputFile {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<OutBreakpoint>,
    },
    OutputText {
        text: &'a str,
        annotations: Vec<Raw>,
    },
    Refusal {
        refusal: &'a str,
    },
    #[serde(untagged)]
    Raw(&'a Raw),
}

/// `prompt_cache_breakpoint`.
#[derive(Clone, Copy, Serialize)]
pub(super) struct OutBreakpoint {
    pub(super) mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<&'static str>,
}

fn data_url(mime: &str, base64: &str) -> String {
    ["data:", mime, ";base64,", base64].concat()
}

/// Writes an image; None: another provider's file.
pub(super) fn out_image(m: &Media, prompt_cache_breakpoint: Option<OutBreakpoint>) -> Option<OutPart<'_>> {
    // `detail` is required in messages; `auto` is what its absence means in tool outputs.
    let detail = m.detail.as_deref().unwrap_or("auto");
    let (image_url, file_id) = match &m.source {
        Source::Base64(b) => (Some(Cow::Owned(data_url(m.mime.as_deref().unwrap_or("image/png"), b))), None),
        Source::Url(u) => (Some(Cow::Borrowed(u.as_str())), None),
        Source::File { origin: Origin::OpenAi, id } => (None, Some(id.as_str())),
        Source::File { .. } | Source::Text(_) => return None,
    };
    Some(OutPart::InputImage { image_url, file_id, detail, prompt_cache_breakpoint })
}

/// Writes a document; None: another provider's file.
pub(super) fn out_document(m: &Media, prompt_cache_breakpoint: Option<OutBreakpoint>) -> Option<OutPart<'_>> {
    let mut filename = m.name.as_deref();
    let detail = m.detail.as_deref();
    let (mut file_data, mut file_url, mut file_id) = (None, None, None);
    match &m.source {
        Source::Base64(b) => {
            file_data = Some(match &m.mime {
                Some(mime) => Cow::Owned(data_url(mime, b)),
                None => Cow::Borrowed(b.as_str()),
            });
            // Data without a name is refused.
            filename = filename.or(Some(match m.mime.as_deref() {
                None | Some("application/pdf") => "document.pdf",
                Some(_) => "document.txt",
            }));
        }
        Source::Text(t) => {
            let base64 = base64::engine::general_purpose::STANDARD.encode(t);
            file_data = Some(Cow::Owned(data_url(m.mime.as_deref().unwrap_or("text/plain"), &base64)));
            filename = filename.or(Some("document.txt"));
        }
        Source::Url(u) => file_url = Some(u.as_str()),
        Source::File { origin: Origin::OpenAi, id } => file_id = Some(id.as_str()),
        Source::File { .. } => return None,
    }
    Some(OutPart::InputFile { filename, file_data, file_url, file_id, detail, prompt_cache_breakpoint })
}
