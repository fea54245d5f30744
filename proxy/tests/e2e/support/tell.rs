//! A [`Scene`] as upstreams tell it, whole and as a stream, in the shapes that the providers publish.

use super::answer::{json as json_answer, sse};
use super::scene::{Scene, Stop, Wire};
use super::stub::Received;
use serde_json::{Value, json};

/// The bytes that answer `request`, in the format of its path and as it asks (whole or streamed).
pub(crate) fn tell(request: &Received, scene: &Scene) -> Vec<u8> {
    let wire = Wire::of(request.target());
    if request.json()["stream"] == true {
        sse(events(wire, scene))
    } else {
        json_answer(200, whole(wire, scene).to_string())
    }
}

/// The whole answer.
pub(crate) fn whole(wire: Wire, scene: &Scene) -> Value {
    match wire {
        Wire::Chat => chat(scene),
        Wire::Responses => responses(scene),
        Wire::Messages => messages(scene),
    }
}

/// The same as a stream, event by event.
pub(crate) fn events(wire: Wire, scene: &Scene) -> Vec<String> {
    match wire {
        Wire::Chat => super::tell_stream::chat(scene),
        Wire::Responses => super::tell_stream::responses(scene),
        Wire::Messages => super::tell_stream::messages(scene),
    }
}

/// Chat's usage object.
pub(super) fn chat_usage() -> Value {
    let [input, cached, _, _, output, reasoning] = Wire::Chat.usage();
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning}})
}

/// Chat's word for the end.
pub(super) fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "stop",
        Stop::Length => "length",
        Stop::Tools => "tool_calls",
        Stop::Safety => "content_filter",
    }
}

fn chat(s: &Scene) -> Value {
    let mut message = json!({"role": "assistant", "content": null, "refusal": null});
    if !s.text.is_empty() {
        message["content"] = s.text.concat().into();
    }
    if let Some((text, _)) = s.thinking {
        message["reasoning_content"] = text.concat().into();
    }
    if !s.calls.is_empty() {
        message["tool_calls"] = (s.calls.iter())
            .map(|(id, name, args)| {
                json!({"id": id, "type": "function",
                    "function": {"name": name, "arguments": args.concat()}})
            })
            .collect();
    }
    json!({"id": "chatcmpl-up", "object": "chat.completion", "created": 1_700_000_000, "model": "served-up",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(s.stop)}],
        "usage": chat_usage()})
}

/// The items of a Responses answer.
pub(super) fn items(s: &Scene) -> Vec<Value> {
    let mut items = Vec::new();
    if let Some((text, sealed)) = s.thinking {
        items.push(json!({"type": "reasoning", "id": "rs_up1", "encrypted_content": sealed,
            "summary": [{"type": "summary_text", "text": text.concat()}]}));
    }
    if !s.text.is_empty() {
        items.push(json!({"type": "message", "id": "msg_up1", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": s.text.concat(), "annotations": [], "logprobs": []}]}));
    }
    for (id, name, args) in s.calls {
        items.push(json!({"type": "function_call", "id": format!("fc_{id}"), "status": "completed",
            "call_id": id, "name": name, "arguments": args.concat()}));
    }
    items
}

/// A Responses answer with `output`.
pub(super) fn responses(s: &Scene) -> Value {
    let [input, cached, _, _, output, reasoning] = Wire::Responses.usage();
    let (status, details) = match s.stop {
        Stop::End | Stop::Tools => ("completed", Value::Null),
        Stop::Length => ("incomplete", json!({"reason": "max_output_tokens"})),
        Stop::Safety => ("incomplete", json!({"reason": "content_filter"})),
    };
    json!({"id": "resp_up", "object": "response", "created_at": 1_700_000_000, "status": status, "error": null,
        "incomplete_details": details, "model": "served-up", "output": items(s), "parallel_tool_calls": true,
        "usage": {"input_tokens": input, "input_tokens_details": {"cached_tokens": cached},
            "output_tokens": output, "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": input + output}})
}

/// Messages' usage object, as `message_start` and whole answers have it.
pub(super) fn messages_usage(output: u64) -> Value {
    let [input, cached, five, hour, _, _] = Wire::Messages.usage();
    json!({"input_tokens": input - cached - five - hour, "cache_creation_input_tokens": five + hour,
        "cache_read_input_tokens": cached, "output_tokens": output, "service_tier": "standard",
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour}})
}

/// Messages' word for the end.
pub(super) fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Tools => "tool_use",
        Stop::Safety => "refusal",
    }
}

fn messages(s: &Scene) -> Value {
    let mut content = Vec::new();
    if let Some((text, signature)) = s.thinking {
        content.push(json!({"type": "thinking", "thinking": text.concat(), "signature": signature}));
    }
    if !s.text.is_empty() {
        content.push(json!({"type": "text", "text": s.text.concat()}));
    }
    for (id, name, args) in s.calls {
        let input: Value = serde_json::from_str(&args.concat()).unwrap();
        content.push(json!({"type": "tool_use", "id": id, "name": name, "input": input}));
    }
    let [.., output, _] = Wire::Messages.usage();
    json!({"id": "msg_up", "type": "message", "role": "assistant", "model": "served-up", "content": content,
        "stop_reason": stop_reason(s.stop), "stop_sequence": null, "usage": messages_usage(output)})
}
