use super::*;
use serde_json::{Value, json};

/// The schema for `maker`, the constraints that are only told, and whether it fits then.
fn shown(schema: Value, maker: Maker) -> (Value, Vec<String>, bool) {
    let mut value = schema;
    let told = suited(&mut value, maker);
    let fits = fits(&value, maker);
    (value, told, fits)
}

fn claude(schema: Value) -> Value {
    shown(schema, Maker::Anthropic).0
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
    assert_eq!(claude(of(&place)), want);
}

#[test]
fn what_would_lose_its_meaning_stays() {
    for schema in [
        json!({"type": "object"}),
        json!({"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "string"}}),
        json!({"allOf": [{"type": "object", "properties": {"a": {}}}, {"type": "object", "properties": {"b": {}}}]}),
        json!({"type": "string", "properties": {"a": {}}}),
        json!(true),
    ] {
        let (got, _, fits) = shown(schema.clone(), Maker::Anthropic);
        assert_eq!((got, fits), (schema, false));
    }
}

/// As the SDK's `transform_schema` does it.
#[test]
fn bounds_move_into_the_description() {
    let schema = json!({"$schema": "x", "type": "object", "required": ["n", "s", "l", "p"], "properties": {
        "n": {"type": "integer", "minimum": 1, "maximum": 10, "description": "A number"},
        "s": {"type": "string", "minLength": 2, "format": "iri", "default": "x"},
        "l": {"type": "array", "items": {"type": "number", "multipleOf": 0.5}, "minItems": 2, "maxItems": 3},
        "p": {"type": "string", "pattern": r"^\d{5}$", "format": "date"},
        "o": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "^(?=a)"}},
        "r": {"$ref": "#/$defs/d", "description": "beside"}},
        "$defs": {"d": {"oneOf": [{"const": "a"}, {"enum": ["b"]}]}}});
    let want = json!({"type": "object", "required": ["n", "s", "l", "p"], "properties": {
        "n": {"type": "integer", "description": "A number\n\n{minimum: 1, maximum: 10}"},
        "s": {"type": "string", "default": "x", "description": r#"{minLength: 2, format: "iri"}"#},
        "l": {"type": "array", "items": {"type": "number", "description": "{multipleOf: 0.5}"},
            "description": "{minItems: 2, maxItems: 3}"},
        "p": {"type": "string", "pattern": r"^\d{5}$", "format": "date"},
        "o": {"type": "array", "minItems": 1, "items": {"type": "string", "description": r#"{pattern: "^(?=a)"}"#}},
        "r": {"$ref": "#/$defs/d"}},
        "$defs": {"d": {"anyOf": [{"const": "a"}, {"enum": ["b"]}]}}, "additionalProperties": false});
    let (got, told, fits) = shown(schema, Maker::Anthropic);
    assert_eq!(got, want);
    let names: Vec<&str> = got["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["n", "s", "l", "p", "o", "r"], "their order is that of the answer");
    let all = ["minimum", "maximum", "minLength", "format", "multipleOf", "minItems", "maxItems", "pattern"];
    assert!(fits && all.iter().all(|k| told.iter().any(|t| t == k)) && told.len() == 9, "{told:?}");
    assert_eq!(suited(&mut want.clone(), Maker::Anthropic), Vec::<String>::new());
    assert_eq!(claude(want.clone()), want, "nothing more to do");
}

#[test]
fn a_schema_inside_itself_fits_only_openai() {
    let node = json!({"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}},
        "required": ["next"], "additionalProperties": false});
    for schema in [
        json!({"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "required": ["n"],
            "additionalProperties": false, "$defs": {"n": node}}),
        json!({"type": "object", "properties": {"n": {"type": "array", "items": {"$ref": "#"}}}, "required": ["n"],
            "additionalProperties": false}),
    ] {
        assert!(!fits(&schema, Maker::Anthropic) && fits(&schema, Maker::OpenAi), "{schema}");
    }
    for nowhere in ["https://x/y", "#/$defs/none"] {
        let schema = json!({"type": "object", "properties": {"n": {"$ref": nowhere}}, "required": ["n"],
            "additionalProperties": false});
        assert!(!fits(&schema, Maker::Anthropic) && !fits(&schema, Maker::OpenAi), "{schema}");
    }
    // A long way of references is no way into the stack.
    let defs: serde_json::Map<_, _> =
        (0..50_000).map(|n| (n.to_string(), json!({"$ref": format!("#/$defs/{}", n + 1)}))).collect();
    let long = json!({"$ref": "#/$defs/0", "$defs": defs});
    assert!(!fits(&long, Maker::Anthropic));
}

#[test]
fn openai_has_every_property() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {
        "a": {"type": "integer", "minimum": 1, "default": 3},
        "b": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}], "default": null},
        "c": {"type": ["number", "null"]}}});
    let (got, told, fits) = shown(schema, Maker::OpenAi);
    assert_eq!(
        got,
        json!({"type": "object", "required": ["a", "b", "c"], "properties": {
        "a": {"type": "integer", "minimum": 1, "description": "{default: 3}"},
        "b": {"anyOf": [{"type": "string", "description": "{minLength: 1}"}, {"type": "null"}]},
        "c": {"type": ["number", "null"]}}, "additionalProperties": false})
    );
    assert!(fits && told == ["minLength"], "{told:?}");
    for schema in [
        // may be left out, and may not be null
        json!({"type": "object", "properties": {"a": {"type": "string"}}}),
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"anyOf": [{"type": "string"}]}),
        json!({"type": "object", "properties": {"a": {}}, "required": ["a"]}),
    ] {
        assert!(!shown(schema.clone(), Maker::OpenAi).2, "{schema}");
    }
}

