//! Responses that are made while their client has left: `background` at providers that cannot answer later.
//!
//! The client gets the id at once. The call itself is made by the same engine, over a connection in memory that stands
//! for the client: same filters, same log (a record of its own), same failover. Whoever makes one says again and again
//! in the store that it lives; so a response whose instance has died is told as failed, and one that was cancelled
//! elsewhere is stopped here.

use super::feed::Feed;
use super::follow::{Source, follow};
use super::stand_in::{Heard, request, stand_in};
use super::{Keeper, WAITS, bounded, status_of};
use crate::engine::call::Call;
use crate::engine::{self, prepare, reply};
use crate::gateway::Gateway;
use crate::running::Running;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pingora_core::BError;
use pingora_core::protocols::http::ServerSession;
use sallyport_filters::codec::responses::{Events, Turn, at_once, state};
use sallyport_filters::exchange::{Exchange, Target};
use sallyport_filters::kept::{self, id_of};
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::surface::Surface;
use sallyport_filters::translate::{self, Way};
use sallyport_schema::backoff::Backoff;
use sallyport_schema::envelope::RESPONSE_EVENTS;
use sallyport_schema::store::{ResponseRow, ResponseStatus};
use serde::Deserialize;
use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

/// How long a response counts as being made after its instance has said so.
const LEASE: Duration = Duration::from_secs(30);
/// How often it says so.
const PULSE: Duration = Duration::from_secs(2);
/// Attempts to write the end of one down.
const ATTEMPTS: u32 = 20;

/// The responses that this instance is making.
#[derive(Debug, Default)]
pub(crate) struct AtWork {
    all: Arc<Mutex<HashMap<String, Working>>>,
    /// Bytes of all feeds.
    bytes: Arc<AtomicUsize>,
}

/// One of them, as others see it.
#[derive(Clone, Debug)]
struct Working {
    stop: Arc<Notify>,
    /// Where its client streams.
    feed: Option<Arc<Feed>>,
}

/// One of them, until it is dropped.
struct Place {
    id: String,
    working: Working,
    all: Arc<Mutex<HashMap<String, Working>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.id);
        if let Some(feed) = &self.working.feed {
            feed.end();
        }
    }
}

fn lock(all: &Mutex<HashMap<String, Working>>) -> MutexGuard<'_, HashMap<String, Working>> {
    // Nothing panics while it is held.
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AtWork {
    /// A place for one more; None: there are `limit` already.
    fn begin(&self, id: &str, limit: usize, streamed: bool) -> Option<Place> {
        let mut all = lock(&self.all);
        if all.len() >= limit {
            return None;
        }
        let feed = streamed.then(|| Arc::new(Feed::new(self.bytes.clone())));
        let working = Working { stop: Arc::new(Notify::new()), feed };
        all.insert(id.to_owned(), working.clone());
        Some(Place { id: id.to_owned(), working, all: self.all.clone() })
    }

    /// Its events.
    pub(super) fn feed(&self, id: &str) -> Option<Arc<Feed>> {
        lock(&self.all).get(id).and_then(|w| w.feed.clone())
    }

    /// Nobody wants it any more.
    pub(super) fn stop(&self, id: &str) {
        if let Some(working) = lock(&self.all).get(id) {
            working.stop.notify_one();
        }
    }
}

/// Is it a call that this gateway answers later? (A provider that can do so itself is asked to.)
pub(crate) fn wanted(x: &Exchange, targets: &[Target]) -> bool {
    let settings = &x.snapshot.config.responses;
    x.surface == Surface::Responses
        && x.body.background()
        && settings.keep
        && settings.background.limit > 0
        && targets.first().is_some_and(|t| translated(x, t))
}

/// Does the gateway speak for this provider, and so keep what it says?
pub(crate) fn translated(x: &Exchange, t: &Target) -> bool {
    let model = t.model.as_deref().or(x.model_asked()).unwrap_or_default();
    matches!(translate::way(&t.provider, model, x.surface), Some(Way::Translated(_)))
}

/// Is it the call that makes such a response? Of its upstreams only those can serve it whose answers the gateway keeps.
pub(crate) fn makes(x: &Exchange) -> bool {
    x.turn.as_ref().is_some_and(|t| t.background.is_some())
}

