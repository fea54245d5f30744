//! `GET /v1/models`.

use crate::sim::call::{Answer, Turn};
use serde_json::{Value, json};

/// Time that all models claim to have been made (2025-01-01).
const CREATED: u64 = 1_735_689_600;

/// All models.
pub(crate) fn list(turn: &Turn<'_>) -> Answer {
    let data: Vec<Value> = turn.state.options.models.iter().map(|id| model(turn, id)).collect();
    Answer::json(&json!({"object": "list", "data": data}))
}

/// One model: any name exists.
pub(crate) fn get(turn: &Turn<'_>) -> Answer {
    Answer::json(&model(turn, turn.id.unwrap_or_default()))
}

fn model(turn: &Turn<'_>, id: &str) -> Value {
    json!({"id": id, "object": "model", "created": CREATED, "owned_by": turn.state.options.name})
}
