//! The shipper: reads segments in order and hands batches to the store, as often as it takes.

use super::Shared;
use super::frame::{self, Next};
use super::index::path;
use super::position;
use super::writer::remove;
use crate::backoff::Backoff;
use crate::call::CallRecord;
use crate::log_store::LogStore;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Most records of one append. Large enough that a transaction's own cost does not show, small enough that neither
/// this process nor a database on the same machine is busy for milliseconds on end.
const BATCH: usize = 128;
/// Bytes that are read at once: room for a batch of ordinary records, as what does not fit into one is read again.
const STRETCH: u64 = 128 << 10;
/// The same where that does not hold one whole frame: more than the longest.
const LONGEST: u64 = frame::MAX as u64 + (64 << 10);
/// Pause after a batch that was not full: gathers records, and still ships well within 200 ms.
const PAUSE: Duration = Duration::from_millis(80);
/// An append that takes longer has failed.
const APPEND: Duration = Duration::from_secs(30);

/// A stretch of a segment, read.
struct Batch {
    seq: u64,
    /// Offset behind it.
    to: u64,
    records: Vec<CallRecord>,
    damaged: u64,
}

pub(super) async fn run(shared: Arc<Shared>, store: Arc<dyn LogStore>) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        // before the look at the index: what is written after it leaves a permit in `written`
        let sealed = shared.sealed.load(Ordering::SeqCst);
        let batch = match from_memory(&shared) {
            Some(batch) => Ok(Ok(Some(batch))),
            None => {
                let shared = shared.clone();
                tokio::task::spawn_blocking(move || read(&shared)).await
            }
        };
        match batch {
            Ok(Ok(Some(batch))) => {
                if ship(&shared, store.as_ref(), &batch).await {
                    backoff.reset();
                    if batch.records.len() < BATCH && !sealed && !flush_waits(&shared) {
                        rest(&shared, PAUSE).await;
                    }
                    continue;
                }
                if sealed {
                    break;
                }
                rest(&shared, backoff.next()).await;
            }
            Ok(Ok(None)) if sealed => break,
            Ok(Ok(None)) => shared.written.notified().await,
            Ok(Err(error)) => {
                shared.stats.set_last_error(Some(format!("reading the call-log spool: {error}")));
                if sealed {
                    break;
                }
                rest(&shared, backoff.next()).await;
            }
            // the runtime is shutting down
            Err(_) => break,
        }
    }
    shared.ended();
}

/// Waits; not when the end has come.
async fn rest(shared: &Shared, pause: Duration) {
    let mut alive = shared.alive.subscribe();
    tokio::select! {
        () = sleep(pause) => {}
        // the writer ends first
        _ = alive.wait_for(|n| *n <= 1) => {}
    }
}

/// Whether somebody is waiting in `flush`, so that a pause would be theirs.
fn flush_waits(shared: &Shared) -> bool {
    shared.progress.receiver_count() > 0
}

/// Hands a batch over; false if it must be tried again.
async fn ship(shared: &Arc<Shared>, store: &dyn LogStore, batch: &Batch) -> bool {
    let answer = if batch.records.is_empty() {
        Ok(())
    } else {
        match timeout(APPEND, store.append(&batch.records)).await {
            Ok(answer) => answer.map_err(|e| e.to_string()),
            Err(_) => {
                Err(format!("the store did not take {} records within {APPEND:?}", batch.records.len()))
            }
        }
    };
    if let Err(error) = answer {
        shared.index().stranded();
        if shared.stats.store_up.swap(false, Ordering::Relaxed) {
            tracing::warn!(error, "the call log's store is away: spooling to disk");
        }
        shared.stats.set_last_error(Some(format!("shipping the call log: {error}")));
        return false;
    }
    let count = batch.records.len() as u64;
    let (finished, position) = {
        let mut index = shared.index();
        index.arrived(batch.seq, batch.to, count);
        (index.take_finished(), index.position())
    };
    shared.stats.corrupt.fetch_add(batch.damaged, Ordering::Relaxed);
    shared.stats.shipped.fetch_add(count, Ordering::Relaxed);
    if !shared.stats.store_up.swap(true, Ordering::Relaxed) {
        tracing::info!("the call log's store takes records");
    }
    shared.stats.set_last_error(None);
    let theirs = shared.clone();
    let tidy = move || {
        // The position first: a segment that is gone must not be the one it names.
        if let Err(error) = position::write(&theirs.dir, position) {
            // Costs a repetition after a restart, no more.
            theirs.stats.set_last_error(Some(format!("noting the spool's position: {error}")));
        }
        finished.into_iter().for_each(|seq| remove(&theirs, seq));
    };
    // An error here means that the runtime is ending: the next start ships again and the store knows the ids.
    let _ = tokio::task::spawn_blocking(tidy).await;
    shared.publish_sizes();
    true
}

