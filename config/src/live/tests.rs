use super::*;
use crate::testing::{id, key, loaded, provider, ring, user};
use sallyport_schema::rows::{Kind, StoredState};

struct Running {
    cell: Arc<SnapshotCell>,
    changes: mpsc::Sender<Change>,
    reloads: mpsc::Sender<Arc<Loaded>>,
    task: JoinHandle<()>,
}

fn start(state: StoredState, source: Source, last_good: Option<LastGood>) -> Running {
    let assembler = Assembler::new(&loaded("instance: a"), state, source, ring(1));
    let cell = SnapshotCell::new(&assembler);
    let (changes, change_rx) = mpsc::channel(100_000);
    let (reloads, reload_rx) = mpsc::channel(4);
    let task = spawn(cell.clone(), assembler, change_rx, reload_rx, last_good);
    Running { cell, changes, reloads, task }
}

async fn until(cell: &SnapshotCell, what: &str, good: impl Fn(&Snapshot) -> bool) {
    let mut versions = cell.subscribe();
    let wait = async {
        while !good(&cell.load()) {
            versions.changed().await.unwrap();
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(), "never: {what}");
}

#[tokio::test]
async fn changes_and_reloads_are_shown() {
    let r = start(StoredState { users: vec![user(1, true)], ..StoredState::default() }, Source::Disk, None);
    assert_eq!(r.cell.load().source, Source::Disk);
    r.changes.send(Change::Key(key(1, 1, &["chat"]))).await.unwrap();
    until(&r.cell, "the key", |s| s.keys.contains_key(&[1; 32]) && s.users.contains_key(&id(1))).await;
    r.changes.send(Change::Everything(Box::default())).await.unwrap();
    until(&r.cell, "the store", |s| s.source == Source::Store && s.keys.is_empty()).await;
    r.reloads.send(Arc::new(loaded("instance: b"))).await.unwrap();
    until(&r.cell, "the configuration", |s| s.config.instance.as_deref() == Some("b")).await;
    r.changes.send(Change::Provider(provider(1, "p", &ring(9)))).await.unwrap();
    until(&r.cell, "one more", |s| s.version >= 5).await;
    assert!(r.cell.findings()[0].message.contains("cannot be read"));
    r.changes.send(Change::Removed(Kind::Provider, id(1))).await.unwrap();
    until(&r.cell, "one more", |s| s.version >= 6).await;
    assert!(r.cell.findings().is_empty());
    drop((r.changes, r.reloads));
    r.task.await.unwrap();
}

#[tokio::test]
async fn the_store_may_go_and_reloads_still_work() {
    let r = start(StoredState::default(), Source::Store, None);
    drop(r.changes);
    r.reloads.send(Arc::new(loaded("instance: b"))).await.unwrap();
    until(&r.cell, "the configuration", |s| s.config.instance.as_deref() == Some("b")).await;
}

#[tokio::test]
async fn a_burst_is_taken_together() {
    let r = start(StoredState::default(), Source::Store, None);
    // The task has not run yet: all of these wait for it.
    for n in 0..3000u128 {
        let mut row = key(n, 0, &["chat"]);
        row.hash[..16].copy_from_slice(&n.to_be_bytes());
        r.changes.try_send(Change::Key(row)).unwrap();
    }
    until(&r.cell, "all keys", |s| s.keys.len() == 3000).await;
    // Readers are shown few of the versions.
    let shown = r.cell.subscribe().borrow().to_owned();
    assert_eq!(shown, 3001, "versions count changes");
}

#[tokio::test]
async fn what_was_read_at_the_start_is_kept_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = LastGood::new(dir.path(), ring(1));
    let state = StoredState { keys: vec![key(1, 1, &["chat"])], ..StoredState::default() };
    let from_disk = start(state.clone(), Source::Disk, Some(file.clone()));
    drop((from_disk.changes, from_disk.reloads));
    from_disk.task.await.unwrap();
    assert!(file.read().unwrap().is_none(), "nothing new");
    let r = start(state, Source::Store, Some(file.clone()));
    drop((r.changes, r.reloads));
    r.task.await.unwrap();
    assert_eq!(file.read().unwrap().unwrap().keys.len(), 1);
}

#[tokio::test]
async fn the_last_good_copy_follows() {
    let dir = tempfile::tempdir().unwrap();
    let file = LastGood::new(dir.path(), ring(1));
    let r = start(StoredState::default(), Source::Store, Some(file.clone()));
    r.changes.send(Change::Key(key(1, 1, &["chat"]))).await.unwrap();
    let began = Instant::now();
    let keys = |f: &LastGood| f.read().unwrap().map_or(0, |s| s.keys.len());
    while keys(&file) != 1 {
        assert!(began.elapsed() < Duration::from_secs(20), "never written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What has not been written when it ends is written then.
    r.changes.send(Change::Key(key(2, 2, &["chat"]))).await.unwrap();
    drop((r.changes, r.reloads));
    r.task.await.unwrap();
    assert_eq!(keys(&file), 2);
}
