//! Changes of the control plane as they happen: LISTEN, read the row, hand it on.
//!
//! A notification can be lost only together with the connection, so every (re)connect listens first, then loads
//! everything and sends [`Change::Everything`]. A connection that is up but deaf (half-dead TCP, a proxy that pools
//! transactions) is found by a heartbeat: a NOTIFY sent through the pool that must come back on the listener.

mod batch;
mod watcher;

use crate::rows::Change;
use crate::store::Store;
use time::OffsetDateTime;
use tokio::sync::mpsc;

/// Bound of the channel: a reader that lags makes the watcher wait, and Postgres keeps the notifications.
const QUEUE: usize = 64;

/// Whether changes are being heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Listening; the last heartbeat came back.
    Connected,
    /// Not listening: what is known may be stale since then.
    Disconnected {
        /// When it was lost (or the process began).
        since: OffsetDateTime,
        /// Why, for the operator.
        reason: String,
    },
}

impl ConnectionState {
    pub(crate) fn starting() -> Self {
        Self::Disconnected { since: OffsetDateTime::now_utc(), reason: "not connected yet".to_owned() }
    }

    /// True while changes are heard.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }
}

impl Store {
    /// Starts listening in a task of the current tokio runtime; it ends when the receiver is dropped.
    /// The first message is `Everything`, as soon as Postgres can be reached.
    pub fn watch(&self) -> mpsc::Receiver<Change> {
        self.watch_with(false)
    }

    /// Like [`watch`](Self::watch), for a store that was connected lazily: once Postgres can be reached, the schema
    /// is migrated before the first load.
    pub fn watch_and_migrate(&self) -> mpsc::Receiver<Change> {
        self.watch_with(true)
    }

    fn watch_with(&self, migrate: bool) -> mpsc::Receiver<Change> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(watcher::Watcher::new(self.clone(), sender, migrate).run());
        receiver
    }
}
