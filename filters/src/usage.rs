//! Token counting.

/// Counts the tokens of one call.
#[derive(Clone, Debug, Default)]
pub struct Meter {}
