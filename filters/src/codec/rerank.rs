//! Reranking: Cohere's request and answer (v1 and v2) <https://docs.cohere.com/reference/rerank>, which is what
//! clients speak, and what providers make of them.

pub mod bedrock;

use crate::codec::DecodeError;
use crate::ir::Raw;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A document to be ranked.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// A text (also said as `{"text": …}`).
    Text(String),
    /// An object with other fields (v1).
    Json(Raw),
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// As the client asked for it.
    pub model: String,
    /// What is looked for.
    pub query: String,
    /// What is to be ranked.
    pub documents: Vec<Document>,
    /// Only the best so many.
    pub top_n: Option<u32>,
    /// The documents are wanted in the answer (v1).
    pub return_documents: bool,
    /// Fields that have no name here (`max_tokens_per_doc`, `rank_fields`).
    pub extra: Vec<(String, Raw)>,
}

/// One document's place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Of the document in the request.
    pub index: u32,
    /// From 0 to 1.
    pub score: f64,
}

/// An answer: the most relevant first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The ranking.
    pub results: Vec<Ranked>,
}

/// Decodes a client's request.
///
/// # Errors
/// Bytes that are no such request; the field says where.
pub fn decode_request(body: &[u8]) -> Result<Request, DecodeError> {
    // In two: raw values do not pass a flattened struct.
    #[derive(Deserialize)]
    struct Documents<'a> {
        #[serde(borrow)]
        documents: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Rest {
        model: String,
        query: String,
        top_n: Option<u32>,
        return_documents: Option<bool>,
        #[serde(flatten)]
        extra: BTreeMap<String, serde_json::Value>,
    }
    let wrong = |e: serde_json::Error| DecodeError::new("", e.to_string());
    let list: Documents<'_> = serde_json::from_slice(body).map_err(wrong)?;
    let rest: Rest = serde_json::from_slice(body).map_err(wrong)?;
    if list.documents.is_empty() {
        return Err(DecodeError::new("documents", "it must not be empty"));
    }
    let documents = list.documents.iter().enumerate().map(|(n, raw)| {
        document(raw)
            .ok_or_else(|| DecodeError::new(format!("documents[{n}]"), "it must be a text or an object"))
    });
    let extra = rest.extra.into_iter().filter(|(n, _)| n != "documents");
    Ok(Request {
        model: rest.model,
        query: rest.query,
        documents: documents.collect::<Result<_, _>>()?,
        top_n: rest.top_n,
        return_documents: rest.return_documents.unwrap_or(false),
        extra: extra.filter_map(|(n, v)| Some((n, Raw::of(&v).ok()?))).collect(),
    })
}

fn document(raw: &RawValue) -> Option<Document> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Only {
        text: String,
    }
    if let Ok(text) = serde_json::from_str(raw.get()) {
        return Some(Document::Text(text));
    }
    if let Ok(only) = serde_json::from_str::<Only>(raw.get()) {
        return Some(Document::Text(only.text));
    }
    raw.get().starts_with('{').then(|| Document::Json(Raw(raw.to_owned())))
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    results: Vec<Item<'a>>,
    meta: Meta,
}

#[derive(Serialize)]
struct Item<'a> {
    index: u32,
    relevance_score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Said<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Said<'a> {
    Text { text: &'a str },
    Json(&'a RawValue),
}

#[derive(Serialize)]
struct Meta {
    billed_units: Billed,
}

#[derive(Serialize)]
struct Billed {
    search_units: usize,
}

/// Encodes an answer to a request. `id`: the call's.
pub fn encode_reply(reply: &Reply, request: &Request, id: &str) -> Vec<u8> {
    let results = reply.results.iter().map(|r| {
        let document = request.documents.get(r.index as usize).filter(|_| request.return_documents);
        Item {
            index: r.index,
            relevance_score: r.score,
            document: document.map(|d| match d {
                Document::Text(text) => Said::Text { text },
                Document::Json(raw) => Said::Json(&raw.0),
            }),
        }
    });
    // Bedrock and Cohere bill a query with up to 100 documents as one unit.
    let search_units = request.documents.len().div_ceil(100);
    let answer =
        Answer { id, results: results.collect(), meta: Meta { billed_units: Billed { search_units } } };
    serde_json::to_vec(&answer).unwrap_or_default()
}

#[cfg(test)]
mod tests;
