//! The engine of governed calls: admit (filters, body) → route → attempts → answer.
//!
//! Started from `ProxyHttp::request_filter`, which then reports the request as answered. Why an own loop: one
//! upstream write, batched downstream writes, a head that is held back until the first bytes are verified, waits in
//! filters; see ARCHITECTURE.md.

pub(crate) mod attempt;
pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod failure;
pub(crate) mod hold;
pub(crate) mod local;
pub(crate) mod prepare;
pub(crate) mod reply;
pub(crate) mod request_body;
pub(crate) mod several;
pub(crate) mod translated;
pub(crate) mod wait;

use crate::gateway::Gateway;
use crate::kept::{background, references};
use crate::running::Running;
use attempt::{Attempt, End};
use call::Call;
use failure::Failure;
use http::StatusCode;
use pingora_core::protocols::http::ServerSession;
use pingora_core::{BError, Error, ErrorType};
use prepare::Prepared;
use request_body::Read;
use sallyport_config::model::Server;
use sallyport_filters::dialect::fault::Fault;
use sallyport_filters::exchange::{Request, Target};
use sallyport_filters::filter::Step;
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::selector::{self, Decision};
use sallyport_filters::surface::Surface;
use sallyport_filters::translate;
use std::sync::Arc;
use std::time::Duration;

/// A stale pooled connection is replaced at most so often; then it counts as a failed attempt.
const STALE_RETRIES: u32 = 3;

/// `Retry-After` where every upstream failed and none said when it would be back.
const COME_BACK: Duration = Duration::from_secs(5);

/// The filters' view of a request.
pub(crate) fn view(d: &ServerSession) -> Request<'_> {
    let h = d.req_header();
    Request { method: &h.method, path: h.uri.path(), query: h.uri.query(), headers: &h.headers }
}

/// Why a call does not go on.
enum Stop {
    /// Tell the client.
    Refuse(Rejection),
    /// There is nobody to tell.
    Gone,
}

impl From<Rejection> for Stop {
    fn from(r: Rejection) -> Self {
        Self::Refuse(r)
    }
}

/// Serves one governed call to its end. `Err`: the connection must be cut.
pub(crate) async fn serve(
    gw: &Gateway,
    running: &Arc<Running>,
    d: &mut ServerSession,
    call: &mut Call,
) -> Result<(), BError> {
    let settings = &running.snapshot.config.server;
    match steps(gw, running, d, call, settings).await {
        Ok(result) => result,
        Err(Stop::Refuse(rejection)) => Box::pin(reply::reject(d, call, settings, rejection)).await,
        Err(Stop::Gone) => {
            call.x.outcome.cancelled = true;
            Err(Error::explain(ErrorType::ConnectionClosed, "the client left").into_down())
        }
    }
}

async fn steps(
    gw: &Gateway,
    running: &Arc<Running>,
    d: &mut ServerSession,
    call: &mut Call,
    settings: &Server,
) -> Result<Result<(), BError>, Stop> {
    admit(d, call, settings).await?;
    if call.x.surface == Surface::Models {
        let answer = local::models(&call.x, view(d))?;
        let sent = reply::whole(d, &mut call.x, StatusCode::OK, answer.headers, answer.body).await;
        call.finished = sent.is_ok();
        return Ok(sent);
    }
    if call.x.body.previous_response_id().is_some_and(sallyport_filters::kept::is_ours) {
        // Boxed: rare, and its state would make that of every call larger.
        Box::pin(gw.keeper.resume(&mut call.x)).await?;
    }
    let mut targets = route(gw, call).await?;
    if background::makes(&call.x) {
        targets.retain(|t| background::translated(&call.x, t));
    }
    if references::wanted(&call.x, &targets) {
        Box::pin(gw.keeper.dereference(&mut call.x)).await?;
    }
    if background::wanted(&call.x, &targets) {
        let target = &targets[0];
        return Ok(Box::pin(background::submit(gw, running, d, call, target)).await?);
    }
    attempts(gw, running, d, call, targets).await
}

/// Takes the request through the filters, reading the body right before the first that needs it.
async fn admit(d: &mut ServerSession, call: &mut Call, settings: &Server) -> Result<(), Stop> {
    let mut read = false;
    loop {
        if !read && call.chain.next_needs_body(call.depth) {
            take_body(d, call, settings).await?;
            read = true;
        }
        if !enter_next(d, call).await? {
            break;
        }
    }
    if !read {
        take_body(d, call, settings).await?;
    }
    Ok(())
}

