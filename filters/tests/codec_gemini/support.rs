//! What the tests share.

use bytes::BytesMut;
use sallyport_filters::codec::gemini::{Decoder, EncodeReply, Encoder, Framing};
use sallyport_filters::codec::{StreamDecoder, StreamEncoder};
use sallyport_filters::ir::block::{Block, Body};
use sallyport_filters::ir::collect::Collector;
use sallyport_filters::ir::stream::{Delta, StreamEvent};
use sallyport_filters::ir::{Reply, Stop, StopReason};
use std::path::PathBuf;

/// The data of each event.
pub(crate) fn data(sse: &str) -> Vec<&str> {
    sse.lines().filter_map(|l| l.strip_prefix("data: ").or_else(|| l.strip_prefix("data:"))).collect()
}

/// A stream's events.
pub(crate) fn decode(sse: &str) -> Vec<StreamEvent> {
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    for d in data(sse) {
        decoder.event(b"", d.as_bytes(), &mut out).unwrap();
    }
    decoder.finish(&mut out);
    in_order(&out);
    out
}

/// The order that the IR demands.
pub(crate) fn in_order(events: &[StreamEvent]) {
    let mut open = std::collections::BTreeSet::new();
    let mut next = std::collections::BTreeMap::<u32, u32>::new();
    let mut over = false;
    for (i, e) in events.iter().enumerate() {
        assert!(!over, "something after the end");
        assert_eq!(
            i == 0,
            matches!(e, StreamEvent::Start { .. }) || matches!(e, StreamEvent::Error(_)) && i == 0
        );
        match e {
            StreamEvent::BlockStart { choice, index, .. } => {
                let n = next.entry(*choice).or_default();
                assert_eq!(index, n, "indexes count from 0");
                *n += 1;
                assert!(open.insert((*choice, *index)));
            }
            StreamEvent::BlockDelta { choice, index, .. } => assert!(open.contains(&(*choice, *index))),
            StreamEvent::BlockStop { choice, index } => assert!(open.remove(&(*choice, *index))),
            StreamEvent::Stop { choice, .. } => assert!(!open.iter().any(|(c, _)| c == choice)),
            StreamEvent::End | StreamEvent::Error(_) => over = true,
            _ => {}
        }
    }
}

pub(crate) fn collect(events: Vec<StreamEvent>) -> Reply {
    let mut c = Collector::default();
    events.into_iter().for_each(|e| c.push(e));
    c.finish().unwrap()
}

/// Whom the answer is for.
pub(crate) fn client() -> EncodeReply {
    EncodeReply { model: "alias".into(), id: "fallback".into() }
}

pub(crate) fn encode(events: &[StreamEvent], framing: Framing) -> String {
    let mut e = Encoder::new(client(), framing);
    let mut out = BytesMut::new();
    events.iter().for_each(|x| e.event(x, &mut out));
    String::from_utf8(out.to_vec()).unwrap()
}

/// The events that tell a reply, words in pieces.
pub(crate) fn events(r: &Reply) -> Vec<StreamEvent> {
    let mut out = vec![StreamEvent::Start { id: r.id.clone(), model: r.model.clone(), created: r.created }];
    for (n, c) in r.choices.iter().enumerate() {
        let choice = n as u32;
        for (i, b) in c.content.iter().enumerate() {
            let index = i as u32;
            let (start, deltas) = pieces(b);
            out.push(StreamEvent::BlockStart { choice, index, block: start });
            out.extend(deltas.into_iter().map(|delta| StreamEvent::BlockDelta { choice, index, delta }));
            out.push(StreamEvent::BlockStop { choice, index });
        }
        if let Some(l) = &c.logprobs {
            out.push(StreamEvent::Logprobs { choice, content: l.clone() });
        }
        out.extend(c.stop.clone().map(|stop| StreamEvent::Stop { choice, stop }));
    }
    out.extend(r.blocked.clone().map(StreamEvent::Blocked));
    out.extend(r.tokens.map(StreamEvent::Tokens));
    out.extend(r.service_tier.clone().map(StreamEvent::ServiceTier));
    out.push(StreamEvent::End);
    out
}

fn pieces(b: &Block) -> (Block, Vec<Delta>) {
    let mut b = b.clone();
    let cut = |s: &mut String| {
        let all: Vec<char> = std::mem::take(s).chars().collect();
        all.chunks(3).map(|c| c.iter().collect::<String>()).collect::<Vec<_>>()
    };
    let mut out = Vec::new();
    match &mut b.body {
        Body::Text { text, citations, signature } => {
            out.extend(cut(text).into_iter().map(Delta::Text));
            out.extend(citations.drain(..).map(Delta::Citation));
            out.extend(signature.take().map(Delta::Signature));
        }
        Body::Thinking(t) => {
            out.extend(cut(&mut t.text).into_iter().map(Delta::Thinking));
            out.extend(t.signature.take().map(Delta::Signature));
        }
        Body::ToolCall(c) => out.extend(cut(&mut c.arguments).into_iter().map(Delta::Arguments)),
        _ => {}
    }
    (b, out)
}

pub(crate) fn stop(reason: StopReason) -> Stop {
    Stop { reason, ..Stop::default() }
}

/// Compares with a file, or writes it (`SALLYPORT_BLESS=1`).
pub(crate) fn golden(name: &str, got: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gemini").join(name);
    if std::env::var_os("SALLYPORT_BLESS").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(got, want, "{}", path.display());
}
