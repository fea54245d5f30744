//! `countTokens`. <https://ai.google.dev/api/tokens>

use super::json::Json;
use super::lenient::{self, Int, wire};
use super::wire::Request;
use super::{Options, Platform, encode, request};
use crate::codec::DecodeError;
use crate::ir::{Conversation, Losses};

wire! {
    /// The body: contents alone, or a whole request.
    Count<'a> { whole: Request<'a> = "generateContentRequest" | "generate_content_request" }
}

wire! {
    Counted<'a> { total: Int = "totalTokens" | "total_tokens" }
}

/// Decodes the body of `countTokens`. Vertex' bodies have the request's members at the top.
///
/// # Errors
/// As [`super::decode_request`].
pub fn decode_count_request(body: &[u8], model: &str) -> Result<Conversation, DecodeError> {
    let whole = lenient::read::<Count<'_>>(body)?.whole;
    match whole {
        Some(r) => request::conversation(r, model, false),
        None => request::conversation(lenient::read(body)?, model, false),
    }
}

/// Encodes the body of `countTokens`, with tools and instructions, which count, too.
pub fn encode_count_request(
    c: &Conversation,
    model: &str,
    options: &Options,
    losses: &mut Losses,
) -> Vec<u8> {
    let mut json = Json::default();
    json.object();
    let nested = options.platform == Platform::GeminiApi;
    if nested {
        json.key("generateContentRequest");
        json.object();
        json.member("model", &["models/", model.trim_start_matches("models/")].concat());
    }
    encode::write(&mut json, c, model, options, losses);
    if nested {
        json.end_object();
    }
    json.end_object();
    json.out
}

/// Decodes the answer: tokens.
///
/// # Errors
/// There is no count.
pub fn decode_count_reply(body: &[u8]) -> Result<u64, DecodeError> {
    let total = lenient::read::<Counted<'_>>(body)?.total;
    total.map(Int::count).ok_or_else(|| DecodeError::new("totalTokens", "is missing"))
}

/// Encodes the answer.
pub fn encode_count_reply(tokens: u64) -> Vec<u8> {
    let mut json = Json::default();
    json.object();
    json.member("totalTokens", &tokens);
    json.end_object();
    json.out
}
