//! The spool with a real Postgres behind it, and with a process that is killed.

use sallyport_schema::log_store::{CallFilter, Cursor, LogError, LogStore, Page, PgLogStore};
use sallyport_schema::spool::{Flushed, Spool, SpoolOptions};
use sallyport_schema::store::Store;
use sallyport_schema::testing::{TestPg, call};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(60);

fn options() -> SpoolOptions {
    SpoolOptions { queue: 100_000, ..SpoolOptions::default() }
}

/// The issue: "a stopped Postgres loses none"; and a killed one neither.
#[tokio::test]
async fn records_outlast_postgres_stopped_killed_and_absent_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut pg = TestPg::start().await;
    let url = pg.database().await;
    pg.stop().await;
    let store = Store::connect_lazy(&url, 3, Duration::from_secs(2)).unwrap();
    let spool = Spool::open(dir.path(), options(), Arc::new(PgLogStore::new(store))).unwrap();
    let mut sent = 0;
    let mut record = |n: u64| {
        (0..n).for_each(|_| spool.record(call()));
        sent += n;
        sent
    };
    record(700);
    assert_eq!(spool.flush(Duration::from_millis(500)).await, Flushed { written: true, backlog: 700 });
    pg.start_again().await;
    assert_eq!(spool.flush(LONG).await, Flushed { written: true, backlog: 0 });
    record(300);
    pg.kill9();
    record(300);
    assert_eq!(spool.flush(LONG).await, Flushed { written: true, backlog: 0 });
    let total = record(0);
    assert_eq!(TestPg::value(&url, "SELECT count(*) FROM call_log").await, total.to_string());
    assert_eq!(TestPg::value(&url, "SELECT count(DISTINCT id) FROM call_log").await, total.to_string());
    spool.close(LONG).await;
}

/// Takes nothing, or everything.
struct Switch {
    up: bool,
    ids: Mutex<BTreeSet<Uuid>>,
}

#[async_trait::async_trait]
impl LogStore for Switch {
    async fn append(&self, records: &[sallyport_schema::call::CallRecord]) -> Result<(), LogError> {
        if !self.up {
            return Err(LogError::Other("down".into()));
        }
        self.ids.lock().unwrap().extend(records.iter().map(|r| r.id));
        Ok(())
    }

    async fn recent(&self, _: &CallFilter, _: Option<Cursor>) -> Result<Page, LogError> {
        Err(LogError::Other("not asked here".into()))
    }

    async fn maintain(&self, _: u32) -> Result<(), LogError> {
        Ok(())
    }
}

fn micros() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()
}

/// Not a test: the process that the next one kills. Says of each record when it was recorded.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by its parent"]
async fn child_that_records_at_speed() {
    let Some(dir) = std::env::var_os("SALLYPORT_TEST_CHILD_SPOOL") else { return };
    let store = Arc::new(Switch { up: false, ids: Mutex::default() });
    let spool = Spool::open(dir.as_ref(), options(), store).unwrap();
    let mut out = std::io::stdout();
    loop {
        for _ in 0..20 {
            let record = call();
            let id = record.id;
            spool.record(record);
            writeln!(out, "recorded {} {id}", micros()).unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The issue: "kill -9 under load loses at most the events of the last 100 ms".
#[tokio::test]
async fn kill_9_under_load_loses_at_most_the_last_100_ms() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new("/proc/self/exe")
        .args(["--exact", "spool::child_that_records_at_speed", "--ignored", "--nocapture"])
        .env("SALLYPORT_TEST_CHILD_SPOOL", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut recorded: Vec<(u128, Uuid)> = Vec::new();
    let mut killed_at = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let Some((_, told)) = line.split_once("recorded ") else { continue };
        // the last line may be cut
        let Some((at, id)) = told.split_once(' ') else { continue };
        let (Ok(at), Ok(id)) = (at.parse(), id.parse()) else { continue };
        recorded.push((at, id));
        if recorded.len() == 8000 {
            killed_at = micros();
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(killed_at > 0);

    let store = Arc::new(Switch { up: true, ids: Mutex::default() });
    let spool = Spool::open(dir.path(), options(), store.clone()).unwrap();
    assert_eq!(spool.flush(LONG).await.backlog, 0);
    let ids = store.ids.lock().unwrap();
    let old: Vec<_> = recorded.iter().filter(|(at, _)| at + 100_000 < killed_at).collect();
    assert!(old.len() > 1000, "{}", old.len());
    let lost = old.iter().filter(|(_, id)| !ids.contains(id)).count();
    assert_eq!(lost, 0, "of {} records older than 100 ms", old.len());
}
