//! The benchmark: direct, nginx, a bare Pingora proxy and Sallyport in front of the same simulator, in turns.
//!
//! Method: the target has one core of its own, simulator and load generator share the other one. Rounds of a few
//! seconds are interleaved and their order rotates, because machines change their speed; ratios are taken within a
//! round, and the median of the rounds is reported. CPU is what the kernel accounts to the target's processes,
//! divided by the right answers; wrong ones are errors and fail the run.

pub mod callgrind;
mod child;
mod gateway;
pub mod memory;
mod rounds;
pub mod setup;
pub mod summary;
mod target;

pub use rounds::compare;
pub use setup::{Options, Setup};

use std::fmt;

/// A sentence for whoever started the benchmark.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Result of a step of the benchmark.
pub type Result<T> = std::result::Result<T, Failure>;

/// Adds what was being done to an error.
pub(crate) trait Context<T> {
    fn context(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|e| Failure(format!("{what}: {e}")))
    }
}
