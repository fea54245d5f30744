//! Signing in, on and out; one's sessions.

use super::account::{Factor, Failed};
use super::{SignIn, account, agent, cookies, same_site};
use crate::caller::{Caller, Peer};
use crate::oidc;
use crate::params::{Body, Segment};
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use sallyport_schema::audit::Actor;
use sallyport_schema::store::people::Person;
use sallyport_schema::store::sessions::{EndWhich, Refreshed, Session};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInRequest {
    /// E-mail address.
    #[schema(max_length = 254)]
    email: String,
    /// Password.
    #[schema(max_length = 256)]
    password: String,
    /// Of an authenticator app, if the account has TOTP.
    #[schema(max_length = 64)]
    code: Option<String>,
    /// In its place, once: one of the recovery codes.
    #[schema(max_length = 64)]
    recovery_code: Option<String>,
}

/// The session that has begun or goes on. Its tokens are in the cookies `__Host-sallyport` (15 minutes) and
/// `__Host-sallyport-refresh`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedInAnswer {
    /// The session.
    session: Uuid,
    /// The user.
    user: Uuid,
    /// E-mail address.
    email: String,
    /// Display name.
    name: String,
    /// Send it as `x-csrf-token` with every POST, PUT, PATCH and DELETE.
    csrf_token: String,
    /// When the session ends at the latest.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// The password is a temporary one: `PUT /api/me/password` comes before anything else.
    must_change_password: bool,
    /// A role needs a second factor and there is none: to set one up comes before anything else.
    second_factor_setup_required: bool,
}

/// A session of one's own.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MySession {
    /// Its id.
    id: Uuid,
    /// The one that asks.
    current: bool,
    /// How it began: `password`, `password+totp`, `password+recovery_code`, `passkey`, …
    method: String,
    /// The client's address at sign-in.
    address: String,
    /// The client's `User-Agent` at sign-in.
    agent: String,
    /// Began at.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Refreshed last at.
    #[serde(with = "time::serde::rfc3339")]
    seen_at: OffsetDateTime,
    /// Ends at the latest.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// One's sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MySessions {
    /// Newest first.
    sessions: Vec<MySession>,
}

/// How many sessions were ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ended {
    /// So many.
    ended: u64,
}

/// Sign in
///
/// The answer is the same, and takes as long, whether there is no such account or the password is wrong. After a few
/// wrong ones account and address must wait, longer each time.
///
/// If the account has a second factor, a right password alone is answered with the problem `second_factor_required`, which
/// says what would do: then send the same again with `code` or `recovery_code`, or sign in with a passkey. Each code
/// opens once.
#[utoipa::path(post, path = "/api/session", tag = "session", operation_id = "signIn", request_body = SignInRequest,
    responses(
        (status = 200, description = "Signed in; the session is in the cookies.", body = SignedInAnswer),
        (status = 400, description = "The body is no JSON."),
        (status = 401, description = "Address, password or code are wrong, or the second factor is missing."),
        (status = 403, description = "A page of another origin asks."),
        (status = 415, description = "The body is not announced as JSON."),
        (status = 422, description = "A field is missing or wrong.")))]
pub(crate) async fn post(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Peer(from): Peer,
    headers: HeaderMap,
    Body(asked): Body<SignInRequest>,
) -> Result<Response, Problem> {
    same_site(&headers)?;
    let password = Zeroizing::new(asked.password);
    let email = account::email(&asked.email)?;
    let actor = anonymous(caller.actor());
    let proof = account::Proof::of(password, asked.code, asked.recovery_code)?;
    let with = (state.sign_in(), state.store(), state.keyring());
    let checked = account::check(with, &email, proof, Factor::Asked, from, &actor, "session.sign_in").await;
    let right = checked.map_err(Failed::sign_in)?;
    let person = state.store().person(right.user).await?.filter(|p| p.active && p.deleted_at.is_none());
    let person = person.ok_or_else(over)?;
    begin(&state, &person, right.temporary, right.method, from, &headers, &actor).await
}

