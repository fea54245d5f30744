//! Bedrock's Converse.

use super::{list, member, request, result, text, tool_result};
use serde_json::{Value, json};

pub(super) fn neutral(body: &Value) -> Value {
    let inference = member(body, "inferenceConfig").unwrap_or(&Value::Null);
    let tools = member(body, "toolConfig").unwrap_or(&Value::Null);
    let more = member(body, "additionalModelRequestFields").unwrap_or(&Value::Null);
    let format = body.pointer("/outputConfig/textFormat/structure/jsonSchema/schema").and_then(|schema| {
        let schema: Value = serde_json::from_str(schema.as_str()?).ok()?;
        Some(json!({"type": "json_schema", "schema": schema}))
    });
    request(vec![
        ("messages", Some(list(body, "messages").iter().map(turn).collect())),
        ("system", Some(list(body, "system").iter().filter_map(block).collect())),
        ("tools", Some(list(tools, "tools").iter().filter_map(tool).collect())),
        ("tool_choice", member(tools, "toolChoice").and_then(choice)),
        ("max_tokens", member(inference, "maxTokens").cloned()),
        ("thinking", more.get("thinking").cloned()),
        ("output_format", format),
    ])
}

fn turn(message: &Value) -> Value {
    let content: Value = list(message, "content").iter().filter_map(block).collect();
    json!({"role": text(message, "role"), "content": content})
}

fn block(block: &Value) -> Option<Value> {
    if let Some(call) = block.get("toolUse") {
        return Some(json!({"type": "tool_use", "name": text(call, "name"), "input": call.get("input")}));
    }
    if let Some(given) = block.get("toolResult") {
        let content = list(given, "content").iter();
        return Some(tool_result(
            content.filter_map(|c| c.get("text").or_else(|| c.get("json"))).map(result).collect(),
        ));
    }
    block.get("text").map(|text| json!({"type": "text", "text": text}))
}

fn tool(tool: &Value) -> Option<Value> {
    let spec = tool.get("toolSpec")?;
    Some(json!({"name": text(spec, "name"), "description": text(spec, "description"),
        "input_schema": spec.pointer("/inputSchema/json")}))
}

fn choice(choice: &Value) -> Option<Value> {
    match choice.get("tool") {
        Some(tool) => Some(json!({"type": "tool", "name": text(tool, "name")})),
        None => choice.get("any").map(|_| json!({"type": "any"})),
    }
}
