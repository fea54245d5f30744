//! Images and documents: <https://platform.claude.com/docs/en/build-with-claude/vision>, `…/pdf-support`.

use super::blocks::{needed, optional, wrong};
use super::fields::{Fields, read};
use super::write::{Object, Sink};
use crate::codec::DecodeError;
use crate::ir::{Media, Origin, Source};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// What an image may be.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

const PDF: &str = "application/pdf";

/// Reads an image block; None: a source that is not known here.
pub(super) fn decode_image(f: &Fields<'_>, path: &str) -> Result<Option<Media>, DecodeError> {
    let Some((source, mime)) = source(f, path, None)? else { return Ok(None) };
    Ok(Some(Media { mime, source, name: None, detail: None, context: None, citations: false }))
}

/// Reads a document block; None: a source that has no name in the IR (`content`: a document made of blocks).
pub(super) fn decode_document(f: &Fields<'_>, path: &str) -> Result<Option<Media>, DecodeError> {
    #[derive(Deserialize)]
    struct Citations {
        enabled: Option<bool>,
    }
    // Documents by address are PDFs: no other kind can be fetched.
    let Some((source, mime)) = source(f, path, Some(PDF))? else { return Ok(None) };
    let citations = match f.get("citations") {
        Some(text) => read::<Citations>(text)
            .ok_or_else(|| wrong(path, "citations", "Input should be {\"enabled\": true}"))?
            .enabled
            .unwrap_or(false),
        None => false,
    };
    Ok(Some(Media {
        mime,
        source,
        name: optional(f, path, "title")?,
        detail: None,
        context: optional(f, path, "context")?,
        citations,
    }))
}

type Where = (Source, Option<String>);

fn source(f: &Fields<'_>, path: &str, fetched: Option<&str>) -> Result<Option<Where>, DecodeError> {
    let text = f.get("source").ok_or_else(|| wrong(path, "source", "Field required"))?;
    let s: Fields<'_> = read(text).ok_or_else(|| wrong(path, "source", "Input should be an object"))?;
    let path = &format!("{path}.source");
    let mime = || needed(&s, path, "media_type").map(Some);
    Ok(Some(match needed(&s, path, "type")?.as_str() {
        "base64" => (Source::Base64(needed(&s, path, "data")?), mime()?),
        "text" => (Source::Text(needed(&s, path, "data")?), mime()?),
        "url" => (Source::Url(needed(&s, path, "url")?), fetched.map(str::to_owned)),
        "file" => (Source::File { origin: Origin::Anthropic, id: needed(&s, path, "file_id")? }, None),
        _ => return Ok(None),
    }))
}

/// Why an image cannot be said; None: it can.
pub(super) fn image_misfit(m: &Media) -> Option<&'static str> {
    match &m.source {
        Source::Base64(_) if image_mime(m).is_none() => {
            Some("the model's provider takes only JPEG, PNG, GIF and WebP images")
        }
        Source::Text(_) => Some("an image must be given as base64, address or file"),
        source => address_misfit(source),
    }
}

/// Why a document cannot be said; None: it can.
pub(super) fn document_misfit(m: &Media) -> Option<&'static str> {
    match &m.source {
        Source::Base64(data) if !is_pdf(m, data) && as_text(m, data).is_none() => {
            Some("the model's provider takes only PDFs and texts as documents")
        }
        source => address_misfit(source),
    }
}

fn address_misfit(source: &Source) -> Option<&'static str> {
    match source {
        Source::Url(u) if !u.starts_with("https://") && !u.starts_with("http://") => {
            Some("the model's provider can only fetch http addresses")
        }
        Source::File { origin, .. } if *origin != Origin::Anthropic => {
            Some("the file is stored at another provider")
        }
        _ => None,
    }
}

fn image_mime(m: &Media) -> Option<&str> {
    match m.mime.as_deref()? {
        "image/jpg" => Some("image/jpeg"),
        mime => Some(mime).filter(|m| IMAGES.contains(m)),
    }
}

fn is_pdf(m: &Media, data: &str) -> bool {
    // Base64 of "%PDF".
    m.mime.as_deref() == Some(PDF) || (m.mime.is_none() && data.starts_with("JVBER"))
}

/// The text that a base64 document holds.
fn as_text(m: &Media, data: &str) -> Option<String> {
    let mime = m.mime.as_deref()?;
    let text = mime.starts_with("text/") || mime == "application/json";
    text.then(|| STANDARD.decode(data).ok().and_then(|b| String::from_utf8(b).ok())).flatten()
}

/// Writes `source` of an image.
pub(super) fn write_image<B: Sink>(o: &mut Object<'_, B>, m: &Media) {
    o.object("source", |s| match &m.source {
        Source::Base64(data) => {
            s.str("type", "base64");
            s.str("media_type", image_mime(m).unwrap_or("image/png"));
            s.str("data", data);
        }
        other => write_elsewhere(s, other),
    });
}

/// Writes the members of a document.
pub(super) fn write_document<B: Sink>(o: &mut Object<'_, B>, m: &Media) {
    let Media { mime: _, source, name, detail: _, context, citations } = m;
    o.object("source", |s| match source {
        Source::Base64(data) => match as_text(m, data) {
            Some(text) => write_elsewhere(s, &Source::Text(text)),
            None => {
                s.str("type", "base64");
                s.str("media_type", PDF);
                s.str("data", data);
            }
        },
        other => write_elsewhere(s, other),
    });
    if let Some(title) = name {
        o.str("title", title);
    }
    if let Some(context) = context {
        o.str("context", context);
    }
    if *citations {
        o.object("citations", |c| c.raw("enabled", "true"));
    }
}

fn write_elsewhere<B: Sink>(s: &mut Object<'_, B>, source: &Source) {
    match source {
        Source::Url(url) => {
            s.str("type", "url");
            s.str("url", url);
        }
        Source::File { origin: _, id } => {
            s.str("type", "file");
            s.str("file_id", id);
        }
        Source::Text(text) | Source::Base64(text) => {
            s.str("type", "text");
            s.str("media_type", "text/plain");
            s.str("data", text);
        }
    }
}
