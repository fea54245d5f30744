//! `GET /api/health`: is the service well, and if not, which of its dependencies is not.
//!
//! Admin does not know all that a process depends on: whoever builds the process hands in a [`Probe`] for each
//! dependency. All are asked at once and none is waited for longer than [`PATIENCE`]; the result is kept for a
//! moment, so that whoever polls health does not become the load on a sick database.

mod configuration;
mod postgres;
mod probe;
mod redis;
mod snapshot;
mod spool;

pub use configuration::ConfigurationProbe;
pub use postgres::PostgresProbe;
pub use probe::{Check, Detail, Probe, State, Unused};
pub use redis::RedisProbe;
pub use snapshot::SnapshotProbe;
pub use spool::SpoolProbe;

use crate::caller::Caller;
use crate::permission::Permission;
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State as Shared;
use axum::{Extension, Json};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::task::JoinSet;
use utoipa::ToSchema;

/// Longest wait for a probe.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// How long a report is good.
const FRESH: Duration = Duration::from_millis(500);

/// Health of the service.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`; `degraded`: traffic flows but something is missing; `failing`: it cannot do its work.
    status: State,
    /// Version of the binary.
    #[schema(value_type = String, example = "0.1.0")]
    version: &'static str,
    /// Seconds since the process started.
    uptime_seconds: u64,
    /// Name of this instance. Needs the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// One sentence for each thing that is wrong. Needs the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<String>>,
    /// Each dependency. Needs the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    dependencies: Option<Vec<Dependency>>,
}

/// Health of one dependency.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Dependency {
    /// Its name.
    #[schema(example = "postgres")]
    name: String,
    /// Without it nothing works: if it fails, the service fails.
    essential: bool,
    /// How it is.
    state: State,
    /// Why it is not `ok`.
    reason: Option<String>,
    /// Since when it is in this state, where that is known.
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    /// How long the probe took, in microseconds.
    latency_us: u64,
    /// What it says about itself; None where it did not answer.
    detail: Option<Detail>,
}

/// The probes and their last answers.
pub struct Board {
    probes: Vec<Arc<dyn Probe>>,
    last: tokio::sync::Mutex<Option<(Instant, Arc<[Dependency]>)>>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.probes.iter().map(|p| p.name())).finish()
    }
}

impl Board {
    /// A board of these probes, shown in this order.
    pub fn new(probes: Vec<Arc<dyn Probe>>) -> Self {
        Self { probes, last: tokio::sync::Mutex::default() }
    }

    /// How everything is. Askers that come together share one round of probes.
    pub async fn look(&self) -> Arc<[Dependency]> {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < FRESH
        {
            return Arc::clone(report);
        }
        let mut asked = JoinSet::new();
        for (place, probe) in self.probes.iter().cloned().enumerate() {
            asked.spawn(async move { (place, ask(&*probe).await) });
        }
        let mut answers: Vec<(usize, Dependency)> = Vec::with_capacity(self.probes.len());
        while let Some(answer) = asked.join_next().await {
            // A probe that panics is as good as one that says nothing: the next lines find it missing.
            answers.extend(answer.ok());
        }
        for (place, probe) in self.probes.iter().enumerate() {
            if !answers.iter().any(|(p, _)| *p == place) {
                answers.push((place, silent(&**probe, "the probe failed", Duration::ZERO)));
            }
        }
        answers.sort_by_key(|(place, _)| *place);
        let report: Arc<[Dependency]> = answers.into_iter().map(|(_, d)| d).collect();
        *last = Some((Instant::now(), Arc::clone(&report)));
        report
    }
}

async fn ask(probe: &dyn Probe) -> Dependency {
    let began = Instant::now();
    match tokio::time::timeout(PATIENCE, probe.check()).await {
        Ok(check) => Dependency {
            name: probe.name().to_owned(),
            essential: probe.essential(),
            state: check.state,
            reason: check.reason,
            since: check.since,
            latency_us: micros(began.elapsed()),
            detail: Some(check.detail),
        },
        Err(_) => silent(probe, "no answer in time", began.elapsed()),
    }
}

