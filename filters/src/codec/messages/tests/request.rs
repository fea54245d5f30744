//! A client's request, read: what is wrong is named, what is unknown is kept.

use super::*;
use crate::ir::block::{Body, CacheTtl, ServerKind};
use crate::ir::{Losses, Origin, Role};

fn with(rest: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":5,{rest}}}"#)
}

fn message(content: &str) -> String {
    with(&format!(r#""messages":[{{"role":"user","content":{content}}}]"#))
}

#[test]
fn what_is_wrong_is_named() {
    for (body, field) in [
        ("[]".into(), ""),
        ("{".into(), ""),
        (r#"{"max_tokens":5,"messages":[]}"#.into(), "model"),
        (r#"{"model":"m","messages":[]}"#.into(), "max_tokens"),
        (r#"{"model":7,"max_tokens":5,"messages":[]}"#.into(), "model"),
        (r#"{"model":"m","max_tokens":-1,"messages":[]}"#.into(), "max_tokens"),
        (r#"{"model":"m","max_tokens":1e99,"messages":[]}"#.into(), "max_tokens"),
        (r#"{"model":"m","max_tokens":5}"#.into(), "messages"),
        (with(r#""messages":{}"#), "messages"),
        (with(r#""messages":["x"]"#), "messages.0"),
        (with(r#""messages":[{"content":"x"}]"#), "messages.0.role"),
        (with(r#""messages":[{"role":"tool","content":"x"}]"#), "messages.0.role"),
        (with(r#""messages":[{"role":"user"}]"#), "messages.0.content"),
        (message("7"), "messages.0.content"),
        (message(r#"["x"]"#), "messages.0.content.0"),
        (message(r"[{}]"), "messages.0.content.0.type"),
        (message(r#"[{"type":"text"}]"#), "messages.0.content.0.text"),
        (message(r#"[{"type":"text","text":null}]"#), "messages.0.content.0.text"),
        (
            message(r#"[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"2h"}}]"#),
            "messages.0.content.0.cache_control.ttl",
        ),
        (
            message(r#"[{"type":"text","text":"x","cache_control":{"type":"forever"}}]"#),
            "messages.0.content.0.cache_control.type",
        ),
        (message(r#"[{"type":"image"}]"#), "messages.0.content.0.source"),
        (
            message(r#"[{"type":"image","source":{"type":"base64","data":"x"}}]"#),
            "messages.0.content.0.source.media_type",
        ),
        (message(r#"[{"type":"tool_use","name":"f","input":{}}]"#), "messages.0.content.0.id"),
        (message(r#"[{"type":"tool_result","content":"x"}]"#), "messages.0.content.0.tool_use_id"),
        (
            message(r#"[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text"}]}]"#),
            "messages.0.content.0.content.0.text",
        ),
        (with(r#""messages":[],"system":7"#), "system"),
        (with(r#""messages":[],"tools":{}"#), "tools"),
        (with(r#""messages":[],"tools":[{"name":"f"}]"#), "tools.0.input_schema"),
        (with(r#""messages":[],"tools":[{"input_schema":{}}]"#), "tools.0.name"),
        (with(r#""messages":[],"tool_choice":"auto""#), "tool_choice"),
        (with(r#""messages":[],"tool_choice":{"type":"some"}"#), "tool_choice.type"),
        (with(r#""messages":[],"tool_choice":{"type":"tool"}"#), "tool_choice.name"),
        (with(r#""messages":[],"thinking":{"type":"enabled"}"#), "thinking.budget_tokens"),
        (
            with(r#""messages":[],"output_config":{"format":{"type":"json_schema"}}"#),
            "output_config.format.schema",
        ),
        (with(r#""messages":[],"stop_sequences":"x""#), "stop_sequences"),
        (with(r#""messages":[],"stream":"yes""#), "stream"),
        (with(r#""messages":[],"temperature":"hot""#), "temperature"),
    ] {
        let body: String = body;
        let e = decode_request(body.as_bytes()).unwrap_err();
        assert_eq!(e.field, field, "{body}");
        assert!(!e.why.is_empty());
    }
}

#[test]
fn what_is_unknown_is_kept_and_goes_back_to_its_vendor_only() {
    let body = with(
        r#""messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://a/b"},"transformations":{"oversized_image":"error"}},{"type":"brand_new","x":1}]},
        {"role":"system","content":[{"type":"text","text":"s"}],"clear_at":"never"}],
        "thinking":{"type":"adaptive","block_binding":{}},"output_config":{"task_budget":{"type":"tokens","total":9}},"metadata":{"user_id":"u"},
        "container":"c_1","mcp_servers":[{"type":"url","url":"https://m","name":"m"}],"brand_new":[1.50],"speed":null"#,
    );
    let c = decode_request(body.as_bytes()).unwrap();
    let names: Vec<_> = c.extra.iter().map(|(k, _)| k.as_str()).collect();
    assert_eq!(
        names,
        [
            "messages.0.content.0.transformations",
            "messages.1.clear_at",
            "thinking.block_binding",
            "output_config.task_budget",
            "container",
            "mcp_servers",
            "brand_new"
        ]
    );
    assert_eq!(c.extra[6].1.text(), "[1.50]");
    assert!(matches!(&c.messages[0].content[1].body, Body::Opaque { origin: Origin::Anthropic, name, raw }
        if name == "brand_new" && raw.text() == r#"{"type":"brand_new","x":1}"#));
    let mut losses = Losses::default();
    let again = encode_request(&c, "m", &own(), &mut losses);
    // Nobody knows whose it is.
    assert_eq!(
        losses.0.iter().map(|l| (l.field.as_str(), l.harmless)).collect::<Vec<_>>(),
        [("brand_new", false)]
    );
    let (mut want, got): (Value, Value) =
        (serde_json::from_str(&body).unwrap(), serde_json::from_slice(&again).unwrap());
    for gone in ["brand_new", "speed"] {
        want.as_object_mut().unwrap().remove(gone);
    }
    want["messages"][1]["content"] = "s".into();
    assert_eq!(got, want);
}

#[test]
fn every_spelling_of_one_thing_is_read() {
    let c = decode_request(
        with(
            r#""system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}],
            "messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[
              {"type":"server_tool_use","id":"srvtoolu_1","name":"bash_code_execution","input":{}},
              {"type":"thinking","thinking":"t","signature":""}]},
              {"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"r","is_error":true},{"type":"tool_result","tool_use_id":"b"}]}],
            "tools":[{"type":"custom","name":"f","input_schema":{"type":"object"},"strict":false},
                     {"type":"code_execution_20260120","name":"code_execution"},{"type":"mcp_toolset","mcp_server_name":"m"}],
            "tool_choice":{"type":"any","disable_parallel_tool_use":true},
            "output_format":{"type":"json_schema","schema":{"type":"object"}}"#,
        )
        .as_bytes(),
    )
    .unwrap();
    assert_eq!(c.messages.len(), 4);
    assert_eq!((c.messages[0].role, c.messages[0].content[0].cache), (Role::System, Some(CacheTtl::Hour)));
    assert_eq!(&*c.messages[3].content[0].at.0, "messages.2.content.0");
    assert!(matches!(&c.messages[2].content[0].body, Body::Server { kind: ServerKind::CodeExecution, .. }));
    assert!(matches!(&c.messages[2].content[1].body, Body::Thinking(t) if t.signature.is_none()));
    assert!(
        matches!(&c.messages[3].content[0].body, Body::ToolResult(r) if r.is_error && r.content.len() == 1)
    );
    assert_eq!(
        c.tools.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
        ["f", "code_execution", "mcp_toolset"]
    );
    assert_eq!(c.settings.parallel_tools, Some(false));
    assert!(c.settings.format.is_some());
}

#[test]
fn counting_needs_no_limit_and_says_none() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"hi"}],"system":"s"}"#;
    let c = decode_count_tokens(body).unwrap();
    assert!(decode_request(body).is_err());
    let mut losses = Losses::default();
    let foreign = encode_count_tokens_request(&c, "claude-opus-4-8", &RequestOptions::default(), &mut losses);
    assert_eq!(
        String::from_utf8(foreign).unwrap(),
        r#"{"model":"claude-opus-4-8","system":"s","messages":[{"role":"user","content":"hi"}]}"#
    );
    assert_eq!(losses.0, []);
    assert_eq!(encode_count_tokens_reply(14), br#"{"input_tokens":14}"#);
}
