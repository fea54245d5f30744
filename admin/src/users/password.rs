//! A password for somebody else.

use super::{find, not_above};
use crate::caller::{Caller, forbidden};
use crate::params::Named;
use crate::permission::Permission;
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A password that was set for somebody else.
#[derive(Serialize, ToSchema)]
pub(crate) struct TemporaryPassword {
    /// Shown this once.
    password: String,
    /// It must be changed before this instant; until then it opens nothing else.
    #[serde(with = "time::serde::rfc3339")]
    until: OffsetDateTime,
}

/// Set a temporary password
///
/// The user's sessions end; at the next sign-in the password must be changed. Only who holds all that the user holds
/// may do it.
#[utoipa::path(post, path = "/api/users/{id}/password", tag = "users", operation_id = "resetPassword",
    params(("id" = Uuid, Path, description = "The user.")),
    responses((status = 200, description = "The password, this once.", body = TemporaryPassword)))]
pub(crate) async fn reset(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
) -> Result<Json<TemporaryPassword>, Problem> {
    let (person, holds) = find(&state, &caller, id, Permission::UsersReset).await?;
    if caller.user() == Some(id) {
        return Err(forbidden("your own password is changed at PUT /api/me/password"));
    }
    not_above(&caller, &person, &holds)?;
    let (password, hash, until) = state.sign_in().temporary().await?;
    let version = Some(person.version);
    state.store().set_password_at(id, version, &hash, Some(until), caller.actor()).await?;
    Ok(Json(TemporaryPassword { password: password.to_string(), until }))
}
