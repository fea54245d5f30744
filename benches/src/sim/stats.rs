//! What the simulator saw: counters, and the last requests verbatim.

use crate::sim::endpoint::{Endpoint, NAMES};
use bytes::Bytes;
use http::request::Parts;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Requests kept, and bytes of bodies kept among them.
const KEPT: usize = 16;
const KEPT_BYTES: usize = 64 << 20;
/// Names counted at most, so that random names do not fill the memory.
const NAMES_MAX: usize = 4096;

/// Counters since the start or the last reset.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    endpoints: ByEndpoint,
    pub(crate) connections: AtomicU64,
    pub(crate) open_connections: AtomicU64,
    open: AtomicU64,
    completed: AtomicU64,
    cancelled: AtomicU64,
    faults: AtomicU64,
    models: Mutex<HashMap<String, u64>>,
    last: Mutex<VecDeque<Recorded>>,
}

/// A counter an endpoint.
#[derive(Debug)]
struct ByEndpoint([AtomicU64; NAMES.len()]);

/// (The standard library knows arrays of up to 32.)
impl Default for ByEndpoint {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// A request as it came in.
#[derive(Debug)]
struct Recorded {
    parts: Parts,
    body: Bytes,
}

/// A poisoned lock is a panic elsewhere; counters are still good.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stats {
    /// Counts a call of an endpoint.
    pub(crate) fn count(&self, endpoint: Endpoint) {
        self.endpoints.0[endpoint as usize].fetch_add(1, Relaxed);
    }

    /// Counts a call for a model; says how many came before.
    pub(crate) fn count_model(&self, model: &str) -> u64 {
        let mut models = lock(&self.models);
        if let Some(n) = models.get_mut(model) {
            *n += 1;
            return *n - 1;
        }
        if models.len() < NAMES_MAX {
            models.insert(model.to_owned(), 1);
        }
        0
    }

    /// Keeps a request for `/__sim/last`.
    pub(crate) fn record(&self, parts: Parts, body: Bytes) {
        let mut last = lock(&self.last);
        last.push_back(Recorded { parts, body });
        while last.len() > KEPT
            || (last.len() > 1 && last.iter().map(|r| r.body.len()).sum::<usize>() > KEPT_BYTES)
        {
            last.pop_front();
        }
    }

    /// Everything to zero (what is open stays open).
    pub(crate) fn reset(&self) {
        for n in
            self.endpoints.0.iter().chain([&self.completed, &self.cancelled, &self.faults, &self.connections])
        {
            n.store(0, Relaxed);
        }
        lock(&self.models).clear();
        lock(&self.last).clear();
    }

    /// The body of `/__sim/stats`.
    pub(crate) fn report(&self, name: &str) -> Value {
        let requests: BTreeMap<&str, u64> = NAMES
            .iter()
            .zip(&self.endpoints.0)
            .map(|(name, n)| (*name, n.load(Relaxed)))
            .filter(|(_, n)| *n > 0)
            .collect();
        json!({
            "name": name,
            "requests": requests,
            "total": requests.values().sum::<u64>(),
            "open": self.open.load(Relaxed),
            "completed": self.completed.load(Relaxed),
            "cancelled": self.cancelled.load(Relaxed),
            "faults": self.faults.load(Relaxed),
            "models": lock(&self.models).iter().collect::<BTreeMap<_, _>>(),
            "connections": {
                "accepted": self.connections.load(Relaxed),
                "open": self.open_connections.load(Relaxed),
            },
        })
    }

    /// The last requests, newest last.
    pub(crate) fn last(&self) -> Vec<Value> {
        lock(&self.last).iter().map(Recorded::report).collect()
    }
}

impl Recorded {
    fn report(&self) -> Value {
        let headers: Vec<[String; 2]> = self
            .parts
            .headers
            .iter()
            .map(|(k, v)| [k.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()])
            .collect();
        json!({
            "method": self.parts.method.as_str(),
            "path": self.parts.uri.path(),
            "query": self.parts.uri.query(),
            "version": format!("{:?}", self.parts.version),
            "headers": headers,
            "body": String::from_utf8_lossy(&self.body),
            "body_bytes": self.body.len(),
        })
    }
}

/// A call that is being answered. Dropped before it was finished, it counts as cancelled: the server drops a call
/// exactly when its client has gone.
#[derive(Debug)]
pub(crate) struct Guard {
    stats: Arc<Stats>,
    over: bool,
}

impl Guard {
    pub(crate) fn new(stats: &Arc<Stats>) -> Self {
        stats.open.fetch_add(1, Relaxed);
        Self { stats: Arc::clone(stats), over: false }
    }

    /// The answer is out.
    pub(crate) fn completed(&mut self) {
        self.finish(|s| &s.completed);
    }

    /// The simulator itself broke it off, as it was told.
    pub(crate) fn broken_off(&mut self) {
        self.finish(|s| &s.faults);
    }

    fn finish(&mut self, counter: fn(&Stats) -> &AtomicU64) {
        if !std::mem::replace(&mut self.over, true) {
            counter(&self.stats).fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.finish(|s| &s.cancelled);
        self.stats.open.fetch_sub(1, Relaxed);
    }
}
