//! Streams as clients put them together. What an SDK would stumble over is a panic here.

use super::hear::{Heard, messages, responses, text, understand};
use super::scene::Wire;
use serde_json::{Value, json};

/// An event: its name, and its data.
pub(crate) type Event = (Option<String>, Value);

/// Cuts a complete stream into events; `[DONE]` is a string.
#[track_caller]
pub(crate) fn cut(stream: &str) -> Vec<Event> {
    assert!(stream.ends_with("\n\n"), "half an event at the end: {stream:?}");
    let one = |block: &str| {
        let field = |name: &str| block.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
        let data = field("data:").unwrap_or_else(|| panic!("an event without data: {block:?}"));
        let data = match data {
            "[DONE]" => data.into(),
            data => serde_json::from_str(data).unwrap_or_else(|e| panic!("{e} in {data:?}")),
        };
        (field("event:").map(str::to_owned), data)
    };
    stream.trim_end().split("\n\n").filter(|b| !b.starts_with(':')).map(one).collect()
}

/// Understands a complete stream without errors.
#[track_caller]
pub(super) fn whole(wire: Wire, stream: &str) -> Heard {
    let events = cut(stream);
    match wire {
        Wire::Chat => chat(&events),
        Wire::Responses => of_responses(&events),
        Wire::Messages => of_messages(&events),
    }
}

#[track_caller]
fn chat(events: &[Event]) -> Heard {
    let (last, chunks) = events.split_last().unwrap();
    assert_eq!(last.1, "[DONE]");
    let (mut content, mut thinking) = (String::new(), String::new());
    let (mut calls, mut details): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    let (mut finish, mut usage) = (Value::Null, Value::Null);
    let first = &chunks[0].1;
    assert_eq!(first["choices"][0]["delta"]["role"], "assistant", "{first}");
    for (name, chunk) in chunks {
        assert_eq!(name, &None);
        assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        for field in ["id", "created", "model"] {
            assert_eq!(chunk[field], first[field], "the same in all chunks: {chunk}");
        }
        assert!(usage.is_null(), "usage comes last: {chunk}");
        let Some(choice) = chunk["choices"].as_array().unwrap().first() else {
            usage = chunk["usage"].clone();
            continue;
        };
        assert!(finish.is_null(), "a choice goes on after its end: {chunk}");
        finish = choice["finish_reason"].clone();
        let delta = &choice["delta"];
        content.push_str(delta["content"].as_str().unwrap_or_default());
        thinking.push_str(delta["reasoning_content"].as_str().unwrap_or_default());
        details.extend(delta["reasoning_details"].as_array().cloned().unwrap_or_default());
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = call["index"].as_u64().unwrap() as usize;
            if index == calls.len() {
                assert!(call["id"].is_string() && call["function"]["name"].is_string(), "{call}");
                calls.push(json!({"id": call["id"], "type": "function",
                    "function": {"name": call["function"]["name"], "arguments": ""}}));
            } else {
                assert!(call.get("id").is_none_or(Value::is_null), "a call is named once: {call}");
            }
            let function = &mut calls[index]["function"];
            let more = call["function"]["arguments"].as_str().unwrap_or_default();
            function["arguments"] = (text(&function["arguments"]) + more).into();
        }
    }
    let mut message = json!({"role": "assistant", "content": content});
    for (name, value) in [("tool_calls", calls), ("reasoning_details", details)] {
        if !value.is_empty() {
            message[name] = value.into();
        }
    }
    if !thinking.is_empty() {
        message["reasoning_content"] = thinking.into();
    }
    understand(
        Wire::Chat,
        &json!({"id": first["id"], "created": first["created"], "object": "chat.completion", "usage": usage,
            "model": first["model"], "choices": [{"index": 0, "message": message, "finish_reason": finish}]}),
    )
}

