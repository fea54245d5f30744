//! What stands between the listener and `ProxyHttp`: a bound on how long a request's head may take. Pingora bounds
//! each read of a head, so that a byte now and then would keep a connection for ever.

use crate::gateway::Gateway;
use crate::patience;
use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use sallyport_config::model::Server;
use std::any::Any;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

/// The gateway's HTTP application.
pub struct Front {
    proxy: Arc<HttpProxy<Gateway>>,
    options: HttpServerOptions,
    head_timeout: Duration,
    keepalive: Duration,
}

/// Whether the head has arrived; handed through Pingora as the connection's context.
type Arrival = Arc<AtomicBool>;

/// The head of the request whose context this is has arrived.
pub(crate) fn head_arrived(context: Box<dyn Any + Send + Sync>) {
    if let Ok(arrival) = context.downcast::<Arrival>() {
        arrival.store(true, Ordering::Release);
    }
}

impl Front {
    /// In front of `proxy`.
    pub fn new(proxy: HttpProxy<Gateway>, settings: &Server) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        options.h2_idle_timeout = Some(settings.keepalive.get());
        Self {
            proxy: Arc::new(proxy),
            options,
            head_timeout: settings.head_timeout.get(),
            keepalive: settings.keepalive.get(),
        }
    }
}

#[async_trait]
impl HttpServerApp for Front {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if session.is_http2() {
            // An HTTP/2 session comes with its head.
            return self.proxy.process_new_http(session, shutdown).await;
        }
        // A kept connection may be idle first (Pingora counts that from the answer before).
        let idle = if session.get_keepalive().is_some() { self.keepalive } else { Duration::ZERO };
        session.set_read_timeout(Some(self.head_timeout));
        let arrival: Arrival = Arc::default();
        session.set_connection_user_context(Some(Box::new(arrival.clone())));
        let mut request = pin!(self.proxy.process_new_http(session, shutdown));
        let head = std::future::poll_fn(|cx| match request.as_mut().poll(cx) {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending if arrival.load(Ordering::Acquire) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match patience::timeout(idle + self.head_timeout, head).await {
            Ok(Some(end)) => end,
            Ok(None) => request.await,
            // Dropping the request closes the connection.
            Err(_) => None,
        }
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }

    async fn http_cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
