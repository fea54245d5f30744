//! What the tests share: streams in and out, and the places of their files.

mod golden;
mod laws;
mod platform;
mod recorded;
mod request;
mod rules;
mod stream;

use super::*;
use crate::codec::{StreamDecoder, StreamEncoder};
use crate::ir::collect::Collector;
use crate::ir::{Reply, StreamEvent};
use bytes::BytesMut;
use serde_json::Value;

/// The events of a stream: names and data.
fn split(sse: &str) -> Vec<(String, String)> {
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|l| l.strip_prefix(name));
        line.map(|l| l.trim_start().to_owned()).unwrap_or_default()
    };
    let blocks = sse.split("\n\n").filter(|b| !b.trim().is_empty());
    blocks.map(|b| (field(b, "event:"), field(b, "data:"))).collect()
}

/// A stream, decoded.
fn events(sse: &str) -> Vec<StreamEvent> {
    let (mut decoder, mut out) = (Decoder::new(), Vec::new());
    for (name, data) in split(sse) {
        decoder.event(name.as_bytes(), data.as_bytes(), &mut out).unwrap();
    }
    decoder.finish(&mut out);
    out
}

/// Events, put together.
fn collect(events: impl IntoIterator<Item = StreamEvent>) -> Reply {
    let mut all = Collector::default();
    events.into_iter().for_each(|e| all.push(e));
    all.finish().unwrap()
}

fn x() -> EncodeReply {
    EncodeReply { model: "alias".into(), id: "msg_fallback".into() }
}

/// Events, encoded.
fn sse(events: &[StreamEvent]) -> String {
    let (mut encoder, mut out) = (Encoder::new(x()), BytesMut::new());
    events.iter().for_each(|e| encoder.event(e, &mut out));
    String::from_utf8(out.to_vec()).unwrap()
}

/// A request, encoded without any loss, as a tree.
fn lossless(c: &crate::ir::Conversation, options: &RequestOptions) -> Value {
    let mut losses = crate::ir::Losses::default();
    let body = encode_request(c, &c.model, options, &mut losses);
    assert_eq!(losses.0, []);
    serde_json::from_slice(&body).unwrap()
}

fn own() -> RequestOptions {
    RequestOptions { own_front: true, ..RequestOptions::default() }
}
