//! Beats: notifications that this process sends through the pool, numbered, and that must come back on its listener.
//!
//! Postgres delivers in the order of commits. A beat that was sent after a change was known and has come back proves
//! that the change was heard before it.

use crate::error::StoreError;
use crate::store::Store;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use uuid::Uuid;

pub(super) struct Pulse {
    store: Store,
    channel: String,
    sent: AtomicU64,
    /// The latest that came back.
    returned: watch::Sender<u64>,
    /// There is a connection that they might come back on.
    listening: AtomicBool,
}

impl Pulse {
    pub(super) fn new(store: Store) -> Self {
        // A channel of its own: the heartbeats of a fleet are not everybody's business.
        let channel = format!("sallyport_heartbeat_{}", Uuid::new_v4().simple());
        let (returned, _) = watch::channel(0);
        Self { store, channel, sent: AtomicU64::new(0), returned, listening: AtomicBool::new(false) }
    }

    /// The channel to listen on.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Somebody listens, or does no longer.
    pub(super) fn set_listening(&self, listening: bool) {
        self.listening.store(listening, Ordering::Relaxed);
    }

    /// Sends one; its number.
    pub(super) async fn beat(&self) -> Result<u64, StoreError> {
        let number = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        self.store.notify(&self.channel, &number.to_string()).await?;
        Ok(number)
    }

    /// One has come back, and everything that came before it was handed on.
    pub(super) fn came_back(&self, number: &str) {
        // Anybody may notify: a number that was not sent is none.
        let Ok(number) = number.parse::<u64>() else { return };
        if number <= self.sent.load(Ordering::Relaxed) {
            self.returned.send_if_modified(|latest| {
                let newer = number > *latest;
                *latest = number.max(*latest);
                newer
            });
        }
    }

    /// Has everything been heard that was committed before now? False if that is not shown within `patience`.
    pub(super) async fn proves_hearing(&self, patience: Duration) -> bool {
        if !self.listening.load(Ordering::Relaxed) {
            return false;
        }
        let mut returned = self.returned.subscribe();
        let proof = async {
            let number = self.beat().await.ok()?;
            returned.wait_for(|latest| *latest >= number).await.ok().map(drop)
        };
        matches!(timeout(patience, proof).await, Ok(Some(())))
    }
}
