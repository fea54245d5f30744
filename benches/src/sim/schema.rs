//! An example value for a JSON Schema: what a simulated model passes to a tool or answers where it was told to
//! answer in JSON. Required properties only; the first of an enum; references within the schema are followed.

pub(crate) mod rules;

use serde_json::{Map, Value, json};

/// Deeper than this a recursive schema gets `null`.
const DEPTH: usize = 16;

/// A value that fits `schema`.
pub(crate) fn example(schema: &Value) -> Value {
    make(schema, schema, DEPTH)
}

fn make(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
        return root.pointer(target).map_or(Value::Null, |s| make(s, root, depth - 1));
    }
    if let Some(value) = schema.get("const").or_else(|| schema.get("enum").and_then(|e| e.get(0))) {
        return value.clone();
    }
    if let Some(first) = ["anyOf", "oneOf", "allOf"].iter().find_map(|k| schema.get(k)?.get(0)) {
        return make(first, root, depth - 1);
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or("null"),
        _ if schema.get("properties").is_some() => "object",
        _ => "null",
    };
    match kind {
        "object" => {
            let mut object = Map::new();
            for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
                if let Some(name) = name.as_str() {
                    let property = schema.get("properties").and_then(|p| p.get(name));
                    object
                        .insert(name.to_owned(), property.map_or(Value::Null, |p| make(p, root, depth - 1)));
                }
            }
            Value::Object(object)
        }
        "array" => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(16);
            let item = schema.get("items").map_or(Value::Null, |i| make(i, root, depth - 1));
            Value::Array((0..least).map(|_| item.clone()).collect())
        }
        "string" => json!("sim"),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(true),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_the_schema() {
        let schema = json!({"type": "object", "required": ["a", "b", "c", "d"], "properties": {
            "a": {"type": "string"}, "b": {"enum": ["x", "y"]}, "c": {"$ref": "#/$defs/n"},
            "d": {"type": ["array", "null"], "minItems": 1, "items": {"anyOf": [{"type": "boolean"}]}}, "e": {"type": "string"}},
            "$defs": {"n": {"type": "integer", "minimum": 3}}});
        assert_eq!(example(&schema), json!({"a": "sim", "b": "x", "c": 3, "d": [true]}));
        let endless = json!({"$ref": "#"});
        assert_eq!(example(&endless), Value::Null);
    }
}
