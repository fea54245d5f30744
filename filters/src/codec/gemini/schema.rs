//! JSON Schema and Gemini's own subset of OpenAPI 3.0 schemas, there and back.
//! <https://ai.google.dev/api/caching#Schema>
//!
//! Where the API has a field for JSON Schema it is used, and these conversions are not needed: only for `parameters`
//! and `responseSchema` of Gemini's clients, and for servers that know nothing else.

mod from_json;
mod to_json;

use crate::ir::Raw;
use serde_json::Value;
use std::borrow::Cow;

pub use from_json::from_json_schema;
pub(super) use to_json::ordered;
pub use to_json::to_json_schema;

/// Deeper schemas are not converted; serde_json reads no deeper either.
const MAX_DEPTH: usize = 64;

/// A JSON Schema as Gemini's JSON Schema fields want it: they know `enum` but not `const`.
/// <https://ai.google.dev/api/generate-content#FIELDS.response_json_schema>
pub(super) fn plain(schema: &Raw) -> Cow<'_, Raw> {
    if memchr::memmem::find(schema.text().as_bytes(), b"\"const\"").is_none() {
        return Cow::Borrowed(schema);
    }
    let mut value = schema.value();
    each_schema(&mut value, 0, &mut |s| {
        if let Some(only) = s.remove("const") {
            s.insert("enum".into(), Value::Array(vec![only]));
        }
    });
    Raw::of(&value).map_or(Cow::Borrowed(schema), Cow::Owned)
}

/// The schema with a description, unless it has its own.
pub(super) fn described(schema: &Raw, description: &str) -> Option<Raw> {
    let mut value = schema.value();
    let fields = value.as_object_mut()?;
    if fields.contains_key("description") {
        return None;
    }
    fields.insert("description".into(), Value::String(description.to_owned()));
    Raw::of(&value).ok()
}

/// Keywords whose value is a schema.
const ONE: [&str; 7] = ["items", "additionalProperties", "not", "contains", "if", "then", "else"];
/// Keywords whose value is a list of schemas.
const LIST: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// Keywords whose value is a map of schemas.
const MAP: [&str; 4] = ["properties", "$defs", "definitions", "patternProperties"];

/// Shows every schema in a schema, from the inside out.
fn each_schema(
    value: &mut Value,
    depth: usize,
    change: &mut impl FnMut(&mut serde_json::Map<String, Value>),
) {
    let Value::Object(fields) = value else { return };
    if depth > MAX_DEPTH {
        return;
    }
    for (name, inner) in fields.iter_mut() {
        let name = name.as_str();
        if ONE.contains(&name) {
            each_schema(inner, depth + 1, change);
        } else if LIST.contains(&name) {
            inner.as_array_mut().into_iter().flatten().for_each(|v| each_schema(v, depth + 1, change));
        } else if MAP.contains(&name)
            && let Value::Object(map) = inner
        {
            map.values_mut().for_each(|v| each_schema(v, depth + 1, change));
        }
    }
    change(fields);
}

#[cfg(test)]
mod tests;
