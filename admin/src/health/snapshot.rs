//! The snapshot: is it fresh from the store, and does it hold everything that is stored?

use super::probe::{Check, Detail, Probe, State, Unused};
use sallyport_config::SnapshotCell;
use sallyport_config::snapshot::Source;
use std::sync::Arc;
use time::OffsetDateTime;

/// Findings shown; their number is always told.
const SHOWN: usize = 100;

/// Looks at the snapshot.
pub struct SnapshotProbe {
    cell: Arc<SnapshotCell>,
}

impl SnapshotProbe {
    /// A probe of this cell.
    pub fn new(cell: Arc<SnapshotCell>) -> Self {
        Self { cell }
    }
}

#[async_trait::async_trait]
impl Probe for SnapshotProbe {
    fn name(&self) -> &str {
        "snapshot"
    }

    fn essential(&self) -> bool {
        true
    }

    async fn check(&self) -> Check {
        let snapshot = self.cell.snapshot();
        let findings = self.cell.findings();
        let reason = match (snapshot.source, findings.first()) {
            (Source::Disk, _) => Some("the last-good copy on disk: Postgres has not answered yet".to_owned()),
            (Source::Store, Some(first)) => Some(format!(
                "{} stored resources are not used; the first: {}",
                findings.len(),
                first.message
            )),
            (Source::Store, None) => None,
        };
        let age = OffsetDateTime::now_utc() - snapshot.built_at;
        let detail = Detail::Snapshot {
            version: snapshot.version,
            source: snapshot.source.into(),
            age_seconds: u64::try_from(age.whole_seconds()).unwrap_or(0),
            keys: snapshot.keys.len(),
            providers: snapshot.providers.values().filter(|p| p.enabled).count(),
            models: snapshot.models.all().count(),
            unused: findings
                .iter()
                .take(SHOWN)
                .map(|f| Unused { kind: f.kind, name: f.name.clone(), id: f.id, message: f.message.clone() })
                .collect(),
        };
        let state = if reason.is_some() { State::Degraded } else { State::Ok };
        Check { state, reason, since: None, detail }
    }
}
