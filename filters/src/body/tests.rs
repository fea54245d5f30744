use super::*;
use crate::testing::{any_json, any_text, spaces, write_members};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn parse(text: &str, surface: Surface) -> Result<RequestBody, Rejection> {
    RequestBody::parse(Bytes::copy_from_slice(text.as_bytes()), Some("application/json"), surface)
}

/// Code and param of the 400 that a body gets.
fn refused(text: &str, surface: Surface) -> (&'static str, Option<String>) {
    let e = parse(text, surface).unwrap_err();
    assert_eq!(e.kind, ErrorKind::InvalidRequest);
    (e.code, e.param)
}

fn spliced(body: &RequestBody, splice: Splice) -> String {
    let (range, new) = splice;
    let raw = &body.raw;
    String::from_utf8([&raw[..range.start], &new, &raw[range.end..]].concat()).unwrap()
}

#[test]
fn the_envelope_is_read() {
    let b = parse(
        r#" {"messages":[{"role":"user","content":"model"}],"model":"gpt-5","stream":true,
            "stream_options":{"include_obfuscation":false,"include_usage":true}} "#,
        Surface::Chat,
    )
    .unwrap();
    assert_eq!(b.model(), Some("gpt-5"));
    assert_eq!(&b.raw[b.model_span().unwrap()], b"gpt-5");
    assert!(b.stream() && b.include_usage() && b.is_json());
    let b = parse(
        r#"{"model":"o","previous_response_id":"resp_1","conversation":{"id":"conv_1"},"background":true,"store":false}"#,
        Surface::Responses,
    )
    .unwrap();
    assert_eq!((b.previous_response_id(), b.conversation()), (Some("resp_1"), Some("conv_1")));
    assert!(b.background() && b.store() == Some(false) && !b.stream() && !b.include_usage());
    let b = parse(r#"{"conversation":"conv_2","model":null,"stream":null}"#, Surface::Responses).unwrap();
    assert_eq!((b.conversation(), b.model(), b.stream()), (Some("conv_2"), None, false));
}

