//! Laws: a request written and read again is the same; whole and streamed answers are the same, in any pieces.

use super::support::{collect, conversation, events, frames};
use proptest::prelude::*;
use sallyport_filters::codec::converse::{self, Model};
use sallyport_filters::ir::block::{Block, Body, CacheTtl, Thinking, ToolCall, ToolResult};
use sallyport_filters::ir::settings::{Reasoning, Settings};
use sallyport_filters::ir::{Conversation, Losses, Message, Origin, Role, Signature};
use serde_json::{Value, json};

const MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn word() -> impl Strategy<Value = String> {
    "[a-zäß\"\\\\\n😀]{1,12}".prop_filter("not blank", |s| !s.trim().is_empty())
}

fn id() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_.:-]{1,64}"
}

fn arguments() -> impl Strategy<Value = String> {
    prop::collection::btree_map(word(), any::<i32>(), 0..3).prop_map(|m| json!(m).to_string())
}

fn texts() -> impl Strategy<Value = Block> {
    (word(), prop::option::of(prop::bool::ANY)).prop_map(|(t, cache)| {
        let mut b = Block::text(t);
        b.cache = cache.map(|hour| if hour { CacheTtl::Hour } else { CacheTtl::Default });
        b
    })
}

fn answer_block() -> impl Strategy<Value = Block> {
    prop_oneof![
        word().prop_map(Block::text),
        (id(), word(), arguments()).prop_map(|(id, name, arguments)| {
            Block::new(Body::ToolCall(ToolCall { id, name, arguments, ..ToolCall::default() }))
        }),
        (word(), word()).prop_map(|(text, s)| {
            let signature = Some(Signature::new(Origin::Anthropic, s));
            Block::new(Body::Thinking(Thinking { text, signature, ..Thinking::default() }))
        }),
    ]
}

fn turn() -> impl Strategy<Value = Vec<Message>> {
    let result = (id(), prop::collection::vec(word().prop_map(Block::text), 1..3), prop::bool::ANY).prop_map(
        |(call_id, content, is_error)| {
            Block::new(Body::ToolResult(ToolResult { call_id, content, is_error, ..ToolResult::default() }))
        },
    );
    let asked = prop::collection::vec(prop_oneof![texts(), result], 1..4);
    (asked, prop::collection::vec(answer_block(), 1..4)).prop_map(|(mut u, a)| {
        // Canonical: results first.
        u.sort_by_key(|b| !matches!(b.body, Body::ToolResult(_)));
        vec![Message::new(Role::User, u), Message::new(Role::Assistant, a)]
    })
}

fn requests() -> impl Strategy<Value = Conversation> {
    // Thousandths: serde_json reads longer numbers to the last bit but one.
    let number = || prop::option::of((0u32..1000).prop_map(|n| f64::from(n) / 1000.0));
    (
        prop::collection::vec(texts(), 0..3),
        prop::collection::vec(turn(), 1..4),
        prop::option::of(1u64..100_000),
        // One of both: the model takes no more.
        (prop::bool::ANY, number()),
        prop::option::of(1u64..100),
        prop::collection::vec(word(), 0..3),
        prop::bool::ANY,
    )
        .prop_map(|(system, turns, max_tokens, (warm, sampling), top_k, stop, thinks)| {
            let (temperature, top_p) = if warm { (sampling, None) } else { (None, sampling) };
            let mut messages = Vec::new();
            if !system.is_empty() {
                messages.push(Message::new(Role::System, system));
            }
            messages.extend(turns.into_iter().flatten());
            messages.push(Message::new(Role::User, vec![Block::text("Go on.")]));
            let mut settings =
                Settings { max_tokens, temperature, top_p, top_k, stop, ..Settings::default() };
            if thinks {
                let budget = Some(2048);
                settings = Settings {
                    reasoning: Some(Reasoning { enabled: Some(true), budget, ..Reasoning::default() }),
                    max_tokens: max_tokens.map(|m| m + 10_000),
                    ..Settings::default()
                };
            }
            Conversation { messages, settings, ..Conversation::default() }
        })
}

