//! A provider's answer, whole or as events.
//!
//! Shapes: <https://platform.openai.com/docs/api-reference/chat/object>,
//! <https://platform.openai.com/docs/api-reference/responses-streaming>,
//! <https://docs.anthropic.com/en/docs/build-with-claude/streaming>.

use super::{Format, Said, Stop, named, pieces};
use serde_json::{Value, json};

/// As a whole.
pub(crate) fn whole(format: Format, said: &Said) -> String {
    match format {
        Format::Chat => chat(said),
        Format::Responses => responses(said),
        Format::Messages => messages(said),
    }
    .to_string()
}

/// As a stream, event by event. `usage`: a Chat client asked for it.
pub(crate) fn events(format: Format, said: &Said) -> Vec<String> {
    match format {
        Format::Chat => chat_events(said),
        Format::Responses => responses_events(said),
        Format::Messages => messages_events(said),
    }
}

/// Whichever `body` asks for, as a complete HTTP answer.
pub(crate) fn answer(format: Format, said: &Said, body: &Value) -> Vec<u8> {
    match body["stream"] == true {
        true => super::super::answer::sse(events(format, said)),
        false => super::super::answer::json(200, whole(format, said)),
    }
}

fn chat_usage(said: &Said) -> Value {
    let [input, cached, output, reasoning] = said.usage;
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning}})
}

fn chat_finish(said: &Said) -> &'static str {
    match said.stop {
        Stop::End => "stop",
        Stop::Length => "length",
        Stop::Tools => "tool_calls",
        Stop::Declined if said.refusal.is_empty() => "content_filter",
        Stop::Declined => "stop",
    }
}

fn or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

fn chat(said: &Said) -> Value {
    let mut message =
        json!({"role": "assistant", "content": or_null(&said.text), "refusal": or_null(&said.refusal)});
    if !said.thought.is_empty() {
        message["reasoning_content"] = said.thought.as_str().into();
    }
    if !said.calls.is_empty() {
        let call = |c: &super::Call| {
            json!({"id": c.id, "type": "function",
                "function": {"name": c.name, "arguments": c.arguments}})
        };
        message["tool_calls"] = said.calls.iter().map(call).collect();
    }
    json!({"id": "chatcmpl-up", "object": "chat.completion", "created": 1_700_000_000, "model": "m",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": chat_finish(said)}],
        "usage": chat_usage(said)})
}

fn chat_events(said: &Said) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        format!(
            "data: {}\n\n",
            json!({"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m",
            "choices": choices, "usage": usage})
        )
    };
    let delta = |delta: Value, finish: Value| {
        chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]), Value::Null)
    };
    let mut all = vec![delta(json!({"role": "assistant", "content": ""}), Value::Null)];
    for (field, text) in
        [("reasoning_content", &said.thought), ("content", &said.text), ("refusal", &said.refusal)]
    {
        all.extend(pieces(text, 4).into_iter().map(|p| delta(json!({field: p}), Value::Null)));
    }
    for (n, call) in said.calls.iter().enumerate() {
        let first = json!({"index": n, "id": call.id, "type": "function",
            "function": {"name": call.name, "arguments": ""}});
        all.push(delta(json!({"tool_calls": [first]}), Value::Null));
        for piece in pieces(&call.arguments, 3) {
            let more = json!({"index": n, "function": {"arguments": piece}});
            all.push(delta(json!({"tool_calls": [more]}), Value::Null));
        }
    }
    all.push(delta(json!({}), chat_finish(said).into()));
    all.push(chunk(json!([]), chat_usage(said)));
    all.push("data: [DONE]\n\n".into());
    all
}

