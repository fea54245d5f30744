//! Laws over the matrix.

use super::call::{begin, stream, whole};
use super::data::{Answers, CASES, requests};
use super::golden::pairs;
use super::second;
use bytes::Bytes;
use proptest::prelude::*;
use sallyport_filters::codec::{StreamDecoder, Wire, chat, gemini, messages, responses};
use sallyport_filters::event::Piece;
use sallyport_filters::ir::block::Body;
use sallyport_filters::ir::collect::Collector;
use sallyport_filters::ir::{Reply, Signature};
use sallyport_filters::sse::EventStream;
use serde_json::Value;

/// What a client of the front understands from a stream.
fn understood(front: Wire, body: &Bytes) -> Reply {
    let mut decoder: Box<dyn StreamDecoder> = match front {
        Wire::Chat => Box::new(chat::Decoder::new()),
        Wire::Responses => Box::new(responses::Decoder::new()),
        Wire::Messages => Box::new(messages::Decoder::new()),
        Wire::Gemini | Wire::Converse => Box::new(gemini::Decoder::new()),
    };
    let (mut sse, mut events) = (EventStream::new(), Vec::new());
    sse.push(body.clone(), |e| {
        if let Piece::Sse { name, data } = e.piece {
            decoder.event(name, data, &mut events).unwrap();
        }
    })
    .unwrap();
    decoder.finish(&mut events);
    let mut collector = Collector::default();
    events.into_iter().for_each(|e| collector.push(e));
    assert!(collector.ended(), "{}", String::from_utf8_lossy(body));
    collector.finish().unwrap()
}

fn understood_whole(front: Wire, body: &[u8]) -> Reply {
    match front {
        Wire::Chat => chat::decode_reply(body),
        Wire::Responses => responses::decode_reply(body),
        Wire::Messages => messages::decode_reply(body),
        Wire::Gemini | Wire::Converse => gemini::decode_reply(body),
    }
    .unwrap()
}

/// Whole requests and answers are read with more patience than streams, which only upstreams send: a signature that
/// travels in a thought of its own is put back to its call, an unsigned summary is taken for the thought.
fn plain(reply: &mut Reply) {
    for choice in &mut reply.choices {
        let mut seals = Vec::new();
        choice.content.retain_mut(|b| {
            let Body::Thinking(t) = &mut b.body else { return true };
            t.text.push_str(&std::mem::take(&mut t.summary).join("\n\n"));
            let call = t.signature.as_ref().and_then(|s| s.id.as_deref()?.strip_prefix("call:"));
            let call = call.map(str::to_owned);
            if let (Some(call), Some(s)) = (&call, &t.signature) {
                seals.push((call.clone(), Signature { id: None, ..s.clone() }));
            }
            call.is_none()
        });
        for (id, seal) in seals {
            for b in &mut choice.content {
                if let Body::ToolCall(c) = &mut b.body
                    && c.id == id
                {
                    c.signature = Some(seal.clone());
                }
            }
        }
    }
}

/// A stream and a whole answer say the same, and cost the same.
#[test]
fn stream_and_whole_are_one() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (front, name, up) in pairs() {
        let (asks, answers) = (requests(front), Answers::of(name, up.wire));
        for case in &CASES {
            let Some(answer) = case.answer else { continue };
            let begun = |stream| {
                begin((front, &up), &asks[case.ask], stream, true).map_err(|e| e.to_string()).unwrap()
            };
            let (Some(bytes), Some(told)) = (answers.stream(answer), whole(&begun(false), &answers, answer))
            else {
                continue;
            };
            let flow = stream(begun(true), &bytes, &[]);
            let at = format!("{front:?} {name} {}", case.name);
            assert!(flow.ended, "{at}");
            assert_eq!(flow.tokens, told.tokens, "{at}");
            assert!(told.tokens.is_some(), "{at}");
            let (mut a, mut b) = (understood(front, &flow.body), understood_whole(front, &told.body));
            // Formats that have no id of the provider's get one of the gateway's: the same one.
            assert_eq!(a.id, b.id, "{at}");
            (a.created, b.created) = (None, None);
            plain(&mut a);
            plain(&mut b);
            if a != b {
                wrong.push(format!("{at}\nstream {a:?}\nwhole  {b:?}"));
            }
            seen += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 150, "{seen}");
}

/// In a tool loop each provider gets back, block by block, what it has signed or sealed.
#[test]
fn thoughts_come_back_as_they_were() {
    for (front, name, up) in pairs() {
        let (asks, answers) = (requests(front), Answers::of(name, up.wire));
        let ask = &asks["thinking"];
        let first = begin((front, &up), ask, false, true).map_err(|e| e.to_string()).unwrap();
        let told = whole(&first, &answers, "thinking").unwrap();
        let next = second::request(front, ask, &serde_json::from_slice(&told.body).unwrap(), false);
        let sent = begin((front, &up), &next, false, true).map_err(|e| e.to_string()).unwrap().encoded.body;
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        let answer: Value = serde_json::from_slice(&answers.whole("thinking").unwrap()).unwrap();
        // Where the blocks of the answer are, where those of its turn in the request, and which must be the same.
        let (said, turn, sealed): (_, _, &[&str]) = match name {
            "messages" => ("/content", "/messages/1/content", &["signature", "data"]),
            "converse" => ("/output/message/content", "/messages/1/content", &["reasoningContent"]),
            "gemini" => ("/candidates/0/content/parts", "/contents/1/parts", &["thoughtSignature"]),
            "responses" => ("/output", "/input", &["encrypted_content"]),
            _ => continue,
        };
        let blocks = |v: &Value, at: &str| v.pointer(at).unwrap().as_array().unwrap().clone();
        let there = blocks(&sent, turn);
        let mut seen = 0;
        for mut block in blocks(&answer, said) {
            if let Some(seal) = sealed.iter().find(|s| block.get(**s).is_some()) {
                let back = there.iter().find(|b| b.get(*seal) == block.get(*seal));
                let mut back =
                    back.unwrap_or_else(|| panic!("{front:?} {name}: no {block} in {sent}")).clone();
                // Gemini's calls have no ids of their own.
                back["functionCall"]["id"] = Value::Null;
                block["functionCall"]["id"] = Value::Null;
                assert_eq!(back, block, "{front:?} {name}");
                seen += 1;
            }
        }
        assert!(seen > 0, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// What the client gets does not depend on how the network cuts the upstream's bytes.
    #[test]
    fn any_cut_is_the_same(seeds in proptest::collection::vec(any::<u16>(), 0..12), step in 1_usize..40) {
        for (front, name, up) in pairs() {
            let (asks, answers) = (requests(front), Answers::of(name, up.wire));
            let cases = CASES.iter().filter_map(|c| Some((c.ask, c.answer?))).chain([("text", "broken")]);
            for (ask, answer) in cases {
                let Some(bytes) = answers.stream(answer) else { continue };
                let begun = || begin((front, &up), &asks[ask], true, true).map_err(|e| e.to_string()).unwrap();
                let mut cuts: Vec<_> = seeds.iter().map(|s| usize::from(*s) % bytes.len()).collect();
                cuts.sort_unstable();
                let once = stream(begun(), &bytes, &[]);
                prop_assert_eq!(&stream(begun(), &bytes, &cuts), &once, "{:?} {} {}", front, name, answer);
                let steps: Vec<_> = (0..bytes.len()).step_by(step).collect();
                prop_assert_eq!(&stream(begun(), &bytes, &steps), &once, "{:?} {} {}", front, name, answer);
            }
        }
    }
}
