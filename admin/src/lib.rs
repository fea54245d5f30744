//! The admin service: the REST API over what a gateway is doing, on a port of its own.
//!
//! A request passes, outermost first: request id and security headers (`harden`), the host check (`host`), a
//! time-out, a bound on its body, its route's guard (`guard`, which reads [`permission::TABLE`]), its handler.
//! Every error is a [`problem::Problem`].
//!
//! The service needs nothing of the data plane: what it shows it reads from the snapshot, from the stores, and
//! from the [`health::Probe`]s that the process hands in.

mod accounts;
mod audit;
mod caller;
mod calls;
mod effective;
mod error;
mod guard;
mod harden;
pub mod health;
mod host;
mod idempotency;
mod keys;
mod managed;
mod models;
mod oidc;
mod openapi;
mod outside;
mod pace;
mod page;
mod params;
pub mod permission;
pub mod problem;
mod providers;
mod roles;
mod router;
mod scim;
mod server;
mod settings;
mod sign_in;
mod snapshot;
mod state;
mod stored;
mod teams;
#[cfg(test)]
mod testing;
mod throttle;
pub mod token;
mod transfer;
mod users;
mod versioned;

pub use error::AdminError;
pub use openapi::document;
pub use outside::{Listed, Nowhere, Outside, OutsideError};
pub use router::router;
pub use server::{Listener, serve};
pub use sign_in::{AccountError, display_name, email, password};
pub use snapshot::SnapshotSource;
pub use state::{About, AdminState, Parts, Stored};
pub use token::Bootstrap;
