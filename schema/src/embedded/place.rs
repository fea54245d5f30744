//! Where things are: `data_dir/postgres/{data, run, lock, url}`, and a socket directory elsewhere when that is too deep.

use super::error::EmbeddedError;
use super::identity::RunAs;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Role and database in the private cluster.
pub(super) const NAME: &str = "sallyport";
/// Longest path of a Unix socket (`sun_path` holds 108 bytes with the final NUL; one to spare).
const SOCKET_PATH_MAX: usize = 106;
/// Name of the socket file, given by Postgres.
const SOCKET_FILE: &str = "/.s.PGSQL.5432";
/// Below this a cluster (40 MB) with its first log segments is not begun.
const SPACE_NEEDED: u64 = 128 << 20;

/// The directories of one private Postgres.
#[derive(Clone, Debug)]
pub(super) struct Place {
    base: PathBuf,
    socket_dir: PathBuf,
    url: String,
}

impl Place {
    /// Makes the directories and sees to it that Postgres's user can use them.
    pub(super) fn prepare(data_dir: &Path, run_as: &RunAs) -> Result<Self, EmbeddedError> {
        // Others may pass through (Postgres's user must, where we are root) but not look around.
        make_dir(data_dir, if run_as.other.is_some() { 0o711 } else { 0o700 })?;
        run_as.can_enter(data_dir)?;
        let base = data_dir.join("postgres");
        make_dir(&base, 0o700)?;
        run_as.own(&base)?;
        let place = Self { socket_dir: PathBuf::new(), url: String::new(), base };
        let pgdata = place.pgdata();
        if pgdata.exists() {
            own_tree(&pgdata, run_as)?;
        } else {
            place.check_space()?;
        }
        Ok(place)
    }

    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    pub(super) fn pgdata(&self) -> PathBuf {
        self.base.join("data")
    }

    pub(super) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The URL of a database in the cluster.
    pub(super) fn url_of(&self, database: &str) -> String {
        let dir = encode(self.socket_dir.as_os_str().as_encoded_bytes());
        format!("postgres://{NAME}@localhost/{database}?host={dir}")
    }

    /// Makes the socket's directory, 0700: it is the guard of a cluster that trusts whoever reaches the socket.
    pub(super) fn make_socket_dir(&mut self, run_as: &RunAs) -> Result<(), EmbeddedError> {
        self.remove_fallback(run_as);
        let near = self.base.join("run");
        self.socket_dir = if near.as_os_str().len() + SOCKET_FILE.len() <= SOCKET_PATH_MAX {
            // We hold the lock and no postmaster runs on these data: a socket's lock file is a dead one's, and its
            // process id may be another process's by now, for which Postgres would refuse to start.
            remove_sockets(&near);
            make_dir(&near, 0o700)?;
            near
        } else {
            self.fallback(run_as)?
        };
        run_as.own(&self.socket_dir)?;
        if self.socket_dir.to_str().is_none() {
            return Err(EmbeddedError::NotUtf8(self.socket_dir.clone()));
        }
        self.url = self.url_of(NAME);
        Ok(())
    }

    /// A directory with a short path. Its name is random and it must not exist yet, so that nobody can lay one ready
    /// for us in /tmp; where it is, is written down.
    fn fallback(&self, run_as: &RunAs) -> Result<PathBuf, EmbeddedError> {
        // the runtime directory is root's own if we are root: Postgres's user cannot enter it
        let runtime =
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|_| run_as.other.is_none());
        let parents = runtime.into_iter().chain([PathBuf::from("/tmp")]);
        let mut last = None;
        for parent in parents {
            let dir = parent.join(format!("sallyport-{}", uuid::Uuid::new_v4().simple()));
            if dir.as_os_str().len() + SOCKET_FILE.len() > SOCKET_PATH_MAX {
                continue;
            }
            match DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => {
                    let note = self.base.join("socket_dir");
                    write_private(&note, dir.as_os_str().as_encoded_bytes())?;
                    return Ok(dir);
                }
                Err(error) => last = Some(EmbeddedError::io("creating", &dir, error)),
            }
        }
        Err(last.unwrap_or_else(|| EmbeddedError::SocketInUse { dir: self.base.clone() }))
    }

    /// Removes the short directory of an earlier run, if it is still what we made.
    fn remove_fallback(&self, run_as: &RunAs) {
        let note = self.base.join("socket_dir");
        let Ok(dir) = std::fs::read_to_string(&note).map(PathBuf::from) else { return };
        let ours = std::fs::symlink_metadata(&dir).is_ok_and(|m| m.is_dir() && m.uid() == run_as.uid());
        if ours {
            remove_sockets(&dir);
        }
        // Left behind it is only an empty directory.
        let _ = std::fs::remove_file(&note);
    }

    /// After the end: the sockets are gone, so are their directory and our notes.
    pub(super) fn clean_up(&self) {
        if !self.socket_dir.starts_with(&self.base) {
            remove_sockets(&self.socket_dir);
            let _ = std::fs::remove_file(self.base.join("socket_dir"));
        }
    }

    /// Takes the lock, or None if another process holds it. It is the kernel's: it ends with the process.
    pub(super) fn try_lock(&self) -> Result<Option<File>, EmbeddedError> {
        let path = self.base.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| EmbeddedError::io("opening", &path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(EmbeddedError::io("locking", &path, e)),
        }
    }

    /// Whether some process owns the Postgres of this data directory.
    pub(super) fn is_locked(data_dir: &Path) -> Result<bool, EmbeddedError> {
        let path = data_dir.join("postgres/lock");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(EmbeddedError::io("opening", &path, e)),
        };
        // shared: two that look do not take each other for an owner
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(e)) => Err(EmbeddedError::io("locking", &path, e)),
        }
    }

    /// Tells others where to connect.
    pub(super) fn publish(&self) -> Result<(), EmbeddedError> {
        write_private(&self.base.join("url"), self.url.as_bytes())
    }

    /// Takes the sign down. What stays behind after a crash is harmless: without a locked lock nobody reads it.
    pub(super) fn unpublish(&self) {
        let _ = std::fs::remove_file(self.base.join("url"));
    }

    /// What the owner published.
    pub(super) fn published(data_dir: &Path) -> Result<Option<String>, EmbeddedError> {
        let path = data_dir.join("postgres/url");
        match std::fs::read_to_string(&path) {
            Ok(url) => Ok(Some(url)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(EmbeddedError::io("reading", &path, e)),
        }
    }

    fn check_space(&self) -> Result<(), EmbeddedError> {
        // A file system that does not tell is no reason to refuse.
        let Ok(stat) = rustix::fs::statvfs(&self.base) else { return Ok(()) };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free >= SPACE_NEEDED {
            return Ok(());
        }
        let detail = format!("{} MB free, {} MB needed", free >> 20, SPACE_NEEDED >> 20);
        Err(EmbeddedError::DiskFull { path: self.base.clone(), detail })
    }
}

