//! The disk spool of the call log: between the data plane, which never waits, and the store, which may be away.
//!
//! ```text
//! record() → bounded queue → writer thread → segment files → shipper task → LogStore
//!                              (sync thread: fdatasync)
//! ```
//! A record is with the operating system one flush interval after [`SpoolHandle::record`] (kill -9 loses no more) and
//! on the disk about one later. The shipper delivers at least once; the store drops what it has by id.
//! What cannot be kept is counted, never silent: a full queue, a spool past its bound, a damaged frame.

mod disk;
mod frame;
mod fresh;
mod index;
mod lane;
mod position;
mod scan;
mod shipper;
mod stats;
#[cfg(test)]
mod tests;
mod writer;

pub use stats::SpoolStats;

use crate::call::CallRecord;
use crate::log_store::LogStore;
use disk::{Disk, RealDisk};
use fresh::Fresh;
use index::Index;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

/// Size at which a segment is closed and the next begun.
const SEGMENT: u64 = 8 << 20;
/// Longest flush interval: twice this is what kill -9 may lose.
const FLUSH_MAX: Duration = Duration::from_millis(50);

/// How the spool is to behave.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// Records that wait for the writer; beyond that they are dropped and counted.
    pub queue: usize,
    /// Pause between two writes to the operating system, at most 50 ms.
    pub flush_interval: Duration,
    /// Bound of all segment files in bytes; beyond it the oldest segment is dropped and counted.
    pub max_bytes: u64,
}

impl Default for SpoolOptions {
    /// 8192 records, 20 ms, 1 GiB (about two million calls).
    fn default() -> Self {
        Self { queue: 8192, flush_interval: Duration::from_millis(20), max_bytes: 1 << 30 }
    }
}

/// Why the spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Directory, lock or files.
    #[error("the call-log spool cannot {what} {path}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Too many processes use the directory.
    #[error("{0} is in use by too many sallyport processes: give this one a data_dir of its own")]
    Busy(PathBuf),
    /// There is no runtime to ship in.
    #[error("the spool must be opened inside a tokio runtime")]
    NoRuntime,
}

/// What [`SpoolHandle::flush`] achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// All that had been recorded before the call is on disk.
    pub written: bool,
    /// Records that are on disk and not in the store.
    pub backlog: u64,
}

/// Opens spools.
pub struct Spool;

/// A running spool. Cheap to clone. When the last handle is dropped, what is queued is still written.
#[derive(Clone)]
pub struct SpoolHandle {
    queue: SyncSender<Box<CallRecord>>,
    shared: Arc<Shared>,
}

/// What writer, shipper and handles share.
struct Shared {
    stats: Arc<SpoolStats>,
    index: Mutex<Index>,
    /// What was written last, still in memory.
    fresh: Mutex<Fresh>,
    dir: PathBuf,
    /// Something was written.
    written: Notify,
    /// Tickets of flushes: asked, and done by the writer.
    flush_asked: AtomicU64,
    flush_done: watch::Sender<u64>,
    /// Changes whenever the backlog may have.
    progress: watch::Sender<u64>,
    /// No more records are wanted.
    closing: AtomicBool,
    /// No more will be written.
    sealed: AtomicBool,
    /// Writer and shipper that still run.
    alive: watch::Sender<u8>,
    /// The lane's lock; given back when both have ended.
    lock: Mutex<Option<std::fs::File>>,
}

impl Spool {
    /// Opens the spool in a directory and starts its writer and its shipper (in the current tokio runtime).
    ///
    /// What an earlier run left is shipped first; a torn tail is cut off. Several processes may open the same directory
    /// (one takes over from another): each has a lane of its own, and the first to find an abandoned one adopts it.
    pub fn open(
        dir: &Path,
        options: SpoolOptions,
        store: Arc<dyn LogStore>,
    ) -> Result<SpoolHandle, SpoolError> {
        Self::open_on(dir, options, store, Arc::new(RealDisk))
    }

