//! How often the API may be asked: by one address, and by one account. (Guesses of tokens and passwords are counted
//! elsewhere, more strictly.)

use crate::problem::Problem;
use crate::state::AdminState;
use crate::throttle::network;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use http::StatusCode;
use sallyport_config::model::RateLimit;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

/// Keys remembered; beyond that those that have been quiet for long are forgotten.
const MOST: usize = 10_000;
/// Requests between two looks at how many are remembered.
const SWEEP: u32 = 1000;

/// The counters.
#[derive(Debug)]
pub(crate) struct Pace {
    addresses: Option<Counter<IpAddr>>,
    accounts: Option<Counter<String>>,
    clock: DefaultClock,
}

#[derive(Debug)]
struct Counter<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, HashMapStateStore<K>, DefaultClock>,
    taken: AtomicU32,
}

impl<K: Hash + Eq + Clone> Counter<K> {
    /// So many a minute, all of them at once if need be; 0: any number.
    fn new(a_minute: u32) -> Option<Self> {
        let limiter = RateLimiter::hashmap(Quota::per_minute(NonZeroU32::new(a_minute)?));
        Some(Self { limiter, taken: AtomicU32::new(0) })
    }

    fn take(&self, key: &K, clock: &DefaultClock) -> Result<(), Problem> {
        // Now and then: a sweep walks over all of them.
        if self.taken.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP) && self.limiter.len() > MOST {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        self.limiter.check_key(key).map_err(|until| {
            let wait = until.wait_time_from(clock.now()).as_secs() + 1;
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "too many requests: wait for the time in Retry-After (admin.rate_limit says how many there may be)",
            )
            .retry_after(wait)
        })
    }
}

impl Pace {
    /// With these limits.
    pub(crate) fn new(limits: &RateLimit) -> Self {
        Self {
            addresses: Counter::new(limits.address),
            accounts: Counter::new(limits.account),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request of an address (IPv6: of its /64).
    pub(crate) fn address(&self, from: IpAddr) -> Result<(), Problem> {
        self.addresses.as_ref().map_or(Ok(()), |c| c.take(&network(from), &self.clock))
    }

    /// Counts a request of somebody who has shown who he is.
    pub(crate) fn account(&self, id: &str) -> Result<(), Problem> {
        self.accounts.as_ref().map_or(Ok(()), |c| c.take(&id.to_owned(), &self.clock))
    }
}

/// Refuses an address that asks too often.
pub(crate) async fn by_address(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    let crate::caller::Peer(from) = crate::caller::Peer::of(request.extensions());
    match state.pace().address(from) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_count_and_none_is_none() {
        let pace = Pace::new(&RateLimit { address: 3, account: 0 });
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for _ in 0..3 {
            assert!(pace.address(ip("192.0.2.1")).is_ok());
            assert!(pace.account("a").is_ok());
        }
        let refused = pace.address(ip("192.0.2.1")).unwrap_err();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(pace.address(ip("192.0.2.2")).is_ok());
        assert!(pace.account("a").is_ok());
        // one machine has a whole /64 of IPv6
        for n in 1..4 {
            assert!(pace.address(ip(&format!("2001:db8::{n}"))).is_ok());
        }
        assert!(pace.address(ip("2001:db8::9")).is_err());
    }
}
