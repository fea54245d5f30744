//! Measuring tools: an upstream simulator, a load generator, and the runner that compares gateways.
//!
//! The binaries in `src/bin/` are thin: they parse flags and call into these modules, so that the same code runs
//! inside tests on an ephemeral port.

pub mod load;
pub mod run;
pub mod sim;
