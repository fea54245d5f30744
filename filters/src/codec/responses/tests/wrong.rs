//! Requests that make no sense, and bytes that make even less.

use super::*;
use crate::ir::Losses;
use crate::testing::any_json;
use proptest::prelude::*;

/// The format has no mark for a tool's failure: the output says it, once.
#[test]
fn a_failure_is_told_in_the_output() {
    use crate::ir::block::{Body, ToolResult};
    use crate::ir::{Block, Conversation, Message, Role};
    let result = |content: Vec<Block>| {
        let result = ToolResult { call_id: "c".into(), content, is_error: true, ..ToolResult::default() };
        Block::new(Body::ToolResult(result))
    };
    let text = |t: &str| Block::text(t);
    let contents = [
        vec![text("it broke")],
        vec![text("TypeError: x")],
        vec![],
        vec![text("a"), text("b")],
        vec![text("An error."), text("b")],
    ];
    let content = contents.into_iter().map(result).collect();
    let c = Conversation {
        messages: vec![Message { role: Role::User, name: None, content, at: Default::default() }],
        ..Conversation::default()
    };
    let mut losses = Losses::default();
    let body = encode_request(&c, "m", &RequestOptions::default(), &mut losses);
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let outputs: Vec<_> = body["input"].as_array().unwrap().iter().map(|i| i["output"].clone()).collect();
    let part = |t: &str| serde_json::json!({"type": "input_text", "text": t});
    assert_eq!(
        outputs,
        [
            "Error: it broke".into(),
            "TypeError: x".into(),
            "Error".into(),
            serde_json::json!([part("Error"), part("a"), part("b")]),
            serde_json::json!([part("An error."), part("b")]),
        ]
    );
    assert_eq!(losses, Losses::default());
}