fn make_dir(dir: &Path, mode: u32) -> Result<(), EmbeddedError> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent).map_err(|e| EmbeddedError::io("creating", parent, e))?;
    }
    match DirBuilder::new().mode(mode).create(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(EmbeddedError::io("creating", dir, e)),
        _ => Ok(()),
    }
}

/// Data that root restored from a backup belong to root: hand them over. Looks no deeper when the top is right.
fn own_tree(dir: &Path, run_as: &RunAs) -> Result<(), EmbeddedError> {
    let meta = std::fs::symlink_metadata(dir).map_err(|e| EmbeddedError::io("reading", dir, e))?;
    if meta.uid() == run_as.uid() {
        return Ok(());
    }
    let mut open = vec![dir.to_owned()];
    let mut seen = Vec::new();
    while let Some(next) = open.pop() {
        let meta = std::fs::symlink_metadata(&next).map_err(|e| EmbeddedError::io("reading", &next, e))?;
        if meta.is_dir() {
            let entries = std::fs::read_dir(&next).map_err(|e| EmbeddedError::io("reading", &next, e))?;
            for entry in entries {
                open.push(entry.map_err(|e| EmbeddedError::io("reading", &next, e))?.path());
            }
        }
        if !meta.is_symlink() {
            seen.push(next);
        }
    }
    // the top last: if this is cut short, the next start begins again
    seen.iter().rev().try_for_each(|path| run_as.own(path))
}

/// Writes a file for our own eyes, at once or not at all.
fn write_private(path: &Path, content: &[u8]) -> Result<(), EmbeddedError> {
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|e| EmbeddedError::io("writing", path, e))
}

/// Best effort: what stays is an empty directory.
fn remove_sockets(dir: &Path) {
    for name in [".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
        let _ = std::fs::remove_file(dir.join(name));
    }
    let _ = std::fs::remove_dir(dir);
}

/// Percent-encoding for a URL's query.
fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                out.push(char::from(*byte))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_the_url() {
        assert_eq!(encode("/a b/ü&?".as_bytes()), "/a%20b/%C3%BC%26%3F");
    }

    #[test]
    fn the_lock_is_seen_and_ends_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let run_as = RunAs { other: None };
        let place = Place::prepare(dir.path(), &run_as).unwrap();
        assert!(!Place::is_locked(dir.path()).unwrap());
        let lock = place.try_lock().unwrap().unwrap();
        assert!(place.try_lock().unwrap().is_none());
        assert!(Place::is_locked(dir.path()).unwrap());
        drop(lock);
        assert!(!Place::is_locked(dir.path()).unwrap());
    }

    /// Postgres refuses to start when the process id in a dead postmaster's socket lock is in use again.
    #[test]
    fn a_dead_postmasters_socket_lock_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let run_as = RunAs { other: None };
        let mut place = Place::prepare(dir.path(), &run_as).unwrap();
        let lock = place.base().join("run/.s.PGSQL.5432.lock");
        std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
        std::fs::write(&lock, std::process::id().to_string()).unwrap();
        place.make_socket_dir(&run_as).unwrap();
        assert!(!lock.exists() && place.socket_dir().is_dir());
    }

    #[test]
    fn a_deep_directory_gets_a_short_socket_path() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(90)).join("e".repeat(90));
        let run_as = RunAs { other: None };
        let mut place = Place::prepare(&deep, &run_as).unwrap();
        place.make_socket_dir(&run_as).unwrap();
        let first = place.socket_dir().to_owned();
        assert!(first.as_os_str().len() + SOCKET_FILE.len() <= SOCKET_PATH_MAX);
        assert_eq!(std::fs::metadata(&first).unwrap().mode() & 0o777, 0o700);
        // a run that was killed leaves its directory; the next one removes it
        place.make_socket_dir(&run_as).unwrap();
        assert!(!first.exists());
        place.clean_up();
        assert!(!place.socket_dir().exists());
    }
}
