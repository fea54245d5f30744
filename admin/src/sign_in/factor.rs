//! One's second factor: TOTP and recovery codes; and taking the factors of somebody else away.

use super::account::{self, Attempt, Failed};
use super::again::{self, OwnProof};
use super::passkeys::MyPasskey;
use super::sessions::{self, SignedInAnswer};
use super::{PASSWORD, failed, recovery, same_site, totp};
use crate::caller::{Caller, Peer, no_account};
use crate::params::{Body, Named, wrong};
use crate::problem::Problem;
use crate::state::AdminState;
use crate::users::{find, not_above};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::{HeaderMap, StatusCode};
use sallyport_schema::access::Permission;
use sallyport_schema::envelope::{EnvelopeError, USER_TOTP, USER_TOTP_PENDING};
use sallyport_schema::store::people::Person;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

/// A TOTP secret, shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct TotpSecret {
    /// In base32, to type in.
    secret: String,
    /// `otpauth://…`, for a QR code.
    uri: String,
}

/// The first code of the new secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TotpConfirmation {
    /// Six digits.
    #[schema(max_length = 64)]
    code: String,
}

/// A second factor that has been added.
#[derive(Serialize, ToSchema)]
pub(crate) struct FactorAdded {
    /// Shown this once: each opens once in the place of the second factor. Empty: those from before hold.
    pub(super) recovery_codes: Vec<String>,
    /// All sessions have ended and this one has begun; its tokens are in the cookies. Missing: they go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<SignedInAnswer>,
    /// The passkey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) passkey: Option<MyPasskey>,
}

/// Recovery codes, shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryCodes {
    /// Those from before are void.
    recovery_codes: Vec<String>,
}

/// How many recovery codes there are.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryCodesLeft {
    /// So many have not been used.
    left: i64,
}

/// Set TOTP up
///
/// Begins it: `POST /api/me/totp/confirm` with a code of the new secret turns it on. Where it is on already, the old
/// secret holds until then.
#[utoipa::path(post, path = "/api/me/totp", tag = "session", operation_id = "beginTotp", request_body = OwnProof,
    responses(
        (status = 200, description = "The secret, shown this once.", body = TotpSecret),
        (status = 404, description = "The caller has no account: it came with the bootstrap token."),
        (status = 409, description = "The account has no local password."),
        (status = 422, description = "Password or code are wrong or missing.")))]
pub(crate) async fn begin_totp(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Peer(from): Peer,
    headers: HeaderMap,
    body: Result<Body<OwnProof>, Problem>,
) -> Result<Json<TotpSecret>, Problem> {
    same_site(&headers)?;
    caller.began()?;
    let Body(asked) = body?;
    let person = again::whole(&state, &caller, asked, from, "user.totp_begin").await?;
    let mut secret = Zeroizing::new([0_u8; totp::SECRET]);
    openssl::rand::rand_bytes(&mut *secret).map_err(|error| {
        tracing::error!(%error, "no random numbers");
        failed()
    })?;
    let sealed =
        state.keyring().seal(&USER_TOTP_PENDING.place(person.id), &*secret).map_err(|e| sealing(&e))?;
    state.store().begin_totp(person.id, &sealed, caller.actor()).await?;
    let secret = totp::base32(&*secret);
    let site = state.snapshot().load().config.admin.site_name.clone();
    let uri = totp::uri(&site, &secret, &person.email);
    Ok(Json(TotpSecret { secret, uri }))
}

/// Turn TOTP on
///
/// All sessions end; a new one begins.
#[utoipa::path(post, path = "/api/me/totp/confirm", tag = "session", operation_id = "confirmTotp",
    request_body = TotpConfirmation,
    responses(
        (status = 200, description = "It is on; the new session is in the cookies.", body = FactorAdded),
        (status = 404, description = "The caller has no account: it came with the bootstrap token."),
        (status = 409, description = "Nothing has begun."),
        (status = 422, description = "The code is wrong.")))]
pub(crate) async fn confirm_totp(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Peer(from): Peer,
    headers: HeaderMap,
    body: Result<Body<TotpConfirmation>, Problem>,
) -> Result<Response, Problem> {
    same_site(&headers)?;
    let person = caller.person().ok_or_else(no_account)?;
    let Body(asked) = body?;
    if asked.code.len() > 64 {
        return Err(wrong("code: at most 64 characters"));
    }
    let (store, ring, sign_in) = (state.store(), state.keyring(), state.sign_in());
    let turn = sign_in.turn().await?;
    let counted = Some(account::counted(person.id));
    let attempt = Attempt::begin((turn, store), counted, from, caller.actor(), "user.totp_on").await?;
    let pending = store.pending_totp(person.id).await?.ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "no_totp_begun",
            "nothing to confirm: POST /api/me/totp comes first",
        )
    })?;
    let secret = ring.open(&USER_TOTP_PENDING.place(person.id), &pending).map_err(|e| sealing(&e))?;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let totp::Code::Right(step) = totp::check(&secret, &asked.code, now, 0) else {
        attempt.wrong("wrong code", Some((person.id, &person.email))).await?;
        return Err(Failed::Code.again());
    };
    drop(attempt);
    let (recovery_codes, hashes) = recovery::make()?;
    let sealed = ring.seal(&USER_TOTP.place(person.id), &secret).map_err(|e| sealing(&e))?;
    let person = store.confirm_totp(person.id, (&pending, &sealed), step, &hashes, caller.actor()).await?;
    let added = FactorAdded { recovery_codes, session: None, passkey: None };
    anew(&state, &caller, &person, "password+totp", added, from, &headers).await
}

