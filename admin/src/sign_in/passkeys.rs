//! One's passkeys.

use super::again::{self, OwnProof};
use super::factor::{FactorAdded, anew, last};
use super::webauthn::{CeremonyError, LIFE, Passkeys};
use super::{SignIn, recovery, same_site};
use crate::caller::{Caller, Peer, no_account};
use crate::params::{Body, Named, line};
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::{HeaderMap, StatusCode};
use sallyport_schema::store::passkeys::PasskeyRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A passkey of one's own.
#[derive(Serialize, ToSchema)]
pub(crate) struct MyPasskey {
    /// Its id.
    id: Uuid,
    /// What one calls it.
    name: String,
    /// Registered at.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Signed in with last at.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
}

impl From<PasskeyRow> for MyPasskey {
    fn from(p: PasskeyRow) -> Self {
        Self { id: p.id, name: p.name, created_at: p.created_at, last_used_at: p.last_used_at }
    }
}

/// One's passkeys.
#[derive(Serialize, ToSchema)]
pub(crate) struct MyPasskeys {
    /// Oldest first.
    passkeys: Vec<MyPasskey>,
}

/// What `navigator.credentials` is called with.
#[derive(Serialize, ToSchema)]
pub(crate) struct Challenge {
    /// `PublicKeyCredentialCreationOptions` or `…RequestOptions`, in their JSON form.
    #[serde(rename = "publicKey")]
    #[schema(value_type = Object)]
    pub(super) public_key: Value,
}

/// What `navigator.credentials.create` gave.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPasskey {
    /// What to call it.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The `PublicKeyCredential`, as its `toJSON()` writes it.
    #[schema(value_type = Object)]
    credential: Value,
}

/// Another name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyName {
    /// What to call it.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

/// One's passkeys
#[utoipa::path(get, path = "/api/me/passkeys", tag = "session", operation_id = "listMyPasskeys",
    responses(
        (status = 200, description = "Oldest first.", body = MyPasskeys),
        (status = 404, description = "The caller has no account: it came with the bootstrap token.")))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<MyPasskeys>, Problem> {
    let (user, _) = caller.session()?;
    let found = state.store().passkeys(user).await?;
    Ok(Json(MyPasskeys { passkeys: found.into_iter().map(MyPasskey::from).collect() }))
}

/// Begin to register a passkey
///
/// Good for five minutes, for the session that asks.
#[utoipa::path(post, path = "/api/me/passkeys/begin", tag = "session", operation_id = "beginPasskey",
    request_body = OwnProof,
    responses(
        (status = 200, description = "For `navigator.credentials.create`.", body = Challenge),
        (status = 404, description = "The caller has no account: it came with the bootstrap token."),
        (status = 409, description = "`admin.public_url` is not set, or the account has no local password."),
        (status = 422, description = "Password or code are wrong or missing.")))]
pub(crate) async fn begin(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Peer(from): Peer,
    headers: HeaderMap,
    body: Result<Body<OwnProof>, Problem>,
) -> Result<Json<Challenge>, Problem> {
    same_site(&headers)?;
    let (user, session) = caller.session()?;
    let on = on(state.sign_in())?;
    let Body(asked) = body?;
    let person = again::whole(&state, &caller, asked, from, "user.passkey_add").await?;
    let has = state.store().passkeys(user).await?;
    let begun = on.register(user, (&person.email, &person.name), &has);
    let (mut challenge, kept) = begun.map_err(|e| refused(&e))?;
    state.store().begin_passkey(user, session, &kept, LIFE).await?;
    Ok(Json(Challenge { public_key: challenge["publicKey"].take() }))
}

/// Register a passkey
///
/// The first second factor of an account brings recovery codes; all sessions end, a new one begins.
#[utoipa::path(post, path = "/api/me/passkeys/finish", tag = "session", operation_id = "finishPasskey",
    request_body = NewPasskey,
    responses(
        (status = 200, description = "It is there.", body = FactorAdded),
        (status = 404, description = "The caller has no account: it came with the bootstrap token."),
        (status = 409, description = "Nothing has begun, or it is over; there are 20 already; or this one is."),
        (status = 422, description = "The credential is not what was asked for.")))]