fn silent(probe: &dyn Probe, reason: &str, after: Duration) -> Dependency {
    Dependency {
        name: probe.name().to_owned(),
        essential: probe.essential(),
        state: State::Failing,
        reason: Some(reason.to_owned()),
        since: None,
        latency_us: micros(after),
        detail: None,
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

/// The worst that essential dependencies are; others can only degrade.
fn overall(dependencies: &[Dependency]) -> State {
    dependencies
        .iter()
        .map(|d| if d.essential { d.state } else { d.state.min(State::Degraded) })
        .max()
        .unwrap_or(State::Ok)
}

/// Health of this process
///
/// Answers 200 whenever the admin service itself works. Without a token: status, version and uptime only.
#[utoipa::path(get, path = "/api/health", tag = "health", operation_id = "getHealth",
    responses((status = 200, description = "How the service is.", body = Health)))]
pub(crate) async fn get(
    Shared(state): Shared<AdminState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Health>, Problem> {
    let dependencies = state.board().look().await;
    let detail = caller.may(Permission::HealthRead);
    Ok(Json(Health {
        status: overall(&dependencies),
        version: state.about().version,
        uptime_seconds: state.about().uptime().as_secs(),
        instance: detail.then(|| state.about().instance.clone()),
        reasons: detail.then(|| {
            dependencies.iter().filter_map(|d| Some(format!("{}: {}", d.name, d.reason.as_ref()?))).collect()
        }),
        dependencies: detail.then(|| dependencies.to_vec()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Fixed(&'static str, bool, State);

    #[async_trait::async_trait]
    impl Probe for Fixed {
        fn name(&self) -> &str {
            self.0
        }
        fn essential(&self) -> bool {
            self.1
        }
        async fn check(&self) -> Check {
            let reason = (self.2 != State::Ok).then(|| "it is so".to_owned());
            Check { state: self.2, reason, since: None, detail: Detail::Other { values: BTreeMap::new() } }
        }
    }

    struct Hangs(AtomicUsize);

    #[async_trait::async_trait]
    impl Probe for Hangs {
        fn name(&self) -> &str {
            "hangs"
        }
        async fn check(&self) -> Check {
            self.0.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        }
    }

    struct Panics;

    #[async_trait::async_trait]
    impl Probe for Panics {
        fn name(&self) -> &str {
            "panics"
        }
        async fn check(&self) -> Check {
            panic!("no")
        }
    }

    async fn status(probes: Vec<Arc<dyn Probe>>) -> State {
        overall(&Board::new(probes).look().await)
    }

    #[tokio::test]
    async fn only_the_essential_can_fail_the_service() {
        assert_eq!(status(vec![]).await, State::Ok);
        let ok = || Arc::new(Fixed("a", true, State::Ok));
        assert_eq!(status(vec![ok(), Arc::new(Fixed("b", false, State::Failing))]).await, State::Degraded);
        assert_eq!(status(vec![ok(), Arc::new(Fixed("b", true, State::Degraded))]).await, State::Degraded);
        assert_eq!(status(vec![ok(), Arc::new(Fixed("b", true, State::Failing))]).await, State::Failing);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_hangs_or_panics_takes_nobody_along() {
        let hangs = Arc::new(Hangs(AtomicUsize::new(0)));
        let board =
            Board::new(vec![Arc::new(Panics), hangs.clone(), Arc::new(Fixed("fine", true, State::Ok))]);
        let began = tokio::time::Instant::now();
        let (one, two) = tokio::join!(board.look(), board.look());
        assert_eq!(began.elapsed(), PATIENCE);
        assert_eq!(hangs.0.load(Ordering::SeqCst), 1, "those who ask together share a round");
        for report in [one, two] {
            let seen: Vec<_> =
                report.iter().map(|d| (d.name.as_str(), d.state, d.reason.as_deref())).collect();
            assert_eq!(
                seen,
                [
                    ("panics", State::Failing, Some("the probe failed")),
                    ("hangs", State::Failing, Some("no answer in time")),
                    ("fine", State::Ok, None)
                ]
            );
        }
    }
}