fn strict_tool(parameters: Value) -> Tool {
    Tool {
        name: "t".into(),
        description: None,
        body: ToolBody::Function { parameters: Some(Raw::of(&parameters).unwrap()), strict: Some(true) },
        cache: None,
        extra: Vec::new(),
        at: crate::ir::Spot::default(),
    }
}

#[test]
fn strict_tools_and_the_promise_of_other_dialects() {
    let open = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let good =
        json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]});
    let tools = vec![strict_tool(good.clone()), strict_tool(open.clone())];
    let mut c = Conversation { tools, ..Conversation::default() };
    let schema = Raw::of(&good).unwrap();
    c.settings.format = Some(Format::JsonSchema { name: None, description: None, schema, strict: None });
    let strict = |c: &Conversation| {
        let of = |t: &Tool| matches!(t.body, ToolBody::Function { strict: Some(true), .. });
        let answer = matches!(c.settings.format, Some(Format::JsonSchema { strict: Some(true), .. }));
        (answer, c.tools.iter().map(of).collect::<Vec<_>>())
    };
    let fields = |l: &Losses| l.0.iter().map(|l| l.field.clone()).collect::<Vec<_>>();

    let (mut to_openai, mut losses) = (c.clone(), Losses::default());
    suit(&mut to_openai, Wire::Messages, Wire::Responses, true, &mut losses);
    assert_eq!(strict(&to_openai), (true, vec![true, false]));
    assert_eq!(fields(&losses), ["tools[1].strict"]);

    let (mut to_claude, mut losses) = (c.clone(), Losses::default());
    to_claude.tools.extend((0..30).map(|_| strict_tool(open.clone())));
    suit(&mut to_claude, Wire::Chat, Wire::Messages, false, &mut losses);
    assert_eq!(strict(&to_claude).1.iter().filter(|s| **s).count(), 20);
    assert!(fields(&losses).starts_with(&["format (minimum)".into(), "tools[0] (minimum)".into()]));
    assert!(losses.first_serious().is_none());

    // Its own words stay, and servers that say nothing of `strict` are not told of it.
    for (front, wire) in
        [(Wire::Messages, Wire::Converse), (Wire::Gemini, Wire::Chat), (Wire::Chat, Wire::Gemini)]
    {
        let (mut same, mut losses) = (c.clone(), Losses::default());
        suit(&mut same, front, wire, false, &mut losses);
        assert!(same == c && losses.0.is_empty());
    }
}
