//! What a dependency tells of its health.

use crate::snapshot::SnapshotSource;
use serde::Serialize;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

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

/// A stored resource that is not used.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = UnusedResource)]
pub struct Unused {
    /// `provider`, `model` or `route`.
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its row.
    pub id: Option<Uuid>,
    /// Why.
    pub message: String,
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
        /// Changes are being heard as they happen (false also with `database.listen: false`).
        listening: bool,
    },
    /// Redis, where one is configured.
    Redis {
        /// It answers (it is asked once a second).
        answers: bool,
        /// Changes are heard there.
        subscribed: bool,
        /// Reads from Postgres since the start because Redis told of a change that LISTEN had not.
        reads: u64,
        /// Messages since the start that named nothing.
        ignored: u64,
    },
    /// The call log's way to the store.
    Spool {
        /// Calls on disk that are not in the store.
        backlog: u64,
        /// Disk in use.
        bytes: u64,
        /// Calls lost since the start because the queue was full.
        dropped_queue: u64,
        /// Calls lost since the start because the spool was full.
        dropped_spool: u64,
        /// Damaged places in the spool that were skipped: at least a call each.
        corrupt: u64,
        /// Writes to the disk that failed and were tried again.
        write_errors: u64,
        /// Calls handed to the store since the start.
        shipped: u64,
        /// Last error of disk or store, until something succeeds there.
        last_error: Option<String>,
    },
    /// The configuration files.
    Configuration {
        /// When the running configuration was loaded.
        #[serde(with = "time::serde::rfc3339")]
        loaded_at: OffsetDateTime,
        /// SHA-256 of the merged document.
        hash: String,
        /// Reloads that brought something new.
        reloads: u64,
        /// Reloads that failed.
        failures: u64,
        /// Why the files on disk are not what runs.
        last_error: Option<String>,
        /// Settings whose new value waits for a restart.
        needs_restart: Vec<String>,
        /// What is allowed but looks wrong.
        warnings: Vec<String>,
    },
    /// What requests read.
    Snapshot {
        /// Counts up with every change.
        version: u64,
        /// Where its stored part came from.
        source: SnapshotSource,
        /// Seconds since it was built.
        age_seconds: u64,
        /// Virtual keys in it.
        keys: usize,
        /// Providers that take traffic.
        providers: usize,
        /// Models that can be asked for.
        models: usize,
        /// Stored resources that are not used: YAML has the name too, or they cannot be read. 100 at most.
        unused: Vec<Unused>,
    },
    /// Anything else.
    Other {
        /// By name.
        #[schema(value_type = BTreeMap<String, serde_json::Value>)]
        values: BTreeMap<String, serde_json::Value>,
    },
}
