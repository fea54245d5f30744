//! Stands for the client of a response in the background: asks over a connection in memory, and takes what comes.

use super::feed::Feed;
use crate::engine::translated::is_stream;
use bytes::Bytes;
use http::header;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_core::protocols::http::{HttpTask, ServerSession};
use sallyport_filters::codec::responses::ends;
use sallyport_filters::event::{Event, Piece};
use sallyport_filters::sse::EventStream;
use std::sync::Arc;
use tokio::io::{AsyncWriteExt, DuplexStream};

/// Of an answer that is no stream, so much is read for its error.
const ERROR: usize = 64 * 1024;

/// What came.
#[derive(Default)]
pub(super) struct Heard {
    /// The beginning of an answer that is no stream.
    pub(super) error: Vec<u8>,
    /// The event that ends the stream: held back until the response is kept.
    pub(super) last: Option<Bytes>,
}

/// The request as bytes of HTTP/1.1.
pub(super) fn request(d: &ServerSession, body: &[u8]) -> Vec<u8> {
    let framing = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::EXPECT,
        header::UPGRADE,
        header::TE,
    ];
    let head = d.req_header();
    let mut out = Vec::with_capacity(1024 + body.len());
    let path = head.uri.path_and_query().map_or("/v1/responses", http::uri::PathAndQuery::as_str);
    out.extend_from_slice(format!("POST {path} HTTP/1.1\r\nhost: background\r\n").as_bytes());
    for (name, value) in head.headers.iter().filter(|(name, _)| !framing.contains(name)) {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    out.extend_from_slice(body);
    out
}

/// Asks, and reads on for as long as something comes. Events go into the feed.
pub(super) async fn stand_in(mut client: DuplexStream, request: Vec<u8>, feed: Option<Arc<Feed>>) -> Heard {
    let mut heard = Heard::default();
    if client.write_all(&request).await.is_err() {
        return heard;
    }
    drop(request);
    let mut http = HttpSession::new(Box::new(client));
    let mut events = None;
    while let Ok(task) = http.read_response_task().await {
        let (piece, end) = match task {
            HttpTask::Header(head, end) => {
                events = is_stream(&head.headers).then(EventStream::new);
                (None, end)
            }
            HttpTask::Body(piece, end) => (piece, end),
            _ => (None, true),
        };
        match (piece, &mut events, &feed) {
            (Some(piece), Some(stream), Some(feed)) => {
                let look = |event: &mut Event<'_>| {
                    let Piece::Sse { name, data } = event.piece else { return };
                    let data = Bytes::copy_from_slice(data);
                    if ends(name) { heard.last = Some(data) } else { feed.push(data) }
                };
                // The codec writes no event that is too large to be read.
                let _ = stream.push(piece, look);
            }
            (Some(piece), None, _) => {
                let room = ERROR.saturating_sub(heard.error.len()).min(piece.len());
                heard.error.extend_from_slice(&piece[..room]);
            }
            _ => {}
        }
        if end {
            break;
        }
    }
    heard
}
