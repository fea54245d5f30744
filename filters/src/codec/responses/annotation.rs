//! Annotations of an `output_text`: citations, both ways.

use super::json::{Str, object, raw};
use crate::ir::block::Citation;
use crate::ir::{Origin, Raw};
use serde::Serialize;
use serde_json::value::RawValue;

object! {
    /// Any of the four kinds; only `url_citation` has fields that another provider knows.
    Annotation {
        kind "type": Str<'de>,
        url "url": Str<'de>,
        title "title": Str<'de>,
        filename "filename": Str<'de>,
        start_index "start_index": u32,
        end_index "end_index": u32,
    }
}

/// Reads an annotation; one of an unknown shape is kept raw alone.
pub(super) fn decode(value: &RawValue) -> Citation {
    let a: Annotation<'_> = serde_json::from_str(value.get()).unwrap_or_default();
    Citation {
        url: a.url.map(Str::into_string),
        title: a.title.or(a.filename).map(Str::into_string),
        cited_text: None,
        range: a.start_index.zip(a.end_index),
        raw: Some((Origin::OpenAi, raw(value))),
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Out<'a> {
    UrlCitation { start_index: u32, end_index: u32, url: &'a str, title: &'a str },
    FileCitation { file_id: &'a str, filename: &'a str, index: u32 },
}

/// Writes a citation. `length`: characters of the text it hangs on, which it covers unless it says a range.
pub(super) fn encode(c: &Citation, length: usize) -> Option<Raw> {
    if let Some((Origin::OpenAi, raw)) = &c.raw {
        return Some(raw.clone());
    }
    let title = c.title.as_deref().unwrap_or_default();
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let (start_index, end_index) = c.range.unwrap_or((0, length));
    let out = match &c.url {
        Some(url) => Out::UrlCitation { start_index, end_index, url, title },
        // A document of the prompt: it has no id here, its title is what can be shown.
        None => Out::FileCitation { file_id: title, filename: title, index: end_index },
    };
    Raw::of(&out).ok()
}
