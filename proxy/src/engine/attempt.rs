//! One attempt at one upstream: send, hold the head back until the first bytes are verified, then stream.

use super::body::{Body, send};
use super::call::Call;
use super::failure::{Answer, Failure, broken, foreign, timed_out, translated_error};
use super::hold::Hold;
use super::reply;
use super::translated;
use super::wait::{Received, drain, gone, push, receive};
use crate::kept::Keeper;
use crate::upstream::Upstreams;
use crate::upstream::connection::Connection;
use crate::upstream::endpoint::Endpoint;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use pingora_core::protocols::http::{HttpTask, ServerSession};
use pingora_core::{BError, Error, ErrorType, RetryType};
use sallyport_config::model::Upstream as Settings;
use sallyport_filters::codec::Wire;
use sallyport_filters::dialect::error as dialect_error;
use sallyport_filters::dialect::fault::{self, Fault, UpstreamError};
use sallyport_filters::filter::ResponseHead;
use sallyport_filters::outgoing::{Outgoing, filter_response_headers, upstream_request_id};
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::selector;
use sallyport_filters::sse::{EventStream, Verdict};
use sallyport_filters::surface::Dialect;
use sallyport_filters::translate::{self, Back, Framing, Translation};

/// An upstream's error body is held up to this size, so that it can be judged before it is passed on.
const ERROR_BODY: usize = 256 * 1024;

/// How an attempt ended.
pub(crate) enum End {
    /// The answer went to the client, to its end.
    Delivered,
    /// Nothing went to the client yet: another attempt is possible.
    Failed(Failure),
    /// The answer was cut after its head had gone out.
    Cut(BError),
    /// The client left.
    Gone,
}

/// One attempt.
pub(crate) struct Attempt<'a> {
    pub(crate) ups: &'a Upstreams,
    pub(crate) keeper: &'a Keeper,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) settings: &'a Settings,
    pub(crate) method: &'a Method,
    pub(crate) out: &'a Outgoing,
    /// What comes back, where it is not what the client gets.
    pub(crate) back: Option<Back>,
    /// The way back of a translated request.
    pub(crate) translation: Option<Box<Translation>>,
    /// Further calls, where one request of the client's is several there.
    pub(crate) more: Vec<Outgoing>,
}