/// Takes the request into the next filter. False: it is through all of them.
pub(crate) async fn enter_next(d: &ServerSession, call: &mut Call) -> Result<bool, Rejection> {
    let chain = call.chain.clone();
    match chain.enter(&mut call.depth, &mut call.x, view(d)) {
        None => return Ok(false),
        Some(Step::Ready(verdict)) => verdict?,
        Some(Step::Wait(wait)) => wait.await?,
    }
    Ok(true)
}

async fn take_body(d: &mut ServerSession, call: &mut Call, settings: &Server) -> Result<(), Stop> {
    match request_body::read(d, settings).await {
        Read::Whole(raw) => {
            let content_type = d.req_header().headers.get(http::header::CONTENT_TYPE);
            let content_type = content_type.and_then(|v| v.to_str().ok());
            call.x.body = call.x.body.read(raw, content_type, call.x.surface)?;
            Ok(())
        }
        Read::Refused(r) => Err(Stop::Refuse(r)),
        Read::Gone => Err(Stop::Gone),
    }
}

/// The upstreams that may serve the call, in the order of trying; never empty.
async fn route(gw: &Gateway, call: &Call) -> Result<Vec<Target>, Stop> {
    let x = &call.x;
    let pinned = gw.owners.pinned(x).await?;
    let model = x.body.model().ok_or_else(|| {
        Rejection::client(
            ErrorKind::InvalidRequest,
            "missing_required_parameter",
            "Missing required parameter: 'model'.",
        )
        .param("model")
    })?;
    let found = x.snapshot.models.find(model).ok_or_else(|| {
        Rejection::client(ErrorKind::NotFound, "model_not_found", "The model does not exist.").param("model")
    })?;
    let mut targets: Vec<Target> =
        selector::candidates(found, &x.snapshot, x.surface, &mut rand::rng()).collect();
    if let Some(provider) = pinned {
        targets.retain(|t| *t.provider.name == *provider);
    }
    if targets.is_empty() {
        let why = "No provider can serve this model at the moment.";
        let detail = format!("model '{}' has no enabled provider for this surface", found.name);
        let rejection = Rejection::gateway(ErrorKind::Unavailable, "no_upstream", why).detail(detail);
        return Err(Stop::Refuse(Rejection { retry_after: Some(COME_BACK), ..rejection }));
    }
    Ok(targets)
}

