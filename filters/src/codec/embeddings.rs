//! Embeddings: OpenAI's request and answer <https://platform.openai.com/docs/api-reference/embeddings>, which is what
//! clients speak, and what providers make of them.

pub mod bedrock;
pub mod purpose;

use crate::codec::DecodeError;
use crate::ir::Raw;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What is to be embedded.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Texts, in order.
    Texts(Vec<String>),
    /// Tokens of OpenAI's tokenizers: no other provider can read them.
    Tokens(Vec<Vec<u32>>),
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// As the client asked for it.
    pub model: String,
    /// One vector each.
    pub input: Input,
    /// Length of the vectors.
    pub dimensions: Option<u32>,
    /// The client wants the vectors as base64 of 32-bit floats (OpenAI's SDKs ask for it by default).
    pub base64: bool,
    /// Who the end user is.
    pub user: Option<String>,
    /// What the vectors are for (`search_query`, `search_document`, …): no field of OpenAI's, but the one that
    /// compatible servers use.
    pub input_type: Option<String>,
    /// Title of a document (Gemini).
    pub title: Option<String>,
    /// Fields that have no name here.
    pub extra: Vec<(String, Raw)>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// An array of numbers for each input, as the provider wrote it.
    pub vectors: Vec<Raw>,
    /// Tokens of all inputs, where the provider says them.
    pub input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Body {
    model: String,
    input: Inputs,
    dimensions: Option<u32>,
    encoding_format: Option<String>,
    user: Option<String>,
    input_type: Option<String>,
    #[serde(flatten)]
    extra: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "it must be a text, a list of texts, a list of tokens or a list of lists of tokens"
)]
enum Inputs {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    ManyTokens(Vec<Vec<u32>>),
}

/// Decodes a client's request.
///
/// # Errors
/// Bytes that are no such request; the field says where.
pub fn decode_request(body: &[u8]) -> Result<Request, DecodeError> {
    let b: Body = serde_json::from_slice(body).map_err(|e| DecodeError::new("", e.to_string()))?;
    let input = match b.input {
        Inputs::Text(t) => Input::Texts(vec![t]),
        Inputs::Texts(t) => Input::Texts(t),
        Inputs::Tokens(t) => Input::Tokens(vec![t]),
        Inputs::ManyTokens(t) => Input::Tokens(t),
    };
    let empty = match &input {
        Input::Texts(t) => t.is_empty() || t.iter().any(String::is_empty),
        Input::Tokens(t) => t.is_empty() || t.iter().any(Vec::is_empty),
    };
    if empty {
        return Err(DecodeError::new("input", "it must not be empty, nor hold anything empty"));
    }
    let base64 = match b.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(DecodeError::new("encoding_format", "it must be 'float' or 'base64'")),
    };
    let extra = b.extra.into_iter().filter_map(|(n, v)| Some((n, Raw::of(&v).ok()?))).collect();
    Ok(Request {
        model: b.model,
        input,
        dimensions: b.dimensions,
        base64,
        user: b.user,
        input_type: b.input_type,
        title: None,
        extra,
    })
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Item<'a>>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Item<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Numbers(&'a RawValue),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// Encodes an answer. `model` is the name that the client asked for; `base64` is [`Request::base64`].
///
/// # Errors
/// A vector that is no list of numbers.
pub fn encode_reply(reply: &Reply, model: &str, base64: bool) -> Result<Vec<u8>, DecodeError> {
    let data = reply.vectors.iter().enumerate().map(|(index, vector)| {
        let embedding = if base64 { Vector::Base64(packed(vector)?) } else { Vector::Numbers(&vector.0) };
        Ok(Item { object: "embedding", index, embedding })
    });
    let tokens = reply.input_tokens.unwrap_or(0);
    let list = List {
        object: "list",
        data: data.collect::<Result<_, DecodeError>>()?,
        model,
        usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
    };
    serde_json::to_vec(&list).map_err(|e| DecodeError::new("", e.to_string()))
}

/// 32-bit floats, little endian, in base64.
fn packed(vector: &Raw) -> Result<String, DecodeError> {
    let numbers: Vec<f32> =
        serde_json::from_str(vector.text()).map_err(|e| DecodeError::new("embedding", e.to_string()))?;
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    Ok(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests;
