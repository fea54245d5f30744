//! Golden files: small requests and answers, compared exactly (`SALLYPORT_BLESS=1` writes them anew).

use super::*;
use crate::ir::block::*;
use crate::ir::raw::Raw;
use crate::ir::reply::{Choice, Stop, StopReason, Tokens, Usage};
use crate::ir::settings::Format;
use crate::ir::signature::{Origin, Signature};
use crate::ir::tool::{Tool, ToolBody, ToolChoice};
use crate::ir::{Message, Role};

/// Compares with a file.
fn golden(name: &str, got: &[u8]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/chat").join(name);
    if std::env::var_os("SALLYPORT_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, got).unwrap();
    }
    let want = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(String::from_utf8_lossy(got), String::from_utf8_lossy(&want), "{name}");
}

fn pretty(json: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(json).unwrap();
    let mut out = serde_json::to_vec_pretty(&value).unwrap();
    out.push(b'\n');
    out
}

/// An answer: whole and as a stream.
fn answer(name: &str, choices: Vec<Choice>) {
    let x = EncodeReply {
        model: "alias".to_owned(),
        created: 1_700_000_000,
        include_usage: true,
        ..EncodeReply::default()
    };
    let usage =
        Usage { input: 50, cached_input: 10, cache_write: 5, cache_write_1h: 1, output: 20, reasoning: 8 };
    let r = Reply {
        id: "msg_1".to_owned(),
        model: "the-real-one".to_owned(),
        created: None,
        choices,
        tokens: Some(Tokens { usage, ..Tokens::default() }),
        service_tier: None,
        blocked: None,
    };
    golden(&format!("{name}.reply.json"), &pretty(&encode_reply(&r, &x)));
    golden(&format!("{name}.stream.sse"), &sse(&laws::stream_of(&r), &x));
}

fn choice(content: Vec<Body>, reason: StopReason) -> Choice {
    let content = content.into_iter().map(Block::new).collect();
    Choice { content, stop: Some(Stop { reason, ..Stop::default() }), logprobs: None }
}

fn text(text: &str) -> Body {
    Body::Text { text: text.to_owned(), citations: Vec::new(), signature: None }
}

fn call(id: &str, arguments: &str) -> Body {
    Body::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "weather".to_owned(),
        arguments: arguments.to_owned(),
        ..ToolCall::default()
    })
}

fn thoughts() -> Vec<Body> {
    let anthropic = Signature::new(Origin::Anthropic, "EqQBCg==");
    let item = Signature { id: Some("rs_1".to_owned()), ..Signature::new(Origin::OpenAi, "gAAA") };
    vec![
        Body::Thinking(Thinking {
            text: "Rome.".to_owned(),
            signature: Some(anthropic.clone()),
            ..Thinking::default()
        }),
        Body::Thinking(Thinking { redacted: true, signature: Some(anthropic), ..Thinking::default() }),
        Body::Thinking(Thinking {
            summary: vec!["One.".to_owned(), "Two.".to_owned()],
            signature: Some(item),
            ..Thinking::default()
        }),
    ]
}

