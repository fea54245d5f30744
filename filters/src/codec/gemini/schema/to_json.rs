//! Gemini's schemas to JSON Schema. Nothing is lost: Gemini's is the smaller language.

use super::{MAX_DEPTH, each_schema};
use crate::ir::Raw;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Converts `parameters` or `responseSchema`: types in small letters, `nullable` as the type `null`, numbers that
/// came as strings.
pub fn to_json_schema(schema: &RawValue) -> Raw {
    let Ok(mut value) = serde_json::from_str::<Value>(schema.get()) else { return Raw(schema.to_owned()) };
    spell(&mut value, 0);
    each_schema(&mut value, 0, &mut convert);
    Raw::of(&value).unwrap_or_else(|_| Raw(schema.to_owned()))
}

/// `any_of` is `anyOf` – where it is a keyword, not the name of a property.
fn spell(value: &mut Value, depth: usize) {
    let Value::Object(fields) = value else { return };
    if depth > MAX_DEPTH {
        return;
    }
    *fields = std::mem::take(fields)
        .into_iter()
        .map(|(name, mut inner)| {
            let name = match name.as_str() {
                "defs" => "$defs".to_owned(),
                "ref" => "$ref".to_owned(),
                n if n.contains('_') => crate::codec::gemini::request::canonical(n),
                _ => name,
            };
            match (name.as_str(), &mut inner) {
                ("anyOf", Value::Array(list)) => list.iter_mut().for_each(|v| spell(v, depth + 1)),
                ("properties" | "$defs", Value::Object(map)) => {
                    map.values_mut().for_each(|v| spell(v, depth + 1))
                }
                ("items" | "additionalProperties", v) => spell(v, depth + 1),
                _ => {}
            }
            (name, inner)
        })
        .collect();
}

fn convert(s: &mut Map<String, Value>) {
    for key in ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"] {
        if let Some(Value::String(n)) = s.get(key)
            && let Ok(n) = n.parse::<u64>()
        {
            s.insert(key.into(), n.into());
        }
    }
    if s.get("format").is_some_and(|f| f == "enum") {
        s.remove("format");
    }
    if let Some(example) = s.remove("example") {
        s.insert("examples".into(), Value::Array(vec![example]));
    }
    let kind = s.get("type").and_then(Value::as_str).map(str::to_ascii_lowercase);
    match kind.as_deref() {
        Some("type_unspecified") => {
            s.remove("type");
        }
        Some(kind) => {
            s.insert("type".into(), kind.into());
        }
        None => {}
    }
    // Gemini's enums are strings, also of numbers.
    if matches!(kind.as_deref(), Some("integer" | "number"))
        && let Some(Value::Array(words)) = s.get_mut("enum")
    {
        for word in words {
            let number = word.as_str().and_then(|w| serde_json::from_str::<Value>(w).ok());
            if let Some(n) = number.filter(Value::is_number) {
                *word = n;
            }
        }
    }
    if s.remove("nullable") == Some(Value::Bool(true)) {
        nullable(s);
    }
    order(s);
}

/// A JSON Schema of a Gemini client without Google's own word `propertyOrdering`.
/// <https://ai.google.dev/api/generate-content#FIELDS.response_json_schema>
pub(crate) fn ordered(schema: &RawValue) -> Raw {
    if memchr::memmem::find(schema.get().as_bytes(), b"\"propertyOrdering\"").is_none() {
        return Raw(schema.to_owned());
    }
    let Ok(mut value) = serde_json::from_str::<Value>(schema.get()) else { return Raw(schema.to_owned()) };
    each_schema(&mut value, 0, &mut order);
    Raw::of(&value).unwrap_or_else(|_| Raw(schema.to_owned()))
}

/// Elsewhere the order of properties is the one in which they stand; `propertyOrdering` is a word that nobody knows,
/// and that validators of schemas refuse.
fn order(s: &mut Map<String, Value>) {
    if !s.get("propertyOrdering").is_some_and(Value::is_array) {
        return;
    }
    let Some(Value::Array(names)) = s.remove("propertyOrdering") else { return };
    let Some(Value::Object(properties)) = s.get_mut("properties") else { return };
    let mut rest = std::mem::take(properties);
    for name in names.iter().filter_map(Value::as_str) {
        if let Some((name, schema)) = rest.shift_remove_entry(name) {
            properties.insert(name, schema);
        }
    }
    properties.append(&mut rest);
}

fn nullable(s: &mut Map<String, Value>) {
    if let Some(Value::String(kind)) = s.get("type") {
        let both = Value::Array(vec![kind.as_str().into(), "null".into()]);
        s.insert("type".into(), both);
        if let Some(Value::Array(words)) = s.get_mut("enum") {
            words.push(Value::Null);
        }
    } else if let Some(Value::Array(kinds)) = s.get_mut("anyOf") {
        kinds.push(serde_json::json!({"type": "null"}));
    }
}
