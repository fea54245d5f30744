//! `GET /v1/models` as Anthropic answers it.

use crate::sim::call::{Answer, Turn};
use serde_json::{Value, json};

/// All models, in one page.
pub(crate) fn list(turn: &Turn<'_>) -> Answer {
    let ids = &turn.state.options.models;
    let data: Vec<Value> = ids.iter().map(|id| model(id)).collect();
    Answer::json(&json!({"data": data, "has_more": false, "first_id": ids.first(), "last_id": ids.last()}))
}

/// One model: any name exists.
pub(crate) fn get(turn: &Turn<'_>) -> Answer {
    Answer::json(&model(turn.id.unwrap_or_default()))
}

fn model(id: &str) -> Value {
    json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-01-01T00:00:00Z", "lifecycle": "active"})
}
