//! What a request must be like, beside its types: settings and tools.

use crate::sim::fault::Fault;
use crate::sim::neutral::{list, text};
use crate::sim::schema::rules::closed;
use serde_json::Value;
use std::collections::HashSet;

/// Checks it.
pub(super) fn check(body: &Value) -> Result<(), Fault> {
    thinking(body)?;
    tools(body)?;
    for at in ["/output_config/format", "/output_format"] {
        if let Some(wrong) = body.pointer(at).and_then(|f| closed(&f["schema"])) {
            return Err(Fault::new(400, format!("{}.schema: {wrong}", at[1..].replace('/', "."))));
        }
    }
    let points = cache_points(body);
    if points > 4 {
        let message = format!("A maximum of 4 blocks with cache_control may be provided. Found {points}.");
        return Err(Fault::new(400, message));
    }
    Ok(())
}

fn thinking(body: &Value) -> Result<(), Fault> {
    let thinking = &body["thinking"];
    if text(thinking, "type") != "enabled" {
        return Ok(());
    }
    let budget = thinking["budget_tokens"].as_u64().unwrap_or(0);
    let refuse = |message: &str| Err(Fault::new(400, message));
    if budget < 1024 {
        return refuse("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024");
    }
    if body["max_tokens"].as_u64().is_some_and(|max| max <= budget) {
        return refuse(
            "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at \
             https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size",
        );
    }
    if body.get("temperature").and_then(Value::as_f64).is_some_and(|t| t != 1.0) {
        return refuse("`temperature` may only be set to 1 when thinking is enabled.");
    }
    if body.get("top_k").is_some_and(|k| !k.is_null()) {
        return refuse("`top_k` must be unset when thinking is enabled.");
    }
    if matches!(text(&body["tool_choice"], "type"), "any" | "tool") {
        return refuse("Thinking may not be enabled when tool_choice forces tool use.");
    }
    Ok(())
}

fn tools(body: &Value) -> Result<(), Fault> {
    let (mut names, mut strict) = (HashSet::new(), 0);
    for (n, tool) in list(body, "tools").iter().enumerate() {
        let name = text(tool, "name");
        let is_own = matches!(text(tool, "type"), "" | "custom");
        if !name.is_empty() && !names.insert(name) {
            return Err(Fault::new(400, "tools: Tool names must be unique."));
        }
        if !is_own {
            continue;
        }
        if !is_word(name, 128) {
            return Err(Fault::new(
                400,
                format!("tools.{n}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"),
            ));
        }
        if text(&tool["input_schema"], "type") != "object" {
            return Err(Fault::new(
                400,
                format!("tools.{n}.custom.input_schema.type: Input should be 'object'"),
            ));
        }
        if tool["strict"] == true {
            if let Some(wrong) = closed(&tool["input_schema"]) {
                return Err(Fault::new(400, format!("tools.{n}.custom: {wrong}")));
            }
            strict += 1;
        }
        if strict > 20 {
            let why = "Too many strict tools (21). The maximum number of strict tools supported is 20.";
            return Err(Fault::new(400, why));
        }
    }
    let choice = &body["tool_choice"];
    let wanted = text(choice, "name");
    if text(choice, "type") == "tool" && !names.contains(wanted) {
        return Err(Fault::new(400, format!("Tool '{wanted}' not found in provided tools")));
    }
    if !matches!(text(choice, "type"), "" | "none") && names.is_empty() {
        return Err(Fault::new(400, "tool_choice may only be specified while providing tools"));
    }
    Ok(())
}

/// Letters, digits, `_` and `-`.
pub(super) fn is_word(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn cache_points(value: &Value) -> usize {
    match value {
        Value::Object(object) => object
            .iter()
            // what a tool was given or is given is data
            .filter(|(key, _)| !matches!(key.as_str(), "input" | "input_schema"))
            .map(|(key, value)| usize::from(key == "cache_control" && !value.is_null()) + cache_points(value))
            .sum(),
        Value::Array(items) => items.iter().map(cache_points).sum(),
        _ => 0,
    }
}