/// What makes one response.
struct Job {
    place: Place,
    /// The request as the client would have sent it to wait for the answer.
    request: Vec<u8>,
    asked: Bytes,
    /// The object that the client was told.
    queued: Bytes,
    previous: Option<String>,
    call: Uuid,
    client_ip: Option<IpAddr>,
    user_agent: Option<String>,
    timeout: Duration,
}

/// Answers with an id, and makes the response in a task of its own.
pub(crate) async fn submit(
    gw: &Gateway,
    running: &Arc<Running>,
    d: &mut ServerSession,
    call: &mut Call,
    target: &Target,
) -> Result<Result<(), BError>, Rejection> {
    let refuse = |param: &str, why: &str| {
        Rejection::client(ErrorKind::InvalidRequest, "invalid_parameter", why).param(param)
    };
    if call.x.body.store() == Some(false) {
        return Err(refuse("store", "A response in the background must be stored: leave 'store' out."));
    }
    let stream = call.x.body.stream();
    let settings = call.x.snapshot.config.responses.clone();
    let id = Uuid::now_v7();
    let place = gw.keeper.at_work.begin(&id_of(id), settings.background.limit, stream).ok_or_else(|| {
        let why = "Too many responses are being made in the background; try again.";
        let why = Rejection::gateway(ErrorKind::RateLimit, "background_limit", why);
        Rejection { retry_after: Some(Duration::from_secs(10)), ..why }
    })?;
    let x = &mut call.x;
    let raw = at_once(&x.body.raw, stream).map_err(|e| refuse("body", &e.why))?;
    let body = x.body.read(raw.into(), None, x.surface)?;
    let sent = std::mem::replace(&mut x.body, body).raw;
    let turn = x.turn.get_or_insert_default();
    turn.background = Some(id);
    let asked = turn.asked.clone().unwrap_or(sent);
    let previous = turn.previous.clone();
    // What cannot be asked of the model is told now.
    let prepared = prepare::request(d, call, target)?;
    let object = Bytes::from(prepared.translation.map(|t| t.queued()).unwrap_or_default());
    let row = gw.keeper.queued(&call.x, id, &asked, &object).map_err(|e| {
        let why = "The response cannot be stored.";
        Rejection::gateway(ErrorKind::Internal, "internal_error", why).detail(e)
    })?;
    if let Some(store) = &gw.keeper.store {
        bounded(store.keep_response(&row)).await?;
    }
    let feed = place.working.feed.clone();
    for (n, kind) in (0..).zip(["response.created", "response.queued"]) {
        feed.iter().for_each(|feed| feed.push(state(kind, n, &object)));
    }
    let job = Job {
        place,
        request: request(d, &call.x.body.raw),
        asked,
        queued: object.clone(),
        previous,
        call: id,
        client_ip: call.x.client_ip,
        user_agent: call.x.user_agent.clone(),
        timeout: settings.background.timeout.get(),
    };
    tokio::spawn(making(gw.clone(), running.clone(), job));
    if let Some(feed) = feed {
        return Ok(follow(&gw.keeper, d, call, Source::Feed(feed), 0).await);
    }
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let sent = reply::whole(d, &mut call.x, StatusCode::OK, headers, object).await;
    call.finished = sent.is_ok();
    Ok(sent)
}

impl Keeper {
    fn queued(&self, x: &Exchange, id: Uuid, asked: &[u8], object: &[u8]) -> Result<ResponseRow, String> {
        let row = self.row(x, id_of(id), ResponseStatus::Queued, asked, object)?;
        let streamed = x.body.stream();
        Ok(ResponseRow {
            background: true,
            streamed,
            alive_until: Some(OffsetDateTime::now_utc() + LEASE),
            ..row
        })
    }

    /// Says that it lives until nobody wants it any more.
    async fn pulse(&self, id: &str) {
        let Some(store) = &self.store else { return std::future::pending().await };
        loop {
            match store.response_goes_on(id, LEASE).await {
                Ok(true) => {}
                Ok(false) => return,
                // It goes on; the store will hear of its end.
                Err(error) => tracing::debug!(%error, id, "the store does not hear of a response"),
            }
            tokio::time::sleep(PULSE).await;
        }
    }

