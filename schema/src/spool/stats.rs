//! What the spool has done and lost. Metrics read it; nothing else depends on it.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, PoisonError};

/// Counters since the start, and gauges.
#[derive(Debug, Default)]
pub struct SpoolStats {
    /// Records taken into the queue.
    pub recorded: AtomicU64,
    /// Records dropped because the queue was full.
    pub dropped_queue: AtomicU64,
    /// Records dropped unshipped: the oldest segment when the spool was past its bound, and records too large to keep.
    pub dropped_spool: AtomicU64,
    /// Damaged places in segment files that were skipped (at least one record each).
    pub corrupt: AtomicU64,
    /// Bytes cut off the end of segments at the start: what a crash left half-written.
    pub torn_bytes: AtomicU64,
    /// Writes that failed (a full disk); they are tried again.
    pub write_errors: AtomicU64,
    /// Gauge: bytes in segment files.
    pub spooled_bytes: AtomicU64,
    /// Records handed to the store.
    pub shipped: AtomicU64,
    /// Gauge: records on disk that are not in the store.
    pub backlog: AtomicU64,
    /// Whether the last attempt to ship succeeded. False until the first one.
    pub store_up: AtomicBool,
    last_error: Mutex<Option<String>>,
}

impl SpoolStats {
    /// The last error of disk or store, until something succeeds there.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_last_error(&self, error: Option<String>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}
