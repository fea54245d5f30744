//! Images, documents, sounds and films: `inlineData` and `fileData`.

use super::json::Json;
use super::wire::{Blob, FileData, Resolution};
use super::{Options, Platform};
use crate::ir::block::{Body, Media, Source};
use crate::ir::{Losses, Origin};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The block for a MIME type.
fn body(media: Media) -> Body {
    match media.mime.as_deref().and_then(|m| m.split('/').next()) {
        Some("image") => Body::Image(media),
        Some("audio") => Body::Audio(media),
        Some("video") => Body::Video(media),
        _ if is_film(&media) => Body::Video(media),
        _ => Body::Document(media),
    }
}

/// Google sees films on YouTube without being told what they are.
fn is_film(media: &Media) -> bool {
    let Source::Url(url) = &media.source else { return false };
    let host = url.split("://").nth(1).unwrap_or(url).split('/').next().unwrap_or_default();
    matches!(host, "youtube.com" | "www.youtube.com" | "m.youtube.com" | "youtu.be")
}

fn detail(resolution: Option<&Resolution<'_>>) -> Option<String> {
    let level = resolution?.level.as_ref()?.as_str();
    let word = level.strip_prefix("MEDIA_RESOLUTION_").unwrap_or(level);
    (word != "UNSPECIFIED").then(|| word.to_ascii_lowercase())
}

/// Bytes.
pub(super) fn inline(blob: Blob<'_>, resolution: Option<&Resolution<'_>>) -> Body {
    body(Media {
        mime: blob.mime.map(|m| m.own()).or_else(|| Some("application/octet-stream".into())),
        source: Source::Base64(blob.data.unwrap_or_default().own()),
        name: blob.name.map(|n| n.own()),
        detail: detail(resolution),
        context: None,
        citations: false,
    })
}

/// An address: of Google's own stores (Files API, Cloud Storage), or of the web.
pub(super) fn file(file: FileData<'_>, resolution: Option<&Resolution<'_>>) -> Body {
    let uri = file.uri.unwrap_or_default().own();
    let source = if is_google_file(&uri) {
        Source::File { origin: Origin::Google, id: uri }
    } else {
        Source::Url(uri)
    };
    body(Media {
        mime: file.mime.map(|m| m.own()),
        source,
        name: file.name.map(|n| n.own()),
        detail: detail(resolution),
        context: None,
        citations: false,
    })
}

fn is_files_api(uri: &str) -> bool {
    uri.starts_with("files/") || uri.starts_with("https://generativelanguage.googleapis.com/")
}

fn is_google_file(uri: &str) -> bool {
    uri.starts_with("gs://") || is_files_api(uri)
}

/// The MIME type that an address' ending tells.
fn guess(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, end) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match end.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" | "md" => "text/plain",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "json" => "application/json",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/mov",
        _ => return None,
    })
}

/// Writes the members of a part; false: it cannot be said, which is noted. `kind`: the block's, for a MIME type that
/// nobody told. `closely`: the model takes a resolution for each part.
pub(super) fn write(
    json: &mut Json,
    media: &Media,
    kind: Kind,
    at: &str,
    options: &Options,
    closely: bool,
    losses: &mut Losses,
) -> bool {
    let Media { mime, source, name, detail, context: _, citations } = media;
    let mime = mime.as_deref();
    let vertex = options.platform == Platform::Vertex;
    match source {
        Source::File { origin, id } => {
            let reason = match (origin, vertex) {
                (Origin::Google, true) if is_files_api(id) => "Vertex AI cannot read files of the Gemini API",
                (Origin::Google, false) if id.starts_with("gs://") => {
                    "the Gemini API cannot read files of Cloud Storage"
                }
                (Origin::Google, _) => "",
                _ => "the file is stored at another provider",
            };
            if !reason.is_empty() {
                losses.add(at, reason);
                return false;
            }
            uri(json, id, mime.or_else(|| guess(id)), name.as_deref().filter(|_| vertex));
        }
        Source::Url(url) => {
            // Vertex insists on a type; for an unknown ending the block's kind decides.
            let known = mime.or_else(|| guess(url)).or(vertex.then(|| kind.mime()));
            let known = if is_film(media) { mime } else { known };
            uri(json, url, known, name.as_deref().filter(|_| vertex));
        }
        Source::Base64(data) => {
            blob(json, data, mime.unwrap_or(kind.mime()), name.as_deref().filter(|_| vertex))
        }
        Source::Text(text) => {
            blob(
                json,
                &STANDARD.encode(text),
                mime.unwrap_or("text/plain"),
                name.as_deref().filter(|_| vertex),
            );
        }
    }
    if name.is_some() && !vertex {
        losses.hint(format!("{at}.name"), "the Gemini API has no names for files");
    }
    if *citations {
        losses.add(format!("{at}.citations"), "the model's provider does not cite documents");
    }
    match detail.as_deref() {
        None | Some("auto") => {}
        Some(level @ ("low" | "medium" | "high" | "ultra_high")) if closely => {
            json.key("mediaResolution");
            json.object();
            json.member("level", &["MEDIA_RESOLUTION_", &level.to_ascii_uppercase()].concat());
            json.end_object();
        }
        Some(_) => losses.hint(format!("{at}.detail"), "the model has no such detail level for one picture"),
    }
    true
}

fn blob(json: &mut Json, data: &str, mime: &str, name: Option<&str>) {
    json.key("inlineData");
    json.object();
    json.member("mimeType", mime);
    json.member("data", data);
    json.maybe("displayName", name);
    json.end_object();
}

fn uri(json: &mut Json, uri: &str, mime: Option<&str>, name: Option<&str>) {
    json.key("fileData");
    json.object();
    json.maybe("mimeType", mime);
    json.member("fileUri", uri);
    json.maybe("displayName", name);
    json.end_object();
}

/// What a block of media is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Document,
    Audio,
    Video,
}

impl Kind {
    /// The usual type.
    const fn mime(self) -> &'static str {
        match self {
            Self::Image => "image/jpeg",
            Self::Document => "application/pdf",
            Self::Audio => "audio/wav",
            Self::Video => "video/mp4",
        }
    }
}

/// The media in a block.
pub(super) fn of(body: &Body) -> Option<(&Media, Kind)> {
    match body {
        Body::Image(m) => Some((m, Kind::Image)),
        Body::Document(m) => Some((m, Kind::Document)),
        Body::Audio(m) => Some((m, Kind::Audio)),
        Body::Video(m) => Some((m, Kind::Video)),
        _ => None,
    }
}
