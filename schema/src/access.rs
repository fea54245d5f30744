//! Who may do what: permissions, the table of the admin API's routes, roles made of grants, and the one place where a
//! decision is made. Plain data and arithmetic: no I/O.
//!
//! The admin API's guard, its OpenAPI document, the gateway's `access` filter and the tests all read from here.

mod calls;
mod effective;
mod grant;
mod permission;
mod role;
mod route;

pub use calls::{CallRights, NAMED, opens_surface};
pub use effective::{Assignment, Decision, Effective, Object, Reach, Subject};
pub use grant::{Effect, Grant, GrantError, Scope};
pub use permission::Permission;
pub use role::{BUILT_IN, Role, built_in, is_built_in};
pub use route::{Rule, TABLE, rule};