/// The items of an answer, complete.
fn items(said: &Said) -> Vec<Value> {
    let mut all = Vec::new();
    if !said.thought.is_empty() {
        all.push(json!({"id": "rs_up", "type": "reasoning", "encrypted_content": said.proof,
            "summary": [{"type": "summary_text", "text": said.thought}]}));
    }
    let mut content = Vec::new();
    if !said.text.is_empty() {
        content.push(json!({"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}));
    }
    if !said.refusal.is_empty() {
        content.push(json!({"type": "refusal", "refusal": said.refusal}));
    }
    if !content.is_empty() {
        all.push(json!({"id": "msg_up", "type": "message", "status": "completed", "role": "assistant",
            "content": content}));
    }
    all.extend(said.calls.iter().map(|c| {
        json!({"id": format!("fc_{}", c.id), "type": "function_call", "status": "completed",
            "call_id": c.id, "name": c.name, "arguments": c.arguments})
    }));
    all
}

fn response(said: &Said, status: &str, output: &[Value]) -> Value {
    let [input, cached, output_tokens, reasoning] = said.usage;
    let done = status != "in_progress";
    let details = match (said.stop, status) {
        (Stop::Length, "incomplete") => json!({"reason": "max_output_tokens"}),
        (_, "incomplete") => json!({"reason": "content_filter"}),
        _ => Value::Null,
    };
    let usage = json!({"input_tokens": input, "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": output_tokens, "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": input + output_tokens});
    json!({"id": "resp_up", "object": "response", "created_at": 1_700_000_000, "status": status, "error": null,
        "incomplete_details": details, "instructions": null, "model": "m", "output": output,
        "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "metadata": {}, "usage": if done { usage } else { Value::Null }})
}

fn status(said: &Said) -> &'static str {
    match said.stop {
        Stop::Length => "incomplete",
        Stop::Declined if said.refusal.is_empty() => "incomplete",
        _ => "completed",
    }
}

fn responses(said: &Said) -> Value {
    response(said, status(said), &items(said))
}

fn responses_events(said: &Said) -> Vec<String> {
    let mut all = Vec::new();
    let mut push = |mut event: Value| {
        event["sequence_number"] = all.len().into();
        all.push(named(&event));
    };
    push(json!({"type": "response.created", "response": response(said, "in_progress", &[])}));
    push(json!({"type": "response.in_progress", "response": response(said, "in_progress", &[])}));
    let output = items(said);
    for (n, item) in output.iter().enumerate() {
        let mut begun = item.clone();
        match item["type"].as_str().unwrap() {
            "reasoning" => {
                begun["summary"] = json!([]);
                begun["encrypted_content"] = "".into();
            }
            "message" => {
                begun["content"] = json!([]);
                begun["status"] = "in_progress".into();
            }
            _ => {
                begun["arguments"] = "".into();
                begun["status"] = "in_progress".into();
            }
        }
        push(json!({"type": "response.output_item.added", "output_index": n, "item": begun}));
        let id = &item["id"];
        if let Some(parts) = item["summary"].as_array() {
            for (k, part) in parts.iter().enumerate() {
                let at =
                    |kind: &str| json!({"type": kind, "item_id": id, "output_index": n, "summary_index": k});
                let mut e = at("response.reasoning_summary_part.added");
                e["part"] = json!({"type": "summary_text", "text": ""});
                push(e);
                for piece in pieces(part["text"].as_str().unwrap(), 5) {
                    let mut e = at("response.reasoning_summary_text.delta");
                    e["delta"] = piece.into();
                    push(e);
                }
                let mut e = at("response.reasoning_summary_text.done");
                e["text"] = part["text"].clone();
                push(e);
                let mut e = at("response.reasoning_summary_part.done");
                e["part"] = part.clone();
                push(e);
            }
        }
        for (k, part) in item["content"].as_array().into_iter().flatten().enumerate() {
            let (field, word) =
                if part["type"] == "refusal" { ("refusal", "refusal") } else { ("text", "output_text") };
            let at = |kind: &str| json!({"type": kind, "item_id": id, "output_index": n, "content_index": k});
            let mut e = at("response.content_part.added");
            e["part"] = part.clone();
            e["part"][field] = "".into();
            push(e);
            for piece in pieces(part[field].as_str().unwrap(), 4) {
                let mut e = at(&format!("response.{word}.delta"));
                e["delta"] = piece.into();
                push(e);
            }
            let mut e = at(&format!("response.{word}.done"));
            e[field] = part[field].clone();
            push(e);
            let mut e = at("response.content_part.done");
            e["part"] = part.clone();
            push(e);
        }
        if let Some(arguments) = item["arguments"].as_str() {
            for piece in pieces(arguments, 3) {
                push(
                    json!({"type": "response.function_call_arguments.delta", "item_id": id, "output_index": n,
                    "delta": piece}),
                );
            }
            push(json!({"type": "response.function_call_arguments.done", "item_id": id, "output_index": n,
                "arguments": arguments}));
        }
        push(json!({"type": "response.output_item.done", "output_index": n, "item": item}));
    }
    let status = status(said);
    push(json!({"type": format!("response.{status}"), "response": response(said, status, &output)}));
    all
}

fn messages_usage(said: &Said, output: u64) -> Value {
    let [input, cached, _, reasoning] = said.usage;
    json!({"input_tokens": input - cached, "cache_creation_input_tokens": 0, "cache_read_input_tokens": cached,
        "output_tokens": output, "output_tokens_details": {"thinking_tokens": reasoning}})
}

fn reason(said: &Said) -> &'static str {
    match said.stop {
        Stop::End => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Tools => "tool_use",
        Stop::Declined => "refusal",
    }
}

/// Blocks: as they begin, and what follows.
fn blocks(said: &Said) -> Vec<(Value, Vec<Value>)> {
    let mut all = Vec::new();
    if !said.thought.is_empty() {
        let mut deltas: Vec<Value> = pieces(&said.thought, 5)
            .into_iter()
            .map(|p| json!({"type": "thinking_delta", "thinking": p}))
            .collect();
        deltas.push(json!({"type": "signature_delta", "signature": said.proof}));
        all.push((json!({"type": "thinking", "thinking": "", "signature": ""}), deltas));
    }
    for text in [&said.text, &said.refusal].into_iter().filter(|t| !t.is_empty()) {
        let deltas = pieces(text, 4).into_iter().map(|p| json!({"type": "text_delta", "text": p})).collect();
        all.push((json!({"type": "text", "text": ""}), deltas));
    }
    for call in &said.calls {
        let mut deltas = vec![json!({"type": "input_json_delta", "partial_json": ""})];
        deltas.extend(
            pieces(&call.arguments, 3)
                .into_iter()
                .map(|p| json!({"type": "input_json_delta", "partial_json": p})),
        );
        all.push((json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}}), deltas));
    }
    all
}

