//! `GET /v1/responses/{id}?stream=true`, and `POST /v1/responses` with `background` and `stream`: a client follows a
//! response that does not depend on it.
//!
//! Of one that this instance makes it gets each event as it comes. One that another instance makes it cannot watch:
//! it gets signs of life (SSE comments), and everything as soon as the response has ended. Numbers are the same everywhere.

use super::feed::{Feed, Next};
use super::{Keeper, bounded};
use crate::engine::body::send;
use crate::engine::call::Call;
use crate::engine::reply;
use crate::engine::wait::gone;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pingora_core::protocols::http::{HttpTask, ServerSession};
use pingora_core::{BError, Error, ErrorType};
use sallyport_filters::codec::responses::{Events, event, state};
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_schema::envelope::RESPONSE_EVENTS;
use sallyport_schema::store::{Chain, ResponseRow, ResponseStatus};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// How often another instance's response is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A client that hears nothing for longer may think that the connection is dead.
const ALIVE: Duration = Duration::from_secs(15);

/// Where events come from.
pub(crate) enum Source {
    /// From this instance.
    Feed(Arc<Feed>),
    /// It has ended: all there are.
    Kept(Bytes),
    /// From another instance, sooner or later.
    Elsewhere(String),
}

fn refused(why: &str) -> Rejection {
    Rejection::client(ErrorKind::InvalidRequest, "invalid_parameter", why).param("stream")
}

impl Keeper {
    /// Where the events of the response are, from `number` on.
    pub(crate) async fn events(&self, row: &ResponseRow, number: u64) -> Result<Source, Rejection> {
        if !row.streamed {
            return Err(refused(
                "Only responses created with background=true and stream=true can be streamed again.",
            ));
        }
        if let Some(feed) = self.at_work.feed(&row.id) {
            let lost = matches!(feed.from(number), Next::Lost);
            return if lost { Err(lost_events()) } else { Ok(Source::Feed(feed)) };
        }
        if row.status.ended() {
            return self.kept_events(&row.id, number).await?.map(Source::Kept).ok_or_else(lost_events);
        }
        Ok(Source::Elsewhere(row.id.clone()))
    }

    /// Events of one that has ended, as a stream; None: they were not kept.
    async fn kept_events(&self, id: &str, number: u64) -> Result<Option<Bytes>, Rejection> {
        let Some(store) = &self.store else { return Ok(None) };
        let Some(sealed) = bounded(store.response_events(id)).await? else { return Ok(None) };
        let events = self.ring.open(&RESPONSE_EVENTS.place(id), &sealed).map_err(|e| e.to_string());
        let events = events.and_then(|plain| Events::from_bytes(&plain).map_err(|e| e.to_string()));
        events.map(|events| Some(events.from(number))).map_err(|detail| {
            let why = "The response cannot be read any more.";
            Rejection::gateway(ErrorKind::Internal, "response_unreadable", why).detail(detail)
        })
    }

    /// Events of one that another instance makes, once it has ended; None: it goes on.
    async fn elsewhere(&self, id: &str, number: u64) -> Result<Option<Bytes>, Rejection> {
        let Some(store) = &self.store else { return Ok(Some(Bytes::new())) };
        let chain = bounded(store.response_chain(id, 1, u64::MAX)).await?;
        let row = match chain {
            Chain::Found(mut rows) if !rows.is_empty() => rows.swap_remove(0),
            // Deleted.
            _ => return Ok(Some(Bytes::new())),
        };
        if row.status.ended() {
            if let Some(events) = self.kept_events(id, number).await? {
                return Ok(Some(events));
            }
            // Cancelled, or too long to keep all of it: how it stands is all there is to say.
            return self.last_word(&row, number, row.status.word()).map(Some);
        }
        if row.alive_until.is_none_or(|t| t < OffsetDateTime::now_utc()) {
            return self.last_word(&row, number, ResponseStatus::Failed.word()).map(Some);
        }
        Ok(None)
    }

    fn last_word(&self, row: &ResponseRow, number: u64, status: &str) -> Result<Bytes, Rejection> {
        let turn = self.open(row)?;
        let object = match row.status.ended() {
            true => turn.object(status),
            false => turn.failed("server_error", super::serve::STOPPED),
        };
        let mut out = BytesMut::new();
        let data = state(&format!("response.{status}"), number, &object);
        event(&data, &mut out);
        Ok(out.freeze())
    }
}

fn lost_events() -> Rejection {
    refused("The events of this response are not there any more; get it whole.")
}

/// Sends the events from `number` on, until there are no more or the client has left.
pub(crate) async fn follow(
    keeper: &Keeper,
    d: &mut ServerSession,
    call: &mut Call,
    source: Source,
    number: u64,
) -> Result<(), BError> {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply::stamp(&mut headers, call.x.id);
    call.x.outcome.streamed = true;
    call.x.outcome.status = 200;
    let head = reply::head(d, StatusCode::OK, headers, true)?;
    send(d, call, vec![HttpTask::Header(head, false)]).await?;
    let body = |bytes: Bytes, end| HttpTask::Body(Some(bytes).filter(|b| !b.is_empty()), end);
    match source {
        Source::Kept(events) => send(d, call, vec![body(events, true)]).await?,
        Source::Feed(feed) => {
            let mut number = number;
            loop {
                let next = tokio::select! { biased;
                    next = feed.wait(number) => Some(next),
                    () = gone(d) => return left(call),
                    () = tokio::time::sleep(ALIVE) => None,
                };
                match next {
                    Some(Next::Events(events, n)) => {
                        send(d, call, vec![body(events, false)]).await?;
                        number = n;
                    }
                    None | Some(Next::Wait) => send(d, call, vec![body(sign_of_life(), false)]).await?,
                    // Too slow for what is kept: it may come back for what is left.
                    Some(Next::Lost) => return left(call),
                    Some(Next::End) => break,
                }
            }
            send(d, call, vec![HttpTask::Body(None, true)]).await?;
        }
        Source::Elsewhere(id) => {
            let mut silent = Duration::ZERO;
            let events = loop {
                match keeper.elsewhere(&id, number).await {
                    Ok(Some(events)) => break events,
                    Ok(None) => {}
                    // The store is away for a moment.
                    Err(error) => tracing::debug!(%error, id, "a response cannot be followed"),
                }
                tokio::select! { biased;
                    () = gone(d) => return left(call),
                    () = tokio::time::sleep(LOOK) => silent += LOOK,
                }
                if silent >= ALIVE {
                    silent = Duration::ZERO;
                    send(d, call, vec![body(sign_of_life(), false)]).await?;
                }
            };
            send(d, call, vec![body(events, true)]).await?;
        }
    }
    call.finished = true;
    Ok(())
}

fn sign_of_life() -> Bytes {
    Bytes::from_static(b": keep-alive\n\n")
}

fn left(call: &mut Call) -> Result<(), BError> {
    call.x.outcome.cancelled = true;
    Err(Error::explain(ErrorType::ConnectionClosed, "the client left").into_down())
}
