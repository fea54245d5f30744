//! The chain and its filters, and the dialects they speak. Plain synchronous Rust: no sockets, no Pingora, no SQL.

#![allow(
    clippy::result_large_err,
    reason = "a Rejection ends a call: it is made once, and boxing it would cost every reader a star"
)]

pub mod aws;
pub mod body;
pub mod chain;
pub mod codec;
pub mod credentials;
pub mod dialect;
pub mod estimate;
pub mod event;
pub mod exchange;
pub mod filter;
pub mod ir;
pub mod kept;
pub use sallyport_config::key;
pub mod outgoing;
pub mod rejection;
pub mod selector;
pub mod sse;
pub mod surface;
pub mod translate;
pub mod usage;

#[cfg(test)]
mod testing;
