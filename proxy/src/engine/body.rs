//! The answer's body on its way: shown to the filters, sent in as few writes as possible.

use super::call::Call;
use super::translated::count_stream;
use bytes::{Bytes, BytesMut};
use pingora_core::BError;
use pingora_core::protocols::http::{HttpTask, ServerSession};
use sallyport_filters::event::{Event, Fate, Piece};
use sallyport_filters::exchange::Exchange;
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::sse::{EventStream, StreamError, Verdict, first_event};
use sallyport_filters::translate;
use std::time::Instant;

/// How pieces of the answer meet the filters.
pub(crate) enum Body {
    Events(EventStream),
    Pieces,
    /// A stream that changes its format: what filters count, the codec has counted.
    Translated(Box<translate::Stream>),
    /// Anthropic's events out of AWS's frames.
    Unwrapped(Box<translate::Unwrapped>, EventStream),
}

impl Body {
    /// Shows `batch` to the filters and turns it into tasks.
    pub(crate) fn filter(
        &mut self,
        call: &mut Call,
        batch: &mut Vec<Bytes>,
        tasks: &mut Vec<HttpTask>,
        end: bool,
    ) -> Result<(), Rejection> {
        let chain = call.chain.clone();
        let x = &mut call.x;
        match self {
            Self::Events(stream) => {
                let body = |b: Bytes| HttpTask::Body(Some(b), false);
                for piece in batch.drain(..) {
                    let show = |e: &mut Event<'_>| {
                        note_error(x, e);
                        chain.event(x, e);
                    };
                    let out = stream.push(piece, show).map_err(unreadable)?;
                    tasks.extend(out.into_iter().map(body));
                }
                if end {
                    let show = |e: &mut Event<'_>| {
                        note_error(x, e);
                        chain.event(x, e);
                    };
                    tasks.extend(stream.finish(show).into_iter().map(body));
                }
            }
            Self::Unwrapped(frames, stream) => {
                for piece in batch.drain(..) {
                    let events = frames.push(&piece)?;
                    if !events.is_empty() {
                        let out = stream.push(events, |e| chain.event(x, e)).map_err(unreadable)?;
                        tasks.extend(out.into_iter().map(|b| HttpTask::Body(Some(b), false)));
                    }
                }
            }
            Self::Translated(stream) => {
                let mut push = |bytes: Bytes| {
                    if !bytes.is_empty() {
                        tasks.push(HttpTask::Body(Some(bytes), false));
                    }
                };
                let mut verdict = Ok(());
                for piece in batch.drain(..) {
                    if verdict.is_ok() && stream.failed().is_none() {
                        verdict = stream.push(piece).map(&mut push);
                    }
                }
                if end && verdict.is_ok() && stream.failed().is_none() {
                    verdict = stream.finish().map(&mut push);
                }
                if verdict.is_err() {
                    push(stream.take());
                }
                count_stream(x, stream);
                verdict?;
            }
            Self::Pieces => {
                for piece in batch.drain(..) {
                    let mut event = Event { piece: Piece::Body(&piece), fate: Fate::Keep };
                    chain.event(x, &mut event);
                    match event.fate {
                        Fate::Keep => tasks.push(HttpTask::Body(Some(piece), false)),
                        Fate::Replace(other) => tasks.push(HttpTask::Body(Some(other), false)),
                        Fate::Drop => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// What ends a stream of the client's with an error, where that is no event.
    pub(crate) fn break_off(&mut self, why: &Rejection) -> Option<Bytes> {
        match self {
            Self::Translated(stream) => stream.break_off(why),
            _ => None,
        }
    }

    /// The whole answer, once, where the gateway keeps it.
    pub(crate) fn take_object(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Translated(stream) => stream.take_object(),
            _ => None,
        }
    }

    /// The provider told an error in mid-stream, and the client has been told it.
    pub(crate) fn failed(&self) -> Option<Rejection> {
        match self {
            Self::Translated(stream) => stream.failed(),
            _ => None,
        }
    }
}

/// A provider's error in mid-stream passes to its own clients as it is; the log must not call the call a good one.
fn note_error(x: &mut Exchange, event: &Event<'_>) {
    let Piece::Sse { name, data } = event.piece else { return };
    let suspicious = matches!(name, b"error" | b"response.failed") || data.starts_with(br#"{"error""#);
    if suspicious
        && x.outcome.rejection.is_none()
        && let Verdict::Error { error, .. } = first_event(x.dialect, name, data)
    {
        x.outcome.rejection = Some(translate::failure(&error));
    }
}

fn unreadable(e: StreamError) -> Rejection {
    Rejection::upstream(
        ErrorKind::Upstream,
        "upstream_bad_stream",
        "The model provider sent a stream that cannot be read.",
    )
    .detail(e.to_string())
}

/// Sends tasks to the client and counts the bytes.
pub(crate) async fn send(
    d: &mut ServerSession,
    call: &mut Call,
    mut tasks: Vec<HttpTask>,
) -> Result<(), BError> {
    let bytes: usize =
        tasks.iter().map(|t| if let HttpTask::Body(Some(b), _) = t { b.len() } else { 0 }).sum();
    if d.is_http2() {
        tasks = join_bodies(tasks);
    }
    d.response_duplex_vec(tasks).await?;
    if bytes > 0 {
        call.x.outcome.first_byte.get_or_insert_with(Instant::now);
        call.x.outcome.bytes_out += bytes as u64;
    }
    Ok(())
}

/// HTTP/2 makes a DATA frame of each task, and clients end a connection on which too many tiny frames pile up.
fn join_bodies(tasks: Vec<HttpTask>) -> Vec<HttpTask> {
    if tasks.len() < 3 {
        return tasks;
    }
    let (mut out, mut joined, mut last) = (Vec::with_capacity(3), BytesMut::new(), false);
    for task in tasks {
        match task {
            HttpTask::Body(piece, end) => {
                joined.extend_from_slice(&piece.unwrap_or_default());
                last |= end;
            }
            other => out.push(other),
        }
    }
    if !joined.is_empty() || last {
        out.push(HttpTask::Body(Some(joined.freeze()), last));
    }
    out
}
