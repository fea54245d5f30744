//! Conversations for the golden files.

use sallyport_filters::ir::block::{
    Block, Body, CacheTtl, Citation, Media, ServerKind, Source, Thinking, ToolCall, ToolResult,
};
use sallyport_filters::ir::settings::{Effort, Format, Reasoning, Settings};
use sallyport_filters::ir::tool::{Tool, ToolBody, ToolChoice};
use sallyport_filters::ir::{Conversation, Message, Origin, Raw, Role, Signature};
use serde_json::{Value, json};

pub(crate) fn raw(v: Value) -> Raw {
    Raw::of(&v).unwrap()
}

pub(crate) fn user(content: Vec<Block>) -> Message {
    Message::new(Role::User, content)
}

pub(crate) fn assistant(content: Vec<Block>) -> Message {
    Message::new(Role::Assistant, content)
}

pub(crate) fn medium(mime: &str, source: Source, name: Option<&str>) -> Media {
    Media {
        mime: (!mime.is_empty()).then(|| mime.to_owned()),
        source,
        name: name.map(str::to_owned),
        detail: None,
        context: None,
        citations: false,
    }
}

pub(crate) fn call(id: &str, name: &str, arguments: &str) -> Block {
    Block::new(Body::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        ..ToolCall::default()
    }))
}

pub(crate) fn result(id: &str, content: Vec<Block>, is_error: bool) -> Block {
    Block::new(Body::ToolResult(ToolResult {
        call_id: id.into(),
        content,
        is_error,
        ..ToolResult::default()
    }))
}

pub(crate) fn thought(text: &str, origin: Option<Origin>, redacted: bool) -> Block {
    Block::new(Body::Thinking(Thinking {
        text: text.into(),
        signature: origin.map(|o| Signature::new(o, "c2ln")),
        redacted,
        ..Thinking::default()
    }))
}

pub(crate) fn cached(mut b: Block, ttl: CacheTtl) -> Block {
    b.cache = Some(ttl);
    b
}

pub(crate) fn tool(name: &str) -> Tool {
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

pub(crate) fn thinking(budget: Option<u32>, effort: Option<Effort>) -> Option<Reasoning> {
    Some(Reasoning { budget, effort, ..Reasoning::default() })
}

pub(crate) fn text() -> Conversation {
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

pub(crate) fn tools() -> Conversation {
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

pub(crate) fn media() -> Conversation {
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

pub(crate) fn thinking_loop() -> Conversation {
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

pub(crate) fn structured() -> Conversation {
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

pub(crate) fn server_tools() -> Conversation {
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
pub(crate) fn between() -> Conversation {
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
pub(crate) fn thinking_not(change: impl FnOnce(&mut Conversation)) -> Conversation {
    let mut c = thinking_loop();
    c.settings.temperature = None;
    change(&mut c);
    c
}

/// No tools are offered, but the history has calls.
pub(crate) fn no_tools() -> Conversation {
    Conversation { tools: Vec::new(), tool_choice: None, settings: Settings::default(), ..tools() }
}

pub(crate) fn forbidden_tools() -> Conversation {
    Conversation { tool_choice: Some(ToolChoice::None), settings: Settings::default(), ..tools() }
}