    /// Writes the end of one down.
    async fn finish(&self, id: &str, asked: &[u8], object: &[u8], events: Option<Events>) {
        let Some(store) = &self.store else { return };
        let sealed = match self.sealed(id, asked, object) {
            Ok(sealed) => sealed,
            Err(error) => return tracing::error!(%error, id, "a response of the background is lost"),
        };
        let events = events.and_then(|e| self.ring.seal(&RESPONSE_EVENTS.place(id), &e.to_bytes()).ok());
        let mut backoff = Backoff::new(WAITS.0, WAITS.1);
        for _ in 0..ATTEMPTS {
            match store.finish_response(id, status_of(object), &sealed, events.as_deref()).await {
                Ok(_) => return,
                Err(error) => tracing::debug!(%error, id, "the end of a response waits to be kept"),
            }
            tokio::time::sleep(backoff.next()).await;
        }
        tracing::error!(id, "a response of the background is lost: the store did not take it");
    }
}

/// [`make`], named as a type: the engine begins what itself runs in.
fn making(gw: Gateway, running: Arc<Running>, job: Job) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(make(gw, running, job))
}

async fn make(gw: Gateway, running: Arc<Running>, job: Job) {
    let id = job.place.id.clone();
    let (client, server) = tokio::io::duplex(64 * 1024);
    let feed = job.place.working.feed.clone();
    let asking = tokio::spawn(stand_in(client, job.request, feed.clone()));
    let mut turn = kept::Turn { background: Some(job.call), previous: job.previous, ..Default::default() };
    turn.asked = Some(job.asked.clone());
    let mut x = Exchange::new(running.snapshot.clone(), Surface::Responses, Surface::Responses.dialect());
    (x.id, x.client_ip, x.user_agent, x.turn) =
        (job.call, job.client_ip, job.user_agent, Some(Box::new(turn)));
    let (chain, metrics) = (running.chain.clone(), gw.metrics.clone());
    let mut call = Call::new(x, chain, metrics, gw.estimator.clone(), gw.health.enter());
    let served = async {
        let mut d = ServerSession::new_http1(Box::new(server));
        if matches!(d.read_request().await, Ok(true)) {
            d.set_keepalive(None);
            // Its end is in the call's outcome.
            let _ = engine::serve(&gw, &running, &mut d, &mut call).await;
        }
    };
    let in_time = tokio::select! {
        r = tokio::time::timeout(job.timeout, Box::pin(served)) => r.is_ok(),
        () = job.place.working.stop.notified() => return,
        () = gw.keeper.pulse(&id) => return,
    };
    let object = call.x.turn.as_mut().and_then(|t| t.object.take());
    let told = call.x.outcome.rejection.as_ref().map(|r| (r.code.to_owned(), r.message.clone()));
    drop(call);
    let Heard { error: answer, last } = asking.await.unwrap_or_default();
    let object = object.unwrap_or_else(|| {
        let (code, message) = match told {
            _ if !in_time => ("server_error".to_owned(), format!("It took longer than {:?}.", job.timeout)),
            Some(told) => told,
            None => error(&answer),
        };
        let queued = Turn::new(&job.asked, &job.queued);
        queued.map(|t| t.failed(&code, &message).into()).unwrap_or_default()
    });
    let last = feed.as_ref().map(|feed| {
        let kind = format!("response.{}", status_of(&object).word());
        last.unwrap_or_else(|| state(&kind, feed.next_number(), &object))
    });
    let events = feed.as_ref().zip(last.as_ref()).and_then(|(feed, last)| feed.whole(last));
    gw.keeper.finish(&id, &job.asked, &object, events).await;
    // Whoever hears of its end may go on with it at once.
    if let (Some(feed), Some(last)) = (feed, last) {
        feed.push(last);
    }
}

/// Code and message of an error answer.
fn error(answer: &[u8]) -> (String, String) {
    #[derive(Deserialize, Default)]
    struct Error {
        code: Option<String>,
        r#type: Option<String>,
        message: Option<String>,
    }
    #[derive(Deserialize)]
    struct Body {
        error: Error,
    }
    let told = serde_json::from_slice::<Body>(answer).map(|b| b.error).unwrap_or_default();
    let code = told.code.or(told.r#type).unwrap_or_else(|| "server_error".into());
    (code, told.message.unwrap_or_else(|| "The response could not be made.".into()))
}
