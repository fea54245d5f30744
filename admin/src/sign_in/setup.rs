//! The set-up: the first super admin, made by whoever holds the bootstrap token.

use super::{account, hash};
use crate::caller::{Caller, Identity, forbidden};
use crate::params::Body;
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::people::NewPerson;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Whether there is something to set up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetupStatus {
    /// There is no super admin yet.
    needed: bool,
}

/// The first super admin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetupRequest {
    /// E-mail address.
    #[schema(max_length = 254)]
    email: String,
    /// Display name.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Password.
    #[schema(min_length = 12, max_length = 256)]
    password: String,
}

/// The super admin that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetupDone {
    /// The user.
    id: Uuid,
    /// E-mail address.
    email: String,
}

/// Is a set-up needed
#[utoipa::path(get, path = "/api/setup", tag = "session", operation_id = "getSetup",
    responses((status = 200, description = "Whether there is no super admin yet.", body = SetupStatus)))]
pub(crate) async fn get(State(state): State<AdminState>) -> Result<Json<SetupStatus>, Problem> {
    Ok(Json(SetupStatus { needed: state.store().super_admins().await? == 0 }))
}

/// Set up
///
/// With the bootstrap token, once: makes the first super admin.
#[utoipa::path(post, path = "/api/setup", tag = "session", operation_id = "setUp", request_body = SetupRequest,
    responses(
        (status = 201, description = "There is a super admin now, who can sign in.", body = SetupDone),
        (status = 400, description = "The body is no JSON.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is a super admin already, or a user with this address.", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The body is not announced as JSON.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "A field is wrong, or the password is too weak.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn post(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    body: Result<Body<SetupRequest>, Problem>,
) -> Result<(StatusCode, Json<SetupDone>), Problem> {
    if *caller.identity() != Identity::Bootstrap {
        return Err(forbidden("the set-up needs the bootstrap token"));
    }
    let Body(asked) = body?;
    let password = Zeroizing::new(asked.password);
    let (email, name) = (account::email(&asked.email)?, account::name(&asked.name)?);
    state.sign_in().policy.check(&password, &[&email, &name])?;
    if state.store().super_admins().await? > 0 {
        return Err(Problem::new(StatusCode::CONFLICT, "set_up", "there is a super admin already: sign in"));
    }
    let hash = {
        let _turn = state.sign_in().turn().await?;
        hash(password.to_string()).await?
    };
    let new = NewPerson {
        email,
        name,
        source: "local",
        password: Some((hash, None)),
        roles: vec![HeldRole { role: "super_admin".to_owned(), team: None }],
    };
    let person = state.store().create_person(&new, true, caller.actor()).await?;
    Ok((StatusCode::CREATED, Json(SetupDone { id: person.id, email: person.email })))
}
