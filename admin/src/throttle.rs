//! Failed sign-ins, counted per address.
//!
//! A guesser gets a handful of tries a minute; after that the address is refused unread until its window is over.
//! The same wrong token again is no new guess: a monitor with a stale token locks nobody out. Bounded: when the
//! map is full the address that was quiet for longest is forgotten.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many guesses are allowed, and how much is remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Wrong tokens of one address inside the window.
    pub(crate) failures: u32,
    /// Starts with the first failure.
    pub(crate) window: Duration,
    /// Addresses remembered.
    pub(crate) addresses: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { failures: 10, window: Duration::from_secs(60), addresses: 4096 }
    }
}

#[derive(Debug)]
struct Entry {
    since: Instant,
    last: Instant,
    failures: u32,
    last_guess: [u8; 32],
}

/// The counters.
#[derive(Debug)]
pub(crate) struct Throttle {
    limits: Limits,
    entries: Mutex<HashMap<IpAddr, Entry>>,
}

impl Throttle {
    /// With these limits.
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, entries: Mutex::default() }
    }

    /// How long `address` must wait, if it must.
    pub(crate) fn blocked(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&network(address))?;
        let over = entry.since + self.limits.window;
        (entry.failures >= self.limits.failures && now < over).then(|| over - now)
    }

    /// Counts a wrong token (known by its hash).
    pub(crate) fn failed(&self, address: IpAddr, guess: [u8; 32], now: Instant) {
        let address = network(address);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if !entries.contains_key(&address) && entries.len() >= self.limits.addresses {
            let window = self.limits.window;
            entries.retain(|_, e| now < e.since + window);
            if entries.len() >= self.limits.addresses {
                let quietest = entries.iter().min_by_key(|(_, e)| e.last).map(|(a, _)| *a);
                quietest.and_then(|a| entries.remove(&a));
            }
        }
        let entry = entries.entry(address).or_insert(Entry {
            since: now,
            last: now,
            failures: 0,
            last_guess: [0; 32],
        });
        if now >= entry.since + self.limits.window {
            entry.since = now;
            entry.failures = 0;
        } else if entry.failures > 0 && entry.last_guess == guess {
            entry.last = now;
            return;
        }
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
        entry.last_guess = guess;
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.lock().unwrap().len()
    }
}

/// An IPv6 host owns a whole /64; an IPv4 address inside IPv6 is the IPv4 address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn guess(n: u32) -> [u8; 32] {
        crate::token::digest(&n.to_string())
    }

    #[test]
    fn blocks_after_so_many_and_lets_go_when_the_window_is_over() {
        let t = Throttle::new(Limits { failures: 3, window: Duration::from_secs(60), addresses: 8 });
        let now = Instant::now();
        for n in 0..3 {
            assert_eq!(t.blocked(A, now), None);
            t.failed(A, guess(n), now + Duration::from_secs(1));
        }
        assert_eq!(t.blocked(A, now + Duration::from_secs(2)), Some(Duration::from_secs(59)));
        assert_eq!(t.blocked("192.0.2.2".parse().unwrap(), now), None, "another address");
        assert_eq!(t.blocked("::ffff:192.0.2.1".parse().unwrap(), now), Some(Duration::from_secs(61)));
        assert_eq!(t.blocked(A, now + Duration::from_secs(61)), None);
        t.failed(A, guess(9), now + Duration::from_secs(62));
        assert_eq!(t.blocked(A, now + Duration::from_secs(62)), None, "a new window");
    }

    #[test]
    fn the_same_wrong_token_is_one_guess() {
        let t = Throttle::new(Limits { failures: 2, ..Limits::default() });
        let now = Instant::now();
        for _ in 0..100 {
            t.failed(A, guess(1), now);
        }
        assert_eq!(t.blocked(A, now), None);
        t.failed(A, guess(2), now);
        assert!(t.blocked(A, now).is_some());
    }

    #[test]
    fn bounded_and_an_ipv6_host_is_its_network() {
        let t = Throttle::new(Limits { failures: 1, addresses: 16, ..Limits::default() });
        let now = Instant::now();
        for n in 0..1000_u32 {
            t.failed(IpAddr::V4(n.into()), guess(n), now + Duration::from_millis(n.into()));
        }
        assert_eq!(t.len(), 16);
        let late = now + Duration::from_secs(2);
        assert!(t.blocked(IpAddr::V4(999.into()), late).is_some(), "the newest stay");
        t.failed("2001:db8::1".parse().unwrap(), guess(1), late);
        assert!(t.blocked("2001:db8::ffff:1".parse().unwrap(), late).is_some());
        assert!(t.blocked("2001:db8:0:1::1".parse().unwrap(), late).is_none());
    }
}
