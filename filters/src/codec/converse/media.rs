//! Images, documents, films and sounds: Converse wants a format's short name, and the bytes or a place in S3.

use crate::ir::block::{Media, Source};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashSet;

/// An image, a film or a sound.
#[derive(Debug, Serialize)]
pub(super) struct MediaBlock<'a> {
    format: &'static str,
    source: Place<'a>,
}

/// A document.
#[derive(Debug, Serialize)]
pub(super) struct DocumentBlock<'a> {
    format: &'static str,
    name: String,
    source: Place<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    citations: Option<Enabled>,
}

#[derive(Debug, Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Place<'a> {
    /// Base64 in JSON.
    Bytes(Cow<'a, str>),
    S3Location(S3<'a>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct S3<'a> {
    uri: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket_owner: Option<&'a str>,
}

/// What kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Image,
    Document,
    Video,
    Audio,
}

/// Short names of formats, by MIME type; the first name of a format is also its usual file extension.
const IMAGES: &[(&str, &str)] = &[
    ("image/png", "png"),
    ("image/jpeg", "jpeg"),
    ("image/jpg", "jpeg"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
];
const DOCUMENTS: &[(&str, &str)] = &[
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("text/html", "html"),
    ("text/markdown", "md"),
    ("text/plain", "txt"),
    ("application/json", "txt"),
    ("application/xml", "txt"),
];
const VIDEOS: &[(&str, &str)] = &[
    ("video/x-matroska", "mkv"),
    ("video/quicktime", "mov"),
    ("video/mp4", "mp4"),
    ("video/webm", "webm"),
    ("video/x-flv", "flv"),
    ("video/mpeg", "mpeg"),
    ("video/mpg", "mpg"),
    ("video/x-ms-wmv", "wmv"),
    ("video/wmv", "wmv"),
    ("video/3gpp", "three_gp"),
];
const AUDIOS: &[(&str, &str)] = &[
    ("audio/mpeg", "mp3"),
    ("audio/mp3", "mp3"),
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/opus", "opus"),
    ("audio/aac", "aac"),
    ("audio/flac", "flac"),
    ("audio/mp4", "mp4"),
    ("audio/ogg", "ogg"),
    ("audio/m4a", "m4a"),
    ("audio/x-m4a", "m4a"),
    ("audio/webm", "webm"),
    ("audio/pcm", "pcm"),
    ("audio/L16", "pcm"),
];

/// Beginnings of well-known files in base64, for media whose type the client did not say.
const MAGIC: &[(&str, &str)] =
    &[("iVBORw", "png"), ("/9j/", "jpeg"), ("R0lGOD", "gif"), ("UklGR", "webp"), ("JVBERi", "pdf")];

/// Why a medium cannot be said.
const ADDRESS: &str = "Bedrock takes bytes or an s3:// address; it fetches nothing from the web";
const FOREIGN: &str = "a file that is stored at another provider cannot be read there";
const FORMAT: &str = "Bedrock does not know this kind of file";

/// The MIME type for a format's short name, for what a model makes.
pub(super) fn mime(what: What, format: &str) -> Option<&'static str> {
    table(what).iter().find(|(_, f)| *f == format).map(|(m, _)| *m)
}

fn table(what: What) -> &'static [(&'static str, &'static str)] {
    match what {
        What::Image => IMAGES,
        What::Document => DOCUMENTS,
        What::Video => VIDEOS,
        What::Audio => AUDIOS,
    }
}

/// Said as a block of format and source.
pub(super) fn block(what: What, m: &Media) -> Result<MediaBlock<'_>, &'static str> {
    let source = place(&m.source)?;
    Ok(MediaBlock { format: format(what, m).ok_or(FORMAT)?, source })
}

/// Said as a document with a name of its own.
pub(super) fn document<'a>(m: &'a Media, names: &mut Names) -> Result<DocumentBlock<'a>, &'static str> {
    let source = place(&m.source)?;
    Ok(DocumentBlock {
        format: format(What::Document, m).ok_or(FORMAT)?,
        name: names.take(m.name.as_deref().unwrap_or_default()),
        source,
        context: m.context.as_deref().filter(|c| !c.is_empty()),
        citations: m.citations.then_some(Enabled { enabled: true }),
    })
}

fn place(source: &Source) -> Result<Place<'_>, &'static str> {
    match source {
        Source::Base64(data) => Ok(Place::Bytes(Cow::Borrowed(data))),
        // As bytes: every model that reads documents takes them, `source.text` only some.
        Source::Text(text) => Ok(Place::Bytes(Cow::Owned(STANDARD.encode(text)))),
        Source::Url(u) | Source::File { id: u, .. } if u.starts_with("s3://") => {
            // The owner of a bucket in another account, as `?bucketOwner=123456789012` (a query S3 itself has not).
            let (uri, owner) = match u.split_once("?bucketOwner=") {
                Some((uri, owner)) => (uri, Some(owner)),
                None => (u.as_str(), None),
            };
            Ok(Place::S3Location(S3 { uri, bucket_owner: owner }))
        }
        Source::Url(_) => Err(ADDRESS),
        Source::File { .. } => Err(FOREIGN),
    }
}

fn format(what: What, m: &Media) -> Option<&'static str> {
    let table = table(what);
    let known = |name: &str| table.iter().find(|(_, f)| *f == name).map(|(_, f)| *f);
    let mime = m.mime.as_deref().map(|t| t.split(';').next().unwrap_or(t).trim());
    if let Some(mime) = mime {
        let found = table.iter().find(|(t, _)| t.eq_ignore_ascii_case(mime));
        let text = what == What::Document && mime.starts_with("text/");
        return found.map(|(_, f)| *f).or(text.then_some("txt"));
    }
    let extension = |n: &str| n.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
    let by_name = match &m.source {
        Source::Text(_) => return known("txt"),
        Source::Url(u) | Source::File { id: u, .. } => extension(u.split('?').next().unwrap_or(u)),
        Source::Base64(data) => {
            let magic = MAGIC.iter().find(|(begin, _)| data.starts_with(begin));
            magic.map(|(_, f)| (*f).to_owned())
        }
    };
    by_name.as_deref().and_then(known).or_else(|| {
        let named = m.name.as_deref().and_then(extension)?;
        known(if named == "jpg" { "jpeg" } else { &named })
    })
}

/// Names of documents: letters, digits, single spaces, `-`, `_`, `()`, `[]`, at most 200; and no two alike in one
/// request ("Messages can't contain duplicate document names"). The same documents get the same names every time, or
/// the prompt cache would miss.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    fn take(&mut self, wanted: &str) -> String {
        let mut name = String::new();
        for c in wanted.chars() {
            let fits = c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '(' | ')' | '[' | ']');
            match (fits, name.ends_with(' ') || name.is_empty()) {
                (true, _) => name.push(c),
                (false, false) => name.push(' '),
                (false, true) => {}
            }
        }
        // Room for a number.
        let mut name: String = name.trim().chars().take(190).collect();
        if name.is_empty() {
            name.push_str("document");
        }
        let mut unique = name.clone();
        let mut n = 2;
        // Compared without case: of names that differ in nothing else it is not said whether they are alike.
        while !self.0.insert(unique.to_ascii_lowercase()) {
            unique = format!("{name} {n}");
            n += 1;
        }
        unique
    }
}
