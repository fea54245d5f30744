//! A temporary password for somebody else.

use super::{hash, password};
use crate::caller::Caller;
use crate::params::Named;
use crate::problem::Problem;
use crate::state::AdminState;
use crate::users::{find, not_above};
use crate::versioned::IfMatch;
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_schema::access::Permission;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A temporary password, shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct TemporaryPassword {
    /// It opens nothing but its change.
    password: String,
    /// Until then.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Give a user a temporary password
///
/// For a new user, or one who has forgotten his. All his sessions end. Only who holds all that the user holds may do it.
#[utoipa::path(post, path = "/api/users/{id}/password", tag = "users", operation_id = "resetPassword",
    params(("id" = Uuid, Path, description = "The user."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses(
        (status = 200, description = "The password, shown this once.", body = TemporaryPassword),
        (status = 404, description = "There is no such user."),
        (status = 409, description = "It is the caller, or the user's password is kept elsewhere."),
        (status = 412, description = "The user has been changed meanwhile.")))]
pub(crate) async fn post(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    IfMatch(version): IfMatch,
) -> Result<Json<TemporaryPassword>, Problem> {
    let (person, holds) = find(&state, &caller, id, Permission::UsersReset).await?;
    not_above(&caller, &person, &holds)?;
    let conflict = |code, detail| Problem::new(StatusCode::CONFLICT, code, detail);
    if caller.user() == Some(id) {
        // whoever found an open browser would get in for good
        return Err(conflict("own_password", "change your own password with PUT /api/me/password"));
    }
    if person.source != "local" {
        return Err(conflict("no_password", "the user signs in elsewhere: the password is kept there"));
    }
    let password = password::temporary()?;
    let sign_in = state.sign_in();
    let expires_at = OffsetDateTime::now_utc() + sign_in.temporary;
    let hash = {
        let _turn = sign_in.turn().await?;
        hash(password.to_string()).await?
    };
    state.store().set_password_at(id, version, &hash, Some(expires_at), caller.actor()).await?;
    Ok(Json(TemporaryPassword { password: password.to_string(), expires_at }))
}
