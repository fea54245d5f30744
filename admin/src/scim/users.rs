//! `/scim/v2/Users`.

use super::Scim;
use super::answer::{Conditions, Told};
use super::query::{Kind, ListQuery, OneQuery, Search, run};
use super::shape::OF_USER;
use super::user::{kept, shown, version, written};
use super::{patch, shape};
use crate::caller::forbidden;
use crate::params::{Body, Named, Params};
use crate::problem::Problem;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use sallyport_schema::access::{Object, Permission};
use sallyport_schema::error::StoreError;
use sallyport_schema::store::people::Person;
use sallyport_schema::store::scim::{ScimPerson, ScimUser, Which};
use serde_json::{Map, Value};
use uuid::Uuid;

/// How often a change is tried that others come in between.
pub(super) const TRIES: usize = 5;

/// Users of this client
#[utoipa::path(get, path = "/scim/v2/Users", tag = "scim", operation_id = "scimListUsers", params(ListQuery),
    responses((status = 200, description = "A list.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn list(scim: Scim, Params(query): Params<ListQuery>) -> Result<Told, Problem> {
    Ok(Told::ok(run(&scim, &[Kind::Users], query.into()).await?))
}

/// Users of this client, asked for in a body
#[utoipa::path(post, path = "/scim/v2/Users/.search", tag = "scim", operation_id = "scimSearchUsers",
    request_body(content = Search, content_type = "application/scim+json"),
    responses((status = 200, description = "A list.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn search(scim: Scim, Body(body): Body<Value>) -> Result<Told, Problem> {
    Ok(Told::ok(run(&scim, &[Kind::Users], Search::read(body)?).await?))
}

/// One user
#[utoipa::path(get, path = "/scim/v2/Users/{id}", tag = "scim", operation_id = "scimGetUser",
    params(("id" = Uuid, Path, description = "The user."), OneQuery),
    responses((status = 200, description = "The user.", body = Value, content_type = "application/scim+json"),
              (status = 304, description = "It is the version of If-None-Match.")))]
pub(crate) async fn get(
    scim: Scim,
    Named(id): Named<Uuid>,
    Params(query): Params<OneQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let only = query.shown(Kind::Users)?;
    let found = find(&scim, id).await?;
    if Conditions::of(&headers).known(&version(&found)) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(Told::ok(only.of(shown(&found, &scim.base))).into_response())
}

