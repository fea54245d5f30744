//! Writing frames: for simulators and tests; a gateway only reads them.

use super::{FrameError, HeaderValue, MAX_HEADERS, MAX_PAYLOAD, PRELUDE, TRAILER};
use bytes::{BufMut, BytesMut};

/// Appends a frame.
///
/// # Errors
/// A header or payload larger than the format allows; then nothing is written.
pub fn encode(
    headers: &[(&str, HeaderValue<'_>)],
    payload: &[u8],
    out: &mut BytesMut,
) -> Result<(), FrameError> {
    let mut block = BytesMut::new();
    for (name, value) in headers {
        header(name, value, &mut block)?;
    }
    if block.len() > MAX_HEADERS || payload.len() > MAX_PAYLOAD {
        return Err(FrameError::Headers);
    }
    let start = out.len();
    let whole = PRELUDE + block.len() + payload.len() + TRAILER;
    out.reserve(whole);
    // Both fit: they are bounded above.
    out.put_u32(whole as u32);
    out.put_u32(block.len() as u32);
    let sum = crc32fast::hash(&out[start..]);
    out.put_u32(sum);
    out.put_slice(&block);
    out.put_slice(payload);
    let sum = crc32fast::hash(&out[start..]);
    out.put_u32(sum);
    Ok(())
}

/// Appends an event with a JSON payload.
///
/// # Errors
/// As [`encode`].
pub fn encode_event(event: &str, payload: &[u8], out: &mut BytesMut) -> Result<(), FrameError> {
    typed(":event-type", event, "event", payload, out)
}

/// Appends an exception with a JSON payload.
///
/// # Errors
/// As [`encode`].
pub fn encode_exception(exception: &str, payload: &[u8], out: &mut BytesMut) -> Result<(), FrameError> {
    typed(":exception-type", exception, "exception", payload, out)
}

/// The headers in the order in which Bedrock writes them.
fn typed(
    name: &str,
    word: &str,
    message: &str,
    payload: &[u8],
    out: &mut BytesMut,
) -> Result<(), FrameError> {
    let headers = [
        (name, HeaderValue::String(word)),
        (":content-type", HeaderValue::String("application/json")),
        (":message-type", HeaderValue::String(message)),
    ];
    encode(&headers, payload, out)
}

fn header(name: &str, value: &HeaderValue<'_>, out: &mut BytesMut) -> Result<(), FrameError> {
    let len = u8::try_from(name.len()).ok().filter(|n| *n > 0).ok_or(FrameError::Headers)?;
    out.put_u8(len);
    out.put_slice(name.as_bytes());
    match value {
        HeaderValue::Bool(true) => out.put_u8(0),
        HeaderValue::Bool(false) => out.put_u8(1),
        HeaderValue::Byte(v) => {
            out.put_u8(2);
            out.put_i8(*v);
        }
        HeaderValue::Short(v) => {
            out.put_u8(3);
            out.put_i16(*v);
        }
        HeaderValue::Int(v) => {
            out.put_u8(4);
            out.put_i32(*v);
        }
        HeaderValue::Long(v) => {
            out.put_u8(5);
            out.put_i64(*v);
        }
        HeaderValue::Bytes(v) => sized(6, v, out)?,
        HeaderValue::String(v) => sized(7, v.as_bytes(), out)?,
        HeaderValue::Timestamp(v) => {
            out.put_u8(8);
            out.put_i64(*v);
        }
        HeaderValue::Uuid(v) => {
            out.put_u8(9);
            out.put_slice(v);
        }
    }
    Ok(())
}

fn sized(kind: u8, bytes: &[u8], out: &mut BytesMut) -> Result<(), FrameError> {
    let len = u16::try_from(bytes.len()).map_err(|_| FrameError::Headers)?;
    out.put_u8(kind);
    out.put_u16(len);
    out.put_slice(bytes);
    Ok(())
}
