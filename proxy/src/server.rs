//! Starting and stopping: Pingora's server with our services, the drain, and the order of the end.

use crate::front::Front;
use crate::gateway::Gateway;
use crate::health::Health;
use crate::metrics::Metrics;
use async_trait::async_trait;
use http::{Response, StatusCode, header};
use pingora_core::apps::http_app::{HttpServer, ServeHttp};
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server, ShutdownSignal, ShutdownSignalWatch};
use pingora_core::services::listening::Service;
use sallyport_config::model::Config;
use socket2::{Domain, Socket, Type};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// Why the server cannot start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process listens there.
    #[error(
        "{address} is in use by another process; stop it, or choose another address with {setting} in the \
         configuration"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// The setting that names it.
        setting: &'static str,
    },
    /// The address cannot be bound.
    #[error("cannot listen on {address} ({setting}): {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The setting that names it.
        setting: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The certificate does not load.
    #[error("server.tls: cannot use {cert} and {key}: {reason}")]
    Tls {
        /// Certificate file.
        cert: String,
        /// Key file.
        key: String,
        /// What OpenSSL says.
        reason: String,
    },
}

/// Tells by a sentence, before anything is started, that an address cannot be had (Pingora would panic).
pub fn probe(address: SocketAddr, setting: &'static str) -> Result<(), StartError> {
    // Bound, never listened on: a client that comes a moment too early is refused, not accepted and reset. With
    // SO_REUSEADDR a connection in TIME_WAIT is no obstacle, a listener is.
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())
    };
    match bind() {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => Err(StartError::InUse { address, setting }),
        Err(source) => Err(StartError::Bind { address, setting, source }),
    }
}

/// What `run` needs beside the gateway.
pub struct Run {
    /// The configuration at start: listeners, threads and drain do not change later.
    pub config: Arc<Config>,
    /// The gateway.
    pub gateway: Gateway,
    /// CA bundle of `ProxyHttp`'s own connector.
    pub ca_file: Option<String>,
    /// Called once, when no call is in flight any more (or the drain time is over).
    pub at_end: Box<dyn FnOnce() + Send>,
}

/// Serves until SIGTERM or SIGINT. Blocks the calling thread.
pub fn run(run: Run) -> Result<(), StartError> {
    let Run { config, gateway, ca_file, at_end } = run;
    for address in &config.server.listen {
        probe(*address, "server.listen")?;
    }
    if let Some(address) = config.metrics.listen {
        probe(address, "metrics.listen")?;
    }
    let threads = match config.server.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        n => n,
    };
    let (delay, drain) = (config.server.drain_delay.get(), config.server.drain.get());
    let conf = ServerConf {
        threads,
        ca_file,
        upstream_keepalive_pool_size: config.upstream.keepalive_pool,
        grace_period_seconds: Some(drain.as_secs().max(1) + 1),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let (health, metrics) = (gateway.health.clone(), gateway.metrics.clone());
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let front = Front::new(pingora_proxy::http_proxy(&server.configuration, gateway), &config.server);
    let mut service = Service::new("gateway".into(), front);
    for address in &config.server.listen {
        let listener = ListenerConfig::tcp(address.to_string()).l4_buffer(BUFFERS);
        service.add_listener(match &config.server.tls {
            None => listener,
            Some(files) => {
                let (cert, key) = (files.cert.to_string_lossy(), files.key.to_string_lossy());
                let settings = TlsSettings::intermediate(&cert, &key).map(|mut s| {
                    s.enable_h2();
                    s
                });
                let settings = settings.map_err(|e| StartError::Tls {
                    cert: cert.into_owned(),
                    key: key.into_owned(),
                    reason: e.to_string(),
                })?;
                listener.tls(settings)
            }
        });
    }
    server.add_service(service);
    if let Some(address) = config.metrics.listen {
        let mut service = Service::new("metrics".into(), HttpServer::new_app(MetricsApp(metrics)));
        service.add_tcp(&address.to_string());
        service.threads = Some(1);
        server.add_service(service);
    }
    let closed = Arc::new(Notify::new());
    let end = Arc::new(std::sync::Mutex::new(Some(at_end)));
    let finish = move || {
        let taken = end.lock().map_or_else(|p| p.into_inner().take(), |mut e| e.take());
        if let Some(at_end) = taken {
            at_end();
        }
    };
    let signals = Signals { health: health.clone(), delay, closed: closed.clone() };
    // Pingora sleeps through the whole grace period; this thread ends the process as soon as the last call is done.
    let early = finish.clone();
    std::thread::spawn(move || wait_for_idle(&health, &closed, drain, early));
    server.run(RunArgs { shutdown_signal: Box::new(signals) });
    finish();
    Ok(())
}

/// Ends the process when no new call is taken any more and none is in flight.
fn wait_for_idle(health: &Health, closed: &Notify, drain: Duration, finish: impl FnOnce()) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        closed.notified().await;
        // A load balancer may have sent a call a moment ago that was not accepted yet.
        tokio::time::sleep(Duration::from_millis(100)).await;
        if tokio::time::timeout(drain, health.until_idle()).await.is_err() {
            tracing::warn!(in_flight = health.in_flight(), "the drain time is over; calls in flight are cut");
        }
    });
    finish();
    std::process::exit(0);
}

/// SIGTERM and SIGINT drain; a SIGINT after that ends at once.
struct Signals {
    health: Arc<Health>,
    delay: Duration,
    /// Told when the listeners are about to close.
    closed: Arc<Notify>,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let on = |kind| signal(kind).ok();
        let (mut term, mut int) = (on(SignalKind::terminate()), on(SignalKind::interrupt()));
        let delay = tokio::select! {
            () = next(&mut term) => self.delay,
            () = next(&mut int) => Duration::ZERO,
        };
        tracing::info!(in_flight = self.health.in_flight(), "draining; an interrupt ends at once");
        self.health.drain();
        tokio::spawn(async move {
            next(&mut int).await;
            tracing::warn!("interrupted: ending at once");
            std::process::exit(130);
        });
        tokio::time::sleep(delay).await;
        self.closed.notify_one();
        ShutdownSignal::GracefulTerminate
    }
}

async fn next(s: &mut Option<Signal>) {
    match s {
        Some(s) => {
            s.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// A client's connection. Written: head and body of most JSON answers, or a batch of events, in one go (Pingora's own
/// 1 460 bytes would make it two). Read: a request of 60 KB in one go.
const BUFFERS: L4BufferSettings = L4BufferSettings { read: Some(64 << 10), write: Some(16 << 10) };

/// `/metrics` on a listener of its own.
struct MetricsApp(Arc<Metrics>);

#[async_trait]
impl ServeHttp for MetricsApp {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let (status, body) = match session.req_header().uri.path() {
            "/metrics" => match self.0.render() {
                Ok(text) => (StatusCode::OK, text),
                Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, e.to_string().into_bytes()),
            },
            _ => (StatusCode::NOT_FOUND, b"see /metrics\n".to_vec()),
        };
        let len = body.len();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let h = response.headers_mut();
        h.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain; version=0.0.4"));
        h.insert(header::CONTENT_LENGTH, http::HeaderValue::from(len));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_address_is_told_and_a_free_one_is_left_free() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let busy = probe(address, "server.listen").unwrap_err().to_string();
        assert!(busy.contains(&address.to_string()) && busy.contains("server.listen"), "{busy}");
        drop(holder);
        probe(address, "server.listen").unwrap();
        assert!(std::net::TcpStream::connect(address).is_err(), "nobody may be accepted by a probe");
        drop(std::net::TcpListener::bind(address).unwrap());
    }
}
