//! Rankings, in Cohere's form <https://docs.cohere.com/reference/rerank> and in that of Bedrock's InvokeModel: the more
//! words a document shares with the query, the better.

use crate::sim::call::{Answer, Turn};
use crate::sim::fault::Fault;
use crate::sim::neutral::{list, stranger, text};
use serde_json::{Value, json};

/// Cohere's own answer, with what it bills.
pub(crate) fn cohere(turn: &Turn<'_>) -> Result<Answer, Fault> {
    let body: Value = serde_json::from_slice(turn.body).map_err(|e| Fault::new(400, e.to_string()))?;
    let results = ranked(
        &body,
        &["model", "query", "documents", "top_n", "max_tokens_per_doc", "priority", "return_documents"],
    )?;
    let units = list(&body, "documents").len().div_ceil(100);
    Ok(Answer::json(&json!({"id": "9d6ad3c2-0000-4000-8000-000000000000", "results": results,
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": units}}})))
}

/// Bedrock's.
pub(crate) fn bedrock(turn: &Turn<'_>, body: &Value) -> Result<Answer, Fault> {
    let mut names = vec!["query", "documents", "top_n"];
    if turn.model.contains("cohere") {
        names.extend(["api_version", "max_tokens_per_doc"]);
        if body.get("api_version").and_then(Value::as_u64).is_none_or(|v| v < 2) {
            return Err(Fault::new(400, "api_version must be at least 2"));
        }
    }
    Ok(Answer::json(&json!({"results": ranked(body, &names)?})))
}

fn ranked(body: &Value, names: &[&str]) -> Result<Vec<Value>, Fault> {
    if let Some(name) = stranger(body, names) {
        return Err(Fault::new(400, format!("extraneous key [{name}] is not permitted")));
    }
    let query: Vec<&str> = text(body, "query").split_whitespace().collect();
    let documents = list(body, "documents");
    if query.is_empty() || documents.is_empty() || !documents.iter().all(Value::is_string) {
        return Err(Fault::new(400, "invalid request: query and a list of texts are required"));
    }
    let score = |d: &Value| {
        let words: Vec<&str> = d.as_str().unwrap_or_default().split_whitespace().collect();
        query.iter().filter(|q| words.contains(q)).count() as f64 / query.len() as f64
    };
    let mut all: Vec<(usize, f64)> = documents.iter().map(score).enumerate().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    let most = body.get("top_n").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    all.truncate(most.unwrap_or(usize::MAX));
    Ok(all.into_iter().map(|(index, score)| json!({"index": index, "relevance_score": score})).collect())
}
