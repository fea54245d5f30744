//! Signing in with a passkey alone: the authenticator finds the account, and has verified its user.

use super::account::Attempt;
use super::passkeys::{Challenge, on};
use super::webauthn::{CeremonyError, LIFE};
use super::{PASSKEY, cookies, same_site, sessions};
use crate::caller::{Caller, Peer};
use crate::params::Body;
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::{HeaderMap, StatusCode};
use sallyport_schema::store::passkeys::{PasskeyRow, PasskeyUse};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use utoipa::ToSchema;
use webauthn_rs::prelude::WebauthnError;

/// What `navigator.credentials.get` gave.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeySignIn {
    /// The `PublicKeyCredential`, as its `toJSON()` writes it.
    #[schema(value_type = Object)]
    credential: Value,
}

/// Begin to sign in with a passkey
///
/// The challenge is good for five minutes, for the browser that asks: it is in the cookie `__Host-sallyport-passkey`.
#[utoipa::path(post, path = "/api/session/passkey/begin", tag = "session", operation_id = "beginPasskeySignIn",
    responses(
        (status = 200, description = "For `navigator.credentials.get`.", body = Challenge),
        (status = 403, description = "A page of another origin asks."),
        (status = 409, description = "`admin.public_url` is not set.")))]
pub(crate) async fn begin(State(state): State<AdminState>, headers: HeaderMap) -> Result<Response, Problem> {
    same_site(&headers)?;
    let (mut challenge, cookie) = on(state.sign_in())?.challenge().map_err(|error| {
        tracing::error!(%error, "a passkey challenge could not be made");
        super::failed()
    })?;
    let mut response = Json(Challenge { public_key: challenge["publicKey"].take() }).into_response();
    cookies::set(response.headers_mut(), cookies::PASSKEY, &cookie, LIFE);
    Ok(response)
}

/// Sign in with a passkey
#[utoipa::path(post, path = "/api/session/passkey/finish", tag = "session", operation_id = "finishPasskeySignIn",
    request_body = PasskeySignIn,
    responses(
        (status = 200, description = "Signed in; the session is in the cookies.", body = sessions::SignedInAnswer),
        (status = 401, description = "The passkey opens nothing, or the challenge is over or was answered before."),
        (status = 403, description = "A page of another origin asks."),
        (status = 409, description = "`admin.public_url` is not set.")))]
pub(crate) async fn finish(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Peer(from): Peer,
    headers: HeaderMap,
    Body(asked): Body<PasskeySignIn>,
) -> Result<Response, Problem> {
    same_site(&headers)?;
    let on = on(state.sign_in())?;
    let store = state.store();
    let actor = sessions::anonymous(caller.actor());
    let turn = state.sign_in().turn().await?;
    let attempt = Attempt::begin((turn, store), None, from, &actor, "session.sign_in").await?;
    let answered = match on.answered(cookies::find(&headers, cookies::PASSKEY), asked.credential) {
        Ok(answered) => answered,
        Err(error) => {
            tracing::info!(%error, "a passkey was refused");
            attempt.wrong("no passkey, or no challenge of this browser", None).await?;
            return Err(wrong());
        }
    };
    let found = store.passkey_of(answered.user, &answered.credential_id).await?;
    let Some((row, person)) = found.filter(|(_, p)| p.active && p.deleted_at.is_none()) else {
        attempt.wrong("no such passkey, or its user is not active", None).await?;
        return Err(wrong());
    };
    let of = Some((person.id, person.email.as_str()));
    let challenge = answered.challenge;
    let (counter, credential) = match on.verify(answered, &row.credential) {
        Ok(verified) => verified,
        Err(error) => {
            tracing::info!(%error, user = %person.id, "a passkey was refused");
            let why = match error {
                CeremonyError::Refused(WebauthnError::CredentialPossibleCompromise) => COPIED,
                _ => "the passkey did not prove itself",
            };
            attempt.wrong(why, of).await?;
            return Err(wrong());
        }
    };
    let used = PasskeyRow { credential, ..row };
    let why = match store.use_passkey(&used, counter, &challenge, LIFE).await? {
        PasskeyUse::Done => None,
        PasskeyUse::Replayed => Some("the challenge was answered before"),
        PasskeyUse::Copied => Some(COPIED),
    };
    if let Some(why) = why {
        attempt.wrong(why, of).await?;
        return Err(wrong());
    }
    drop(attempt);
    let mut response = sessions::begin(&state, &person, false, PASSKEY, from, &headers, &actor).await?;
    cookies::set(response.headers_mut(), cookies::PASSKEY, "", Duration::ZERO);
    Ok(response)
}

const COPIED: &str = "the counter of the passkey went back: there may be a copy of it";

fn wrong() -> Problem {
    let detail = "the passkey opens nothing here, or the challenge is over: begin again";
    Problem::new(StatusCode::UNAUTHORIZED, "wrong_passkey", detail)
}
