//! Golden files: what goes to Google, and what a Gemini client reads, whole and streamed.

use crate::support::{client, encode, events, golden, stop};
use sallyport_filters::codec::gemini::{self, Framing, Options, Platform};
use sallyport_filters::dialect::fault::UpstreamError;
use sallyport_filters::ir::block::{Block, Body, Citation, Media, Source, Thinking, ToolCall, ToolResult};
use sallyport_filters::ir::reply::{Choice, Tokens, Usage};
use sallyport_filters::ir::settings::{Effort, Format, Reasoning};
use sallyport_filters::ir::tool::{Tool, ToolBody, ToolChoice};
use sallyport_filters::ir::{
    Conversation, Losses, Message, Origin, Raw, Reply, Role, Signature, Spot, StopReason, StreamEvent,
};

fn pretty(json: &[u8]) -> String {
    let v: serde_json::Value = serde_json::from_slice(json).unwrap();
    serde_json::to_string_pretty(&v).unwrap() + "\n"
}

fn request(name: &str, c: &Conversation, model: &str, platform: Platform) {
    let mut losses = Losses::default();
    let mut text = pretty(&gemini::encode_request(c, model, &Options::of(platform), &mut losses));
    for l in losses.0 {
        let word = if l.harmless { "hint" } else { "loss" };
        text += &format!("{word} {}: {}\n", l.field, l.reason);
    }
    golden(&format!("request-{name}.txt"), &text);
}

fn reply(name: &str, r: &Reply) {
    golden(&format!("reply-{name}.json"), &pretty(&gemini::encode_reply(r, &client())));
    golden(&format!("stream-{name}.sse"), &encode(&events(r), Framing::Sse));
}

fn say(role: Role, content: Vec<Block>) -> Message {
    Message::new(role, content)
}

fn talk(messages: Vec<Message>) -> Conversation {
    Conversation { model: "alias".into(), messages, ..Conversation::default() }
}

fn picture(source: Source) -> Block {
    Block::new(Body::Image(Media {
        mime: None,
        source,
        name: None,
        detail: Some("high".into()),
        context: None,
        citations: false,
    }))
}

