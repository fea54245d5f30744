//! What the routes share.

use crate::guard::Guard;
use crate::health::{Board, Probe};
use crate::oidc::Oidc;
use crate::outside::Outside;
use crate::pace::Pace;
use crate::sign_in::SignIn;
use crate::throttle::{Limits, Throttle};
use crate::token::Bootstrap;
use sallyport_config::SnapshotCell;
use sallyport_config::model::Admin;
use sallyport_schema::envelope::KeyRing;
use sallyport_schema::log_store::LogStore;
use sallyport_schema::store::Store;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// The process that serves.
#[derive(Clone, Debug)]
pub struct About {
    /// Version of the binary.
    pub version: &'static str,
    /// Name of this instance.
    pub instance: String,
    /// The configuration files, in the order in which they were merged.
    pub files: Vec<String>,
    /// When the process started.
    pub started_at: OffsetDateTime,
    clock: Instant,
}

impl About {
    /// A process that starts now.
    pub fn now(version: &'static str, instance: impl Into<String>, files: Vec<String>) -> Self {
        Self {
            version,
            instance: instance.into(),
            files,
            started_at: OffsetDateTime::now_utc(),
            clock: Instant::now(),
        }
    }

    /// How long it has been running.
    pub fn uptime(&self) -> Duration {
        self.clock.elapsed()
    }
}

/// Where what the API manages is kept.
#[derive(Clone)]
pub struct Stored {
    /// The control plane's store.
    pub store: Store,
    /// Seals and opens secrets.
    pub keyring: Arc<KeyRing>,
}

/// What the service is made of.
pub struct Parts {
    /// The process that serves.
    pub about: About,
    /// The token that opens everything.
    pub bootstrap: Bootstrap,
    /// What is running.
    pub snapshot: Arc<SnapshotCell>,
    /// The call log.
    pub calls: Arc<dyn LogStore>,
    /// What health asks, in this order.
    pub probes: Vec<Arc<dyn Probe>>,
    /// Where what the API manages is kept.
    pub stored: Stored,
    /// The way out.
    pub outside: Arc<dyn Outside>,
}

/// What the routes share. Cheap to clone.
#[derive(Clone)]
pub struct AdminState(Arc<Inner>);

struct Inner {
    about: About,
    snapshot: Arc<SnapshotCell>,
    calls: Arc<dyn LogStore>,
    board: Board,
    stored: Stored,
    sign_in: Arc<SignIn>,
    guard: Arc<Guard>,
    tls: bool,
    outside: Arc<dyn Outside>,
    pace: Arc<Pace>,
    cors_origins: Vec<String>,
    oidc: Oidc,
}

impl AdminState {
    /// Puts the parts together. Of `rules` is read how people sign in, and how often the API may be asked.
    pub fn new(parts: Parts, rules: &Admin) -> Self {
        let Parts { about, bootstrap, snapshot, calls, probes, stored, outside } = parts;
        let sign_in = Arc::new(SignIn::new(rules, &stored.keyring));
        let pace = Arc::new(Pace::new(&rules.rate_limit));
        let cors_origins = rules.cors_origins.clone();
        let throttle = Throttle::new(Limits::default());
        let guard = Arc::new(Guard::new(
            bootstrap,
            throttle,
            Arc::clone(&pace),
            stored.clone(),
            Arc::clone(&sign_in),
        ));
        Self(Arc::new(Inner {
            about,
            snapshot,
            calls,
            board: Board::new(probes),
            stored,
            sign_in,
            guard,
            tls: rules.tls.is_some(),
            outside,
            pace,
            cors_origins,
            oidc: Oidc::new(rules),
        }))
    }

    /// The process that serves.
    pub fn about(&self) -> &About {
        &self.0.about
    }

    pub(crate) fn snapshot(&self) -> &SnapshotCell {
        &self.0.snapshot
    }

    pub(crate) fn calls(&self) -> &dyn LogStore {
        &*self.0.calls
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.stored.store
    }

    pub(crate) fn keyring(&self) -> &KeyRing {
        &self.0.stored.keyring
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.0.pace
    }

    /// Origins whose pages may use the API.
    pub(crate) fn cors_origins(&self) -> &[String] {
        &self.0.cors_origins
    }

    pub(crate) fn outside(&self) -> &dyn Outside {
        &*self.0.outside
    }

    pub(crate) fn oidc(&self) -> &Oidc {
        &self.0.oidc
    }

    pub(crate) fn sign_in(&self) -> &SignIn {
        &self.0.sign_in
    }

    pub(crate) fn board(&self) -> &Board {
        &self.0.board
    }

    /// The listener speaks TLS.
    pub(crate) fn tls(&self) -> bool {
        self.0.tls
    }

    pub(crate) fn guard(&self) -> Arc<Guard> {
        Arc::clone(&self.0.guard)
    }
}

impl std::fmt::Debug for AdminState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminState")
            .field("about", &self.0.about)
            .field("board", &self.0.board)
            .finish_non_exhaustive()
    }
}
