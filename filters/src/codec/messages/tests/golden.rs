//! Small examples, compared byte by byte with files under `tests/golden/messages/`. `SALLYPORT_BLESS=1` writes them
//! anew; look at each.

use super::*;
use crate::ir::block::{Body, Citation, Thinking, ToolCall};
use crate::ir::{
    Block, Choice, Losses, Origin, Raw, Signature, Stop, StopReason, StreamEvent, Tokens, reply::Usage,
};
use std::fmt::Write;
use std::path::PathBuf;

fn check(name: &str, got: &str) {
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/messages")).join(name);
    if std::env::var_os("SALLYPORT_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        return std::fs::write(&file, got).unwrap();
    }
    let want = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(got, want, "{name} (SALLYPORT_BLESS=1 writes it anew)");
}

/// What clients send.
const REQUESTS: [(&str, &str); 8] = [
    (
        "text",
        r#"{"model":"claude","max_tokens":100,"system":"Be brief.","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"top_k":5,"stop_sequences":["END"],"stream":true,"metadata":{"user_id":"u-1"}}"#,
    ),
    (
        "tools",
        r#"{"model":"claude","max_tokens":100,"messages":[{"role":"user","content":[{"type":"text","text":"weather?","cache_control":{"type":"ephemeral","ttl":"1h"}}]}],"tools":[{"name":"weather","description":"The weather.","input_schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]},"strict":true,"cache_control":{"type":"ephemeral"}},{"type":"web_search_20250305","name":"web_search","max_uses":3}],"tool_choice":{"type":"tool","name":"weather","disable_parallel_tool_use":true}}"#,
    ),
    (
        "parallel",
        r#"{"model":"claude","max_tokens":100,"messages":[{"role":"user","content":"weather?"},{"role":"assistant","content":[{"type":"text","text":"Both."},{"type":"tool_use","id":"toolu_1","name":"weather","input":{"city":"Bonn"}},{"type":"tool_use","id":"toolu_2","name":"weather","input":{"city":"Köln"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"rain"},{"type":"tool_result","tool_use_id":"toolu_2","content":"no such city","is_error":true},{"type":"text","text":"and?"}]}],"tools":[{"name":"weather","input_schema":{"type":"object"}}]}"#,
    ),
    (
        "image",
        r#"{"model":"claude","max_tokens":100,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0="}},{"type":"image","source":{"type":"url","url":"https://example.com/a.jpg"}},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},"title":"A","context":"old","citations":{"enabled":true}},{"type":"document","source":{"type":"text","media_type":"text/plain","data":"words"}},{"type":"document","source":{"type":"content","content":"blocks"}},{"type":"text","text":"compare"}]}]}"#,
    ),
    (
        "thinking-loop",
        r#"{"model":"claude","max_tokens":4000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[{"role":"user","content":"weather?"},{"role":"assistant","content":[{"type":"thinking","thinking":"I must ask.","signature":"EqQB=="},{"type":"redacted_thinking","data":"EmwK=="},{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"rain"},{"type":"image","source":{"type":"file","file_id":"file_1"}}]}]}],"tools":[{"name":"weather","input_schema":{"type":"object"}}]}"#,
    ),
    (
        "structured",
        r#"{"model":"claude","max_tokens":100,"messages":[{"role":"user","content":"hi"}],"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"b":{"type":"number"},"a":{"const":1.50}},"additionalProperties":false}},"effort":"low"}}"#,
    ),
    (
        "server-tools",
        r#"{"model":"claude","max_tokens":100,"container":"container_1","messages":[{"role":"user","content":"news?"},{"role":"assistant","content":[{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"news"}},{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://a","title":"A","encrypted_content":"Er==","page_age":null}]},{"type":"text","text":"Old.","citations":[{"type":"web_search_result_location","url":"https://a","title":"A","encrypted_index":"Eo==","cited_text":"old"}]}]},{"role":"user","content":"more"}],"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#,
    ),
    (
        "system-later",
        r#"{"model":"claude","max_tokens":100,"system":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"hi"},{"role":"system","content":[{"type":"text","text":"c"},{"type":"tool_addition","tool":{"type":"tool_reference","name":"f"}}]},{"role":"assistant","content":"ho"},{"role":"user","content":"hi"}]}"#,
    ),
];