impl Attempt<'_> {
    /// Runs it. The connection is given back or given up in every case.
    pub(crate) async fn run(&mut self, d: &mut ServerSession, call: &mut Call) -> End {
        if let Some(t) = self.translation.take_if(|t| t.is_whole()) {
            // Boxed: its state would make that of every call larger.
            return Box::pin(self.several(d, call, &t)).await;
        }
        let mut up = match self.open(d).await {
            Ok(up) => up,
            Err(end) => return end,
        };
        match self.converse(d, call, &mut up).await {
            End::Delivered => {
                up.release(self.ups, self.endpoint.keepalive).await;
                End::Delivered
            }
            other => {
                // Boxed: rare, and its state would make that of every call larger.
                Box::pin(up.abandon(self.ups)).await;
                other
            }
        }
    }

    async fn open(&self, d: &mut ServerSession) -> Result<Connection, End> {
        let opening = Connection::open(
            self.ups,
            self.endpoint,
            self.method,
            self.out,
            self.settings.idle_timeout.get(),
        );
        let opened = tokio::select! { biased;
            r = opening => r,
            _ = gone(d) => return Err(End::Gone),
        };
        opened.map_err(|e| End::Failed(Failure::not_opened(e)))
    }

    /// Reads the answer and passes it on.
    async fn converse(&mut self, d: &mut ServerSession, call: &mut Call, up: &mut Connection) -> End {
        let first_byte = self.settings.first_byte_timeout.get();
        let (status, mut headers, end) = loop {
            match receive(d, up, first_byte).await {
                Received::Task(HttpTask::Header(h, _)) if h.status.is_informational() => {}
                Received::Task(HttpTask::Header(h, end)) => {
                    let parts: http::response::Parts = (*h).into();
                    break (parts.status, parts.headers, end);
                }
                Received::Task(_) => {
                    return End::Failed(Failure::connection(broken("a body without a head".into()), false));
                }
                Received::Broken(e) => {
                    let stale = up.reused && never_answered(&e);
                    return End::Failed(Failure::connection(broken(e.to_string()), stale));
                }
                Received::TimedOut => {
                    return End::Failed(Failure::connection(
                        timed_out(format!("no response head within {first_byte:?}")),
                        false,
                    ));
                }
                Received::Gone => return End::Gone,
            }
        };
        note_upstream(call, &headers);
        filter_response_headers(&mut headers);
        if status.as_u16() >= 400 {
            // Boxed: rare, and its state would make that of every call larger.
            return Box::pin(self.judge(d, call, up, status, headers, end)).await;
        }
        call.x.accepted = true;
        self.stream(d, call, up, status, headers, end).await
    }

    /// An error status: its body is read (bounded) and judged; nothing goes to the client yet.
    async fn judge(
        &self,
        d: &mut ServerSession,
        call: &mut Call,
        up: &mut Connection,
        status: StatusCode,
        headers: HeaderMap,
        mut end: bool,
    ) -> End {
        let mut body = BytesMut::new();
        let idle = self.settings.idle_timeout.get();
        while !end {
            match receive(d, up, idle).await {
                Received::Task(HttpTask::Body(piece, last)) => {
                    if let Some(piece) = piece {
                        body.extend_from_slice(&piece);
                    }
                    end = last || body.len() > ERROR_BODY;
                }
                Received::Task(_) => end = true,
                Received::Gone => return End::Gone,
                // The status counts, with as much of the body as came.
                Received::Broken(_) | Received::TimedOut => break,
            }
        }
        body.truncate(ERROR_BODY);
        End::Failed(self.judged(call, status, headers, body.freeze()))
    }

    /// An error answer, judged.
    pub(super) fn judged(
        &self,
        call: &mut Call,
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    ) -> Failure {
        let provider = &self.endpoint.provider.name;
        let hint = fault::retry_hint(&headers, &body);
        let said = translate::answer_of(self.back.map_or(Wire::Chat, |b| b.errors), status, &headers, &body);
        let bare = || (call.x.dialect == Dialect::Cohere).then(|| fault::describe_bare(&body)).flatten();
        let (fault, told) = (said.fault, said.error.or_else(bare));
        // A page of HTML (a load balancer in front of the provider) is told in the client's dialect.
        let speaks = told.is_some();
        let word = told.as_ref().and_then(|e| e.word());
        call.x.outcome.upstream_error = word.or_else(|| Some(status.as_u16().to_string()));
        // Our account's trouble is not shown as the client's own; a 429 says the same to both.
        let ours = fault == Fault::CredentialsOrCredit && status != StatusCode::TOO_MANY_REQUESTS;
        let shown = speaks && !ours;
        let rejection = match fault {
            Fault::CredentialsOrCredit => fault::refused_us(provider, status, &body),
            _ if !speaks => foreign(status).detail(format!(
                "provider '{provider}' answered {status} with a body that is no error of its API"
            )),
            _ => Rejection::upstream(ErrorKind::Upstream, "upstream_error", "The model provider failed.")
                .detail(format!("provider '{provider}' answered {status}")),
        };
        Failure {
            rejection,
            answer: match (self.back, told) {
                (Some(_), Some(e)) if shown => {
                    Some(translated_error(status, said.kind, &e, &headers, hint.after, call))
                }
                _ => shown.then_some(Answer { status, headers, body }),
            },
            kind: selector::Failure::Answer(fault),
            hint,
            stale: false,
        }
    }

    /// A good status: the head is held until the first bytes are verified; then everything that is ready goes out
    /// in one write, as it comes.
    async fn stream(
        &mut self,
        d: &mut ServerSession,
        call: &mut Call,
        up: &mut Connection,
        status: StatusCode,
        mut headers: HeaderMap,
        mut end: bool,
    ) -> End {
        let sse = translated::is_stream(&headers);
        let idle = self.settings.idle_timeout.get();
        let mut hold = Hold::new(call.x.dialect, self.back, sse);
        let mut body = match self.translation.take() {
            Some(t) if sse => {
                headers = translated::head(&headers, &call.x, !t.array());
                Body::Translated(Box::new(t.into_stream()))
            }
            // Boxed: its state would make that of every call larger.
            Some(t) => return Box::pin(self.whole(d, call, up, &t, (status, headers, end))).await,
            None if sse && self.back.is_some_and(|b| b.framing == Framing::Chunks) => {
                headers = translated::head(&headers, &call.x, true);
                Body::Unwrapped(Box::default(), EventStream::new())
            }
            None if sse => {
                // Events may be dropped or replaced: an announced length would be wrong.
                headers.remove(header::CONTENT_LENGTH);
                Body::Events(EventStream::new())
            }
            // Claude's own answer on another platform, whose headers are not Anthropic's.
            None if self.back.is_some() => {
                headers = translated::head(&headers, &call.x, false);
                Body::Pieces
            }
            None => Body::Pieces,
        };
        let mut batch = Vec::with_capacity(4);
        // Nothing goes out before the first bytes are good.
        while hold.holding() && !end {
            // Until something has gone out, the first byte's patience holds.
            let patience = idle.max(self.settings.first_byte_timeout.get());
            match receive(d, up, patience).await {
                Received::Task(task) => end = push(task, &mut batch),
                Received::Broken(e) => {
                    return End::Failed(Failure::connection(broken(e.to_string()), false));
                }
                Received::TimedOut => {
                    return End::Failed(Failure::connection(
                        timed_out(format!("no first event within {patience:?}")),
                        false,
                    ));
                }
                Received::Gone => return End::Gone,
            }
            drain(up, &mut batch, &mut end);
            match hold.look(&batch) {
                Verdict::Fine | Verdict::NeedMore => {}
                Verdict::Error { fault, error, .. } => {
                    let code = error.word().unwrap_or_else(|| "error_event".into());
                    let failure = self.first_event_failure(fault, &error, &code, headers, &batch, call);
                    call.x.outcome.upstream_error = Some(code);
                    return End::Failed(failure);
                }
            }
        }
        call.x.outcome.streamed = sse;
        call.chain.clone().head(&mut call.x, &mut ResponseHead { status, headers: &mut headers });
        reply::stamp(&mut headers, call.x.id);
        let has_body = !(end && batch.is_empty());
        let head = match reply::head(d, status, headers, has_body) {
            Ok(h) => h,
            Err(e) => return End::Cut(e),
        };
        let mut tasks = vec![HttpTask::Header(head, !has_body)];
        call.x.outcome.status = status.as_u16();
        loop {
            let failed = body.filter(call, &mut batch, &mut tasks, end);
            if let Err(why) = failed {
                return self.cut(d, call, sse, &mut body, tasks, why).await;
            }
            if let Some(object) = body.take_object() {
                // Before the client knows of its end: it may come back at once.
                self.keeper.keep(&mut call.x, object);
            }
            if let Some(why) = body.failed() {
                // The client has been told in its own words: only the end is due.
                let detail = why.detail.clone().unwrap_or_default();
                call.x.outcome.rejection = Some(why);
                tasks.push(HttpTask::Body(None, true));
                return match send(d, call, tasks).await {
                    Ok(()) => End::Cut(Error::explain(ErrorType::ConnectionClosed, detail)),
                    Err(_) => End::Gone,
                };
            }
            if end {
                tasks.push(HttpTask::Body(None, true));
            }
            if !tasks.is_empty() {
                match send(d, call, std::mem::take(&mut tasks)).await {
                    Ok(()) => {}
                    Err(_) => return End::Gone,
                }
            }
            if end {
                return End::Delivered;
            }
            match receive(d, up, idle).await {
                Received::Task(task) => end = push(task, &mut batch),
                Received::Broken(e) => {
                    return self.cut(d, call, sse, &mut body, tasks, broken(e.to_string())).await;
                }
                Received::TimedOut => {
                    let why = timed_out(format!("no more bytes within {idle:?}"));
                    return self.cut(d, call, sse, &mut body, tasks, why).await;
                }
                Received::Gone => return End::Gone,
            }
            drain(up, &mut batch, &mut end);
        }
    }

    /// The upstream broke off in mid-answer. A stream gets an error event in the client's dialect and an orderly
    /// end; any other body must not look complete: the connection is cut.
    async fn cut(
        &self,
        d: &mut ServerSession,
        call: &mut Call,
        sse: bool,
        body: &mut Body,
        mut tasks: Vec<HttpTask>,
        why: Rejection,
    ) -> End {
        let detail = why.detail.clone().unwrap_or_default();
        if sse {
            let sequence = call.x.meter.as_ref().map_or(0, |m| m.next_sequence());
            let event = body.break_off(&why).unwrap_or_else(|| {
                dialect_error::event(&why, call.x.dialect, &call.x.id.to_string(), sequence)
            });
            tasks.push(HttpTask::Body(Some(event), true));
            call.x.outcome.rejection = Some(why);
            return match send(d, call, tasks).await {
                Ok(()) => End::Cut(Error::explain(ErrorType::ConnectionClosed, detail)),
                Err(_) => End::Gone,
            };
        }
        call.x.outcome.rejection = Some(why);
        End::Cut(Error::explain(ErrorType::ConnectionClosed, detail))
    }

    /// A 200 whose first event is an error: as if the upstream had answered with that status. If nothing better
    /// comes, the client sees what the provider sent: a stream whose first event is an error.
    fn first_event_failure(
        &self,
        fault: Fault,
        error: &UpstreamError,
        code: &str,
        headers: HeaderMap,
        batch: &[Bytes],
        call: &Call,
    ) -> Failure {
        let provider = &self.endpoint.provider.name;
        let rejection =
            Rejection::upstream(ErrorKind::Upstream, "upstream_error", "The model provider failed.")
                .detail(format!("provider '{provider}': the stream's first event is the error {code}"));
        let hint = fault::retry_after(&headers);
        let shown = fault != Fault::CredentialsOrCredit;
        Failure {
            rejection,
            answer: shown.then(|| match self.back {
                None => Answer { status: StatusCode::OK, headers, body: batch.concat().into() },
                // In another format there is nothing to pass on: the error is told as if the head had said it.
                Some(_) => {
                    let (status, kind, _) = translate::stream_fault(error);
                    translated_error(status, kind, error, &headers, hint.after, call)
                }
            }),
            kind: selector::Failure::Answer(fault),
            hint,
            stale: false,
        }
    }
}

/// Did the connection end before a byte of the answer? (Then a pooled one was simply too old.)
fn never_answered(e: &Error) -> bool {
    matches!(e.retry, RetryType::ReusedOnly | RetryType::Decided(true))
}

/// Remembers the provider's request id.
pub(super) fn note_upstream(call: &mut Call, headers: &HeaderMap) {
    call.x.outcome.upstream_request_id = upstream_request_id(headers).map(str::to_owned);
}