#[test]
fn answers() {
    answer("text", vec![choice(vec![text("Hällo \"you\".")], StopReason::End)]);
    let cited = Citation {
        url: Some("https://x/".to_owned()),
        title: Some("X".to_owned()),
        cited_text: None,
        range: None,
        raw: None,
    };
    let body = Body::Text { text: "So it is.".to_owned(), citations: vec![cited], signature: None };
    answer("cited", vec![choice(vec![text("Look: "), body], StopReason::End)]);
    answer(
        "tool",
        vec![choice(vec![text("Let me see."), call("t1", r#"{"city":"Rome"}"#)], StopReason::ToolUse)],
    );
    let two = vec![call("t1", r#"{"city":"Rome"}"#), call("t2", "{}")];
    answer("parallel_tools", vec![choice(two, StopReason::ToolUse)]);
    let mut thinking = thoughts();
    thinking.push(call("t1", "{}"));
    answer("thinking", vec![choice(thinking, StopReason::ToolUse)]);
    answer("refusal", vec![choice(vec![Body::Refusal("No.".to_owned())], StopReason::Refusal)]);
    answer("filtered", vec![choice(vec![text("Some")], StopReason::ContentFilter)]);
    let signed = Body::ToolCall(ToolCall {
        id: "g1".to_owned(),
        name: "weather".to_owned(),
        arguments: "{}".to_owned(),
        signature: Some(Signature::new(Origin::Google, "AVSo")),
        ..ToolCall::default()
    });
    answer("signed_call", vec![choice(vec![signed], StopReason::ToolUse)]);
    let probs = Raw::parse(r#"[{"token":"A","logprob":-0.5,"bytes":[65],"top_logprobs":[]}]"#).unwrap();
    let first = Choice { logprobs: Some(probs), ..choice(vec![text("A")], StopReason::End) };
    answer("two_choices", vec![first, choice(vec![text("B")], StopReason::MaxTokens)]);
    let sound = Body::Audio(Media {
        mime: None,
        source: Source::Base64("QUJD".to_owned()),
        name: Some("audio_1".to_owned()),
        detail: None,
        context: Some("Hi.".to_owned()),
        citations: false,
    });
    answer("audio", vec![choice(vec![sound], StopReason::End)]);
}

#[test]
fn errors_and_blocks() {
    let x = EncodeReply {
        model: "alias".to_owned(),
        id: "made".to_owned(),
        created: 1,
        ..EncodeReply::default()
    };
    let error = crate::dialect::fault::UpstreamError {
        kind: Some("overloaded_error".to_owned()),
        message: Some("Overloaded".to_owned()),
        ..Default::default()
    };
    let start = StreamEvent::Start { id: String::new(), model: "m".to_owned(), created: None };
    golden("error.stream.sse", &sse(&[start.clone(), StreamEvent::Ping, StreamEvent::Error(error)], &x));
    let stop = Stop { reason: StopReason::ContentFilter, ..Stop::default() };
    let blocked = Reply { blocked: Some(stop.clone()), ..Reply::default() };
    golden("blocked.reply.json", &pretty(&encode_reply(&blocked, &x)));
    golden("blocked.stream.sse", &sse(&[start, StreamEvent::Blocked(stop), StreamEvent::End], &x));
}

/// A whole tool loop with everything that a request holds, as OpenAI, an OpenRouter and a Mistral are told it.
#[test]
fn requests() {
    let image = Media {
        mime: Some("image/png".to_owned()),
        source: Source::Base64("QUJD".to_owned()),
        name: None,
        detail: Some("low".to_owned()),
        context: None,
        citations: false,
    };
    let pdf = Media {
        mime: Some("application/pdf".to_owned()),
        name: Some("a.pdf".to_owned()),
        detail: None,
        ..image.clone()
    };
    let result = Body::ToolResult(ToolResult {
        call_id: "toolu_1".to_owned(),
        content: vec![Block::text("18 °C"), Block::new(Body::Image(image.clone()))],
        ..ToolResult::default()
    });
    let mut turn = thoughts();
    turn.push(text("Let me see."));
    turn.push(call("toolu_1", r#"{"city":"Rome"}"#));
    let message = |role, bodies: Vec<Body>| Message::new(role, bodies.into_iter().map(Block::new).collect());
    let mut question =
        message(Role::User, vec![text("What is this?"), Body::Image(image), Body::Document(pdf)]);
    question.content[2].cache = Some(CacheTtl::Hour);
    let schema = |t: &str| Raw::parse(t).unwrap();
    let c = Conversation {
        model: "alias".to_owned(),
        messages: vec![
            message(Role::System, vec![text("Be short.")]),
            question,
            message(Role::Assistant, turn),
            message(Role::User, vec![result]),
        ],
        tools: vec![Tool {
            name: "weather".to_owned(),
            description: Some("Of a city.".to_owned()),
            body: ToolBody::Function {
                parameters: Some(schema(r#"{"type":"object","properties":{"city":{"type":"string"}}}"#)),
                strict: Some(true),
            },
            cache: None,
            extra: Vec::new(),
            at: Default::default(),
        }],
        tool_choice: Some(ToolChoice::Named("weather".to_owned())),
        settings: crate::ir::Settings {
            max_tokens: Some(1000),
            temperature: Some(0.5),
            stop: vec!["END".to_owned()],
            format: Some(Format::JsonSchema {
                name: None,
                description: None,
                schema: schema(r#"{"type":"object"}"#),
                strict: Some(true),
            }),
            parallel_tools: Some(false),
            stream: true,
            ..crate::ir::Settings::default()
        },
        extra: Vec::new(),
    };
    for (name, o) in [
        ("openai", ChatOptions::openai()),
        ("openrouter", ChatOptions::openrouter()),
        ("mistral", ChatOptions::mistral()),
    ] {
        let mut losses = Losses::default();
        let body = encode_request(&c, "provider/model", &o, &mut losses);
        let mut out = pretty(&body);
        for l in &losses.0 {
            out.extend_from_slice(format!("// {} {}: {}\n", l.harmless, l.field, l.reason).as_bytes());
        }
        golden(&format!("loop.{name}.request.txt"), &out);
    }
}
