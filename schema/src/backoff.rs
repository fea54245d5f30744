//! Waits between attempts: doubling, capped, jittered, so that a fleet does not return in step.

use std::time::Duration;

/// A growing wait. The n-th wait is drawn from the upper half of `min(base · 2ⁿ, cap)`.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    next: Duration,
}

impl Backoff {
    /// Waits from `base` up to `cap`.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, next: base }
    }

    /// The next wait.
    #[allow(clippy::should_implement_trait, reason = "no iterator: it never ends, and it starts over")]
    pub fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.cap);
        let half = whole / 2;
        half + half.mul_f64(random_fraction())
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.next = self.base;
    }
}

/// A number in [0, 1]. Without a random source there is no jitter, which is no reason to fail.
fn random_fraction() -> f64 {
    getrandom::u32().map_or(1.0, |n| f64::from(n) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_its_cap_and_starts_over() {
        let mut b = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        for whole in [100, 200, 350, 350] {
            let wait = b.next();
            assert!(
                wait >= Duration::from_millis(whole / 2) && wait <= Duration::from_millis(whole),
                "{wait:?}"
            );
        }
        b.reset();
        assert!(b.next() <= Duration::from_millis(100));
    }
}
