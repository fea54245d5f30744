//! The data plane: the Pingora server, the engine of governed calls, upstream connections, health and metrics.
//!
//! Pingora appears in this crate only. A governed call (all whose body the gateway must read) runs in [`engine`],
//! started from `ProxyHttp::request_filter`; what passes unread goes through `ProxyHttp` proper ([`passage`]).

pub mod awaited;
pub mod engine;
pub mod estimator;
pub mod front;
pub mod gateway;
pub mod health;
pub mod kept;
pub mod metrics;
pub mod owners;
pub mod passage;
mod patience;
pub mod running;
pub mod server;
pub mod upstream;
