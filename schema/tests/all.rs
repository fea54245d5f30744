//! Tests against real Postgres clusters, started by the supervisor under test in temporary directories.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "all/audit.rs"]
mod audit;
#[path = "all/awaited.rs"]
mod awaited;
#[path = "all/changes.rs"]
mod changes;
#[path = "all/embedded.rs"]
mod embedded;
#[path = "all/log_store.rs"]
mod log_store;
#[path = "all/rekey.rs"]
mod rekey;
#[path = "all/relay.rs"]
mod relay;
#[path = "all/responses.rs"]
mod responses;
#[path = "all/rows.rs"]
mod rows;
#[path = "all/spool.rs"]
mod spool;
#[path = "all/store.rs"]
mod store;
