//! Streams as providers are known to write them, and as clients want them.

use super::*;
use crate::dialect::fault::UpstreamError;
use crate::ir::block::{Body, ServerKind, Thinking, ToolCall};
use crate::ir::stream::Delta;
use crate::ir::{Block, Origin, Raw, Signature, Stop, StopReason, Tokens, reply::Usage};

const START: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":4},"output_tokens":1,"service_tier":"priority"}}}

"#;

fn one(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

#[test]
fn usage_is_merged() {
    let end = one(
        "message_delta",
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":20,"output_tokens_details":{"thinking_tokens":7}}}"#,
    );
    let reply = collect(events(&(START.to_owned() + &end)));
    let usage =
        Usage { input: 18, cached_input: 3, cache_write: 1, cache_write_1h: 4, output: 20, reasoning: 7 };
    assert_eq!(reply.tokens, Some(Tokens { usage, ..Tokens::default() }));
    assert_eq!(reply.service_tier.as_deref(), Some("priority"));
}

/// No name fields, a first piece in the start, a whole input in the start, unknown events, deltas and fields.
#[test]
fn imitators_are_understood() {
    let text = concat!(
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"x\"}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"a\",\"new\":1}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"b\"},\"p\":\"abc\"}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"brand_new_delta\",\"more\":1}}\n\n",
        "data: {\"type\":\"brand_new\"}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"a\":1}}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"u\",\"name\":\"g\",\"input\":{}}}\n\n",
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    );
    let reply = collect(events(text));
    let bodies: Vec<&Body> = reply.choices[0].content.iter().map(|b| &b.body).collect();
    assert!(matches!(bodies[0], Body::Text { text, .. } if text == "ab"));
    assert!(matches!(bodies[1], Body::ToolCall(c) if c.arguments == r#"{"a":1}"#));
    assert!(matches!(bodies[2], Body::ToolCall(c) if c.arguments == "{}"));
}

/// A block of the provider's own tools comes whole, in the order of the stops.
#[test]
fn server_tools_are_gathered() {
    let text = START.to_owned()
        + &one(
            "content_block_start",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}"#,
        )
        + &one(
            "content_block_delta",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        )
        + &one(
            "content_block_delta",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"query\":"}}"#,
        )
        + &one(
            "content_block_delta",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\"x\"}"}}"#,
        )
        + &one("content_block_stop", r#"{"type":"content_block_stop","index":0}"#)
        + &one(
            "content_block_start",
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"compaction","content":null}}"#,
        )
        + &one(
            "content_block_delta",
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"compaction_delta","content":"so ","encrypted_content":"e"}}"#,
        )
        + &one(
            "content_block_delta",
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"compaction_delta","content":"far"}}"#,
        )
        + &one("content_block_stop", r#"{"type":"content_block_stop","index":1}"#);
    let got = events(&text);
    let whole: Vec<&Block> = got
        .iter()
        .filter_map(|e| match e {
            StreamEvent::BlockStart { block, .. } => Some(block),
            _ => None,
        })
        .collect();
    assert!(matches!(&whole[0].body, Body::Server { kind: ServerKind::WebSearch, raw, .. }
        if raw.text() == r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}}"#));
    assert!(matches!(&whole[1].body, Body::Opaque { name, raw, .. }
        if name == "compaction" && raw.text() == r#"{"type":"compaction","content":"so far","encrypted_content":"e"}"#));
    // Cut short: no end, and no half a call.
    assert!(!got.contains(&StreamEvent::End));
    assert!(!sse(&got).contains("message_stop"));
    // Clients get the input in pieces.
    assert!(sse(&got).contains(r#""name":"web_search","input":{}}}"#));
    assert!(sse(&got).contains(r#""partial_json":"{\"query\":\"x\"}""#));
}

#[test]
fn an_error_in_mid_stream_is_told() {
    let text = START.to_owned()
        + &one(
            "error",
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#,
        );
    let got = events(&text);
    let want = UpstreamError {
        kind: Some("overloaded_error".into()),
        message: Some("Overloaded".into()),
        ..UpstreamError::default()
    };
    assert_eq!(got.last(), Some(&StreamEvent::Error(want)));
    assert!(sse(&got).ends_with(
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
    ));
    let foreign = UpstreamError { code: Some("rate_limit_exceeded".into()), ..UpstreamError::default() };
    assert!(sse(&[StreamEvent::Error(foreign)]).contains(r#""type":"rate_limit_error""#));
}

#[test]
fn a_piece_without_its_block_is_an_error() {
    let mut out = Vec::new();
    let data = br#"{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"b"}}"#;
    assert_eq!(Decoder::new().event(b"", data, &mut out).unwrap_err().field, "index");
    assert!(Decoder::new().event(b"message_start", b"{}", &mut out).is_err());
    assert!(out.is_empty());
}

/// Another vendor's stream: no tokens at the start, blocks that have no words here, sealed and summarised thoughts,
/// signatures of calls that come late.
#[test]
fn other_vendors_answers_reach_an_anthropic_client() {
    let start = |index, body| StreamEvent::BlockStart { choice: 0, index, block: Block::new(body) };
    let more = |index, delta| StreamEvent::BlockDelta { choice: 0, index, delta };
    let stop = |index| StreamEvent::BlockStop { choice: 0, index };
    let raw = Raw::parse(r#"{"type":"web_search_call"}"#).unwrap();
    let openai = Signature { id: Some("rs_1".into()), ..Signature::new(Origin::OpenAi, "gAAA") };
    let google = Signature::new(Origin::Google, "Cg==");
    let call = ToolCall { id: "call_1".into(), name: "f".into(), ..ToolCall::default() };
    let given = [
        StreamEvent::Start { id: String::new(), model: "gpt".into(), created: Some(1) },
        start(0, Body::Server { kind: ServerKind::WebSearch, origin: Origin::OpenAi, raw }),
        stop(0),
        start(1, Body::Thinking(Thinking { summary: vec![String::new()], ..Thinking::default() })),
        more(1, Delta::Thinking("a".into())),
        more(1, Delta::SummaryPart),
        more(1, Delta::Thinking("b".into())),
        more(1, Delta::Signature(openai.clone())),
        stop(1),
        start(2, Body::ToolCall(call)),
        more(2, Delta::Arguments("{}".into())),
        more(2, Delta::Signature(google.clone())),
        stop(2),
        StreamEvent::Stop { choice: 0, stop: Stop { reason: StopReason::ToolUse, ..Stop::default() } },
        StreamEvent::Tokens(Tokens {
            usage: Usage { input: 9, output: 4, ..Usage::default() },
            ..Tokens::default()
        }),
        StreamEvent::End,
    ];
    let text = sse(&given);
    let names: Vec<String> = split(&text).into_iter().map(|(n, _)| n).collect();
    assert_eq!(names.first().map(String::as_str), Some("message_start"));
    assert_eq!(names[names.len() - 2..], ["message_delta", "message_stop"]);
    assert!(text.contains(r#""id":"msg_fallback""#) && text.contains(r#""model":"alias""#));
    // What the client gives back in its next request is whole again.
    let reply = collect(events(&text));
    let content = String::from_utf8(encode_reply(&reply, &x())).unwrap();
    let content: Value = serde_json::from_str(&content).unwrap();
    let next = serde_json::json!({"model": "m", "max_tokens": 1, "messages": [
        {"role": "assistant", "content": content["content"]}]});
    let c = decode_request(next.to_string().as_bytes()).unwrap();
    let bodies: Vec<&Body> = c.messages[0].content.iter().map(|b| &b.body).collect();
    assert!(
        matches!(bodies[0], Body::Thinking(t) if t.text == "a\n\nb" && t.signature.as_ref() == Some(&openai))
    );
    assert!(
        matches!(bodies[1], Body::ToolCall(t) if t.arguments == "{}" && t.signature.as_ref() == Some(&google))
    );
    assert_eq!(bodies.len(), 2);
    assert_eq!(reply.tokens.unwrap().usage.input, 9);
}

#[test]
fn a_blocked_prompt_is_a_refusal() {
    let stop = Stop { reason: StopReason::ContentFilter, word: Some("SAFETY".into()), ..Stop::default() };
    let given = [
        StreamEvent::Start { id: "r".into(), model: "gemini".into(), created: None },
        StreamEvent::Blocked(stop.clone()),
        StreamEvent::End,
    ];
    let reply = collect(events(&sse(&given)));
    let got = reply.choices[0].stop.clone().unwrap();
    assert_eq!((got.reason, got.detail.as_deref()), (StopReason::Refusal, Some("SAFETY")));
    let whole = Reply { blocked: Some(stop), ..Reply::default() };
    assert_eq!(decode_reply(&encode_reply(&whole, &x())).unwrap().choices[0].stop, Some(got));
}
