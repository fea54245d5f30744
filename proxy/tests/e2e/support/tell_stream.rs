//! The streams of [`super::tell`].

use super::scene::{Scene, Stop, Wire};
use super::tell;
use serde_json::{Value, json};

fn data(v: &Value) -> String {
    format!("data: {v}\n\n")
}

fn named(v: &Value) -> String {
    format!("event: {}\ndata: {v}\n\n", v["type"].as_str().unwrap())
}

/// Chat's chunks.
pub(super) fn chat(s: &Scene) -> Vec<String> {
    let mut events = Vec::new();
    let mut chunk = |delta: Value, finish: Value| {
        events.push(data(
            &json!({"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": "served-up", "usage": null,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]}),
        ));
    };
    chunk(json!({"role": "assistant", "content": ""}), Value::Null);
    for piece in s.thinking.map(|t| t.0).unwrap_or_default() {
        chunk(json!({"reasoning_content": piece}), Value::Null);
    }
    for piece in s.text {
        chunk(json!({"content": piece}), Value::Null);
    }
    for (index, (id, name, args)) in s.calls.iter().enumerate() {
        let call = json!({"index": index, "id": id, "type": "function",
            "function": {"name": name, "arguments": ""}});
        chunk(json!({"tool_calls": [call]}), Value::Null);
        for piece in *args {
            chunk(json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}), Value::Null);
        }
    }
    chunk(json!({}), tell::finish_reason(s.stop).into());
    events.push(data(
        &json!({"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1_700_000_000,
        "model": "served-up", "choices": [], "usage": tell::chat_usage()}),
    ));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// Messages' events.
pub(super) fn messages(s: &Scene) -> Vec<String> {
    let mut events = vec![
        named(&json!({"type": "message_start", "message": {"id": "msg_up", "type": "message",
            "role": "assistant", "model": "served-up", "content": [], "stop_reason": null,
            "stop_sequence": null, "usage": tell::messages_usage(1)}})),
        named(&json!({"type": "ping"})),
    ];
    let mut index = 0;
    let mut block = |begin: Value, deltas: Vec<Value>| {
        events.push(named(&json!({"type": "content_block_start", "index": index, "content_block": begin})));
        for delta in deltas {
            events.push(named(&json!({"type": "content_block_delta", "index": index, "delta": delta})));
        }
        events.push(named(&json!({"type": "content_block_stop", "index": index})));
        index += 1;
    };
    if let Some((text, signature)) = s.thinking {
        let mut deltas: Vec<_> =
            text.iter().map(|p| json!({"type": "thinking_delta", "thinking": p})).collect();
        deltas.push(json!({"type": "signature_delta", "signature": signature}));
        block(json!({"type": "thinking", "thinking": "", "signature": ""}), deltas);
    }
    if !s.text.is_empty() {
        let deltas = s.text.iter().map(|p| json!({"type": "text_delta", "text": p})).collect();
        block(json!({"type": "text", "text": ""}), deltas);
    }
    for (id, name, args) in s.calls {
        let pieces = [""].iter().chain(*args);
        let deltas = pieces.map(|p| json!({"type": "input_json_delta", "partial_json": p})).collect();
        block(json!({"type": "tool_use", "id": id, "name": name, "input": {}}), deltas);
    }
    let [.., output, _] = Wire::Messages.usage();
    events.push(named(&json!({"type": "message_delta", "usage": {"output_tokens": output},
        "delta": {"stop_reason": tell::stop_reason(s.stop), "stop_sequence": null}})));
    events.push(named(&json!({"type": "message_stop"})));
    events
}

/// Responses' events.
pub(super) fn responses(s: &Scene) -> Vec<String> {
    let whole = tell::responses(s);
    let mut begun = whole.clone();
    begun["status"] = "in_progress".into();
    begun["output"] = json!([]);
    begun["usage"] = Value::Null;
    begun["incomplete_details"] = Value::Null;
    let mut list = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
    ];
    for (index, item) in tell::items(s).iter().enumerate() {
        one_item(s, index, item, &mut list);
    }
    let last = match s.stop {
        Stop::End | Stop::Tools => "response.completed",
        Stop::Length | Stop::Safety => "response.incomplete",
    };
    list.push(json!({"type": last, "response": whole}));
    for (n, event) in list.iter_mut().enumerate() {
        event["sequence_number"] = n.into();
    }
    list.iter().map(named).collect()
}

fn one_item(s: &Scene, index: usize, item: &Value, list: &mut Vec<Value>) {
    let id = item["id"].clone();
    let mut empty = item.clone();
    let mut inner = Vec::new();
    let at = |mut event: Value| {
        event["item_id"] = id.clone();
        event["output_index"] = index.into();
        event
    };
    match item["type"].as_str().unwrap() {
        "reasoning" => {
            empty["summary"] = json!([]);
            let part = |text: &str| json!({"type": "summary_text", "text": text});
            let text = s.thinking.unwrap().0;
            let whole = text.concat();
            let mut say = |kind: &str, key: &str, value: Value| {
                inner.push(at(json!({"type": kind, "summary_index": 0, key: value})));
            };
            say("response.reasoning_summary_part.added", "part", part(""));
            for piece in text {
                say("response.reasoning_summary_text.delta", "delta", (*piece).into());
            }
            say("response.reasoning_summary_text.done", "text", whole.as_str().into());
            say("response.reasoning_summary_part.done", "part", part(&whole));
        }
        "message" => {
            empty["content"] = json!([]);
            empty["status"] = "in_progress".into();
            let mut say = |kind: &str, key: &str, value: Value| {
                inner.push(at(json!({"type": kind, "content_index": 0, key: value})));
            };
            let done = item["content"][0].clone();
            let mut added = done.clone();
            added["text"] = "".into();
            say("response.content_part.added", "part", added);
            for piece in s.text {
                say("response.output_text.delta", "delta", (*piece).into());
            }
            say("response.output_text.done", "text", s.text.concat().into());
            say("response.content_part.done", "part", done);
        }
        _ => {
            empty["arguments"] = "".into();
            empty["status"] = "in_progress".into();
            let call = s.calls.iter().find(|c| item["call_id"] == c.0).unwrap();
            for piece in call.2 {
                inner.push(at(json!({"type": "response.function_call_arguments.delta", "delta": piece})));
            }
            inner.push(at(json!({"type": "response.function_call_arguments.done",
                "arguments": item["arguments"], "name": item["name"]})));
        }
    }
    list.push(json!({"type": "response.output_item.added", "output_index": index, "item": empty}));
    list.append(&mut inner);
    list.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
}
