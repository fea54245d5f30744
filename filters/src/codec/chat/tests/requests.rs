//! Requests: what is refused, what is kept, what is lost.

use super::*;
use crate::ir::block::{Block, Body, CacheTtl, ToolResult};
use crate::ir::settings::Effort;
use crate::ir::tool::{ToolBody, ToolChoice};
use crate::ir::{Message, Role};

#[test]
fn wrong_requests_name_the_field() {
    let one = |messages: &str| format!(r#"{{"model":"m","messages":[{messages}]}}"#);
    for (body, field) in [
        ("".to_owned(), ""),
        ("[1]".to_owned(), ""),
        (r#"{"messages":[]}"#.to_owned(), "model"),
        (r#"{"model":"m"}"#.to_owned(), "messages"),
        (r#"{"model":"m","messages":[]}"#.to_owned(), "messages"),
        (r#"{"model":"m","messages":"hi"}"#.to_owned(), "messages"),
        (one("5"), "messages[0]"),
        (one(r#"{"role":"robot","content":"x"}"#), "messages[0].role"),
        (one(r#"{"role":"user"}"#), "messages[0].content"),
        (one(r#"{"role":"user","content":5}"#), "messages[0].content"),
        (one(r#"{"role":"user","content":[{"text":"x"}]}"#), "messages[0].content[0].type"),
        (one(r#"{"role":"user","content":[{"type":"text"}]}"#), "messages[0].content[0].text"),
        (one(r#"{"role":"user","content":[{"type":"image_url","image_url":{}}]}"#), "messages[0].content[0].image_url.url"),
        (one(r#"{"role":"user","content":"x"},{"role":"tool","content":"x"}"#), "messages[1].tool_call_id"),
        (one(r#"{"role":"assistant","tool_calls":[{"id":"a","type":"function"}]}"#), "messages[0].tool_calls[0].function"),
        (one(r#"{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f"}}]}"#), "messages[0].tool_calls[0].id"),
        (r#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":"hot"}"#.to_owned(), "temperature"),
        (r#"{"model":"m","messages":[{"role":"user","content":"x"}],"n":-1}"#.to_owned(), "n"),
        (r#"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":1e400}"#.to_owned(), ""),
        (r#"{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{}}]}"#.to_owned(), "tools[0].function.name"),
        (r#"{"model":"m","messages":[{"role":"user","content":"x"}],"tool_choice":"maybe"}"#.to_owned(), "tool_choice"),
        (r#"{"model":"m","messages":[{"role":"user","content":"x"}],"reasoning_effort":"huge"}"#.to_owned(), "reasoning_effort"),
        (r#"{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"xml"}}"#.to_owned(), "response_format.type"),
    ] {
        let e = decode_request(body.as_bytes()).map(|_| ()).expect_err(&body);
        assert_eq!(e.field, field, "{body}: {e}");
        assert!(!e.why.is_empty());
    }
    // However deep.
    for deep in ["[".repeat(100_000), r#"{"a":"#.repeat(100_000)] {
        assert!(decode_request(deep.as_bytes()).is_err());
        assert!(decode_reply(deep.as_bytes()).is_err());
    }
}

/// What has no name stays, and is a loss.
#[test]
fn unknown_fields_stay() {
    let c = asked(
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x","odd":1},{"type":"hologram","data":[1.50]}],"weight":2}],
        "prediction":{"type":"content","content":"x"},"moderation":{"model":"o"},"stream_options":{"include_obfuscation":false},
        "tools":[{"type":"function","function":{"name":"f","tested":true}},{"type":"file_search","vector":1}]}"#,
    );
    let paths: Vec<_> = c.extra.iter().map(|(p, _)| p.as_str()).collect();
    assert_eq!(
        paths,
        [
            "messages[0].weight",
            "messages[0].content[0].odd",
            "stream_options.include_obfuscation",
            "prediction",
            "moderation"
        ]
    );
    let Body::Opaque { name, raw, .. } = &c.messages[0].content[1].body else { panic!() };
    assert_eq!((name.as_str(), raw.text()), ("hologram", r#"{"type":"hologram","data":[1.50]}"#));
    assert_eq!(c.tools[0].extra[0].0, "tested");
    assert!(matches!(&c.tools[1].body, ToolBody::Server { raw, .. } if raw.text().contains("vector")));
    let (_, losses) = told(&c, &ChatOptions::openai());
    let serious: Vec<_> = losses.0.iter().filter(|l| !l.harmless).map(|l| l.field.as_str()).collect();
    assert_eq!(
        serious,
        [
            "messages[0].content[1]",
            "tools[0].tested",
            "tools[1]",
            "messages[0].weight",
            "messages[0].content[0].odd",
            "moderation"
        ]
    );
}

/// `functions`, `function_call`, and messages of the role `function`.
#[test]
fn the_form_before_tools() {
    let c = asked(
        r#"{"model":"m","functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"},"messages":[
        {"role":"user","content":"x"},{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
        {"role":"function","name":"f","content":"ok"}]}"#,
    );
    assert_eq!(c.tool_choice, Some(ToolChoice::Named("f".to_owned())));
    let Body::ToolCall(call) = &c.messages[1].content[0].body else { panic!() };
    let Body::ToolResult(result) = &c.messages[2].content[0].body else { panic!() };
    assert_eq!(call.id, result.call_id);
    let (json, losses) = told(&c, &ChatOptions::openai());
    assert_eq!(losses, Losses::default());
    assert_eq!(json["messages"][2]["role"], "tool");
    // Its client gets the old form back.
    let x = EncodeReply::of(&c, "id", 1);
    let r = decode_reply(
        br#"{"id":"1","choices":[{"message":{"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#,
    )
    .unwrap();
    let json: Value = serde_json::from_slice(&encode_reply(&r, &x)).unwrap();
    assert_eq!(json["choices"][0]["message"]["function_call"]["name"], "f");
    assert_eq!(json["choices"][0]["finish_reason"], "function_call");
    let text = String::from_utf8(sse(&laws::stream_of(&r), &x)).unwrap();
    assert!(text.contains(r#""function_call":{"name":"f","arguments":""}"#), "{text}");
    assert!(!text.contains("tool_calls"));
}

/// Results with pictures and failures.
#[test]
fn results_with_media_and_errors() {
    let media = Body::Image(crate::ir::Media {
        mime: Some("image/png".to_owned()),
        source: crate::ir::Source::Base64("QUJD".to_owned()),
        name: None,
        detail: None,
        context: None,
        citations: false,
    });
    let result = |call_id: &str, content, is_error| {
        Block::new(Body::ToolResult(ToolResult {
            call_id: call_id.to_owned(),
            content,
            is_error,
            ..ToolResult::default()
        }))
    };
    let content = vec![
        result("a", vec![Block::text("seen"), Block::new(media)], false),
        result("b", vec![Block::text("it broke")], true),
        result("c", vec![Block::text("TypeError: x")], true),
        result("d", Vec::new(), true),
        Block::text("go on"),
    ];
    let c = Conversation { messages: vec![Message::new(Role::User, content)], ..Conversation::default() };
    let (json, losses) = told(&c, &ChatOptions::openai());
    assert_eq!(losses, Losses::default());
    let m = json["messages"].as_array().unwrap();
    let texts: Vec<_> = m.iter().map(|m| m["content"].as_str().unwrap_or("-")).collect();
    assert_eq!(texts, ["seen", "Error: it broke", "TypeError: x", "Error", "-"]);
    assert_eq!(m[4]["content"][1]["image_url"]["url"], "data:image/png;base64,QUJD");
    assert_eq!(m[4]["content"][2]["text"], "go on");
    let (json, _) = told(&c, &ChatOptions::openrouter());
    assert_eq!(json["messages"][0]["content"][1]["type"], "image_url");
}

/// Each server's words for one request.
#[test]
fn words_of_each_server() {
    let c = asked(
        r#"{"model":"m","max_tokens":9,"seed":3,"top_k":5,"reasoning_effort":"high","user":"u","store":true,"metadata":{"a":"b"},
        "tool_choice":"required","stream":true,"parallel_tool_calls":false,
        "tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}],
        "messages":[{"role":"developer","content":"d"},{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]}"#,
    );
    assert_eq!(c.messages[1].content[0].cache, Some(CacheTtl::Hour));
    let (j, losses) = told(&c, &ChatOptions::openai());
    assert_eq!(
        (&j["max_completion_tokens"], &j["seed"], &j["messages"][0]["role"]),
        (&9.into(), &3.into(), &"developer".into())
    );
    assert_eq!((&j["metadata"]["a"], &j["reasoning_effort"]), (&"b".into(), &"high".into()));
    assert_eq!(j["stream_options"]["include_usage"], true);
    let fields: Vec<_> = losses.0.iter().map(|l| (l.field.as_str(), l.harmless)).collect();
    assert_eq!(fields, [("messages[1].content[0].cache_control", true), ("top_k", false)]);
    let (j, _) = told(&c, &ChatOptions::mistral());
    assert_eq!(
        (&j["max_tokens"], &j["random_seed"], &j["messages"][0]["role"]),
        (&9.into(), &3.into(), &"system".into())
    );
    assert_eq!(j["tool_choice"], "any");
    assert!(j.get("stream_options").is_none() && j.get("user").is_none() && j.get("seed").is_none());
    let (j, _) = told(&c, &ChatOptions::openrouter());
    assert_eq!((&j["top_k"], &j["reasoning"]["effort"]), (&5.into(), &"high".into()));
    assert_eq!(j["messages"][1]["content"][0]["cache_control"]["ttl"], "1h");
    let (j, losses) = told(&c, &ChatOptions::deepseek());
    assert_eq!((&j["thinking"]["type"], &j["messages"][1]["content"]), (&"enabled".into(), &"x".into()));
    assert!(losses.0.iter().any(|l| l.field == "reasoning" && l.harmless));
}

/// Azure's dated versions refuse what is not in their specification, even `"store":false`.
#[test]
fn azures_dated_versions_are_told_what_they_know() {
    let c = asked(
        r#"{"model":"m","max_tokens":9,"reasoning_effort":"high","user":"u","store":false,"verbosity":"low",
        "service_tier":"auto","prompt_cache_key":"k","parallel_tool_calls":false,"stream":true,
        "tools":[{"type":"function","function":{"name":"f"}}],"messages":[{"role":"developer","content":"d"},
          {"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}]}]}"#,
    );
    let told = |version: &str| {
        let (json, losses) = told(&c, &ChatOptions::azure(version));
        let mut names: Vec<String> = json.as_object().unwrap().keys().cloned().collect();
        names.sort();
        let role = json["messages"][0]["role"].as_str().unwrap().to_owned();
        let lost: Vec<_> = losses.0.iter().filter(|l| !l.harmless).map(|l| l.field.clone()).collect();
        let hints: Vec<_> = losses.0.iter().filter(|l| l.harmless).map(|l| l.field.clone()).collect();
        (names, role, lost, hints)
    };
    let document = "messages[1].content[0]";
    let always = ["service_tier", "verbosity", "prompt_cache_key"];
    let (names, role, lost, hints) = told("2024-10-21");
    let known =
        ["max_completion_tokens", "messages", "model", "parallel_tool_calls", "stream", "stream_options"];
    assert_eq!(names, [&known[..], &["tools", "user"]].concat());
    assert_eq!((role.as_str(), &lost[..]), ("system", &[document.to_owned()][..]));
    assert_eq!(hints, [&["reasoning"][..], &always].concat());
    let (names, role, _, hints) = told("2024-12-01-preview");
    assert!(names.contains(&"reasoning_effort".to_owned()), "{names:?}");
    assert_eq!((role.as_str(), &hints[..]), ("developer", &always.map(str::to_owned)[..]));
    let (names, _, lost, _) = told("2024-06-01");
    assert_eq!(names, ["max_tokens", "messages", "model", "stream", "tools", "user"]);
    assert_eq!(lost, [document, "parallel_tools"]);
}

/// Every way to ask for thoughts.
#[test]
fn ways_to_ask_for_thoughts() {
    let reasoning = |fields: &str| {
        asked(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{fields}}}"#))
            .settings
            .reasoning
    };
    assert_eq!(reasoning(r#""reasoning_effort":"low""#).unwrap().effort, Some(Effort::Low));
    let r = reasoning(r#""reasoning":{"max_tokens":2000,"exclude":true}"#).unwrap();
    assert_eq!((r.budget, r.summary.as_deref()), (Some(2000), Some("omitted")));
    let r = reasoning(r#""thinking":{"type":"enabled","budget_tokens":1024}"#).unwrap();
    assert_eq!((r.enabled, r.budget), (Some(true), Some(1024)));
    assert!(reasoning(r#""thinking":{"type":"adaptive"}"#).unwrap().adaptive);
    assert_eq!(reasoning(r#""reasoning_effort":null"#), None);
}

/// Tools of other kinds, and the choice among some.
#[test]
fn kinds_of_tools() {
    let c = asked(
        r#"{"model":"m","messages":[{"role":"user","content":"x"}],
        "tools":[{"type":"function","name":"flat","parameters":{"type":"object"}},
          {"type":"custom","custom":{"name":"sql","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}}}],
        "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"flat"}}]}},
        "web_search_options":{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"Rome"}}}}"#,
    );
    assert_eq!(c.tool_choice, Some(ToolChoice::Allowed { names: vec!["flat".to_owned()], required: true }));
    let ToolBody::Custom { format: Some(f) } = &c.tools[1].body else { panic!() };
    assert_eq!(f.text(), r#"{"type":"grammar","syntax":"lark","definition":"x"}"#);
    let ToolBody::Server { raw, .. } = &c.tools[2].body else { panic!() };
    assert_eq!(
        raw.text(),
        r#"{"type":"web_search","search_context_size":"low","user_location":{"type":"approximate","city":"Rome"}}"#
    );
    let (j, losses) = told(&c, &ChatOptions::openai());
    assert_eq!(losses, Losses::default());
    assert_eq!(j["tools"][1]["custom"]["format"]["grammar"]["syntax"], "lark");
    assert_eq!(j["web_search_options"]["user_location"]["approximate"]["city"], "Rome");
    assert_eq!(j["tool_choice"]["allowed_tools"]["tools"][0]["function"]["name"], "flat");
    // Where there is no such choice, the others are left out.
    let (j, losses) = told(&c, &ChatOptions::compatible());
    assert_eq!((j["tools"].as_array().unwrap().len(), &j["tool_choice"]), (1, &"required".into()));
    assert_eq!(losses.0.len(), 2, "{losses:?}");
}

/// Codex's namespaces: flat for the model, both names for the client.
#[test]
fn namespaces() {
    let tool = |name: &str, body| crate::ir::Tool {
        name: name.to_owned(),
        description: None,
        body,
        cache: None,
        extra: Vec::new(),
        at: Default::default(),
    };
    let inner = tool("read", ToolBody::Function { parameters: None, strict: None });
    let tools = vec![tool("fs", ToolBody::Namespace(vec![inner]))];
    let c = Conversation { tools, ..asked(r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#) };
    let (j, _) = told(&c, &ChatOptions::openai());
    assert_eq!(j["tools"][0]["function"]["name"], "fs__read");
    let mut call = crate::ir::block::ToolCall { name: "fs__read".to_owned(), ..Default::default() };
    restore_namespace(&mut call, &c.tools);
    assert_eq!((call.namespace.as_deref(), call.name.as_str()), (Some("fs"), "read"));
}

/// Every setting is told or noted, by whatever dialect it came.
#[test]
fn settings_of_other_dialects() {
    use crate::ir::settings::{Format, Reasoning, Settings};
    let settings = Settings {
        top_k: Some(5),
        logprobs: Some(true),
        top_logprobs: Some(2),
        logit_bias: Some(crate::ir::Raw::parse("{}").unwrap()),
        reasoning: Some(Reasoning {
            budget: Some(20_000),
            summary: Some("auto".to_owned()),
            ..Reasoning::default()
        }),
        format: Some(Format::JsonSchema {
            name: None,
            description: None,
            schema: crate::ir::Raw::parse("{}").unwrap(),
            strict: None,
        }),
        verbosity: Some("low".to_owned()),
        service_tier: Some("standard_only".to_owned()),
        user: Some("u".to_owned()),
        metadata: vec![("a".to_owned(), "b".to_owned())],
        cache_key: Some("k".to_owned()),
        cache_retention: Some("24h".to_owned()),
        store: Some(true),
        previous_response: Some("resp_1".to_owned()),
        background: Some(true),
        encrypted_reasoning: true,
        ..Settings::default()
    };
    let c = Conversation { settings, ..asked(r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#) };
    let lost = |o: &ChatOptions, harmless: bool| {
        let (_, losses) = told(&c, o);
        let fields = losses.0.into_iter().filter(|l| l.harmless == harmless).map(|l| l.field);
        fields.collect::<Vec<_>>()
    };
    assert_eq!(lost(&ChatOptions::openai(), false), ["top_k", "previous_response_id", "background"]);
    assert_eq!(lost(&ChatOptions::openai(), true), ["reasoning.summary", "include"]);
    assert_eq!(
        lost(&ChatOptions::mistral(), false),
        ["top_k", "logprobs", "top_logprobs", "logit_bias", "previous_response_id", "background"]
    );
    let (json, _) = told(&c, &ChatOptions::openai());
    assert_eq!((&json["service_tier"], &json["reasoning_effort"]), (&"default".into(), &"high".into()));
    assert!(lost(&ChatOptions::deepseek(), false).contains(&"format".to_owned()));
    assert_eq!(
        lost(&ChatOptions::compatible(), true),
        [
            "reasoning.summary",
            "service_tier",
            "verbosity",
            "prompt_cache_key",
            "prompt_cache_retention",
            "store",
            "metadata",
            "include"
        ]
    );
}