#[track_caller]
fn of_messages(events: &[Event]) -> Heard {
    let events: Vec<_> = events.iter().filter(|(_, v)| v["type"] != "ping").collect();
    for (name, event) in &events {
        assert_eq!(name.as_deref(), event["type"].as_str(), "{event}");
    }
    let kind = |n: usize| events[n].1["type"].as_str().unwrap();
    assert_eq!(kind(0), "message_start");
    assert_eq!((kind(events.len() - 2), kind(events.len() - 1)), ("message_delta", "message_stop"));
    let mut message = events[0].1["message"].clone();
    assert_eq!(message["content"], json!([]), "{message}");
    assert!(message["usage"]["input_tokens"].is_u64(), "{message}");
    let (mut blocks, mut open, mut arguments) = (Vec::<Value>::new(), false, String::new());
    for (_, event) in &events[1..events.len() - 2] {
        let index = event["index"].as_u64().unwrap() as usize;
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert!(!open && index == blocks.len(), "blocks come one after another: {event}");
                blocks.push(event["content_block"].clone());
                open = true;
            }
            "content_block_delta" => {
                assert!(open && index + 1 == blocks.len(), "a delta of no open block: {event}");
                let (delta, block) = (&event["delta"], blocks.last_mut().unwrap());
                let mut more = |name: &str| block[name] = (text(&block[name]) + &text(&delta[name])).into();
                match delta["type"].as_str().unwrap() {
                    "text_delta" => more("text"),
                    "thinking_delta" => more("thinking"),
                    "signature_delta" => block["signature"] = delta["signature"].clone(),
                    "input_json_delta" => arguments.push_str(&text(&delta["partial_json"])),
                    _ => panic!("an unexpected delta: {event}"),
                }
            }
            "content_block_stop" => {
                assert!(open && index + 1 == blocks.len(), "{event}");
                open = false;
                if !arguments.is_empty() {
                    let whole: Value = serde_json::from_str(&std::mem::take(&mut arguments)).unwrap();
                    blocks.last_mut().unwrap()["input"] = whole;
                }
            }
            _ => panic!("an unexpected event: {event}"),
        }
    }
    assert!(!open, "a block is left open");
    message["content"] = blocks.into();
    let last = &events[events.len() - 2].1;
    message["stop_reason"] = last["delta"]["stop_reason"].clone();
    message["stop_sequence"] = last["delta"]["stop_sequence"].clone();
    for (name, value) in last["usage"].as_object().unwrap() {
        message["usage"][name] = value.clone();
    }
    let mut heard = messages(&message);
    heard.model = text(&message["model"]);
    heard
}

#[track_caller]
fn of_responses(events: &[Event]) -> Heard {
    let mut items: Vec<Value> = Vec::new();
    let mut deltas: Vec<String> = Vec::new();
    for (n, (name, event)) in events.iter().enumerate() {
        let kind = event["type"].as_str().unwrap();
        assert_eq!(name.as_deref(), Some(kind), "{event}");
        assert_eq!(event["sequence_number"], n, "numbered without gaps: {event}");
        let index = event["output_index"].as_u64().map(|i| i as usize);
        if kind != "response.output_item.added"
            && let Some(index) = index
        {
            let id = event.get("item_id").unwrap_or(&event["item"]["id"]);
            assert_eq!(*id, items[index]["id"], "of an item that was added: {event}");
        }
        match kind {
            "response.output_item.added" => {
                assert_eq!(index, Some(items.len()), "{event}");
                items.push(event["item"].clone());
                deltas.push(String::new());
            }
            "response.output_item.done" => items[index.unwrap()] = event["item"].clone(),
            k if k.ends_with(".delta") => deltas[index.unwrap()].push_str(&text(&event["delta"])),
            _ => {}
        }
    }
    let kinds: Vec<_> = events.iter().map(|(_, v)| v["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "response.created", "{kinds:?}");
    let (_, last) = events.last().unwrap();
    assert!(["response.completed", "response.incomplete"].contains(kinds.last().unwrap()), "{kinds:?}");
    let response = &last["response"];
    assert_eq!(response["output"], Value::from(items.clone()), "the last event repeats all items");
    for (item, delta) in items.iter().zip(deltas) {
        let one = responses_item_text(item);
        assert_eq!(one, delta, "the pieces and the whole: {item}");
    }
    let mut heard = responses(response);
    heard.model = text(&response["model"]);
    heard
}

fn responses_item_text(item: &Value) -> String {
    match item["type"].as_str() {
        Some("function_call") => text(&item["arguments"]),
        Some("reasoning") => {
            let parts = item["summary"].as_array().into_iter().chain(item["content"].as_array());
            parts.flatten().map(|p| text(&p["text"])).collect()
        }
        _ => item["content"].as_array().unwrap().iter().map(|p| text(&p["text"])).collect(),
    }
}
