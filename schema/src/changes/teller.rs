//! Reads rows and hands them on, one read at a time: with two ways to hear of a change, an older reading must not be
//! sent after a newer one.

use super::batch::Batch;
use crate::error::StoreError;
use crate::rows::Change;
use crate::store::Store;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, mpsc};

/// Why nothing was told.
#[derive(Debug)]
pub(super) enum Untold {
    /// Nobody reads the changes any more.
    Unread,
    /// It could not be read.
    Failed(StoreError),
}

impl From<StoreError> for Untold {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

pub(super) struct Teller {
    store: Store,
    sender: mpsc::Sender<Change>,
    /// The schema is still to be migrated.
    migrate: AtomicBool,
    /// Held from the reading to the sending.
    turn: Mutex<()>,
}

impl Teller {
    pub(super) fn new(store: Store, sender: mpsc::Sender<Change>, migrate: bool) -> Self {
        Self { store, sender, migrate: AtomicBool::new(migrate), turn: Mutex::new(()) }
    }

    /// Everything there is.
    pub(super) async fn everything(&self) -> Result<(), Untold> {
        let _turn = self.turn.lock().await;
        if self.migrate.load(Ordering::Relaxed) {
            self.store.migrate().await?;
            self.migrate.store(false, Ordering::Relaxed);
        }
        let state = self.store.load().await?;
        self.send(Change::Everything(Box::new(state))).await
    }

    /// The rows of a batch.
    pub(super) async fn rows(&self, batch: Batch) -> Result<(), Untold> {
        let _turn = self.turn.lock().await;
        for change in batch.read(&self.store).await? {
            self.send(change).await?;
        }
        Ok(())
    }

    /// Until nobody reads the changes any more.
    pub(super) async fn unread(&self) {
        self.sender.closed().await;
    }

    async fn send(&self, change: Change) -> Result<(), Untold> {
        self.sender.send(change).await.map_err(|_| Untold::Unread)
    }
}
