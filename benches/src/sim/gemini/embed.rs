//! `embedContent` and `batchEmbedContents`.

use crate::sim::call::{Answer, Turn};
use crate::sim::fault::Fault;
use crate::sim::neutral::{list, member, text};
use crate::sim::openai::vector;
use serde_json::{Value, json};

const DIMENSIONS: usize = 768;

/// One text.
pub(super) fn one(turn: &Turn<'_>, body: &Value) -> Result<Answer, Fault> {
    let _ = turn;
    Ok(Answer::json(&json!({"embedding": embedding(body)?})))
}

/// Several, each a request of its own.
pub(super) fn batch(turn: &Turn<'_>, body: &Value) -> Result<Answer, Fault> {
    let path = turn.id.unwrap_or_default();
    let mut all = Vec::new();
    for request in list(body, "requests") {
        if text(request, "model") != format!("models/{path}") {
            return Err(Fault::new(
                400,
                "The model in each request must be the same as the one in the path.",
            ));
        }
        all.push(embedding(request)?);
    }
    if all.is_empty() {
        return Err(Fault::new(400, "* BatchEmbedContentsRequest.requests: contents is not specified\n"));
    }
    Ok(Answer::json(&json!({"embeddings": all})))
}

fn embedding(request: &Value) -> Result<Value, Fault> {
    let content = member(request, "content").unwrap_or(&Value::Null);
    let words: String = list(content, "parts").iter().map(|part| text(part, "text")).collect();
    if words.is_empty() {
        return Err(Fault::new(400, "* EmbedContentRequest.content: contents is not specified\n"));
    }
    let size = member(request, "outputDimensionality").and_then(Value::as_u64);
    let size = size.and_then(|n| usize::try_from(n).ok()).unwrap_or(DIMENSIONS).clamp(1, 3072);
    Ok(json!({"values": vector(&words, size)}))
}
