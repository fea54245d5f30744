//! Laws over the matrix.

use super::call::{begin, stream, whole};
use super::data::{Answers, CASES, requests};
use super::golden::pairs;
use bytes::Bytes;
use proptest::prelude::*;
use sallyport_filters::codec::{StreamDecoder, Wire, chat, gemini, messages, responses};
use sallyport_filters::event::Piece;
use sallyport_filters::ir::Reply;
use sallyport_filters::ir::collect::Collector;
use sallyport_filters::sse::EventStream;

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
            if a != b {
                wrong.push(format!("{at}\nstream {a:?}\nwhole  {b:?}"));
            }
            seen += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 150, "{seen}");
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
