//! Small conversations as they are written, byte for byte. `SALLYPORT_BLESS=1` writes them anew: look at each.
//! The answers and streams were validated against the types of the official Python SDK.

use super::*;
use crate::dialect::fault::UpstreamError;
use crate::ir::block::{Body, CallKind, Citation, ServerKind, Thinking, ToolCall};
use crate::ir::reply::{Stop, StopReason, Tokens, Usage};
use crate::ir::stream::Delta;
use crate::ir::{Block, Losses, Origin, Raw, Signature};
use std::path::PathBuf;

/// Compares with a golden file, or writes it.
fn check(name: &str, got: &[u8]) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/responses")).join(name);
    if std::env::var_os("SALLYPORT_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        return std::fs::write(path, got).unwrap();
    }
    let want = std::fs::read(&path).unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(got), String::from_utf8_lossy(&want), "{}", path.display());
}

fn start() -> StreamEvent {
    StreamEvent::Start { id: "msg_01A".into(), model: "real".into(), created: Some(1_700_000_001) }
}

fn block(index: u32, body: Body, deltas: Vec<Delta>) -> Vec<StreamEvent> {
    let mut all = vec![StreamEvent::BlockStart { choice: 0, index, block: Block::new(body) }];
    all.extend(deltas.into_iter().map(|delta| StreamEvent::BlockDelta { choice: 0, index, delta }));
    all.push(StreamEvent::BlockStop { choice: 0, index });
    all
}

fn text(index: u32, pieces: &[&str]) -> Vec<StreamEvent> {
    let body = Block::text("").body;
    block(index, body, pieces.iter().map(|p| Delta::Text((*p).to_owned())).collect())
}

fn call(index: u32, id: &str, name: &str, kind: CallKind, pieces: &[&str]) -> Vec<StreamEvent> {
    let call = ToolCall { id: id.into(), name: name.into(), kind, ..ToolCall::default() };
    block(index, Body::ToolCall(call), pieces.iter().map(|p| Delta::Arguments((*p).to_owned())).collect())
}

fn end(reason: StopReason) -> Vec<StreamEvent> {
    let usage =
        Usage { input: 20, cached_input: 8, cache_write: 4, cache_write_1h: 2, output: 12, reasoning: 5 };
    vec![
        StreamEvent::Tokens(Tokens { usage, ..Tokens::default() }),
        StreamEvent::Stop { choice: 0, stop: Stop { reason, ..Stop::default() } },
        StreamEvent::End,
    ]
}

const WEATHER: &str = r#"{"type":"function","name":"weather","description":"Now.","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false},"strict":true}"#;

