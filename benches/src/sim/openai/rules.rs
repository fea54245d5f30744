//! What a request must be like, beside its types: names, and calls with their results.

mod items;

use crate::sim::call::Turn;
use crate::sim::fault::{Dialect, Fault};
use crate::sim::neutral::{list, text};
use crate::sim::schema::rules;
use crate::sim::strict::{self, Body};
pub(super) use items::responses;
use serde_json::Value;
use std::collections::HashSet;

/// Checks a chat completion.
pub(super) fn chat(turn: &Turn<'_>) -> Result<(), Fault> {
    let mut body = read(turn)?;
    if turn.behaviour.reasoning_content {
        // servers that show thoughts take them back, under the name of old or of today
        let messages = body.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten();
        messages.filter_map(Value::as_object_mut).for_each(|message| {
            message.remove("reasoning_content");
            message.remove("reasoning");
        });
    }
    strict::check(Body::Chat, &body).map_err(|wrong| Fault::wrong(Dialect::OpenAi, &wrong))?;
    let name = turn.model.split(';').next().unwrap_or_default();
    let reasons = ["o1", "o3", "o4", "gpt-5"].iter().any(|start| name.starts_with(start));
    if reasons && body.get("max_tokens").is_some_and(|m| !m.is_null()) {
        return Err(refuse(
            "unsupported_parameter",
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        ));
    }
    for (n, tool) in list(&body, "tools").iter().enumerate() {
        if let Some(function) = tool.get("function") {
            name_of_function(text(function, "name"), &format!("tools[{n}].function.name"))?;
            schema_of_function(function, &format!("tools[{n}].function.parameters"))?;
        }
    }
    if let Some(format) = body.pointer("/response_format/json_schema") {
        schema_of_answer(format, "response_format")?;
    }
    let mut open: Vec<&str> = Vec::new();
    for (n, message) in list(&body, "messages").iter().enumerate() {
        if text(message, "role") == "tool" {
            let id = text(message, "tool_call_id");
            let Some(at) = open.iter().position(|o| *o == id) else {
                return Err(refuse(
                    "",
                    &format!("messages.[{n}].role"),
                    "Invalid parameter: messages with role 'tool' \
                    must be a response to a preceeding message with 'tool_calls'.",
                ));
            };
            open.remove(at);
            continue;
        }
        unanswered(&open, n)?;
        open = list(message, "tool_calls").iter().map(|call| text(call, "id")).collect();
        if open.iter().any(|id| id.len() > 40) {
            return Err(refuse(
                "string_above_max_length",
                &format!("messages[{n}].tool_calls[0].id"),
                "Invalid 'tool_calls[0].id': string too long. Expected a string with maximum length 40.",
            ));
        }
    }
    unanswered(&open, list(&body, "messages").len())
}

fn unanswered(open: &[&str], n: usize) -> Result<(), Fault> {
    if open.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
        'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        open.join(", ")
    );
    Err(refuse("", &format!("messages.[{n}].role"), &message))
}

fn read(turn: &Turn<'_>) -> Result<Value, Fault> {
    serde_json::from_slice(turn.body).map_err(|e| Fault::unreadable(Dialect::OpenAi, &e))
}

fn refuse(code: &'static str, param: &str, message: &str) -> Fault {
    Fault {
        code: (!code.is_empty()).then_some(code),
        param: Some(param.to_owned().into()),
        ..Fault::new(400, message)
    }
}

fn name_of_function(name: &str, at: &str) -> Result<(), Fault> {
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if fits {
        return Ok(());
    }
    let message = format!(
        "Invalid '{at}': string does not match pattern. Expected a string that matches the pattern \
        '^[a-zA-Z0-9_-]+$'."
    );
    Err(refuse("invalid_value", at, &message))
}

/// OpenAI promises only what it can keep.
fn schema_of_function(function: &Value, at: &str) -> Result<(), Fault> {
    let name = format!("function '{}'", text(function, "name"));
    let wrong = (function["strict"] == true).then(|| rules::strict(&function["parameters"], &name)).flatten();
    wrong.map_or(Ok(()), |wrong| Err(refuse("invalid_function_parameters", at, &wrong)))
}

fn schema_of_answer(format: &Value, at: &str) -> Result<(), Fault> {
    let name = format!("response_format '{}'", text(format, "name"));
    let wrong = (format["strict"] == true).then(|| rules::strict(&format["schema"], &name)).flatten();
    wrong.map_or(Ok(()), |wrong| Err(refuse("", at, &wrong)))
}

/// Ids of one kind of item.
fn ids<'v>(items: &'v [Value], kinds: &[&str]) -> HashSet<&'v str> {
    items.iter().filter(|i| kinds.contains(&text(i, "type"))).map(|i| text(i, "call_id")).collect()
}
