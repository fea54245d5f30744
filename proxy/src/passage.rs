//! What passes unread: no body to read, no tokens to count (stored responses, and paths that an administrator has
//! opened: [`opened`]). Same filters, same selector, same log as the engine, but the bytes go through `ProxyHttp`'s own
//! way.

mod opened;

use crate::engine::translated::is_stream;
use crate::engine::{self, call::Call, reply, request_body};
use crate::gateway::{Ctx, Gateway};
use crate::running::Running;
use crate::upstream::endpoint::Endpoint;
use bytes::Bytes;
use http::{Method, header};
use pingora_core::protocols::http::ServerSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{BError, Error, ErrorSource, ErrorType};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use sallyport_config::model::{Server, Upstream as Settings};
use sallyport_filters::exchange::Target;
use sallyport_filters::filter::ResponseHead;
use sallyport_filters::outgoing::{Outgoing, filter_response_headers, upstream_request_id};
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::surface::Surface;
use sallyport_filters::usage::Watch;
use std::sync::Arc;
use std::time::Instant;

/// The upstream refused our own credentials: the client must not see that as its own 401.
const CREDENTIALS: ErrorType = ErrorType::Custom("UpstreamCredentials");

/// More of the client's body came than may pass.
const TOO_LARGE: ErrorType = ErrorType::Custom("PassageTooLarge");

/// One request that passes unread.
pub(crate) struct Passage {
    call: Call,
    target: Target,
    endpoint: Arc<Endpoint>,
    settings: Settings,
    server: Server,
    out: Outgoing,
    /// What the answer may tell of a response in the background.
    watch: Option<Watch>,
}

impl Passage {
    /// Takes the request through the filters and chooses the upstream. `Ok(true)`: it was refused and answered.
    pub(crate) async fn begin(
        gw: &Gateway,
        running: &Running,
        session: &mut Session,
        mut call: Call,
        ctx: &mut Ctx,
    ) -> Result<bool, BError> {
        let d = session.as_downstream_mut();
        let config = &running.snapshot.config;
        match Self::admit(gw, &config.upstream, &config.server, d, &mut call).await {
            Ok((target, endpoint, out)) => {
                // What is still to come of the body has the time-out of a body that is read.
                d.set_read_timeout(Some(config.server.body_timeout.get()));
                if request_body::pending(d) && request_body::expects_continue(d) {
                    d.write_continue_response().await?;
                }
                let (settings, server) = (config.upstream.clone(), config.server.clone());
                ctx.passage =
                    Some(Box::new(Self { call, target, endpoint, settings, server, out, watch: None }));
                Ok(false)
            }
            Err(rejection) => reply::reject(d, &mut call, &config.server, rejection).await.map(|()| true),
        }
    }

    async fn admit(
        gw: &Gateway,
        settings: &Settings,
        server: &Server,
        d: &ServerSession,
        call: &mut Call,
    ) -> Result<(Target, Arc<Endpoint>, Outgoing), Rejection> {
        let opened = call.x.surface == Surface::Passthrough;
        if opened {
            opened::note(d, &mut call.x);
        }
        while engine::enter_next(d, call).await? {}
        let (target, mut out) = match opened {
            true => opened::find(d, &mut call.x, server)?,
            false => Self::stored(gw, d, call).await?,
        };
        call.x.target = Some(target.clone());
        call.chain.clone().attempt(&mut call.x, &target, &mut out)?;
        let endpoint = gw.upstreams.endpoint(&target.provider, settings);
        let method = d.req_header().method.clone();
        let authorized = endpoint.authorizer().authorize(&mut out, &method, &target.provider.authority).await;
        authorized.map_err(|e| e.rejection(&target.provider.name))?;
        Ok((target, endpoint, out))
    }

    /// Where a stored response is.
    async fn stored(gw: &Gateway, d: &ServerSession, call: &Call) -> Result<(Target, Outgoing), Rejection> {
        let pinned = gw.owners.pinned(&call.x).await?;
        let provider =
            pinned.and_then(|name| call.x.snapshot.providers.get(&*name).filter(|p| p.enabled).cloned());
        let provider = provider.ok_or_else(|| {
            Rejection::gateway(
                ErrorKind::Unavailable,
                "no_upstream",
                "The provider that has it is not available.",
            )
        })?;
        let id = call.x.path_id.as_deref().unwrap_or_default();
        if d.req_header().method == Method::DELETE {
            // Afterwards nobody can tell its tokens.
            Box::pin(gw.awaiting.before_deletion(gw, &call.x.snapshot, id)).await;
        }
        let target = Target { provider, model: None };
        let out = Outgoing::new(engine::view(d), &call.x, &target);
        Ok((target, out))
    }

    /// The passage of a request that has one.
    pub(crate) fn of(ctx: &mut Ctx) -> Result<&mut Self, BError> {
        ctx.passage
            .as_deref_mut()
            .ok_or_else(|| Error::explain(ErrorType::InternalError, "nothing passes here"))
    }

