//! `POST /v1/moderations`: flagged is what holds `[flag]`.

use crate::sim::call::{Answer, Turn};
use crate::sim::fault::Fault;
use crate::sim::openai::required;
use serde_json::{Map, Value, json};

const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

/// Answers with one result for each input.
pub(crate) fn answer(mut turn: Turn<'_>) -> Result<Answer, Fault> {
    let input: Value = serde_json::from_str(required(turn.ask.input, "input")?.get()).unwrap_or_default();
    let texts = match &input {
        // parts of one multi-modal input are judged together
        Value::Array(list) if list.first().is_some_and(Value::is_string) => list.iter().collect(),
        one => vec![one],
    };
    let results: Vec<Value> = texts.iter().map(|text| result(text.to_string().contains("[flag]"))).collect();
    let model = if turn.model.is_empty() { "omni-moderation-latest" } else { &turn.model };
    Ok(Answer::json(&json!({"id": turn.dice.alnum("modr-", 29), "model": model, "results": results})))
}

fn result(flagged: bool) -> Value {
    let of = |value: &dyn Fn(bool) -> Value| -> Map<String, Value> {
        CATEGORIES.iter().map(|c| ((*c).to_owned(), value(flagged && *c == "violence"))).collect()
    };
    let score = |hit| json!(if hit { 0.95 } else { 0.0001 });
    json!({"flagged": flagged, "categories": of(&|hit| json!(hit)), "category_scores": of(&score),
        "category_applied_input_types": of(&|_| json!(["text"]))})
}
