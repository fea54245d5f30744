//! The chain and its filters, and the dialects they speak. Plain synchronous Rust: no sockets, no Pingora, no SQL.

pub mod body;
pub mod event;
pub mod exchange;
pub mod filter;
pub mod outgoing;
pub mod rejection;
pub mod surface;
pub mod usage;
