//! Citations. Converse says them in its own words; what the IR keeps for the same vendor is Anthropic's spelling, so
//! that a client of Anthropic's sees the citations it knows, whatever the platform.

use crate::ir::block::Citation;
use crate::ir::{Origin, Raw};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

/// Converse's citation.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Cited {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    source_content: Vec<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Text {
    pub(super) text: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum Location {
    Web(Web),
    DocumentChar(Span),
    DocumentPage(Span),
    DocumentChunk(Span),
    #[serde(rename = "searchResultLocation")]
    SearchResult(Span),
    #[serde(untagged)]
    Unknown(serde_json::Value),
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Web {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Span {
    #[serde(skip_serializing_if = "Option::is_none")]
    document_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search_result_index: Option<u64>,
    start: u64,
    end: u64,
}

/// From Converse.
pub(super) fn decode(raw: &RawValue) -> Citation {
    let cited: Cited = serde_json::from_str(raw.get()).unwrap_or_default();
    let text: String = cited.source_content.iter().map(|t| t.text.as_str()).collect();
    let web = match &cited.location {
        Some(Location::Web(w)) => w.url.clone(),
        _ => None,
    };
    let source = || cited.source.clone().filter(|s| s.starts_with("http://") || s.starts_with("https://"));
    let raw = match anthropic(&cited, &text) {
        Some(value) => Raw::of(&value).ok().map(|r| (Origin::Anthropic, r)),
        None => Some((Origin::Other, Raw(raw.to_owned()))),
    };
    Citation {
        url: web.or_else(source),
        title: cited.title,
        cited_text: (!text.is_empty()).then_some(text),
        range: None,
        raw,
    }
}

/// Anthropic's spelling <https://docs.anthropic.com/en/api/messages> of what it has a word for.
fn anthropic(cited: &Cited, text: &str) -> Option<serde_json::Value> {
    let title = &cited.title;
    Some(match cited.location.as_ref()? {
        Location::DocumentChar(s) => json!({
            "type": "char_location", "cited_text": text, "document_index": s.document_index.unwrap_or(0),
            "document_title": title, "start_char_index": s.start, "end_char_index": s.end,
        }),
        Location::DocumentPage(s) => json!({
            "type": "page_location", "cited_text": text, "document_index": s.document_index.unwrap_or(0),
            "document_title": title, "start_page_number": s.start, "end_page_number": s.end,
        }),
        Location::DocumentChunk(s) => json!({
            "type": "content_block_location", "cited_text": text,
            "document_index": s.document_index.unwrap_or(0), "document_title": title,
            "start_block_index": s.start, "end_block_index": s.end,
        }),
        Location::SearchResult(s) => json!({
            "type": "search_result_location", "cited_text": text,
            "search_result_index": s.search_result_index.unwrap_or(0), "source": cited.source.as_deref()?,
            "title": title, "start_block_index": s.start, "end_block_index": s.end,
        }),
        // Anthropic's web citations are sealed (`encrypted_index`); Converse's are not.
        Location::Web(_) | Location::Unknown(_) => return None,
    })
}

/// For a request's history: None if Converse has no words for it.
pub(super) fn encode(c: &Citation) -> Option<Cited> {
    #[derive(Deserialize)]
    struct Theirs {
        r#type: String,
        #[serde(default)]
        cited_text: String,
        document_title: Option<String>,
        title: Option<String>,
        source: Option<String>,
        document_index: Option<u64>,
        search_result_index: Option<u64>,
        #[serde(alias = "start_page_number", alias = "start_block_index")]
        start_char_index: Option<u64>,
        #[serde(alias = "end_page_number", alias = "end_block_index")]
        end_char_index: Option<u64>,
    }
    let (origin, raw) = c.raw.as_ref()?;
    if *origin == Origin::Other {
        return serde_json::from_str(raw.text()).ok().filter(|c: &Cited| c.location.is_some());
    }
    let t: Theirs = (*origin == Origin::Anthropic).then(|| serde_json::from_str(raw.text()).ok())??;
    let span = Span {
        document_index: t.document_index,
        search_result_index: t.search_result_index,
        start: t.start_char_index?,
        end: t.end_char_index?,
    };
    let location = match t.r#type.as_str() {
        "char_location" => Location::DocumentChar(span),
        "page_location" => Location::DocumentPage(span),
        "content_block_location" => Location::DocumentChunk(span),
        "search_result_location" => Location::SearchResult(span),
        _ => return None,
    };
    Some(Cited {
        title: t.document_title.or(t.title),
        source: t.source,
        source_content: vec![Text { text: t.cited_text }],
        location: Some(location),
    })
}
