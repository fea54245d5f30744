//! What Azure adds: the verdicts of its content filters, in a chunk of their own before all others of a stream.
//! <https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-streaming>

use crate::sim::call::{Answer, Turn};
use crate::sim::fault::Fault;
use serde::Serialize;
use serde_json::{Value, json};

fn verdicts() -> Value {
    let safe = json!({"filtered": false, "severity": "safe"});
    json!({"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe})
}

/// The first chunk.
pub(super) fn first() -> Value {
    json!({"choices": [], "created": 0, "id": "", "model": "", "object": "",
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": verdicts()}]})
}

/// A whole answer with verdicts.
pub(super) fn filtered(answer: &impl Serialize) -> Answer {
    let mut answer = serde_json::to_value(answer).unwrap_or_default();
    answer["prompt_filter_results"] = json!([{"prompt_index": 0, "content_filter_results": verdicts()}]);
    for choice in answer["choices"].as_array_mut().into_iter().flatten() {
        choice["content_filter_results"] = verdicts();
    }
    Answer::json(&answer)
}

/// A deployment's API has a version in the query.
pub(super) fn check(turn: &Turn<'_>) -> Result<(), Fault> {
    let has_version = turn.query.split('&').any(|p| p.starts_with("api-version=") && p.len() > 12);
    if turn.id.is_none() || has_version { Ok(()) } else { Err(Fault::new(404, "Resource not found")) }
}
