//! Gemini's API as its clients speak and read it. <https://ai.google.dev/api/generate-content>

use super::super::client::Answer;
use super::super::speech::{Call, Said, Stop, ask};
use serde_json::{Value, json};

pub(super) fn text(words: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": words}]}], "generationConfig": {"maxOutputTokens": 4096}})
}

pub(super) fn tools(words: &str) -> Value {
    let mut body = text(words);
    body["tools"] = json!([{"functionDeclarations": [{"name": "weather", "description": "Today's.", "parameters":
        {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}}]}]);
    body
}

pub(super) fn image(data: &str) -> Value {
    let mut body = text("What?");
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": data}});
    body["contents"][0]["parts"].as_array_mut().unwrap().push(picture);
    body
}

pub(super) fn structured() -> Value {
    let mut body = text("Weather?");
    body["generationConfig"]["responseMimeType"] = "application/json".into();
    body["generationConfig"]["responseJsonSchema"] = ask::schema();
    body
}

/// The turn after `body`.
pub(super) fn after(mut body: Value, got: &Answer, heard: &Said) -> Value {
    let parts: Vec<Value> =
        parts(&pieces(got)).filter(|p| p["text"] != "" || p.get("thoughtSignature").is_some()).collect();
    let results: Vec<Value> = heard
        .calls
        .iter()
        .map(|c| json!({"functionResponse": {"id": c.id, "name": c.name, "response": {"output": ask::RESULT}}}))
        .collect();
    let turns = body["contents"].as_array_mut().unwrap();
    turns.push(json!({"role": "model", "parts": parts}));
    turns.push(json!({"role": "user", "parts": results}));
    body
}

/// The answer, or the elements of its stream.
fn pieces(got: &Answer) -> Vec<Value> {
    if got.head.get("content-type").is_some_and(|t| t.starts_with("application/json")) {
        return vec![got.json()];
    }
    let text = got.text();
    assert!(text.ends_with("\r\n\r\n"), "a stream that ends in mid-event: {text:?}");
    let events = text.split("\r\n\r\n").filter(|e| !e.is_empty());
    events.map(|e| serde_json::from_str(e.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

fn parts(pieces: &[Value]) -> impl Iterator<Item = Value> + '_ {
    pieces
        .iter()
        .flat_map(|p| p["candidates"][0]["content"]["parts"].as_array().into_iter().flatten().cloned())
}

/// What a client makes of it.
pub(super) fn hear(got: &Answer) -> Said {
    let pieces = pieces(got);
    let mut said = Said::default();
    for part in parts(&pieces) {
        let text = part["text"].as_str().unwrap_or_default();
        if part["thought"] == true {
            said.thought += text;
        } else if let Some(call) = part.get("functionCall") {
            let id = call["id"].as_str().unwrap_or_else(|| panic!("a call without an id: {part}"));
            let (name, arguments) = (call["name"].as_str().unwrap(), call["args"].to_string());
            said.calls.push(Call { id: id.into(), name: name.into(), arguments });
        } else {
            said.text += text;
        }
    }
    let (last, before) = pieces.split_last().unwrap();
    assert!(before.iter().all(|p| p["candidates"][0].get("finishReason").is_none()), "{before:?}");
    said.stop = match last["candidates"][0]["finishReason"].as_str() {
        Some("STOP") if !said.calls.is_empty() => Stop::Tools,
        Some("STOP") => Stop::End,
        Some("MAX_TOKENS") => Stop::Length,
        other => panic!("finishReason {other:?}: {last}"),
    };
    let u = &last["usageMetadata"];
    let n = |field: &str| u[field].as_u64().unwrap_or_default();
    let output = n("candidatesTokenCount") + n("thoughtsTokenCount");
    assert_eq!(n("totalTokenCount"), n("promptTokenCount") + output, "{u}");
    said.usage = [n("promptTokenCount"), n("cachedContentTokenCount"), output, n("thoughtsTokenCount")];
    said
}
