//! The task behind `watch`: connect, listen, load, then hear and read until the connection fails.

use super::ConnectionState;
use super::batch::Batch;
use crate::backoff::Backoff;
use crate::error::StoreError;
use crate::rows::Change;
use crate::store::Store;
use sqlx::postgres::{PgListener, PgPoolOptions};
use std::convert::Infallible;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

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

impl From<sqlx::Error> for End {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

pub(super) struct Watcher {
    store: Store,
    sender: mpsc::Sender<Change>,
    migrate: bool,
    backoff: Backoff,
}

impl Watcher {
    pub(super) fn new(store: Store, sender: mpsc::Sender<Change>, migrate: bool) -> Self {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        Self { store, sender, migrate, backoff }
    }

    pub(super) async fn run(mut self) {
        let sender = self.sender.clone();
        loop {
            let end = tokio::select! {
                end = self.session() => end,
                () = sender.closed() => End::Unread,
            };
            let End::Lost(reason) = end else { return };
            self.disconnected(reason);
            let wait = self.backoff.next();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = sender.closed() => return,
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
            ConnectionState::Connected => {
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
        // A channel of its own: the heartbeats of a fleet are not everybody's business.
        let heart = format!("sallyport_heartbeat_{}", Uuid::new_v4().simple());
        let mut listener = timeout(bound, self.listener(&heart))
            .await
            .map_err(|_| End::Lost(format!("no connection within {bound:?}")))??;
        // Listen first, load second: what changes in between is heard.
        let everything = self.load().await?;
        self.send(everything).await?;
        let _beating = Heartbeat::start(self.store.clone(), heart);

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
            if note.channel() == CHANNEL {
                let mut batch = Batch::default();
                batch.add(note.payload());
                gather(&mut listener, &mut batch).await?;
                for change in batch.read(&self.store).await? {
                    self.send(change).await?;
                }
            }
            // From now on, not from the last arrival: a slow reader is no deaf connection.
            deadline = Instant::now() + DEAF;
        }
    }

    async fn listener(&self, heart: &str) -> Result<PgListener, End> {
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
        listener.listen_all([CHANNEL, heart]).await?;
        Ok(listener)
    }

    async fn load(&mut self) -> Result<Change, StoreError> {
        if self.migrate {
            self.store.migrate().await?;
            self.migrate = false;
        }
        Ok(Change::Everything(Box::new(self.store.load().await?)))
    }

    async fn send(&self, change: Change) -> Result<(), End> {
        self.sender.send(change).await.map_err(|_| End::Unread)
    }
}

fn closed() -> End {
    End::Lost("Postgres closed the connection".to_owned())
}

/// Takes what follows within the burst.
async fn gather(listener: &mut PgListener, batch: &mut Batch) -> Result<(), End> {
    let end = Instant::now() + BURST;
    while Instant::now() < end {
        let Ok(note) = timeout(BURST_PAUSE, listener.try_recv()).await else { break };
        let note = note?.ok_or_else(closed)?;
        if note.channel() == CHANNEL {
            batch.add(note.payload());
        }
    }
    Ok(())
}

/// Sends the heartbeat through the pool until dropped.
struct Heartbeat(JoinHandle<()>);

impl Heartbeat {
    fn start(store: Store, channel: String) -> Self {
        Self(tokio::spawn(async move {
            loop {
                if let Err(error) = store.notify(&channel).await {
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
