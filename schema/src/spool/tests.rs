//! The spool against a store that can be switched off and a disk that can be full.

use super::*;
use crate::call::CallRecord;
use crate::log_store::{CallFilter, Cursor, LogError, Page};
use crate::testing::call;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(30);

/// Keeps what it is given, by id, like the real one.
#[derive(Default)]
struct Memory {
    calls: Mutex<BTreeMap<Uuid, CallRecord>>,
    appends: AtomicU64,
    down: AtomicBool,
}

#[async_trait::async_trait]
impl LogStore for Memory {
    async fn append(&self, records: &[CallRecord]) -> Result<(), LogError> {
        assert!(records.len() <= 500);
        if self.down.load(Ordering::SeqCst) {
            return Err(LogError::Other("down".into()));
        }
        self.appends.fetch_add(1, Ordering::SeqCst);
        let mut calls = self.calls.lock().unwrap();
        for record in records {
            calls.entry(record.id).or_insert_with(|| record.clone());
        }
        Ok(())
    }

    async fn recent(&self, _: &CallFilter, _: Option<Cursor>) -> Result<Page, LogError> {
        Err(LogError::Other("not asked here".into()))
    }

    async fn maintain(&self, _: u32) -> Result<(), LogError> {
        Ok(())
    }
}

impl Memory {
    fn down() -> Arc<Self> {
        Arc::new(Self { down: AtomicBool::new(true), ..Self::default() })
    }

    fn ids(&self) -> Vec<Uuid> {
        self.calls.lock().unwrap().keys().copied().collect()
    }
}

fn record(spool: &SpoolHandle, n: usize) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = (0..n)
        .map(|_| {
            let call = call();
            let id = call.id;
            spool.record(call);
            id
        })
        .collect();
    ids.sort_unstable();
    ids
}

fn big_queue() -> SpoolOptions {
    SpoolOptions { queue: 100_000, ..SpoolOptions::default() }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

#[tokio::test]
async fn records_reach_the_store_in_batches_and_the_files_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::default());
    let spool = Spool::open(dir.path(), big_queue(), store.clone()).unwrap();
    let ids = record(&spool, 2000);
    assert_eq!(spool.flush(LONG).await, Flushed { written: true, backlog: 0 });
    assert_eq!(store.ids(), ids);
    let stats = spool.stats().clone();
    assert_eq!((get(&stats.recorded), get(&stats.shipped)), (2000, 2000));
    assert!(stats.store_up.load(Ordering::SeqCst));
    spool.close(LONG).await;
    assert_eq!(lane::segments(&dir.path().join("0")).unwrap(), [0; 0]);
}

/// The issue: "a stopped Postgres loses none".
#[tokio::test]
async fn a_store_that_is_away_loses_nothing_and_gets_each_record_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Memory::down();
    let spool = Spool::open(dir.path(), big_queue(), store.clone()).unwrap();
    let ids = record(&spool, 1200);
    let flushed = spool.flush(Duration::from_millis(300)).await;
    assert_eq!(flushed, Flushed { written: true, backlog: 1200 });
    until("error seen", || spool.stats().last_error().is_some_and(|e| e.contains("down"))).await;
    assert!(!spool.stats().store_up.load(Ordering::SeqCst));
    store.down.store(false, Ordering::SeqCst);
    assert_eq!(spool.flush(LONG).await.backlog, 0);
    assert_eq!(store.ids(), ids);
    assert_eq!(get(&spool.stats().shipped), 1200);
}

#[tokio::test]
async fn records_of_any_size_are_read_back_whole_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), big_queue(), Memory::down()).unwrap();
    // Nine texts of 16 KiB are more than what is read at once.
    let sizes = [10, 16 << 10, 14 << 10, 10, 10, 15 << 10, 16 << 10, 10];
    let mut sent = Vec::new();
    for size in sizes {
        let text = || Some("x".repeat(size));
        let record = CallRecord {
            key_prefix: text(),
            user_agent: text(),
            model_asked: text(),
            model_served: text(),
            provider: text(),
            upstream_request_id: text(),
            object_id: text(),
            error_code: text(),
            error_detail: text(),
            ..call()
        };
        sent.push((record.id, size));
        spool.record(record);
    }
    assert_eq!(spool.close(Duration::from_millis(200)).await.backlog, sizes.len() as u64);
    let store = Arc::new(Memory::default());
    let spool = Spool::open(dir.path(), big_queue(), store.clone()).unwrap();
    assert_eq!(spool.flush(LONG).await.backlog, 0);
    let calls = store.calls.lock().unwrap();
    assert_eq!(calls.len(), sent.len());
    for (id, size) in sent {
        let found = [&calls[&id].key_prefix, &calls[&id].error_detail];
        assert_eq!(found.map(|t| t.as_ref().map(String::len)), [Some(size); 2]);
    }
}

