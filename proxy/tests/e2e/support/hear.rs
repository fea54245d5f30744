//! Answers as clients hear them: whole ones, and streams put together as strictly as the official SDKs do.

use super::client::Answer;
use super::scene::Wire;
use serde_json::Value;

/// What a client has understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// All text.
    pub(crate) text: String,
    /// All thoughts, as they may be shown.
    pub(crate) thinking: String,
    /// Calls of tools: id, name, arguments.
    pub(crate) calls: Vec<(String, String, String)>,
    /// The format's own word for the end.
    pub(crate) stop: String,
    /// input (with all of the cache's), read from the cache, output.
    pub(crate) usage: [u64; 3],
    /// The model's name.
    pub(crate) model: String,
    /// What the client sends back as the assistant's turn: a list of messages (of items, in Responses).
    pub(crate) turn: Vec<Value>,
}

/// Understands a whole answer or a stream, in a client's format.
#[track_caller]
pub(crate) fn hear(wire: Wire, answer: &Answer) -> Heard {
    answer.expect(200);
    let kind = answer.head.get("content-type").unwrap_or_default();
    if kind.starts_with("text/event-stream") {
        super::hear_stream::whole(wire, &answer.text())
    } else {
        assert!(kind.starts_with("application/json"), "{:?}", answer.head);
        understand(wire, &answer.json())
    }
}

/// Understands a whole answer.
#[track_caller]
pub(crate) fn understand(wire: Wire, v: &Value) -> Heard {
    let mut heard = match wire {
        Wire::Chat => chat(v),
        Wire::Responses => responses(v),
        Wire::Messages => messages(v),
    };
    heard.model = text(&v["model"]);
    heard
}

/// A string that must be one.
#[track_caller]
pub(super) fn text(v: &Value) -> String {
    v.as_str().unwrap_or_else(|| panic!("no string: {v}")).to_owned()
}

#[track_caller]
fn number(v: &Value) -> u64 {
    v.as_u64().unwrap_or_else(|| panic!("no number: {v}"))
}

/// Anything as a list; null as an empty one.
fn list(v: &Value) -> &[Value] {
    v.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn chat(v: &Value) -> Heard {
    assert_eq!(v["object"], "chat.completion", "{v}");
    assert!(v["id"].is_string() && v["created"].is_u64(), "{v}");
    let choice = &v["choices"][0];
    assert_eq!((&choice["index"], list(&v["choices"]).len()), (&Value::from(0), 1), "{v}");
    let message = &choice["message"];
    assert_eq!(message["role"], "assistant", "{v}");
    let mut heard = Heard { stop: text(&choice["finish_reason"]), ..Heard::default() };
    heard.text = message["content"].as_str().unwrap_or_default().to_owned();
    heard.thinking = message["reasoning_content"].as_str().unwrap_or_default().to_owned();
    for call in list(&message["tool_calls"]) {
        assert_eq!(call["type"], "function", "{v}");
        let function = &call["function"];
        heard.calls.push((text(&call["id"]), text(&function["name"]), text(&function["arguments"])));
    }
    heard.usage = chat_usage(&v["usage"]);
    heard.turn = vec![message.clone()];
    heard
}

/// Chat's usage object.
#[track_caller]
pub(super) fn chat_usage(u: &Value) -> [u64; 3] {
    let (input, output) = (number(&u["prompt_tokens"]), number(&u["completion_tokens"]));
    assert_eq!(number(&u["total_tokens"]), input + output, "{u}");
    [input, number(&u["prompt_tokens_details"]["cached_tokens"]), output]
}

/// A whole answer of Responses, or the last event's.
pub(super) fn responses(v: &Value) -> Heard {
    assert_eq!(v["object"], "response", "{v}");
    for field in ["id", "created_at", "parallel_tool_calls", "tool_choice", "tools", "error", "metadata"] {
        assert!(v.get(field).is_some(), "the SDK's model has {field}: {v}");
    }
    let mut heard = Heard { stop: text(&v["status"]), turn: list(&v["output"]).to_vec(), ..Heard::default() };
    if let Some(reason) = v["incomplete_details"]["reason"].as_str() {
        heard.stop = format!("{}: {reason}", heard.stop);
    }
    for item in &heard.turn {
        assert!(item["id"].is_string(), "every item has an id: {item}");
        match item["type"].as_str() {
            Some("message") => {
                for part in list(&item["content"]) {
                    assert_eq!(part["type"], "output_text", "{item}");
                    assert!(part["annotations"].is_array(), "{item}");
                    heard.text.push_str(&text(&part["text"]));
                }
            }
            Some("reasoning") => {
                assert!(item["summary"].is_array(), "{item}");
                for part in list(&item["summary"]).iter().chain(list(&item["content"])) {
                    heard.thinking.push_str(&text(&part["text"]));
                }
            }
            Some("function_call") => {
                heard.calls.push((text(&item["call_id"]), text(&item["name"]), text(&item["arguments"])));
            }
            other => panic!("an unexpected item {other:?}: {item}"),
        }
    }
    let u = &v["usage"];
    let (input, output) = (number(&u["input_tokens"]), number(&u["output_tokens"]));
    assert_eq!(number(&u["total_tokens"]), input + output, "{u}");
    assert!(u["output_tokens_details"]["reasoning_tokens"].is_u64(), "{u}");
    heard.usage = [input, number(&u["input_tokens_details"]["cached_tokens"]), output];
    heard
}

/// A whole message of Messages, or one put together from its stream.
pub(super) fn messages(v: &Value) -> Heard {
    assert_eq!((&v["type"], &v["role"]), (&Value::from("message"), &Value::from("assistant")), "{v}");
    assert!(v["id"].is_string() && v.get("stop_sequence").is_some(), "{v}");
    let mut heard = Heard { stop: text(&v["stop_reason"]), ..Heard::default() };
    for block in list(&v["content"]) {
        match block["type"].as_str() {
            Some("text") => heard.text.push_str(&text(&block["text"])),
            Some("thinking") => {
                assert!(block["signature"].is_string(), "{block}");
                heard.thinking.push_str(&text(&block["thinking"]));
            }
            Some("tool_use") => {
                assert!(block["input"].is_object(), "{block}");
                heard.calls.push((text(&block["id"]), text(&block["name"]), block["input"].to_string()));
            }
            other => panic!("an unexpected block {other:?}: {block}"),
        }
    }
    let u = &v["usage"];
    let cached = number(&u["cache_read_input_tokens"]);
    let written = u["cache_creation_input_tokens"].as_u64().unwrap_or(0);
    heard.usage = [number(&u["input_tokens"]) + cached + written, cached, number(&u["output_tokens"])];
    heard.turn = vec![serde_json::json!({"role": "assistant", "content": v["content"]})];
    heard
}
