//! The set-up: the first super admin, made by whoever holds the bootstrap token.

use super::{account, hash};
use crate::caller::{Caller, Identity, forbidden};
use crate::keys::{self, KeyWithSecret};
use crate::params::{Body, line};
use crate::problem::Problem;
use crate::providers;
use crate::settings;
use crate::state::AdminState;
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::people::NewPerson;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Whether there is something to set up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetupStatus {
    /// There is no super admin yet.
    needed: bool,
    /// What this place is called.
    site_name: String,
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
    /// What this place is called.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 100)]
    site_name: Option<String>,
    /// The first provider, in YAML's form. It is asked for its models first: if it does not answer, nothing is set up.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    provider: Option<Map<String, Value>>,
    /// The name of a first virtual key, of the super admin's, which may use everything.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    key: Option<String>,
}

/// The super admin that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetupDone {
    /// The user.
    id: Uuid,
    /// E-mail address.
    email: String,
    /// The first key with its secret, shown this once.
    key: Option<KeyWithSecret>,
}

/// Is a set-up needed
#[utoipa::path(get, path = "/api/setup", tag = "session", operation_id = "getSetup",
    responses((status = 200, description = "Whether there is no super admin yet.", body = SetupStatus)))]
pub(crate) async fn get(State(state): State<AdminState>) -> Result<Json<SetupStatus>, Problem> {
    let site_name = state.snapshot().load().config.admin.site_name.clone();
    Ok(Json(SetupStatus { needed: state.store().super_admins().await? == 0, site_name }))
}

/// Set up
///
/// With the bootstrap token, once: makes the first super admin, and if so wished names the place and makes a first
/// provider and a first key.
#[utoipa::path(post, path = "/api/setup", tag = "session", operation_id = "setUp", request_body = SetupRequest,
    responses(
        (status = 201, description = "There is a super admin now, who can sign in.", body = SetupDone),
        (status = 400, description = "The body is no JSON."),
        (status = 409, description = "There is a super admin already, or a user with this address."),
        (status = 415, description = "The body is not announced as JSON."),
        (status = 422, description = "A field is wrong, or the password is too weak.")))]
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
    let (email, name) = (account::email(&asked.email)?, account::display_name(&asked.name)?);
    state.sign_in().policy.check(&password, &[&email, &name])?;
    if state.store().super_admins().await? > 0 {
        return Err(Problem::new(StatusCode::CONFLICT, "set_up", "there is a super admin already: sign in"));
    }
    let site_name =
        asked.site_name.map(|name| settings::checked(&state, "admin.site_name", Value::from(name)));
    let site_name = site_name.transpose()?;
    let key_name = asked.key.map(|name| line("key", &name)).transpose()?;
    let provider = match asked.provider {
        Some(document) => Some(providers::first(&state, &caller, document).await?),
        None => None,
    };
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
    // Only one of those who try at once gets past here; the rest is his.
    let person = state.store().create_person(&new, true, caller.actor()).await?;
    if let Some(name) = site_name {
        state.store().put_setting("admin.site_name", Some(&name), None, caller.actor()).await?;
    }
    if let Some((row, shown)) = provider {
        state.store().put_provider(&row, None, &shown, caller.actor()).await?;
    }
    let key = match key_name {
        Some(name) => Some(keys::first(&state, &caller, person.id, name).await?),
        None => None,
    };
    Ok((StatusCode::CREATED, Json(SetupDone { id: person.id, email: person.email, key })))
}