    fn open_on(
        dir: &Path,
        options: SpoolOptions,
        store: Arc<dyn LogStore>,
        disk: Arc<dyn Disk>,
    ) -> Result<SpoolHandle, SpoolError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| SpoolError::NoRuntime)?;
        let (lane, lock) = lane::take(dir)?;
        let stats = Arc::new(SpoolStats::default());
        let next = lane::next_number(&lane, &lane::segments(&lane)?);
        let segments = scan::scan(&lane, &stats)?;
        let (queue, records) = sync_channel(options.queue.max(1));
        let shared = Arc::new(Shared {
            index: Mutex::new(Index::new(segments, next)),
            fresh: Mutex::default(),
            dir: lane,
            written: Notify::new(),
            flush_asked: AtomicU64::new(0),
            flush_done: watch::Sender::new(0),
            progress: watch::Sender::new(0),
            closing: AtomicBool::new(false),
            sealed: AtomicBool::new(false),
            alive: watch::Sender::new(2),
            lock: Mutex::new(Some(lock)),
            stats,
        });
        shared.publish_sizes();
        let limits = writer::Limits {
            flush_interval: options.flush_interval.min(FLUSH_MAX),
            max_bytes: options.max_bytes,
            // at least four segments within the bound: dropping the oldest must not mean dropping half
            segment: SEGMENT.min(options.max_bytes / 4).max(1),
        };
        writer::start(shared.clone(), records, limits, disk).map_err(|source| SpoolError::Io {
            what: "start a thread for",
            path: dir.to_owned(),
            source,
        })?;
        runtime.spawn(shipper::run(shared.clone(), store));
        Ok(SpoolHandle { queue, shared })
    }
}

impl SpoolHandle {
    /// Takes a record; never waits. If the queue is full (the disk does not keep up, or is full) it is dropped and
    /// counted.
    pub fn record(&self, record: CallRecord) {
        match self.queue.try_send(Box::new(record)) {
            Ok(()) => self.shared.stats.recorded.fetch_add(1, Ordering::Relaxed),
            Err(_) => self.shared.stats.dropped_queue.fetch_add(1, Ordering::Relaxed),
        };
    }

    /// Counters, for metrics and health.
    pub fn stats(&self) -> &Arc<SpoolStats> {
        &self.shared.stats
    }

    /// Waits until all that was recorded before is on disk and, as far as the store takes it, shipped; but no longer than
    /// `within`.
    pub async fn flush(&self, within: Duration) -> Flushed {
        let deadline = Instant::now() + within;
        let ticket = self.shared.flush_asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = self.shared.flush_done.subscribe();
        let written = matches!(timeout_at(deadline, done.wait_for(|d| *d >= ticket)).await, Ok(Ok(_)));
        let mut progress = self.shared.progress.subscribe();
        let backlog = || self.shared.stats.backlog.load(Ordering::SeqCst);
        while backlog() > 0 {
            if !matches!(timeout_at(deadline, progress.changed()).await, Ok(Ok(()))) {
                break;
            }
        }
        Flushed { written, backlog: backlog() }
    }

    /// [`flush`](Self::flush), then the end: later records are dropped and counted.
    pub async fn close(self, within: Duration) -> Flushed {
        let deadline = Instant::now() + within;
        let flushed = self.flush(within).await;
        self.shared.closing.store(true, Ordering::SeqCst);
        self.shared.written.notify_one();
        let mut alive = self.shared.alive.subscribe();
        // A store that hangs must not hold up the end: the rest stays on disk for the next run.
        let grace = deadline.max(Instant::now() + FLUSH_MAX * 4);
        if matches!(timeout_at(grace, alive.wait_for(|n| *n == 0)).await, Ok(Ok(_))) {
            self.shared.release();
        }
        flushed
    }
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self) -> MutexGuard<'_, Fresh> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies sizes into the counters; called whenever the index has changed.
    fn publish_sizes(&self) {
        let (bytes, backlog) = {
            let index = self.index();
            (index.bytes(), index.backlog())
        };
        self.stats.spooled_bytes.store(bytes, Ordering::Relaxed);
        self.stats.backlog.store(backlog, Ordering::SeqCst);
        self.progress.send_modify(|n| *n += 1);
    }

    /// Writer or shipper has ended.
    fn ended(&self) {
        self.alive.send_modify(|n| *n = n.saturating_sub(1));
    }

    fn release(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
