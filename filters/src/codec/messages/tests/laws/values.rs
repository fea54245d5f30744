//! Any conversation and any answer.

use super::super::*;
use crate::ir::block::{CacheTtl, Citation, ServerKind, Thinking, ToolCall, ToolResult};
use crate::ir::settings::{Effort, Format, Reasoning};
use crate::ir::tool::ToolBody;
use crate::ir::{
    Block, Choice, Conversation, Media, Message, Origin, Raw, Role, Settings, Signature, Source, Stop,
    StopReason, Tokens, Tool, ToolChoice, block::Body, reply::Usage,
};
use crate::testing::{any_json, any_text};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

pub(super) fn raw(v: &Value) -> Raw {
    Raw::parse(&v.to_string()).unwrap()
}

pub(super) fn text() -> impl Strategy<Value = String> {
    any_text().prop_map(|t| format!("x{t}"))
}

fn object() -> impl Strategy<Value = Value> {
    vec((any_text(), any_json()), 0..3).prop_map(|m| Value::Object(m.into_iter().collect()))
}

fn ttl() -> impl Strategy<Value = Option<CacheTtl>> {
    prop_oneof![3 => Just(None), 1 => Just(Some(CacheTtl::Default)), 1 => Just(Some(CacheTtl::Hour))]
}

fn own_citation() -> impl Strategy<Value = Citation> {
    let web = (text(), text(), text()).prop_map(|(cited, title, url)| {
        serde_json::json!({"type": "web_search_result_location", "cited_text": cited, "title": title, "url": url,
            "encrypted_index": "abc"})
    });
    let page = (text(), text(), any::<u16>()).prop_map(|(cited, title, n)| {
        serde_json::json!({"type": "page_location", "cited_text": cited, "document_title": title,
            "document_index": 0, "start_page_number": n, "end_page_number": n})
    });
    prop_oneof![web, page].prop_map(|v| {
        let get = |k: &str| v.get(k).and_then(Value::as_str).map(str::to_owned);
        Citation {
            url: get("url"),
            title: get("title").or(get("document_title")),
            cited_text: get("cited_text"),
            range: None,
            raw: Some((Origin::Anthropic, raw(&v))),
        }
    })
}

fn foreign_citation() -> impl Strategy<Value = Citation> {
    (text(), of(text()), text(), of(object())).prop_map(|(url, title, cited, v)| Citation {
        url: Some(url),
        title,
        cited_text: Some(cited),
        range: None,
        raw: v.map(|v| (Origin::OpenAi, raw(&v))),
    })
}

fn cited(c: impl Strategy<Value = Citation>) -> impl Strategy<Value = Body> {
    (text(), vec(c, 0..3)).prop_map(|(text, citations)| Body::Text { text, citations, signature: None })
}

fn media() -> impl Strategy<Value = Body> {
    let none = Media {
        mime: None,
        source: Source::Text(String::new()),
        name: None,
        detail: None,
        context: None,
        citations: false,
    };
    let image = none.clone();
    let images = prop_oneof![
        Just((Source::Base64("aGk=".into()), Some("image/png".to_owned()))),
        Just((Source::Url("https://a/b.png".into()), None)),
        Just((Source::File { origin: Origin::Anthropic, id: "file_1".into() }, None)),
    ]
    .prop_map(move |(source, mime)| Body::Image(Media { source, mime, ..image.clone() }));
    let pdf = || Some("application/pdf".to_owned());
    let sources = prop_oneof![
        Just((Source::Base64("JVBERi0=".into()), pdf())),
        Just((Source::Url("https://a/b.pdf".into()), pdf())),
        Just((Source::File { origin: Origin::Anthropic, id: "file_1".into() }, None)),
        text().prop_map(|t| (Source::Text(t), Some("text/plain".to_owned()))),
    ];
    let documents = (sources, of(text()), of(text()), any::<bool>()).prop_map(
        move |((source, mime), name, context, citations)| {
            Body::Document(Media { source, mime, name, context, citations, ..none.clone() })
        },
    );
    prop_oneof![images, documents]
}

fn thought() -> impl Strategy<Value = Body> {
    (any_text(), text(), any::<bool>()).prop_map(|(text, s, redacted)| {
        Body::Thinking(Thinking {
            text: if redacted { String::new() } else { text },
            signature: Some(Signature::new(Origin::Anthropic, s)),
            redacted,
            summary: Vec::new(),
        })
    })
}

fn call() -> impl Strategy<Value = ToolCall> {
    ("[a-zA-Z0-9_-]{1,12}", text(), object()).prop_map(|(id, name, input)| ToolCall {
        id,
        name,
        arguments: input.to_string(),
        ..ToolCall::default()
    })
}

