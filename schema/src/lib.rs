//! What is stored, and the only SQL in the tree: rows, migrations, the stores, the supervised private Postgres,
//! the envelope of secrets at rest and the disk spool of the call log.

pub mod access;
pub mod audit;
pub mod backoff;
pub mod call;
pub mod changes;
pub mod embedded;
pub mod envelope;
pub mod error;
pub mod labels;
pub mod log_store;
pub mod pattern;
pub mod redis;
pub mod rows;
pub mod spool;
pub mod store;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
