//! Parts of contents.

use super::{Extra, spot};
use crate::codec::DecodeError;
use crate::codec::chat::json::StrOr;
use crate::codec::chat::wire::{CacheControl, File, ImageUrl, InputAudio, Part};
use crate::ir::block::{Block, Body, CacheTtl, Media, Source, Thinking};
use crate::ir::signature::Origin;

/// What a part is.
pub(crate) enum Decoded {
    /// A block.
    Block(Block),
    /// A kind that has no name here: its `type`.
    Unknown(String),
}

/// Reads a part at `path` (empty: in an answer).
pub(crate) fn decode(part: Part<'_>, path: &str, extra: &mut Extra) -> Result<Decoded, DecodeError> {
    let kind = part.kind.as_ref().map_or("", |k| k.0.as_ref());
    let missing = |name: &str| DecodeError::new(format!("{path}.{name}"), "This is missing.");
    let body = match kind {
        "text" => text(part.text.ok_or_else(|| missing("text"))?),
        "refusal" => Body::Refusal(part.refusal.ok_or_else(|| missing("refusal"))?),
        "image_url" => {
            Body::Image(address(part.image_url.ok_or_else(|| missing("image_url"))?, path, extra)?)
        }
        "video_url" => {
            Body::Video(address(part.video_url.ok_or_else(|| missing("video_url"))?, path, extra)?)
        }
        "input_audio" => {
            Body::Audio(sound(part.input_audio.ok_or_else(|| missing("input_audio"))?, path, extra)?)
        }
        "file" => Body::Document(file(part.file.ok_or_else(|| missing("file"))?, path, extra)?),
        "thinking" => Body::Thinking(thought(part.thinking)),
        other => return Ok(Decoded::Unknown(other.to_owned())),
    };
    if !path.is_empty() {
        extra.rest(path, part.rest);
    }
    let cache = part.cache_control.or(part.prompt_cache_breakpoint).map(|c| ttl(&c));
    Ok(Decoded::Block(Block { body, cache, at: spot(path) }))
}

/// A text.
pub(crate) fn text(text: String) -> Body {
    Body::Text { text, citations: Vec::new(), signature: None }
}

/// How long: OpenAI's 12 hours are nearest to the hour, its 30 minutes to the default.
pub(crate) fn ttl(c: &CacheControl<'_>) -> CacheTtl {
    match c.ttl.as_ref().map(|t| t.0.as_ref()) {
        Some("1h" | "12h") => CacheTtl::Hour,
        _ => CacheTtl::Default,
    }
}

/// A medium without anything.
fn media(mime: Option<String>, source: Source) -> Media {
    Media { mime, source, name: None, detail: None, context: None, citations: false }
}

/// Splits `data:image/png;base64,…`.
fn data_url(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,").filter(|(mime, _)| !mime.contains(','))
}

fn located(url: &str) -> (Option<String>, Source) {
    match data_url(url) {
        Some((mime, data)) => {
            // Parameters (`;charset=…`) are no part of the type.
            let mime = mime.split(';').next().filter(|m| !m.is_empty());
            (mime.map(str::to_owned), Source::Base64(data.to_owned()))
        }
        None => (None, Source::Url(url.to_owned())),
    }
}

/// A picture or a film.
fn address(u: StrOr<'_, ImageUrl<'_>>, path: &str, extra: &mut Extra) -> Result<Media, DecodeError> {
    let (url, detail) = match u {
        StrOr::Str(url) => (url, None),
        StrOr::Other(ImageUrl { url, detail, rest }) => {
            extra.below(path, "image_url", rest);
            let url = url.ok_or_else(|| {
                DecodeError::new(format!("{path}.image_url.url"), "Give an https or a data URL.")
            })?;
            (url.0, detail)
        }
    };
    if url.is_empty() {
        return Err(DecodeError::new(format!("{path}.image_url.url"), "Give an https or a data URL."));
    }
    let (mime, source) = located(&url);
    Ok(Media { detail, ..media(mime, source) })
}

fn sound(a: InputAudio<'_>, path: &str, extra: &mut Extra) -> Result<Media, DecodeError> {
    extra.below(path, "input_audio", a.rest);
    let missing =
        |n: &str| DecodeError::new(format!("{path}.input_audio.{n}"), "Give `data` (base64) and `format`.");
    let data = a.data.ok_or_else(|| missing("data"))?;
    let format = a.format.ok_or_else(|| missing("format"))?;
    let mime = match format.0.as_ref() {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    };
    Ok(media(Some(mime), Source::Base64(data)))
}

fn file(f: File<'_>, path: &str, extra: &mut Extra) -> Result<Media, DecodeError> {
    extra.below(path, "file", f.rest);
    let (mime, source) = match (f.file_data, f.file_id) {
        (Some(data), _) => match located(&data.0) {
            (mime, Source::Url(url)) if !url.contains("://") => (mime, Source::Base64(url)),
            located => located,
        },
        (None, Some(id)) => (None, Source::File { origin: Origin::OpenAi, id }),
        (None, None) => {
            return Err(DecodeError::new(format!("{path}.file"), "Give `file_data` or `file_id`."));
        }
    };
    // Bare base64 says no type; the name does, for the one kind that everybody takes.
    let pdf = || f.filename.as_ref().is_some_and(|n| n.to_ascii_lowercase().ends_with(".pdf"));
    let bare = mime.is_none() && matches!(source, Source::Base64(_));
    let mime = if bare && pdf() { Some("application/pdf".to_owned()) } else { mime };
    Ok(Media { name: f.filename, ..media(mime, source) })
}

/// Mistral's `thinking` part: a text, or text parts.
fn thought(t: Option<StrOr<'_, Vec<Part<'_>>>>) -> Thinking {
    let text = match t {
        None => String::new(),
        Some(StrOr::Str(s)) => s.into_owned(),
        Some(StrOr::Other(parts)) => parts.into_iter().filter_map(|p| p.text).collect(),
    };
    Thinking { text, ..Thinking::default() }
}
