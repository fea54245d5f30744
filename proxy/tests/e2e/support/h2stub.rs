//! An upstream that speaks HTTP/2 only: by prior knowledge on plain TCP, or chosen by ALPN.

use super::stub::{Received, Socket};
use super::tls::ServerTls;
use super::wire::Head;
use bytes::Bytes;
use futures::Stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// An answer whose body comes from a channel, piece by piece; closing the channel ends it.
#[derive(Debug)]
pub(crate) struct H2Answer {
    /// Status.
    pub(crate) status: u16,
    /// Headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: mpsc::UnboundedReceiver<Bytes>,
}

impl H2Answer {
    /// An answer with a body that is already known.
    pub(crate) fn whole(status: u16, content_type: &str, pieces: &[&[u8]]) -> Self {
        let (send, body) = mpsc::unbounded_channel();
        for piece in pieces {
            send.send(Bytes::copy_from_slice(piece)).unwrap();
        }
        Self { status, headers: vec![("content-type", content_type.to_owned())], body }
    }
}

/// The body on its way out; tells when it was given up before its end.
struct Body {
    pieces: mpsc::UnboundedReceiver<Bytes>,
    ended: bool,
    given_up: Arc<Mutex<Vec<Instant>>>,
}

impl Stream for Body {
    type Item = Result<Frame<Bytes>, Infallible>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.pieces.poll_recv(cx).map(|piece| piece.map(|p| Ok(Frame::data(p))));
        self.ended |= matches!(next, Poll::Ready(None));
        next
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if !self.ended {
            self.given_up.lock().unwrap().push(Instant::now());
        }
    }
}

/// The listening upstream. Stops when dropped.
#[derive(Debug)]
pub(crate) struct H2Stub {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    scheme: &'static str,
    log: Arc<Mutex<Vec<Received>>>,
    given_up: Arc<Mutex<Vec<Instant>>>,
    task: JoinHandle<()>,
}

impl H2Stub {
    /// A stub that answers each call by `answer`.
    pub(crate) async fn answering(
        tls: Option<ServerTls>,
        answer: impl Fn(&Received) -> H2Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let log = Arc::new(Mutex::new(Vec::new()));
        let given_up = Arc::new(Mutex::new(Vec::new()));
        let state =
            Arc::new(State { log: log.clone(), given_up: given_up.clone(), answer: Box::new(answer) });
        let task = tokio::spawn(accept(listener, tls, state));
        Self { port, scheme, log, given_up, task }
    }

    /// All requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.log.lock().unwrap().clone()
    }

    /// When answers were given up before their end.
    pub(crate) fn given_up(&self) -> Vec<Instant> {
        self.given_up.lock().unwrap().clone()
    }

    /// Base URL with `/v1`.
    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}/v1", self.scheme, self.port)
    }
}

impl Drop for H2Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct State {
    log: Arc<Mutex<Vec<Received>>>,
    given_up: Arc<Mutex<Vec<Instant>>>,
    answer: Box<dyn Fn(&Received) -> H2Answer + Send + Sync>,
}

async fn accept(listener: TcpListener, tls: Option<ServerTls>, state: Arc<State>) {
    for connection in 0.. {
        let Ok((socket, _)) = listener.accept().await else { return };
        let (tls, state) = (tls.clone(), state.clone());
        tokio::spawn(async move {
            let socket: Box<dyn Socket> = match tls {
                None => Box::new(socket),
                Some(tls) => match tls.accept(socket).await {
                    Ok(socket) => Box::new(socket),
                    Err(_) => return,
                },
            };
            let service =
                hyper::service::service_fn(move |request| respond(request, connection, state.clone()));
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn respond(
    request: hyper::Request<Incoming>,
    connection: usize,
    state: Arc<State>,
) -> Result<hyper::Response<StreamBody<Body>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let mut headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
        .collect();
    if let Some(authority) = parts.uri.authority() {
        headers.push((":authority".to_owned(), authority.to_string()));
    }
    let head = Head { line: format!("{} {target} {:?}", parts.method, parts.version), headers };
    let body = body.collect().await?.to_bytes().to_vec();
    let received = Received { head, body, connection };
    state.log.lock().unwrap().push(received.clone());
    let answer = (state.answer)(&received);
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let body = Body { pieces: answer.body, ended: false, given_up: state.given_up.clone() };
    Ok(response.body(StreamBody::new(body)).unwrap())
}