pub(crate) async fn finish(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Peer(from): Peer,
    headers: HeaderMap,
    body: Result<Body<NewPasskey>, Problem>,
) -> Result<Response, Problem> {
    same_site(&headers)?;
    let (user, session) = caller.session()?;
    let on = on(state.sign_in())?;
    let Body(asked) = body?;
    let name = line("name", &asked.name)?;
    let kept = state.store().take_registration(user, session).await?.ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "no_passkey_begun",
            "nothing to finish, or it took too long: POST /api/me/passkeys/begin comes first",
        )
    })?;
    let (credential_id, credential) = on.registered(asked.credential, kept).map_err(|e| refused(&e))?;
    let created_at = OffsetDateTime::now_utc();
    let id = Uuid::now_v7();
    let new = PasskeyRow { id, user, credential_id, name, credential, created_at, last_used_at: None };
    let (codes, hashes) = recovery::make()?;
    let first = state.store().add_passkey(&new, &hashes, caller.actor()).await?;
    let added = |recovery_codes| FactorAdded { recovery_codes, session: None, passkey: Some(new.into()) };
    match first {
        None => Ok(Json(added(Vec::new())).into_response()),
        Some(person) => {
            anew(&state, &caller, &person, "password+passkey", added(codes), from, &headers).await
        }
    }
}

/// Rename a passkey
#[utoipa::path(patch, path = "/api/me/passkeys/{id}", tag = "session", operation_id = "renamePasskey",
    request_body = PasskeyName, params(("id" = Uuid, Path, description = "The passkey.")),
    responses(
        (status = 200, description = "Its new name.", body = MyPasskey),
        (status = 404, description = "The caller has no such passkey.")))]
pub(crate) async fn rename(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    Body(asked): Body<PasskeyName>,
) -> Result<Json<MyPasskey>, Problem> {
    let (user, _) = caller.session()?;
    let name = line("name", &asked.name)?;
    Ok(Json(state.store().rename_passkey(user, id, &name, caller.actor()).await?.into()))
}

/// Remove a passkey
///
/// Not the last second factor while a role needs one.
#[utoipa::path(delete, path = "/api/me/passkeys/{id}", tag = "session", operation_id = "removePasskey",
    request_body = OwnProof, params(("id" = Uuid, Path, description = "The passkey.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "The caller has no such passkey."),
        (status = 409, description = "It is the last second factor, and a role needs one."),
        (status = 422, description = "Password or code are wrong or missing.")))]
pub(crate) async fn remove(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Peer(from): Peer,
    Named(id): Named<Uuid>,
    headers: HeaderMap,
    body: Result<Body<OwnProof>, Problem>,
) -> Result<StatusCode, Problem> {
    same_site(&headers)?;
    let person = caller.person().ok_or_else(no_account)?;
    let Body(asked) = body?;
    let has = state.store().passkeys(person.id).await?;
    if !has.iter().any(|p| p.id == id) {
        return Err(Problem::not_found("you have no such passkey"));
    }
    let bare = !state.sign_in().needs_factor(person);
    if !bare && !person.has_totp && has.len() == 1 {
        return Err(last());
    }
    again::whole(&state, &caller, asked, from, "user.passkey_remove").await?;
    state.store().remove_passkey(person.id, id, bare, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Passkeys, if they can be.
pub(super) fn on(sign_in: &SignIn) -> Result<&Passkeys, Problem> {
    sign_in.passkeys.as_ref().ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "passkeys_off",
            "there are no passkeys here: they need the setting admin.public_url",
        )
    })
}

fn refused(error: &CeremonyError) -> Problem {
    tracing::info!(%error, "a passkey was not registered");
    let detail = "the credential is not what was asked for: begin again";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_passkey", detail)
}
