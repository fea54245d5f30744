//! Errors of the private Postgres: sentences that say what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the private Postgres is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No PostgreSQL on this machine.
    #[error(
        "PostgreSQL is not installed (no initdb and postgres in PATH or /usr/lib/postgresql/*/bin): \
         install it (`apt-get install postgresql`), name its directory, or set database_url"
    )]
    BinariesMissing,
    /// The directory that was named holds none.
    #[error("{0} holds no initdb and postgres: name the bin directory of a PostgreSQL installation")]
    NoBinariesIn(PathBuf),
    /// The binaries do not run.
    #[error("{path} does not run: {detail}")]
    BadBinary {
        /// The program.
        path: PathBuf,
        /// What it said.
        detail: String,
    },
    /// The data were made by another major version.
    #[error(
        "the data in {dir} were made by PostgreSQL {data}, but the binaries found are {binaries}: install \
         PostgreSQL {data} (`apt-get install postgresql-{data}`), or move the data over with pg_upgrade or pg_dump"
    )]
    VersionMismatch {
        /// Data directory.
        dir: PathBuf,
        /// Major version of the data.
        data: u32,
        /// Major versions at hand.
        binaries: String,
    },
    /// Another process owns it.
    #[error("another sallyport process is using {dir}: stop it, or give this one another data_dir")]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// A directory on the way cannot be entered by Postgres's user.
    #[error(
        "as root, PostgreSQL is run as user `{user}`, who cannot enter {dir}: run `chmod o+x {dir}`, or put \
         data_dir elsewhere (such as /var/lib/sallyport), or run sallyport as an ordinary user"
    )]
    NotTraversable {
        /// The directory that bars the way.
        dir: PathBuf,
        /// The user.
        user: String,
    },
    /// Root, and nobody to become.
    #[error(
        "PostgreSQL refuses to run as root and there is no user `postgres` or `nobody` to run it as: create one \
         (`useradd --system postgres`), or run sallyport as an ordinary user"
    )]
    NoUser,
    /// Not allowed.
    #[error(
        "no permission for {what} {path}: it must belong to the user that runs sallyport \
         (`chown -R $(id -u) {path}`), or set data_dir to another directory"
    )]
    Permission {
        /// What was being done.
        what: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// The disk is full.
    #[error(
        "there is not enough disk space for {path} ({detail}): free some, or put data_dir on another disk"
    )]
    DiskFull {
        /// Where.
        path: PathBuf,
        /// How much there is, or what Postgres said.
        detail: String,
    },
    /// The socket is taken.
    #[error("the socket in {dir} is in use by another process: stop it, or give this one another data_dir")]
    SocketInUse {
        /// Directory of the socket.
        dir: PathBuf,
    },
    /// A path that cannot be written into a URL.
    #[error("the path {0} is not valid UTF-8: give sallyport a data_dir that is")]
    NotUtf8(PathBuf),
    /// initdb failed.
    #[error("initdb failed: {0}")]
    Initdb(String),
    /// Postgres ended while starting.
    #[error("PostgreSQL ended while starting: {0}")]
    Ended(String),
    /// Postgres did not come up in time.
    #[error("PostgreSQL was not ready within {after:?}: look at its output{}", tail(.output))]
    StartTimeout {
        /// The bound.
        after: Duration,
        /// Its last words.
        output: String,
    },
    /// A Postgres that was left over does not stop.
    #[error("PostgreSQL process {0} of an earlier run does not stop: end it by hand (`kill -QUIT {0}`)")]
    LeftoverStays(i32),
    /// It runs, but the database could not be set up.
    #[error("setting up the private database failed: {0}")]
    Setup(#[source] sqlx::Error),
    /// Anything else of the file system.
    #[error("{what} {path} failed: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn tail(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!(": {output}") }
}

impl EmbeddedError {
    /// The sentence that fits an error of the file system.
    pub(super) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission { what, path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, detail: source.to_string() }
            }
            _ => Self::Io { what, path, source },
        }
    }

    /// The sentence that fits what a Postgres program said before it ended; `otherwise` if none does.
    pub(super) fn from_output(output: String, dir: &Path, otherwise: fn(String) -> Self) -> Self {
        let dir = dir.to_owned();
        if output.contains("No space left on device") {
            Self::DiskFull { path: dir, detail: "No space left on device".to_owned() }
        } else if output.contains("Permission denied") {
            Self::Permission { what: "using", path: dir }
        } else if output.contains("Address already in use")
            || output.contains("could not create any Unix-domain")
        {
            Self::SocketInUse { dir }
        } else {
            otherwise(output)
        }
    }
}
