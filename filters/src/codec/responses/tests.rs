//! Tests of the whole format; each file one idea.

mod golden;
mod laws;
mod recorded;
mod wrong;

use super::*;
use crate::codec::{StreamDecoder, StreamEncoder};
use crate::event::{Fate, Piece};
use crate::ir::collect::Collector;
use crate::ir::{Reply, StreamEvent};
use crate::sse::EventStream;
use bytes::{Bytes, BytesMut};

/// The events that a stream means.
fn decode_stream(text: &[u8]) -> Vec<StreamEvent> {
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    let mut stream = EventStream::new();
    let mut see = |e: &mut crate::event::Event<'_>| {
        if let Piece::Sse { name, data } = e.piece {
            decoder.event(name, data, &mut out).unwrap();
        }
        e.fate = Fate::Keep;
    };
    for piece in text.chunks(97) {
        stream.push(Bytes::copy_from_slice(piece), &mut see).unwrap();
    }
    stream.finish(&mut see);
    decoder.finish(&mut out);
    out
}

fn encode_stream(events: &[StreamEvent], x: &EncodeReply) -> Vec<u8> {
    let mut encoder = Encoder::new(x.clone());
    let mut out = BytesMut::new();
    for e in events {
        encoder.event(e, &mut out);
    }
    out.to_vec()
}

fn collect(events: Vec<StreamEvent>) -> Reply {
    let mut c = Collector::default();
    for e in events {
        c.push(e);
    }
    assert!(c.ended(), "no end");
    c.finish().unwrap()
}

fn asked() -> EncodeReply {
    EncodeReply { model: "alias".into(), id: "gw1".into(), created: 1_700_000_000, ..EncodeReply::default() }
}
