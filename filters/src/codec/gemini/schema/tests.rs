use super::*;
use crate::ir::Losses;
use serde_json::json;
use serde_json::value::RawValue;

fn to(schema: Value) -> Value {
    to_json_schema(&RawValue::from_string(schema.to_string()).unwrap()).value()
}

fn from(schema: Value) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let out = from_json_schema(&Raw::of(&schema).unwrap(), "f", &mut losses);
    (out, losses.0.into_iter().map(|l| l.field).collect())
}

#[test]
fn gemini_to_json() {
    let got = to(json!({
        "type": "OBJECT",
        "property_ordering": ["a"],
        "properties": {
            "a": {"type": "STRING", "nullable": true, "format": "enum", "enum": ["x", "y"]},
            "any_of": {"any_of": [{"type": "INTEGER", "enum": ["1", "2"]}, {"type": "NULL"}]},
            "l": {"type": "ARRAY", "minItems": "2", "max_items": 3, "items": {"type": "NUMBER", "example": 1}},
        },
        "required": ["a"],
    }));
    let want = json!({
        "type": "object",
        "properties": {
            "a": {"type": ["string", "null"], "enum": ["x", "y", null]},
            "any_of": {"anyOf": [{"type": "integer", "enum": [1, 2]}, {"type": "null"}]},
            "l": {"type": "array", "minItems": 2, "maxItems": 3, "items": {"type": "number", "examples": [1]}},
        },
        "required": ["a"],
    });
    assert_eq!(got, want);
}

#[test]
fn json_to_gemini() {
    let (got, losses) = from(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "kind": {"const": "cat"},
            "n": {"type": ["integer", "null"], "exclusiveMinimum": 3, "format": "int32"},
            "mixed": {"type": ["string", "array"], "maxLength": 5, "items": {"type": "string"}},
            "maybe": {"anyOf": [{"$ref": "#/$defs/P"}, {"type": "null"}], "description": "d"},
            "either": {"oneOf": [{"type": "string"}, {"type": "boolean"}]},
            "siblings": {"anyOf": [{"required": ["x"]}, {"type": "object", "title": "t"}, {"type": "null"}],
                "type": "object", "title": "s", "properties": {"x": {"type": "string"}}},
            "both": {"allOf": [{"$ref": "#/$defs/P"}, {"required": ["y"]}]},
        },
        "$defs": {"P": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}},
    }));
    let p = json!({"type": "OBJECT", "properties": {"x": {"type": "NUMBER"}}, "required": ["x"]});
    let want = json!({
        "type": "OBJECT",
        "properties": {
            "kind": {"type": "STRING", "format": "enum", "enum": ["cat"]},
            "n": {"type": "INTEGER", "nullable": true, "minimum": 4, "format": "int32"},
            "mixed": {"anyOf": [
                {"type": "STRING", "maxLength": 5},
                {"type": "ARRAY", "items": {"type": "STRING"}},
            ]},
            "maybe": {"nullable": true, "type": "OBJECT", "properties": p["properties"], "required": ["x"], "description": "d"},
            "either": {"anyOf": [{"type": "STRING"}, {"type": "BOOLEAN"}]},
            "siblings": {"anyOf": [
                {"required": ["x"], "type": "OBJECT", "nullable": true, "title": "s", "properties": {"x": {"type": "STRING"}}},
                {"type": "OBJECT", "title": "t", "nullable": true, "properties": {"x": {"type": "STRING"}}},
            ]},
            "both": {"type": "OBJECT", "properties": p["properties"], "required": ["x", "y"]},
        },
    });
    assert_eq!(got, want);
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn nothing_is_lost_in_silence() {
    for (schema, keyword) in [
        (json!({"type": "number", "multipleOf": 2}), "multipleOf"),
        (json!({"type": "number", "exclusiveMaximum": 2}), "exclusiveMaximum"),
        (json!({"type": "array", "uniqueItems": true}), "uniqueItems"),
        (json!({"not": {"type": "null"}}), "not"),
        (json!({"enum": [true]}), "enum"),
        (json!({"additionalProperties": {"type": "string"}}), "additionalProperties"),
        (json!({"$ref": "https://elsewhere"}), "$ref"),
        (json!({"items": false}), "false"),
        (json!({"allOf": [{"minimum": 1}, {"minimum": 2}]}), "allOf"),
    ] {
        assert_eq!(from(schema.clone()).1, [format!("f ({keyword})")], "{schema}");
    }
}

#[test]
fn recursion_ends() {
    let (got, losses) = from(json!({
        "$ref": "#/$defs/N",
        "$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}},
    }));
    assert!(got.to_string().len() < 1000);
    assert_eq!(losses, ["f ($ref)"]);
    // Each follows the next twice: 2^40 schemas, were there no bound.
    let defs: serde_json::Map<_, _> = (0..40)
        .map(|i| {
            let next = json!({"$ref": format!("#/$defs/{}", i + 1)});
            (i.to_string(), json!({"type": "object", "properties": {"a": next, "b": next}}))
        })
        .collect();
    let (got, losses) = from(json!({"$ref": "#/$defs/0", "$defs": defs}));
    assert!(got.to_string().len() < 1_000_000 && !losses.is_empty());
}

#[test]
fn copies_end() {
    let deep = (0..30).fold(json!({"type": "string"}), |inner, _| {
        json!({"properties": {"p": inner}, "anyOf": [{"title": "a"}, {"title": "b"}, {"title": "c"}]})
    });
    let (got, losses) = from(deep);
    assert!(got.to_string().len() < 1_000_000);
    assert_eq!(losses, ["f (anyOf)"]);
}

#[test]
fn const_is_an_enum_of_one() {
    let s = Raw::of(&json!({"properties": {"const": {"const": 1}}, "enum": ["\"const\""]})).unwrap();
    assert_eq!(plain(&s).value(), json!({"properties": {"const": {"enum": [1]}}, "enum": ["\"const\""]}));
    assert!(matches!(plain(&Raw::parse("{}").unwrap()), Cow::Borrowed(_)));
}
