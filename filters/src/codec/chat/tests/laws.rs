//! The laws: encode and decode undo each other; a stream and a whole answer say the same.

use super::*;
use crate::ir::block::*;
use crate::ir::conversation::{Message, Role};
use crate::ir::raw::Raw;
use crate::ir::reply::{Choice, Stop, StopReason, Tokens, Usage};
use crate::ir::settings::{Effort, Format, Reasoning};
use crate::ir::signature::{Origin, Signature};
use crate::ir::stream::Delta;
use crate::ir::tool::{Tool, ToolBody, ToolChoice};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// An answer, as a provider with borders would stream it: in pieces of three characters.
pub(super) fn stream_of(r: &Reply) -> Vec<StreamEvent> {
    let Reply { id, model, created, choices, tokens, service_tier, blocked } = r;
    let mut out = vec![StreamEvent::Start { id: id.clone(), model: model.clone(), created: *created }];
    out.extend(service_tier.clone().map(StreamEvent::ServiceTier));
    for (n, c) in choices.iter().enumerate() {
        let n = n as u32;
        for (i, b) in c.content.iter().enumerate() {
            block(n, i as u32, b, &mut out);
        }
        out.extend(c.logprobs.clone().map(|content| StreamEvent::Logprobs { choice: n, content }));
        out.extend(c.stop.clone().map(|stop| StreamEvent::Stop { choice: n, stop }));
    }
    out.extend(blocked.clone().map(StreamEvent::Blocked));
    out.extend(tokens.map(StreamEvent::Tokens));
    out.push(StreamEvent::End);
    out
}

fn block(choice: u32, index: u32, b: &Block, out: &mut Vec<StreamEvent>) {
    let mut empty = b.clone();
    let mut deltas = Vec::new();
    let pieces = |text: &str, make: fn(String) -> Delta, deltas: &mut Vec<Delta>| {
        let chars: Vec<char> = text.chars().collect();
        deltas.extend(chars.chunks(3).map(|c| make(c.iter().collect())));
    };
    match &mut empty.body {
        Body::Text { text, citations, signature } => {
            pieces(&std::mem::take(text), Delta::Text, &mut deltas);
            deltas.extend(std::mem::take(citations).into_iter().map(Delta::Citation));
            deltas.extend(signature.take().map(Delta::Signature));
        }
        Body::Refusal(text) => pieces(&std::mem::take(text), Delta::Text, &mut deltas),
        Body::ToolCall(c) => pieces(&std::mem::take(&mut c.arguments), Delta::Arguments, &mut deltas),
        Body::Thinking(t) if !t.redacted => {
            pieces(&std::mem::take(&mut t.text), Delta::Thinking, &mut deltas);
            for part in std::mem::take(&mut t.summary) {
                deltas.push(Delta::SummaryPart);
                pieces(&part, Delta::Thinking, &mut deltas);
            }
            deltas.extend(t.signature.take().map(Delta::Signature));
        }
        Body::Audio(m) => {
            let Source::Base64(data) = &mut m.source else { panic!() };
            pieces(&std::mem::take(data), Delta::Data, &mut deltas);
            pieces(&m.context.take().unwrap_or_default(), Delta::Transcript, &mut deltas);
        }
        _ => {}
    }
    out.push(StreamEvent::BlockStart { choice, index, block: empty });
    out.extend(deltas.into_iter().map(|delta| StreamEvent::BlockDelta { choice, index, delta }));
    out.push(StreamEvent::BlockStop { choice, index });
}

fn word() -> impl Strategy<Value = String> {
    "[a-z_]{1,8}"
}

fn text() -> impl Strategy<Value = String> {
    "[ -~é漢\n\"\\\\]{1,12}"
}

