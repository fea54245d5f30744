//! The listener: plain or TLS, with bounds on what a connection may cost.

mod bound;
mod tls;

use crate::error::AdminError;
use crate::harden::REQUEST_TIMEOUT;
use crate::host::HostPolicy;
use crate::router::app;
use crate::state::AdminState;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum_server::accept::Accept;
use axum_server::tls_openssl::OpenSSLAcceptor;
use axum_server::{Handle, Server};
use bound::Bound;
use sallyport_config::model::Admin;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tls::Tls;

/// A client gets so long for a request head, the first one included, and a kept connection may idle so long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a request head, at most.
const MAX_HEAD: usize = 64 * 1024;

/// Connections at once; more are closed unanswered.
const MAX_CONNECTIONS: usize = 1024;

/// A bound listener, not yet served: binding early lets the process refuse to start before it has done anything.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    local: SocketAddr,
    tls: Option<Tls>,
}

impl Listener {
    /// Binds the configured address and reads certificate and key.
    pub fn bind(config: &Admin) -> Result<Self, AdminError> {
        let tls = config.tls.as_ref().map(Tls::load).transpose()?;
        let failed = |source| AdminError::Bind { listen: config.listen, source };
        let socket = TcpListener::bind(config.listen).map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, local, tls })
    }

    /// The address that was bound (the configured port may be 0).
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Where the API is, as a URL.
    pub fn url(&self) -> String {
        format!("http{}://{}", if self.tls.is_some() { "s" } else { "" }, self.local)
    }

    /// Serves until `shutdown`, then lets requests in flight finish.
    pub async fn serve(
        self,
        state: AdminState,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), AdminError> {
        let service = app(state, HostPolicy::of(self.local))?.into_make_service_with_connect_info();
        let server = axum_server::from_tcp(self.socket).map_err(AdminError::Serve)?;
        let bound = Bound::new(MAX_CONNECTIONS);
        tracing::info!(address = %self.local, tls = self.tls.is_some(), "admin service listens");
        match self.tls {
            None => run(server.acceptor(bound), service, shutdown).await,
            Some(tls) => {
                let acceptor =
                    OpenSSLAcceptor::new(tls.config()).handshake_timeout(HEAD_TIMEOUT).acceptor(bound);
                tokio::select! {
                    served = run(server.acceptor(acceptor), service, shutdown) => served,
                    never = tls.keep_current() => match never {},
                }
            }
        }
    }
}

/// Binds and serves until `shutdown`.
pub async fn serve(
    config: &Admin,
    state: AdminState,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), AdminError> {
    Listener::bind(config)?.serve(state, shutdown).await
}

type Service = IntoMakeServiceWithConnectInfo<axum::Router, SocketAddr>;

async fn run<A>(
    server: Server<SocketAddr, A>,
    service: Service,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), AdminError>
where
    A: Accept<
            tokio::net::TcpStream,
            axum::middleware::AddExtension<axum::Router, axum::extract::ConnectInfo<SocketAddr>>,
        > + Clone
        + Send
        + Sync
        + 'static,
    A::Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    A::Service: axum_server::service::SendService<http::Request<hyper::body::Incoming>> + Send,
    A::Future: Send,
{
    let handle = Handle::new();
    let mut server =
        server.handle(handle.clone()).http1_only().first_request_timeout(HEAD_TIMEOUT).accept_error_handler(
            |peer, e| tracing::debug!(?peer, error = %e, "admin service: no connection"),
        );
    server.http_builder().http1().header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD);
    let stop = async {
        shutdown.await;
        handle.graceful_shutdown(Some(REQUEST_TIMEOUT));
        std::future::pending::<std::convert::Infallible>().await
    };
    tokio::select! {
        served = server.serve(service) => served.map_err(AdminError::Serve),
        never = stop => match never {},
    }
}
