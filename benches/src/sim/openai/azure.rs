//! What Azure adds: the verdicts of its content filters, in a chunk of their own before all others of a stream.
//! <https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-streaming>

use crate::sim::call::Answer;
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

/// The dated API wants its version in the query, and has Responses since one of them.
/// <https://learn.microsoft.com/azure/ai-services/openai/how-to/responses>
pub(crate) fn check(path: &str, query: &str) -> Result<(), Fault> {
    if !path.contains("/openai/") || path.contains("/openai/v1/") {
        return Ok(());
    }
    let version = query.split('&').find_map(|p| p.strip_prefix("api-version=")).unwrap_or_default();
    let least = if path.contains("/openai/responses") { "2025-03-01" } else { "2" };
    if version >= least { Ok(()) } else { Err(Fault::new(404, "Resource not found")) }
}