/// Make a user
///
/// The user has no password, and the roles that the client gives. A user of that address who is there already is taken
/// over if the client may (`adopt`), with the roles that he has.
#[utoipa::path(post, path = "/scim/v2/Users", tag = "scim", operation_id = "scimCreateUser", params(OneQuery),
    request_body(content = Value, content_type = "application/scim+json"),
    responses((status = 201, description = "The user.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn create(
    scim: Scim,
    Params(query): Params<OneQuery>,
    Body(body): Body<Value>,
) -> Result<Told, Problem> {
    let only = query.shown(Kind::Users)?;
    let mut map = OF_USER.read(&body)?;
    map.entry("active").or_insert(Value::Bool(true));
    let new = kept(map);
    let id = match scim.store().person_by_email(&new.email).await? {
        Some(person) => adopt(&scim, &person, &new).await?,
        None => {
            scim.may(Permission::UsersWrite, Object::default())?;
            let roles = &scim.client.default_roles;
            let granted = scim.store().assignments(roles).await.map_err(|e| match e {
                StoreError::NotFound { name, .. } => {
                    forbidden(format!("the role `{name}` that this SCIM client gives is no more"))
                }
                e => e.into(),
            })?;
            scim.caller.covers(&granted)?;
            scim.store().scim_make_person(scim.client.id, &new, roles, scim.actor()).await?
        }
    };
    let found = find(&scim, id).await?;
    Ok(Told { status: StatusCode::CREATED, body: only.of(shown(&found, &scim.base)) })
}

/// Replace a user
///
/// What is left out is gone, but `active`: it stays as it is.
#[utoipa::path(put, path = "/scim/v2/Users/{id}", tag = "scim", operation_id = "scimReplaceUser",
    params(("id" = Uuid, Path, description = "The user."), OneQuery,
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    request_body(content = Value, content_type = "application/scim+json"),
    responses((status = 200, description = "The user.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn replace(
    scim: Scim,
    Named(id): Named<Uuid>,
    Params(query): Params<OneQuery>,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> Result<Told, Problem> {
    let new = OF_USER.read(&body)?;
    let becomes = |before: Map<String, Value>| {
        let mut map = new.clone();
        if let (None, Some(active)) = (map.get("active"), before.get("active")) {
            map.insert("active".into(), active.clone());
        }
        Ok(map)
    };
    change(&scim, id, &query, &Conditions::of(&headers), becomes).await
}

/// Change a user
#[utoipa::path(patch, path = "/scim/v2/Users/{id}", tag = "scim", operation_id = "scimChangeUser",
    params(("id" = Uuid, Path, description = "The user."), OneQuery,
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    request_body(content = Value, content_type = "application/scim+json"),
    responses((status = 200, description = "The user.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn patch(
    scim: Scim,
    Named(id): Named<Uuid>,
    Params(query): Params<OneQuery>,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> Result<Told, Problem> {
    let becomes = |mut map: Map<String, Value>| {
        patch::apply(&OF_USER, &mut map, &body)?;
        Ok(map)
    };
    change(&scim, id, &query, &Conditions::of(&headers), becomes).await
}

/// Delete a user
///
/// Sessions end and keys are refused at once.
#[utoipa::path(delete, path = "/scim/v2/Users/{id}", tag = "scim", operation_id = "scimDeleteUser",
    params(("id" = Uuid, Path, description = "The user."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 204, description = "The user is gone.")))]
pub(crate) async fn delete(
    scim: Scim,
    Named(id): Named<Uuid>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let found = find(&scim, id).await?;
    Conditions::of(&headers).hold(&version(&found))?;
    allowed(&scim, &found.person).await?;
    scim.store().delete_person(id, Some(found.person.version), scim.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(scim: &Scim, id: Uuid) -> Result<ScimPerson, Problem> {
    let found = scim.store().scim_people(scim.client.id, &Which::Ids(vec![id])).await?;
    found.into_iter().next().ok_or_else(|| Problem::not_found("there is no such user"))
}

/// The client may change users, and this one.
async fn allowed(scim: &Scim, person: &Person) -> Result<(), Problem> {
    let teams: Vec<Uuid> = person.teams.iter().map(|t| t.team).collect();
    scim.may(Permission::UsersWrite, Object { owner: Some(person.id), teams: &teams })?;
    scim.covers(&[person.id]).await
}

/// A user who is there already. Not a word about him if he may not be taken over.
async fn adopt(scim: &Scim, person: &Person, new: &ScimUser) -> Result<Uuid, Problem> {
    let taken = || {
        Problem::new(StatusCode::CONFLICT, "uniqueness", "there is a user of this name or address already")
    };
    let own = scim.store().scim_people(scim.client.id, &Which::Ids(vec![person.id])).await?;
    if !scim.client.adopt || !own.is_empty() {
        return Err(taken());
    }
    allowed(scim, person).await?;
    let changed = scim
        .store()
        .scim_change_person(scim.client.id, person.id, person.version, new, true, scim.actor())
        .await;
    match changed {
        Ok(person) => Ok(person.id),
        Err(StoreError::Conflict { why: "another SCIM client looks after it", .. }) => Err(taken()),
        Err(e) => Err(e.into()),
    }
}

async fn change(
    scim: &Scim,
    id: Uuid,
    query: &OneQuery,
    conditions: &Conditions,
    becomes: impl Fn(Map<String, Value>) -> Result<Map<String, Value>, Problem>,
) -> Result<Told, Problem> {
    let only = query.shown(Kind::Users)?;
    for _ in 0..TRIES {
        let found = find(scim, id).await?;
        conditions.hold(&version(&found))?;
        let before = written(&found);
        let after = becomes(before.clone())?;
        if before == after {
            return Ok(Told::ok(only.of(shown(&found, &scim.base))));
        }
        allowed(scim, &found.person).await?;
        let new = kept(after);
        let written = scim
            .store()
            .scim_change_person(scim.client.id, id, found.person.version, &new, false, scim.actor())
            .await;
        match written {
            Ok(_) => return Ok(Told::ok(only.of(shown(&find(scim, id).await?, &scim.base)))),
            // somebody else was faster: once more, on what is there now
            Err(StoreError::Conflict { why: "it has been changed meanwhile", .. })
                if !conditions.is_bound() => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(shape::busy())
}
