//! A request's content blocks, as they are written.

use super::citation::{self, Cited};
use super::media::{DocumentBlock, MediaBlock};
use super::model::Model;
use crate::ir::block::CacheTtl;
use crate::ir::{Origin, Raw};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Converse's `ContentBlock`, and its `SystemContentBlock` and `ToolResultContentBlock`, which are parts of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Content<'a> {
    Text(&'a str),
    Image(MediaBlock<'a>),
    Document(DocumentBlock<'a>),
    Video(MediaBlock<'a>),
    Audio(MediaBlock<'a>),
    ToolUse(ToolUse<'a>),
    ToolResult(ToolOutput<'a>),
    #[serde(rename = "reasoningContent")]
    Reasoning(Reasoning<'a>),
    #[serde(rename = "citationsContent")]
    Citations(Citations<'a>),
    SearchResult(SearchResult),
    CachePoint(CachePoint),
    /// Said as it came.
    #[serde(untagged)]
    Raw(&'a RawValue),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse<'a> {
    pub(super) tool_use_id: Cow<'a, str>,
    pub(super) name: &'a str,
    pub(super) input: Input<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Input<'a> {
    Object(&'a RawValue),
    /// What is no JSON object, as one.
    Text {
        input: &'a str,
    },
    Empty {},
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolOutput<'a> {
    pub(super) tool_use_id: Cow<'a, str>,
    pub(super) content: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reasoning<'a> {
    ReasoningText {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'a str>,
    },
    /// A blob: base64 of what the model's maker calls the data.
    RedactedContent(Cow<'a, str>),
}

#[derive(Debug, Serialize)]
pub(super) struct Citations<'a> {
    pub(super) content: [Piece<'a>; 1],
    pub(super) citations: Vec<Cited>,
}

#[derive(Debug, Serialize)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
}

/// Anthropic's `search_result` blocks and Converse's have the same fields.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct SearchResult {
    source: String,
    title: String,
    content: Vec<citation::Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    citations: Option<SearchCitations>,
}

#[derive(Debug, Deserialize, Serialize)]
struct SearchCitations {
    enabled: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct CachePoint {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

/// Only Claude has longer lives than the default.
pub(super) fn cache_point(ttl: CacheTtl, model: Model) -> CachePoint {
    let hour = ttl == CacheTtl::Hour && model.may_be_claude();
    CachePoint { r#type: "default", ttl: hour.then_some("1h") }
}

/// A block that is already in Converse's words: an object whose only member has one of the names.
pub(super) fn converse_block<'a>(origin: Origin, raw: &'a Raw, known: &[&str]) -> Option<&'a RawValue> {
    let members =
        || serde_json::from_str::<std::collections::BTreeMap<Cow<'_, str>, &RawValue>>(raw.text()).ok();
    let fits = origin == Origin::Other
        && members().is_some_and(|m| m.len() == 1 && m.keys().all(|k| known.contains(&k.as_ref())));
    fits.then_some(&*raw.0)
}

/// Arguments that are a JSON object.
pub(super) fn object(text: &str) -> Option<&RawValue> {
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    raw.get().starts_with('{').then_some(raw)
}

/// Converse's ids have at most 64 letters, digits, `_`, `.`, `:` and `-`. Others become a hash, the same for call
/// and result.
pub(super) fn id_of(id: &str) -> Cow<'_, str> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b':' | b'-');
    if !id.is_empty() && id.len() <= 64 && id.bytes().all(fits) {
        return Cow::Borrowed(id);
    }
    let hash = Sha256::digest(id.as_bytes());
    Cow::Owned(format!("call_{}", hex::encode(&hash[..20])))
}
