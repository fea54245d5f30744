//! Clients' requests.

use sallyport_filters::codec::gemini::{self, Options, Platform};
use sallyport_filters::ir::block::Body;
use sallyport_filters::ir::tool::ToolBody;
use sallyport_filters::ir::{Conversation, Losses, Role, ToolChoice};
use serde_json::{Value, json};

fn decode(v: &Value) -> Conversation {
    gemini::decode_request(v.to_string().as_bytes(), "m", false).unwrap()
}

fn again(v: &Value) -> (Value, Losses) {
    let mut losses = Losses::default();
    let body =
        gemini::encode_request(&decode(v), "gemini-2.5-flash", &Options::of(Platform::Vertex), &mut losses);
    (serde_json::from_slice(&body).unwrap(), losses)
}

#[test]
fn a_wrong_request_is_told_where() {
    for (body, field) in [
        (r#"{"contents":[{"parts":[{"text":1}]}]}"#, "contents[0].parts[0].text"),
        (r#"{"contents":[{"role":"system","parts":[]}]}"#, "contents[0].role"),
        (
            r#"{"contents":[{"parts":[{"functionCall":{"args":{}}}]}]}"#,
            "contents[0].parts[0].functionCall.name",
        ),
        (r#"{"generation_config":{"max_output_tokens":"x"}}"#, "generation_config.max_output_tokens"),
        (r#"{"generationConfig":{"maxOutputTokens":1.5}}"#, "generationConfig.maxOutputTokens"),
        (r#"{"generationConfig":{"maxOutputTokens":-1}}"#, "generationConfig.maxOutputTokens"),
        (
            r#"{"generationConfig":{"thinkingConfig":{"thinkingLevel":"huge"}}}"#,
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
        (r#"{"tools":[{"functionDeclarations":[{}]}]}"#, "tools[0].functionDeclarations[0].name"),
        (
            r#"{"toolConfig":{"functionCallingConfig":{"mode":"MUST"}}}"#,
            "toolConfig.functionCallingConfig.mode",
        ),
        (r#"{"labels":{"a":1}}"#, "labels"),
        (r#"{"contents":"#, ""),
        ("[]", ""),
        ("nonsense", ""),
    ] {
        let e = gemini::decode_request(body.as_bytes(), "m", false).unwrap_err();
        if !field.is_empty() {
            assert_eq!(e.field, field, "{e}");
        }
        assert!(!e.why.is_empty() && !e.why.contains('\u{1}') && !e.field.contains('\u{1}'));
    }
    let deep =
        format!(r#"{{"contents":[{{"parts":[{{"newThing":{}1{}}}]}}]}}"#, "[".repeat(9999), "]".repeat(9999));
    let _ = gemini::decode_request(deep.as_bytes(), "m", false);
}

#[test]
fn calls_without_ids_find_their_results() {
    let c = decode(&json!({"contents": [
        {"parts": {"text": "x"}},
        {"role": "model", "parts": [
            {"functionCall": {"name": "f", "args": {"n": 1}}, "thoughtSignature": "skip_thought_signature_validator"},
            {"functionCall": {"name": "g"}},
            {"functionCall": {"name": "f", "args": {"n": 2}}},
        ]},
        {"role": "user", "parts": [
            {"text": "y"},
            {"functionResponse": {"name": "g", "response": {"result": "G"}}},
            {"functionResponse": {"name": "f", "response": {"output": "F1"}}},
            {"functionResponse": {"name": "f", "response": {"error": "F2"}}},
        ]},
    ]}));
    let calls: Vec<_> = c.messages[1]
        .content
        .iter()
        .filter_map(|b| match &b.body {
            Body::ToolCall(c) => Some((c.id.as_str(), c.arguments.as_str(), c.signature.is_some())),
            _ => None,
        })
        .collect();
    assert_eq!(
        calls,
        [("call_1_0", r#"{"n":1}"#, false), ("call_1_1", "{}", false), ("call_1_2", r#"{"n":2}"#, false),]
    );
    let results: Vec<_> = c.messages[2]
        .content
        .iter()
        .filter_map(|b| match &b.body {
            Body::ToolResult(r) => Some((r.call_id.as_str(), r.content[0].as_text().unwrap(), r.is_error)),
            _ => None,
        })
        .collect();
    assert_eq!(
        results,
        [("call_1_1", r#"{"result":"G"}"#, false), ("call_1_0", "F1", false), ("call_1_2", "F2", true),]
    );
    assert_eq!(c.messages[2].content[3].as_text(), Some("y"));
    assert_eq!(c.messages[0].role, Role::User);
}

#[test]
fn what_only_google_has_stays() {
    let v = json!({
        "contents": [{"role": "user", "parts": [
            {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v.mp4"}, "videoMetadata": {"fps": 2}},
            {"text": "x"},
        ]}, {"role": "model", "parts": [
            {"functionCall": {"id": "1", "name": "f", "args": {}}},
        ]}, {"role": "user", "parts": [
            {"functionResponse": {"id": "1", "name": "f", "response": {"a": 1}, "scheduling": "SILENT"}},
        ]}],
        "tools": [
            {"functionDeclarations": [{"name": "f", "description": "", "behavior": "NON_BLOCKING"}]},
            {"codeExecution": {}},
            {"vertexThing": {"a": 1}},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "streamFunctionCallArguments": true},
            "retrievalConfig": {"languageCode": "en"}},
        "generationConfig": {"speechConfig": {"languageCode": "de"}, "mediaResolution": "MEDIA_RESOLUTION_LOW",
            "responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a"]}},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        "cachedContent": "cachedContents/1",
        "modelArmorConfig": {"promptTemplateName": "t"},
        "labels": {"team": "a"},
    });
    let (got, losses) = again(&v);
    assert_eq!(losses, Losses::default());
    assert_eq!(got, v);
    // Each is there for other providers to report.
    let c = decode(&v);
    let extra: Vec<_> = c.extra.iter().map(|(k, _)| k.as_str()).collect();
    for field in ["safetySettings", "contents[0].parts[0].videoMetadata", "generationConfig.speechConfig"] {
        assert!(extra.contains(&field), "{extra:?}");
    }
    // Unknown to all.
    let (_, losses) = again(&json!({"contents": [{"parts": [{"text": "x"}]}], "brandNew": 1}));
    assert_eq!(losses.0[0].field, "brandNew");
}

#[test]
fn validated_is_strict() {
    let c = decode(&json!({
        "tools": {"function_declarations": {"name": "f"}},
        "tool_config": {"function_calling_config": {"mode": "VALIDATED", "allowed_function_names": "f"}},
    }));
    assert!(matches!(c.tools[0].body, ToolBody::Function { strict: Some(true), .. }));
    assert_eq!(c.tool_choice, Some(ToolChoice::Allowed { names: vec!["f".into()], required: false }));
}

#[test]
fn counting_takes_both_forms() {
    let body = json!({"generateContentRequest": {"model": "models/m", "contents": [{"parts": [{"text": "x"}]}],
        "systemInstruction": {"parts": [{"text": "s"}]}}});
    let c = gemini::decode_count_request(body.to_string().as_bytes(), "m").unwrap();
    assert_eq!(c.messages.len(), 2);
    let encode = |p| {
        let body =
            gemini::encode_count_request(&c, "gemini-2.5-flash", &Options::of(p), &mut Losses::default());
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    assert_eq!(encode(Platform::GeminiApi)["generateContentRequest"]["model"], "models/gemini-2.5-flash");
    assert_eq!(encode(Platform::Vertex)["contents"][0]["parts"][0]["text"], "x");
    let e = gemini::decode_count_request(br#"{"contents":[{"role":1}]}"#, "m").unwrap_err();
    assert_eq!(e.field, "contents[0].role");
}
