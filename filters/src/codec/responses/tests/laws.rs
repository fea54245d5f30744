//! Laws that hold for whatever the format can say.

use super::*;
use crate::ir::block::{Body, CacheTtl, CallKind, Media, ServerKind, Source, Thinking, ToolCall, ToolResult};
use crate::ir::reply::{Stop, StopReason, Tokens, Usage};
use crate::ir::settings::{Effort, Format, Reasoning};
use crate::ir::stream::Delta;
use crate::ir::tool::{Tool, ToolBody, ToolChoice};
use crate::ir::{Block, Choice, Conversation, Losses, Message, Origin, Raw, Role, Settings, Signature, Spot};
use crate::testing::{any_json, any_text};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

fn raw(v: serde_json::Value) -> Raw {
    Raw::of(&v).unwrap()
}

fn any_raw() -> impl Strategy<Value = Raw> {
    any_json().prop_filter("null says nothing", |v| !v.is_null()).prop_map(raw)
}

fn word() -> impl Strategy<Value = String> {
    "[a-z]{1,6}"
}

fn any_media(image: bool) -> impl Strategy<Value = Media> {
    let source = prop_oneof![
        ("image/png|application/pdf", "[A-Za-z0-9+/]{0,8}").prop_map(|(m, b)| (Some(m), Source::Base64(b))),
        "https://[a-z]{1,8}/".prop_map(|u| (None, Source::Url(u))),
        "file-[a-z]{1,8}".prop_map(|id| (None, Source::File { origin: Origin::OpenAi, id })),
    ];
    (source, "[a-z]{1,8}\\.pdf").prop_map(move |((mime, source), name)| Media {
        mime,
        source,
        name: (!image).then_some(name),
        detail: image.then(|| "auto".to_owned()),
        context: None,
        citations: false,
    })
}

/// What stands in messages and tool outputs.
fn any_part() -> impl Strategy<Value = Block> {
    let body = prop_oneof![
        any_text().prop_map(|t| Block::text(t).body),
        any_media(true).prop_map(Body::Image),
        any_media(false).prop_map(Body::Document),
    ];
    let cache = of(prop_oneof![Just(CacheTtl::Default), Just(CacheTtl::Hour)]);
    (body, cache).prop_map(|(body, cache)| Block { cache, ..Block::new(body) })
}

fn any_call() -> impl Strategy<Value = ToolCall> {
    (word(), word(), of(word()), any_text(), any::<bool>()).prop_map(
        |(id, name, namespace, arguments, custom)| {
            // The ids say the kind: a result is of its call's kind.
            let (id, kind) = match custom {
                true => (format!("custom_{id}"), CallKind::Custom),
                false => (format!("call_{id}"), CallKind::Function),
            };
            ToolCall { id, name, namespace, arguments, kind, signature: None }
        },
    )
}

fn own_thought() -> impl Strategy<Value = Thinking> {
    (vec(any_text(), 0..3), of(word()), "[a-zA-Z0-9]{1,9}=").prop_map(|(summary, id, value)| Thinking {
        summary,
        signature: Some(Signature { id, ..Signature::new(Origin::OpenAi, value) }),
        ..Thinking::default()
    })
}

fn own_item() -> impl Strategy<Value = Body> {
    (0..3, any_raw()).prop_map(|(which, value)| {
        let item = |kind: &str| raw(serde_json::json!({"type": kind, "x": value.value()}));
        let origin = Origin::OpenAi;
        match which {
            0 => Body::Server { kind: ServerKind::WebSearch, origin, raw: item("web_search_call") },
            1 => Body::Server { kind: ServerKind::CodeExecution, origin, raw: item("code_interpreter_call") },
            _ => Body::Opaque { origin, name: "input item computer_call".into(), raw: item("computer_call") },
        }
    })
}

/// What a model of OpenAI's says.
fn own_block() -> impl Strategy<Value = Block> {
    prop_oneof![
        3 => any_text().prop_map(|t| Block::text(t).body),
        1 => any_text().prop_map(Body::Refusal),
        2 => any_call().prop_map(Body::ToolCall),
        2 => own_thought().prop_map(Body::Thinking),
        1 => own_item(),
    ]
    .prop_map(Block::new)
}

