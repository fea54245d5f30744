//! The items of a Responses request.

use super::{ids, name_of_function, read, refuse, schema_of_answer, schema_of_function};
use crate::sim::call::Turn;
use crate::sim::fault::{Dialect, Fault};
use crate::sim::neutral::{list, text};
use crate::sim::seal;
use crate::sim::stats::lock;
use crate::sim::strict::{self, Body};
use serde_json::Value;

const CALLS: [&str; 2] = ["function_call", "custom_tool_call"];
const OUTPUTS: [&str; 2] = ["function_call_output", "custom_tool_call_output"];

/// Checks a response's request.
pub(in crate::sim::openai) fn responses(turn: &Turn<'_>) -> Result<(), Fault> {
    let body = read(turn)?;
    strict::check(Body::Responses, &body).map_err(|wrong| Fault::wrong(Dialect::OpenAi, &wrong))?;
    for (n, tool) in list(&body, "tools").iter().enumerate() {
        if text(tool, "type") == "function" {
            name_of_function(text(tool, "name"), &format!("tools[{n}].name"))?;
            schema_of_function(tool, &format!("tools[{n}].parameters"))?;
        }
    }
    if let Some(format) = body.pointer("/text/format") {
        schema_of_answer(format, "text.format.schema")?;
    }
    let items = list(&body, "input");
    for (n, item) in items.iter().enumerate() {
        prefix(n, item)?;
        if text(item, "type") == "reasoning" {
            reasoning(n, item, items.get(n + 1), &body)?;
        }
    }
    // what went before is at the provider
    let goes_on =
        ["previous_response_id", "conversation"].iter().any(|k| body.get(*k).is_some_and(|v| !v.is_null()));
    if goes_on {
        return Ok(());
    }
    let (calls, outputs) = (ids(items, &CALLS), ids(items, &OUTPUTS));
    if let Some(id) = outputs.iter().find(|id| !calls.contains(*id)) {
        return Err(refuse(
            "",
            "input",
            &format!("No tool call found for function call output with call_id {id}."),
        ));
    }
    if let Some(id) = calls.iter().find(|id| !outputs.contains(*id)) {
        return Err(refuse("", "input", &format!("No tool output found for function call {id}.")));
    }
    thoughts(turn, items)
}

/// Ids say what they are of.
fn prefix(n: usize, item: &Value) -> Result<(), Fault> {
    let wanted = match text(item, "type") {
        "function_call" => "fc",
        "custom_tool_call" => "ctc",
        "reasoning" => "rs",
        "message" => "msg",
        _ => return Ok(()),
    };
    let id = text(item, "id");
    if id.is_empty() || id.starts_with(wanted) {
        return Ok(());
    }
    let at = format!("input[{n}].id");
    let message = format!("Invalid '{at}': '{id}'. Expected an ID that begins with '{wanted}'.");
    Err(refuse("invalid_value", &at, &message))
}

/// Sealed reasoning comes back as it was given out, with what it led to.
fn reasoning(n: usize, item: &Value, next: Option<&Value>, body: &Value) -> Result<(), Fault> {
    let id = text(item, "id");
    let sealed = text(item, "encrypted_content");
    if sealed.is_empty() {
        let stored = body.get("store").and_then(Value::as_bool).unwrap_or(true);
        return if stored {
            Ok(())
        } else {
            let message = format!(
                "Item with id '{id}' not found. Items are not persisted when `store` is set to \
                false. Try again with `store` set to true, or remove this item from your input."
            );
            Err(Fault { param: Some("input".into()), ..Fault::new(404, message) })
        };
    }
    let of_item = sealed.split_at_checked(sealed.len() / 2);
    let holds = of_item.is_some_and(|(any, own)| {
        seal::REASONING.holds(any, "") && (id.is_empty() || seal::REASONING.holds(own, id))
    });
    if !holds {
        let message = format!(
            "The encrypted content {}... could not be verified. Reason: Encrypted content could not \
            be decrypted or parsed.",
            sealed.get(..4).unwrap_or_default()
        );
        return Err(refuse("invalid_encrypted_content", &format!("input[{n}].encrypted_content"), &message));
    }
    let led = next.is_some_and(|i| !OUTPUTS.contains(&text(i, "type")) && text(i, "role") != "user");
    if !led {
        let message =
            format!("Item '{id}' of type 'reasoning' was provided without its required following item.");
        return Err(refuse("", "input", &message));
    }
    Ok(())
}

/// A call that came behind reasoning comes back behind it.
fn thoughts(turn: &Turn<'_>, items: &[Value]) -> Result<(), Fault> {
    if turn.behaviour.forgetful {
        return Ok(());
    }
    let memory = lock(&turn.state.memory);
    let spoke = items.iter().rposition(|i| text(i, "role") == "user").map_or(0, |at| at + 1);
    let mut thought = false;
    for item in &items[spoke..] {
        match text(item, "type") {
            "reasoning" => thought = true,
            kind if OUTPUTS.contains(&kind) => thought = false,
            kind if CALLS.contains(&kind) && !thought && memory.has(text(item, "call_id")) => {
                let id = if text(item, "id").is_empty() { text(item, "call_id") } else { text(item, "id") };
                let message = format!(
                    "Item '{id}' of type '{kind}' was provided without its required 'reasoning' item."
                );
                return Err(refuse("", "input", &message));
            }
            _ => {}
        }
    }
    Ok(())
}
