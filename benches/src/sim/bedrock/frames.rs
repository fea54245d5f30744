//! AWS's binary event streams.

use crate::sim::script::Writer;
use bytes::BytesMut;
use sallyport_filters::codec::eventstream::{encode_event, encode_exception};
use serde_json::Value;

/// Appends an event. `token`: time may pass before it.
pub(crate) fn event(out: &mut Writer, name: &str, payload: &[u8], token: bool) {
    let mut frame = BytesMut::with_capacity(payload.len() + 128);
    // our frames are far from what the format cannot hold
    let _ = encode_event(name, payload, &mut frame);
    out.frame(&frame, token);
}

/// Appends an exception, which ends a stream.
pub(crate) fn exception(out: &mut Writer, name: &str, payload: &Value) {
    let mut frame = BytesMut::new();
    let _ = encode_exception(name, payload.to_string().as_bytes(), &mut frame);
    out.frame(&frame, false);
}
