//! An acceptor that keeps the number of connections bounded and gives up on peers that stop reading.

use axum_server::accept::Accept;
use socket2::SockRef;
use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

/// A peer that acknowledges nothing, or keeps its window shut, for so long is gone.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// Accepts while there is room.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    room: Arc<Semaphore>,
}

impl Bound {
    pub(super) fn new(connections: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(connections)) }
    }
}

impl<S> Accept<TcpStream, S> for Bound {
    type Stream = TcpStream;
    type Service = Held<S>;
    type Future = Ready<io::Result<(TcpStream, Held<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready((|| {
            let permit = Arc::clone(&self.room)
                .try_acquire_owned()
                .map_err(|_| io::Error::other("too many connections"))?;
            stream.set_nodelay(true)?;
            SockRef::from(&stream).set_tcp_user_timeout(Some(PEER_TIMEOUT))?;
            Ok((stream, Held { service, _permit: Arc::new(permit) }))
        })())
    }
}

/// The service of one connection; its place is free again when the last clone is gone.
#[derive(Clone, Debug)]
pub(super) struct Held<S> {
    service: S,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl<S: Service<R>, R> Service<R> for Held<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.service.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_is_free_again_when_its_connection_ends() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stream = async || {
            let (_, accepted) = tokio::join!(TcpStream::connect(addr), listener.accept());
            accepted.unwrap().0
        };
        let bound = Bound::new(1);
        let (_s, held) = bound.accept(stream().await, ()).await.unwrap();
        let clone = held.clone();
        drop(held);
        assert!(bound.accept(stream().await, ()).await.is_err());
        drop(clone);
        assert!(bound.accept(stream().await, ()).await.is_ok());
    }
}
