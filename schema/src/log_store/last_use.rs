//! When keys were used last, to the minute: found in the batches of the call log, so that no call writes for it.

use crate::call::CallRecord;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use time::OffsetDateTime;
use uuid::Uuid;

/// An instant is news if it is so much later than the noted one, in seconds.
const STEP: i64 = 60;
/// Keys that are remembered; beyond, all are forgotten, and noted once more.
const MOST: usize = 100_000;

/// What has been noted.
#[derive(Default)]
pub(super) struct LastUse(Mutex<HashMap<Uuid, i64>>);

impl LastUse {
    /// The uses in a batch that are news.
    pub(super) fn news(&self, records: &[CallRecord]) -> Vec<(Uuid, OffsetDateTime)> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() > MOST {
            noted.clear();
        }
        let mut news = HashMap::new();
        for record in records {
            let Some(key) = record.key_id else { continue };
            let at = record.started_at.unix_timestamp();
            if noted.get(&key).is_none_or(|before| at >= before + STEP) {
                noted.insert(key, at);
                news.insert(key, record.started_at);
            }
        }
        news.into_iter().collect()
    }

    /// They could not be written down: they are news again.
    pub(super) fn forget(&self, news: &[(Uuid, OffsetDateTime)]) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in news {
            noted.remove(key);
        }
    }
}