/// What another vendor's model says.
fn foreign_block() -> impl Strategy<Value = Block> {
    let signature = || word().prop_map(|v| Signature::new(Origin::Anthropic, v));
    prop_oneof![
        (any_text(), of(signature())).prop_map(|(text, signature)| {
            Body::Thinking(Thinking { text, signature, ..Thinking::default() })
        }),
        signature().prop_map(|s| Body::Thinking(Thinking {
            redacted: true,
            signature: Some(s),
            ..Thinking::default()
        })),
        (any_call(), signature()).prop_map(|(mut call, s)| {
            call.signature = Some(s);
            Body::ToolCall(call)
        }),
        (any_text(), signature()).prop_map(|(text, s)| Body::Text {
            text,
            citations: Vec::new(),
            signature: Some(s)
        }),
        (any_text(), any::<bool>()).prop_map(|(query, result)| {
            let input = if result { serde_json::json!({}) } else { serde_json::json!({"query": query}) };
            let raw = raw(serde_json::json!({"type": "server_tool_use", "input": input}));
            Body::Server { kind: ServerKind::WebSearch, origin: Origin::Anthropic, raw }
        }),
        any_raw().prop_map(|raw| Body::Opaque { origin: Origin::Google, name: "part".into(), raw }),
    ]
    .prop_map(Block::new)
}

fn any_message() -> impl Strategy<Value = Message> {
    let result = (any_call(), vec(any_part(), 1..3)).prop_map(|(call, content)| {
        let result = ToolResult { call_id: call.id, content, kind: call.kind, ..ToolResult::default() };
        Block::new(Body::ToolResult(result))
    });
    prop_oneof![
        (prop_oneof![Just(Role::User), Just(Role::Developer), Just(Role::System)], vec(any_part(), 0..3))
            .prop_map(|(role, content)| Message::new(role, content)),
        vec(own_block(), 1..5).prop_map(|content| Message::new(Role::Assistant, content)),
        vec(result, 1..3).prop_map(|content| Message::new(Role::User, content)),
    ]
}

/// Canonical: what one turn is, is one message.
fn join(messages: Vec<Message>) -> Vec<Message> {
    let results = |m: &Message| matches!(m.content.first().map(|b| &b.body), Some(Body::ToolResult(_)));
    let spoken = |b: Option<&Block>| matches!(b.map(|b| &b.body), Some(Body::Text { .. } | Body::Refusal(_)));
    let mut all: Vec<Message> = Vec::new();
    for m in messages {
        match all.last_mut() {
            Some(last)
                if (m.role == Role::Assistant
                    && last.role == m.role
                    && !(spoken(last.content.last()) && spoken(m.content.first())))
                    || (results(&m) && results(last)) =>
            {
                last.content.extend(m.content);
            }
            _ => all.push(m),
        }
    }
    all
}

fn any_tool() -> impl Strategy<Value = Tool> {
    let body = prop_oneof![
        (of(any_raw()), of(any::<bool>()))
            .prop_map(|(parameters, strict)| ToolBody::Function { parameters, strict }),
        of(any_raw()).prop_map(|format| ToolBody::Custom { format }),
    ];
    let plain =
        (word(), of(any_text()), body, of(any_raw())).prop_map(|(name, description, body, more)| Tool {
            name,
            description,
            body,
            cache: None,
            extra: more.into_iter().map(|v| ("defer_loading".to_owned(), v)).collect(),
            at: Spot::default(),
        });
    let plain = plain.boxed();
    prop_oneof![
        3 => plain.clone(),
        1 => (word(), vec(plain, 0..3)).prop_map(|(name, inner)| Tool {
            name,
            description: None,
            body: ToolBody::Namespace(inner),
            cache: None,
            extra: Vec::new(),
            at: Spot::default(),
        }),
        1 => any_raw().prop_map(|x| Tool {
            name: "web_search".into(),
            description: None,
            body: ToolBody::Server {
                kind: ServerKind::WebSearch,
                origin: Origin::OpenAi,
                raw: raw(serde_json::json!({"type": "web_search", "x": x.value()})),
            },
            cache: None,
            extra: Vec::new(),
            at: Spot::default(),
        }),
    ]
}