fn call(id: &str, city: &str, signature: Option<Signature>) -> Block {
    Block::new(Body::ToolCall(ToolCall {
        id: id.into(),
        name: "weather".into(),
        arguments: format!(r#"{{"city": "{city}"}}"#),
        signature,
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

fn weather() -> Tool {
    let parameters = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    let parameters = Some(Raw::parse(parameters).unwrap());
    Tool {
        name: "weather".into(),
        description: Some("The weather.".into()),
        body: ToolBody::Function { parameters, strict: Some(true) },
        cache: None,
        extra: Vec::new(),
        at: Spot::default(),
    }
}

fn answer(content: Vec<Block>, reason: StopReason) -> Reply {
    Reply {
        id: "up-1".into(),
        model: "upstream-model".into(),
        choices: vec![Choice { content, stop: Some(stop(reason)), logprobs: None }],
        tokens: Some(Tokens {
            usage: Usage { input: 20, cached_input: 8, output: 9, reasoning: 4, ..Usage::default() },
            ..Tokens::default()
        }),
        ..Reply::default()
    }
}

#[test]
fn text() {
    let mut c = talk(vec![
        say(Role::System, vec![Block::text("Be brief.")]),
        say(Role::Developer, vec![Block::text("In English.")]),
        say(Role::User, vec![Block::text("Hi \"you\"")]),
        say(Role::Assistant, vec![Block::text("Hello.")]),
        say(Role::System, vec![Block::text("Now in French.")]),
        say(Role::User, vec![Block::text("Again")]),
    ]);
    c.settings.max_tokens = Some(100);
    c.settings.temperature = Some(0.5);
    c.settings.stop = vec!["END".into()];
    c.settings.user = Some("u1".into());
    c.settings.parallel_tools = Some(false);
    c.settings.service_tier = Some("flex".into());
    c.settings.logit_bias = Some(Raw::parse(r#"{"1":2}"#).unwrap());
    request("text", &c, "gemini-2.5-flash", Platform::GeminiApi);
    reply("text", &answer(vec![Block::text("Hello, “world”.\n")], StopReason::End));
}

#[test]
fn parallel_tools() {
    let mut c = talk(vec![
        say(Role::User, vec![Block::text("Weather?")]),
        // Another model's calls: the first needs the dummy.
        say(
            Role::Assistant,
            vec![Block::text(""), call("call_1", "Rome", None), call("call_2", "Oslo", None)],
        ),
        say(
            Role::User,
            vec![
                result("call_1", vec![Block::text(r#"{"sun": true}"#)], false),
                result("call_2", vec![Block::text("no such city")], true),
                Block::text("Well?"),
            ],
        ),
    ]);
    c.tools = vec![weather()];
    c.tool_choice = Some(ToolChoice::Auto);
    request("tools", &c, "gemini-3-flash-preview", Platform::GeminiApi);
    c.tool_choice = Some(ToolChoice::Named("weather".into()));
    request("tools-named", &c, "gemini-2.5-pro", Platform::Vertex);
    reply("tools", &answer(vec![call("c1", "Rome", None), call("c2", "Oslo", None)], StopReason::ToolUse));
}

#[test]
fn image() {
    let url = Source::Url("https://example.com/cat.png?x=1".into());
    let base64 = Source::Base64("iVBORw0KGgo=".into());
    let c = talk(vec![
        say(Role::User, vec![Block::text("What?"), picture(url), picture(base64.clone())]),
        say(Role::Assistant, vec![call("c1", "Rome", None)]),
        say(Role::User, vec![result("c1", vec![picture(base64)], false)]),
    ]);
    request("image", &c, "gemini-3.1-pro-preview", Platform::GeminiApi);
    request("image-older", &c, "gemini-2.5-flash", Platform::Vertex);
}

#[test]
fn thinking_loop() {
    let google = Signature::new(Origin::Google, "CpYEAXLI2g==");
    let foreign = Signature::new(Origin::Anthropic, "EqQB==");
    let thought = |text: &str, signature| {
        Block::new(Body::Thinking(Thinking { text: text.into(), signature, ..Thinking::default() }))
    };
    let mut c = talk(vec![
        say(Role::User, vec![Block::text("Weather?")]),
        say(
            Role::Assistant,
            vec![thought("Rome, then.", Some(foreign.clone())), call("c1", "Rome", Some(google))],
        ),
        say(Role::User, vec![result("c1", vec![Block::text("sunny")], false)]),
    ]);
    c.settings.reasoning = Some(Reasoning { effort: Some(Effort::XHigh), ..Reasoning::default() });
    request("thinking", &c, "gemini-3.1-pro-preview", Platform::GeminiApi);
    let enabled = Some(true);
    c.settings.reasoning = Some(Reasoning { enabled, budget: Some(50_000), ..Reasoning::default() });
    request("thinking-budget", &c, "gemini-2.5-flash", Platform::GeminiApi);
    reply(
        "thinking",
        &answer(vec![thought("Rome.", Some(foreign)), call("c1", "Rome", None)], StopReason::ToolUse),
    );
}

#[test]
fn structured_output() {
    let mut c = talk(vec![say(Role::User, vec![Block::text("A cat")])]);
    let schema =
        r#"{"type":"object","properties":{"kind":{"const":"cat"},"age":{"type":["integer","null"]}}}"#;
    c.settings.format = Some(Format::JsonSchema {
        name: Some("cat".into()),
        description: Some("A cat.".into()),
        schema: Raw::parse(schema).unwrap(),
        strict: Some(true),
    });
    request("structured", &c, "gemini-2.5-flash", Platform::GeminiApi);
    let mut losses = Losses::default();
    let options = Options { json_schema: false, ..Options::default() };
    let text = pretty(&gemini::encode_request(&c, "gemini-2.0-flash", &options, &mut losses));
    assert_eq!(losses, Losses::default());
    golden("request-structured-openapi.txt", &text);
}

#[test]
fn sources() {
    let citation = Citation {
        url: Some("https://a.example".into()),
        title: Some("A".into()),
        cited_text: None,
        range: Some((4, 11)),
        raw: None,
    };
    let text =
        Block::new(Body::Text { text: "Äh, it rains.".into(), citations: vec![citation], signature: None });
    reply("sources", &answer(vec![text], StopReason::End));
}

#[test]
fn refusals() {
    reply("refusal", &answer(vec![Block::new(Body::Refusal("I cannot.".into()))], StopReason::Refusal));
    let mut s = stop(StopReason::ContentFilter);
    s.detail = Some("jailbreak detected".into());
    reply("blocked", &Reply { id: "up-1".into(), blocked: Some(s), ..Reply::default() });
}

#[test]
fn errors() {
    let start = StreamEvent::Start { id: String::new(), model: "m".into(), created: None };
    let error = StreamEvent::Error(UpstreamError {
        kind: Some("overloaded_error".into()),
        message: Some("Overloaded".into()),
        ..UpstreamError::default()
    });
    golden("stream-error.sse", &encode(&[start.clone(), error.clone()], Framing::Sse));
    golden("stream-error.json", &encode(&[start, error], Framing::Array));
}
