//! Schemas of structured answers for Anthropic's models, which take only closed objects: `additionalProperties: false`
//! wherever properties are named. <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>
//!
//! A closed answer fits the open schema, too: nothing that the client asked for is lost.

use crate::ir::Raw;
use crate::ir::settings::Format;
use serde_json::{Map, Value};

/// Deeper schemas stay as they are; serde_json reads no deeper either.
const MAX_DEPTH: usize = 64;

/// Closes the objects of the schema of a structured answer.
pub(super) fn close(format: &mut Option<Format>) {
    let Some(Format::JsonSchema { schema, .. }) = format else { return };
    let mut value = schema.value();
    let mut changed = false;
    walk(&mut value, 0, &mut changed);
    if changed && let Ok(closed) = Raw::of(&value) {
        *schema = closed;
    }
}

fn walk(value: &mut Value, depth: usize, changed: &mut bool) {
    let Value::Object(schema) = value else { return };
    if depth > MAX_DEPTH {
        return;
    }
    for (name, inner) in schema.iter_mut() {
        match (name.as_str(), inner) {
            ("items", inner) => walk(inner, depth + 1, changed),
            // Not `allOf`: a closed part of a whole refuses what the other parts name.
            ("anyOf" | "oneOf", Value::Array(list)) => {
                list.iter_mut().for_each(|v| walk(v, depth + 1, changed))
            }
            ("properties" | "$defs" | "definitions", Value::Object(map)) => {
                map.values_mut().for_each(|v| walk(v, depth + 1, changed));
            }
            _ => {}
        }
    }
    if is_open(schema) {
        schema.insert("additionalProperties".into(), Value::Bool(false));
        *changed = true;
    }
}

/// An object that names its properties and does not say what else it may have. (A map of any names would be emptied:
/// it is left for the provider to refuse.)
fn is_open(schema: &Map<String, Value>) -> bool {
    let names = schema.get("properties").and_then(Value::as_object).is_some_and(|p| !p.is_empty());
    let object = match schema.get("type") {
        None => true,
        Some(Value::Array(kinds)) => kinds.iter().any(|k| k == "object"),
        Some(kind) => kind == "object",
    };
    names && object && matches!(schema.get("additionalProperties"), None | Some(Value::Bool(true)))
}

#[cfg(test)]
mod tests;
