//! SCIM 2.0 (RFC 7643, RFC 7644) below `/scim/v2`: directories (Entra ID, Okta, …) make, change and deactivate users, and
//! fill teams. A client has a token of its own, sees what it provisions and nothing else, and may do what its roles say.

mod answer;
pub(crate) mod clients;
pub(crate) mod discovery;
mod filter;
mod group;
pub(crate) mod groups;
mod matching;
mod patch;
mod project;
pub(crate) mod query;
mod shape;
pub(crate) mod token;
mod user;
pub(crate) mod users;

pub(crate) use answer::{Failure, speak};

use crate::caller::{Caller, forbidden};
use crate::problem::Problem;
use crate::state::AdminState;
use answer::Base;
use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;
use sallyport_schema::access::{Object, Permission};
use sallyport_schema::audit::Actor;
use sallyport_schema::store::Store;
use sallyport_schema::store::scim::ScimClient;
use std::sync::Arc;
use uuid::Uuid;

/// Where it all is.
pub(crate) const ROOT: &str = "/scim/v2";

/// 501: there is no such endpoint here, as `ServiceProviderConfig` (of `/Bulk`) says and RFC 7644, 3.11 (of `/Me`) lets.
/// Who asks does not matter: no client is a user, and there is nothing behind it.
pub(crate) async fn not_implemented() -> Problem {
    Problem::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", "this service has neither /Me nor /Bulk")
}

/// A request of a client: who it is, and what it works with.
pub(crate) struct Scim {
    state: AdminState,
    caller: Caller,
    client: Arc<ScimClient>,
    base: Base,
}

impl FromRequestParts<AdminState> for Scim {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AdminState) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let client = parts.extensions.get::<Arc<ScimClient>>().map(Arc::clone);
        // the guard lets nobody else in
        let (Some(caller), Some(client)) = (caller, client) else {
            return Err(forbidden("only the token of a SCIM client opens this"));
        };
        Ok(Self { state: state.clone(), caller, client, base: Base::of(parts, state.tls()) })
    }
}

impl Scim {
    fn store(&self) -> &Store {
        self.state.store()
    }

    fn actor(&self) -> &Actor {
        self.caller.actor()
    }

    /// The client holds the permission over such a thing.
    fn may(&self, permission: Permission, object: Object<'_>) -> Result<(), Problem> {
        if self.caller.may_on(permission, object) {
            return Ok(());
        }
        Err(forbidden(format!("the roles of this SCIM client do not give it {permission}")))
    }

    /// Nobody above the client is changed by it.
    async fn covers(&self, users: &[Uuid]) -> Result<(), Problem> {
        for (_, holds) in self.store().effective_of(users).await? {
            self.caller.covers(holds.assignments())?;
        }
        Ok(())
    }
}
