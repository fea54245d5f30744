//! Golden files: what is sent for a conversation, and what answers and streams mean. `SALLYPORT_BLESS=1` writes the
//! outputs anew; the inputs (`*.reply.json`, `*.stream.txt`) are written by hand.

use super::support::{collect, events, frames, well_ordered};
use sallyport_filters::codec::converse::{self, Operation, Options};
use sallyport_filters::ir::block::{
    Block, Body, CacheTtl, Citation, Media, ServerKind, Source, Thinking, ToolCall, ToolResult,
};
use sallyport_filters::ir::settings::{Effort, Format, Reasoning, Settings};
use sallyport_filters::ir::tool::{Tool, ToolBody, ToolChoice};
use sallyport_filters::ir::{Conversation, Losses, Message, Origin, Raw, Role, Signature, StreamEvent};
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

fn raw(v: Value) -> Raw {
    Raw::of(&v).unwrap()
}

fn user(content: Vec<Block>) -> Message {
    Message::new(Role::User, content)
}

fn assistant(content: Vec<Block>) -> Message {
    Message::new(Role::Assistant, content)
}

fn medium(mime: &str, source: Source, name: Option<&str>) -> Media {
    Media {
        mime: (!mime.is_empty()).then(|| mime.to_owned()),
        source,
        name: name.map(str::to_owned),
        detail: None,
        context: None,
        citations: false,
    }
}

fn call(id: &str, name: &str, arguments: &str) -> Block {
    Block::new(Body::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        ..ToolCall::default()
    }))
}

fn result(id: &str, content: Vec<Block>, is_error: bool) -> Block {
    Block::new(Body::ToolResult(ToolResult {
        call_id: id.into(),
        content,
        is_error,
        ..ToolResult::default()
    }))
}

fn thought(text: &str, origin: Option<Origin>, redacted: bool) -> Block {
    Block::new(Body::Thinking(Thinking {
        text: text.into(),
        signature: origin.map(|o| Signature::new(o, "c2ln")),
        redacted,
        ..Thinking::default()
    }))
}

fn cached(mut b: Block, ttl: CacheTtl) -> Block {
    b.cache = Some(ttl);
    b
}

fn tool(name: &str) -> Tool {
    Tool {
        name: name.into(),
        description: Some("Tells the weather.".into()),
        body: ToolBody::Function {
            parameters: Some(raw(json!({"properties": {"city": {"type": "string"}}, "required": ["city"]}))),
            strict: None,
        },
        cache: None,
        extra: Vec::new(),
        at: Default::default(),
    }
}

fn thinking(budget: Option<u32>, effort: Option<Effort>) -> Option<Reasoning> {
    Some(Reasoning { budget, effort, ..Reasoning::default() })
}

fn text() -> Conversation {
    Conversation {
        messages: vec![
            Message::new(Role::System, vec![cached(Block::text("Be brief."), CacheTtl::Hour)]),
            user(vec![Block::text("Hello"), Block::text("  ")]),
            assistant(vec![Block::text("Hi")]),
            Message::new(Role::Developer, vec![Block::text("Be kind.")]),
            user(vec![cached(Block::text("How are you?"), CacheTtl::Default)]),
        ],
        settings: Settings {
            max_tokens: Some(100),
            temperature: Some(0.5),
            top_p: Some(0.9),
            top_k: Some(5),
            stop: vec!["END".into()],
            service_tier: Some("priority".into()),
            metadata: vec![("team".into(), "a b".into()), ("odd".into(), "ä".into())],
            user: Some("u".into()),
            seed: Some(1),
            ..Settings::default()
        },
        ..Conversation::default()
    }
}