#[tokio::test]
async fn what_one_run_leaves_the_next_ships_however_often() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    // a run that ships all, then runs that ship nothing: numbers must not begin anew below the noted position
    let up = Arc::new(Memory::default());
    for _ in 0..3 {
        let spool = Spool::open(dir.path(), big_queue(), up.clone()).unwrap();
        ids.extend(record(&spool, 5));
        assert_eq!(spool.close(LONG).await.backlog, 0);
    }
    for n in 1..=3 {
        let spool = Spool::open(dir.path(), big_queue(), Memory::down()).unwrap();
        ids.extend(record(&spool, 5));
        let flushed = spool.close(Duration::from_millis(200)).await;
        assert_eq!(flushed, Flushed { written: true, backlog: 5 * n });
    }
    let spool = Spool::open(dir.path(), big_queue(), up.clone()).unwrap();
    assert_eq!(spool.flush(LONG).await.backlog, 0);
    ids.sort_unstable();
    assert_eq!(up.ids(), ids);
}

#[tokio::test]
async fn a_lane_that_was_left_is_adopted_behind_the_noted_position() {
    let dir = tempfile::tempdir().unwrap();
    let up = Arc::new(Memory::default());
    for _ in 0..2 {
        let first = Spool::open(dir.path(), big_queue(), up.clone()).unwrap();
        record(&first, 1);
        first.close(LONG).await;
    }
    let first = Spool::open(dir.path(), big_queue(), up.clone()).unwrap();
    let second = Spool::open(dir.path(), big_queue(), Memory::down()).unwrap();
    let left = record(&second, 3);
    second.close(Duration::from_millis(200)).await;
    first.close(LONG).await;
    let third = Spool::open(dir.path(), big_queue(), up.clone()).unwrap();
    assert_eq!(third.flush(LONG).await.backlog, 0);
    assert!(left.iter().all(|id| up.ids().contains(id)));
}

#[tokio::test]
async fn dropping_the_handle_still_writes_what_is_queued() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), big_queue(), Memory::down()).unwrap();
    let ids = record(&spool, 50);
    drop(spool);
    let lock = dir.path().join("0/lock");
    until("the lane is free", || File::open(&lock).is_ok_and(|f| f.try_lock().is_ok())).await;
    let store = Arc::new(Memory::default());
    let spool = Spool::open(dir.path(), big_queue(), store.clone()).unwrap();
    spool.flush(LONG).await;
    assert_eq!(store.ids(), ids);
}

#[tokio::test]
async fn past_its_bound_the_oldest_goes_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Memory::down();
    let options = SpoolOptions { max_bytes: 200_000, ..big_queue() };
    let spool = Spool::open(dir.path(), options, store.clone()).unwrap();
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.extend(record(&spool, 30));
        assert!(
            spool.flush(Duration::from_millis(40)).await.written || get(&spool.stats().write_errors) == 0
        );
    }
    until("written", || {
        let s = spool.stats();
        get(&s.backlog) + get(&s.dropped_spool) == 900
    })
    .await;
    let stats = spool.stats().clone();
    assert!(get(&stats.spooled_bytes) <= 200_000 + 50_000, "{}", get(&stats.spooled_bytes));
    assert!(get(&stats.dropped_spool) > 0);
    store.down.store(false, Ordering::SeqCst);
    assert_eq!(spool.flush(LONG).await.backlog, 0);
    let arrived = store.ids();
    assert_eq!(arrived.len() as u64 + get(&stats.dropped_spool), 900);
    assert!(arrived.contains(ids.last().unwrap()), "the newest stay");
}

/// A disk that says ENOSPC while it is full, after having taken a part.
#[derive(Default)]
struct FullDisk {
    full: AtomicBool,
}

impl Disk for FullDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        RealDisk.create(path)
    }

    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            RealDisk.append(file, &bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        RealDisk.append(file, bytes)
    }
}

