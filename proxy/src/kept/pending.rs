//! Responses that the store does not have yet.

use sallyport_schema::store::ResponseRow;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// At most so many, and so many bytes: what an outage of the store may cost in memory.
const MOST: (usize, usize) = (10_000, 64 * 1024 * 1024);

/// There are too many.
#[derive(Debug, thiserror::Error)]
#[error("the store has not taken responses for a while, and there is no room for more")]
pub(crate) struct Full;

/// The queue.
#[derive(Default)]
pub(crate) struct Pending {
    rows: Mutex<Rows>,
    changed: Notify,
}

#[derive(Default)]
struct Rows {
    by_id: HashMap<String, Arc<ResponseRow>>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Pending {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        // Nothing panics while it is held.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one in.
    pub(crate) fn add(&self, row: ResponseRow) -> Result<(), Full> {
        {
            let mut rows = self.rows();
            if rows.by_id.len() >= MOST.0 || rows.bytes + row.content.len() > MOST.1 {
                return Err(Full);
            }
            rows.bytes += row.content.len();
            rows.order.push_back(row.id.clone());
            rows.by_id.insert(row.id.clone(), Arc::new(row));
        }
        self.changed.notify_waiters();
        Ok(())
    }

    /// The one of this id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<ResponseRow>> {
        self.rows().by_id.get(id).cloned()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.rows().by_id.len()
    }

    /// The oldest one, which stays; waits for one.
    pub(crate) async fn first(&self) -> Arc<ResponseRow> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut rows = self.rows();
                while let Some(id) = rows.order.front() {
                    if let Some(row) = rows.by_id.get(id) {
                        return row.clone();
                    }
                    rows.order.pop_front();
                }
            }
            changed.await;
        }
    }

    /// It is not pending any more. False: it was not.
    pub(crate) fn done(&self, id: &str) -> bool {
        let was = {
            let mut rows = self.rows();
            let row = rows.by_id.remove(id);
            if let Some(row) = &row {
                rows.bytes -= row.content.len();
            }
            row.is_some()
        };
        self.changed.notify_waiters();
        was
    }

    /// Waits until there is none.
    pub(crate) async fn until_empty(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.rows().by_id.is_empty() {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_schema::store::ResponseStatus;
    use time::OffsetDateTime;

    fn row(id: &str, bytes: usize) -> ResponseRow {
        ResponseRow {
            id: id.into(),
            previous_id: None,
            key_id: None,
            user_id: None,
            team_id: None,
            status: ResponseStatus::Completed,
            background: false,
            streamed: false,
            content: vec![0; bytes],
            created_at: OffsetDateTime::UNIX_EPOCH,
            expires_at: OffsetDateTime::UNIX_EPOCH,
            alive_until: None,
        }
    }

    #[tokio::test]
    async fn oldest_first_and_bounded() {
        let p = Pending::default();
        p.add(row("a", 1)).unwrap();
        p.add(row("b", 2)).unwrap();
        p.add(row("c", MOST.1 - 3)).unwrap();
        assert!(p.add(row("d", 1)).is_err());
        assert!(p.done("a") && !p.done("a"));
        assert_eq!(p.first().await.id, "b");
        p.add(row("d", 1)).unwrap();
        for id in ["b", "c", "d"] {
            assert_eq!(p.first().await.id, id);
            assert!(p.get(id).is_some());
            p.done(id);
        }
        p.until_empty().await;
        assert_eq!((p.len(), p.rows().bytes), (0, 0));
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let p = Arc::new(Pending::default());
        let waits = tokio::spawn({
            let p = p.clone();
            async move { p.first().await.id.clone() }
        });
        tokio::task::yield_now().await;
        p.add(row("a", 1)).unwrap();
        assert_eq!(waits.await.unwrap(), "a");
    }
}
