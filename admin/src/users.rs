//! People.

pub(crate) mod data;
mod view;

use crate::caller::{Caller, forbidden};
use crate::page::{ByAge, Page, PageQuery};
use crate::params::{Body, Named, Params, line, sought};
use crate::permission::Permission;
use crate::problem::Problem;
use crate::roles::view::{Held, named};
use crate::sign_in::email;
use crate::state::AdminState;
use crate::versioned::{IfMatch, Versioned};
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_schema::access::{Effective, Object};
use sallyport_schema::store::people::{NewPerson, PeopleFilter, Person, PersonChange};
use sallyport_schema::store::sessions::EndWhich;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use view::User;

/// Filters and paging; all that are given must match.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserQuery {
    /// Part of the e-mail address or the name.
    #[param(min_length = 1, max_length = 200)]
    text: Option<String>,
    /// Active ones, or the others.
    active: Option<bool>,
    /// Members of this team.
    team: Option<Uuid>,
    /// By age: the oldest first, or the newest.
    #[param(inline)]
    sort: ByAge,
    /// `next` of the page before, in the same order.
    cursor: Option<Uuid>,
    /// Entries of the page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
}

/// A new user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    /// Kept in lower case.
    #[schema(max_length = 254, format = "email", example = "ada@example.com")]
    email: String,
    /// Display name.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Roles; none: the user may do nothing.
    #[serde(default)]
    #[schema(max_items = 50)]
    roles: Vec<Held>,
}

/// What changes of a user. What is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UserPatch {
    /// Kept in lower case.
    #[schema(max_length = 254, format = "email")]
    email: Option<String>,
    /// Display name.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// False: sessions end, keys are refused.
    active: Option<bool>,
    /// Exactly these roles. Sessions end.
    #[schema(max_items = 50)]
    roles: Option<Vec<Held>>,
}

/// Users
///
/// Those that the caller may see, by id.
#[utoipa::path(get, path = "/api/users", tag = "users", operation_id = "listUsers", params(UserQuery),
    responses((status = 200, description = "One page of users.", body = Page<User>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<UserQuery>,
) -> Result<Json<Page<User>>, Problem> {
    let limit = PageQuery { cursor: query.cursor, limit: query.limit }.limit()?;
    let filter = PeopleFilter {
        text: sought(query.text)?,
        active: query.active,
        visible: caller.visible(Permission::UsersRead),
        team: query.team,
        after: query.cursor,
        newest_first: query.sort.newest_first(),
        limit: limit + 1,
    };
    let people = state.store().people(&filter).await?;
    let sees =
        |p: &Person| caller.may_on(Permission::UsersRead, Object { owner: Some(p.id), teams: &teams(p) });
    Ok(Json(Page::of_seen(people, limit, |p| p.id, sees, User::from)))
}

/// One user
#[utoipa::path(get, path = "/api/users/{id}", tag = "users", operation_id = "getUser",
    params(("id" = Uuid, Path, description = "The user.")),
    responses((status = 200, description = "The user.", body = User)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
) -> Result<Versioned<User>, Problem> {
    let (person, _) = find(&state, &caller, id, Permission::UsersRead).await?;
    Ok(Versioned(StatusCode::OK, person.version, person.into()))
}

/// Make a user
///
/// Nobody gives a role that gives more than he holds himself. The user has no password yet.
#[utoipa::path(post, path = "/api/users", tag = "users", operation_id = "createUser", request_body = NewUser,
    responses((status = 201, description = "The user.", body = User)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<NewUser>,
) -> Result<Versioned<User>, Problem> {
    if !caller.may_on(Permission::UsersWrite, Object::default()) {
        return Err(forbidden("you may change users but not make them: that needs users.write over all"));
    }
    let (email, name) = (email(&body.email)?, line("name", &body.name)?);
    let (roles, assignments) = named(&state, body.roles).await?;
    if !roles.is_empty() {
        if !caller.may_on(Permission::RolesAssign, Object::default()) {
            return Err(forbidden("you may not give roles: it needs roles.assign over all"));
        }
        caller.covers(&assignments)?;
    }
    let new = NewPerson { email, name, source: "local", password: None, roles };
    let person = state.store().create_person(&new, false, caller.actor()).await?;
    Ok(Versioned(StatusCode::CREATED, person.version, person.into()))
}

/// Change a user
///
/// Only who holds all that the user holds may change him, and only such roles may be given. The last super admin who
/// can sign in stays.
#[utoipa::path(patch, path = "/api/users/{id}", tag = "users", operation_id = "changeUser", request_body = UserPatch,
    params(("id" = Uuid, Path, description = "The user."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 200, description = "The user.", body = User)))]
