//! An answer as the object that an SDK hands to its user, who gives it back in the next turn: streams put together.

use super::super::super::client::Answer;
use super::super::Format;
use super::cut;
use serde_json::{Value, json};

/// The object.
pub(crate) fn object(format: Format, got: &Answer) -> Value {
    if got.head.get("content-type").is_some_and(|t| t.starts_with("application/json")) {
        return got.json();
    }
    let text = got.text();
    let events = cut(&text).into_iter().filter(|(_, data)| data != "[DONE]");
    let mut events = events.map(|(_, data)| serde_json::from_str::<Value>(&data).unwrap());
    match format {
        Format::Responses => events.next_back().unwrap()["response"].clone(),
        Format::Messages => messages(events),
        Format::Chat => chat(events),
    }
}

fn append(to: &mut Value, more: &Value) {
    *to = format!("{}{}", to.as_str().unwrap_or_default(), more.as_str().unwrap_or_default()).into();
}

fn messages(events: impl Iterator<Item = Value>) -> Value {
    let mut content: Vec<Value> = Vec::new();
    let mut input = String::new();
    for e in events {
        match e["type"].as_str().unwrap() {
            "content_block_start" => {
                content.push(e["content_block"].clone());
                input.clear();
            }
            "content_block_delta" => {
                let (block, d) = (content.last_mut().unwrap(), &e["delta"]);
                for field in ["text", "thinking", "signature"].into_iter().filter(|f| d.get(*f).is_some()) {
                    append(&mut block[field], &d[field]);
                }
                input.push_str(d["partial_json"].as_str().unwrap_or_default());
            }
            "content_block_stop" if !input.is_empty() => {
                content.last_mut().unwrap()["input"] = serde_json::from_str(&input).unwrap();
            }
            _ => {}
        }
    }
    json!({"content": content})
}

/// Entries of a list in a delta: those of one `index` are pieces of one.
fn merge(list: &mut Value, more: &Value) {
    if list.is_null() {
        *list = json!([]);
    }
    let list = list.as_array_mut().unwrap();
    for entry in more.as_array().into_iter().flatten() {
        match list.iter_mut().find(|e| e["index"] == entry["index"]) {
            None => list.push(entry.clone()),
            Some(old) => {
                for (key, value) in entry.as_object().unwrap() {
                    match key.as_str() {
                        "text" | "summary" | "data" => append(&mut old[key], value),
                        "function" => append(&mut old[key]["arguments"], &value["arguments"]),
                        _ => old[key] = value.clone(),
                    }
                }
            }
        }
    }
}

fn chat(events: impl Iterator<Item = Value>) -> Value {
    let mut message = json!({"role": "assistant", "content": null});
    for e in events {
        let delta = e["choices"].get(0).map(|c| c["delta"].clone()).unwrap_or_default();
        for (key, value) in delta.as_object().into_iter().flatten() {
            match key.as_str() {
                "content" | "reasoning_content" => append(&mut message[key], value),
                "tool_calls" | "reasoning_details" => merge(&mut message[key], value),
                _ => {}
            }
        }
    }
    for call in message["tool_calls"].as_array_mut().into_iter().flatten() {
        call.as_object_mut().unwrap().remove("index");
    }
    json!({"choices": [{"message": message}]})
}
