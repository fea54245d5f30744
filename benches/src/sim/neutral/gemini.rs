//! `generateContent`.

use super::{list, member, request, result, text, tool_result};
use serde_json::{Value, json};

pub(super) fn neutral(body: &Value) -> Value {
    // countTokens may hold a whole request
    let body = member(body, "generateContentRequest").unwrap_or(body);
    let config = member(body, "generationConfig").unwrap_or(&Value::Null);
    let schema = member(config, "responseJsonSchema")
        .cloned()
        .or_else(|| member(config, "responseSchema").map(lower_types))
        .map(|schema| json!({"type": "json_schema", "schema": schema}))
        .or_else(|| {
            (text(config, "responseMimeType") == "application/json").then(|| json!({"type": "json_object"}))
        });
    let thinking = member(config, "thinkingConfig").map(|t| {
        let off = member(t, "thinkingBudget").and_then(Value::as_i64) == Some(0);
        json!({"type": if off { "disabled" } else { "enabled" }})
    });
    request(vec![
        ("messages", Some(list(body, "contents").iter().map(turn).collect())),
        ("system", member(body, "systemInstruction").map(|s| parts(s).collect())),
        (
            "tools",
            Some(
                list(body, "tools").iter().flat_map(|t| list(t, "functionDeclarations")).map(tool).collect(),
            ),
        ),
        ("tool_choice", member(body, "toolConfig").and_then(choice)),
        ("max_tokens", member(config, "maxOutputTokens").cloned()),
        ("n", member(config, "candidateCount").cloned()),
        ("thinking", thinking),
        ("output_format", schema),
    ])
}

fn turn(content: &Value) -> Value {
    let role = if text(content, "role") == "model" { "assistant" } else { "user" };
    json!({"role": role, "content": parts(content).collect::<Value>()})
}

fn parts(content: &Value) -> impl Iterator<Item = Value> {
    list(content, "parts").iter().filter_map(|part| {
        if let Some(call) = member(part, "functionCall") {
            return Some(
                json!({"type": "tool_use", "name": text(call, "name"), "input": member(call, "args")}),
            );
        }
        if let Some(response) = member(part, "functionResponse") {
            return Some(tool_result(member(response, "response").map(result).unwrap_or_default()));
        }
        member(part, "text").map(|text| json!({"type": "text", "text": text}))
    })
}

fn tool(function: &Value) -> Value {
    let schema = member(function, "parametersJsonSchema")
        .cloned()
        .or_else(|| member(function, "parameters").map(lower_types))
        .unwrap_or_else(|| json!({"type": "object"}));
    json!({"name": text(function, "name"), "description": text(function, "description"), "input_schema": schema})
}

fn choice(config: &Value) -> Option<Value> {
    let calling = member(config, "functionCallingConfig")?;
    let allowed = list(calling, "allowedFunctionNames");
    match (text(calling, "mode"), allowed.first()) {
        ("ANY", Some(name)) => Some(json!({"type": "tool", "name": name})),
        ("ANY", None) => Some(json!({"type": "any"})),
        ("NONE", _) => Some(json!({"type": "none"})),
        _ => None,
    }
}

/// Google writes a schema's types in capitals.
fn lower_types(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => object
            .iter()
            .map(|(k, v)| match v {
                Value::String(word) if k == "type" => (k.clone(), json!(word.to_lowercase())),
                _ => (k.clone(), lower_types(v)),
            })
            .collect(),
        Value::Array(items) => items.iter().map(lower_types).collect(),
        other => other.clone(),
    }
}
