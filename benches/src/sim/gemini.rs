//! Gemini's API, and Vertex's for Google's models. <https://ai.google.dev/api/generate-content>

mod embed;
mod generate;
mod rules;

use crate::sim::call::{Answer, Turn};
use crate::sim::endpoint::Endpoint;
use crate::sim::fault::{Dialect, Fault};
use crate::sim::strict::{self, Body};
use serde_json::{Value, json};

/// Answers any call of this dialect.
pub(crate) fn answer(mut turn: Turn<'_>) -> Result<Answer, Fault> {
    match turn.endpoint {
        Endpoint::Models => {
            let models: Vec<Value> = turn.state.options.models.iter().map(|id| model(id)).collect();
            return Ok(Answer::json(&json!({"models": models})));
        }
        Endpoint::Model => return Ok(Answer::json(&model(turn.id.unwrap_or_default()))),
        _ => {}
    }
    let body: Value =
        serde_json::from_slice(turn.body).map_err(|e| Fault::unreadable(Dialect::Gemini, &e))?;
    if turn.endpoint == Endpoint::Predict {
        return embed::predict(&turn, &body);
    }
    let kind = match turn.endpoint {
        Endpoint::GeminiCount => Body::GeminiCount,
        Endpoint::Embed => Body::Embed,
        Endpoint::BatchEmbed => Body::BatchEmbed,
        _ => Body::Generate,
    };
    if !turn.behaviour.lax {
        strict::check(kind, &body).map_err(|wrong| Fault::wrong(Dialect::Gemini, &wrong))?;
    }
    match turn.endpoint {
        Endpoint::Embed => embed::one(&turn, &body),
        Endpoint::BatchEmbed => embed::batch(&turn, &body),
        Endpoint::GeminiCount => {
            let tokens = turn.ask.tally().tokens();
            Ok(Answer::json(&json!({"totalTokens": tokens,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})))
        }
        Endpoint::Generate | Endpoint::GenerateStream => {
            if !turn.behaviour.lax {
                rules::check(&body, &turn.model, turn.behaviour.forgetful)?;
            }
            Ok(generate::answer(&mut turn, &body))
        }
        _ => Err(Fault::new(404, "Requested entity was not found.")),
    }
}

fn model(id: &str) -> Value {
    json!({"name": format!("models/{id}"), "displayName": id, "version": "001", "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent", "countTokens"]})
}