pub(crate) async fn change(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
    Body(body): Body<UserPatch>,
) -> Result<Versioned<User>, Problem> {
    let (person, holds) = find(&state, &caller, id, Permission::UsersRead).await?;
    let own = teams(&person);
    let object = Object { owner: Some(id), teams: &own };
    let more = body.email.is_some() || body.name.is_some() || body.active.is_some();
    if more || body.roles.is_none() {
        caller.need(Permission::UsersRead, Permission::UsersWrite, object, "user")?;
    }
    not_above(&caller, &person, &holds)?;
    let mut change = PersonChange {
        email: body.email.map(|e| email(&e)).transpose()?,
        name: body.name.map(|n| line("name", &n)).transpose()?,
        active: body.active,
        roles: None,
    };
    if let Some(held) = body.roles {
        caller.need(Permission::UsersRead, Permission::RolesAssign, object, "user")?;
        let (roles, assignments) = named(&state, held).await?;
        caller.covers(&assignments)?;
        change.roles = Some(roles);
    }
    let version = version.on(person.version)?;
    let person = state.store().change_person(id, version, &change, caller.actor()).await?;
    Ok(Versioned(StatusCode::OK, person.version, person.into()))
}

/// Delete a user
///
/// Sessions end and keys are refused at once.
#[utoipa::path(delete, path = "/api/users/{id}", tag = "users", operation_id = "deleteUser",
    params(("id" = Uuid, Path, description = "The user."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 204, description = "The user is gone.")))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
) -> Result<StatusCode, Problem> {
    let (person, holds) = find(&state, &caller, id, Permission::UsersWrite).await?;
    not_above(&caller, &person, &holds)?;
    state.store().delete_person(id, version.on(person.version)?, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End a user's sessions
#[utoipa::path(delete, path = "/api/users/{id}/sessions", tag = "users", operation_id = "endUserSessions",
    params(("id" = Uuid, Path, description = "The user.")),
    responses((status = 204, description = "The user is signed out everywhere.")))]
pub(crate) async fn end_sessions(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
) -> Result<StatusCode, Problem> {
    let (person, holds) = find(&state, &caller, id, Permission::UsersReset).await?;
    not_above(&caller, &person, &holds)?;
    let which = EndWhich::AllBut(None);
    state.store().end_sessions(id, which, "ended by an administrator", caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The user, if the caller may do this to him.
pub(crate) async fn find(
    state: &AdminState,
    caller: &Caller,
    id: Uuid,
    permission: Permission,
) -> Result<(Person, Effective), Problem> {
    let found = state.store().effective(id).await?;
    let (person, holds) = found.ok_or_else(|| Problem::not_found("there is no such user"))?;
    let object = Object { owner: Some(id), teams: &teams(&person) };
    caller.need(Permission::UsersRead, permission, object, "user")?;
    Ok((person, holds))
}

/// Nobody above the caller is changed by him.
pub(crate) fn not_above(caller: &Caller, person: &Person, holds: &Effective) -> Result<(), Problem> {
    if caller.user() == Some(person.id) { Ok(()) } else { caller.covers(holds.assignments()) }
}

fn teams(person: &Person) -> Vec<Uuid> {
    person.teams.iter().map(|t| t.team).collect()
}

#[cfg(test)]
mod tests;
