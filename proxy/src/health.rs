//! Is this instance alive, and may it get traffic?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tokio::sync::Notify;

/// Liveness, readiness and the calls in flight.
#[derive(Debug, Default)]
pub struct Health {
    has_snapshot: AtomicBool,
    draining: AtomicBool,
    in_flight: AtomicI64,
    idle: Notify,
}

impl Health {
    /// A snapshot is there: traffic can be judged.
    pub fn set_snapshot(&self) {
        self.has_snapshot.store(true, Ordering::Release);
    }

    /// No new traffic, please.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.idle.notify_waiters();
    }

    /// Was the end announced?
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// None: ready; otherwise why not. Ready without providers, without Postgres, without ClickHouse.
    pub fn not_ready(&self) -> Option<&'static str> {
        if self.draining() {
            Some("draining")
        } else if !self.has_snapshot.load(Ordering::Acquire) {
            Some("no snapshot yet")
        } else {
            None
        }
    }

    /// Calls in flight.
    pub fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Counts a call until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight(self.clone())
    }

    /// Waits until no call is in flight.
    pub async fn until_idle(&self) {
        loop {
            let woken = self.idle.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            woken.await;
        }
    }
}

/// A call in flight.
#[derive(Debug)]
pub struct InFlight(Arc<Health>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 && self.0.draining() {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LESSONS: readiness that fails because ClickHouse is down, or before the first provider exists.
    #[test]
    fn ready_needs_a_snapshot_and_no_drain_and_nothing_else() {
        let h = Health::default();
        assert_eq!(h.not_ready(), Some("no snapshot yet"));
        h.set_snapshot();
        assert_eq!(h.not_ready(), None);
        h.drain();
        assert_eq!(h.not_ready(), Some("draining"));
    }

    #[tokio::test]
    async fn idle_comes_when_the_last_call_ends() {
        let h = Arc::new(Health::default());
        let (a, b) = (h.enter(), h.enter());
        h.drain();
        let waiter = tokio::spawn({
            let h = h.clone();
            async move { h.until_idle().await }
        });
        drop(a);
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished() && h.in_flight() == 1);
        drop(b);
        waiter.await.unwrap();
    }
}