fn json() -> impl Strategy<Value = Raw> {
    prop_oneof![Just("{}"), Just(r#"{"b": 1.50, "a": [null, "é"]}"#)].prop_map(|t| Raw::parse(t).unwrap())
}

fn signature() -> impl Strategy<Value = Signature> {
    prop_oneof![
        text().prop_map(|v| Signature::new(Origin::Anthropic, v)),
        (text(), of(word())).prop_map(|(value, id)| Signature { origin: Origin::Other, value, id }),
        text().prop_map(|v| Signature::new(Origin::Google, v)),
    ]
}

/// Thoughts of each vendor's kind.
fn thinking() -> impl Strategy<Value = Thinking> {
    prop_oneof![
        (text(), of(signature())).prop_map(|(text, signature)| Thinking {
            text,
            signature,
            ..Thinking::default()
        }),
        text().prop_map(|v| Thinking {
            redacted: true,
            signature: Some(Signature::new(Origin::Anthropic, v)),
            ..Thinking::default()
        }),
        text().prop_map(|v| Thinking {
            signature: Some(Signature::new(Origin::Anthropic, v)),
            ..Thinking::default()
        }),
        (vec(text(), 0..3), text(), "rs_[a-z0-9]{4}").prop_map(|(summary, value, id)| Thinking {
            summary,
            signature: Some(Signature { origin: Origin::OpenAi, value, id: Some(id) }),
            ..Thinking::default()
        }),
    ]
}

fn call() -> impl Strategy<Value = ToolCall> {
    let args = prop_oneof![Just("{\"a\": \"}\"}".to_owned()), text()];
    (word(), args, prop::bool::ANY, of(text())).prop_map(|(name, arguments, custom, sig)| ToolCall {
        name,
        arguments,
        kind: if custom { CallKind::Custom } else { CallKind::Function },
        signature: sig.map(|s| Signature::new(Origin::Google, s)),
        ..ToolCall::default()
    })
}

fn citation() -> impl Strategy<Value = Citation> {
    (word(), text(), 0..4u32).prop_map(|(url, title, end)| Citation {
        url: Some(url),
        title: Some(title),
        cited_text: None,
        range: Some((0, end)),
        raw: None,
    })
}

fn media(source: Source, mime: Option<&str>) -> Media {
    Media { mime: mime.map(str::to_owned), source, name: None, detail: None, context: None, citations: false }
}

/// An assistant's turn in the format's order.
fn turn(in_answer: bool) -> impl Strategy<Value = Vec<Block>> {
    let spoken = of((text(), vec(citation(), 0..2)));
    let refusal = of(text());
    (vec(thinking(), 0..3), spoken, refusal, vec(call(), 0..3), of(text())).prop_map(
        move |(thoughts, spoken, refusal, calls, sound)| {
            let mut out: Vec<Block> = Vec::new();
            let mut before = None;
            for t in thoughts {
                // Thoughts without a proof that follow each other in a stream are one.
                if before == Some(false) {
                    continue;
                }
                before = Some(t.signature.is_some());
                out.push(Block::new(Body::Thinking(t)));
            }
            if let Some((text, citations)) = spoken {
                let citations = if in_answer { citations } else { Vec::new() };
                out.push(Block::new(Body::Text { text, citations, signature: None }));
            }
            out.extend(refusal.map(|r| Block::new(Body::Refusal(r))));
            if let (true, Some(s)) = (in_answer, sound) {
                let mut m = media(Source::Base64("QUJD".to_owned()), None);
                (m.name, m.context) = (Some("audio_1".to_owned()), Some(s));
                out.push(Block::new(Body::Audio(m)));
            }
            for (i, c) in calls.into_iter().enumerate() {
                let c = ToolCall { id: format!("call_{i}"), ..c };
                out.push(Block::new(Body::ToolCall(c)));
            }
            out
        },
    )
}

fn reason() -> impl Strategy<Value = StopReason> {
    prop_oneof![Just(StopReason::End), Just(StopReason::MaxTokens), Just(StopReason::ContentFilter)]
}

fn choice() -> impl Strategy<Value = Choice> {
    (turn(true), reason(), prop::bool::ANY).prop_map(|(content, reason, probs)| {
        let has = |f: fn(&Body) -> bool| content.iter().any(|b| f(&b.body));
        let reason = match reason {
            StopReason::End if has(|b| matches!(b, Body::ToolCall(_))) => StopReason::ToolUse,
            StopReason::End if has(|b| matches!(b, Body::Refusal(_))) => StopReason::Refusal,
            r => r,
        };
        let probs = probs
            .then(|| Raw::parse(r#"[{"token":"a","logprob":-0.5,"bytes":null,"top_logprobs":[]}]"#).unwrap());
        Choice { content, stop: Some(Stop { reason, ..Stop::default() }), logprobs: probs }
    })
}

fn tokens() -> impl Strategy<Value = Tokens> {
    [0..1_000_000u64, 0..1000, 0..1000, 0..1_000_000, 0..1000, 0..100, 0..100].prop_map(
        |[input, cached_input, cache_write, output, reasoning, audio_input, audio_output]| Tokens {
            usage: Usage { input, cached_input, cache_write, cache_write_1h: 0, output, reasoning },
            audio_input,
            audio_output,
            estimated: false,
        },
    )
}

/// A tier that has the same name everywhere; those of other providers are told in OpenAI's words.
fn tier() -> impl Strategy<Value = String> {
    prop_oneof![Just("default".to_owned()), Just("flex".to_owned()), Just("priority".to_owned())]
}

fn reply() -> impl Strategy<Value = Reply> {
    (word(), word(), 1..2_000_000_000i64, vec(choice(), 1..3), of(tokens()), of(tier())).prop_map(
        |(id, model, created, choices, tokens, service_tier)| Reply {
            id,
            model,
            created: Some(created),
            choices,
            tokens,
            service_tier,
            blocked: None,
        },
    )
}

fn user() -> impl Strategy<Value = Vec<Block>> {
    let part = prop_oneof![
        text().prop_map(|t| Body::Text { text: t, citations: Vec::new(), signature: None }),
        Just(Body::Image(media(Source::Base64("QUJD".to_owned()), Some("image/png")))),
        of("low|high").prop_map(|detail| Body::Image(Media {
            detail,
            ..media(Source::Url("https://x/y.png".to_owned()), None)
        })),
        Just(Body::Document(Media {
            name: Some("a.pdf".to_owned()),
            ..media(Source::Base64("QUJD".to_owned()), Some("application/pdf"))
        })),
        Just(Body::Document(media(Source::File { origin: Origin::OpenAi, id: "file-1".to_owned() }, None))),
        Just(Body::Audio(media(Source::Base64("QUJD".to_owned()), Some("audio/mpeg")))),
    ];
    vec(part.prop_map(Block::new), 1..4)
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let one = prop_oneof![
        text().prop_map(|t| vec![Message::new(Role::System, vec![Block::text(t)])]),
        text().prop_map(|t| vec![Message::new(Role::Developer, vec![Block::text(t)])]),
        (user(), of(word()))
            .prop_map(|(content, name)| vec![Message { name, ..Message::new(Role::User, content) }]),
        (turn(false), vec(text(), 0..3)).prop_map(|(turn, texts)| {
            let results: Vec<_> = turn
                .iter()
                .filter_map(|b| match &b.body {
                    Body::ToolCall(c) => Some(c),
                    _ => None,
                })
                .map(|c| ToolResult {
                    call_id: c.id.clone(),
                    content: texts.iter().map(Block::text).collect(),
                    kind: c.kind,
                    ..ToolResult::default()
                })
                .map(|r| Block::new(Body::ToolResult(r)))
                .collect();
            let mut out = vec![Message::new(Role::Assistant, turn)];
            if !results.is_empty() {
                out.push(Message::new(Role::User, results));
            }
            // Results of two turns that follow each other without a word between are told apart by it.
            out.push(Message::new(Role::User, vec![Block::text("go on")]));
            out
        }),
    ];
    vec(one, 1..4).prop_map(|m| m.concat())
}

fn tools() -> impl Strategy<Value = Vec<Tool>> {
    let body = prop_oneof![
        (of(json()), of(prop::bool::ANY))
            .prop_map(|(parameters, strict)| ToolBody::Function { parameters, strict }),
        Just(ToolBody::Custom {
            format: Some(Raw::parse(r#"{"type":"grammar","syntax":"lark","definition":"x"}"#).unwrap())
        }),
    ];
    let tool =
        (word(), of(text()), body, of(Just(CacheTtl::Hour))).prop_map(|(name, description, body, cache)| {
            Tool { name, description, body, cache, extra: Vec::new(), at: Default::default() }
        });
    vec(tool, 0..3)
}

fn settings() -> impl Strategy<Value = crate::ir::Settings> {
    // (serde_json reads floats to the last bit but one; nobody sends such temperatures.)
    let float = || (0..8u8).prop_map(|q| f64::from(q) / 4.0);
    let numbers = (of(1..9000u64), of(float()), of(float()), of(1..9u64), of(1..4u32), of(-9..9i64));
    let words = (vec(word(), 0..3), of(word()), of(word()), of(word()), vec((word(), word()), 0..3));
    let flags = (of(prop::bool::ANY), of(0..5u32), prop::bool::ANY, of(Just(Effort::High)));
    let format = of(prop_oneof![
        Just(Format::Text),
        Just(Format::JsonObject),
        (word(), of(text()), json(), of(prop::bool::ANY)).prop_map(|(name, description, schema, strict)| {
            Format::JsonSchema { name: Some(name), description, schema, strict }
        }),
    ]);
    (numbers, words, flags, format, of(json())).prop_map(|(n, w, f, format, bias)| crate::ir::Settings {
        max_tokens: n.0,
        temperature: n.1,
        top_p: n.2,
        top_k: n.3,
        n: n.4,
        seed: n.5,
        presence_penalty: n.1,
        frequency_penalty: n.2,
        stop: w.0,
        service_tier: w.1,
        user: w.2,
        cache_key: w.3.clone(),
        cache_retention: w.3.clone(),
        verbosity: w.3,
        store: (!w.4.is_empty()).then_some(true),
        metadata: {
            let mut m = w.4;
            m.sort();
            m.dedup_by(|a, b| a.0 == b.0);
            m
        },
        logprobs: f.0,
        top_logprobs: f.1,
        stream: f.2,
        stream_usage: f.2,
        reasoning: f.3.map(|e| Reasoning { effort: Some(e), ..Reasoning::default() }),
        format,
        logit_bias: bias.clone(),
        audio: bias,
        modalities: if f.2 { vec!["audio".to_owned()] } else { Vec::new() },
        ..crate::ir::Settings::default()
    })
}

fn conversation() -> impl Strategy<Value = Conversation> {
    let choice = of(prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        word().prop_map(ToolChoice::Named),
        (vec(word(), 1..3), prop::bool::ANY)
            .prop_map(|(names, required)| ToolChoice::Allowed { names, required }),
    ]);
    (messages(), tools(), choice, settings()).prop_map(|(messages, tools, choice, settings)| Conversation {
        model: "up".to_owned(),
        tool_choice: choice.filter(|_| !tools.is_empty()),
        messages,
        tools,
        settings,
        extra: Vec::new(),
    })
}

/// Everything on, so that everything can be said.
fn all() -> ChatOptions {
    ChatOptions {
        thoughts: Thoughts::Details,
        cache: CacheWords::Control,
        top_k: true,
        call_signatures: true,
        ..ChatOptions::openai()
    }
}

/// A document whose `at`th value (in some order) is another one.
fn broken(json: &[u8], at: usize, with: usize) -> Vec<u8> {
    fn walk<'a>(v: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
        if *left == 0 {
            return Some(v);
        }
        *left -= 1;
        match v {
            Value::Object(m) => m.values_mut().find_map(|v| walk(v, left)),
            Value::Array(a) => a.iter_mut().find_map(|v| walk(v, left)),
            _ => None,
        }
    }
    let mut value: Value = serde_json::from_slice(json).unwrap();
    let odd = serde_json::json!([null, true, -1, "x", [], {}, [[{"type": "text"}], 1e300]]);
    let mut left = at;
    if let Some(v) = walk(&mut value, &mut left) {
        *v = odd[with].clone();
    }
    value.to_string().into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_request_comes_back(c in conversation()) {
        let mut losses = Losses::default();
        let bytes = encode_request(&c, "up", &all(), &mut losses);
        prop_assert_eq!(&losses, &Losses::default());
        prop_assert_eq!(decode_request(&bytes).unwrap(), c);
    }

    #[test]
    fn an_answer_comes_back(r in reply()) {
        let x = EncodeReply { model: r.model.clone(), ..EncodeReply::default() };
        prop_assert_eq!(decode_reply(&encode_reply(&r, &x)).unwrap(), r);
    }

    #[test]
    fn a_stream_says_what_the_whole_says(r in reply()) {
        let x = EncodeReply { model: r.model.clone(), include_usage: true, ..EncodeReply::default() };
        let streamed = stream_of(&r);
        prop_assert_eq!(&collect(streamed.clone()), &r);
        prop_assert_eq!(collect(events(&sse(&streamed, &x)).unwrap()), r);
    }

    /// Real shapes with one value replaced by another kind.
    #[test]
    fn no_wrong_type_panics(r in reply(), c in conversation(), at in 0..400usize, with in 0..7usize) {
        let x = EncodeReply { include_usage: true, ..EncodeReply::default() };
        let mut losses = Losses::default();
        let request = encode_request(&c, "up", &all(), &mut losses);
        if let Err(e) = decode_request(&broken(&request, at, with)) {
            prop_assert!(!e.why.is_empty());
        }
        let _ = decode_reply(&broken(&encode_reply(&r, &x), at, with));
        let text = String::from_utf8(sse(&stream_of(&r), &x)).unwrap();
        for chunk in text.lines().filter_map(|l| l.strip_prefix("data: ")).filter(|l| *l != "[DONE]") {
            let chunk = String::from_utf8(broken(chunk.as_bytes(), at % 40, with)).unwrap();
            let _ = events(format!("data: {chunk}\n\n{text}").as_bytes());
        }
    }

    #[test]
    fn nothing_panics(bytes in vec(prop::num::u8::ANY, 0..200), cut in 0..100usize) {
        let _ = decode_request(&bytes);
        let _ = decode_reply(&bytes);
        let _ = events(&bytes);
        let odd = br#"{"model":"m","messages":[{"role":"assistant","content":[{"type":"x"}],"tool_calls":[{"id":"1"}]}]}"#;
        let _ = decode_request(&odd[..cut.min(odd.len())]);
    }
}
