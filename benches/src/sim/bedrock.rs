//! Bedrock's runtime: Converse, ConverseStream, CountTokens, and InvokeModel with and without a stream for Claude and for
//! embeddings.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html>

mod converse;
mod count;
mod embed;
pub(crate) mod frames;
mod invoke;
mod rules;

use crate::sim::call::{Answer, Turn};
use crate::sim::endpoint::Endpoint;
use crate::sim::fault::{Dialect, Fault};
use crate::sim::rerank;
use crate::sim::strict::{self, Body};
use serde_json::Value;

/// Answers any call of this dialect.
pub(crate) fn answer(mut turn: Turn<'_>) -> Result<Answer, Fault> {
    let body: Value =
        serde_json::from_slice(turn.body).map_err(|e| Fault::unreadable(Dialect::Bedrock, &e))?;
    match turn.endpoint {
        Endpoint::Converse | Endpoint::ConverseStream => {
            let kind =
                if turn.endpoint == Endpoint::Converse { Body::Converse } else { Body::ConverseStream };
            if !turn.behaviour.lax {
                strict::check(kind, &body).map_err(|wrong| Fault::wrong(Dialect::Bedrock, &wrong))?;
                rules::check(&turn, &body)?;
            }
            Ok(converse::answer(&mut turn))
        }
        Endpoint::BedrockCount => count::answer(&turn, &body),
        Endpoint::Invoke if turn.model.contains("embed") => embed::answer(&turn, &body),
        Endpoint::Invoke if turn.model.contains("rerank") => rerank::bedrock(&turn, &body),
        Endpoint::Invoke | Endpoint::InvokeStream => invoke::answer(turn),
        _ => Err(Fault::new(404, "There is no such operation")),
    }
}
