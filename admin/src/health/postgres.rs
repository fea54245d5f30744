//! Postgres: one question, and whether changes are heard.

use super::probe::{Check, Detail, Probe, State};
use sallyport_schema::changes::ConnectionState;
use sallyport_schema::store::Store;
use std::sync::{Mutex, PoisonError};
use time::OffsetDateTime;

/// Asks the store.
pub struct PostgresProbe {
    store: Store,
    /// Whether it answered when last asked, and since when that is so.
    last: Mutex<Option<(bool, OffsetDateTime)>>,
}

impl PostgresProbe {
    /// A probe of this store.
    pub fn new(store: Store) -> Self {
        Self { store, last: Mutex::default() }
    }

    /// Remembers an answer; since when it has been so.
    fn since(&self, answers: bool) -> OffsetDateTime {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((same, since)) if same == answers => since,
            _ => last.insert((answers, OffsetDateTime::now_utc())).1,
        }
    }
}

#[async_trait::async_trait]
impl Probe for PostgresProbe {
    fn name(&self) -> &str {
        "postgres"
    }

    async fn check(&self) -> Check {
        // The board would give up too, but only this probe can remember that it did.
        let asked = tokio::time::timeout(super::PATIENCE * 9 / 10, self.store.ping()).await;
        let failure = match asked {
            Ok(Ok(())) => None,
            Ok(Err(e)) => Some(e.to_string()),
            Err(_) => Some("Postgres did not answer in time".to_owned()),
        };
        let answers = failure.is_none();
        let answers_since = self.since(answers);
        let connection = self.store.connection().borrow().clone();
        let detail = Detail::Postgres { answers, listening: connection.is_connected() };
        let (state, reason, since) = match (failure, connection) {
            (Some(reason), ConnectionState::Disconnected { since, .. }) => {
                (State::Failing, Some(reason), since.min(answers_since))
            }
            (Some(reason), ConnectionState::Connected | ConnectionState::Off) => {
                (State::Failing, Some(reason), answers_since)
            }
            (None, ConnectionState::Disconnected { since, reason }) => {
                let so = match self.store.relayed().state() {
                    ConnectionState::Connected => "changes are not heard by LISTEN, they come by Redis alone",
                    _ => "changes are not heard, so what runs may be stale",
                };
                let reason = format!("{so}: {reason}");
                (State::Degraded, Some(reason), since)
            }
            (None, ConnectionState::Connected | ConnectionState::Off) => (State::Ok, None, answers_since),
        };
        Check { state, reason, since: Some(since), detail }
    }
}
