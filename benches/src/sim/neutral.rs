//! Gemini's and Converse's requests in the words of Anthropic's, so that what counts as input, which tool is called and
//! what is echoed is decided in one place for all dialects. Only what decides that is kept; whether the body is right
//! is judged elsewhere.

mod converse;
mod gemini;

use crate::sim::endpoint::Endpoint;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The stand-in for a body; `None`: the body stands for itself.
pub(crate) fn of(endpoint: Endpoint, body: &[u8]) -> Result<Option<Vec<u8>>, serde_json::Error> {
    let neutral: fn(&Value) -> Value = match endpoint {
        Endpoint::Generate | Endpoint::GenerateStream | Endpoint::GeminiCount => gemini::neutral,
        Endpoint::Converse | Endpoint::ConverseStream => converse::neutral,
        Endpoint::BedrockCount => count,
        _ => return Ok(None),
    };
    let value: Value = serde_json::from_slice(body)?;
    serde_json::to_vec(&neutral(&value)).map(Some)
}

/// What Bedrock is asked to count: a body of Converse, or one of InvokeModel in base64.
fn count(body: &Value) -> Value {
    match body.pointer("/input/converse") {
        Some(body) => converse::neutral(body),
        None => invoked(body).unwrap_or_else(|| json!({})),
    }
}

/// The body of InvokeModel in a request for a count.
pub(crate) fn invoked(body: &Value) -> Option<Value> {
    let inner = body.pointer("/input/invokeModel/body")?.as_str()?;
    serde_json::from_slice(&STANDARD.decode(inner).ok()?).ok()
}

/// A member under its own name, or in the spelling with underscores, which Google takes as well.
pub(crate) fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.get(name).filter(|v| !v.is_null()).or_else(|| {
        let mut snake = String::new();
        for c in name.chars() {
            if c.is_uppercase() {
                snake.push('_');
            }
            snake.extend(c.to_lowercase());
        }
        value.get(&snake).filter(|v| !v.is_null())
    })
}

/// The elements of a list that may not be there.
pub(crate) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    member(value, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A text that may not be there.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    member(value, name).and_then(Value::as_str).unwrap_or_default()
}

/// A member that is none of these.
pub(crate) fn stranger<'v>(value: &'v Value, names: &[&str]) -> Option<&'v str> {
    value.as_object()?.keys().map(String::as_str).find(|k| !names.contains(k))
}

/// A request with what is there.
fn request(parts: Vec<(&str, Option<Value>)>) -> Value {
    let parts = parts.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?)));
    Value::Object(parts.collect::<Map<_, _>>())
}

/// What a tool gave, as text.
fn result(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Object(o) if o.len() == 1 => o.values().next().map(result).unwrap_or_default(),
        other => other.to_string(),
    }
}

fn tool_result(content: String) -> Value {
    json!({"type": "tool_result", "content": content})
}
