//! Requests of clients in every format: the same question, and the turn after an answer.

use super::hear::Heard;
use super::scene::Wire;
use serde_json::{Value, json};

/// A question.
pub(crate) fn ask(wire: Wire, model: &str, stream: bool) -> Value {
    let user = json!([{"role": "user", "content": "hi"}]);
    let mut body = match wire {
        Wire::Chat => json!({"model": model, "messages": user}),
        Wire::Responses => json!({"model": model, "input": user}),
        Wire::Messages => json!({"model": model, "max_tokens": 4000, "messages": user}),
    };
    if stream {
        body["stream"] = true.into();
        if wire == Wire::Chat {
            body["stream_options"] = json!({"include_usage": true});
        }
    }
    body
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}})
}

/// Two tools.
pub(crate) fn with_tools(wire: Wire, mut body: Value) -> Value {
    body["tools"] = ["weather", "clock"]
        .iter()
        .map(|name| match wire {
            Wire::Chat => json!({"type": "function", "function":
                {"name": name, "description": "About it.", "parameters": schema()}}),
            Wire::Responses => json!({"type": "function", "name": name, "description": "About it.",
                "parameters": schema(), "strict": false}),
            Wire::Messages => json!({"name": name, "description": "About it.", "input_schema": schema()}),
        })
        .collect();
    body
}

/// A wish for thoughts.
pub(crate) fn thinking(wire: Wire, mut body: Value) -> Value {
    match wire {
        Wire::Chat => body["reasoning_effort"] = "low".into(),
        Wire::Responses => {
            body["reasoning"] = json!({"effort": "low", "summary": "auto"});
            body["include"] = json!(["reasoning.encrypted_content"]);
            body["store"] = false.into();
        }
        Wire::Messages => body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024}),
    }
    body
}

/// Where the conversation stands in a request.
pub(crate) fn turns(wire: Wire) -> &'static str {
    if wire == Wire::Responses { "input" } else { "messages" }
}

/// The next request: all that was said, the assistant's turn as it came, and a result for each of its calls.
pub(crate) fn next(wire: Wire, mut body: Value, heard: &Heard) -> Value {
    let list = body[turns(wire)].as_array_mut().unwrap();
    list.extend(heard.turn.iter().cloned());
    let results = heard.calls.iter().map(|(id, ..)| match wire {
        Wire::Chat => json!({"role": "tool", "tool_call_id": id, "content": "rain"}),
        Wire::Responses => json!({"type": "function_call_output", "call_id": id, "output": "rain"}),
        Wire::Messages => json!({"type": "tool_result", "tool_use_id": id, "content": "rain"}),
    });
    if wire == Wire::Messages && !heard.calls.is_empty() {
        let results: Vec<_> = results.collect();
        list.push(json!({"role": "user", "content": results}));
    } else {
        list.extend(results);
    }
    body
}
