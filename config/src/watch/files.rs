//! Noticing that files changed: written in place, replaced by a rename (editors), or behind a symbolic link that was
//! swapped (a mounted ConfigMap). So it is the directories that are watched, and the names that are looked for.

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;
use tokio::sync::Notify;

pub(super) struct Changes {
    files: Vec<PathBuf>,
    names: Arc<RwLock<HashSet<OsString>>>,
    directories: HashSet<PathBuf>,
    /// None: the system gives no watch; looking now and then must do.
    watcher: Option<RecommendedWatcher>,
}

impl Changes {
    /// Calls `asked` whenever one of the files may have changed.
    pub(super) fn watch(files: &[PathBuf], asked: Arc<Notify>) -> Self {
        let names: Arc<RwLock<HashSet<OsString>>> = Arc::default();
        let wanted = names.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let hit = event.map_or(true, |e| {
                // Reading the files is an event too: it must not lead to the next reading.
                let written = match e.kind {
                    EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
                    _ => true,
                };
                let wanted = wanted.read().unwrap_or_else(PoisonError::into_inner);
                written && (e.paths.is_empty() || e.paths.iter().any(|p| is_wanted(p, &wanted)))
            });
            if hit {
                asked.notify_one();
            }
        });
        let watcher = watcher
            .inspect_err(|e| tracing::warn!("changes of configuration files are noticed late: {e}"))
            .ok();
        let mut changes = Self { files: Vec::new(), names, directories: HashSet::new(), watcher };
        changes.follow(files);
        changes
    }

    /// The files that are followed.
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Follows other files from now on.
    pub(super) fn follow(&mut self, files: &[PathBuf]) {
        let mut names = HashSet::new();
        let mut directories = HashSet::new();
        for file in files {
            for path in [Some(file.clone()), file.canonicalize().ok()].into_iter().flatten() {
                names.extend(path.file_name().map(ToOwned::to_owned));
                let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                directories.insert(parent.to_path_buf());
            }
        }
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = names;
        if let Some(watcher) = &mut self.watcher {
            for gone in self.directories.difference(&directories) {
                // It may be gone from the disk too.
                let _ = watcher.unwatch(gone);
            }
            for new in directories.difference(&self.directories) {
                if let Err(e) = watcher.watch(new, RecursiveMode::NonRecursive) {
                    tracing::warn!("changes in {} are noticed late: {e}", new.display());
                }
            }
        }
        self.directories = directories;
        self.files = files.to_vec();
    }
}

fn is_wanted(path: &Path, names: &HashSet<OsString>) -> bool {
    let Some(name) = path.file_name() else { return true };
    // `..data` is the link that a ConfigMap's update swaps.
    names.contains(name) || name.as_encoded_bytes().starts_with(b"..")
}

/// What files looked like: cheap to take, for file systems that tell of no changes.
#[derive(PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<Option<(u64, Option<SystemTime>)>>);

impl Fingerprint {
    pub(super) fn of(files: &[PathBuf]) -> Self {
        let one = |f: &PathBuf| std::fs::metadata(f).ok().map(|m| (m.len(), m.modified().ok()));
        Self(files.iter().map(one).collect())
    }
}
