//! The items of a response's output and input.

use crate::sim::call::Turn;
use crate::sim::ids::Dice;
use crate::sim::reply::{Reply, ToolCall};
use crate::sim::seal;
use crate::sim::stats::lock;
use crate::sim::text::Text;
use serde_json::{Map, Value, json};

/// An output item.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Reasoning {
        id: String,
        /// `None`: the client asked for no summary.
        summary: Option<&'a Text>,
        encrypted: Option<String>,
    },
    Message {
        id: String,
        text: &'a Text,
    },
    Call {
        id: String,
        call_id: String,
        call: &'a ToolCall,
    },
}

/// The output items of a reply.
pub(super) fn of<'a>(turn: &mut Turn<'_>, reply: &'a Reply, request: &Map<String, Value>) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    if reply.thinking.len() > 0 {
        let reasoning = request.get("reasoning");
        let wants_summary = reasoning.and_then(|r| r.get("summary")).is_some_and(|s| !s.is_null());
        let include = request.get("include").and_then(Value::as_array);
        let wants_encrypted = include.is_some_and(|i| i.contains(&json!("reasoning.encrypted_content")));
        let id = turn.dice.hex("rs_", 50);
        items.push(Item::Reasoning {
            summary: wants_summary.then_some(&reply.thinking),
            encrypted: wants_encrypted.then(|| sealed(turn, &id)),
            id,
        });
    }
    for call in &reply.calls {
        let call_id = turn.dice.alnum("call_", 24);
        if reply.thinking.len() > 0 {
            lock(&turn.state.memory).put(&call_id);
        }
        items.push(Item::Call { id: turn.dice.hex("fc_", 50), call_id, call });
    }
    if reply.calls.is_empty() {
        items.push(Item::Message { id: turn.dice.hex("msg_", 50), text: &reply.text });
    }
    items
}

/// Two seals: that it is one of ours, and that it is this item's.
fn sealed(turn: &mut Turn<'_>, id: &str) -> String {
    seal::REASONING.put("", &mut turn.dice) + &seal::REASONING.put(id, &mut turn.dice)
}

impl Item<'_> {
    /// The item, complete.
    pub(super) fn json(&self, status: &str) -> Value {
        match self {
            Self::Reasoning { id, summary, encrypted } => {
                let summary: Vec<Value> =
                    summary.iter().map(|t| json!({"type": "summary_text", "text": t.string})).collect();
                let mut item = json!({"id": id, "type": "reasoning", "summary": summary});
                if let Some(encrypted) = encrypted {
                    item["encrypted_content"] = json!(encrypted);
                }
                item
            }
            Self::Message { id, text } => {
                json!({"id": id, "type": "message", "status": status, "role": "assistant",
                "content": [part(&text.string)]})
            }
            Self::Call { id, call_id, call } => json!({"id": id, "type": "function_call", "status": status,
                "arguments": call.arguments, "call_id": call_id, "name": call.name}),
        }
    }

    /// The item, just begun.
    pub(super) fn begun(&self) -> Value {
        match self {
            Self::Reasoning { id, encrypted, .. } => {
                let mut item = json!({"id": id, "type": "reasoning", "summary": []});
                if let Some(encrypted) = encrypted {
                    item["encrypted_content"] = json!(encrypted);
                }
                item
            }
            Self::Message { id, .. } => {
                json!({"id": id, "type": "message", "status": "in_progress", "content": [], "role": "assistant"})
            }
            Self::Call { id, call_id, call } => {
                json!({"id": id, "type": "function_call", "status": "in_progress",
                "arguments": "", "call_id": call_id, "name": call.name})
            }
        }
    }
}

/// A content part of a message.
pub(super) fn part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}

/// The input as items with ids, as `GET …/input_items` lists them.
pub(super) fn input(dice: &mut Dice, input: Option<&Value>) -> Vec<Value> {
    match input {
        Some(Value::String(text)) => {
            vec![json!({"id": dice.hex("msg_", 50), "type": "message", "role": "user",
            "status": "completed", "content": [{"type": "input_text", "text": text}]})]
        }
        Some(Value::Array(items)) => items.iter().map(|item| normal(dice, item)).collect(),
        _ => Vec::new(),
    }
}

fn normal(dice: &mut Dice, item: &Value) -> Value {
    let mut item = item.clone();
    let Some(fields) = item.as_object_mut() else { return item };
    let is_message = fields.contains_key("role");
    fields.entry("id").or_insert_with(|| json!(dice.hex(if is_message { "msg_" } else { "item_" }, 50)));
    if is_message {
        fields.entry("type").or_insert_with(|| json!("message"));
        fields.entry("status").or_insert_with(|| json!("completed"));
        if let Some(Value::String(text)) = fields.get("content") {
            let kind = if fields["role"] == "assistant" { "output_text" } else { "input_text" };
            let mut part = json!({"type": kind, "text": text});
            if kind == "output_text" {
                part["annotations"] = json!([]);
            }
            fields.insert("content".to_owned(), json!([part]));
        }
    }
    item
}