#[test]
fn the_error_names_the_field() {
    for (body, field, why) in [
        (r#"{"input":"x"}"#, "model", "required"),
        (r#"{"model":1}"#, "model", "expected a string"),
        (r#"{"model":"m","input":[{"role":"user"}]}"#, "input[0].content", "required"),
        (r#"{"model":"m","input":[{"role":"robot","content":"x"}]}"#, "input[0].role", "\"robot\""),
        (r#"{"model":"m","input":[{}]}"#, "input[0].type", "required"),
        (r#"{"model":"m","input":[1]}"#, "input[0]", "expected an object"),
        (r#"{"model":"m","input":7}"#, "input", "expected a sequence"),
        (
            r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_image"}]}]}"#,
            "input[0].content[0]",
            "`image_url`",
        ),
        (
            r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":{}}]}]}"#,
            "input[0].content[0].text",
            "expected a string",
        ),
        (
            r#"{"model":"m","input":[{"type":"function_call","name":"f","arguments":"{}"}]}"#,
            "input[0].call_id",
            "required",
        ),
        (
            r#"{"model":"m","input":[{"type":"function_call","call_id":"c","name":"f","arguments":{}}]}"#,
            "input[0].arguments",
            "expected a string",
        ),
        (r#"{"model":"m","tools":[{"name":"f"}]}"#, "tools[0].type", "required"),
        (r#"{"model":"m","tools":[{"type":"function"}]}"#, "tools[0].name", "required"),
        (r#"{"model":"m","tool_choice":"maybe"}"#, "tool_choice", "\"maybe\""),
        (r#"{"model":"m","text":{"format":{"type":"xml"}}}"#, "text.format.type", "\"xml\""),
        (
            r#"{"model":"m","text":{"format":{"type":"json_schema","name":"n"}}}"#,
            "text.format.schema",
            "required",
        ),
        (r#"{"model":"m","reasoning":{"effort":"huge"}}"#, "reasoning.effort", "\"huge\""),
        (r#"{"model":"m","reasoning":{"effort":7}}"#, "reasoning.effort", "expected a string"),
        (r#"{"model":"m","metadata":{"a":1}}"#, "metadata.a", "expected a string"),
        (r#"{"model":"m","max_output_tokens":-1}"#, "max_output_tokens", "expected u64"),
        (r#"{"model":"m","temperature":"hot"}"#, "temperature", "expected f64"),
        (r#"{"model":"m""#, "", "EOF"),
        ("[]", "", "expected an object"),
    ] {
        let e = decode_request(body.as_bytes()).expect_err(body);
        assert_eq!(e.field, field, "{body}: {e}");
        assert!(e.why.contains(why), "{body}: {e}");
    }
}

#[test]
fn a_failed_response_is_an_error() {
    let body =
        br#"{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"Oh."},"output":[]}"#;
    assert_eq!(decode_reply(body).unwrap_err().to_string(), "error: Oh.");
}

#[test]
fn unknown_fields_are_kept_and_reported() {
    let body = br#"{"model":"m","input":[{"role":"assistant","content":"a","phase":"commentary"}],"prompt":{"id":"p"},
        "client_metadata":{},"max_tool_calls":3,"include":["web_search_call.action.sources"],"reasoning":{"mode":"pro"}}"#;
    let c = decode_request(body).unwrap();
    let mut losses = Losses::default();
    encode_request(&c, "m", &RequestOptions::default(), &mut losses);
    let told: Vec<_> = losses.0.iter().map(|l| (l.field.as_str(), l.harmless)).collect();
    let want = [
        ("client_metadata", true),
        ("include", true),
        ("input[0].phase", true),
        ("max_tool_calls", false),
        ("prompt", false),
        ("reasoning.mode", false),
    ];
    let mut sorted = told.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, want);
}

#[test]
fn streams_of_imitators_are_understood() {
    // Only done events; no events but the last; a `[DONE]`; a stream cut short.
    let done = b"data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n\
        data: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hi\"}]}}\n\n\
        data: {\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"}}\n\n";
    let last = b"data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hi\"}]},{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"{}\"}]}}\n\n\
        data: [DONE]\n\n";
    let whole = collect(decode_stream(last));
    assert_eq!(collect(decode_stream(&[&done[..], last].concat())), whole);
    assert_eq!(whole.choices[0].content.len(), 2);
    let cut = decode_stream(done);
    assert!(!cut.contains(&StreamEvent::End));
}

proptest! {
    /// Never a panic, whatever the JSON.
    #[test]
    fn any_json_is_answered(v in any_json(), key in "input|tools|tool_choice|text|reasoning|include|output|usage") {
        for body in [v.to_string(), serde_json::json!({"model": "m", (key.as_str()): v}).to_string()] {
            if let Ok(c) = decode_request(body.as_bytes()) {
                encode_request(&c, "m", &RequestOptions::default(), &mut Losses::default());
            }
            if let Ok(r) = decode_reply(body.as_bytes()) {
                encode_reply(&r, &asked());
            }
        }
    }

    /// Events of the right kind with anything in them, in any order.
    #[test]
    fn any_stream_is_survived(list in proptest::collection::vec((
        "response\\.(created|completed|failed|output_item\\.(added|done)|content_part\\.(added|done)|output_text\\.(delta|done)|refusal\\.delta|function_call_arguments\\.(delta|done)|reasoning_summary_part\\.added|reasoning_summary_text\\.delta|reasoning_text\\.delta|output_text\\.annotation\\.added)|error",
        0..3_u64,
        "message|reasoning|function_call|custom_tool_call|web_search_call|output_text|refusal",
        any_json(),
    ), 0..12)) {
        let mut decoder = Decoder::new();
        let mut encoder = Encoder::new(asked());
        let mut bytes = BytesMut::new();
        let mut out = Vec::new();
        for (kind, at, item, v) in list {
            let text = serde_json::json!({
                "type": kind, "output_index": at, "content_index": at, "delta": v, "text": v, "annotation": v,
                "item": {"type": item, "role": "assistant", "content": v, "call_id": "c", "name": "f", "arguments": "{}", "input": "", "summary": []},
                "part": {"type": item, "text": "t", "refusal": "r"}, "response": {"id": "r", "output": v},
            });
            let _ = decoder.event(b"", text.to_string().as_bytes(), &mut out);
        }
        decoder.finish(&mut out);
        let mut open = std::collections::HashSet::new();
        for e in &out {
            match e {
                StreamEvent::BlockStart { index, .. } => prop_assert!(open.insert(*index)),
                StreamEvent::BlockStop { index, .. } => prop_assert!(open.remove(index)),
                _ => {}
            }
            encoder.event(e, &mut bytes);
        }
        prop_assert!(open.is_empty() || out.iter().any(|e| matches!(e, StreamEvent::Error(_))));
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode_request(&bytes);
        let _ = decode_reply(&bytes);
        let _ = Decoder::new().event(b"response.created", &bytes, &mut Vec::new());
    }
}

#[test]
fn deep_nesting_is_no_danger() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for key in ["x", "input", "tools", "tool_choice", "metadata", "text"] {
        let body = format!(r#"{{"model":"m","{key}":{deep}}}"#);
        if let Ok(c) = decode_request(body.as_bytes()) {
            encode_request(&c, "m", &RequestOptions::NATIVE, &mut Losses::default());
        }
    }
    let choice = r#"{"type":"allowed_tools","tools":["#;
    let body = format!(r#"{{"model":"m","tool_choice":{}{}}}"#, choice.repeat(50_000), "]}".repeat(50_000));
    assert!(decode_request(body.as_bytes()).is_err());
}
