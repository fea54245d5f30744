//! Who one is, and one's password.

use super::{account, again, hash, same_site, sessions};
use crate::caller::{Caller, Identity, Peer};
use crate::params::Body;
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use http::{HeaderMap, StatusCode};
use sallyport_schema::access::Permission;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// `user`, or `bootstrap` for the bootstrap token.
    kind: &'static str,
    /// The user; the bootstrap token is none.
    user: Option<MyAccount>,
    /// Roles.
    roles: Vec<MyRole>,
    /// Teams.
    teams: Vec<MyTeam>,
    /// What the caller may do, and how far it reaches.
    permissions: Vec<MyPermission>,
    /// Send it as `x-csrf-token` with every POST, PUT, PATCH and DELETE that carries the cookie.
    csrf_token: Option<String>,
    /// The password is a temporary one: `PUT /api/me/password` comes before anything else.
    must_change_password: bool,
    /// A role of the caller needs a second factor.
    second_factor_required: bool,
    /// It is missing: `POST /api/me/totp` or `POST /api/me/passkeys/begin` comes before anything else.
    second_factor_setup_required: bool,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MyAccount {
    /// Its id.
    id: Uuid,
    /// E-mail address.
    email: String,
    /// Display name.
    name: String,
    /// Has a local password.
    has_password: bool,
    /// Has TOTP.
    has_totp: bool,
    /// Has a passkey.
    has_passkey: bool,
}

/// A role that the caller has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MyRole {
    /// Its name.
    role: String,
    /// In this team only.
    team: Option<Uuid>,
}

/// A team that the caller is in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MyTeam {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: String,
    /// Manages it.
    manager: bool,
}

/// A permission, and what it is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MyPermission {
    /// Its name.
    permission: &'static str,
    /// Everybody's things.
    all: bool,
    /// One's own things.
    own: bool,
    /// What belongs to these teams.
    teams: Vec<Uuid>,
}

/// Who am I
#[utoipa::path(get, path = "/api/me", tag = "session", operation_id = "getMe",
    responses((status = 200, description = "The caller.", body = Me)))]
pub(crate) async fn get(State(state): State<AdminState>, Extension(caller): Extension<Caller>) -> Json<Me> {
    let permissions = Permission::ALL.iter().copied().filter(|p| !p.is_free()).filter_map(|p| {
        let reach = caller.reach(p);
        let held = MyPermission {
            permission: p.as_str(),
            all: reach.all,
            own: reach.own,
            teams: reach.teams.iter().copied().collect(),
        };
        (!reach.is_none()).then_some(held)
    });
    let (must_change_password, second_factor_setup_required, session) = match caller.identity() {
        Identity::Person { session, must_change, must_enrol, .. } => {
            (*must_change, *must_enrol, Some(*session))
        }
        Identity::Anonymous | Identity::Bootstrap | Identity::Scim => (false, false, None),
    };
    let person = caller.person();
    Json(Me {
        kind: caller.actor().kind,
        user: person.map(|p| MyAccount {
            id: p.id,
            email: p.email.clone(),
            name: p.name.clone(),
            has_password: p.has_password,
            has_totp: p.has_totp,
            has_passkey: p.has_passkey,
        }),
        roles: caller
            .effective()
            .assignments()
            .iter()
            .map(|a| MyRole { role: a.role.name.clone(), team: a.team })
            .collect(),
        teams: person
            .map(|p| p.teams.iter())
            .into_iter()
            .flatten()
            .map(|t| MyTeam { id: t.team, name: t.name.clone(), manager: t.manager })
            .collect(),
        permissions: permissions.collect(),
        csrf_token: session.map(|s| state.sign_in().csrf(s)),
        must_change_password,
        second_factor_required: person.is_some_and(|p| state.sign_in().needs_factor(p)),
        second_factor_setup_required,
    })
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The one that holds.
    #[schema(max_length = 256)]
    current: String,
    /// The one that shall hold.
    #[schema(min_length = 12, max_length = 256)]
    new: String,
}

/// Change one's password
///
/// All sessions end; a new one begins.
#[utoipa::path(put, path = "/api/me/password", tag = "session", operation_id = "changeMyPassword",
    request_body = PasswordChange,
    responses(
        (status = 200, description = "Changed; the new session is in the cookies.",
            body = sessions::SignedInAnswer),
        (status = 400, description = "The body is no JSON."),
        (status = 404, description = "The caller has no account: it came with the bootstrap token."),
        (status = 409, description = "The account has no local password."),
        (status = 415, description = "The body is not announced as JSON."),
        (status = 422, description = "The current password is wrong, or the new one is too weak.")))]
pub(crate) async fn put_password(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Peer(from): Peer,
    headers: HeaderMap,
    body: Result<Body<PasswordChange>, Problem>,
) -> Result<Response, Problem> {
    same_site(&headers)?;
    let person = caller.person().ok_or_else(crate::caller::no_account)?;
    let began = caller.began()?;
    let Body(asked) = body?;
    let (current, new) = (Zeroizing::new(asked.current), Zeroizing::new(asked.new));
    again::possible(&caller, &current)?;
    state.sign_in().policy.check(&new, &[&person.email, &person.name])?;
    let proof = account::Proof { password: current.clone(), ..account::Proof::default() };
    let action = "user.password_change";
    again::shown(&state, &caller, proof, account::Factor::Shown, from, action).await?;
    if *current == *new {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "same_password",
            "the new password is the old one",
        ));
    }
    let hash = {
        let _turn = state.sign_in().turn().await?;
        hash(new.to_string()).await?
    };
    let person = state.store().set_password(person.id, &hash, None, caller.actor()).await?;
    sessions::begin(&state, &person, false, &began.method, from, &headers, caller.actor()).await
}
