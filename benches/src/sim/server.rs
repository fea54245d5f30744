//! Sockets: HTTP/1.1 and h2c (prior knowledge) on one port.

use crate::sim::call::{self, State};
use crate::sim::directive::Behaviour;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// What HTTP/2 with prior knowledge begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Generous: neither streams of one connection nor slow readers shall wait for each other.
const H2_WINDOW: u32 = 16 << 20;

/// Settings of a simulator.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Name in `/__sim/stats` and in the `x-sim-name` header of all answers.
    pub name: String,
    /// The key that requests must carry; `None`: any, or none.
    pub auth: Option<String>,
    /// The secret of the access key that signs for Bedrock; `None`: signatures are not checked.
    pub aws_secret: Option<String>,
    /// Models that `GET /v1/models` lists. Any other name is answered too.
    pub models: Vec<String>,
    /// Behaviour where a request does not say otherwise.
    pub defaults: Behaviour,
    /// Largest request body in bytes.
    pub max_body: usize,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            name: "sim".to_owned(),
            auth: None,
            aws_secret: None,
            models: ["sim-fast", "gpt-5.1", "claude-sonnet-4-5"].map(str::to_owned).to_vec(),
            defaults: Behaviour::default(),
            max_body: 64 << 20,
        }
    }
}

/// A listening simulator.
#[derive(Debug)]
pub struct Sim {
    listener: TcpListener,
    state: Arc<State>,
}

impl Sim {
    /// Binds `listen` (port 0: any free one).
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn bind(listen: SocketAddr, options: SimOptions) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(listen).await?, state: Arc::new(State::new(options)) })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// As [`TcpListener::local_addr`].
    pub fn addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until dropped.
    pub async fn run(self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(connection(stream, Arc::clone(&self.state)));
                }
                // out of file descriptors or a client that gave up: both pass
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    state.stats.connections.fetch_add(1, Relaxed);
    state.stats.open_connections.fetch_add(1, Relaxed);
    // an error here is a client that went away or spoke no HTTP: nothing that anyone could act on
    let _ = serve(stream, &state).await;
    state.stats.open_connections.fetch_sub(1, Relaxed);
}

async fn serve(stream: TcpStream, state: &Arc<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let is_h2 = speaks_h2(&stream).await?;
    let service = service_fn(|request| call::serve(Arc::clone(state), request));
    let io = TokioIo::new(stream);
    if is_h2 {
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(H2_WINDOW)
            .initial_connection_window_size(H2_WINDOW * 4)
            .max_concurrent_streams(10_000)
            .serve_connection(io, service)
            .await
            .map_err(io::Error::other)
    } else {
        http1::Builder::new()
            .header_read_timeout(None)
            .serve_connection(io, service)
            .await
            .map_err(io::Error::other)
    }
}

async fn speaks_h2(stream: &TcpStream) -> io::Result<bool> {
    let mut start = [0; PREFACE.len()];
    loop {
        let n = stream.peek(&mut start).await?;
        if n == 0 || !PREFACE.starts_with(&start[..n]) {
            return Ok(false);
        }
        if n == PREFACE.len() {
            return Ok(true);
        }
        // a preface in pieces: peek returns at once as long as something is there
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
