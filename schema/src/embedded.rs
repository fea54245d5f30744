//! The private Postgres of a newcomer: `sallyport run` without a database URL starts and minds one of its own under
//! `data_dir/postgres`, reachable through a Unix socket in a directory that only its user (and root) may enter.
//!
//! One process owns it ([`Embedded::start`], held by a file lock that the kernel drops with the process); others on
//! the same machine use it ([`Embedded::attach`]). Linux only: it reads `/proc`.

mod binaries;
mod cluster;
mod error;
mod identity;
mod leftover;
mod output;
mod place;
mod process;
mod supervisor;

pub use error::EmbeddedError;

use cluster::Cluster;
use identity::RunAs;
use place::Place;
use std::path::PathBuf;
use std::time::Duration;
use supervisor::Supervisor;
use tokio::time::{Instant, sleep};

/// How the private Postgres is to be run.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Sallyport's data directory; Postgres lives in `postgres/` below.
    pub data_dir: PathBuf,
    /// Directory of `initdb` and `postgres`; None: looked for in PATH and `/usr/lib/postgresql/*/bin`.
    pub bin_dir: Option<PathBuf>,
    /// How long start-up, crash recovery included, may take.
    pub start_timeout: Duration,
}

impl EmbeddedOptions {
    /// Defaults for a data directory: binaries from the system, one minute to start.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), bin_dir: None, start_timeout: Duration::from_secs(60) }
    }
}

/// How long to wait for the lock: another process may be on its way out.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// Pause between looks at something that another process does.
const LOOK: Duration = Duration::from_millis(20);

/// A private Postgres that this process owns. It is restarted when it dies, and stopped by
/// [`shutdown`](Self::shutdown) or, without waiting, on drop.
pub struct Embedded {
    place: Place,
    supervisor: Supervisor,
    // dropped last: releases the lock
    _lock: std::fs::File,
}

/// What [`Embedded::open`] gave.
pub enum Access {
    /// Nobody ran it: this process does now.
    Owned(Embedded),
    /// Another process runs it: its URL.
    Attached(String),
}

impl Access {
    /// Where to connect.
    pub fn url(&self) -> &str {
        match self {
            Self::Owned(embedded) => embedded.url(),
            Self::Attached(url) => url,
        }
    }

    /// Stops what this process owns.
    pub async fn shutdown(self) {
        if let Self::Owned(embedded) = self {
            embedded.shutdown().await;
        }
    }
}

impl Embedded {
    /// Starts the private Postgres (creating it at the first time) and waits until it answers.
    /// [`EmbeddedError::InUse`] if another process owns it: [`attach`](Self::attach) then.
    pub async fn start(options: &EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let data_dir = std::path::absolute(&options.data_dir)
            .map_err(|e| EmbeddedError::io("finding", &options.data_dir, e))?;
        let run_as = RunAs::choose(&data_dir)?;
        let mut place = Place::prepare(&data_dir, &run_as)?;
        let lock = Self::lock(&place).await?;
        let cluster = Cluster::find(&place, &run_as, options.bin_dir.as_deref())?;
        leftover::stop(&place.pgdata()).await?;
        cluster.create_if_missing(&place).await?;
        place.make_socket_dir(&run_as)?;

        let supervisor = Supervisor::start(cluster, &place)?;
        let embedded = Self { place, supervisor, _lock: lock };
        // On an error the drop of `embedded` stops what was started.
        embedded.supervisor.ready(&embedded.place, options.start_timeout).await?;
        cluster::create_database(&embedded.place).await?;
        embedded.place.publish()?;
        Ok(embedded)
    }

    /// The URL of the private Postgres that another process on this machine runs; None if nobody does.
    /// Waits while that process is still starting.
    pub async fn attach(options: &EmbeddedOptions) -> Result<Option<String>, EmbeddedError> {
        let data_dir = std::path::absolute(&options.data_dir)
            .map_err(|e| EmbeddedError::io("finding", &options.data_dir, e))?;
        let deadline = Instant::now() + options.start_timeout;
        loop {
            if !Place::is_locked(&data_dir)? {
                return Ok(None);
            }
            if let Some(url) = Place::published(&data_dir)? {
                return Ok(Some(url));
            }
            if Instant::now() >= deadline {
                return Err(EmbeddedError::StartTimeout {
                    after: options.start_timeout,
                    output: String::new(),
                });
            }
            sleep(LOOK).await;
        }
    }

    /// [`attach`](Self::attach)es where one runs, else [`start`](Self::start)s: what a command-line tool wants.
    pub async fn open(options: &EmbeddedOptions) -> Result<Access, EmbeddedError> {
        if let Some(url) = Self::attach(options).await? {
            return Ok(Access::Attached(url));
        }
        match Self::start(options).await {
            Ok(embedded) => Ok(Access::Owned(embedded)),
            // somebody was faster
            Err(in_use @ EmbeddedError::InUse { .. }) => {
                Self::attach(options).await?.map(Access::Attached).ok_or(in_use)
            }
            Err(other) => Err(other),
        }
    }

    /// Where to connect. Holds no password: the socket's directory is the guard.
    pub fn url(&self) -> &str {
        self.place.url()
    }

    /// Process id of the postmaster; None while it is down.
    pub fn pid(&self) -> Option<i32> {
        self.supervisor.pid()
    }

    /// How often it died and was started again.
    pub fn restarts(&self) -> u64 {
        self.supervisor.restarts()
    }

    /// Stops it: a fast shutdown (open transactions are rolled back), and if that takes too long an immediate one
    /// (recovery at the next start; nothing acknowledged is lost).
    pub async fn shutdown(self) {
        self.place.unpublish();
        self.supervisor.stop().await;
        self.place.clean_up();
    }

    /// Kills it without ceremony, for tests of its restart and for throwaway clusters.
    #[cfg(any(test, feature = "testing"))]
    pub fn kill(&self, signal: nix::sys::signal::Signal) {
        self.supervisor.signal(signal);
    }

    /// Ends it at once and waits for that in the calling thread, for throwaway clusters.
    #[cfg(any(test, feature = "testing"))]
    pub fn stop_now(&self) {
        self.supervisor.stop_now();
        self.place.clean_up();
    }

    /// Lets go of it without stopping it: what a killed owner leaves behind, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn abandon(self) {
        self.supervisor.abandon();
    }

    async fn lock(place: &Place) -> Result<std::fs::File, EmbeddedError> {
        let deadline = Instant::now() + LOCK_WAIT;
        loop {
            if let Some(lock) = place.try_lock()? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                return Err(EmbeddedError::InUse { dir: place.base().to_owned() });
            }
            sleep(LOOK).await;
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.place.unpublish();
        self.supervisor.stop_without_waiting();
    }
}
