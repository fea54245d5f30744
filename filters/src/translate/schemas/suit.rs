//! A schema in a provider's form.

use super::{MAX_DEPTH, Maker};
use serde_json::{Map, Value};

/// Formats of texts that both providers keep to. (Anthropic `uri` besides.)
const FORMATS: [&str; 9] =
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// Keywords that constrain nothing and tell a model nothing.
const SILENT: [&str; 5] = ["$schema", "$id", "$anchor", "$comment", "contentMediaType"];

/// Keywords that constrain nothing: they may be told without a word.
const NOTES: [&str; 6] = ["default", "examples", "example", "deprecated", "readOnly", "writeOnly"];

/// Changes the schema, as far as it can be done without another meaning; gives the constraints that are only told.
pub(super) fn suited(schema: &mut Value, maker: Maker) -> Vec<String> {
    let mut told = Vec::new();
    walk(schema, maker, 0, &mut told);
    told
}

fn walk(value: &mut Value, maker: Maker, depth: usize, told: &mut Vec<String>) {
    let Value::Object(schema) = value else { return };
    if depth > MAX_DEPTH {
        return;
    }
    alone(schema);
    for (name, inner) in schema.iter_mut() {
        match (name.as_str(), inner) {
            ("items", inner) => walk(inner, maker, depth + 1, told),
            // Not several of `allOf`: a closed part of a whole refuses what the other parts name.
            ("anyOf" | "oneOf", Value::Array(list)) => {
                list.iter_mut().for_each(|v| walk(v, maker, depth + 1, told));
            }
            ("properties" | "$defs" | "definitions", Value::Object(map)) => {
                map.values_mut().for_each(|v| walk(v, maker, depth + 1, told));
            }
            _ => {}
        }
    }
    close(schema, maker);
    tell(schema, maker, told);
}

/// Other words for the same: `oneOf` is `anyOf`, one of `allOf` is no choice.
fn alone(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(all)) = schema.get("allOf")
        && let [Value::Object(one)] = &all[..]
        && one.keys().all(|k| matches!(&**k, "title" | "description") || !schema.contains_key(k))
    {
        let one = one.clone();
        schema.shift_remove("allOf");
        for (k, v) in one {
            schema.entry(k).or_insert(v);
        }
    }
    if !schema.contains_key("anyOf")
        && let Some(one) = schema.shift_remove("oneOf")
    {
        schema.insert("anyOf".into(), one);
    }
}

/// Closes an object that names its properties. (A map of any names would be emptied: it stays.) For OpenAI, what may
/// be left out must be there as null where that is allowed.
fn close(schema: &mut Map<String, Value>, maker: Maker) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let object = match schema.get("type") {
        None => true,
        Some(Value::Array(kinds)) => kinds.iter().any(|k| k == "object"),
        Some(kind) => kind == "object",
    };
    if properties.is_empty() || !object {
        return;
    }
    let mut required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let given = required.len();
    required.extend(
        properties
            .iter()
            .filter(|(name, p)| nullable(p) && !required.iter().any(|r| r == name.as_str()))
            .map(|(name, _)| Value::from(name.as_str()))
            .collect::<Vec<_>>(),
    );
    let more = required.len() > given;
    if more && maker == Maker::OpenAi {
        schema.insert("required".into(), Value::Array(required));
    }
    if matches!(schema.get("additionalProperties"), None | Some(Value::Bool(true))) {
        schema.insert("additionalProperties".into(), Value::Bool(false));
    }
}

fn nullable(schema: &Value) -> bool {
    let null = |v: &Value| v == "null";
    match (schema.get("type"), schema.get("anyOf"), schema.get("enum")) {
        (Some(Value::Array(kinds)), ..) => kinds.iter().any(null),
        (Some(kind), ..) => null(kind),
        (None, Some(Value::Array(any)), _) => any.iter().any(nullable),
        (None, None, Some(Value::Array(words))) => words.contains(&Value::Null),
        _ => false,
    }
}

/// Moves what the provider does not keep to into the description: `{minimum: 1, maximum: 10}`.
fn tell(schema: &mut Map<String, Value>, maker: Maker, told: &mut Vec<String>) {
    let refers = schema.contains_key("$ref");
    if schema.iter().all(|(k, v)| keeps(maker, refers, k, v)) {
        return;
    }
    let (kept, moved): (Map<_, _>, Map<_, _>) =
        std::mem::take(schema).into_iter().partition(|(k, v)| keeps(maker, refers, k, v));
    *schema = kept;
    let moved: Vec<(String, Value)> = moved
        .into_iter()
        .filter(|(k, v)| !SILENT.contains(&k.as_str()) && (k != "default" || !v.is_null()))
        .collect();
    for (keyword, _) in &moved {
        if !NOTES.contains(&keyword.as_str()) && !told.contains(keyword) {
            told.push(keyword.clone());
        }
    }
    // A reference stands alone: it is the other schema that has a description.
    if moved.is_empty() || refers {
        return;
    }
    let words: Vec<String> = moved.iter().map(|(k, v)| format!("{k}: {v}")).collect();
    let words = format!("{{{}}}", words.join(", "));
    let said = schema.get("description").and_then(Value::as_str).filter(|d| !d.is_empty());
    let description = said.map_or_else(|| words.clone(), |d| format!("{d}\n\n{words}"));
    schema.insert("description".into(), Value::String(description));
}

fn keeps(maker: Maker, refers: bool, keyword: &str, value: &Value) -> bool {
    let openai = maker == Maker::OpenAi;
    match keyword {
        "$ref" | "$defs" | "definitions" => true,
        _ if refers => false,
        "type"
        | "title"
        | "description"
        | "enum"
        | "const"
        | "anyOf"
        | "allOf"
        | "properties"
        | "required"
        | "additionalProperties"
        | "items" => true,
        "default" => !openai,
        "format" => value.as_str().is_some_and(|f| FORMATS.contains(&f) || (f == "uri" && !openai)),
        "pattern" => value.as_str().is_some_and(plain),
        "minItems" => openai || matches!(value.as_u64(), Some(0 | 1)),
        "maxItems" | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => openai,
        _ => false,
    }
}

/// A pattern of the common kind: no look around, no references back, no borders of words, no large repetition.
fn plain(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if !chars.next().is_some_and(|e| !e.is_alphanumeric() || "dDwWsSnrtf".contains(e)) => {
                return false;
            }
            '(' if chars.as_str().starts_with('?') => return false,
            '{' => {
                let inside = chars.as_str().split('}').next().unwrap_or_default();
                let small = |n: &str| n.is_empty() || n.parse::<u32>().is_ok_and(|n| n <= 20);
                if !inside.split(',').all(small) {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}
