//! The second turn of a client: its first request, the answer as it was given, results for the calls.

use sallyport_filters::codec::Wire;
use serde_json::{Value, json};

fn push(list: &mut Value, more: Value) {
    if let Some(text) = list.as_str() {
        *list = json!([{"role": "user", "content": text}]);
    }
    list.as_array_mut().unwrap().push(more);
}

/// `bare`: a client of Chat that gives back no more than OpenAI's own schema knows.
pub(crate) fn request(front: Wire, first: &Value, answer: &Value, bare: bool) -> Value {
    let mut next = first.clone();
    let none = Vec::new();
    let list = |v: &Value| v.as_array().unwrap_or(&none).clone();
    match front {
        Wire::Chat => {
            let mut message = answer["choices"][0]["message"].clone();
            if bare {
                message.as_object_mut().unwrap().retain(|k, _| !k.starts_with("reasoning"));
            }
            let calls = list(&message["tool_calls"]);
            push(&mut next["messages"], message);
            for call in calls {
                let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "-3 degrees"});
                push(&mut next["messages"], result);
            }
        }
        Wire::Responses => {
            for item in list(&answer["output"]) {
                push(&mut next["input"], item.clone());
            }
            for item in list(&answer["output"]).iter().filter(|i| i["type"] == "function_call") {
                let result = json!({"type": "function_call_output", "call_id": item["call_id"], "output": "-3 degrees"});
                push(&mut next["input"], result);
            }
        }
        Wire::Messages => {
            let calls = list(&answer["content"]).into_iter().filter(|b| b["type"] == "tool_use");
            let results: Vec<_> = calls
                .map(|b| json!({"type": "tool_result", "tool_use_id": b["id"], "content": "-3 degrees"}))
                .collect();
            push(&mut next["messages"], json!({"role": "assistant", "content": answer["content"]}));
            push(&mut next["messages"], json!({"role": "user", "content": results}));
        }
        Wire::Gemini | Wire::Converse => {
            let content = answer["candidates"][0]["content"].clone();
            let calls = list(&content["parts"]).into_iter().filter_map(|p| p.get("functionCall").cloned());
            let results: Vec<_> = calls
                .map(|c| {
                    let mut r = json!({"name": c["name"], "response": {"output": "-3 degrees"}});
                    if let Some(id) = c.get("id") {
                        r["id"] = id.clone();
                    }
                    json!({"functionResponse": r})
                })
                .collect();
            push(&mut next["contents"], content);
            push(&mut next["contents"], json!({"role": "user", "parts": results}));
        }
    }
    next
}
