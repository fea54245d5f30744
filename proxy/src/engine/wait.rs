//! Waiting for the upstream while watching the client.

use crate::patience;
use crate::upstream::connection::Connection;
use bytes::Bytes;
use futures::FutureExt;
use pingora_core::BError;
use pingora_core::protocols::http::{HttpTask, ServerSession};
use std::time::Duration;

/// Tasks that are ready are sent together, at most this many.
const BATCH: usize = 32;

/// What became of waiting for the upstream.
pub(crate) enum Received {
    Task(HttpTask),
    Broken(BError),
    TimedOut,
    Gone,
}

/// Waits for the upstream's next task, for at most `wait`, while watching the client.
pub(crate) async fn receive(d: &mut ServerSession, up: &mut Connection, wait: Duration) -> Received {
    // Most tasks of a busy stream are there already: no timer, no look at the client.
    if let Some(r) = tokio::task::unconstrained(up.next()).now_or_never() {
        return r.map_or_else(Received::Broken, Received::Task);
    }
    tokio::select! { biased;
        r = patience::timeout(wait, up.next()) => match r {
            Ok(Ok(task)) => Received::Task(task),
            Ok(Err(e)) => Received::Broken(e),
            Err(_) => Received::TimedOut,
        },
        () = gone(d) => Received::Gone,
    }
}

/// Comes back when the client has left.
pub(crate) async fn gone(d: &mut ServerSession) {
    // With nothing expected any more, this comes back on end of stream, reset and stray bytes only.
    let _ = d.read_body_or_idle(true).await;
}

/// Takes what a task carries; true: it was the last one.
pub(crate) fn push(task: HttpTask, batch: &mut Vec<Bytes>) -> bool {
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
pub(crate) fn drain(up: &mut Connection, batch: &mut Vec<Bytes>, end: &mut bool) {
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
