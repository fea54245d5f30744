//! Changes of the control plane as they happen: LISTEN, read the row, hand it on.
//!
//! A notification can be lost only together with the connection, so every (re)connect listens first, then loads
//! everything and sends [`Change::Everything`]. A connection that is up but deaf (half-dead TCP, a proxy that pools
//! transactions) is found by a heartbeat: a NOTIFY sent through the pool that must come back on the listener.
//!
//! Where there is a Redis, whoever hears a notification repeats it on a channel there (`relay`), for those whose
//! listening connection is broken, or who have none.

mod batch;
mod pulse;
mod relay;
mod teller;
mod watcher;

pub use relay::Relayed;

use crate::redis::Redis;
use crate::rows::Change;
use crate::store::Store;
use pulse::Pulse;
use relay::Relay;
use std::sync::Arc;
use teller::Teller;
use time::OffsetDateTime;
use tokio::sync::mpsc;

/// Bound of the channel: a reader that lags makes the watcher wait, and Postgres keeps the notifications.
const QUEUE: usize = 64;

/// Whether something that is kept up (the listening connection, Redis) is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// It answers. The listening connection: the last heartbeat came back.
    Connected,
    /// It does not. The listening connection: what is known may be stale since then.
    Disconnected {
        /// When it was lost (or the process began).
        since: OffsetDateTime,
        /// Why, for the operator.
        reason: String,
    },
    /// The configuration wants none.
    Off,
}

impl ConnectionState {
    pub(crate) fn starting() -> Self {
        Self::Disconnected { since: OffsetDateTime::now_utc(), reason: "not connected yet".to_owned() }
    }

    /// True while it answers.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected)
    }
}

/// How changes are heard.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Once Postgres can be reached, the schema is migrated before the first load: for a store that was connected
    /// lazily.
    pub migrate: bool,
    /// Listen on a connection of its own. Without it changes come by Redis alone: somebody else on the same Redis
    /// must listen; while Redis is away everything is read every ten seconds.
    pub listen: bool,
    /// Where changes are told too.
    pub redis: Option<Redis>,
}

impl Default for Watch {
    fn default() -> Self {
        Self { migrate: false, listen: true, redis: None }
    }
}

impl Store {
    /// Begins to hear changes, in tasks of the current tokio runtime that end when the receiver is dropped.
    /// The first message is `Everything`, as soon as Postgres can be reached.
    pub fn watch(&self, how: Watch) -> mpsc::Receiver<Change> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let teller = Arc::new(Teller::new(self.clone(), sender, how.migrate));
        let pulse = Arc::new(Pulse::new(self.clone()));
        let relay = how.redis.map(|redis| {
            Relay::start(self.clone(), redis, teller.clone(), how.listen.then(|| pulse.clone()))
        });
        if how.listen {
            tokio::spawn(watcher::Watcher::new(self.clone(), teller, pulse, relay).run());
        } else {
            self.connection_sender().send_replace(ConnectionState::Off);
        }
        receiver
    }
}
