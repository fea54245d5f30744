//! Conversations of other dialects, brought into the form that the model takes.

use super::*;
use crate::ir::block::{Body, CallKind, ServerKind, Thinking, ToolCall, ToolResult};
use crate::ir::settings::{Effort, Format, Reasoning};
use crate::ir::tool::ToolBody;
use crate::ir::{
    Block, Conversation, Losses, Media, Message, Origin, Raw, Role, Settings, Signature, Source, Spot, Tool,
    ToolChoice,
};
use serde_json::json;

const OLD: &str = "claude-sonnet-4-5";
const NEW: &str = "claude-opus-4-8";

fn said(role: Role, body: Body) -> Message {
    Message::new(role, vec![Block::new(body)])
}

fn text(role: Role, t: &str) -> Message {
    Message::new(role, vec![Block::text(t)])
}

fn call(id: &str) -> Body {
    Body::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: "{}".into(),
        ..ToolCall::default()
    })
}

fn result(id: &str) -> Body {
    Body::ToolResult(ToolResult {
        call_id: id.into(),
        content: vec![Block::text("r")],
        ..ToolResult::default()
    })
}

fn thought(origin: Origin) -> Body {
    Body::Thinking(Thinking {
        text: "t".into(),
        signature: Some(Signature::new(origin, "s")),
        ..Thinking::default()
    })
}

fn function(name: &str) -> Tool {
    Tool {
        name: name.into(),
        description: None,
        body: ToolBody::Function { parameters: None, strict: None },
        cache: None,
        extra: Vec::new(),
        at: Spot::default(),
    }
}

fn thinks(effort: Effort) -> Settings {
    Settings {
        reasoning: Some(Reasoning { effort: Some(effort), ..Reasoning::default() }),
        ..Settings::default()
    }
}

fn asks(settings: Settings) -> Conversation {
    Conversation { messages: vec![text(Role::User, "hi")], settings, ..Conversation::default() }
}

/// The body, and the losses: fields and whether they are harmless.
fn encode(c: &Conversation, model: &str) -> (Value, Vec<(String, bool)>) {
    let mut losses = Losses::default();
    let body = encode_request(c, model, &RequestOptions::default(), &mut losses);
    (serde_json::from_slice(&body).unwrap(), losses.0.into_iter().map(|l| (l.field, l.harmless)).collect())
}

fn lost(field: &str, harmless: bool) -> (String, bool) {
    (field.to_owned(), harmless)
}

#[test]
fn effort_becomes_what_the_model_takes() {
    for (effort, model, thinking, config, max) in [
        (Effort::Low, OLD, json!({"type": "enabled", "budget_tokens": 1024}), Value::Null, 8192),
        (Effort::High, OLD, json!({"type": "enabled", "budget_tokens": 16384}), Value::Null, 8192 + 16384),
        (Effort::None, OLD, json!({"type": "disabled"}), Value::Null, 8192),
        (Effort::Minimal, NEW, json!({"type": "adaptive"}), json!({"effort": "low"}), 8192),
        (Effort::XHigh, NEW, json!({"type": "adaptive"}), json!({"effort": "xhigh"}), 8192),
        (Effort::XHigh, "claude-opus-4-6", json!({"type": "adaptive"}), json!({"effort": "high"}), 8192),
        (
            Effort::Medium,
            "claude-opus-4-5",
            json!({"type": "enabled", "budget_tokens": 4096}),
            json!({"effort": "medium"}),
            8192,
        ),
    ] {
        let (got, losses) = encode(&asks(thinks(effort)), model);
        assert_eq!((&got["thinking"], &got["output_config"]), (&thinking, &config), "{effort:?} {model}");
        assert_eq!((got["max_tokens"].as_u64(), losses), (Some(max), vec![]));
    }
    for (model, effort, losses) in [
        ("claude-3-5-haiku-latest", Effort::High, vec![lost("reasoning", true)]),
        ("claude-3-5-haiku-latest", Effort::None, vec![]),
        ("claude-opus-4-7", Effort::None, vec![]),
        ("claude-fable-5", Effort::None, vec![lost("reasoning", true)]),
    ] {
        let (got, lost) = encode(&asks(thinks(effort)), model);
        assert_eq!((got.get("thinking"), lost), (None, losses), "{model}");
    }
    // Gemini's budget for a model that takes none.
    let budget = Reasoning { budget: Some(9_000), summary: Some("auto".into()), ..Reasoning::default() };
    let (got, _) = encode(&asks(Settings { reasoning: Some(budget), ..Settings::default() }), NEW);
    assert_eq!(got["thinking"], json!({"type": "adaptive", "display": "summarized"}));
    assert_eq!(got["output_config"], json!({"effort": "high"}));
}