/// Tries the targets until one delivers.
async fn attempts(
    gw: &Gateway,
    running: &Arc<Running>,
    d: &mut ServerSession,
    call: &mut Call,
    targets: Vec<Target>,
) -> Result<Result<(), BError>, Stop> {
    let settings = &running.snapshot.config.upstream;
    let method = d.req_header().method.clone();
    let (mut current, mut on_same, mut stale) = (0usize, 0u32, 0u32);
    loop {
        let target = &targets[current];
        let provider = &*target.provider.name;
        // What an earlier attempt said is no longer how the call ended.
        call.x.outcome.upstream_error = None;
        if local::counts(call, target) {
            return Ok(Box::pin(local::count(gw, d, call, target)).await?);
        }
        let Prepared { mut out, back, translation, more } = match prepare::request(d, call, target) {
            Ok(prepared) => prepared,
            // Another upstream may have words for it.
            Err(_) if current + 1 < targets.len() => {
                current += 1;
                on_same = 0;
                continue;
            }
            Err(refused) => return Err(refused.into()),
        };
        call.x.target = Some(target.clone());
        call.chain.clone().attempt(&mut call.x, target, &mut out)?;
        if stale == 0 {
            call.x.attempts = call.x.attempts.saturating_add(1);
            on_same += 1;
        }
        let endpoint = gw.upstreams.endpoint(&target.provider, settings);
        // Boxed: rare, and its state would make that of every call larger.
        let further = match more {
            none if none.is_empty() => Ok(Vec::new()),
            bodies => Box::pin(several::authorized(&endpoint, &out, bodies, &method)).await,
        };
        let authorized = match further {
            Ok(further) => {
                let authorizer = endpoint.authorizer();
                authorizer.authorize(&mut out, &method, &target.provider.authority).await.map(|()| further)
            }
            Err(e) => Err(e),
        };
        let end = match authorized {
            Ok(more) => {
                let mut attempt = Attempt {
                    ups: &gw.upstreams,
                    keeper: &gw.keeper,
                    endpoint: &endpoint,
                    settings,
                    method: &method,
                    out: &out,
                    back,
                    translation,
                    more,
                };
                attempt.run(d, call).await
            }
            Err(e) => End::Failed(Failure::unauthorized(e.rejection(provider))),
        };
        gw.owners.learn(&call.x);
        let failure = match end {
            End::Delivered => {
                gw.metrics.attempt(provider, "ok");
                call.finished = true;
                return Ok(Ok(()));
            }
            End::Cut(e) => {
                gw.metrics.attempt(provider, "cut");
                call.finished = true;
                return Ok(ended_cut(call, e));
            }
            End::Gone => {
                gw.metrics.attempt(provider, "client_gone");
                return Err(Stop::Gone);
            }
            // Also of a good status with an error behind it.
            End::Failed(f) => {
                call.x.accepted = false;
                f
            }
        };
        if refuses_to_count(call, target, &failure) {
            gw.metrics.attempt(provider, "client_error");
            call.x.outcome.upstream_error = None;
            return Ok(Box::pin(local::count(gw, d, call, target)).await?);
        }
        if failure.kind == selector::Failure::Answer(Fault::CredentialsOrCredit) {
            endpoint.authorizer().refused();
        }
        if failure.stale && stale < STALE_RETRIES {
            stale += 1;
            continue;
        }
        stale = 0;
        let clients_own = failure.kind == selector::Failure::Answer(Fault::ClientsOwn);
        gw.metrics.attempt(provider, if clients_own { "client_error" } else { "failed" });
        tracing::debug!(provider, attempt = call.x.attempts, error = %failure.rejection, "attempt failed");
        let tried = selector::Attempt {
            number: call.x.attempts.into(),
            on_same,
            has_other: current + 1 < targets.len(),
            failure: failure.kind,
            hint: failure.hint,
        };
        let decision = running.retry.decide(&tried, &mut rand::rng());
        match decision {
            Decision::GiveUp => return give_up(d, call, failure, clients_own).await,
            Decision::Same(wait) => pause(d, wait).await?,
            Decision::Other => {
                current += 1;
                on_same = 0;
            }
        }
    }
}

/// Bedrock counts for some of its models only.
fn refuses_to_count(call: &Call, target: &Target, failure: &Failure) -> bool {
    let (selector::Failure::Answer(fault), Some(answer)) = (failure.kind, &failure.answer) else {
        return false;
    };
    let status = answer.status.as_u16();
    translate::count_refused(target, call.x.surface, fault, status, &answer.body)
}

/// Waits between attempts, watching the client.
async fn pause(d: &mut ServerSession, wait: Duration) -> Result<(), Stop> {
    if wait.is_zero() {
        return Ok(());
    }
    tokio::select! { biased;
        _ = d.read_body_or_idle(true) => Err(Stop::Gone),
        () = tokio::time::sleep(wait) => Ok(()),
    }
}

/// No attempt is left: the upstream's own last answer, where the client may see it, or ours.
async fn give_up(
    d: &mut ServerSession,
    call: &mut Call,
    failure: Failure,
    clients_own: bool,
) -> Result<Result<(), BError>, Stop> {
    let Some(answer) = failure.answer else {
        let mut rejection = failure.rejection;
        rejection.retry_after = rejection.retry_after.or(failure.hint.after);
        if rejection.retry_after.is_none() && !clients_own {
            rejection.retry_after = Some(COME_BACK);
        }
        return Err(Stop::Refuse(rejection));
    };
    if !clients_own {
        call.x.outcome.rejection = Some(failure.rejection);
    }
    let sent = reply::whole(d, &mut call.x, answer.status, answer.headers, answer.body).await;
    call.finished = sent.is_ok();
    Ok(sent)
}

/// A stream that was cut after its head: with an error event and an orderly end the connection lives on; any other
/// body must not look complete.
fn ended_cut(call: &Call, e: BError) -> Result<(), BError> {
    if call.x.outcome.streamed { Ok(()) } else { Err(e.into_up()) }
}
