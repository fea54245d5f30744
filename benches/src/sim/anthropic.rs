//! Anthropic's API, and Claude on Vertex (`rawPredict`) and Bedrock (InvokeModel), which differ in where the model, the
//! version and the wish for a stream stand.

mod messages;
mod models;
mod rules;
mod turns;

use crate::sim::call::{Answer, Turn};
use crate::sim::endpoint::Endpoint;
use crate::sim::fault::{Dialect, Fault};
use crate::sim::strict::{self, Body};
use serde_json::{Map, Value, json};

/// Answers any call of this dialect.
pub(crate) fn answer(turn: Turn<'_>) -> Result<Answer, Fault> {
    let cloud =
        matches!(turn.endpoint, Endpoint::RawPredict | Endpoint::StreamRawPredict | Endpoint::VertexCount);
    if !cloud && !turn.headers.contains_key("anthropic-version") {
        return Err(Fault::new(400, "anthropic-version: header is required"));
    }
    match turn.endpoint {
        Endpoint::Models => return Ok(models::list(&turn)),
        Endpoint::Model => return Ok(models::get(&turn)),
        _ => {}
    }
    let mut body = object(&turn, Dialect::Anthropic)?;
    if cloud {
        on_vertex(&turn, &mut body)?;
    }
    let counts = matches!(turn.endpoint, Endpoint::CountTokens | Endpoint::VertexCount);
    check(&turn, body, counts, Dialect::Anthropic)?;
    if counts {
        return Ok(Answer::json(&json!({"input_tokens": turn.ask.tally().tokens()})));
    }
    let streams = match turn.endpoint {
        Endpoint::StreamRawPredict => true,
        Endpoint::RawPredict => false,
        _ => turn.ask.streams(),
    };
    Ok(messages::answer(turn, streams))
}

/// Answers InvokeModel.
pub(crate) fn invoked(turn: Turn<'_>) -> Result<Answer, Fault> {
    let body = object(&turn, Dialect::Bedrock)?;
    check_invoked(&turn, body)?;
    let streams = turn.endpoint == Endpoint::InvokeStream;
    Ok(messages::answer(turn, streams))
}

/// Is it a body that InvokeModel takes?
pub(crate) fn check_invoked(turn: &Turn<'_>, mut body: Map<String, Value>) -> Result<(), Fault> {
    let version = body.remove("anthropic_version");
    if !version.is_some_and(|v| v == "bedrock-2023-05-31") {
        return Err(Fault::new(400, "anthropic_version: Field required"));
    }
    for key in ["model", "stream"] {
        if body.contains_key(key) {
            return Err(Fault::new(
                400,
                format!(
                    "Malformed input request: #: extraneous key [{key}] is not permitted, please reformat your input and \
                 try again."
                ),
            ));
        }
    }
    body.insert("model".to_owned(), json!(turn.model));
    check(turn, body, false, Dialect::Bedrock)
}

/// Vertex's differences, brought into Anthropic's own form.
fn on_vertex(turn: &Turn<'_>, body: &mut Map<String, Value>) -> Result<(), Fault> {
    if turn.endpoint == Endpoint::VertexCount {
        // The model is in the body here. Anthropic's own SDK sends the version, Google's examples do not.
        return match body.remove("anthropic_version") {
            Some(version) if version != "vertex-2023-10-16" => {
                Err(Fault::new(400, "anthropic_version: Input should be 'vertex-2023-10-16'"))
            }
            _ => Ok(()),
        };
    }
    match body.remove("anthropic_version") {
        Some(version) if version == "vertex-2023-10-16" => {}
        Some(version) => {
            return Err(Fault::new(
                400,
                format!("anthropic_version: Input should be 'vertex-2023-10-16', not {version}"),
            ));
        }
        None => return Err(Fault::missing(Dialect::Anthropic, "anthropic_version")),
    }
    match body.insert("model".to_owned(), json!(turn.model)) {
        Some(_) => Err(Fault::new(400, "model: Extra inputs are not permitted")),
        None => Ok(()),
    }
}

fn object(turn: &Turn<'_>, dialect: Dialect) -> Result<Map<String, Value>, Fault> {
    serde_json::from_slice(turn.body).map_err(|e| Fault::unreadable(dialect, &e))
}

/// Is the body one that the API takes?
fn check(turn: &Turn<'_>, mut body: Map<String, Value>, counts: bool, dialect: Dialect) -> Result<(), Fault> {
    require_messages(turn)?;
    if !counts && turn.ask.max_tokens.is_none() {
        return Err(Fault::missing(Dialect::Anthropic, "max_tokens"));
    }
    if turn.behaviour.lax {
        return Ok(());
    }
    let in_body = dialect == Dialect::Bedrock || turn.endpoint != Endpoint::Messages;
    let betas = in_body.then(|| body.remove("anthropic_beta")).flatten();
    let beta = betas.is_some() || turn.headers.contains_key("anthropic-beta");
    let kind = match (counts, beta) {
        (false, false) => Body::Messages,
        (false, true) => Body::BetaMessages,
        (true, false) => Body::CountTokens,
        (true, true) => Body::BetaCountTokens,
    };
    let body = Value::Object(body);
    strict::check(kind, &body).map_err(|wrong| Fault::wrong(Dialect::Anthropic, &wrong))?;
    rules::check(&body)?;
    turns::check(turn, &body)
}

fn require_messages(turn: &Turn<'_>) -> Result<(), Fault> {
    match turn.ask.messages {
        None => Err(Fault::missing(Dialect::Anthropic, "messages")),
        Some(raw) if !raw.get().starts_with('[') => {
            Err(Fault::new(400, "messages: Input should be a valid array"))
        }
        Some(raw) if raw.get()[1..].trim_start().starts_with(']') => {
            Err(Fault::new(400, "messages: at least one message is required"))
        }
        Some(_) => Ok(()),
    }
}