fn any_choice() -> impl Strategy<Value = ToolChoice> {
    // Capitals: no tool of these lists, so functions.
    prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        "[A-Z]{1,4}".prop_map(ToolChoice::Named),
        (vec("[A-Z]{1,4}", 0..3), any::<bool>())
            .prop_map(|(names, required)| ToolChoice::Allowed { names, required }),
    ]
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let number = || of((0..16_i32).prop_map(|n| f64::from(n) / 8.0));
    let effort = prop_oneof![Just(Effort::None), Just(Effort::Low), Just(Effort::Max)];
    let reasoning = (of(effort), of(word())).prop_map(|(effort, summary)| Reasoning {
        effort,
        summary,
        ..Reasoning::default()
    });
    let format = prop_oneof![
        Just(Format::Text),
        Just(Format::JsonObject),
        (word(), of(any_text()), any_raw(), of(any::<bool>())).prop_map(
            |(n, description, schema, strict)| {
                Format::JsonSchema { name: Some(n), description, schema, strict }
            }
        ),
    ];
    (
        (of(0..9_999_u64), number(), number(), of(0..20_u32), of(any::<bool>()), of(reasoning), of(format)),
        (of(word()), of(word()), of(word()), vec((word(), any_text()), 0..3), any::<bool>(), any::<bool>()),
        (of(any::<bool>()), of(any::<bool>()), of(word()), of(word()), any::<bool>()),
    )
        .prop_map(|(a, b, c)| Settings {
            max_tokens: a.0,
            temperature: a.1,
            top_p: a.2,
            top_logprobs: a.3,
            parallel_tools: a.4,
            reasoning: a.5,
            format: a.6,
            verbosity: b.0,
            service_tier: b.1,
            user: b.2,
            metadata: b.3,
            stream: b.4,
            stream_usage: b.4,
            logprobs: b.5.then_some(true),
            store: c.0,
            background: c.1,
            previous_response: c.2,
            cache_key: c.3,
            encrypted_reasoning: c.4,
            ..Settings::default()
        })
}

fn any_conversation() -> impl Strategy<Value = Conversation> {
    (word(), vec(any_message(), 0..6), vec(any_tool(), 0..4), of(any_choice()), any_settings()).prop_map(
        |(model, messages, tools, tool_choice, settings)| Conversation {
            model,
            messages: join(messages),
            tools,
            tool_choice,
            settings,
            extra: Vec::new(),
        },
    )
}

/// A tier that has the same name everywhere; those of other providers are told in OpenAI's words.
fn tier() -> impl Strategy<Value = String> {
    prop_oneof![Just("default".to_owned()), Just("flex".to_owned()), Just("priority".to_owned())]
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let block = prop_oneof![2 => own_block(), 1 => foreign_block()];
    (vec(block, 0..6), 0..4, (0..99_u64, 0..99_u64, 0..99_u64, 0..99_u64), of(tier())).prop_map(
        |(mut content, stop, n, service_tier)| {
            for b in &mut content {
                // Servers always give ids.
                if let Body::Thinking(Thinking { signature: Some(s), .. }) = &mut b.body
                    && s.origin == Origin::OpenAi
                {
                    s.id.get_or_insert("rs_1".into());
                }
            }
            let has = |is: fn(&Body) -> bool| content.iter().any(|b| is(&b.body));
            let reason = match stop {
                0 => StopReason::MaxTokens,
                1 => StopReason::ContentFilter,
                _ if has(|b| matches!(b, Body::ToolCall(_))) => StopReason::ToolUse,
                _ if has(|b| matches!(b, Body::Refusal(_))) => StopReason::Refusal,
                _ => StopReason::End,
            };
            let usage = Usage {
                input: n.0 + n.1,
                cached_input: n.0,
                cache_write: n.1,
                cache_write_1h: 0,
                output: n.2 + n.3,
                reasoning: n.3,
            };
            Reply {
                id: "resp_abc".into(),
                model: "alias".into(),
                created: Some(7),
                choices: vec![Choice {
                    content,
                    stop: Some(Stop { reason, ..Stop::default() }),
                    logprobs: None,
                }],
                tokens: Some(Tokens { usage, ..Tokens::default() }),
                service_tier,
                blocked: None,
            }
        },
    )
}

