use super::*;
use serde_json::json;

fn closed(schema: Value) -> Value {
    let schema = Raw::of(&schema).unwrap();
    let mut format = Some(Format::JsonSchema { name: None, description: None, schema, strict: None });
    close(&mut format);
    let Some(Format::JsonSchema { schema, .. }) = format else { panic!("it is one") };
    schema.value()
}

#[test]
fn objects_with_names_are_closed_at_any_depth() {
    let place = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let shut =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": false});
    let of = |p: &Value| {
        json!({
            "$defs": {"place": p},
            "type": ["object", "null"],
            "properties": {"all": {"type": "array", "items": p}, "one": {"anyOf": [p, {"type": "null"}]}},
        })
    };
    let mut want = of(&shut);
    want["additionalProperties"] = false.into();
    assert_eq!(closed(of(&place)), want);
}

#[test]
fn what_would_lose_its_meaning_stays() {
    for schema in [
        json!({"type": "object"}),
        json!({"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "string"}}),
        json!({"allOf": [{"type": "object", "properties": {"a": {}}}]}),
        json!({"type": "string", "properties": {"a": {}}}),
        json!(true),
    ] {
        assert_eq!(closed(schema.clone()), schema);
    }
}
