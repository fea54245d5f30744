//! The gateway as Pingora sees it: `request_filter` starts the engine for governed calls and answers health and
//! metrics; what passes unread goes on to `ProxyHttp`'s own way ([`crate::passage`]).

use crate::awaited::Awaiting;
use crate::engine::{self, call::Call, reply};
use crate::estimator::Estimator;
use crate::front;
use crate::health::Health;
use crate::kept::Keeper;
use crate::metrics::Metrics;
use crate::owners::Owners;
use crate::passage::Passage;
use crate::running::Running;
use crate::upstream::Upstreams;
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora_core::protocols::http::ServerSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{BError, Error};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use sallyport_config::model::{Secret, Server};
use sallyport_filters::body::RequestBody;
use sallyport_filters::exchange::Exchange;
use sallyport_filters::kept;
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::surface::{self, NoMatch, Surface};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Everything that serving needs.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Snapshot and chain; None until the first snapshot is there.
    pub running: Arc<ArcSwapOption<Running>>,
    /// Connections to the providers.
    pub upstreams: Arc<Upstreams>,
    /// Liveness, readiness, calls in flight.
    pub health: Arc<Health>,
    /// Prometheus.
    pub metrics: Arc<Metrics>,
    /// Whose stored response is it?
    pub owners: Arc<Owners>,
    /// Responses of providers without state.
    pub keeper: Arc<Keeper>,
    /// Tokens that providers tell later.
    pub awaiting: Arc<Awaiting>,
    /// Tokens that providers do not tell.
    pub estimator: Arc<Estimator>,
}

/// What one request carries through Pingora's phases.
#[derive(Default)]
pub struct Ctx {
    /// Set where the request passes unread.
    pub(crate) passage: Option<Box<Passage>>,
}

