//! What is stored, and the only SQL in the tree: rows, migrations, the stores, the supervised private Postgres,
//! the envelope of secrets at rest and the disk spool of the call log.

pub mod call;
pub mod rows;
