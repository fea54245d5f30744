//! Which schemas a provider promises to keep to.

use crate::sim::neutral::text;
use serde_json::Value;

/// Anthropic's and Bedrock's rules; gives what is wrong, in Anthropic's words.
pub(crate) fn closed(schema: &Value) -> Option<String> {
    each(schema, &mut |s| {
        let kinds = kinds(s);
        let kind = kinds.first().copied().unwrap_or_default();
        if kinds.contains(&"object") && s.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Some(
                "For 'object' type, 'additionalProperties' must be explicitly set to false".to_owned(),
            );
        }
        let bounds = [
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "maxItems",
            "uniqueItems",
            "minProperties",
            "maxProperties",
            "patternProperties",
        ];
        if let Some(name) = bounds.iter().find(|b| s.get(**b).is_some()) {
            return Some(format!("For '{kind}' type, property '{name}' is not supported"));
        }
        if s.get("minItems").is_some_and(|n| !matches!(n.as_u64(), Some(0 | 1))) {
            return Some(
                "For 'array' type, 'minItems' values other than 0 or 1 are not supported".to_owned(),
            );
        }
        s.get("oneOf").map(|_| "Schema type 'oneOf' is not supported".to_owned())
    })
}

/// OpenAI's rules for `strict: true`; gives what is wrong, in its words.
pub(crate) fn strict(schema: &Value, name: &str) -> Option<String> {
    let refuse = |why: String| format!("Invalid schema for {name}: {why}");
    if text(schema, "type") != "object" {
        return Some(refuse("schema must be a JSON Schema of 'type: \"object\"'.".to_owned()));
    }
    let wrong = each(schema, &mut |s| {
        if kinds(s).contains(&"object") {
            if s.get("additionalProperties") != Some(&Value::Bool(false)) {
                return Some("'additionalProperties' is required to be supplied and to be false.".to_owned());
            }
            let required = s.get("required").and_then(Value::as_array);
            let mut names = s.get("properties").and_then(Value::as_object).into_iter().flat_map(|p| p.keys());
            let missing = names.find(|n| !required.is_some_and(|r| r.iter().any(|r| r == n.as_str())));
            if let Some(missing) = missing {
                return Some(format!(
                    "'required' is required to be supplied and to be an array including every key in properties. \
                     Missing '{missing}'."
                ));
            }
        }
        let never = [
            "allOf",
            "oneOf",
            "not",
            "if",
            "patternProperties",
            "uniqueItems",
            "default",
            "minLength",
            "maxLength",
        ];
        never.iter().find(|k| s.get(**k).is_some()).map(|k| format!("'{k}' is not permitted."))
    });
    wrong.map(refuse)
}

fn kinds(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(kind)) => vec![kind],
        _ => Vec::new(),
    }
}

/// What is wrong with the first schema in a schema that is wrong.
fn each(schema: &Value, wrong: &mut dyn FnMut(&Value) -> Option<String>) -> Option<String> {
    if let Some(found) = wrong(schema) {
        return Some(found);
    }
    let Value::Object(fields) = schema else { return None };
    fields.iter().find_map(|(name, inner)| match (name.as_str(), inner) {
        ("items", inner) => each(inner, wrong),
        ("anyOf" | "allOf" | "oneOf", Value::Array(list)) => list.iter().find_map(|v| each(v, wrong)),
        ("properties" | "$defs" | "definitions", Value::Object(map)) => {
            map.values().find_map(|v| each(v, wrong))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_refused() {
        let good = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}},
            "required": ["a"], "additionalProperties": false});
        assert_eq!((closed(&good), strict(&good, "x")), (None, None));
        let mut bound = good.clone();
        bound["properties"]["a"]["items"]["minimum"] = 1.into();
        assert!(closed(&bound).is_some_and(|w| w.contains("'integer' type, property 'minimum'")));
        assert_eq!(strict(&bound, "x"), None);
        let mut open = good.clone();
        open["required"] = json!([]);
        assert!(strict(&open, "x").is_some_and(|w| w.ends_with("Missing 'a'.")));
        assert_eq!(closed(&open), None);
        open["additionalProperties"] = json!(true);
        assert!(closed(&open).is_some());
    }
}
