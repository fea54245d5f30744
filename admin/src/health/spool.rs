//! The call log's spool: do calls reach the store, and have any been lost?

use super::probe::{Check, Detail, Probe, State};
use sallyport_schema::spool::SpoolStats;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use time::{Duration, OffsetDateTime};

/// A loss is a reason for concern for so long.
const CONCERN: Duration = Duration::minutes(10);

/// Looks at the spool's counters.
pub struct SpoolProbe {
    stats: Arc<SpoolStats>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    lost: u64,
    lost_at: Option<OffsetDateTime>,
    stuck_since: Option<OffsetDateTime>,
}

impl SpoolProbe {
    /// A probe of the spool with these counters.
    pub fn new(stats: Arc<SpoolStats>) -> Self {
        Self { stats, seen: Mutex::default() }
    }

    fn check_at(&self, now: OffsetDateTime) -> Check {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let s = &*self.stats;
        let lost = read(&s.dropped_queue) + read(&s.dropped_spool) + read(&s.corrupt);
        let backlog = read(&s.backlog);
        let last_error = s.last_error();
        let detail = Detail::Spool {
            backlog,
            bytes: read(&s.spooled_bytes),
            dropped_queue: read(&s.dropped_queue),
            dropped_spool: read(&s.dropped_spool),
            corrupt: read(&s.corrupt),
            write_errors: read(&s.write_errors),
            shipped: read(&s.shipped),
            last_error: last_error.clone(),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if lost > seen.lost {
            seen.lost = lost;
            seen.lost_at = Some(now);
        }
        seen.stuck_since = last_error.as_ref().map(|_| seen.stuck_since.unwrap_or(now));
        let recent = seen.lost_at.filter(|at| now - *at < CONCERN);
        let mut reasons = Vec::new();
        reasons.extend(last_error.map(|e| format!("calls wait on disk ({backlog}): {e}")));
        reasons.extend(recent.map(|_| format!("calls lost since the start: {lost}")));
        let (state, reason) = match reasons.is_empty() {
            true => (State::Ok, None),
            false => (State::Degraded, Some(reasons.join("; "))),
        };
        Check { state, reason, since: seen.stuck_since.or(recent), detail }
    }
}

#[async_trait::async_trait]
impl Probe for SpoolProbe {
    fn name(&self) -> &str {
        "spool"
    }

    async fn check(&self) -> Check {
        self.check_at(OffsetDateTime::now_utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_for_a_while() {
        let stats = Arc::new(SpoolStats::default());
        let probe = SpoolProbe::new(stats.clone());
        let now = OffsetDateTime::now_utc();
        assert_eq!(probe.check_at(now).state, State::Ok);
        stats.dropped_queue.store(2, Ordering::Relaxed);
        stats.dropped_spool.store(1, Ordering::Relaxed);
        let check = probe.check_at(now);
        assert_eq!((check.state, check.since), (State::Degraded, Some(now)));
        assert_eq!(check.reason.as_deref(), Some("calls lost since the start: 3"));
        assert_eq!(probe.check_at(now + CONCERN).state, State::Ok);
        stats.dropped_queue.store(3, Ordering::Relaxed);
        assert_eq!(probe.check_at(now + CONCERN).state, State::Degraded, "another loss");
    }
}
