//! An upstream in the test's hands: raw sockets, one request at a time given to the test (or to a closure), answered
//! with any bytes in any pieces. Records what came and how connections ended.

use super::tls::ServerTls;
use super::wait::within;
use super::wire::{Head, Wire};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Any connection.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}
type Conn = Wire<Box<dyn Socket>>;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Request line and headers.
    pub(crate) head: Head,
    /// The body, without its framing.
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
}

impl Received {
    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        self.head.line.split(' ').nth(1).unwrap_or_default()
    }
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A request that waits for the test's answer.
pub(crate) struct Call {
    /// What was asked.
    pub(crate) request: Received,
    conn: Option<Conn>,
    give_back: oneshot::Sender<Conn>,
}

impl Call {
    /// Sends bytes as they are; an error: the gateway has closed.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let socket = &mut self.conn.as_mut().unwrap().inner;
        socket.write_all(bytes.as_ref()).await?;
        socket.flush().await
    }
    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("the stub's bytes to be taken", self.try_send(bytes)).await.unwrap();
    }
    /// Sends one chunk of a chunked body.
    pub(crate) async fn chunk(&mut self, data: impl AsRef<[u8]>) {
        self.send(super::answer::chunk(data.as_ref())).await;
    }
    /// Waits until the gateway closes the connection; when that was.
    pub(crate) async fn closed(&mut self) -> Instant {
        let closed =
            within("the gateway to close the upstream connection", self.conn.as_mut().unwrap().closed())
                .await;
        assert!(closed, "the gateway sent more instead of closing");
        Instant::now()
    }
    /// The answer is complete: the connection may carry the next request.
    pub(crate) fn done(mut self) {
        let _ = self.give_back.send(self.conn.take().unwrap());
    }
    /// Closes the connection, whatever was promised.
    pub(crate) fn cut(self) {}
}

/// The listening upstream. Stops when dropped.
#[derive(Debug)]
pub(crate) struct Stub {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    scheme: &'static str,
    calls: mpsc::UnboundedReceiver<Call>,
    log: Arc<Mutex<Vec<Received>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.request.fmt(f)
    }
}

impl Stub {
    /// A stub whose calls the test takes by [`Stub::next`].
    pub(crate) async fn manual() -> Self {
        Self::listen(None).await
    }

    /// The same behind TLS (HTTP/1.1).
    pub(crate) async fn manual_tls(tls: &ServerTls) -> Self {
        Self::listen(Some(tls.clone())).await
    }

    /// A stub that answers each call by `answer` (raw bytes; connections are kept).
    pub(crate) async fn answering(answer: impl Fn(&Received) -> Vec<u8> + Send + 'static) -> Self {
        Self::manual().await.with_answers(answer)
    }

    /// Answers each call from now on by itself.
    pub(crate) fn with_answers(mut self, answer: impl Fn(&Received) -> Vec<u8> + Send + 'static) -> Self {
        let (_, none) = mpsc::unbounded_channel();
        let mut calls = std::mem::replace(&mut self.calls, none);
        self.tasks.push(tokio::spawn(async move {
            while let Some(mut call) = calls.recv().await {
                let bytes = answer(&call.request);
                // One task a call: a slow reader of one answer must not hold up the others.
                tokio::spawn(async move {
                    if call.try_send(bytes).await.is_ok() {
                        call.done();
                    }
                });
            }
        }));
        self
    }

    async fn listen(tls: Option<ServerTls>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (send, calls) = mpsc::unbounded_channel();
        let log = Arc::new(Mutex::new(Vec::new()));
        let accept = tokio::spawn(accept(listener, tls, send, log.clone()));
        Self { port, scheme, calls, log, tasks: vec![accept] }
    }

    /// The next call.
    pub(crate) async fn next(&mut self) -> Call {
        within("a request at the stub upstream", self.calls.recv()).await.unwrap()
    }

    /// All requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.log.lock().unwrap().clone()
    }

    /// The only request so far.
    pub(crate) fn only(&self) -> Received {
        let mut all = self.received();
        assert_eq!(all.len(), 1, "requests at the stub: {all:#?}");
        all.remove(0)
    }

    /// Base URL with `/v1`.
    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}/v1", self.scheme, self.port)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<ServerTls>,
    calls: mpsc::UnboundedSender<Call>,
    log: Arc<Mutex<Vec<Received>>>,
) {
    for connection in 0.. {
        let Ok((socket, _)) = listener.accept().await else { return };
        let _ = socket.set_nodelay(true);
        let (tls, calls, log) = (tls.clone(), calls.clone(), log.clone());
        tokio::spawn(async move {
            let socket: Box<dyn Socket> = match tls {
                None => Box::new(socket),
                Some(tls) => match tls.accept(socket).await {
                    Ok(socket) => Box::new(socket),
                    Err(_) => return, // refused by the client: what some tests are about
                },
            };
            serve(Wire::new(socket), connection, calls, log).await;
        });
    }
}

async fn serve(
    mut conn: Conn,
    connection: usize,
    calls: mpsc::UnboundedSender<Call>,
    log: Arc<Mutex<Vec<Received>>>,
) {
    while let Ok(Some(head)) = conn.head().await {
        let Ok(body) = conn.body(&head, false).await else { return };
        let request = Received { head, body, connection };
        log.lock().unwrap().push(request.clone());
        let (give_back, back) = oneshot::channel();
        if calls.send(Call { request, conn: Some(conn), give_back }).is_err() {
            return;
        }
        match back.await {
            Ok(returned) => conn = returned,
            Err(_) => return,
        }
    }
}
