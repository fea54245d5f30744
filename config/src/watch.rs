//! Reloading: on a change of a file, of a secret behind `file:`, or when asked (SIGHUP). A bad file keeps the old
//! configuration and is told in the log and in [`ReloadState`].

mod files;
mod restart;

use crate::errors::Errors;
use crate::load::{Loaded, load};
use files::{Changes, Fingerprint};
pub use restart::needs_restart;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::{Notify, mpsc, watch};

/// Looks up environment variables.
pub type Env = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A change is taken when nothing has changed for so long: editors write in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// … but no later than this after the first one.
const PATIENCE: Duration = Duration::from_secs(1);
/// Network file systems tell of no changes: the files are looked at this often.
const LOOK: Duration = Duration::from_secs(10);

/// How the last reload went, for log, metric and health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReloadState {
    /// When the running configuration was read.
    #[serde(with = "time::serde::rfc3339")]
    pub loaded_at: OffsetDateTime,
    /// Its hash.
    pub hash: String,
    /// Reloads that brought something new.
    pub reloads: u64,
    /// Reloads that failed.
    pub failures: u64,
    /// Set while the files are bad and an older configuration runs.
    pub last_error: Option<ReloadError>,
    /// Settings whose new value waits for a restart.
    pub needs_restart: Vec<String>,
    /// Warnings of the running configuration.
    pub warnings: Vec<String>,
}

/// Why the files on disk are not what runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReloadError {
    /// When it was noticed.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// All problems, one a line.
    pub message: String,
}

/// Watches the files of a running configuration.
pub struct Watcher {
    asked: Arc<Notify>,
    state: watch::Sender<Arc<ReloadState>>,
}

impl Watcher {
    /// Starts watching on the current tokio runtime, until the receiver is dropped. `running` is what the process
    /// started with. What the receiver yields is good to run.
    pub fn start(
        files: Vec<PathBuf>,
        env: Env,
        running: Arc<Loaded>,
    ) -> (Arc<Self>, mpsc::Receiver<Arc<Loaded>>) {
        let state = ReloadState {
            loaded_at: OffsetDateTime::now_utc(),
            hash: running.hash.clone(),
            reloads: 0,
            failures: 0,
            last_error: None,
            needs_restart: Vec::new(),
            warnings: running.warnings.iter().map(ToString::to_string).collect(),
        };
        let watcher =
            Arc::new(Self { asked: Arc::new(Notify::new()), state: watch::Sender::new(Arc::new(state)) });
        let (out, receiver) = mpsc::channel(4);
        let changes = Changes::watch(&running.files, watcher.asked.clone());
        // Taken before the task runs: a change right after the start is not missed.
        let seen = Fingerprint::of(&running.files);
        let task = Task { files, env, started: running.clone(), running, changes, seen, out };
        tokio::spawn(task.run(watcher.clone()));
        (watcher, receiver)
    }

    /// Reads the files again, changed or not (SIGHUP). The answer shows in [`Watcher::state`].
    pub fn reload(&self) {
        self.asked.notify_one();
    }

    /// How the last reload went.
    pub fn state(&self) -> Arc<ReloadState> {
        self.state.borrow().clone()
    }

    /// Tells of every reload, also of one that failed or brought nothing new.
    pub fn subscribe(&self) -> watch::Receiver<Arc<ReloadState>> {
        self.state.subscribe()
    }
}

struct Task {
    files: Vec<PathBuf>,
    env: Env,
    /// What the process started with: what a restart would change.
    started: Arc<Loaded>,
    running: Arc<Loaded>,
    changes: Changes,
    seen: Fingerprint,
    out: mpsc::Sender<Arc<Loaded>>,
}

impl Task {
    async fn run(mut self, watcher: Arc<Watcher>) {
        loop {
            tokio::select! {
                () = self.out.closed() => return,
                () = watcher.asked.notified() => {
                    settle(&watcher.asked).await;
                }
                () = tokio::time::sleep(LOOK) => {
                    if Fingerprint::of(self.changes.files()) == self.seen {
                        continue;
                    }
                }
            }
            let (files, env) = (self.files.clone(), self.env.clone());
            // Before reading: what changes while it is read is noticed the next time.
            self.seen = Fingerprint::of(self.changes.files());
            let read = tokio::task::spawn_blocking(move || load(&files, &*env)).await;
            match read {
                Ok(Ok(loaded)) => self.good(Arc::new(loaded), &watcher).await,
                Ok(Err(errors)) => bad(&errors, &watcher),
                Err(e) => bad(&crate::Problem::new(None, "", e.to_string()).into(), &watcher),
            }
        }
    }

    async fn good(&mut self, loaded: Arc<Loaded>, watcher: &Watcher) {
        let new = loaded.hash != self.running.hash;
        if loaded.files != self.changes.files() {
            self.seen = Fingerprint::of(&loaded.files);
            self.changes.follow(&loaded.files);
        }
        let mut state = (*watcher.state()).clone();
        state.last_error = None;
        if new {
            state.loaded_at = OffsetDateTime::now_utc();
            state.hash = loaded.hash.clone();
            state.reloads += 1;
            state.needs_restart = needs_restart(&self.started.config, &loaded.config);
            state.warnings = loaded.warnings.iter().map(ToString::to_string).collect();
            tracing::info!(hash = %loaded.hash, "configuration reloaded");
            for warning in &loaded.warnings {
                tracing::warn!("{warning}");
            }
            for path in &state.needs_restart {
                tracing::warn!("needs restart: {path}");
            }
            self.running = loaded.clone();
            // Closed: the process is going down, and the next round ends.
            let _ = self.out.send(loaded).await;
        }
        watcher.state.send_replace(Arc::new(state));
    }
}

fn bad(errors: &Errors, watcher: &Watcher) {
    tracing::error!("the configuration is not reloaded, the old one stays:\n{errors}");
    let mut state = (*watcher.state()).clone();
    state.failures += 1;
    state.last_error = Some(ReloadError { at: OffsetDateTime::now_utc(), message: errors.to_string() });
    watcher.state.send_replace(Arc::new(state));
}

/// Waits until it is quiet.
async fn settle(asked: &Notify) {
    let _ = tokio::time::timeout(PATIENCE, async {
        while tokio::time::timeout(QUIET, asked.notified()).await.is_ok() {}
    })
    .await;
}

#[cfg(test)]
mod tests;
