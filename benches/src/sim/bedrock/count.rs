//! CountTokens: of some models only, and never of an inference profile.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html>

use super::rules;
use crate::sim::anthropic;
use crate::sim::call::{Answer, Turn};
use crate::sim::fault::{Dialect, Fault};
use crate::sim::neutral;
use crate::sim::strict::{self, Body};
use serde_json::{Value, json};

/// Answers a request.
pub(super) fn answer(turn: &Turn<'_>, body: &Value) -> Result<Answer, Fault> {
    if !turn.behaviour.lax {
        strict::check(Body::BedrockCount, body).map_err(|wrong| Fault::wrong(Dialect::Bedrock, &wrong))?;
    }
    if !turn.model.starts_with("anthropic.claude") {
        return Err(Fault::new(400, "The provided model doesn't support counting tokens."));
    }
    match (body.pointer("/input/converse"), neutral::invoked(body)) {
        (Some(converse), _) if !turn.behaviour.lax => rules::check(turn, converse)?,
        (Some(_), _) => {}
        (None, Some(Value::Object(inner))) => anthropic::check_invoked(turn, inner)?,
        _ => {
            return Err(Fault::new(
                400,
                "Malformed input request, please reformat your input and try again.",
            ));
        }
    }
    Ok(Answer::json(&json!({"inputTokens": turn.ask.tally().tokens()})))
}