#[test]
fn a_budget_fits_into_the_limit() {
    for (max, thinking, harmless) in [
        (20_000, json!({"type": "enabled", "budget_tokens": 16384}), None),
        (10_000, json!({"type": "enabled", "budget_tokens": 5000}), Some("reasoning")),
        (1_500, json!({"type": "enabled", "budget_tokens": 1024}), Some("reasoning")),
        (1_024, json!({"type": "disabled"}), Some("reasoning")),
    ] {
        let settings = Settings { max_tokens: Some(max), ..thinks(Effort::High) };
        let (got, losses) = encode(&asks(settings), OLD);
        assert_eq!((&got["thinking"], got["max_tokens"].as_u64()), (&thinking, Some(max)));
        assert_eq!(losses, harmless.map(|f| lost(f, true)).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_forced_tool_stops_manual_thinking_only() {
    let mut c = asks(thinks(Effort::High));
    c.tools = vec![function("f")];
    c.tool_choice = Some(ToolChoice::Required);
    let (got, losses) = encode(&c, OLD);
    assert_eq!((&got["thinking"], losses), (&json!({"type": "disabled"}), vec![lost("reasoning", true)]));
    assert_eq!(got["tool_choice"], json!({"type": "any"}));
    let (got, losses) = encode(&c, NEW);
    assert_eq!((&got["thinking"], losses), (&json!({"type": "adaptive"}), vec![]));
}

/// "When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost
/// set of `tool_use` and `tool_result` blocks). […] To avoid this requirement, disable `thinking`."
#[test]
fn a_tool_loop_begun_without_a_thought_goes_on_without() {
    let loop_of = |first: Vec<Block>| Conversation {
        messages: vec![
            text(Role::User, "hi"),
            Message::new(Role::Assistant, first),
            said(Role::User, result("a")),
        ],
        settings: thinks(Effort::High),
        tools: vec![function("f")],
        ..Conversation::default()
    };
    let off = json!({"type": "disabled"});
    let (got, losses) = encode(&loop_of(vec![Block::new(call("a"))]), OLD);
    assert_eq!((&got["thinking"], losses), (&off, vec![lost("reasoning", true)]));
    // Another provider's thought is none here, and is not sent.
    let foreign = vec![Block::new(thought(Origin::OpenAi)), Block::new(call("a"))];
    let (got, losses) = encode(&loop_of(foreign), OLD);
    assert_eq!((&got["thinking"], losses), (&off, vec![lost("messages", true), lost("reasoning", true)]));
    assert_eq!(got["messages"][1]["content"].as_array().unwrap().len(), 1);
    let own = vec![Block::new(thought(Origin::Anthropic)), Block::new(call("a"))];
    let (got, losses) = encode(&loop_of(own), OLD);
    assert_eq!((&got["thinking"]["type"], losses), (&json!("enabled"), vec![]));
    let (got, losses) = encode(&loop_of(vec![Block::new(call("a"))]), NEW);
    assert_eq!((&got["thinking"], losses), (&json!({"type": "adaptive"}), vec![]));
    // A finished turn demands nothing.
    let mut done = loop_of(vec![Block::new(call("a"))]);
    done.messages.extend([text(Role::Assistant, "done"), text(Role::User, "next")]);
    assert_eq!(encode(&done, OLD).0["thinking"]["type"], "enabled");
}

#[test]
fn sampling_is_what_the_model_takes() {
    let of = |temperature, top_p, top_k| Settings { temperature, top_p, top_k, ..Settings::default() };
    let (got, losses) = encode(&asks(of(Some(0.5), None, Some(4))), OLD);
    assert_eq!((&got["temperature"], &got["top_k"], losses), (&json!(0.5), &json!(4), vec![]));
    // The defaults mean nothing and are always left out.
    for model in [OLD, NEW] {
        let (got, losses) = encode(&asks(of(Some(1.0), Some(1.0), None)), model);
        assert_eq!((got.get("temperature"), got.get("top_p"), losses), (None, None, vec![]));
    }
    let (got, losses) = encode(&asks(of(Some(1.7), None, None)), OLD);
    assert_eq!((got.get("temperature"), losses), (None, vec![lost("temperature", false)]));
    let (got, losses) = encode(&asks(of(Some(0.5), Some(0.5), None)), OLD);
    assert_eq!((got.get("top_p"), losses), (None, vec![lost("top_p", false)]));
    assert_eq!(encode(&asks(of(Some(0.5), Some(0.5), None)), "claude-3-haiku-20240307").1, []);
    let all = [lost("temperature", false), lost("top_k", false), lost("top_p", false)];
    assert_eq!(encode(&asks(of(Some(0.5), Some(0.99), Some(4))), NEW).1, all);
    let thinking =
        Settings { reasoning: thinks(Effort::Low).reasoning, ..of(Some(0.5), Some(0.96), Some(4)) };
    let (got, losses) = encode(&asks(thinking), OLD);
    assert_eq!((&got["top_p"], losses), (&json!(0.96), all[..2].to_vec()));
}

#[test]
fn instructions_in_mid_conversation_keep_their_place() {
    let c = Conversation {
        messages: vec![
            text(Role::System, "a"),
            text(Role::Developer, "b"),
            text(Role::User, "hi"),
            text(Role::Developer, "c"),
            text(Role::Assistant, "ho"),
            text(Role::System, "d"),
            text(Role::User, "hi"),
        ],
        ..Conversation::default()
    };
    let (got, losses) = encode(&c, NEW);
    assert_eq!(got["system"], json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]));
    let roles = |v: &Value| -> Vec<String> {
        let list = v["messages"].as_array().unwrap();
        list.iter().map(|m| m["role"].as_str().unwrap().to_owned()).collect()
    };
    // Right behind a user's turn they may stand, behind an assistant's not.
    assert_eq!(roles(&got), ["user", "system", "assistant", "user", "user"]);
    assert_eq!(losses, [lost("messages.role", true)]);
    let (got, losses) = encode(&c, OLD);
    assert_eq!(roles(&got), ["user", "user", "assistant", "user", "user"]);
    assert_eq!(losses.len(), 2);
}

#[test]
fn results_come_first_and_in_one_message() {
    let c = Conversation {
        messages: vec![
            text(Role::User, "hi"),
            said(Role::Assistant, thought(Origin::Anthropic)),
            said(Role::Assistant, Body::Text { text: "ho".into(), citations: vec![], signature: None }),
            said(Role::Assistant, call("a b")),
            said(Role::Assistant, call("")),
            said(Role::User, result("a b")),
            text(Role::User, "and"),
            said(Role::User, result("")),
            text(Role::User, "  "),
            text(Role::Assistant, "so "),
        ],
        tools: vec![function("f")],
        ..Conversation::default()
    };
    let (got, losses) = encode(&c, OLD);
    let kinds = |n: usize| -> Vec<String> {
        let list = got["messages"][n]["content"].as_array().unwrap();
        list.iter().map(|b| b["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(got["messages"].as_array().unwrap().len(), 4);
    assert_eq!(kinds(1), ["thinking", "text", "tool_use", "tool_use"]);
    assert_eq!(kinds(2), ["tool_result", "tool_result", "text"]);
    // Ids that the API would refuse are changed on both sides.
    for (use_id, result_id) in [(2, 0), (3, 1)] {
        assert_eq!(
            got["messages"][1]["content"][use_id]["id"],
            got["messages"][2]["content"][result_id]["tool_use_id"]
        );
    }
    assert_eq!(got["messages"][1]["content"][2]["id"], "a_b");
    // What the model goes on with may not end in white space.
    assert_eq!(got["messages"][3]["content"], "so");
    assert_eq!(losses, []);
}

#[test]
fn arguments_are_always_an_object() {
    use super::super::say::input;
    for (arguments, kind, want) in [
        (r#"{"a":1.50}"#, CallKind::Function, r#"{"a":1.50}"#),
        ("", CallKind::Function, "{}"),
        (r#"{"a":"#, CallKind::Function, r#"{"INVALID_JSON":"{\"a\":"}"#),
        ("[1]", CallKind::Function, r#"{"INVALID_JSON":"[1]"}"#),
        ("free", CallKind::Custom, r#"{"input":"free"}"#),
    ] {
        assert_eq!(input(arguments, kind), want);
    }
}

#[test]
fn tools_of_others() {
    let server = |kind, origin, raw: Value| Tool {
        name: raw["type"].as_str().unwrap_or("googleSearch").to_owned(),
        body: ToolBody::Server { kind, origin, raw: Raw::of(&raw).unwrap() },
        at: Spot::new("tools[1]"),
        ..function("")
    };
    let search = json!({"type": "web_search", "search_context_size": "low", "filters": {"allowed_domains": ["a.de"]},
        "user_location": {"type": "approximate", "country": "DE"}});
    let mut c = asks(Settings { parallel_tools: Some(false), ..Settings::default() });
    c.tools = vec![
        server(ServerKind::WebSearch, Origin::OpenAi, search),
        server(ServerKind::WebSearch, Origin::Google, json!({"googleSearch": {}})),
        server(ServerKind::Other, Origin::OpenAi, json!({"type": "file_search"})),
        Tool { body: ToolBody::Custom { format: None }, ..function("patch") },
        Tool { extra: vec![("x".into(), Raw::of(&1).unwrap())], at: Spot::new("tools[4]"), ..function("f") },
        Tool { body: ToolBody::Namespace(vec![]), ..function("ns") },
    ];
    c.tool_choice = Some(ToolChoice::Server("web_search_preview".into()));
    let (got, losses) = encode(&c, OLD);
    assert_eq!(
        got["tools"],
        json!([
            {"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.de"],
                "user_location": {"type": "approximate", "country": "DE"}},
            {"type": "web_search_20250305", "name": "web_search"},
            {"name": "f", "input_schema": {"type": "object", "properties": {}}},
        ])
    );
    assert_eq!(
        got["tool_choice"],
        json!({"type": "tool", "name": "web_search", "disable_parallel_tool_use": true})
    );
    assert_eq!(
        losses,
        [
            lost("tools[1]", false),
            lost("tools", false),
            lost("tools", false),
            lost("tools[1].search_context_size", true),
            lost("tools[4].x", false),
        ]
    );
    c.tools = vec![function("a"), function("b"), function("c")];
    for (names, required, sent, choice) in [
        (vec!["a", "b"], true, 2, json!({"type": "any"})),
        (vec!["b"], true, 1, json!({"type": "tool", "name": "b"})),
        (vec!["b"], false, 1, json!({"type": "auto"})),
    ] {
        let names = names.into_iter().map(str::to_owned).collect();
        c.tool_choice = Some(ToolChoice::Allowed { names, required });
        c.settings.parallel_tools = None;
        let (got, losses) = encode(&c, OLD);
        assert_eq!((got["tools"].as_array().unwrap().len(), &got["tool_choice"]), (sent, &choice));
        assert_eq!(losses, []);
    }
    c.tools = vec![];
    c.tool_choice = Some(ToolChoice::Required);
    assert_eq!(encode(&c, OLD).1, [lost("tool_choice", false)]);
}

#[test]
fn media_that_cannot_be_said() {
    let media = |mime: Option<&str>, source| Media {
        mime: mime.map(str::to_owned),
        source,
        name: None,
        detail: Some("high".into()),
        context: None,
        citations: false,
    };
    let data = |d: &str| Source::Base64(d.into());
    let foreign = Source::File { origin: Origin::OpenAi, id: "file-1".into() };
    let user = |body| Conversation {
        messages: vec![Message::new(
            Role::User,
            vec![Block::text("hi"), Block::new(body).at(Spot::new("m[0]"))],
        )],
        ..Conversation::default()
    };
    for (body, field, harmless) in [
        (Body::Image(media(Some("image/tiff"), data("x"))), "m[0]", false),
        (Body::Image(media(None, Source::Url("gs://a/b".into()))), "m[0]", false),
        (Body::Image(media(None, foreign.clone())), "m[0]", false),
        (Body::Document(media(None, foreign)), "m[0]", false),
        (Body::Document(media(Some("application/zip"), data("x"))), "m[0]", false),
        (Body::Audio(media(Some("audio/wav"), data("x"))), "m[0]", false),
        (Body::Video(media(Some("video/mp4"), data("x"))), "m[0]", false),
        // Only its detail.
        (Body::Image(media(Some("image/jpg"), data("x"))), "m[0].detail", true),
    ] {
        assert_eq!(encode(&user(body), OLD).1, [lost(field, harmless)]);
    }
    // A text that came as base64 is said as text.
    let (got, _) = encode(&user(Body::Document(media(Some("text/markdown"), data("IyBoaQ==")))), OLD);
    assert_eq!(
        got["messages"][0]["content"][1]["source"],
        json!({"type": "text", "media_type": "text/plain", "data": "# hi"})
    );
}

#[test]
fn no_setting_is_dropped_in_silence() {
    let s = Settings {
        n: Some(2),
        seed: Some(1),
        logprobs: Some(true),
        top_logprobs: Some(3),
        presence_penalty: Some(0.5),
        frequency_penalty: Some(0.5),
        logit_bias: Some(Raw::parse(r#"{"1":2}"#).unwrap()),
        format: Some(Format::JsonObject),
        verbosity: Some("low".into()),
        service_tier: Some("flex".into()),
        user: Some("u".into()),
        metadata: vec![("a".into(), "b".into())],
        cache_key: Some("k".into()),
        cache_retention: Some("24h".into()),
        modalities: vec!["text".into(), "audio".into()],
        audio: Some(Raw::parse("{}").unwrap()),
        store: Some(true),
        previous_response: Some("resp_1".into()),
        background: Some(true),
        stop: vec!["x".into(), "\n".into()],
        ..Settings::default()
    };
    let mut c = asks(s);
    c.messages[0].name = Some("bob".into());
    c.extra = vec![
        ("web_search_options".into(), Raw::parse("{}").unwrap()),
        ("prediction".into(), Raw::parse("{}").unwrap()),
    ];
    let (got, losses) = encode(&c, OLD);
    assert_eq!((&got["metadata"]["user_id"], &got["stop_sequences"]), (&json!("u"), &json!(["x"])));
    let of = |h: bool| losses.iter().filter(|l| l.1 == h).map(|l| l.0.as_str()).collect::<Vec<_>>();
    assert_eq!(
        of(false),
        [
            "n",
            "seed",
            "logprobs",
            "top_logprobs",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "modalities",
            "audio",
            "previous_response",
            "background",
            "format",
            "stop",
            "web_search_options"
        ]
    );
    assert_eq!(
        of(true),
        [
            "messages.name",
            "verbosity",
            "metadata",
            "cache_key",
            "cache_retention",
            "store",
            "service_tier",
            "prediction"
        ]
    );
}

/// Everything is linear: a body of a few megabytes that is all unknown members, carriers or bound turns must not
/// keep a core busy.
#[test]
fn many_small_things_take_little_time() {
    let many = |one: &dyn Fn(usize) -> String| (0..20_000).map(one).collect::<Vec<_>>().join(",");
    let unknown = many(&|i| format!(r#"{{"type":"text","text":"x","q":{i}}}"#));
    let calls = many(&|i| format!(r#"{{"type":"tool_use","id":"c{i}","name":"f","input":{{}}}}"#));
    let carriers = many(&|i| {
        let signature =
            super::super::carrier::of_call(&Signature::new(Origin::Google, "s"), &format!("c{}", 20_000 - i));
        format!(r#"{{"type":"thinking","thinking":"","signature":"{signature}"}}"#)
    });
    let texts = many(&|_| r#"{"type":"text","text":"x"}"#.into());
    let results = many(&|i| {
        format!(
            r#"{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"c{i}","content":"r"}}]}}"#
        )
    });
    let body = format!(
        r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"assistant","content":[{unknown}]}},
        {{"role":"assistant","content":[{calls},{carriers}]}},{{"role":"user","content":[{texts}]}},{results}]}}"#
    );
    let begun = std::time::Instant::now();
    let c = decode_request(body.as_bytes()).unwrap();
    encode_request(&c, OLD, &RequestOptions::default(), &mut Losses::default());
    // Quadratic, it takes minutes in a debug build.
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    eprintln!("{} bytes in {:?}", body.len(), begun.elapsed());
}
