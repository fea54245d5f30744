//! Tests of the Chat codec.

mod golden;
mod laws;
mod many;
mod recorded;
mod requests;
mod servers;
mod thinking;

use super::*;
use crate::codec::{DecodeError, StreamDecoder, StreamEncoder};
use crate::ir::collect::Collector;
use crate::ir::reply::Reply;
use crate::ir::stream::StreamEvent;
use crate::ir::{Conversation, Losses};
use crate::sse::EventStream;
use bytes::{Bytes, BytesMut};
use serde_json::Value;

/// All events of a stream.
fn events(sse: &[u8]) -> Result<Vec<StreamEvent>, DecodeError> {
    let (mut stream, mut decoder, mut out) = (EventStream::new(), Decoder::new(), Vec::new());
    let mut failed = None;
    let mut look = |e: &mut crate::event::Event<'_>| {
        if let crate::event::Piece::Sse { name, data } = e.piece
            && let Err(e) = decoder.event(name, data, &mut out)
        {
            failed.get_or_insert(e);
        }
    };
    stream.push(Bytes::copy_from_slice(sse), &mut look).unwrap();
    stream.finish(&mut look);
    decoder.finish(&mut out);
    ordered(&out);
    failed.map_or(Ok(out), Err)
}

/// Are the events in the order that the conversation's streams promise?
fn ordered(events: &[StreamEvent]) {
    let mut blocks = std::collections::HashMap::new();
    let (mut ended, mut next) = (false, std::collections::HashMap::<u32, u32>::new());
    for (i, e) in events.iter().enumerate() {
        assert!(!ended, "after the end: {e:?}");
        match e {
            StreamEvent::Start { .. } => assert_eq!(i, 0),
            StreamEvent::BlockStart { choice, index, .. } => {
                let n = next.entry(*choice).or_default();
                assert_eq!(n, index, "{events:?}");
                *n += 1;
                blocks.insert((*choice, *index), true);
            }
            StreamEvent::BlockDelta { choice, index, .. } => {
                assert_eq!(blocks.get(&(*choice, *index)), Some(&true), "{e:?} in {events:?}");
            }
            StreamEvent::BlockStop { choice, index } => {
                assert_eq!(blocks.insert((*choice, *index), false), Some(true), "{events:?}");
            }
            StreamEvent::End | StreamEvent::Error(_) => ended = true,
            _ => {}
        }
    }
    assert!(
        !ended || blocks.values().all(|open| !open) || matches!(events.last(), Some(StreamEvent::Error(_)))
    );
}

/// The answer of a stream.
fn collect(events: Vec<StreamEvent>) -> Reply {
    let mut c = Collector::default();
    events.into_iter().for_each(|e| c.push(e));
    assert!(c.ended());
    c.finish().unwrap()
}

/// Chunks, as they are written for a client.
fn sse(events: &[StreamEvent], x: &EncodeReply) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(x.clone()), BytesMut::new());
    events.iter().for_each(|e| encoder.event(e, &mut out));
    out.to_vec()
}

/// A request for an upstream and what was lost.
fn told(c: &Conversation, o: &ChatOptions) -> (Value, Losses) {
    let mut losses = Losses::default();
    let bytes = encode_request(c, "up", o, &mut losses);
    (serde_json::from_slice(&bytes).unwrap(), losses)
}

/// A request.
fn asked(json: &str) -> Conversation {
    decode_request(json.as_bytes()).unwrap()
}
