//! What Amazon's providers need beside their format.

pub mod sigv4;
