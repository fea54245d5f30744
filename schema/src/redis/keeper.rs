//! The task that keeps the connection up: connect, ask once a second, connect anew.

use super::{Inner, ping};
use crate::backoff::Backoff;
use crate::changes::ConnectionState;
use ::redis::aio::MultiplexedConnection;
use std::sync::{Arc, Weak};
use std::time::Duration;
use time::OffsetDateTime;

/// Pause between two questions.
const PING: Duration = Duration::from_secs(1);

/// Runs until nobody has a use for it.
pub(super) async fn keep(inner: Weak<Inner>) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let Some(now) = inner.upgrade() else { return };
        let opened = now.open().await;
        match opened {
            Ok(connection) => {
                backoff.reset();
                now.up(&connection);
                drop(now);
                let Some(reason) = until_silent(&inner, connection).await else { return };
                if let Some(now) = inner.upgrade() {
                    now.down(reason);
                }
            }
            Err(e) => now.down(e.to_string()),
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Why the connection is no good any more; None: nobody wants to know.
async fn until_silent(inner: &Weak<Inner>, mut connection: MultiplexedConnection) -> Option<String> {
    loop {
        tokio::time::sleep(PING).await;
        if inner.strong_count() == 0 {
            return None;
        }
        if let Err(e) = ping(&mut connection).await {
            return Some(e.to_string());
        }
    }
}

impl Inner {
    fn up(&self, connection: &MultiplexedConnection) {
        self.live.store(Some(Arc::new(connection.clone())));
        tracing::info!("Redis answers");
        self.state.send_replace(ConnectionState::Connected);
    }

    fn down(&self, reason: String) {
        self.live.store(None);
        self.state.send_modify(|state| match state {
            ConnectionState::Disconnected { since, reason: old } => {
                if *old != reason {
                    tracing::warn!(reason, "Redis is not reached: going on without it");
                }
                // the instant of the loss stays over attempts that fail
                *state = ConnectionState::Disconnected { since: *since, reason };
            }
            _ => {
                tracing::warn!(reason, "Redis is lost: going on without it");
                *state = ConnectionState::Disconnected { since: OffsetDateTime::now_utc(), reason };
            }
        });
    }
}
