//! The control endpoint, on the same port: `/__sim/health`, `/__sim/stats`, `/__sim/last`, `/__sim/requests`,
//! `POST /__sim/reset`. Its calls are not counted.

use crate::sim::call::State;
use http::Method;
use serde_json::{Value, json};

/// Status and body for a path below `/__sim/`.
pub(crate) fn answer(state: &State, method: &Method, path: &str) -> (u16, Value) {
    match (method.as_str(), path) {
        ("GET" | "HEAD", "health") => (200, json!({"status": "ok", "name": state.options.name})),
        ("GET", "stats") => (200, state.stats.report(&state.options.name)),
        ("GET", "last") => match state.stats.last().pop() {
            Some(last) => (200, last),
            None => (404, json!({"error": "no request yet"})),
        },
        ("GET", "requests") => (200, Value::Array(state.stats.last())),
        ("POST", "reset") => {
            state.reset();
            (200, json!({"status": "reset"}))
        }
        _ => (404, json!({"error": "health, stats, last, requests; POST reset"})),
    }
}
