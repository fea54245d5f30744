//! The call log in Postgres.

use super::costs::{By, Costs};
use super::cursor::Cursor;
use super::last_use::LastUse;
use super::{CallFilter, LogError, LogStore, Page, awaited, columns, costs, find, partitions, recent};
use crate::call::CallRecord;
use crate::error::StoreError;
use crate::store::Store;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use time::{Date, Duration, OffsetDateTime};

/// Days ahead that get their partition before it is needed.
const AHEAD: i64 = 2;
/// Stored objects are remembered at least so long: providers keep some longer than a short log is kept.
const OBJECT_DAYS: u32 = 400;

/// The call log in the store's Postgres.
pub struct PgLogStore {
    store: Store,
    /// Days whose partition is known to exist.
    days: Mutex<BTreeSet<Date>>,
    rejected: AtomicU64,
    last_use: LastUse,
}

impl PgLogStore {
    /// On the pool of the store.
    pub fn new(store: Store) -> Self {
        Self { store, days: Mutex::default(), rejected: AtomicU64::new(0), last_use: LastUse::default() }
    }

    /// All or nothing.
    async fn insert(&self, records: &[CallRecord]) -> Result<(), StoreError> {
        self.prepare(records.iter().map(|r| day(r.started_at)).collect()).await?;
        self.store
            .bounded("appending to the call log", async {
                let mut lease = self.store.lease().await?;
                let answer = write(&mut lease, records).await;
                lease.settle(answer)
            })
            .await
    }

    /// Makes the partitions that are missing.
    async fn prepare(&self, mut days: BTreeSet<Date>) -> Result<(), StoreError> {
        {
            let known = self.days.lock().unwrap_or_else(PoisonError::into_inner);
            days.retain(|day| !known.contains(day));
        }
        if days.is_empty() {
            return Ok(());
        }
        let missing: Vec<Date> = days.iter().copied().collect();
        self.store
            .bounded("making partitions of the call log", async {
                let mut lease = self.store.lease().await?;
                let answer = partitions::create(&mut lease, &missing).await;
                lease.settle(answer)
            })
            .await?;
        self.days.lock().unwrap_or_else(PoisonError::into_inner).append(&mut days);
        Ok(())
    }

    /// The log is what counts: uses that cannot be noted come with the next batch.
    async fn note_uses(&self, records: &[CallRecord]) {
        let news = self.last_use.news(records);
        if news.is_empty() {
            return;
        }
        if let Err(error) = self.store.keys_used(&news).await {
            tracing::debug!(%error, "the last use of keys could not be noted");
            self.last_use.forget(&news);
        }
    }

    fn forget_days(&self) {
        self.days.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A batch with a bad record in it: each by itself, and the bad ones set aside.
    async fn insert_singly(&self, records: &[CallRecord]) -> Result<(), StoreError> {
        for record in records {
            match self.insert(std::slice::from_ref(record)).await {
                Err(error) if error.is_data_fault() => {
                    self.rejected.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(id = %record.id, %error, "a call record cannot be stored and is set aside");
                }
                other => other?,
            }
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl LogStore for PgLogStore {
    async fn append(&self, records: &[CallRecord]) -> Result<(), LogError> {
        if records.is_empty() {
            return Ok(());
        }
        let first = self.insert(records).await;
        if first.is_ok() {
            self.note_uses(records).await;
        }
        match first {
            Err(error) if error.is_data_fault() => {
                // It may also be a partition that was dropped behind our back.
                self.forget_days();
                Ok(self.insert_singly(records).await?)
            }
            other => Ok(other?),
        }
    }

    async fn recent(&self, filter: &CallFilter, cursor: Option<Cursor>) -> Result<Page, LogError> {
        let page = self
            .store
            .bounded("reading the call log", async {
                let mut lease = self.store.lease().await?;
                let answer = recent::recent(&mut lease, filter, cursor).await;
                lease.settle(answer)
            })
            .await;
        Ok(page?)
    }

    async fn find(&self, id: &str) -> Result<Option<CallRecord>, LogError> {
        let found = self
            .store
            .bounded("reading the call log", async {
                let mut lease = self.store.lease().await?;
                let answer = find::find(&mut lease, id).await;
                lease.settle(answer)
            })
            .await;
        Ok(found?)
    }

    async fn costs(&self, filter: &CallFilter, by: By) -> Result<Costs, LogError> {
        let found = self
            .store
            .bounded("adding up the call log", async {
                let mut lease = self.store.lease().await?;
                let answer = costs::costs(&mut lease, filter, by).await;
                lease.settle(answer)
            })
            .await;
        Ok(found?)
    }

    async fn maintain(&self, retention_days: u32) -> Result<(), LogError> {
        let today = day(OffsetDateTime::now_utc());
        self.forget_days();
        self.prepare((0..=AHEAD).map(|n| today.saturating_add(Duration::days(n))).collect()).await?;
        let oldest = today.saturating_sub(Duration::days(retention_days.into()));
        let objects = today.saturating_sub(Duration::days(retention_days.max(OBJECT_DAYS).into()));
        let dropped = self
            .store
            .bounded("dropping old partitions of the call log", async {
                let mut lease = self.store.lease().await?;
                let answer = async {
                    let dropped = partitions::drop_before(&mut lease, oldest).await?;
                    sqlx::query("DELETE FROM stored_objects WHERE created_at < $1")
                        .bind(objects.midnight().assume_utc())
                        .execute(&mut *lease)
                        .await?;
                    Ok(dropped)
                }
                .await;
                lease.settle(answer)
            })
            .await?;
        if !dropped.is_empty() {
            tracing::info!(days = dropped.len(), before = %oldest, "dropped old days of the call log");
        }
        Ok(())
    }

    fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }
}

/// Calls, the objects they made and what is awaited of them, together or not at all.
async fn write(conn: &mut PgConnection, records: &[CallRecord]) -> Result<(), sqlx::Error> {
    if records.iter().all(|r| r.object_id.is_none()) {
        // Calls only, as most batches are: one statement is a transaction of its own, and two round trips less.
        return columns::insert_calls(conn, records).await;
    }
    let mut tx = conn.begin().await?;
    columns::insert_calls(&mut tx, records).await?;
    columns::insert_objects(&mut tx, records).await?;
    awaited::note(&mut tx, records).await?;
    awaited::settled(&mut tx, records).await?;
    tx.commit().await
}

fn day(instant: OffsetDateTime) -> Date {
    instant.to_offset(time::UtcOffset::UTC).date()
}
