//! The process's own log: tracing to stderr, text or JSON. Pingora's `log` records come along.

use super::Failure;
use sallyport_config::model::{Log, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Sets up the log for the process.
pub(super) fn init(settings: &Log) -> Result<(), Failure> {
    let level = std::env::var("RUST_LOG").unwrap_or_else(|_| settings.level.clone());
    let filter = EnvFilter::try_new(&level).map_err(|e| {
        format!("log.level: '{level}' is not a filter such as info or sallyport_proxy=debug: {e}")
    })?;
    // Pingora tells at `error` what a client's leaving looks like from inside, and at `info` its own start.
    let filter = ["pingora_core=warn", "pingora_proxy=warn"]
        .into_iter()
        // A level that names Pingora is meant.
        .filter(|_| !level.contains("pingora"))
        .filter_map(|d| d.parse().ok())
        .fold(filter, EnvFilter::add_directive);
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let done = match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    done.map_err(|e| format!("cannot set up the log: {e}"))
}