#[test]
fn escapes_in_keys_and_values_are_undone() {
    let b = parse(r#"{"mod\u0065l":"gpt\u002d5\n"}"#, Surface::Chat).unwrap();
    assert_eq!(b.model(), Some("gpt-5\n"));
}

/// Two readers could take different ones: access checked for one model, another one served.
#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for text in
        [r#"{"model":"a","model":"b"}"#, r#"{"model":"a","mod\u0065l":"b"}"#, r#"{"model":"a","model":null}"#]
    {
        assert_eq!(refused(text, Surface::Chat), ("duplicate_field", Some("model".into())), "{text}");
    }
    for text in [r#"{"model":"a","Model":"b"}"#, r#"{"MODEL":"b"}"#] {
        assert_eq!(refused(text, Surface::Messages), ("ambiguous_field", Some("model".into())), "{text}");
    }
    let folded = "{\"model\":\"a\",\"\u{17f}tream\":true}";
    assert_eq!(refused(folded, Surface::Chat), ("ambiguous_field", Some("stream".into())));
    let twice = r#"{"model":"a","stream_options":{"include_usage":false,"include_usage":true}}"#;
    assert_eq!(
        refused(twice, Surface::Chat),
        ("duplicate_field", Some("stream_options.include_usage".into()))
    );
    let twice = r#"{"model":"a","stream_options":{"include_usage":false},"stream_options":null}"#;
    assert_eq!(refused(twice, Surface::Chat).0, "duplicate_field");
    // Other members are the provider's business.
    assert!(parse(r#"{"model":"a","seed":1,"seed":2,"modell":3,"models_":4}"#, Surface::Chat).is_ok());
}

#[test]
fn wrong_types_name_the_field() {
    for (text, surface, param) in [
        (r#"{"model":1}"#, Surface::Chat, "model"),
        (r#"{"model":["a"]}"#, Surface::Embeddings, "model"),
        (r#"{"model":"\ud800"}"#, Surface::Chat, "model"),
        (r#"{"stream":"true"}"#, Surface::Messages, "stream"),
        (r#"{"stream":1}"#, Surface::Chat, "stream"),
        (r#"{"stream_options":[]}"#, Surface::Chat, "stream_options"),
        (r#"{"stream_options":{"include_usage":"yes"}}"#, Surface::Chat, "stream_options.include_usage"),
        (r#"{"conversation":7}"#, Surface::Responses, "conversation"),
        (r#"{"conversation":{"id":7}}"#, Surface::Responses, "conversation.id"),
        (r#"{"background":"no"}"#, Surface::Responses, "background"),
    ] {
        assert_eq!(refused(text, surface), ("invalid_type", Some(param.into())), "{text}");
    }
    // A field that means nothing on a surface passes unread.
    assert!(parse(r#"{"background":"no","stream_options":7,"conversation":7}"#, Surface::Messages).is_ok());
}

#[test]
fn what_is_not_json_is_told_where() {
    let e = parse("{\"model\":\"a\",\n \"x\":}", Surface::Chat).unwrap_err();
    assert_eq!(e.message, "The request body is not valid JSON: a value is expected (line 2, column 6).");
    assert_eq!(
        parse("", Surface::Chat).unwrap_err().message,
        "The request body is empty; send a JSON object."
    );
    let e = RequestBody::parse(Bytes::from_static(b"{\"a\":\"\xff\"}"), None, Surface::Chat).unwrap_err();
    assert!(e.message.contains("UTF-8"), "{e}");
    let e = RequestBody::parse(Bytes::from_static(b"\x1f\x8b\x08"), None, Surface::Chat).unwrap_err();
    assert!(e.message.contains("compressed"), "{e}");
}

#[test]
fn content_types() {
    let json = Bytes::from_static(b"{\"model\":\"a\"}");
    for t in
        [None, Some("application/json"), Some("Application/JSON; charset=utf-8"), Some("application/x+json")]
    {
        assert!(RequestBody::parse(json.clone(), t, Surface::Chat).is_ok(), "{t:?}");
    }
    for t in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        let e = RequestBody::parse(json.clone(), Some(t), Surface::Chat).unwrap_err();
        assert_eq!(e.code, "unsupported_content_type", "{t}");
    }
    assert!(RequestBody::parse(json, Some("application/json"), Surface::Images).is_ok());
}

#[test]
fn models_beside_the_main_one_are_found() {
    let text = r#"{"tools":[{"type":"advisor_20260301","model":"claude-opus-5"},{"type":"x","function":{"model":"no"}}],
        "model":"m","fallbacks":[{"model":"f1"},"f2"],"models":["o1"],"messages":[{"model":"no"}]}"#;
    let b = parse(text, Surface::Messages).unwrap();
    assert_eq!(b.other_models().collect::<Vec<_>>(), ["claude-opus-5", "f1", "f2", "o1"]);
    assert_eq!(b.model(), Some("m"));
}

#[test]
fn prompts_are_not_shown() {
    let b = parse(r#"{"model":"m","input":"my secret"}"#, Surface::Responses).unwrap();
    assert!(!format!("{b:?}").contains("secret"));
}

/// LESSONS.md: "Claude Code sends `role:"system"` inside messages, …; Codex sends `namespace` tools: pass it all".
#[test]
fn odd_bodies_of_agents_pass() {
    let claude = r#"{"model":"claude-opus-5","messages":[{"role":"system","content":[]},{"role":"user","content":"x"}],
        "thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"high"},
        "context_management":{"edits":[]},"metadata":{"user_id":"{\"device\":\"1\"}"},"stream":true}"#;
    let b = parse(claude, Surface::Messages).unwrap();
    assert!(b.stream() && b.raw == claude.as_bytes());
    let codex = r#"{"model":"gpt-5","store":false,"include":["reasoning.encrypted_content"],"prompt_cache_key":"k",
        "tools":[{"type":"namespace","name":"n","tools":[]},{"type":"web_search"}],"client_metadata":{},"input":[]}"#;
    assert!(parse(codex, Surface::Responses).is_ok());
}

fn stream_options() -> impl proptest::strategy::Strategy<Value = Option<Value>> {
    proptest::sample::select(vec![
        None,
        Some(json!(null)),
        Some(json!({})),
        Some(json!({"x": 1})),
        Some(json!({"include_usage": false})),
        Some(json!({"include_usage": null, "x": [1]})),
        Some(json!({"x": {"include_usage": true}, "include_usage": false})),
        Some(json!({"include_usage": true})),
    ])
}

proptest! {
    /// LESSONS.md: "Re-serialised JSON breaks thinking signatures and prompt caching".
    #[test]
    fn a_splice_changes_what_it_says_and_no_other_byte(
        others in proptest::collection::vec((any_text(), any_json()), 0..5),
        model in any_text(),
        new in any_text(),
        options in stream_options(),
        order in any::<u64>(),
        seed in proptest::collection::vec(any::<u8>(), 1..20),
    ) {
        let mut map: Map<String, Value> = others.into_iter().filter(|(k, _)| k != "model").collect();
        map.insert("model".into(), model.clone().into());
        if let Some(o) = &options {
            map.insert("stream_options".into(), o.clone());
        }
        let mut members: Vec<(&str, &Value)> = map.iter().map(|(k, v)| (k.as_str(), v)).collect();
        let turn = usize::try_from(order % members.len() as u64).unwrap();
        members.rotate_left(turn);
        let mut text = String::new();
        write_members(&members, &mut spaces(seed), &mut text);
        let body = parse(&text, Surface::Chat).unwrap();
        prop_assert_eq!(body.model(), Some(model.as_str()));

        let mut want = map.clone();
        want.insert("model".into(), new.clone().into());
        let (range, bytes) = body.splice_model(&new).unwrap();
        prop_assert_eq!(&range, &body.model_span().unwrap());
        let got: Value = serde_json::from_str(&spliced(&body, (range, bytes))).unwrap();
        prop_assert_eq!(got, Value::Object(want));

        let mut want = map.clone();
        let o = want.entry("stream_options").or_insert(json!({}));
        if o.is_null() {
            *o = json!({});
        }
        o["include_usage"] = true.into();
        match body.splice_include_usage() {
            None => prop_assert!(body.include_usage()),
            Some(splice) => {
                prop_assert!(!body.include_usage());
                let text = spliced(&body, splice);
                let got: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(got, Value::Object(want));
                prop_assert!(parse(&text, Surface::Chat).unwrap().include_usage());
            }
        }
    }

    #[test]
    fn no_body_panics(raw in proptest::collection::vec(any::<u8>(), 0..60), form in any::<bool>()) {
        let t = if form { "multipart/form-data; boundary=x" } else { "application/json" };
        let _ = RequestBody::parse(raw.into(), Some(t), Surface::Images);
    }
}

#[test]
fn include_usage_goes_into_an_empty_object() {
    for (text, want) in [
        ("{}", r#"{"stream_options":{"include_usage":true}}"#),
        (" { } ", r#" {"stream_options":{"include_usage":true} } "#),
        (r#"{"a":1}"#, r#"{"stream_options":{"include_usage":true},"a":1}"#),
        (r#"{"stream_options":{ }}"#, r#"{"stream_options":{"include_usage":true }}"#),
        (r#"{"stream_options": null}"#, r#"{"stream_options": {"include_usage":true}}"#),
        (r#"{"stream_options":{"a":1}}"#, r#"{"stream_options":{"include_usage":true,"a":1}}"#),
        (r#"{"stream_options":{"include_usage" : false}}"#, r#"{"stream_options":{"include_usage" : true}}"#),
    ] {
        let body = parse(text, Surface::Chat).unwrap();
        assert_eq!(spliced(&body, body.splice_include_usage().unwrap()), want);
    }
}
