//! Answers that change their wire format on the way.

use super::attempt::{Attempt, End};
use super::call::Call;
use super::failure::Failure;
use super::reply;
use super::wait::{Received, push, receive};
use crate::upstream::connection::Connection;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora_core::protocols::http::ServerSession;
use sallyport_filters::exchange::Exchange;
use sallyport_filters::filter::ResponseHead;
use sallyport_filters::ir::Tokens;
use sallyport_filters::outgoing::translated_response_headers;
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::surface::Dialect;
use sallyport_filters::translate::{Stream, Translation};

/// Largest whole answer that is translated, in bytes.
pub(super) const MOST: usize = 64 * 1024 * 1024;

/// Names the fields that the upstream did not get to see.
const DROPPED: HeaderName = HeaderName::from_static("x-sallyport-dropped");

/// What Anthropic calls the id of a request.
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Longest list of dropped fields in a header, in bytes.
const DROPPED_MOST: usize = 1024;

/// Is it a stream of events: SSE, or AWS's frames?
pub(crate) fn is_stream(headers: &HeaderMap) -> bool {
    let is = |kind: &[u8]| {
        headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|v| v.as_bytes().get(..kind.len()).is_some_and(|t| t.eq_ignore_ascii_case(kind)))
    };
    is(b"text/event-stream") || is(b"application/vnd.amazon.eventstream")
}

/// The head of an answer in the client's format.
pub(super) fn head(theirs: &HeaderMap, x: &Exchange, stream: bool) -> HeaderMap {
    let mut headers = translated_response_headers(theirs);
    let kind = if stream { "text/event-stream; charset=utf-8" } else { "application/json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if stream {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    // Anthropic's SDKs read this one; bodies of errors say the same id.
    if x.dialect == Dialect::Anthropic
        && let Ok(id) = HeaderValue::from_str(&x.id.to_string())
    {
        headers.insert(ANTHROPIC_REQUEST_ID, id);
    }
    if !x.dropped.is_empty() {
        let mut list = String::new();
        for field in &x.dropped {
            let field: String = field.chars().filter(char::is_ascii_graphic).collect();
            if list.len() + field.len() > DROPPED_MOST {
                list.push_str(", …");
                break;
            }
            if !list.is_empty() {
                list.push_str(", ");
            }
            list.push_str(&field);
        }
        // The ellipsis is no ASCII; a header may hold it all the same (obs-text).
        if let Ok(value) = HeaderValue::from_bytes(list.as_bytes()) {
            headers.insert(DROPPED, value);
        }
    }
    headers
}

/// What the codec has read of the usage.
pub(super) fn count(x: &mut Exchange, tokens: Option<Tokens>, body: &[u8]) {
    match (&mut x.meter, tokens) {
        (Some(meter), Some(tokens)) => meter.told(tokens.usage, true),
        (Some(meter), None) => meter.delivers_whole(body),
        _ => {}
    }
}

/// The same of a stream on its way.
pub(super) fn count_stream(x: &mut Exchange, stream: &mut Stream) {
    let Some(meter) = &mut x.meter else { return };
    if let Some(tokens) = stream.tokens() {
        meter.told(tokens.usage, stream.ended());
        meter.partly(!stream.tokens_final());
    }
    meter.numbered(stream.next_sequence());
    meter.delivers(stream.delivered());
}

impl Attempt<'_> {
    /// A whole answer: read to its end, translated, sent.
    pub(super) async fn whole(
        &self,
        d: &mut ServerSession,
        call: &mut Call,
        up: &mut Connection,
        translation: &Translation,
        (status, theirs, mut end): (StatusCode, HeaderMap, bool),
    ) -> End {
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut len = 0;
        let idle = self.settings.idle_timeout.get().max(self.settings.first_byte_timeout.get());
        while !end {
            match receive(d, up, idle).await {
                Received::Task(task) => end = push(task, &mut pieces),
                Received::Broken(e) => return End::Failed(Failure::broken(e.to_string())),
                Received::TimedOut => {
                    return End::Failed(Failure::timed_out(format!("no more bytes within {idle:?}")));
                }
                Received::Gone => return End::Gone,
            }
            len = pieces.iter().map(Bytes::len).sum();
            if len > MOST {
                break;
            }
        }
        let translated = if len > MOST {
            Err(Rejection::upstream(
                ErrorKind::Upstream,
                "upstream_bad_answer",
                "The model provider's answer is too large to be translated.",
            ))
        } else {
            translation.reply(&pieces.concat())
        };
        let answer = match translated {
            Ok(answer) => answer,
            Err(why) => return End::Failed(Failure::unreadable(why)),
        };
        count(&mut call.x, answer.tokens, &answer.body);
        if translation.kept() {
            self.keeper.keep(&mut call.x, answer.body.clone());
        }
        let mut headers = head(&theirs, &call.x, translation.one_event());
        call.chain.clone().head(&mut call.x, &mut ResponseHead { status, headers: &mut headers });
        match reply::whole(d, &mut call.x, status, headers, answer.body.into()).await {
            Ok(()) => End::Delivered,
            Err(_) => End::Gone,
        }
    }
}
