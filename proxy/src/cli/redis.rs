//! Redis, if the configuration names one.

use super::Failure;
use sallyport_config::model::Config;
use sallyport_proxy::metrics::Metrics;
use sallyport_schema::redis::{Redis, RedisOptions};
use sallyport_schema::store::Store;

/// Begins to connect; that it cannot be reached is no reason not to start.
pub(super) fn start(config: &Config) -> Result<Option<Redis>, Failure> {
    let r = &config.redis;
    let Some(url) = &r.url else { return Ok(None) };
    let authorities = match &r.ca_file {
        Some(file) => Some(
            std::fs::read(file).map_err(|e| format!("redis.ca_file: cannot read {}: {e}", file.display()))?,
        ),
        None => None,
    };
    let options = RedisOptions {
        url: url.expose().to_owned(),
        authorities,
        prefix: r.prefix.clone(),
        connect_timeout: r.connect_timeout.get(),
        command_timeout: r.command_timeout.get(),
    };
    Redis::start(options).map(Some).map_err(|e| e.to_string())
}

/// Its gauges.
pub(super) fn gauges(metrics: &Metrics, redis: &Redis, store: &Store) -> Result<(), prometheus::Error> {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let state = redis.state();
    metrics.gauge("redis_connected", "1: Redis answers", move || i64::from(state.borrow().is_connected()))?;
    let s = store.clone();
    metrics.gauge("redis_subscribed", "1: changes are heard by Redis", move || {
        i64::from(s.relayed().state().is_connected())
    })?;
    let s = store.clone();
    metrics.gauge(
        "redis_change_reads",
        "Reads since the start because Redis told of a change that LISTEN had not",
        move || signed(s.relayed().reads()),
    )?;
    let s = store.clone();
    metrics.gauge("redis_messages_ignored", "Messages since the start that named nothing", move || {
        signed(s.relayed().ignored())
    })
}