fn messages(said: &Said) -> Value {
    let mut content = Vec::new();
    if !said.thought.is_empty() {
        content.push(json!({"type": "thinking", "thinking": said.thought, "signature": said.proof}));
    }
    for text in [&said.text, &said.refusal].into_iter().filter(|t| !t.is_empty()) {
        content.push(json!({"type": "text", "text": text}));
    }
    for call in &said.calls {
        let input: Value = serde_json::from_str(&call.arguments).unwrap();
        content.push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input}));
    }
    json!({"id": "msg_up", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": reason(said), "stop_sequence": null, "usage": messages_usage(said, said.usage[2])})
}

fn messages_events(said: &Said) -> Vec<String> {
    let mut all = vec![json!({"type": "message_start", "message": {"id": "msg_up", "type": "message",
        "role": "assistant", "model": "m", "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": messages_usage(said, 1)}})];
    for (n, (block, deltas)) in blocks(said).into_iter().enumerate() {
        all.push(json!({"type": "content_block_start", "index": n, "content_block": block}));
        if n == 0 {
            all.push(json!({"type": "ping"}));
        }
        all.extend(
            deltas.into_iter().map(|d| json!({"type": "content_block_delta", "index": n, "delta": d})),
        );
        all.push(json!({"type": "content_block_stop", "index": n}));
    }
    all.push(json!({"type": "message_delta", "delta": {"stop_reason": reason(said), "stop_sequence": null},
        "usage": messages_usage(said, said.usage[2])}));
    all.push(json!({"type": "message_stop"}));
    all.iter().map(named).collect()
}
