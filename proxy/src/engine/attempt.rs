//! One attempt at one upstream: send, hold the head back until the first bytes are verified, then stream.

use super::call::Call;
use super::hold::{Hold, Verdict};
use super::reply;
use crate::upstream::Upstreams;
use crate::upstream::connection::{Connection, OpenError};
use crate::upstream::endpoint::Endpoint;
use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use pingora_core::protocols::http::{HttpTask, ServerSession};
use pingora_core::{BError, Error, ErrorType};
use sallyport_config::model::Upstream as Settings;
use sallyport_filters::dialect::error as dialect_error;
use sallyport_filters::event::{Event, Fate, Piece};
use sallyport_filters::filter::ResponseHead;
use sallyport_filters::outgoing::{Outgoing, filter_response_headers};
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::sse::EventStream;
use std::time::{Duration, Instant};

/// An upstream's error body is held up to this size, so that it can be judged before it is passed on.
const ERROR_BODY: usize = 256 * 1024;
/// Tasks that are ready are sent together, at most this many.
const BATCH: usize = 32;

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

/// Why an attempt came to nothing.
pub(crate) struct Failure {
    /// What is told to the client if nothing better comes.
    pub(crate) rejection: Rejection,
    /// The upstream's own answer, passed on instead of `rejection` where the client may see it.
    pub(crate) answer: Option<Answer>,
    /// May another attempt help?
    pub(crate) retryable: bool,
    /// The upstream asked to be left alone for so long.
    pub(crate) retry_after: Option<Duration>,
    /// A pooled connection was dead before a byte came: the same upstream is asked again, at once.
    pub(crate) stale: bool,
}

/// An upstream's whole answer, held.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Failure {
    fn connection(rejection: Rejection, stale: bool) -> Self {
        Self { rejection, answer: None, retryable: true, retry_after: None, stale }
    }
}

fn timed_out(what: &str, wait: Duration) -> Rejection {
    Rejection::upstream(ErrorKind::UpstreamTimeout, "upstream_timeout", "The model provider did not answer in time.")
        .detail(format!("{what} within {wait:?}"))
}

fn broken(detail: String) -> Rejection {
    Rejection::upstream(
        ErrorKind::Upstream,
        "upstream_connection_error",
        "The connection to the model provider failed.",
    )
    .detail(detail)
}

/// One attempt.
pub(crate) struct Attempt<'a> {
    pub(crate) ups: &'a Upstreams,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) settings: &'a Settings,
    pub(crate) method: &'a Method,
    pub(crate) out: &'a Outgoing,
}

