//! What a dependency tells of its health.

use serde::Serialize;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// How something is; the worse, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = HealthState)]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, but not as it should.
    Degraded,
    /// It does not work.
    Failing,
}

/// What a probe found.
#[derive(Clone, Debug)]
pub struct Check {
    /// How it is.
    pub state: State,
    /// Why it is not `Ok`.
    pub reason: Option<String>,
    /// Since when it is so.
    pub since: Option<OffsetDateTime>,
    /// What it tells about itself.
    pub detail: Detail,
}

/// A dependency that can be asked for its health.
#[async_trait::async_trait]
pub trait Probe: Send + Sync + 'static {
    /// Its name in the report.
    fn name(&self) -> &str;

    /// Whether the service is useless without it.
    fn essential(&self) -> bool {
        false
    }

    /// How it is, now. It may be cancelled after [`PATIENCE`](super::PATIENCE).
    async fn check(&self) -> Check;
}

/// What a dependency tells about itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = HealthDetail)]
pub enum Detail {
    /// The control plane's database.
    Postgres {
        /// It answered a question just now.
        answers: bool,
        /// Changes are being heard as they happen.
        listening: bool,
    },
    /// The call log's way to the store.
    Spool {
        /// Calls on disk that the store does not have yet.
        backlog: u64,
        /// Calls lost since the process started: queue full, or the oldest segment dropped.
        dropped: u64,
        /// Disk in use.
        bytes: u64,
        /// Last error on the way to the store.
        last_error: Option<String>,
    },
    /// The configuration files.
    Configuration {
        /// When the running configuration was loaded.
        #[serde(with = "time::serde::rfc3339")]
        loaded_at: OffsetDateTime,
        /// SHA-256 of the merged document.
        hash: String,
        /// Error of the last reload, if it failed: the running configuration is older than the files.
        last_error: Option<String>,
        /// Reloads that failed since the process started.
        failures: u64,
        /// Changed settings that only a restart brings into effect.
        restart_needed: Vec<String>,
        /// Names that YAML and the store both define (YAML wins).
        clashes: Vec<String>,
    },
    /// What requests read.
    Snapshot {
        /// Counts up with every change.
        version: u64,
        /// `store`, or `disk`: the last-good copy, because Postgres has not answered yet.
        source: String,
        /// Seconds since it was built.
        age_seconds: u64,
        /// Virtual keys in it.
        keys: u64,
        /// Providers that take traffic.
        providers: u64,
        /// Models that can be asked for.
        models: u64,
    },
    /// Anything else.
    Other {
        /// By name.
        #[schema(value_type = BTreeMap<String, serde_json::Value>)]
        values: BTreeMap<String, serde_json::Value>,
    },
}