/// A request and the events of its answer.
fn cases() -> Vec<(&'static str, String, Vec<StreamEvent>)> {
    let mut cases = Vec::new();
    let mut case = |name, request: String, middle: Vec<Vec<StreamEvent>>, reason| {
        let mut events = vec![start()];
        events.extend(middle.into_iter().flatten());
        events.extend(end(reason));
        cases.push((name, request, events));
    };
    case(
        "text",
        r#"{"model":"m","instructions":"Be brief.","input":"Hi","temperature":0.5,"top_p":0.9,"max_output_tokens":100,"stream":true,"metadata":{"k":"v"},"user":"u1","service_tier":"flex","prompt_cache_key":"ck","text":{"verbosity":"low"}}"#.into(),
        vec![text(0, &["Hello", " \"you\"\n"])],
        StopReason::End,
    );
    case(
        "tools",
        format!(
            r#"{{"model":"m","input":[{{"role":"developer","content":"Use tools."}},{{"role":"user","content":[{{"type":"input_text","text":"Weather?"}}]}},{{"type":"function_call","id":"fc_1","call_id":"call_1","name":"weather","arguments":"{{\"city\":\"Rome\"}}","status":"completed"}},{{"type":"function_call_output","call_id":"call_1","output":"sunny"}}],"tools":[{WEATHER},{{"type":"custom","name":"apply_patch","description":"Edit.","format":{{"type":"grammar","syntax":"lark","definition":"start: X"}}}},{{"type":"namespace","name":"mcp__git__","description":"Git.","tools":[{{"type":"function","name":"log","parameters":{{"type":"object","properties":{{}}}},"strict":false}}]}},{{"type":"web_search"}}],"tool_choice":{{"type":"allowed_tools","mode":"required","tools":[{{"type":"function","name":"weather"}},{{"type":"custom","name":"apply_patch"}},{{"type":"web_search"}}]}},"parallel_tool_calls":true}}"#
        ),
        vec![
            text(0, &["I look."]),
            call(1, "call_2", "weather", CallKind::Function, &["{\"city\":", "\"Oslo\"}"]),
            call(2, "call_3", "apply_patch", CallKind::Custom, &["*** Begin", " Patch\n"]),
            block(
                3,
                Body::ToolCall(ToolCall {
                    id: "call_4".into(),
                    name: "log".into(),
                    namespace: Some("mcp__git__".into()),
                    signature: Some(Signature::new(Origin::Google, "sig+/=")),
                    ..ToolCall::default()
                }),
                vec![Delta::Arguments("{}".into())],
            ),
        ],
        StopReason::ToolUse,
    );
    let interleaved = {
        let mut first = call(0, "call_1", "weather", CallKind::Function, &["{\"city\":\"A\"}"]);
        let stop = first.pop().unwrap();
        let mut second = call(1, "call_2", "weather", CallKind::Function, &["{\"city\":", "\"B\"}"]);
        second.insert(2, stop);
        vec![first, second]
    };
    case(
        "parallel",
        format!(
            r#"{{"model":"m","input":[{{"role":"user","content":"A and B"}},{{"type":"function_call","call_id":"c1","name":"weather","arguments":"{{}}"}},{{"type":"function_call","call_id":"c2","name":"weather","arguments":"{{}}"}},{{"type":"function_call_output","call_id":"c1","output":[{{"type":"input_text","text":"see"}},{{"type":"input_image","image_url":"data:image/png;base64,iVBORw0="}}]}},{{"type":"function_call_output","call_id":"c2","output":"rain"}}],"tools":[{WEATHER}],"tool_choice":{{"type":"function","name":"weather"}}}}"#
        ),
        interleaved,
        StopReason::ToolUse,
    );
    case(
        "media",
        r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"What?","prompt_cache_breakpoint":{"mode":"explicit"}},{"type":"input_image","image_url":"https://example.com/a.png","detail":"high"},{"type":"input_image","file_id":"file_1","detail":"auto"},{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="},{"type":"input_file","file_url":"https://example.com/b.pdf"}]}]}"#.into(),
        vec![
            text(0, &["A cat."]),
            block(
                1,
                Body::Image(crate::ir::Media {
                    mime: Some("image/png".into()),
                    source: crate::ir::Source::Base64(String::new()),
                    name: None,
                    detail: None,
                    context: None,
                    citations: false,
                }),
                vec![Delta::Data("iVBO".into()), Delta::Data("Rw0=".into())],
            ),
        ],
        StopReason::MaxTokens,
    );
    let sealed = Signature::new(Origin::Anthropic, "EqQB==").wrap(Origin::OpenAi);
    case(
        "thinking",
        format!(
            r#"{{"model":"m","input":[{{"role":"user","content":"Think"}},{{"type":"reasoning","id":"rs_0","summary":[{{"type":"summary_text","text":"One"}},{{"type":"summary_text","text":"Two"}}],"encrypted_content":"gAAA="}},{{"type":"reasoning","id":"rs_1","summary":[{{"type":"summary_text","text":"Theirs"}}],"encrypted_content":"{sealed}"}},{{"type":"function_call","call_id":"c1","name":"weather","arguments":"{{}}"}},{{"type":"function_call_output","call_id":"c1","output":"rain"}}],"tools":[{WEATHER}],"reasoning":{{"effort":"high","summary":"auto"}},"include":["reasoning.encrypted_content"],"store":false,"client_metadata":{{"x":"y"}}}}"#
        ),
        vec![
            block(
                0,
                Body::Thinking(Thinking::default()),
                vec![
                    Delta::Thinking("Let me".into()),
                    Delta::Thinking(" think".into()),
                    Delta::Signature(Signature::new(Origin::Anthropic, "EqQB==")),
                ],
            ),
            block(
                1,
                Body::Thinking(Thinking {
                    redacted: true,
                    signature: Some(Signature::new(Origin::Anthropic, "Emwh")),
                    ..Thinking::default()
                }),
                Vec::new(),
            ),
            call(2, "call_1", "weather", CallKind::Function, &["{}"]),
        ],
        StopReason::ToolUse,
    );
    case(
        "structured",
        r#"{"model":"m","input":"JSON","text":{"format":{"type":"json_schema","name":"answer","schema":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false},"strict":true}},"include":["message.output_text.logprobs"],"top_logprobs":1}"#.into(),
        vec![
            vec![StreamEvent::BlockStart { choice: 0, index: 0, block: Block::text("") }],
            vec![
                StreamEvent::BlockDelta { choice: 0, index: 0, delta: Delta::Text("{\"a\":1}".into()) },
                StreamEvent::Logprobs {
                    choice: 0,
                    content: Raw::parse(r#"[{"token":"{","logprob":-0.1,"bytes":[123],"top_logprobs":[]}]"#).unwrap(),
                },
                StreamEvent::BlockStop { choice: 0, index: 0 },
            ],
        ],
        StopReason::End,
    );
    case(
        "refusal",
        r#"{"model":"m","input":[{"role":"user","content":"Bad"},{"role":"assistant","content":[{"type":"refusal","refusal":"No."}]},{"role":"user","content":"Please"}],"stream":true}"#.into(),
        vec![block(0, Body::Refusal(String::new()), vec![Delta::Text("I can't.".into())])],
        StopReason::Refusal,
    );
    case(
        "citations",
        r#"{"model":"m","input":"Search","tools":[{"type":"web_search","search_context_size":"low"}],"tool_choice":"required"}"#.into(),
        vec![
            block(
                0,
                Body::Server {
                    kind: ServerKind::WebSearch,
                    origin: Origin::Anthropic,
                    raw: Raw::parse(r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"moon"}}"#).unwrap(),
                },
                Vec::new(),
            ),
            block(
                1,
                Block::text("").body,
                vec![
                    Delta::Text("The moon".into()),
                    Delta::Citation(Citation {
                        url: Some("https://example.com".into()),
                        title: Some("Moon".into()),
                        cited_text: Some("moon".into()),
                        range: None,
                        raw: None,
                    }),
                    Delta::Text(" is far.".into()),
                ],
            ),
            text(2, &[" Very."]),
        ],
        StopReason::ContentFilter,
    );
    let error = UpstreamError {
        kind: Some("overloaded_error".into()),
        message: Some("Overloaded".into()),
        ..UpstreamError::default()
    };
    let mut events = vec![start()];
    events.extend(text(0, &["Hel"]).into_iter().take(2));
    events.push(StreamEvent::Ping);
    events.push(StreamEvent::Error(error));
    cases.push(("error", r#"{"model":"m","input":"Hi","stream":true}"#.into(), events));
    cases
}

#[test]
fn golden_files() {
    for (name, request, events) in cases() {
        let c = decode_request(request.as_bytes()).unwrap();
        let mut losses = Losses::default();
        let mut upstream = encode_request(&c, "real", &RequestOptions::default(), &mut losses);
        for l in &losses.0 {
            let mark = if l.harmless { "hint" } else { "LOSS" };
            upstream.extend(format!("\n{mark}: {}: {}", l.field, l.reason).bytes());
        }
        check(&format!("{name}.upstream.txt"), &upstream);
        let x = EncodeReply { echo: Echo::of(&c), ..asked() };
        check(&format!("{name}.stream.sse"), &encode_stream(&events, &x));
        if name != "error" {
            check(&format!("{name}.reply.json"), &encode_reply(&collect(events), &x));
        }
    }
}

/// What a stream and a whole answer tell is the same, and the stream's last object is the whole answer.
#[test]
fn a_stream_ends_with_the_whole_answer() {
    for (name, request, events) in cases() {
        if name == "error" {
            continue;
        }
        let c = decode_request(request.as_bytes()).unwrap();
        let x = EncodeReply { echo: Echo::of(&c), ..asked() };
        let stream = encode_stream(&events, &x);
        let whole: serde_json::Value = serde_json::from_slice(&encode_reply(&collect(events), &x)).unwrap();
        let stream = String::from_utf8(stream).unwrap();
        let last = stream.lines().rev().find_map(|l| l.strip_prefix("data: ")).unwrap();
        let last: serde_json::Value = serde_json::from_str(last).unwrap();
        assert_eq!(last["response"], whole, "{name}");
        let numbers: Vec<u64> = stream
            .lines()
            .filter_map(|l| l.strip_prefix("data: "))
            .map(|l| {
                serde_json::from_str::<serde_json::Value>(l).unwrap()["sequence_number"].as_u64().unwrap()
            })
            .collect();
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "{name}");
    }
}
