//! The writer thread: queue → frames → segment file, once per flush interval; and the thread that makes it durable.
//!
//! While records come it sleeps between two writes instead of waiting on the queue: a sender never pays for waking it.
//! fdatasync has a thread of its own, because a slow disk must not delay the write that survives kill -9.

mod segment;
mod sync;

use super::Shared;
use super::disk::Disk;
use super::frame;
use crate::backoff::Backoff;
use crate::call::CallRecord;
use segment::OpenSegment;
pub(super) use segment::remove;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;
use sync::Syncer;

/// How long an idle writer sleeps before it looks whether a flush is asked for.
const IDLE: Duration = Duration::from_millis(50);
/// Bytes that are held in memory while the disk refuses them; then the queue fills up, and then records are dropped.
const PENDING: usize = 2 << 20;

pub(super) struct Limits {
    pub(super) flush_interval: Duration,
    pub(super) max_bytes: u64,
    pub(super) segment: u64,
}

pub(super) fn start(
    shared: Arc<Shared>,
    records: Receiver<Box<CallRecord>>,
    limits: Limits,
    disk: Arc<dyn Disk>,
) -> std::io::Result<()> {
    let syncer = Syncer::start()?;
    let mut writer = Writer {
        shared,
        limits,
        disk,
        syncer,
        open: None,
        pending: Vec::new(),
        pending_records: Vec::new(),
        backoff: Backoff::new(Duration::from_millis(50), Duration::from_secs(1)),
    };
    std::thread::Builder::new().name("spool-writer".to_owned()).spawn(move || writer.run(&records))?;
    Ok(())
}

struct Writer {
    shared: Arc<Shared>,
    limits: Limits,
    disk: Arc<dyn Disk>,
    syncer: Syncer,
    open: Option<OpenSegment>,
    /// Frames that are not yet written, and their lengths and records.
    pending: Vec<u8>,
    pending_records: Vec<(u64, Box<CallRecord>)>,
    backoff: Backoff,
}

/// What the queue had.
#[derive(PartialEq)]
enum Drained {
    Some,
    Nothing,
    /// All handles are gone.
    Gone,
}

impl Writer {
    fn run(&mut self, records: &Receiver<Box<CallRecord>>) {
        loop {
            // before the drain: what was recorded before the flush was asked for is in the queue now
            let asked = self.shared.flush_asked.load(Ordering::SeqCst);
            let closing = self.shared.closing.load(Ordering::SeqCst);
            let mut drained = self.drain(records);
            let written = self.write();
            if written && self.pending.is_empty() && asked > *self.shared.flush_done.borrow() {
                if let Some(open) = &self.open {
                    open.sync(&self.shared);
                }
                self.shared.flush_done.send_replace(asked);
            }
            if drained == Drained::Gone || closing {
                break;
            }
            if !written {
                std::thread::sleep(self.backoff.next());
                continue;
            }
            if drained == Drained::Nothing {
                drained = self.wait(records);
            }
            if drained == Drained::Some {
                std::thread::sleep(self.limits.flush_interval);
            }
        }
        self.finish(records);
    }

    /// Takes what is in the queue, as far as memory is allowed.
    fn drain(&mut self, records: &Receiver<Box<CallRecord>>) -> Drained {
        let mut drained = Drained::Nothing;
        while self.pending.len() < PENDING {
            match records.try_recv() {
                Ok(record) => {
                    self.encode(record);
                    drained = Drained::Some;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Drained::Gone,
            }
        }
        drained
    }

    /// Idle: waits for the first record.
    fn wait(&mut self, records: &Receiver<Box<CallRecord>>) -> Drained {
        match records.recv_timeout(IDLE) {
            Ok(record) => {
                self.encode(record);
                Drained::Some
            }
            // the next round finds out that they are gone
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Drained::Nothing,
        }
    }

    fn encode(&mut self, mut record: Box<CallRecord>) {
        let start = self.pending.len();
        if frame::encode(&mut record, &mut self.pending) {
            self.pending_records.push(((self.pending.len() - start) as u64, record));
        } else {
            self.shared.stats.dropped_spool.fetch_add(1, Ordering::Relaxed);
            tracing::error!(id = %record.id, "a call record is too large to be kept");
        }
    }

    /// Writes what is pending; false if the disk refused it.
    fn write(&mut self) -> bool {
        if self.pending.is_empty() {
            return true;
        }
        match self.try_write() {
            Ok(()) => {
                self.backoff.reset();
                self.drop_oldest();
                self.shared.publish_sizes();
                self.shared.written.notify_one();
                true
            }
            Err(error) => {
                let failures = self.shared.stats.write_errors.fetch_add(1, Ordering::Relaxed);
                self.shared.stats.set_last_error(Some(format!("writing the call-log spool: {error}")));
                if failures.is_power_of_two() || failures == 0 {
                    tracing::error!(%error, failures = failures + 1, "the call-log spool cannot be written: retrying");
                }
                false
            }
        }
    }

    fn try_write(&mut self) -> std::io::Result<()> {
        let fits = self.open.as_ref().is_some_and(|open| {
            self.shared.index().is_open(open.seq()) && !open.is_full(self.pending.len(), self.limits.segment)
        });
        if !fits {
            if let Some(old) = self.open.take() {
                self.syncer.sync(old.file());
            }
            self.open = Some(OpenSegment::create(&self.shared, self.disk.as_ref())?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        if let Err(error) = open.append(self.disk.as_ref(), &self.pending) {
            if !open.cut_back() {
                // its end is not to be trusted: the reader skips what is there, and we go on elsewhere
                self.open = None;
            }
            return Err(error);
        }
        self.syncer.sync(open.file());
        let (bytes, count) = (self.pending.len() as u64, self.pending_records.len() as u64);
        match self.shared.index().wrote(open.seq(), bytes, count) {
            Some(from) => self.shared.fresh().push(open.seq(), from, self.pending_records.drain(..)),
            None => {
                // somebody removed the file in this very moment
                self.shared.stats.dropped_spool.fetch_add(count, Ordering::Relaxed);
                self.pending_records.clear();
            }
        }
        self.pending.clear();
        // one burst must not hold memory for ever
        self.pending.shrink_to(64 << 10);
        self.pending_records.shrink_to(1024);
        Ok(())
    }

    /// Keeps the spool within its bound.
    fn drop_oldest(&self) {
        loop {
            let dropped = self.shared.index().drop_oldest(self.limits.max_bytes);
            let Some((seq, records)) = dropped else { return };
            tracing::error!(segment = seq, records, "the call-log spool is full: dropped its oldest segment");
            self.shared.stats.dropped_spool.fetch_add(records, Ordering::Relaxed);
            remove(&self.shared, seq);
        }
    }

    /// The end: what is pending is tried once more, and the segment closed.
    fn finish(&mut self, records: &Receiver<Box<CallRecord>>) {
        self.drain(records);
        if !self.write() {
            self.shared.stats.dropped_queue.fetch_add(self.pending_records.len() as u64, Ordering::Relaxed);
        }
        if let Some(open) = self.open.take() {
            open.sync(&self.shared);
        }
        self.shared.index().close();
        self.shared.sealed.store(true, Ordering::SeqCst);
        self.shared.written.notify_one();
        self.shared.ended();
    }
}