#[test]
fn requests() {
    for (name, body) in REQUESTS {
        let c = decode_request(body.as_bytes()).unwrap();
        check(&format!("{name}.request.ir"), &format!("{c:#?}\n"));
        // As it came, and as if it came from a client of another dialect, to an old model.
        let mut out = String::new();
        for (options, model) in [(own(), "claude"), (RequestOptions::default(), "claude-sonnet-4-5")] {
            let mut losses = Losses::default();
            let body = encode_request(&c, model, &options, &mut losses);
            writeln!(out, "{}", String::from_utf8(body).unwrap()).unwrap();
            for l in losses.0 {
                writeln!(out, "# {}: {}{}", l.field, l.reason, if l.harmless { " (harmless)" } else { "" })
                    .unwrap();
            }
        }
        check(&format!("{name}.request.out"), &out);
    }
}

fn text(t: &str, citations: Vec<Citation>) -> Body {
    Body::Text { text: t.into(), citations, signature: None }
}

fn call(id: &str, name: &str, arguments: &str, signature: Option<Signature>) -> Body {
    Body::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        signature,
        ..ToolCall::default()
    })
}

fn answers() -> Vec<(&'static str, Vec<Body>, Stop)> {
    let stop = |reason| Stop { reason, ..Stop::default() };
    let openai = Signature { id: Some("rs_1".into()), ..Signature::new(Origin::OpenAi, "gAAA") };
    let page = Citation {
        url: Some("https://example.com".into()),
        title: Some("Example".into()),
        cited_text: None,
        range: Some((0, 4)),
        raw: Some((
            Origin::OpenAi,
            Raw::parse(r#"{"type":"url_citation","url":"https://example.com"}"#).unwrap(),
        )),
    };
    let thought = |text: &str, signature, redacted| {
        Body::Thinking(Thinking { text: text.into(), signature, redacted, summary: Vec::new() })
    };
    let google = Signature::new(Origin::Google, "Cg==");
    vec![
        ("text", vec![text("Hello \"world\"\n", vec![])], stop(StopReason::End)),
        ("cited", vec![text("News.", vec![page])], stop(StopReason::End)),
        (
            "tool",
            vec![text("Wait.", vec![]), call("call_1", "weather", r#"{"city":"Bonn"}"#, None)],
            stop(StopReason::ToolUse),
        ),
        (
            "parallel",
            vec![
                call("call_1", "weather", r#"{"city":"Bonn"}"#, Some(google)),
                call("call_2", "time", "{}", None),
            ],
            stop(StopReason::ToolUse),
        ),
        (
            "thinking",
            vec![
                thought("Hm.", Some(Signature::new(Origin::Anthropic, "EqQB==")), false),
                thought("", Some(Signature::new(Origin::Anthropic, "EmwK==")), true),
                thought("", Some(openai), false),
                text("42", vec![]),
            ],
            stop(StopReason::MaxTokens),
        ),
        ("structured", vec![text(r#"{"a":1}"#, vec![])], stop(StopReason::End)),
        ("refusal", vec![Body::Refusal("I cannot.".into())], stop(StopReason::End)),
        (
            "stop-sequence",
            vec![text("1, 2", vec![])],
            Stop { sequence: Some("END".into()), ..stop(StopReason::StopSequence) },
        ),
    ]
}

#[test]
fn answers_and_streams() {
    for (name, bodies, stop) in answers() {
        let usage = Usage {
            input: 100,
            cached_input: 60,
            cache_write: 20,
            cache_write_1h: 10,
            output: 9,
            reasoning: 4,
        };
        let tokens = Some(Tokens { usage, ..Tokens::default() });
        let content: Vec<Block> = bodies.into_iter().map(Block::new).collect();
        let reply = Reply {
            id: "msg_1".into(),
            choices: vec![Choice { content, stop: Some(stop), logprobs: None }],
            tokens,
            service_tier: Some("default".into()),
            ..Reply::default()
        };
        let whole = String::from_utf8(encode_reply(&reply, &x())).unwrap();
        check(&format!("{name}.reply.json"), &(whole + "\n"));
        check(&format!("{name}.stream.sse"), &sse(&laws::stream_of(&reply, 4)));
    }
}

#[test]
fn an_error_in_a_stream() {
    let error = crate::dialect::fault::UpstreamError {
        kind: Some("overloaded_error".into()),
        message: Some("Overloaded".into()),
        ..Default::default()
    };
    let events = [
        StreamEvent::Start { id: "msg_1".into(), model: "m".into(), created: None },
        StreamEvent::BlockStart { choice: 0, index: 0, block: Block::text("") },
        StreamEvent::BlockDelta { choice: 0, index: 0, delta: crate::ir::stream::Delta::Text("Hel".into()) },
        StreamEvent::Ping,
        StreamEvent::Error(error),
    ];
    check("error.stream.sse", &sse(&events));
}