/// Whoever signs in is nobody yet, whatever he sent along.
pub(crate) fn anonymous(actor: &Actor) -> Actor {
    Actor { kind: "anonymous", id: None, name: "anonymous".to_owned(), ..actor.clone() }
}

/// Begins a session and answers with it.
pub(super) async fn begin(
    state: &AdminState,
    person: &Person,
    must_change: bool,
    method: &str,
    from: IpAddr,
    headers: &HeaderMap,
    actor: &Actor,
) -> Result<Response, Problem> {
    let (session, secret) = open(state, person, method, from, headers, actor).await?;
    answer(state.sign_in(), person, &session, must_change, Some(&secret))
}

/// Begins a session: with its first refresh secret.
pub(super) async fn open(
    state: &AdminState,
    person: &Person,
    method: &str,
    from: IpAddr,
    headers: &HeaderMap,
    actor: &Actor,
) -> Result<(Session, Zeroizing<String>), Problem> {
    let (secret, hash) = secret()?;
    let now = OffsetDateTime::now_utc();
    let session = Session {
        id: Uuid::now_v7(),
        user: person.id,
        epoch: person.epoch,
        method: method.to_owned(),
        address: from,
        agent: agent(headers).unwrap_or_default(),
        created_at: now,
        seen_at: now,
        expires_at: now + state.sign_in().max_age,
        ended_at: None,
    };
    let actor =
        Actor { kind: "user", id: Some(person.id.to_string()), name: person.email.clone(), ..actor.clone() };
    state.store().begin_session(&session, &hash, &actor, &person.email).await?;
    Ok((session, secret))
}

fn answer(
    sign_in: &SignIn,
    person: &Person,
    session: &Session,
    must_change: bool,
    refresh: Option<&str>,
) -> Result<Response, Problem> {
    let mut response = Json(SignedInAnswer::of(sign_in, person, session, must_change)).into_response();
    sign_in.hand_out(response.headers_mut(), session, refresh)?;
    Ok(response)
}

impl SignedInAnswer {
    /// What a client learns of its session.
    pub(super) fn of(sign_in: &SignIn, person: &Person, session: &Session, must_change: bool) -> Self {
        Self {
            session: session.id,
            user: person.id,
            email: person.email.clone(),
            name: person.name.clone(),
            csrf_token: sign_in.csrf(session.id),
            expires_at: session.expires_at,
            must_change_password: must_change,
            second_factor_setup_required: sign_in.must_enrol(person, &session.method),
        }
    }
}

/// A refresh secret and its SHA-256.
pub(crate) fn secret() -> Result<(Zeroizing<String>, [u8; 32]), Problem> {
    let mut random = Zeroizing::new([0_u8; 32]);
    openssl::rand::rand_bytes(&mut *random).map_err(|error| {
        tracing::error!(%error, "no random numbers");
        super::failed()
    })?;
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*random));
    let hash = Sha256::digest(text.as_bytes()).into();
    Ok((text, hash))
}

/// Go on
///
/// Renews both cookies. Each refresh secret works once (and for 10 seconds more, for a second tab, which then gets a new
/// access token only); one that comes back later ends the session: somebody has a copy.
#[utoipa::path(post, path = "/api/session/refresh", tag = "session", operation_id = "refreshSession",
    responses(
        (status = 200, description = "The session goes on.", body = SignedInAnswer),
        (status = 401, description = "There is no such session, it is over, or it was used from elsewhere."),
        (status = 403, description = "A page of another origin asks.")))]