fn server() -> impl Strategy<Value = Body> {
    let call = object().prop_map(|input| {
        let v = serde_json::json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": input});
        Body::Server { kind: ServerKind::WebSearch, origin: Origin::Anthropic, raw: raw(&v) }
    });
    let result = any_json().prop_map(|content| {
        let v =
            serde_json::json!({"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": content});
        Body::Server { kind: ServerKind::Other, origin: Origin::Anthropic, raw: raw(&v) }
    });
    let opaque = any_json().prop_map(|x| {
        let v = serde_json::json!({"type": "container_upload", "file_id": x});
        Body::Opaque { origin: Origin::Anthropic, name: "container_upload".into(), raw: raw(&v) }
    });
    prop_oneof![call, result, opaque]
}

/// A block; those that are said raw have their mark for the cache inside.
fn block(body: impl Strategy<Value = Body>) -> impl Strategy<Value = Block> {
    (body, ttl()).prop_map(|(body, cache)| {
        let bare = matches!(body, Body::Server { .. } | Body::Opaque { .. } | Body::Thinking(_));
        Block { cache: cache.filter(|_| !bare), ..Block::new(body) }
    })
}

fn result() -> impl Strategy<Value = Body> {
    let inner = block(prop_oneof![cited(own_citation()), media()]);
    ("[a-zA-Z0-9_-]{1,12}", vec(inner, 0..3), any::<bool>()).prop_map(|(call_id, content, is_error)| {
        Body::ToolResult(ToolResult { call_id, content, is_error, ..ToolResult::default() })
    })
}

fn user() -> impl Strategy<Value = Message> {
    let rest = block(prop_oneof![cited(own_citation()), media(), server()]);
    (vec(block(result()), 0..3), vec(rest, 1..3)).prop_map(|(mut content, rest)| {
        content.extend(rest);
        Message::new(Role::User, content)
    })
}

fn assistant() -> impl Strategy<Value = Message> {
    let one = prop_oneof![cited(own_citation()), thought(), call().prop_map(Body::ToolCall), server()];
    vec(block(one), 1..4).prop_map(|content| Message::new(Role::Assistant, content))
}

fn tool() -> impl Strategy<Value = Tool> {
    let none = Tool {
        name: String::new(),
        description: None,
        body: ToolBody::Namespace(Vec::new()),
        cache: None,
        extra: Vec::new(),
        at: crate::ir::Spot::default(),
    };
    let server = none.clone();
    let extra = of(any::<bool>()).prop_map(|d| {
        d.into_iter().map(|d| ("defer_loading".to_owned(), Raw::of(&d).unwrap())).collect::<Vec<_>>()
    });
    let function = (text(), of(any_text()), object(), any::<bool>(), ttl(), extra).prop_map(
        move |(name, description, schema, strict, cache, extra)| Tool {
            name,
            description,
            body: ToolBody::Function { parameters: Some(raw(&schema)), strict: strict.then_some(true) },
            cache,
            extra,
            ..none.clone()
        },
    );
    let server = any::<u8>().prop_map(move |n| Tool {
        name: "web_search".into(),
        body: ToolBody::Server {
            kind: ServerKind::WebSearch,
            origin: Origin::Anthropic,
            raw: raw(
                &serde_json::json!({"type": "web_search_20250305", "name": "web_search", "max_uses": n}),
            ),
        },
        ..server.clone()
    });
    prop_oneof![3 => function, 1 => server]
}

