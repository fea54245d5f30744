//! The task behind `watch`: connect, listen, load, then hear and read until the connection fails.

use super::ConnectionState;
use super::batch::Batch;
use super::pulse::Pulse;
use super::relay::Relay;
use super::teller::{Teller, Untold};
use crate::backoff::Backoff;
use crate::error::StoreError;
use crate::store::Store;
use sqlx::postgres::{PgListener, PgNotification, PgPoolOptions};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// Channel that the triggers write to.
const CHANNEL: &str = "sallyport_changes";
/// Pause between heartbeats.
const HEARTBEAT: Duration = Duration::from_millis(1500);
/// Silence after which the connection counts as deaf: with the reconnect this keeps the outage near 10 s.
const DEAF: Duration = Duration::from_secs(5);
/// A burst is gathered until it pauses this long …
const BURST_PAUSE: Duration = Duration::from_millis(5);
/// … but no longer than this, so that a steady stream is not put off.
const BURST: Duration = Duration::from_millis(50);

/// Why the hearing ended.
enum End {
    /// Nobody reads the changes any more.
    Unread,
    /// Connect anew.
    Lost(String),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<Untold> for End {
    fn from(untold: Untold) -> Self {
        match untold {
            Untold::Unread => Self::Unread,
            Untold::Failed(error) => error.into(),
        }
    }
}

impl From<sqlx::Error> for End {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

pub(super) struct Watcher {
    store: Store,
    teller: Arc<Teller>,
    pulse: Arc<Pulse>,
    relay: Option<Arc<Relay>>,
    backoff: Backoff,
}

impl Watcher {
    pub(super) fn new(
        store: Store,
        teller: Arc<Teller>,
        pulse: Arc<Pulse>,
        relay: Option<Arc<Relay>>,
    ) -> Self {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        Self { store, teller, pulse, relay, backoff }
    }

    pub(super) async fn run(mut self) {
        let teller = self.teller.clone();
        loop {
            self.pulse.set_listening(true);
            let end = tokio::select! {
                end = self.session() => end,
                () = teller.unread() => End::Unread,
            };
            let End::Lost(reason) = end else { return };
            self.pulse.set_listening(false);
            self.disconnected(reason);
            let wait = self.backoff.next();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = teller.unread() => return,
            }
        }
    }

    fn disconnected(&self, reason: String) {
        self.store.connection_sender().send_modify(|state| match state {
            // the instant of the loss stays over reconnects that fail
            ConnectionState::Disconnected { reason: old, .. } => {
                if *old != reason {
                    tracing::warn!(reason, "Postgres is not heard");
                }
                *old = reason;
            }
            ConnectionState::Connected | ConnectionState::Off => {
                tracing::warn!(
                    reason,
                    "lost the connection to Postgres: serving what is known, reconnecting"
                );
                *state = ConnectionState::Disconnected { since: OffsetDateTime::now_utc(), reason };
            }
        });
    }

    fn connected(&self) {
        self.store.connection_sender().send_if_modified(|state| {
            let new = !state.is_connected();
            *state = ConnectionState::Connected;
            new
        });
    }

    /// One connection, from birth to loss.
    async fn session(&mut self) -> End {
        match self.hear().await {
            Err(end) => end,
            Ok(never) => match never {},
        }
    }

    async fn hear(&mut self) -> Result<Infallible, End> {
        let bound = self.store.timeout();
        let mut listener = timeout(bound, self.listener())
            .await
            .map_err(|_| End::Lost(format!("no connection within {bound:?}")))??;
        // Listen first, load second: what changes in between is heard.
        self.teller.everything().await?;
        let _beating = Heartbeat::start(self.pulse.clone());

        let mut deadline = Instant::now() + DEAF;
        loop {
            let heard = timeout_at(deadline, listener.try_recv()).await.map_err(|_| {
                End::Lost(format!(
                    "no notification came back within {DEAF:?}: the connection is dead, or a proxy that pools \
                     transactions is in between (LISTEN needs a direct connection or session pooling)"
                ))
            })?;
            let note = heard?.ok_or_else(closed)?;
            // Only a notification that came back proves the whole way: neither the connect nor the load does.
            self.backoff.reset();
            self.connected();
            let mut heard = Heard::default();
            self.sort(&note, &mut heard);
            if heard.batch.is_some() {
                self.gather(&mut listener, &mut heard).await?;
            }
            if let Some(batch) = heard.batch {
                self.teller.rows(batch).await?;
            }
            heard.beats.iter().for_each(|number| self.pulse.came_back(number));
            // From now on, not from the last arrival: a slow reader is no deaf connection.
            deadline = Instant::now() + DEAF;
        }
    }

    /// Takes what follows within the burst.
    async fn gather(&self, listener: &mut PgListener, heard: &mut Heard) -> Result<(), End> {
        let end = Instant::now() + BURST;
        while Instant::now() < end {
            let Ok(note) = timeout(BURST_PAUSE, listener.try_recv()).await else { break };
            self.sort(&note?.ok_or_else(closed)?, heard);
        }
        Ok(())
    }

    fn sort(&self, note: &PgNotification, heard: &mut Heard) {
        if note.channel() == CHANNEL {
            if let Some(relay) = &self.relay {
                relay.tell(note.payload());
            }
            heard.batch.get_or_insert_default().add(note.payload());
        } else {
            heard.beats.push(note.payload().to_owned());
        }
    }

    async fn listener(&self) -> Result<PgListener, End> {
        // Its own one-connection pool: a listener must not take a connection from the store's.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(self.store.timeout())
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(self.store.options().clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        // A silent reconnect would lose notifications without our knowing.
        listener.eager_reconnect(false);
        listener.listen_all([CHANNEL, self.pulse.channel()]).await?;
        Ok(listener)
    }
}

/// What one burst brought.
#[derive(Default)]
struct Heard {
    batch: Option<Batch>,
    /// Numbers of beats that came back: they prove what was handed on before them.
    beats: Vec<String>,
}

fn closed() -> End {
    End::Lost("Postgres closed the connection".to_owned())
}

/// Sends beats until dropped.
struct Heartbeat(JoinHandle<()>);

impl Heartbeat {
    fn start(pulse: Arc<Pulse>) -> Self {
        Self(tokio::spawn(async move {
            loop {
                if let Err(error) = pulse.beat().await {
                    tracing::debug!(%error, "heartbeat not sent");
                }
                tokio::time::sleep(HEARTBEAT).await;
            }
        }))
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}