pub(crate) async fn refresh(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Peer(from): Peer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    same_site(&headers)?;
    let sign_in = state.sign_in();
    let (id, given) = cookies::refresh(&headers).ok_or_else(over)?;
    let Some(found) = state.store().signed_in(id, sign_in.idle).await? else { return Ok(ended()) };
    sign_in.in_place(state.store(), &found, from, &headers).await?;
    let given = Sha256::digest(given.as_bytes()).into();
    let (next, hash) = secret()?;
    let actor = anonymous(caller.actor());
    match state.store().refresh_session(id, &given, &hash, &actor).await? {
        Refreshed::Renewed(session) => {
            answer(sign_in, &found.person, &session, found.must_change, Some(&next))
        }
        Refreshed::Overlap(session) => answer(sign_in, &found.person, &session, found.must_change, None),
        Refreshed::Reused | Refreshed::Gone => Ok(ended()),
    }
}

/// 401: the session is over.
pub(crate) fn over() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "session_over", "the session is over: sign in again")
}

/// 401: not from where it began.
pub(crate) fn moved() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "session_moved",
        "the session began at another address or in another program: sign in here",
    )
}

/// The session is over, and so are its cookies.
fn ended() -> Response {
    let mut response = over().into_response();
    cookies::clear(response.headers_mut());
    response
}

/// Sign out
///
/// Ends the session on the server. One that came from an identity provider is ended there too by who goes to
/// `logout_url`.
#[utoipa::path(delete, path = "/api/session", tag = "session", operation_id = "signOut",
    responses(
        (status = 200, description = "The session is over here, but not yet at the identity provider.",
            body = oidc::logout::SignedOut),
        (status = 204, description = "The session is over."),
        (status = 404, description = "The caller has no session: it came with the bootstrap token.")))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let (user, session) = caller.session()?;
    let farewell = oidc::logout::farewell(&state, session).await;
    state.store().end_sessions(user, EndWhich::One(session), "signed out", caller.actor()).await?;
    let mut response =
        farewell.map_or_else(|| StatusCode::NO_CONTENT.into_response(), |to| Json(to).into_response());
    cookies::clear(response.headers_mut());
    Ok(response)
}

/// One's sessions
#[utoipa::path(get, path = "/api/sessions", tag = "session", operation_id = "listMySessions",
    responses(
        (status = 200, description = "Those that are not over, newest first.", body = MySessions),
        (status = 404, description = "The caller has no account: it came with the bootstrap token.")))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<MySessions>, Problem> {
    let (user, current) = caller.session()?;
    let found = state.store().sessions_of(user, state.sign_in().idle).await?;
    let shown = |s: Session| MySession {
        id: s.id,
        current: s.id == current,
        method: s.method,
        address: s.address.to_string(),
        agent: s.agent,
        created_at: s.created_at,
        seen_at: s.seen_at,
        expires_at: s.expires_at,
    };
    Ok(Json(MySessions { sessions: found.into_iter().map(shown).collect() }))
}

/// End all of one's other sessions
#[utoipa::path(delete, path = "/api/sessions", tag = "session", operation_id = "endMyOtherSessions",
    responses(
        (status = 200, description = "All but the one that asks are over.", body = Ended),
        (status = 404, description = "The caller has no account: it came with the bootstrap token.")))]
pub(crate) async fn delete_others(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Ended>, Problem> {
    let (user, current) = caller.session()?;
    let which = EndWhich::AllBut(Some(current));
    let ended = state.store().end_sessions(user, which, "ended by its user", caller.actor()).await?;
    Ok(Json(Ended { ended }))
}

/// End one of one's sessions
#[utoipa::path(delete, path = "/api/sessions/{id}", tag = "session", operation_id = "endMySession",
    params(("id" = Uuid, Path, description = "The session.")),
    responses(
        (status = 204, description = "It is over."),
        (status = 404, description = "The caller has no such session.")))]
pub(crate) async fn delete_one(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    let (user, _) = caller.session()?;
    let none = || Problem::not_found("you have no such session");
    let which = EndWhich::One(id.parse().map_err(|_| none())?);
    match state.store().end_sessions(user, which, "ended by its user", caller.actor()).await? {
        0 => Err(none()),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}
