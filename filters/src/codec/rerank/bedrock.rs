//! Reranking by Bedrock's InvokeModel, in the models' own formats: Cohere's
//! <https://docs.cohere.com/reference/rerank> with a member that names its version, and Amazon's, which has the same
//! members. (The Rerank operation of the agent runtime would be another host with the same models behind it.)
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-supported.html>

use super::{Document, Ranked, Reply, Request};
use crate::codec::DecodeError;
use crate::ir::{Losses, Raw};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A model's own format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `cohere.rerank-v3-5:0`.
    Cohere,
    /// `amazon.rerank-v1:0`.
    Amazon,
}

impl Kind {
    /// From the model's id or ARN; None: not a model that ranks in a format known here.
    pub fn of(model: &str) -> Option<Self> {
        match model {
            m if m.contains("cohere.rerank") => Some(Self::Cohere),
            m if m.contains("amazon.rerank") => Some(Self::Amazon),
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct Said<'a> {
    query: &'a str,
    documents: Vec<Cow<'a, str>>,
    top_n: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens_per_doc: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<u8>,
}

/// Encodes a request. What cannot be said goes to `losses`.
pub fn encode_request(r: &Request, kind: Kind, losses: &mut Losses) -> Vec<u8> {
    let Request { model: _, query, documents, top_n, return_documents: _, extra } = r;
    let mut max_tokens_per_doc = None;
    for (field, Raw(value)) in extra {
        match field.as_str() {
            "max_tokens_per_doc" if kind == Kind::Cohere => max_tokens_per_doc = Some(&**value),
            _ => losses.add(field, "Bedrock's model has no such field"),
        }
    }
    let texts = documents.iter().enumerate().map(|(n, d)| match d {
        Document::Text(text) => Cow::Borrowed(text.as_str()),
        Document::Json(raw) => {
            losses.add(format!("documents[{n}]"), "the model ranks texts only");
            Cow::Borrowed(raw.text())
        }
    });
    let documents: Vec<_> = texts.collect();
    // Without it Cohere ranks all, Amazon's model fewer.
    let all = u32::try_from(documents.len()).unwrap_or(u32::MAX);
    let said = Said {
        query,
        documents,
        top_n: top_n.unwrap_or(all).min(all),
        max_tokens_per_doc,
        api_version: (kind == Kind::Cohere).then_some(2),
    };
    serde_json::to_vec(&said).unwrap_or_default()
}

/// Decodes an answer.
///
/// # Errors
/// Bytes that are no such answer.
pub fn decode_reply(body: &[u8]) -> Result<Reply, DecodeError> {
    #[derive(Deserialize)]
    struct Answer {
        results: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        index: u32,
        // The agent runtime's spelling.
        #[serde(alias = "relevanceScore")]
        relevance_score: f64,
    }
    let a: Answer = serde_json::from_slice(body).map_err(|e| DecodeError::new("", e.to_string()))?;
    let results = a.results.into_iter().map(|r| Ranked { index: r.index, score: r.relevance_score });
    Ok(Reply { results: results.collect() })
}