/// The next stretch, if it is one that was written just now: nothing is read back and decoded then.
fn from_memory(shared: &Shared) -> Option<Batch> {
    let (seq, from, _) = shared.index().depart()?;
    let (records, to) = shared.fresh().take(seq, from, BATCH)?;
    Some(Batch { seq, to, records, damaged: 0 })
}

/// Reads the next stretch; None if all has been shipped.
fn read(shared: &Shared) -> io::Result<Option<Batch>> {
    let mut most = STRETCH;
    loop {
        let departed = shared.index().depart();
        let Some((seq, from, to)) = departed else { return tidy_up(shared) };
        let file = match File::open(path(&shared.dir, seq)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let lost = shared.index().lost(seq);
                shared.stats.dropped_spool.fetch_add(lost, Ordering::Relaxed);
                tracing::error!(
                    segment = seq,
                    records = lost,
                    "a spool segment has been removed by somebody else"
                );
                shared.publish_sizes();
                continue;
            }
            Err(error) => {
                shared.index().stranded();
                return Err(error);
            }
        };
        let stretch = (to - from).min(most);
        let mut last = from + stretch == to;
        let mut bytes = vec![0; usize::try_from(stretch).unwrap_or(0)];
        if let Err(error) = file.read_exact_at(&mut bytes, from) {
            if error.kind() != io::ErrorKind::UnexpectedEof {
                shared.index().stranded();
                return Err(error);
            }
            // shorter than it was: somebody cut it; what is there is read, the rest counts as damage
            let there = file.metadata().map_or(0, |m| m.len().saturating_sub(from));
            bytes.truncate(usize::try_from(there).unwrap_or(0));
            file.read_exact_at(&mut bytes, from)?;
            last = true;
        }
        let batch = parse(seq, from, to, last, &bytes);
        if batch.to == from && most < LONGEST {
            most = LONGEST;
            continue;
        }
        return Ok(Some(batch));
    }
}

/// Segments that were closed after all of them was shipped.
fn tidy_up(shared: &Shared) -> io::Result<Option<Batch>> {
    let (finished, position) = {
        let mut index = shared.index();
        (index.take_finished(), index.position())
    };
    if !finished.is_empty() {
        position::write(&shared.dir, position)?;
        finished.into_iter().for_each(|seq| remove(shared, seq));
        shared.publish_sizes();
    }
    Ok(None)
}

/// Frames of a stretch. `last`: it reaches to the segment's end, so what is incomplete there will never be complete.
fn parse(seq: u64, from: u64, end: u64, last: bool, bytes: &[u8]) -> Batch {
    let mut batch = Batch { seq, to: from, records: Vec::new(), damaged: 0 };
    let mut at = 0;
    while batch.records.len() < BATCH {
        match frame::next(&bytes[at..]) {
            Next::Frame(body, len) => {
                at += len;
                match serde_json::from_slice(body) {
                    Ok(record) => batch.records.push(record),
                    Err(error) => {
                        batch.damaged += 1;
                        tracing::error!(segment = seq, %error, "a spooled call record is not readable: skipped");
                    }
                }
            }
            Next::Damaged(len) => {
                at += len;
                batch.damaged += 1;
                tracing::error!(segment = seq, bytes = len, "a damaged place in a spool segment: skipped");
            }
            Next::Partial if last => {
                batch.damaged += 1;
                batch.to = end;
                return batch;
            }
            Next::Empty if last => {
                batch.to = end;
                return batch;
            }
            Next::Partial | Next::Empty => break,
        }
    }
    batch.to = from + at as u64;
    batch
}