fn tools() -> Conversation {
    let image = medium("", Source::Base64("iVBORw0KGgo=".into()), None);
    Conversation {
        messages: vec![
            user(vec![Block::text("Weather in Rome and Oslo?")]),
            assistant(vec![
                Block::text("I look."),
                call("call_1", "weather", r#"{"city": "Rome", "n": 1.0}"#),
                call("an id/with odd signs", "weather", ""),
                call("call_3", "weather", "{broken"),
            ]),
            user(vec![
                result("call_1", vec![Block::text("sunny"), Block::new(Body::Image(image))], false),
                result("an id/with odd signs", vec![], false),
                result("call_3", vec![Block::text("no such city")], true),
                Block::text("Go on."),
            ]),
        ],
        tools: vec![Tool { cache: Some(CacheTtl::Default), ..tool("weather") }, tool("other")],
        tool_choice: Some(ToolChoice::Allowed { names: vec!["weather".into()], required: true }),
        settings: Settings { parallel_tools: Some(false), ..Settings::default() },
        ..Conversation::default()
    }
}

fn media() -> Conversation {
    let pdf = medium("application/pdf", Source::Base64("JVBERi0=".into()), Some("Q3 report.v2.pdf"));
    let note = Media {
        context: Some("Minutes".into()),
        citations: true,
        ..medium("text/plain", Source::Text("note".into()), None)
    };
    let film = medium("", Source::Url("s3://films/a.mp4?bucketOwner=123456789012".into()), None);
    let web = medium("image/png", Source::Url("https://example.com/a.png".into()), None);
    let jpeg = medium("image/jpg", Source::Base64("/9j/4AAQ".into()), None);
    let wav = medium("audio/wav", Source::Base64("UklGRg==".into()), None);
    let cited = Citation {
        url: None,
        title: Some("Q3".into()),
        cited_text: Some("up".into()),
        range: None,
        raw: Some((
            Origin::Anthropic,
            raw(json!({
                "type": "page_location", "cited_text": "up", "document_index": 0, "document_title": "Q3",
                "start_page_number": 1, "end_page_number": 2,
            })),
        )),
    };
    Conversation {
        messages: vec![
            user(vec![
                Block::text("Read."),
                Block::new(Body::Document(pdf.clone())),
                Block::new(Body::Document(pdf)),
                Block::new(Body::Document(note)),
                Block::new(Body::Image(jpeg)),
                Block::new(Body::Image(web)),
                Block::new(Body::Video(film)),
                Block::new(Body::Audio(wav)),
                Block::new(Body::Opaque {
                    origin: Origin::Anthropic,
                    name: "search_result".into(),
                    raw: raw(json!({
                        "type": "search_result", "source": "https://example.com", "title": "T",
                        "content": [{"type": "text", "text": "found"}], "citations": {"enabled": true},
                    })),
                }),
            ]),
            assistant(vec![Block::new(Body::Text {
                text: "It is up.".into(),
                citations: vec![cited],
                signature: None,
            })]),
            user(vec![Block::text("Sure?")]),
        ],
        ..Conversation::default()
    }
}

fn thinking_loop() -> Conversation {
    Conversation {
        messages: vec![
            user(vec![Block::text("Weather?")]),
            assistant(vec![
                thought("Where?", Some(Origin::Anthropic), false),
                thought("", Some(Origin::Anthropic), true),
                thought("A foreign one.", Some(Origin::OpenAi), false),
                thought("An unsigned one.", None, false),
                call("call_1", "weather", r#"{"city":"Rome"}"#),
            ]),
            user(vec![result("call_1", vec![Block::text("sunny")], false)]),
        ],
        tools: vec![tool("weather")],
        settings: Settings {
            reasoning: thinking(None, Some(Effort::High)),
            max_tokens: Some(8000),
            temperature: Some(0.2),
            ..Settings::default()
        },
        ..Conversation::default()
    }
}

fn structured() -> Conversation {
    Conversation {
        messages: vec![user(vec![Block::text("A person, please.")])],
        settings: Settings {
            format: Some(Format::JsonSchema {
                name: Some("person".into()),
                description: None,
                schema: raw(json!({
                    "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"],
                    "additionalProperties": false,
                })),
                strict: Some(true),
            }),
            ..Settings::default()
        },
        ..Conversation::default()
    }
}

fn server_tools() -> Conversation {
    let server = |kind, name: &str| Tool {
        name: name.into(),
        description: None,
        body: ToolBody::Server {
            kind,
            origin: Origin::Anthropic,
            raw: raw(json!({"type": name, "name": "x"})),
        },
        cache: None,
        extra: Vec::new(),
        at: Default::default(),
    };
    Conversation {
        messages: vec![user(vec![Block::text("Search.")])],
        tools: vec![
            tool("weather"),
            server(ServerKind::WebSearch, "web_search_20250305"),
            server(ServerKind::CodeExecution, "code_execution_20250825"),
            server(ServerKind::Other, "bash_20250124"),
        ],
        ..Conversation::default()
    }
}

/// Instructions between a call and its result, and after it.
fn between() -> Conversation {
    let system = |t: &str| Message::new(Role::System, vec![Block::text(t)]);
    Conversation {
        messages: vec![
            user(vec![Block::text("Weather?")]),
            assistant(vec![call("call_1", "weather", "{}")]),
            system("Be exact."),
            user(vec![cached(result("call_1", vec![Block::text("sunny")], false), CacheTtl::Default)]),
            system("Be brief."),
        ],
        tools: vec![tool("weather")],
        ..Conversation::default()
    }
}

/// What forbids thinking, or bounds it.
fn thinking_not(change: impl FnOnce(&mut Conversation)) -> Conversation {
    let mut c = thinking_loop();
    c.settings.temperature = None;
    change(&mut c);
    c
}

/// No tools are offered, but the history has calls.
fn no_tools() -> Conversation {
    Conversation { tools: Vec::new(), tool_choice: None, settings: Settings::default(), ..tools() }
}

fn forbidden_tools() -> Conversation {
    Conversation { tool_choice: Some(ToolChoice::None), settings: Settings::default(), ..tools() }
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
