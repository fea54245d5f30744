//! Rankings: Cohere's clients <https://docs.cohere.com/reference/rerank> at Bedrock. (Where Cohere's own format is
//! spoken, its clients' bytes pass.)

use super::Answer;
use crate::codec::rerank::bedrock::{self, Kind};
use crate::codec::rerank::{self, Request};
use crate::codec::{DecodeError, Wire};
use crate::ir::{Losses, Tokens};
use crate::translate::reply::Translated;
use sallyport_config::model::ProviderKind;
use sallyport_schema::call::Usage;

/// Documents of one request, at most: Cohere's own bound for v1, the larger one.
const MOST: usize = 10_000;

/// The answer's header with the tokens of the input.
const INPUT_TOKENS: &str = "x-amzn-bedrock-input-token-count";

/// The wire format that a provider answers in; None: it does not rank by that model.
pub(in crate::translate) fn way(kind: ProviderKind, model: &str) -> Option<Wire> {
    (kind == ProviderKind::Bedrock && Kind::of(model).is_some()).then_some(Wire::Converse)
}

/// Reads what the client asks.
pub(super) fn decode(body: &[u8]) -> Result<Request, DecodeError> {
    let r = rerank::decode_request(body)?;
    if r.documents.len() > MOST {
        return Err(DecodeError::new("documents", format!("it must not hold more than {MOST}")));
    }
    Ok(r)
}

/// Encodes the call for Bedrock.
pub(super) fn encode(r: &Request, served: &str, losses: &mut Losses) -> Vec<u8> {
    bedrock::encode_request(r, Kind::of(served).unwrap_or(Kind::Cohere), losses)
}

/// The answer, for the client. `id`: the call's.
pub(super) fn reply(r: &Request, id: &str, answer: &Answer<'_>) -> Result<Translated, DecodeError> {
    let reply = bedrock::decode_reply(answer.body)?;
    if reply.results.iter().any(|one| one.index as usize >= r.documents.len()) {
        return Err(DecodeError::new("results.index", "names a document that was not sent"));
    }
    let told = answer.headers.get(INPUT_TOKENS).and_then(|v| v.to_str().ok()?.parse().ok());
    let tokens = told.map(|input| Tokens { usage: Usage { input, ..Usage::default() }, ..Tokens::default() });
    Ok(Translated { body: rerank::encode_reply(&reply, r, id), tokens })
}