impl Attempt<'_> {
    /// Runs it. The connection is given back or given up in every case.
    pub(crate) async fn run(&self, d: &mut ServerSession, call: &mut Call) -> End {
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
                up.abandon(self.ups).await;
                other
            }
        }
    }

    async fn open(&self, d: &mut ServerSession) -> Result<Connection, End> {
        let opening =
            Connection::open(self.ups, self.endpoint, self.method, self.out, self.settings.idle_timeout.get());
        let opened = tokio::select! { biased;
            r = opening => r,
            _ = gone(d) => return Err(End::Gone),
        };
        opened.map_err(|e| {
            End::Failed(match e {
                OpenError::Timeout(e) => {
                    self.endpoint.turn();
                    Failure::connection(
                        timed_out("no connection", self.settings.connect_timeout.get()).detail(e.to_string()),
                        false,
                    )
                }
                OpenError::Write { error, reused } => Failure::connection(broken(error.to_string()), reused),
                OpenError::Request(why) => Failure {
                    retryable: false,
                    ..Failure::connection(
                        Rejection::client(ErrorKind::InvalidRequest, "invalid_request", why),
                        false,
                    )
                },
                e => Failure::connection(broken(e.to_string()), false),
            })
        })
    }

    /// Reads the answer and passes it on.
    async fn converse(&self, d: &mut ServerSession, call: &mut Call, up: &mut Connection) -> End {
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
                    return End::Failed(Failure::connection(timed_out("no response head", first_byte), false));
                }
                Received::Gone => return End::Gone,
            }
        };
        let original = headers.clone();
        note_upstream(call, &headers);
        filter_response_headers(&mut headers);
        if status.as_u16() >= 400 {
            return self.judge(d, call, up, status, original, headers, end).await;
        }
        self.stream(d, call, up, status, headers, end).await
    }

    /// An error status: its body is read (bounded) and judged; nothing goes to the client yet.
    #[allow(clippy::too_many_arguments)]
    async fn judge(
        &self,
        d: &mut ServerSession,
        call: &mut Call,
        up: &mut Connection,
        status: StatusCode,
        original: HeaderMap,
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
        let body = body.freeze();
        let fault = dialect_error::upstream_fault(status.as_u16(), &body);
        call.x.outcome.upstream_error = dialect_error::code_of(&body).or_else(|| Some(status.as_u16().to_string()));
        let retry_after = dialect_error::retry_after(&original);
        let message = "The model provider refused the gateway's own credentials or credit.";
        let (rejection, shown) = match fault {
            dialect_error::Fault::Credentials => (
                Rejection::upstream(ErrorKind::Upstream, "upstream_credentials", message)
                    .detail(format!("{status} from {}", self.endpoint.provider.name)),
                status == StatusCode::TOO_MANY_REQUESTS,
            ),
            _ => (
                Rejection::upstream(ErrorKind::Upstream, "upstream_error", "The model provider failed.")
                    .detail(format!("{status} from {}", self.endpoint.provider.name)),
                true,
            ),
        };
        End::Failed(Failure {
            rejection,
            answer: shown.then_some(Answer { status, headers, body }),
            retryable: !matches!(fault, dialect_error::Fault::Client),
            retry_after,
            stale: false,
        })
    }

    /// A good status: the head is held until the first bytes are verified; then everything that is ready goes out
    /// in one write, as it comes.
    async fn stream(
        &self,
        d: &mut ServerSession,
        call: &mut Call,
        up: &mut Connection,
        status: StatusCode,
        mut headers: HeaderMap,
        mut end: bool,
    ) -> End {
        let sse = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|v| v.as_bytes().get(..17).is_some_and(|t| t.eq_ignore_ascii_case(b"text/event-stream")));
        let idle = self.settings.idle_timeout.get();
        let mut hold = Hold::new(call.x.dialect, sse);
        let mut body = if sse {
            // Events may be dropped or replaced: an announced length would be wrong.
            headers.remove(header::CONTENT_LENGTH);
            Body::Events(EventStream::new())
        } else {
            Body::Pieces
        };
        let mut batch = Vec::with_capacity(4);
        // Nothing goes out before the first bytes are good.
        while hold.holding() && !end {
            // Until something has gone out, the first byte's patience holds.
            match receive(d, up, idle.max(self.settings.first_byte_timeout.get())).await {
                Received::Task(task) => end = push(task, &mut batch),
                Received::Broken(e) => {
                    let stale = false;
                    return End::Failed(Failure::connection(broken(e.to_string()), stale));
                }
                Received::TimedOut => return End::Failed(Failure::connection(timed_out("no first event", idle), false)),
                Received::Gone => return End::Gone,
            }
            drain(up, &mut batch, &mut end);
            match hold.look(&batch) {
                Verdict::Good | Verdict::More => {}
                Verdict::Error { status, code } => {
                    call.x.outcome.upstream_error = Some(code.clone());
                    return End::Failed(self.first_event_failure(call, status, &code, headers, std::mem::take(&mut batch)));
                }
            }
        }
        call.x.outcome.streamed = sse;
        call.chain.clone().head(&mut call.x, &mut ResponseHead { status, headers: &mut headers });
        reply::stamp(&mut headers, &call.x);
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
                return self.cut(d, call, sse, tasks, why).await;
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
                Received::Broken(e) => return self.cut(d, call, sse, tasks, broken(e.to_string())).await,
                Received::TimedOut => {
                    return self.cut(d, call, sse, tasks, timed_out("no more bytes", idle)).await;
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
        mut tasks: Vec<HttpTask>,
        why: Rejection,
    ) -> End {
        let detail = why.detail.clone().unwrap_or_default();
        if sse {
            let sequence = call.x.meter.as_ref().map_or(0, |m| m.next_sequence());
            let event = dialect_error::event(&why, call.x.dialect, &call.x.id.to_string(), sequence);
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

    /// A 200 whose first event is an error: as if the upstream had answered with that status.
    fn first_event_failure(
        &self,
        call: &Call,
        status: u16,
        code: &str,
        headers: HeaderMap,
        batch: Vec<Bytes>,
    ) -> Failure {
        let retryable = !matches!(dialect_error::upstream_fault(status, b""), dialect_error::Fault::Client);
        let mut body = BytesMut::new();
        batch.iter().for_each(|b| body.extend_from_slice(b));
        let retry_after = dialect_error::retry_after(&headers);
        let _ = call;
        Failure {
            rejection: Rejection::upstream(ErrorKind::Upstream, "upstream_error", "The model provider failed.")
                .detail(format!("first event of the stream: {code} from {}", self.endpoint.provider.name)),
            // The client sees what the provider sent: a stream whose first event is an error.
            answer: Some(Answer { status: StatusCode::OK, headers, body: body.freeze() }),
            retryable,
            retry_after,
            stale: false,
        }
    }
}

/// What became of waiting for the upstream.
enum Received {
    Task(HttpTask),
    Broken(BError),
    TimedOut,
    Gone,
}

/// Waits for the upstream's next task, for at most `wait`, while watching the client.
async fn receive(d: &mut ServerSession, up: &mut Connection, wait: Duration) -> Received {
    // Most tasks of a busy stream are there already: no timer, no look at the client.
    if let Some(r) = tokio::task::unconstrained(up.next()).now_or_never() {
        return r.map_or_else(Received::Broken, Received::Task);
    }
    tokio::select! { biased;
        r = pingora_timeout::timeout(wait, up.next()) => match r {
            Ok(Ok(task)) => Received::Task(task),
            Ok(Err(e)) => Received::Broken(e),
            Err(_) => Received::TimedOut,
        },
        () = gone(d) => Received::Gone,
    }
}

/// Comes back when the client has left.
async fn gone(d: &mut ServerSession) {
    // With nothing expected any more, this comes back on end of stream, reset and stray bytes only.
    let _ = d.read_body_or_idle(true).await;
}

/// Takes what a task carries; true: it was the last one.
fn push(task: HttpTask, batch: &mut Vec<Bytes>) -> bool {
    match task {
        HttpTask::Body(piece, end) => {
            if let Some(piece) = piece.filter(|p| !p.is_empty()) {
                batch.push(piece);
            }
            end
        }
        HttpTask::Header(..) | HttpTask::UpgradedBody(..) => false,
        HttpTask::Trailer(_) | HttpTask::Done | HttpTask::Failed(_) => true,
    }
}

/// Takes what is ready without waiting; an error is kept for the next wait.
fn drain(up: &mut Connection, batch: &mut Vec<Bytes>, end: &mut bool) {
    while !*end && batch.len() < BATCH {
        match tokio::task::unconstrained(up.next()).now_or_never() {
            Some(Ok(task)) => *end = push(task, batch),
            Some(Err(e)) => {
                up.park(e);
                break;
            }
            None => break,
        }
    }
}

/// Sends tasks to the client and counts the bytes.
async fn send(d: &mut ServerSession, call: &mut Call, mut tasks: Vec<HttpTask>) -> Result<(), BError> {
    let bytes: usize = tasks.iter().map(|t| if let HttpTask::Body(Some(b), _) = t { b.len() } else { 0 }).sum();
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

/// Did the connection end before a byte of the answer? (Then a pooled one was simply too old.)
fn never_answered(e: &Error) -> bool {
    e.retry()
}

/// Remembers the provider's request id.
fn note_upstream(call: &mut Call, headers: &HeaderMap) {
    const NAMES: [HeaderName; 3] =
        [reply::REQUEST_ID, HeaderName::from_static("request-id"), HeaderName::from_static("apim-request-id")];
    let id = NAMES.iter().find_map(|n| headers.get(n)).and_then(|v| v.to_str().ok());
    call.x.outcome.upstream_request_id = id.map(|id| id.chars().take(200).collect());
}

/// How pieces of the answer meet the filters.
enum Body {
    Events(EventStream),
    Pieces,
}

impl Body {
    /// Shows `batch` to the filters and turns it into tasks.
    fn filter(
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
                let mut out = |b: Bytes| tasks.push(HttpTask::Body(Some(b), false));
                for piece in batch.drain(..) {
                    stream.push(piece, |e| chain.event(x, e), &mut out).map_err(|e| {
                        Rejection::upstream(
                            ErrorKind::Upstream,
                            "upstream_bad_stream",
                            "The model provider sent a stream that cannot be read.",
                        )
                        .detail(e.to_string())
                    })?;
                }
                if end {
                    stream.finish(|e| chain.event(x, e), &mut out);
                }
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
}