impl Gateway {
    /// Health and metrics: without a key, outside of the chain.
    async fn service_endpoint(&self, d: &mut ServerSession) -> Option<Result<(), BError>> {
        let path = d.req_header().uri.path();
        let (status, kind, body): (StatusCode, &'static str, Bytes) = match path {
            "/health/live" => {
                (StatusCode::OK, "application/json", Bytes::from_static(br#"{"status":"live"}"#))
            }
            "/health/ready" => match self.health.not_ready() {
                None => (StatusCode::OK, "application/json", Bytes::from_static(br#"{"status":"ready"}"#)),
                Some(why) => {
                    let body = format!(r#"{{"status":"not_ready","reason":"{why}"}}"#);
                    (StatusCode::SERVICE_UNAVAILABLE, "application/json", body.into())
                }
            },
            "/metrics" => {
                let running = self.running.load();
                let token = running.as_ref().and_then(|r| r.snapshot.config.metrics.token.as_ref())?;
                if bearer_is(d, token) {
                    match self.metrics.render() {
                        Ok(text) => (StatusCode::OK, "text/plain; version=0.0.4", text.into()),
                        Err(e) => {
                            tracing::error!(error = %e, "metrics cannot be rendered");
                            (StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Bytes::new())
                        }
                    }
                } else {
                    let text = Bytes::from_static(b"a bearer token is needed\n");
                    (StatusCode::UNAUTHORIZED, "text/plain", text)
                }
            }
            _ => return None,
        };
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if !matches!(d.req_header().method, Method::GET | Method::HEAD) {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(reply::plain(d, StatusCode::METHOD_NOT_ALLOWED, headers, Bytes::new()).await);
        }
        Some(reply::plain(d, status, headers, body).await)
    }

    fn settle(&self, d: &mut ServerSession, running: &Running) {
        let server = &running.snapshot.config.server;
        // read_request() leaves keep-alive without an idle time-out.
        let keepalive =
            if self.health.draining() { None } else { Some(server.keepalive.get().as_secs().max(1)) };
        if d.get_keepalive().is_some() {
            d.set_keepalive(keepalive);
        }
        // Every read of a body has a time-out of ours (see `request_body`); the head's no longer counts.
        d.set_read_timeout(None);
        d.set_write_timeout(Some(server.write_timeout.get()));
        d.set_total_drain_timeout(Some(Duration::from_secs(5)));
    }
}

fn bearer_is(d: &ServerSession, token: &Secret) -> bool {
    let value =
        d.req_header().headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let given =
        value.get(..7).filter(|s| s.eq_ignore_ascii_case(b"bearer ")).map_or(&[][..], |_| &value[7..]);
    given.ct_eq(token.expose().as_bytes()).into()
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::default()
    }

    fn init_downstream_modules(&self, _: &mut pingora_core::modules::http::HttpModules) {
        // None: modules never run on the engine's way.
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool, BError> {
        let d = session.as_downstream_mut();
        let running = self.running.load_full();
        if let Some(running) = &running {
            self.settle(d, running);
        }
        if let Some(sent) = self.service_endpoint(d).await {
            return sent.map(|()| true);
        }
        let head = d.req_header();
        let spoken = surface::spoken(&head.headers);
        let found = surface::find(&head.method, head.uri.path(), spoken);
        // What is no call is told in the words of the path, where it says them.
        let dialect = match &found {
            Ok(m) => m.dialect,
            Err(_) => surface::told_in(&head.method, head.uri.path(), spoken),
        };
        let Some(running) = running else {
            let why =
                Rejection::gateway(ErrorKind::Unavailable, "starting", "The gateway is starting; try again.");
            return reply::refuse(d, dialect, &Server::default(), &why).await.map(|()| true);
        };
        let mut matched = match found {
            Ok(m) => m,
            Err(e) => {
                let path = head.uri.path();
                let why = match e {
                    NoMatch::Path => Rejection::client(
                        ErrorKind::NotFound,
                        "unknown_url",
                        format!(
                            "Unknown request URL: {} {path}. Check the path and the base URL.",
                            head.method
                        ),
                    ),
                    NoMatch::Method(allow) => Rejection {
                        allow: Some(allow),
                        ..Rejection::client(
                            ErrorKind::Method,
                            "method_not_allowed",
                            format!("{} is not allowed for {path}; allowed: {allow}.", head.method),
                        )
                    },
                };
                let server = &running.snapshot.config.server;
                return reply::refuse(d, dialect, server, &why).await.map(|()| true);
            }
        };
        if matched.surface == Surface::Hello {
            let mut headers = HeaderMap::with_capacity(4);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let body = Bytes::from_static(br#"{"message":"hello"}"#);
            return reply::plain(d, StatusCode::OK, headers, body).await.map(|()| true);
        }
        if let Some(named) = &mut matched.named
            && named.read_query(head.uri.query()).is_err()
        {
            let why = "Invalid value for 'alt': send 'sse' or 'json'.";
            let why = Rejection::client(ErrorKind::InvalidRequest, "invalid_parameter", why).param("alt");
            return reply::refuse(d, dialect, &running.snapshot.config.server, &why).await.map(|()| true);
        }
        let mut x = Exchange::new(running.snapshot.clone(), matched.surface, matched.dialect);
        x.body = RequestBody::unread(matched.named);
        x.path_id =
            matched.id.map(|id| percent_encoding::percent_decode_str(id).decode_utf8_lossy().into_owned());
        x.client_ip = d.client_addr().and_then(|a| a.as_inet()).map(std::net::SocketAddr::ip);
        x.user_agent = head_text(&d.req_header().headers, &header::USER_AGENT);
        let (chain, metrics) = (running.chain.clone(), self.metrics.clone());
        let mut call = Call::new(x, chain, metrics, self.estimator.clone(), self.health.enter());
        if call.x.path_id.as_deref().is_some_and(kept::is_ours) && call.x.surface == Surface::StoredResponse {
            let server = &running.snapshot.config.server;
            return Box::pin(crate::kept::serve::serve(self, server, d, &mut call)).await.map(|()| true);
        }
        if matched_passes(call.x.surface) {
            // Boxed: rare, and its state would make that of every call larger.
            return Box::pin(Passage::begin(self, &running, session, call, ctx)).await;
        }
        engine::serve(self, &running, d, &mut call).await?;
        Ok(true)
    }

    fn on_connection_reuse(&self, _: &mut Session, _: &mut Ctx, arrival: Box<dyn Any + Send + Sync>) {
        // Pingora calls this when the head has arrived, and before the request is looked at.
        front::head_arrived(arrival);
    }

    async fn upstream_peer(&self, _: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>, BError> {
        Passage::of(ctx)?.peer(self).await
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<(), BError> {
        Passage::of(ctx)?.rewrite(request)
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Ctx,
    ) -> Result<(), BError> {
        ctx.passage.as_mut().map_or(Ok(()), |p| p.on_request_body(body.as_ref()))
    }

    async fn response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<(), BError> {
        ctx.passage.as_mut().map_or(Ok(()), |p| p.on_head(response))
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<Duration>, BError> {
        if let Some(p) = &mut ctx.passage {
            p.on_body(body.as_ref(), end);
        }
        Ok(None)
    }

    async fn fail_to_proxy(&self, session: &mut Session, e: &Error, ctx: &mut Ctx) -> FailToProxy {
        let mut reuse = false;
        if let Some(p) = &mut ctx.passage {
            reuse = p.fail(session.as_downstream_mut(), e).await;
        }
        FailToProxy { error_code: 0, can_reuse_downstream: reuse }
    }

    async fn logging(&self, _: &mut Session, e: Option<&Error>, ctx: &mut Ctx) {
        if let Some(p) = ctx.passage.take() {
            p.end(self, e);
        }
    }

    fn suppress_error_log(&self, _: &Session, _: &Ctx, error: &Error) -> bool {
        // Clients leave; the call log says so.
        tracing::debug!(%error, "request ended early");
        true
    }
}

/// What passes unread: no tokens to count.
fn matched_passes(surface: Surface) -> bool {
    matches!(surface, Surface::StoredResponse | Surface::Passthrough)
}

fn head_text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    // `to_str` lets visible ASCII through only: every byte is a character.
    Some(text[..text.len().min(200)].to_owned())
}
