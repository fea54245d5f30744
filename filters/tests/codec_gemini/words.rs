//! Answers: odd streams, ends, embeddings.

use crate::support::{collect, decode, encode, events};
use sallyport_filters::codec::gemini::{self, EmbedReply, EmbedRequest, Framing, Options, Platform};
use sallyport_filters::ir::block::Body;
use sallyport_filters::ir::{Reply, StopReason, StreamEvent};
use serde_json::{Value, json};

fn stream(chunks: &[Value]) -> Vec<StreamEvent> {
    decode(&chunks.iter().map(|c| format!("data: {c}\r\n\r\n")).collect::<String>())
}

fn part(part: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": [part]}}], "responseId": "r", "modelVersion": "m"})
}

fn end(reason: &str) -> Value {
    json!({"candidates": [{"content": {}, "finishReason": reason}], "responseId": "r"})
}

#[test]
fn a_late_signature_belongs_to_what_was_said() {
    let r = collect(stream(&[
        part(json!({"text": "a", "thought": true})),
        part(json!({"text": "b", "thought": true})),
        part(json!({"text": "c"})),
        part(json!({"text": "d"})),
        part(json!({"text": "", "thoughtSignature": "AAAA"})),
        part(json!({"text": "e"})),
        end("STOP"),
    ]));
    let content = &r.choices[0].content;
    assert_eq!(content.len(), 3);
    assert!(matches!(&content[0].body, Body::Thinking(t) if t.text == "ab" && t.signature.is_none()));
    assert!(matches!(&content[1].body, Body::Text { text, signature: Some(_), .. } if text == "cd"));
    assert_eq!(content[2].as_text(), Some("e"));
}

