//! Time-outs of waits that nearly always end before them.
//!
//! Pingora's timers are cheap to make: waits that would end within the same 10 ms share one. But nothing takes a timer
//! away before its time, so a wait of ten minutes that is over after a second leaves one behind for ten minutes: at any
//! load 60 000 of them a thread, which is 7 MB. Here the ends of long waits are put on a grid as wide as a sixteenth of
//! the wait (a second at most), so that they share timers too: 600 for the same ten minutes.

use pingora_timeout::Timeout;
use pingora_timeout::fast_timeout::FastOrTokioTimeout;
use std::future::Future;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The widest grid, ms.
const WIDEST: u64 = 1000;
/// Pingora's own, ms: anything finer is left to it.
const FINEST: u64 = 10;

/// Where the grid begins.
static ZERO: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Waits for `future` for at least `wait`, and for at most a sixteenth of it (or a second) more. For what is seldom ready
/// at once: else Pingora's own time-out costs less, as it makes its timer only then.
pub(crate) fn timeout<F: Future>(wait: Duration, future: F) -> Timeout<F, FastOrTokioTimeout> {
    pingora_timeout::timeout(on_grid(ZERO.elapsed(), wait), future)
}

/// The wait that begins at `now` (since the grid's beginning), made longer so that it ends on the grid.
fn on_grid(now: Duration, wait: Duration) -> Duration {
    let step = ms(wait / 16).min(WIDEST);
    if step < FINEST {
        return wait;
    }
    ms(now.saturating_add(wait))
        .saturating_add(1) // what `ms` cut off
        .checked_next_multiple_of(step)
        .map_or(wait, |end| Duration::from_millis(end).saturating_sub(now))
}

/// Whole milliseconds.
fn ms(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn never_early_and_a_sixteenth_late_at_most(now in 0u64..1 << 50, wait in 0u64..1 << 42) {
            let (now, wait) = (Duration::from_micros(now), Duration::from_micros(wait));
            let got = on_grid(now, wait);
            prop_assert!(got >= wait);
            let late = got - wait;
            prop_assert!(late <= wait / 16 + Duration::from_millis(1), "{wait:?} became {got:?}");
            prop_assert!(late <= Duration::from_millis(WIDEST + 1), "{wait:?} became {got:?}");
        }
    }

    #[test]
    fn waits_of_ten_minutes_share_their_ends() {
        // LESSONS, resilience: memory that grows
        let wait = Duration::from_secs(600);
        let ends: BTreeSet<Duration> = (0..60_000u64)
            .map(|n| Duration::from_micros(n * 10_000 + 137))
            .map(|now| now + on_grid(now, wait))
            .collect();
        assert_eq!(ends.len(), 600);
    }

    #[test]
    fn short_waits_are_as_told_and_endless_ones_do_not_overflow() {
        let short = Duration::from_millis(150);
        assert_eq!(on_grid(Duration::from_millis(7), short), short);
        let endless = Duration::from_secs(u64::MAX / 2);
        assert_eq!(on_grid(Duration::from_millis(7), endless), endless);
    }
}
