//! A request and its whole answer, for what is not streamed on.

use super::Pools;
use super::connection::{Connection, OpenError};
use super::endpoint::Endpoint;
use crate::patience;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use pingora_core::protocols::http::HttpTask;
use pingora_core::{BError, RetryType};
use sallyport_config::model::Upstream as Settings;
use sallyport_filters::outgoing::Outgoing;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WholeError {
    /// The request did not get out.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The connection broke.
    #[error("{error}")]
    Broken {
        /// What happened.
        error: BError,
        /// A pooled connection that was dead before a byte came.
        stale: bool,
    },
    /// Nothing came for so long.
    #[error("nothing came within {0:?}")]
    TimedOut(Duration),
    /// The answer is no answer.
    #[error("a body without a head")]
    NoHead,
    /// It is larger than there is room for.
    #[error("the answer is too large")]
    TooLarge,
}

/// Sends a request and reads its answer. `room`: bytes that bodies may still have; several calls may share it. May be
/// dropped at any point: the connection is closed then.
pub(crate) async fn ask(
    pools: &Pools,
    endpoint: &Endpoint,
    method: &Method,
    out: &Outgoing,
    settings: &Settings,
    room: &AtomicUsize,
) -> Result<Whole, WholeError> {
    let mut up = Connection::open(pools, endpoint, method, out, settings.idle_timeout.get()).await?;
    match read(&mut up, settings, room).await {
        Ok(whole) => {
            up.release(pools, endpoint.keepalive).await;
            Ok(whole)
        }
        Err(e) => {
            up.abandon(pools).await;
            Err(e)
        }
    }
}

async fn read(up: &mut Connection, settings: &Settings, room: &AtomicUsize) -> Result<Whole, WholeError> {
    let mut head: Option<(StatusCode, HeaderMap)> = None;
    let mut body = BytesMut::new();
    loop {
        let wait = match head {
            None => settings.first_byte_timeout.get(),
            Some(_) => settings.idle_timeout.get(),
        };
        let task = match patience::timeout(wait, up.next()).await {
            Err(_) => return Err(WholeError::TimedOut(wait)),
            Ok(Err(error)) => {
                let fresh = matches!(error.retry, RetryType::ReusedOnly | RetryType::Decided(true));
                let stale = head.is_none() && up.reused && fresh;
                return Err(WholeError::Broken { error, stale });
            }
            Ok(Ok(task)) => task,
        };
        let end = match task {
            HttpTask::Header(h, _) if h.status.is_informational() => false,
            HttpTask::Header(h, end) => {
                let parts: http::response::Parts = (*h).into();
                head = Some((parts.status, parts.headers));
                end
            }
            HttpTask::Body(piece, end) => {
                let piece = piece.unwrap_or_default();
                take(room, piece.len())?;
                body.extend_from_slice(&piece);
                end
            }
            HttpTask::Failed(error) => return Err(WholeError::Broken { error, stale: false }),
            HttpTask::UpgradedBody(..) | HttpTask::Trailer(_) | HttpTask::Done => true,
        };
        if end {
            let (status, headers) = head.ok_or(WholeError::NoHead)?;
            return Ok(Whole { status, headers, body: body.freeze() });
        }
    }
}

fn take(room: &AtomicUsize, len: usize) -> Result<(), WholeError> {
    let left = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(len));
    left.map(|_| ()).map_err(|_| WholeError::TooLarge)
}
