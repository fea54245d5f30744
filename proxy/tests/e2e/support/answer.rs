//! Answers of a stub upstream, as bytes.

use std::fmt::Write as _;

/// A complete HTTP/1.1 answer with a length.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len().to_string();
    let mut all: Vec<(&str, &str)> = headers.to_vec();
    all.push(("content-length", &length));
    let mut bytes = head(status, &all);
    bytes.extend_from_slice(body);
    bytes
}

/// A JSON answer.
pub(crate) fn json(status: u16, body: impl AsRef<[u8]>) -> Vec<u8> {
    answer(status, &[("content-type", "application/json")], body)
}

/// A complete event stream, each piece one chunk.
pub(crate) fn sse<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>) -> Vec<u8> {
    let mut bytes = sse_head();
    for piece in pieces {
        bytes.extend(chunk(piece.as_ref()));
    }
    bytes.extend_from_slice(LAST_CHUNK);
    bytes
}

/// The head of an event stream whose chunks follow.
pub(crate) fn sse_head() -> Vec<u8> {
    head(200, &[("content-type", "text/event-stream; charset=utf-8"), ("transfer-encoding", "chunked")])
}

/// Status line and headers.
pub(crate) fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Whatever\r\n");
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// One chunk.
pub(crate) fn chunk(data: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// What ends a chunked body.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
