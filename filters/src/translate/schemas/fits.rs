//! Does a provider promise to keep to a schema?

use super::{MAX_DEPTH, Maker};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// References followed inside one another.
const MAX_TRAIL: usize = 100;

/// OpenAI's limit of properties in a schema.
const MAX_PROPERTIES: usize = 5_000;

/// Does it? `schema` is one that was brought into the provider's form as far as that went: only keywords that it
/// knows are left.
pub(super) fn fits(schema: &Value, maker: Maker) -> bool {
    let root = schema.as_object();
    // OpenAI: the root is an object, no choice.
    let rooted = maker == Maker::Anthropic || root.is_some_and(|r| r.get("type") == Some(&"object".into()));
    let mut properties = 0;
    rooted && whole(schema, maker, 0, &mut properties) && !loops(schema, maker)
}

fn whole(value: &Value, maker: Maker, depth: usize, properties: &mut usize) -> bool {
    let Value::Object(schema) = value else { return false };
    if depth > MAX_DEPTH || schema.contains_key("allOf") || !closed(schema, maker) {
        return false;
    }
    let names = ["type", "enum", "const", "anyOf", "$ref"];
    if !names.iter().any(|k| schema.contains_key(*k)) {
        return false;
    }
    schema.iter().all(|(name, inner)| match (name.as_str(), inner) {
        ("items", inner) => whole(inner, maker, depth + 1, properties),
        ("anyOf", Value::Array(list)) => list.iter().all(|v| whole(v, maker, depth + 1, properties)),
        ("enum", Value::Array(list)) => !list.iter().any(|v| v.is_object() || v.is_array()),
        ("properties" | "$defs" | "definitions", Value::Object(map)) => {
            *properties += map.len();
            *properties <= MAX_PROPERTIES && map.values().all(|v| whole(v, maker, depth + 1, properties))
        }
        _ => true,
    })
}

/// No object, or one that has only the properties that it names; for OpenAI all of them.
fn closed(schema: &Map<String, Value>, maker: Maker) -> bool {
    let object = match schema.get("type") {
        None => schema.contains_key("properties"),
        Some(Value::Array(kinds)) => kinds.iter().any(|k| k == "object"),
        Some(kind) => kind == "object",
    };
    if !object {
        return true;
    }
    let required = schema.get("required").and_then(Value::as_array);
    let all = |names: &Map<String, Value>| {
        names.keys().all(|name| required.is_some_and(|r| r.iter().any(|r| r == name.as_str())))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    schema.get("additionalProperties") == Some(&Value::Bool(false))
        && (maker == Maker::Anthropic || properties.is_none_or(all))
}

/// Are there references that lead nowhere, or (which only OpenAI takes) in a circle?
fn loops(root: &Value, maker: Maker) -> bool {
    let mut trail = HashSet::from(["#"]);
    let mut seen = HashSet::new();
    !followed(root, root, maker, &mut trail, &mut seen)
}

fn followed<'v>(
    value: &'v Value,
    root: &'v Value,
    maker: Maker,
    trail: &mut HashSet<&'v str>,
    seen: &mut HashSet<&'v str>,
) -> bool {
    if let Some(reference) = value.get("$ref") {
        let Some(reference) = reference.as_str() else { return false };
        if trail.contains(reference) {
            return maker == Maker::OpenAi;
        }
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        let Some(target) = target.filter(|_| trail.len() < MAX_TRAIL) else { return false };
        if seen.insert(reference) {
            trail.insert(reference);
            let good = followed(target, root, maker, trail, seen);
            trail.remove(reference);
            if !good {
                return false;
            }
        }
    }
    let mut each = |v: &'v Value| followed(v, root, maker, trail, seen);
    let Value::Object(schema) = value else { return true };
    schema.iter().all(|(name, inner)| match (name.as_str(), inner) {
        ("items", inner) => each(inner),
        ("anyOf", Value::Array(list)) => list.iter().all(&mut each),
        ("properties", Value::Object(map)) => map.values().all(&mut each),
        _ => true,
    })
}