    pub(crate) async fn peer(&mut self, _: &Gateway) -> Result<Box<HttpPeer>, BError> {
        self.call.x.attempts += 1;
        let peers = self
            .endpoint
            .peers()
            .await
            .map_err(|e| Error::because(ErrorType::ConnectError, "no address", e).into_up())?;
        let mut peer = self
            .endpoint
            .pick(&peers)
            .cloned()
            .ok_or_else(|| Error::explain(ErrorType::ConnectError, "no address").into_up())?;
        peer.options.read_timeout =
            Some(self.settings.first_byte_timeout.get().min(self.settings.idle_timeout.get()));
        peer.options.write_timeout = Some(self.settings.idle_timeout.get());
        peer.options.idle_timeout = Some(self.endpoint.keepalive);
        Ok(Box::new(peer))
    }

    /// The request as the provider gets it: our headers, the client's framing.
    pub(crate) fn rewrite(&self, request: &mut RequestHeader) -> Result<(), BError> {
        let mut new = RequestHeader::build_no_case(
            request.method.clone(),
            self.out.path_and_query.as_bytes(),
            Some(self.out.headers.len() + 2),
        )?;
        for (name, value) in &self.out.headers {
            new.append_header(name.clone(), value.clone())?;
        }
        for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
            if let Some(value) = request.headers.get(&name) {
                new.insert_header(name, value.clone())?;
            }
        }
        new.insert_header(header::HOST, &*self.target.provider.authority)?;
        new.set_version(request.version);
        *request = new;
        Ok(())
    }

    pub(crate) fn on_head(&mut self, response: &mut ResponseHeader) -> Result<(), BError> {
        if response.status.is_informational() {
            return Ok(());
        }
        let x = &mut self.call.x;
        x.outcome.upstream_request_id = upstream_request_id(&response.headers).map(str::to_owned);
        if response.status.as_u16() == 401 {
            self.endpoint.authorizer().refused();
            return Err(Error::explain(CREDENTIALS, "the provider answered 401").into_up());
        }
        let status = response.status;
        if x.surface == Surface::StoredResponse && status.as_u16() == 200 {
            self.watch = Some(Watch::new(is_stream(&response.headers)));
        }
        let mut parts: http::response::Parts = response.clone().into();
        let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
            .map(|n| (n.clone(), parts.headers.get(&n).cloned()));
        filter_response_headers(&mut parts.headers);
        for (name, value) in framing {
            if let Some(value) = value {
                parts.headers.insert(name, value);
            }
        }
        self.call.chain.clone().head(x, &mut ResponseHead { status, headers: &mut parts.headers });
        reply::stamp(&mut parts.headers, x.id);
        let version = response.version;
        *response = parts.into();
        response.set_version(version);
        x.outcome.status = status.as_u16();
        if status.as_u16() >= 400 {
            x.outcome.upstream_error = Some(status.as_u16().to_string());
        }
        Ok(())
    }

    /// Counts what comes of the client's body.
    ///
    /// # Errors
    /// It is more than may pass.
    pub(crate) fn on_request_body(&mut self, body: Option<&Bytes>) -> Result<(), BError> {
        let o = &mut self.call.x.outcome;
        o.bytes_in += body.map_or(0, |b| b.len() as u64);
        if o.bytes_in > self.server.max_passthrough_body.bytes() {
            return Err(Error::explain(TOO_LARGE, "the client's body is too large").into_up());
        }
        Ok(())
    }

    pub(crate) fn on_body(&mut self, body: Option<&Bytes>, end: bool) {
        let o = &mut self.call.x.outcome;
        if let Some(b) = body.filter(|b| !b.is_empty()) {
            o.first_byte.get_or_insert_with(Instant::now);
            o.bytes_out += b.len() as u64;
            if let Some(watch) = &mut self.watch {
                watch.push(b);
            }
        }
        self.call.finished |= end;
    }

    /// Tells the client why it failed, in its dialect, where nothing was sent yet. True: the connection lives on.
    pub(crate) async fn fail(&mut self, d: &mut ServerSession, e: &Error) -> bool {
        if *e.esource() == ErrorSource::Downstream {
            return false;
        }
        let kind = match e.etype() {
            ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::TLSHandshakeTimedout => {
                ErrorKind::UpstreamTimeout
            }
            _ => ErrorKind::Upstream,
        };
        let code = match e.etype() {
            t if *t == CREDENTIALS => "upstream_credentials",
            _ if kind == ErrorKind::UpstreamTimeout => "upstream_timeout",
            _ => "upstream_connection_error",
        };
        let why = match e.etype() {
            t if *t == TOO_LARGE => opened::too_large(&self.server),
            _ => Rejection::upstream(kind, code, "The model provider could not be asked.")
                .detail(e.to_string()),
        };
        if d.response_written().is_some() {
            self.call.x.outcome.rejection = Some(why);
            self.call.finished = true;
            return false;
        }
        reply::reject(d, &mut self.call, &self.server, why).await.is_ok()
    }

    /// The end: the call log and the metrics follow when the call is dropped.
    pub(crate) fn end(mut self: Box<Self>, gw: &Gateway, e: Option<&Error>) {
        self.call.finished |= e.is_none();
        if let Some(ended) = self.watch.take().and_then(Watch::ended) {
            gw.awaiting.seen(gw, &self.call.x, ended);
        }
        gw.metrics.attempt(&self.target.provider.name, if e.is_none() { "ok" } else { "failed" });
    }
}
