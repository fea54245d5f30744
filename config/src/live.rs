//! The running snapshot: who holds it, who is told of a new one, and the task that makes new ones out of the store's
//! changes and new configurations.

use crate::assemble::{Assembler, Finding};
use crate::last_good::{Frozen, LastGood};
use crate::load::Loaded;
use crate::snapshot::{Snapshot, Source};
use arc_swap::{ArcSwap, Guard};
use sallyport_schema::rows::Change;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Changes taken together at most before a new snapshot is shown.
const BURST: usize = 4096;

/// The snapshot that requests read, replaced as a whole.
pub struct SnapshotCell {
    current: ArcSwap<Snapshot>,
    findings: ArcSwap<Vec<Finding>>,
    version: watch::Sender<u64>,
}

impl SnapshotCell {
    /// Shows an assembler's snapshot.
    pub fn new(assembler: &Assembler) -> Arc<Self> {
        let snapshot = assembler.snapshot().clone();
        Arc::new(Self {
            version: watch::Sender::new(snapshot.version),
            current: ArcSwap::new(snapshot),
            findings: ArcSwap::from_pointee(assembler.findings().to_vec()),
        })
    }

    /// The current snapshot, without a reference count: for the length of a look-up, not across an await.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The current snapshot, to keep.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// What is the matter with the stored part (name clashes, rows that cannot be used), for health.
    pub fn findings(&self) -> Arc<Vec<Finding>> {
        self.findings.load_full()
    }

    /// Tells of new versions.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn show(&self, assembler: &Assembler) {
        let old = self.findings.load();
        for f in assembler.findings().iter().filter(|f| !old.contains(f)) {
            tracing::warn!(kind = f.kind, name = f.name, id = ?f.id, "{}", f.message);
        }
        self.findings.store(Arc::new(assembler.findings().to_vec()));
        self.current.store(assembler.snapshot().clone());
        self.version.send_replace(assembler.snapshot().version);
    }
}

/// Runs until both senders are gone; then the last-good copy is written a last time.
pub fn spawn(
    cell: Arc<SnapshotCell>,
    assembler: Assembler,
    changes: mpsc::Receiver<Change>,
    reloads: mpsc::Receiver<Arc<Loaded>>,
    last_good: Option<LastGood>,
) -> JoinHandle<()> {
    let mut copy = Copy::new(last_good);
    if assembler.snapshot().source == Source::Store {
        // What was just read from the store is newer than the file of the last run.
        copy.changed();
    }
    tokio::spawn(Keeper { cell, assembler: Some(assembler), copy }.run(changes, reloads))
}

enum Input {
    Changes(Vec<Change>),
    Reload(Arc<Loaded>),
}

struct Keeper {
    cell: Arc<SnapshotCell>,
    /// None only while a big piece of work has it on another thread.
    assembler: Option<Assembler>,
    copy: Copy,
}

impl Keeper {
    async fn run(mut self, mut changes: mpsc::Receiver<Change>, mut reloads: mpsc::Receiver<Arc<Loaded>>) {
        let (mut more_changes, mut more_reloads) = (true, true);
        while more_changes || more_reloads {
            let mut burst = Vec::new();
            let input = tokio::select! {
                n = changes.recv_many(&mut burst, BURST), if more_changes => {
                    more_changes = n > 0;
                    Input::Changes(burst)
                }
                loaded = reloads.recv(), if more_reloads => match loaded {
                    Some(loaded) => Input::Reload(loaded),
                    None => {
                        more_reloads = false;
                        continue;
                    }
                },
                () = self.copy.due() => {
                    self.write().await;
                    continue;
                }
            };
            self.take(input).await;
        }
        if self.copy.dirty {
            self.write().await;
        }
    }

    async fn take(&mut self, input: Input) {
        let Some(mut assembler) = self.assembler.take() else { return };
        let small = matches!(&input, Input::Changes(c) if c.len() < 64 && !c.iter().any(is_big));
        if matches!(&input, Input::Changes(c) if c.is_empty()) {
            self.assembler = Some(assembler);
            return;
        }
        let stored = matches!(input, Input::Changes(_));
        let work = move || {
            match input {
                Input::Changes(list) => list.into_iter().for_each(|c| assembler.apply(c)),
                Input::Reload(loaded) => assembler.reload(&loaded),
            }
            assembler
        };
        // A hundred thousand keys take a while: not on the runtime's own threads.
        let done = if small { Ok(work()) } else { tokio::task::spawn_blocking(work).await };
        match done {
            Ok(assembler) => {
                self.cell.show(&assembler);
                self.assembler = Some(assembler);
                if stored {
                    self.copy.changed();
                }
            }
            Err(e) => tracing::error!("the snapshot is not updated any more: {e}"),
        }
    }

    async fn write(&mut self) {
        let Some(assembler) = &self.assembler else { return };
        self.copy.write(Frozen::of(assembler)).await;
    }
}

fn is_big(change: &Change) -> bool {
    matches!(change, Change::Everything(_))
}

/// When to write the last-good copy.
struct Copy {
    file: Option<LastGood>,
    dirty: bool,
    next: Instant,
}

impl Copy {
    fn new(file: Option<LastGood>) -> Self {
        Self { file, dirty: false, next: Instant::now() }
    }

    fn changed(&mut self) {
        if self.file.is_some() && !self.dirty {
            self.dirty = true;
            // A moment, so that a burst is written once.
            self.next = self.next.max(Instant::now() + Duration::from_millis(250));
        }
    }

    async fn due(&self) {
        if self.dirty {
            tokio::time::sleep_until(self.next).await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    async fn write(&mut self, state: Frozen) {
        let Some(file) = self.file.clone() else { return };
        self.dirty = false;
        let began = Instant::now();
        let done = tokio::task::spawn_blocking(move || file.write(&state)).await;
        let took = began.elapsed();
        // A big state changes all the time in a big fleet: writing it takes a tenth of one thread at most.
        self.next = Instant::now() + (took * 10).clamp(Duration::from_millis(250), Duration::from_secs(60));
        match done {
            Ok(Ok(())) => {}
            Ok(Err(e)) => {
                tracing::warn!("the last-good snapshot is not written: {e}");
                self.dirty = true;
                self.next = Instant::now() + Duration::from_secs(5);
            }
            Err(e) => tracing::warn!("the last-good snapshot is not written: {e}"),
        }
    }
}

#[cfg(test)]
mod tests;