/// What a whole answer with these blocks looks like.
fn whole(blocks: &[Block], usage: &Value) -> Vec<u8> {
    let content: Vec<Value> = blocks
        .iter()
        .map(|b| match &b.body {
            Body::Text { text, .. } => json!({ "text": text }),
            Body::ToolCall(c) => {
                let input: Value = serde_json::from_str(&c.arguments).unwrap();
                json!({"toolUse": {"toolUseId": c.id, "name": c.name, "input": input}})
            }
            Body::Thinking(t) => {
                let signature = &t.signature.as_ref().unwrap().value;
                json!({"reasoningContent": {"reasoningText": {"text": t.text, "signature": signature}}})
            }
            _ => unreachable!(),
        })
        .collect();
    json!({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "end_turn", "usage": usage})
        .to_string()
        .into_bytes()
}

/// The same as a stream whose deltas have at most `step` characters.
fn streamed(blocks: &[Block], usage: &Value, step: usize) -> String {
    let mut lines = vec![r#"messageStart {"role":"assistant"}"#.to_owned()];
    let pieces = |text: &str| {
        let chars: Vec<char> = text.chars().collect();
        chars.chunks(step).map(|c| c.iter().collect::<String>()).collect::<Vec<_>>()
    };
    for (n, b) in blocks.iter().enumerate() {
        let mut delta = |d: Value| {
            lines.push(format!(
                "contentBlockDelta {}",
                json!({"contentBlockIndex": n, "delta": d, "p": "ab"})
            ));
        };
        match &b.body {
            Body::Text { text, .. } => pieces(text).into_iter().for_each(|p| delta(json!({ "text": p }))),
            Body::ToolCall(c) => {
                let start = json!({"toolUse": {"toolUseId": c.id, "name": c.name}});
                lines.push(format!("contentBlockStart {}", json!({"contentBlockIndex": n, "start": start})));
                for p in pieces(&c.arguments) {
                    let d = json!({"contentBlockIndex": n, "delta": {"toolUse": {"input": p}}});
                    lines.push(format!("contentBlockDelta {d}"));
                }
            }
            Body::Thinking(t) => {
                for p in pieces(&t.text) {
                    delta(json!({"reasoningContent": {"text": p}}));
                }
                delta(json!({"reasoningContent": {"signature": t.signature.as_ref().unwrap().value}}));
            }
            _ => unreachable!(),
        }
        lines.push(format!("contentBlockStop {}", json!({ "contentBlockIndex": n })));
    }
    lines.push(r#"messageStop {"stopReason":"end_turn"}"#.to_owned());
    lines.push(format!("metadata {}", json!({"usage": usage, "metrics": {"latencyMs": 1}})));
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_request_written_is_read_the_same(c in requests()) {
        let mut losses = Losses::default();
        let body = converse::encode_request(&c, MODEL, &mut losses);
        let mut read = conversation(&serde_json::from_slice(&body).unwrap());
        // The stand-in for tools that the history has and the request has not.
        read.tools.clear();
        prop_assert!(losses.first_serious().is_none(), "{:?}", losses);
        if losses.0.iter().any(|l| l.field == "reasoning") {
            read.settings.reasoning.clone_from(&c.settings.reasoning);
        }
        prop_assert_eq!(read, c);
    }

    #[test]
    fn whole_and_streamed_are_the_same(
        blocks in prop::collection::vec(answer_block(), 1..5),
        counts in prop::array::uniform4(0u64..1_000_000),
        step in 1usize..9,
        cut in 1usize..400,
    ) {
        let [input, output, read, write] = counts;
        let usage = json!({
            "inputTokens": input, "outputTokens": output, "totalTokens": input + output + read + write,
            "cacheReadInputTokens": read, "cacheWriteInputTokens": write,
            "cacheDetails": [{"ttl": "1h", "inputTokens": write / 3}],
        });
        let once = converse::decode_reply_of(&whole(&blocks, &usage), Model::of(MODEL)).unwrap();
        let stream = collect(events(&frames(&streamed(&blocks, &usage, step)), cut, MODEL));
        prop_assert_eq!(&stream, &once);
        prop_assert_eq!(&once.choices[0].content, &blocks);
        let u = once.tokens.unwrap().usage;
        prop_assert_eq!(u.input + u.output, input + output + read + write);
        prop_assert_eq!(u.cache_write + u.cache_write_1h, write);
    }
}
