//! Golden files: what is sent for a conversation, and what answers and streams mean. `SALLYPORT_BLESS=1` writes the
//! outputs anew; the inputs (`*.reply.json`, `*.stream.txt`) are written by hand.

use super::samples::*;
use super::support::{collect, events, frames, well_ordered};
use sallyport_filters::codec::converse::{self, Operation, Options};
use sallyport_filters::ir::settings::{Effort, Settings};
use sallyport_filters::ir::tool::ToolChoice;
use sallyport_filters::ir::{Conversation, Losses, StreamEvent};
use serde_json::{Value, json};
use std::path::PathBuf;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NEWEST: &str = "global.anthropic.claude-opus-4-7";
const NOVA: &str = "us.amazon.nova-2-lite-v1:0";

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/bedrock")).join(name)
}

fn same(name: &str, said: &str) {
    let path = file(name);
    if std::env::var_os("SALLYPORT_BLESS").is_some() {
        std::fs::write(&path, said).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == said, "{name} differs (SALLYPORT_BLESS=1 writes it anew):\n{said}");
}

#[test]
fn requests() {
    let own = Conversation {
        extra: vec![
            (
                "guardrailConfig".into(),
                raw(json!({"guardrailIdentifier": "theirs", "guardrailVersion": "1"})),
            ),
            ("additionalModelRequestFields".into(), raw(json!({"anthropic_beta": ["a"], "thinking": 1}))),
            ("mcp_servers".into(), raw(json!([]))),
        ],
        settings: Settings { reasoning: thinking(Some(4096), None), ..Settings::default() },
        ..structured()
    };
    let options = Options {
        guardrail: Some(raw(json!({"guardrailIdentifier": "ours", "guardrailVersion": "DRAFT"}))),
        performance: Some(raw(json!({"latency": "optimized"}))),
        request_metadata: vec![("gateway".into(), "sallyport".into())],
        additional: vec![("thinking".into(), raw(json!({"type": "disabled"})))],
        betas: vec!["interleaved-thinking-2025-05-14".into()],
        ..Options::default()
    };
    let none = Options::default();
    let cases = [
        ("text-claude", text(), CLAUDE, &none),
        ("text-nova", text(), NOVA, &none),
        ("text-llama", text(), "meta.llama3-1-70b-instruct-v1:0", &none),
        ("tools", tools(), CLAUDE, &none),
        (
            "tools-profile",
            tools(),
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2",
            &none,
        ),
        ("tools-none", no_tools(), CLAUDE, &none),
        ("tools-forbidden", forbidden_tools(), CLAUDE, &none),
        ("tools-server-claude", server_tools(), CLAUDE, &none),
        ("tools-server-nova", server_tools(), NOVA, &none),
        ("media", media(), CLAUDE, &none),
        ("thinking-budget", thinking_loop(), CLAUDE, &none),
        ("thinking-adaptive", thinking_loop(), NEWEST, &none),
        ("thinking-nova", thinking_loop(), NOVA, &none),
        ("thinking-gpt-oss", thinking_loop(), "openai.gpt-oss-120b-1:0", &none),
        ("thinking-qwen", thinking_loop(), "qwen.qwen3-32b-v1:0", &none),
        ("text-newest", text(), NEWEST, &none),
        ("text-4-8", text(), "anthropic.claude-opus-4-8", &none),
        ("instructions-between", between(), "anthropic.claude-opus-4-8", &none),
        (
            "thinking-forced-adaptive",
            thinking_not(|c| c.tool_choice = Some(ToolChoice::Required)),
            NEWEST,
            &none,
        ),
        ("thinking-forced", thinking_not(|c| c.tool_choice = Some(ToolChoice::Required)), CLAUDE, &none),
        (
            "thinking-omitted",
            thinking_not(|c| {
                c.settings.reasoning.as_mut().unwrap().summary = Some("omitted".into());
            }),
            CLAUDE,
            &none,
        ),
        ("thinking-unsigned", thinking_not(|c| drop(c.messages[1].content.drain(..4))), CLAUDE, &none),
        ("thinking-short", thinking_not(|c| c.settings.max_tokens = Some(1000)), CLAUDE, &none),
        ("thinking-old", thinking_not(|_| ()), "anthropic.claude-3-5-sonnet-20240620-v1:0", &none),
        (
            "thinking-off",
            thinking_not(|c| c.settings.reasoning = thinking(None, Some(Effort::None))),
            "us.anthropic.claude-sonnet-4-6",
            &none,
        ),
        ("structured", structured(), CLAUDE, &none),
        ("options", own, CLAUDE, &options),
    ];
    for (name, c, model, options) in cases {
        let mut losses = Losses::default();
        let body = converse::encode_request_with(&c, model, options, &mut losses);
        let losses = losses.0.iter().map(|l| {
            let weight = if l.harmless { "hint" } else { "loss" };
            format!("{weight} {}: {}", l.field, l.reason)
        });
        let said = json!({
            "path": converse::path(model, Operation::Converse),
            "losses": losses.collect::<Vec<_>>(),
            "body": serde_json::from_slice::<Value>(&body).unwrap(),
        });
        same(&format!("{name}.request.json"), &(serde_json::to_string_pretty(&said).unwrap() + "\n"));
    }
}

const ANSWERS: [&str; 9] =
    ["text", "tools", "thinking", "redacted", "citations", "guardrail", "stop", "server", "image"];

/// Whole answers and their streams: each as its golden file, and both the same.
#[test]
fn answers() {
    for name in ANSWERS {
        let model = if name == "server" { NOVA } else { CLAUDE };
        let whole = std::fs::read(file(&format!("{name}.reply.json"))).unwrap();
        let whole = converse::decode_reply_of(&whole, converse::Model::of(model)).unwrap();
        same(&format!("{name}.reply.txt"), &format!("{whole:#?}\n"));
        let lines = std::fs::read_to_string(file(&format!("{name}.stream.txt"))).unwrap();
        let stream = events(&frames(&lines), 11, model);
        let told: String = stream.iter().map(|e| format!("{e:?}\n")).collect();
        same(&format!("{name}.events.txt"), &told);
        assert_eq!(collect(stream), whole, "{name}");
    }
}

/// Streams that end with an error, or too early.
#[test]
fn broken_streams() {
    for name in ["throttled", "model-error", "cut"] {
        let lines = std::fs::read_to_string(file(&format!("{name}.stream.txt"))).unwrap();
        let stream = events(&frames(&lines), 11, CLAUDE);
        well_ordered(&stream);
        assert!(!stream.contains(&StreamEvent::End));
        let told: String = stream.iter().map(|e| format!("{e:?}\n")).collect();
        same(&format!("{name}.events.txt"), &told);
    }
}