/// Begins a new session in the place of the one that asks, after a factor was added.
pub(super) async fn anew(
    state: &AdminState,
    caller: &Caller,
    person: &Person,
    method: &str,
    added: FactorAdded,
    from: IpAddr,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let began = &caller.began()?.method;
    let method = if began == PASSWORD { method } else { began };
    let (session, secret) = sessions::open(state, person, method, from, headers, caller.actor()).await?;
    let answer = SignedInAnswer::of(state.sign_in(), person, &session, false);
    let mut response = Json(FactorAdded { session: Some(answer), ..added }).into_response();
    state.sign_in().hand_out(response.headers_mut(), &session, Some(&secret))?;
    Ok(response)
}

/// Turn TOTP off
///
/// Not while a role needs a second factor and there is no passkey.
#[utoipa::path(delete, path = "/api/me/totp", tag = "session", operation_id = "removeTotp", request_body = OwnProof,
    responses(
        (status = 204, description = "It is off."),
        (status = 404, description = "It was not on, or the caller has no account."),
        (status = 409, description = "A role needs a second factor."),
        (status = 422, description = "Password or code are wrong or missing.")))]
pub(crate) async fn remove_totp(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Peer(from): Peer,
    headers: HeaderMap,
    body: Result<Body<OwnProof>, Problem>,
) -> Result<StatusCode, Problem> {
    same_site(&headers)?;
    let person = caller.person().ok_or_else(no_account)?;
    let Body(asked) = body?;
    if !person.has_totp {
        return Err(Problem::not_found("TOTP is not on"));
    }
    let bare = !state.sign_in().needs_factor(person);
    if !bare && !person.has_passkey {
        return Err(last());
    }
    again::whole(&state, &caller, asked, from, "user.totp_off").await?;
    state.store().remove_totp(person.id, bare, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// 409: the last factor stays.
pub(super) fn last() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "last_second_factor",
        "your role needs a second factor, and this is the last: set another one up first",
    )
}

/// How many recovery codes are left
#[utoipa::path(get, path = "/api/me/recovery_codes", tag = "session", operation_id = "countRecoveryCodes",
    responses(
        (status = 200, description = "So many.", body = RecoveryCodesLeft),
        (status = 404, description = "The caller has no account: it came with the bootstrap token.")))]
pub(crate) async fn recovery_left(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<RecoveryCodesLeft>, Problem> {
    let (user, _) = caller.session()?;
    Ok(Json(RecoveryCodesLeft { left: state.store().recovery_codes_left(user).await? }))
}

/// Make new recovery codes
#[utoipa::path(post, path = "/api/me/recovery_codes", tag = "session", operation_id = "makeRecoveryCodes",
    request_body = OwnProof,
    responses(
        (status = 200, description = "Ten, shown this once.", body = RecoveryCodes),
        (status = 404, description = "The caller has no account: it came with the bootstrap token."),
        (status = 409, description = "There is no second factor."),
        (status = 422, description = "Password or code are wrong or missing.")))]
pub(crate) async fn new_recovery_codes(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Peer(from): Peer,
    headers: HeaderMap,
    body: Result<Body<OwnProof>, Problem>,
) -> Result<Json<RecoveryCodes>, Problem> {
    same_site(&headers)?;
    caller.began()?;
    let Body(asked) = body?;
    let person = again::whole(&state, &caller, asked, from, "user.recovery_codes").await?;
    let (recovery_codes, hashes) = recovery::make()?;
    state.store().set_recovery_codes(person.id, &hashes, caller.actor()).await?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Take a user's second factors away
///
/// For one who has lost them: TOTP, passkeys and recovery codes are gone, and all his sessions end. Only who holds all
/// that the user holds may do it.
#[utoipa::path(delete, path = "/api/users/{id}/second_factor", tag = "users", operation_id = "resetSecondFactor",
    params(("id" = Uuid, Path, description = "The user.")),
    responses(
        (status = 204, description = "There is none (any more)."),
        (status = 404, description = "There is no such user."),
        (status = 409, description = "It is the caller.")))]
pub(crate) async fn reset(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
) -> Result<StatusCode, Problem> {
    let (person, holds) = find(&state, &caller, id, Permission::UsersReset).await?;
    not_above(&caller, &person, &holds)?;
    if caller.user() == Some(id) {
        // whoever found an open browser would need no code
        let detail = "change your own second factors below /api/me";
        return Err(Problem::new(StatusCode::CONFLICT, "own_second_factor", detail));
    }
    state.store().remove_factors(id, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn sealing(error: &EnvelopeError) -> Problem {
    tracing::error!(%error, "the secret of a second factor could not be sealed or opened");
    failed()
}