/// The answer as a stream, its texts cut into pieces of `n` characters.
fn events(r: &Reply, n: usize) -> Vec<StreamEvent> {
    let pieces = |t: &str| {
        let all: Vec<char> = t.chars().collect();
        all.chunks(n).map(|c| c.iter().collect::<String>()).collect::<Vec<_>>()
    };
    let mut out = vec![StreamEvent::Start { id: r.id.clone(), model: r.model.clone(), created: r.created }];
    for (index, block) in (0..).zip(&r.choices[0].content) {
        let mut block = block.clone();
        let mut deltas = Vec::new();
        match &mut block.body {
            Body::Text { text, signature, .. } => {
                deltas.extend(pieces(&std::mem::take(text)).into_iter().map(Delta::Text));
                deltas.extend(signature.take().map(Delta::Signature));
            }
            Body::Refusal(text) => deltas.extend(pieces(&std::mem::take(text)).into_iter().map(Delta::Text)),
            Body::ToolCall(c) => {
                deltas.extend(pieces(&std::mem::take(&mut c.arguments)).into_iter().map(Delta::Arguments));
                if n.is_multiple_of(2) {
                    deltas.extend(c.signature.take().map(Delta::Signature));
                }
            }
            Body::Thinking(t) => {
                deltas.extend(pieces(&std::mem::take(&mut t.text)).into_iter().map(Delta::Thinking));
                for part in std::mem::take(&mut t.summary) {
                    deltas.push(Delta::SummaryPart);
                    deltas.extend(pieces(&part).into_iter().map(Delta::Thinking));
                }
                deltas.extend(t.signature.take().map(Delta::Signature));
            }
            _ => {}
        }
        out.push(StreamEvent::BlockStart { choice: 0, index, block });
        out.extend(deltas.into_iter().map(|delta| StreamEvent::BlockDelta { choice: 0, index, delta }));
        out.push(StreamEvent::BlockStop { choice: 0, index });
    }
    out.extend(r.tokens.map(StreamEvent::Tokens));
    out.extend(r.service_tier.clone().map(StreamEvent::ServiceTier));
    out.extend(r.choices[0].stop.clone().map(|stop| StreamEvent::Stop { choice: 0, stop }));
    out.push(StreamEvent::End);
    out
}

/// A stream tells another vendor's thought as one part of a summary: at its beginning nobody knows whose it is.
fn as_text(r: &mut Reply) {
    for b in &mut r.choices[0].content {
        if let Body::Thinking(t) = &mut b.body
            && t.signature.as_ref().is_none_or(|s| s.origin != Origin::OpenAi)
        {
            t.text += &t.summary.join("\n\n");
            t.summary.clear();
        }
    }
}

/// Two calls of one id share their signature.
fn ids_once(r: &Reply) -> bool {
    let mut seen = std::collections::HashSet::new();
    r.choices[0].content.iter().all(|b| match &b.body {
        Body::ToolCall(c) => seen.insert(&c.id),
        _ => true,
    })
}

/// An own search right behind another vendor's would be taken for its shadow: no provider mixes the two.
fn unmixed(r: &Reply) -> bool {
    let origin = |b: &Block| match &b.body {
        Body::Server { kind: ServerKind::WebSearch, origin, .. } => Some(*origin),
        _ => None,
    };
    r.choices[0]
        .content
        .windows(2)
        .all(|w| origin(&w[0]).is_none_or(|o| o == Origin::OpenAi) || origin(&w[1]) != Some(Origin::OpenAi))
}

proptest! {
    #[test]
    fn a_request_comes_back(c in any_conversation()) {
        let mut losses = Losses::default();
        let body = encode_request(&c, &c.model, &RequestOptions::NATIVE, &mut losses);
        let again = decode_request(&body).unwrap();
        prop_assert_eq!(&losses, &Losses::default());
        prop_assert_eq!(again, c);
    }

    #[test]
    fn an_answer_comes_back(r in any_reply().prop_filter("canonical", |r| ids_once(r) && unmixed(r))) {
        let again = decode_reply(&encode_reply(&r, &asked())).unwrap();
        prop_assert_eq!(again, r);
    }

    #[test]
    fn a_stream_says_what_the_answer_says(
        r in any_reply().prop_filter("canonical", |r| ids_once(r) && unmixed(r)),
        n in 1..9_usize,
    ) {
        let mut again = collect(decode_stream(&encode_stream(&events(&r, n), &asked())));
        let mut r = r;
        as_text(&mut again);
        as_text(&mut r);
        prop_assert_eq!(again, r);
    }

    /// What a client sends back of an answer is what the model said: the next turn goes on where this one stopped.
    #[test]
    fn an_answer_is_the_next_requests_past(
        r in any_reply().prop_filter("canonical", |r| ids_once(r) && unmixed(r)),
    ) {
        let whole: serde_json::Value = serde_json::from_slice(&encode_reply(&r, &asked())).unwrap();
        let body = serde_json::json!({"model": "m", "input": whole["output"]});
        let c = decode_request(body.to_string().as_bytes()).unwrap();
        let past: Vec<Block> = c.messages.into_iter().flat_map(|m| m.content).collect();
        prop_assert_eq!(&past, &r.choices[0].content);
    }
}