#[test]
fn calls_get_stable_ids_and_may_come_in_pieces() {
    let chunks = [
        part(json!({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "AAAA"})),
        part(json!({"functionCall": {"name": "g", "willContinue": true}})),
        part(
            json!({"functionCall": {"partialArgs": [{"jsonPath": "$.x", "stringValue": "y"}], "willContinue": true}}),
        ),
        part(json!({"functionCall": {}})),
        end("STOP"),
    ];
    let (a, b) = (collect(stream(&chunks)), collect(stream(&chunks)));
    assert_eq!(a, b);
    let calls: Vec<_> = a.choices[0]
        .content
        .iter()
        .map(|b| match &b.body {
            Body::ToolCall(c) => (c.id.clone(), c.arguments.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((calls[0].1.as_str(), calls[1].1.as_str()), (r#"{"a":1}"#, r#"{"x":"y"}"#));
    assert!(calls[0].0 != calls[1].0 && calls[0].0.len() <= 40);
    assert_eq!(a.choices[0].stop.as_ref().map(|s| s.reason), Some(StopReason::ToolUse));
}

#[test]
fn a_stream_that_is_cut_has_no_end() {
    let events = stream(&[part(json!({"text": "a"}))]);
    assert!(matches!(events.last(), Some(StreamEvent::BlockStop { .. })));
    let events = stream(&[
        part(json!({"text": "a"})),
        json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}),
    ]);
    assert!(matches!(events.last(), Some(StreamEvent::Error(e)) if e.kind.as_deref() == Some("UNAVAILABLE")));
    assert!(gemini::decode_reply(br#"{"error":{"message":"x"}}"#).is_err());
}

#[test]
fn every_reason() {
    for (word, reason) in [
        ("STOP", StopReason::End),
        ("MAX_TOKENS", StopReason::MaxTokens),
        ("SAFETY", StopReason::ContentFilter),
        ("RECITATION", StopReason::ContentFilter),
        ("IMAGE_SAFETY", StopReason::ContentFilter),
        ("MALFORMED_FUNCTION_CALL", StopReason::BadToolCall),
        ("UNEXPECTED_TOOL_CALL", StopReason::BadToolCall),
        ("OTHER", StopReason::Other),
        ("LANGUAGE", StopReason::Other),
        ("BRAND_NEW", StopReason::Other),
    ] {
        let r = collect(stream(&[part(json!({"text": "a"})), end(word)]));
        assert_eq!(r.choices[0].stop.as_ref().unwrap().reason, reason);
        let told = gemini::encode_reply(&r, &Default::default());
        let told: Value = serde_json::from_slice(&told).unwrap();
        let want = if word == "BRAND_NEW" { "OTHER" } else { word };
        assert_eq!(told["candidates"][0]["finishReason"], want);
    }
}

#[test]
fn tokens_add_up() {
    let body = json!({"candidates": [], "usageMetadata": {"promptTokenCount": 100, "cachedContentTokenCount": 40,
        "toolUsePromptTokenCount": 7, "candidatesTokenCount": 20, "thoughtsTokenCount": 30, "totalTokenCount": 157,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 60}, {"modality": "TEXT", "tokenCount": 40}],
        "trafficType": "ON_DEMAND_FLEX"}, "createTime": "2026-05-27T16:53:45.443719Z"});
    let r: Reply = gemini::decode_reply(body.to_string().as_bytes()).unwrap();
    let t = r.tokens.unwrap();
    assert_eq!((t.usage.input, t.usage.cached_input, t.usage.output, t.usage.reasoning), (107, 40, 50, 30));
    assert_eq!(
        (t.audio_input, r.service_tier.as_deref(), r.created),
        (60, Some("flex"), Some(1_779_900_825))
    );
}

#[test]
fn embeddings() {
    let batch = json!({"requests": [
        {"model": "models/m", "content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3},
        {"content": {"parts": {"text": "b"}}, "task_type": "RETRIEVAL_QUERY", "output_dimensionality": 3},
    ]});
    let r = gemini::decode_embed_request(batch.to_string().as_bytes()).unwrap();
    let want = EmbedRequest {
        input: vec!["a".into(), "b".into()],
        batch: true,
        dimensions: Some(3),
        task: Some("RETRIEVAL_QUERY".into()),
        title: None,
    };
    assert_eq!(r, want);
    let body = gemini::encode_embed_request(&r, "m", &Options::default());
    assert_eq!(gemini::decode_embed_request(&body).unwrap(), r);
    let body = gemini::encode_embed_request(&r, "m", &Options::of(Platform::Vertex));
    let want = json!({"instances": [{"content": "a", "task_type": "RETRIEVAL_QUERY"},
        {"content": "b", "task_type": "RETRIEVAL_QUERY"}], "parameters": {"autoTruncate": false, "outputDimensionality": 3}});
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), want);
    let one = br#"{"content":{"parts":[{"text":"a"}]}}"#;
    assert!(!gemini::decode_embed_request(one).unwrap().batch);
    for bad in
        [r#"{"requests":[]}"#, r#"{"content":{"parts":[{"inlineData":{}}]}}"#, r#"{"content":{},"odd":1}"#]
    {
        assert!(gemini::decode_embed_request(bad.as_bytes()).is_err());
    }
    let vertex = br#"{"predictions":[{"embeddings":{"values":[0.10,-2e-3],"statistics":{"token_count":4.0}}},
        {"embeddings":{"values":[1],"statistics":{"token_count":2}}}]}"#;
    let reply = gemini::decode_embed_reply(vertex).unwrap();
    assert_eq!((reply.tokens, reply.vectors[0].text()), (Some(6), "[0.10,-2e-3]"));
    let back = gemini::decode_embed_reply(&gemini::encode_embed_reply(&reply, true)).unwrap();
    assert_eq!(back, reply);
    let single = EmbedReply { tokens: None, vectors: reply.vectors[..1].to_vec() };
    let back = gemini::decode_embed_reply(&gemini::encode_embed_reply(&single, false)).unwrap();
    assert_eq!(back, single);
}

/// Models write their arguments over several lines; a line end would end the event.
#[test]
fn arguments_of_several_lines_stay_in_one_event() {
    let mut r =
        collect(stream(&[part(json!({"functionCall": {"id": "1", "name": "f", "args": {}}})), end("STOP")]));
    r.model = "alias".into();
    if let Body::ToolCall(c) = &mut r.choices[0].content[0].body {
        c.arguments = "{\r\n  \"a\": \"b\\n\"\n}".into();
    }
    let again = collect(decode(&encode(&events(&r), Framing::Sse)));
    let Body::ToolCall(c) = &again.choices[0].content[0].body else { panic!() };
    assert_eq!(serde_json::from_str::<Value>(&c.arguments).unwrap(), json!({"a": "b\n"}));
}