fn reasoning() -> impl Strategy<Value = Reasoning> {
    let shown = || prop_oneof![Just(None), Just(Some("auto".to_owned())), Just(Some("omitted".to_owned()))];
    let effort =
        || of(prop_oneof![Just(Effort::Low), Just(Effort::High), Just(Effort::XHigh), Just(Effort::Max)]);
    prop_oneof![
        (any::<u32>(), shown(), effort()).prop_map(|(b, summary, effort)| Reasoning {
            enabled: Some(true),
            budget: Some(b.max(1)),
            summary,
            effort,
            adaptive: false
        }),
        (shown(), effort()).prop_map(|(summary, effort)| Reasoning {
            enabled: Some(true),
            adaptive: true,
            budget: None,
            summary,
            effort
        }),
        effort()
            .prop_filter("says something", Option::is_some)
            .prop_map(|effort| Reasoning { effort, ..Reasoning::default() }),
        Just(Reasoning { enabled: Some(false), ..Reasoning::default() }),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let format = of(object()).prop_map(|s| {
        s.map(|s| Format::JsonSchema { name: None, description: None, schema: raw(&s), strict: None })
    });
    let numbers = (any::<u32>(), of(0..9_i32), of(0..9_i32), of(any::<u64>()));
    let words = (vec(any_text(), 0..3), of(any_text()), of(Just("auto".to_owned())), any::<bool>());
    (numbers, words, of(reasoning()), format).prop_map(
        |((max, t, p, top_k), (stop, user, service_tier, stream), reasoning, format)| Settings {
            max_tokens: Some(max.into()),
            temperature: t.map(|t| f64::from(t) / 8.0),
            top_p: p.map(|p| f64::from(p) / 8.0),
            top_k,
            stop,
            user,
            service_tier,
            stream,
            reasoning,
            format,
            ..Settings::default()
        },
    )
}

pub(super) fn conversation() -> impl Strategy<Value = Conversation> {
    let system = of(vec(block(cited(own_citation())), 1..3));
    let turns = vec((user(), assistant()), 0..4);
    let choice = of((
        prop_oneof![Just(ToolChoice::Auto), Just(ToolChoice::Required), text().prop_map(ToolChoice::Named)],
        of(any::<bool>()),
    ));
    let extra = of(any_json().prop_filter("null says nothing", |v| !v.is_null()));
    (text(), system, turns, vec(tool(), 0..3), choice, settings(), extra).prop_map(
        |(model, system, turns, tools, choice, mut settings, extra)| {
            let system = system.map(|s| Message::new(Role::System, s));
            let choice = choice.filter(|_| !tools.is_empty());
            settings.parallel_tools = choice.as_ref().and_then(|c| c.1);
            Conversation {
                model,
                messages: system.into_iter().chain(turns.into_iter().flat_map(|(u, a)| [u, a])).collect(),
                tools,
                tool_choice: choice.map(|c| c.0),
                settings,
                extra: extra.into_iter().map(|v| ("context_management".to_owned(), raw(&v))).collect(),
            }
        },
    )
}

/// Another provider's thought, as it travels through an Anthropic client.
pub(super) fn foreign_thought() -> impl Strategy<Value = Body> {
    (any_text(), text(), any::<bool>()).prop_map(|(text, s, redacted)| {
        let signature = Signature { id: Some("rs_1".into()), ..Signature::new(Origin::OpenAi, s) };
        let text = if redacted { String::new() } else { text };
        Body::Thinking(Thinking { text, signature: Some(signature), redacted, summary: Vec::new() })
    })
}

pub(super) fn signed() -> impl Strategy<Value = Option<Signature>> {
    of(text().prop_map(|s| Signature::new(Origin::Google, s)))
}

pub(super) fn reply() -> impl Strategy<Value = Reply> {
    let texts = (cited(prop_oneof![own_citation(), foreign_citation()]), signed()).prop_map(|(mut b, s)| {
        if let Body::Text { signature, .. } = &mut b {
            *signature = s;
        }
        b
    });
    let empty = text().prop_map(|s| Body::Text {
        text: String::new(),
        citations: Vec::new(),
        signature: Some(Signature::new(Origin::Google, s)),
    });
    let calls = (call(), signed()).prop_map(|(c, signature)| Body::ToolCall(ToolCall { signature, ..c }));
    let one = prop_oneof![4 => texts, 1 => empty, 3 => calls, 2 => thought(), 2 => foreign_thought(), 1 => server()];
    let stop = prop_oneof![
        Just(Stop { reason: StopReason::End, ..Stop::default() }),
        Just(Stop { reason: StopReason::MaxTokens, ..Stop::default() }),
        Just(Stop { reason: StopReason::ToolUse, ..Stop::default() }),
        Just(Stop { reason: StopReason::Pause, ..Stop::default() }),
        Just(Stop { reason: StopReason::ContextFull, ..Stop::default() }),
        text().prop_map(|s| Stop { reason: StopReason::StopSequence, sequence: Some(s), ..Stop::default() }),
        of(text()).prop_map(|detail| Stop {
            reason: StopReason::Refusal,
            word: Some("bio".into()),
            detail,
            sequence: None
        }),
    ];
    let usage =
        (any::<[u32; 4]>(), any::<[u32; 2]>()).prop_map(|([fresh, read, short, long], [text, thoughts])| {
            let [fresh, read, short, long, text, thoughts] =
                [fresh, read, short, long, text, thoughts].map(u64::from);
            Usage {
                input: fresh + read + short + long,
                cached_input: read,
                cache_write: short,
                cache_write_1h: long,
                output: text + thoughts,
                reasoning: thoughts,
            }
        });
    let tier = of(Just("priority".to_owned()));
    (text(), vec(one, 0..6), stop, usage, tier).prop_map(|(id, bodies, stop, usage, service_tier)| {
        let mut content: Vec<Block> = bodies.into_iter().map(Block::new).collect();
        // The signature of what is said last is not told.
        while content
            .pop_if(|b| matches!(&b.body, Body::Text { text, signature: Some(_), .. } if text.is_empty()))
            .is_some()
        {}
        if let Some(Body::Text { signature, .. }) = content.last_mut().map(|b| &mut b.body) {
            *signature = None;
        }
        // Ids are made once.
        for (i, b) in content.iter_mut().enumerate() {
            if let Body::ToolCall(c) = &mut b.body {
                c.id = format!("{}{i}", c.id);
            }
        }
        Reply {
            id,
            model: "alias".into(),
            created: None,
            choices: vec![Choice { content, stop: Some(stop), logprobs: None }],
            tokens: Some(Tokens { usage, ..Tokens::default() }),
            service_tier,
            blocked: None,
        }
    })
}
