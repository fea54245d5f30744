//! The laws: what is encoded decodes to itself, streamed or whole; nothing panics whatever comes.

mod values;

use super::*;
use crate::ir::Reply;
use crate::ir::block::{Body, CallKind};
use crate::ir::stream::Delta;
use crate::testing::any_json;
use proptest::collection::vec;
use proptest::prelude::*;
use values::{conversation, reply};

/// An answer as a stream, its texts in pieces of `size` characters, signatures at the end.
pub(super) fn stream_of(r: &Reply, size: usize) -> Vec<StreamEvent> {
    let mut out = vec![StreamEvent::Start { id: r.id.clone(), model: r.model.clone(), created: None }];
    out.extend(r.service_tier.clone().map(StreamEvent::ServiceTier));
    let pieces = |text: &str| -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        chars.chunks(size).map(|c| c.iter().collect()).collect()
    };
    for (index, block) in (0..).zip(&r.choices[0].content) {
        let mut start = block.clone();
        let mut deltas = Vec::new();
        match &mut start.body {
            Body::Text { text, citations, signature } => {
                deltas.extend(pieces(&std::mem::take(text)).into_iter().map(Delta::Text));
                deltas.extend(std::mem::take(citations).into_iter().map(Delta::Citation));
                deltas.extend(signature.take().map(Delta::Signature));
            }
            Body::ToolCall(c) => {
                deltas.extend(pieces(&std::mem::take(&mut c.arguments)).into_iter().map(Delta::Arguments));
                deltas.extend(c.signature.take().map(Delta::Signature));
            }
            Body::Thinking(t) => {
                deltas.extend(pieces(&std::mem::take(&mut t.text)).into_iter().map(Delta::Thinking));
                deltas.extend(t.signature.take().map(Delta::Signature));
            }
            _ => {}
        }
        out.push(StreamEvent::BlockStart { choice: 0, index, block: start });
        out.extend(deltas.into_iter().map(|delta| StreamEvent::BlockDelta { choice: 0, index, delta }));
        out.push(StreamEvent::BlockStop { choice: 0, index });
    }
    out.extend(r.choices[0].stop.clone().map(|stop| StreamEvent::Stop { choice: 0, stop }));
    out.extend(r.tokens.map(StreamEvent::Tokens));
    out.push(StreamEvent::End);
    out
}

/// Carriers stand where a signature came; brought back to what they belong to, as a client's next request has it.
fn attached(mut r: Reply) -> Reply {
    for c in &mut r.choices {
        super::super::carrier::attach(&mut c.content);
    }
    r
}

/// Nothing but the request itself is in the way of any bytes.
fn any_request() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("model"),
        Just("messages"),
        Just("system"),
        Just("tools"),
        Just("max_tokens"),
        Just("thinking"),
        Just("output_config"),
        Just("tool_choice"),
        Just("metadata"),
        Just("type"),
        Just("role"),
        Just("content"),
        Just("source"),
        Just("input"),
        Just("delta"),
        Just("index"),
        Just("content_block"),
        Just("message"),
        Just("usage"),
        Just("citations"),
    ];
    let word = prop_oneof![
        Just("user"),
        Just("assistant"),
        Just("system"),
        Just("text"),
        Just("image"),
        Just("document"),
        Just("tool_use"),
        Just("tool_result"),
        Just("thinking"),
        Just("enabled"),
        Just("text_delta"),
        Just("input_json_delta"),
        Just("message_start"),
        Just("content_block_start"),
        Just("content_block_delta"),
        Just("message_delta"),
    ];
    let leaf = prop_oneof![any_json(), word.prop_map(Value::from)];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key.clone().prop_map(str::to_owned), inner), 0..6)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_request_decodes_to_what_was_encoded(c in conversation()) {
        let mut losses = crate::ir::Losses::default();
        let body = encode_request(&c, &c.model, &own(), &mut losses);
        prop_assert_eq!(&losses.0, &[]);
        prop_assert_eq!(decode_request(&body).unwrap(), c);
    }

    #[test]
    fn an_answer_decodes_to_what_was_encoded(r in reply()) {
        prop_assert_eq!(decode_reply(&encode_reply(&r, &x())).unwrap(), r);
    }

    #[test]
    fn a_stream_says_what_the_whole_answer_says(r in reply(), size in 1..7_usize) {
        let given = stream_of(&r, size);
        prop_assert_eq!(&collect(given.clone()), &r);
        prop_assert_eq!(attached(collect(events(&sse(&given)))), r);
    }

    #[test]
    fn any_conversation_can_be_said_to_any_model(c in conversation(), old in any::<bool>()) {
        let model = if old { "claude-3-5-haiku-latest" } else { "claude-opus-4-8" };
        let mut losses = crate::ir::Losses::default();
        let body = encode_request(&c, model, &RequestOptions::default(), &mut losses);
        prop_assert!(decode_request(&body).is_ok());
    }

    #[test]
    fn no_bytes_make_it_panic(v in any_request(), name in "[a-z_]{0,20}", cut in any::<prop::sample::Index>()) {
        let text = v.to_string();
        let cut = &text.as_bytes()[..cut.index(text.len())];
        for body in [text.as_bytes(), cut] {
            let _ = decode_request(body).map(|c| encode_request(&c, "m", &own(), &mut Default::default()));
            let _ = decode_count_tokens(body);
            let _ = decode_reply(body).map(|r| encode_reply(&r, &x()));
            for platform in [Platform::Bedrock, Platform::Vertex] {
                let _ = splices(body, platform, &["a"], false);
            }
            let (mut decoder, mut out) = (Decoder::new(), Vec::new());
            for name in ["", &name, "message_start", "content_block_start", "content_block_delta", "message_delta",
                "content_block_stop", "error", "message_stop"] {
                let _ = decoder.event(name.as_bytes(), body, &mut out);
            }
            decoder.finish(&mut out);
            sse(&out);
        }
    }
}

#[test]
fn deep_nesting_is_an_error_not_a_crash() {
    let deep = "[".repeat(100_000);
    for body in [
        deep.clone(),
        format!(r#"{{"model":"m","max_tokens":1,"messages":{deep}"#),
        format!(r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":{deep}"#),
        format!(r#"{{"model":"m","max_tokens":1,"messages":[],"x":{deep}{}}}"#, "]".repeat(100_000)),
    ] {
        let _ = decode_request(body.as_bytes());
        let _ = decode_reply(body.as_bytes());
    }
    let _ = CallKind::Custom;
}
