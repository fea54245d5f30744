//! `embedContent`, `batchEmbedContents`, and Vertex' `predict`.
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>

use crate::sim::call::{Answer, Turn};
use crate::sim::fault::Fault;
use crate::sim::neutral::{list, member, stranger, text};
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

/// Vertex: several texts, and settings for all of them.
pub(super) fn predict(turn: &Turn<'_>, body: &Value) -> Result<Answer, Fault> {
    only(body, &["instances", "parameters"])?;
    let parameters = member(body, "parameters").unwrap_or(&Value::Null);
    only(parameters, &["outputDimensionality", "autoTruncate"])?;
    let instances = list(body, "instances");
    let most = if turn.model.starts_with("gemini-embedding-001") { 1 } else { 250 };
    if instances.is_empty() || instances.len() > most {
        return Err(Fault::new(
            400,
            format!("{} instance(s) is allowed per prediction. Actual: {}", most, instances.len()),
        ));
    }
    let size = parameters.get("outputDimensionality").and_then(Value::as_u64);
    let size = size.and_then(|n| usize::try_from(n).ok()).unwrap_or(DIMENSIONS).clamp(1, 3072);
    let mut all = Vec::new();
    for instance in instances {
        only(instance, &["content", "task_type", "title"])?;
        let words = text(instance, "content");
        if words.is_empty() {
            return Err(Fault::new(400, "The text content is empty."));
        }
        all.push(json!({"embeddings": {"values": vector(words, size),
            "statistics": {"truncated": false, "token_count": words.len().div_ceil(4) as f64}}}));
    }
    Ok(Answer::json(&json!({"predictions": all})))
}

/// No members but these.
fn only(value: &Value, names: &[&str]) -> Result<(), Fault> {
    match stranger(value, names) {
        None => Ok(()),
        Some(name) => Err(Fault::new(
            400,
            format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field."),
        )),
    }
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
