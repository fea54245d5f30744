//! Reading a request body: bounded in size and time.

use bytes::{Bytes, BytesMut};
use http::header;
use pingora_core::ErrorType;
use pingora_core::protocols::http::ServerSession;
use sallyport_config::model::Server;
use sallyport_filters::rejection::{ErrorKind, Rejection};
use std::time::Duration;

/// What came of reading.
pub(crate) enum Read {
    /// The whole body.
    Whole(Bytes),
    /// Too large, too slow or malformed: answer this.
    Refused(Rejection),
    /// The client left.
    Gone,
}

/// Up to this much of an unread body is read and thrown away so that the connection can be kept.
const DISCARD: usize = 1024 * 1024;
/// A refused upload is taken for at most this long (and this much) after the answer, so that the client comes to
/// read it instead of a connection reset.
const LINGER: (Duration, usize) = (Duration::from_secs(5), 64 * 1024 * 1024);

fn too_large(max: u64) -> Rejection {
    Rejection::client(
        ErrorKind::TooLarge,
        "request_too_large",
        format!("The request body is larger than the {max} bytes that this gateway accepts."),
    )
}

pub(crate) fn content_length(d: &ServerSession) -> Option<u64> {
    d.req_header().headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Does the request have a body that was not read to its end?
pub(crate) fn pending(d: &mut ServerSession) -> bool {
    !d.is_body_done()
}

pub(crate) fn expects_continue(d: &ServerSession) -> bool {
    d.req_header()
        .headers
        .get(header::EXPECT)
        .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Reads the body.
pub(crate) async fn read(d: &mut ServerSession, settings: &Server) -> Read {
    let max = settings.max_body.bytes();
    let announced = content_length(d);
    if announced.is_some_and(|n| n > max) {
        return Read::Refused(too_large(max));
    }
    if expects_continue(d) && d.write_continue_response().await.is_err() {
        return Read::Gone;
    }
    let mut whole: Option<BytesMut> = None;
    let mut first: Option<Bytes> = None;
    let mut len = 0u64;
    loop {
        let piece = match pingora_timeout::timeout(settings.body_timeout.get(), d.read_request_body()).await {
            Err(_) => return Read::Refused(too_slow()),
            Ok(Err(e)) => match e.etype() {
                ErrorType::ReadTimedout => return Read::Refused(too_slow()),
                ErrorType::Custom("InvalidChunk") | ErrorType::InvalidHTTPHeader => {
                    return Read::Refused(
                        Rejection::client(
                            ErrorKind::InvalidRequest,
                            "invalid_body_framing",
                            "The request body is not framed as HTTP demands.",
                        )
                        .detail(e.to_string()),
                    );
                }
                _ => return Read::Gone,
            },
            Ok(Ok(None)) => break,
            Ok(Ok(Some(piece))) => piece,
        };
        len += piece.len() as u64;
        if len > max {
            return Read::Refused(too_large(max));
        }
        match (&mut whole, first.take()) {
            (Some(buffer), _) => buffer.extend_from_slice(&piece),
            (None, None) => first = Some(piece),
            (None, Some(head)) => {
                // A client's announcement is not yet a reason to give it 32 MiB: grow from what has come.
                let room = announced.unwrap_or(0).min(4 * len).max(2 * len);
                let mut buffer = BytesMut::with_capacity(usize::try_from(room).unwrap_or(64 * 1024));
                buffer.extend_from_slice(&head);
                buffer.extend_from_slice(&piece);
                whole = Some(buffer);
            }
        }
    }
    Read::Whole(match (whole, first) {
        (Some(buffer), _) => buffer.freeze(),
        (None, Some(only)) => only,
        (None, None) => Bytes::new(),
    })
}

fn too_slow() -> Rejection {
    Rejection::client(
        ErrorKind::RequestTimeout,
        "request_timeout",
        "The request body did not arrive in time.",
    )
}

/// Before an early answer: reads a small rest of the body away, so that keep-alive survives a 401. True: nothing is
/// left to read.
pub(crate) async fn discard_small(d: &mut ServerSession, settings: &Server) -> bool {
    if !pending(d) {
        return true;
    }
    if expects_continue(d) || content_length(d).is_some_and(|n| n > DISCARD as u64) {
        return false;
    }
    discard(d, settings.body_timeout.get().min(LINGER.0), DISCARD).await
}

/// After an early answer on a connection that will be closed: takes what the client still sends for a while.
pub(crate) async fn linger(d: &mut ServerSession) {
    if pending(d) && !expects_continue(d) {
        discard(d, LINGER.0, LINGER.1).await;
    }
}

async fn discard(d: &mut ServerSession, wait: Duration, most: usize) -> bool {
    let mut left = most;
    let drain = async {
        loop {
            match d.read_request_body().await {
                Ok(None) => return true,
                Ok(Some(piece)) if piece.len() <= left => left -= piece.len(),
                _ => return false,
            }
        }
    };
    pingora_timeout::timeout(wait, drain).await.unwrap_or(false)
}