#[tokio::test]
async fn a_full_disk_neither_blocks_nor_loses_what_memory_holds() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Memory::default());
    let disk = Arc::new(FullDisk { full: AtomicBool::new(true) });
    let options = SpoolOptions { queue: 10, ..SpoolOptions::default() };
    let spool = Spool::open_on(dir.path(), options, store.clone(), disk.clone()).unwrap();
    let first = record(&spool, 5);
    until("it was tried", || get(&spool.stats().write_errors) > 2).await;
    assert!(spool.stats().last_error().is_some_and(|e| e.contains("spool")));
    assert!(!spool.flush(Duration::from_millis(50)).await.written);
    // the queue and the writer's memory are bounded: in the end records are dropped, and counted
    let offered = 20_000;
    record(&spool, offered);
    let stats = spool.stats().clone();
    assert!(get(&stats.dropped_queue) > 0);
    assert_eq!(get(&stats.dropped_queue) + get(&stats.recorded), offered as u64 + 5);
    disk.full.store(false, Ordering::SeqCst);
    assert_eq!(spool.flush(LONG).await, Flushed { written: true, backlog: 0 });
    assert!(first.iter().all(|id| store.ids().contains(id)));
    assert_eq!(store.ids().len() as u64, get(&stats.recorded));
    assert_eq!(get(&stats.corrupt), 0, "half-written frames were cut back");
}

#[tokio::test]
async fn a_damaged_place_costs_its_record_only() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), big_queue(), Memory::down()).unwrap();
    record(&spool, 20);
    spool.close(Duration::from_millis(200)).await;
    let lane = dir.path().join("0");
    let seq = lane::segments(&lane).unwrap()[0];
    let file = index::path(&lane, seq);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    std::fs::write(&file, bytes).unwrap();
    let store = Arc::new(Memory::default());
    let spool = Spool::open(dir.path(), big_queue(), store.clone()).unwrap();
    assert_eq!(spool.flush(LONG).await.backlog, 0);
    assert_eq!(store.ids().len(), 19);
    assert!(get(&spool.stats().corrupt) >= 1);
}

#[tokio::test]
async fn a_segment_that_somebody_removed_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Memory::down();
    let spool = Spool::open(dir.path(), big_queue(), store.clone()).unwrap();
    record(&spool, 7);
    assert!(spool.flush(Duration::from_millis(200)).await.written);
    let lane = dir.path().join("0");
    std::fs::remove_file(index::path(&lane, lane::segments(&lane).unwrap()[0])).unwrap();
    store.down.store(false, Ordering::SeqCst);
    assert_eq!(spool.flush(LONG).await.backlog, 0);
    assert_eq!(get(&spool.stats().dropped_spool), 7);
    // and what is recorded afterwards is not written into the void
    let ids = record(&spool, 3);
    assert_eq!(spool.flush(LONG).await, Flushed { written: true, backlog: 0 });
    assert_eq!(store.ids(), ids);
}

#[tokio::test]
async fn a_segment_that_somebody_cut_short_costs_what_is_gone_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = Memory::down();
    let spool = Spool::open(dir.path(), big_queue(), store.clone()).unwrap();
    record(&spool, 12_000);
    while !spool.flush(Duration::from_millis(200)).await.written {}
    let lane = dir.path().join("0");
    let file = index::path(&lane, lane::segments(&lane).unwrap()[0]);
    let file = File::options().write(true).open(file).unwrap();
    let whole = file.metadata().unwrap().len();
    // More is gone than is ever read at once.
    assert!(whole > 3 * frame::MAX as u64);
    file.set_len(whole / 10).unwrap();
    store.down.store(false, Ordering::SeqCst);
    assert_eq!(spool.flush(LONG).await.backlog, 0);
    assert!((800..4000).contains(&store.ids().len()), "{}", store.ids().len());
}

#[test]
fn without_a_runtime_it_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Spool::open(dir.path(), SpoolOptions::default(), Memory::down());
    assert!(matches!(opened.err().unwrap(), SpoolError::NoRuntime));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A crash may cut or garble the files anywhere: the next run starts, and every record whose frame is intact arrives.
    #[test]
    fn whatever_happened_to_the_file_the_intact_records_arrive(
        at: proptest::sample::Index,
        bit in 0u8..8,
        cut: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let spool = Spool::open(dir.path(), big_queue(), Memory::down()).unwrap();
            record(&spool, 8);
            spool.close(Duration::from_millis(60)).await;
        });
        let lane = dir.path().join("0");
        let file = index::path(&lane, lane::segments(&lane).unwrap()[0]);
        let mut bytes = std::fs::read(&file).unwrap();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        std::fs::write(&file, &bytes).unwrap();
        let store = Arc::new(Memory::default());
        let flushed = runtime.block_on(async {
            let spool = Spool::open(dir.path(), big_queue(), store.clone()).unwrap();
            spool.close(LONG).await
        });
        prop_assert_eq!(flushed.backlog, 0);
        let arrived = store.ids().len();
        if cut { prop_assert!(arrived < 8) } else { prop_assert_eq!(arrived, 7) }
    }
}
