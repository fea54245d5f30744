//! `/scim/v2/Groups`.

use super::Scim;
use super::answer::{Conditions, Told};
use super::group::{change as changed, shown, version, written};
use super::query::{Kind, ListQuery, OneQuery, Search, run};
use super::shape::OF_GROUP;
use super::users::TRIES;
use super::{patch, shape};
use crate::params::{Body, Named, Params};
use crate::problem::Problem;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use sallyport_schema::access::{Object, Permission};
use sallyport_schema::error::StoreError;
use sallyport_schema::store::scim::{ScimTeam, ScimTeamChange, Which};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Groups of this client
#[utoipa::path(get, path = "/scim/v2/Groups", tag = "scim", operation_id = "scimListGroups", params(ListQuery),
    responses((status = 200, description = "A list.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn list(scim: Scim, Params(query): Params<ListQuery>) -> Result<Told, Problem> {
    Ok(Told::ok(run(&scim, &[Kind::Groups], query.into()).await?))
}

/// Groups of this client, asked for in a body
#[utoipa::path(post, path = "/scim/v2/Groups/.search", tag = "scim", operation_id = "scimSearchGroups",
    request_body(content = Search, content_type = "application/scim+json"),
    responses((status = 200, description = "A list.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn search(scim: Scim, Body(body): Body<Value>) -> Result<Told, Problem> {
    Ok(Told::ok(run(&scim, &[Kind::Groups], Search::read(body)?).await?))
}

/// One group
#[utoipa::path(get, path = "/scim/v2/Groups/{id}", tag = "scim", operation_id = "scimGetGroup",
    params(("id" = Uuid, Path, description = "The group: a team."), OneQuery),
    responses((status = 200, description = "The group.", body = Value, content_type = "application/scim+json"),
              (status = 304, description = "It is the version of If-None-Match.")))]
pub(crate) async fn get(
    scim: Scim,
    Named(id): Named<Uuid>,
    Params(query): Params<OneQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let only = query.shown(Kind::Groups)?;
    let found = find(&scim, id, only.wants("members")).await?;
    if Conditions::of(&headers).known(&version(&found)) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(Told::ok(only.of(shown(&found, &scim.base))).into_response())
}

/// Make a group
///
/// It is a team without surfaces or models: what its keys may use is decided here. A team of that name that is there
/// already is taken over if the client may (`adopt`).
#[utoipa::path(post, path = "/scim/v2/Groups", tag = "scim", operation_id = "scimCreateGroup", params(OneQuery),
    request_body(content = Value, content_type = "application/scim+json"),
    responses((status = 201, description = "The group.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn create(
    scim: Scim,
    Params(query): Params<OneQuery>,
    Body(body): Body<Value>,
) -> Result<Told, Problem> {
    let only = query.shown(Kind::Groups)?;
    let new = changed(&OF_GROUP.read(&body)?, &[])?;
    let target = match scim.store().scim_free_team(&new.name).await? {
        Some(id) if scim.client.adopt => {
            let team =
                scim.store().team(id).await?.ok_or_else(|| Problem::not_found("there is no such group"))?;
            Some((id, team.version, true))
        }
        _ => None,
    };
    allowed(&scim, target.map(|t| t.0), &new, true).await?;
    let id = put(&scim, target, &new).await?;
    let found = find(&scim, id, true).await?;
    Ok(Told { status: StatusCode::CREATED, body: only.of(shown(&found, &scim.base)) })
}

/// Replace a group
///
/// Members that are left out are no members any more.
#[utoipa::path(put, path = "/scim/v2/Groups/{id}", tag = "scim", operation_id = "scimReplaceGroup",
    params(("id" = Uuid, Path, description = "The group: a team."), OneQuery,
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    request_body(content = Value, content_type = "application/scim+json"),
    responses((status = 200, description = "The group.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn replace(
    scim: Scim,
    Named(id): Named<Uuid>,
    Params(query): Params<OneQuery>,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> Result<Told, Problem> {
    let new = OF_GROUP.read(&body)?;
    change(&scim, id, &query, &Conditions::of(&headers), |_| Ok(new.clone())).await
}

/// Change a group
#[utoipa::path(patch, path = "/scim/v2/Groups/{id}", tag = "scim", operation_id = "scimChangeGroup",
    params(("id" = Uuid, Path, description = "The group: a team."), OneQuery,
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    request_body(content = Value, content_type = "application/scim+json"),
    responses((status = 200, description = "The group.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn patch(
    scim: Scim,
    Named(id): Named<Uuid>,
    Params(query): Params<OneQuery>,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> Result<Told, Problem> {
    let becomes = |mut map: Map<String, Value>| {
        patch::apply(&OF_GROUP, &mut map, &body)?;
        Ok(map)
    };
    change(&scim, id, &query, &Conditions::of(&headers), becomes).await
}

/// Delete a group
///
/// The team's keys are refused at once.
#[utoipa::path(delete, path = "/scim/v2/Groups/{id}", tag = "scim", operation_id = "scimDeleteGroup",
    params(("id" = Uuid, Path, description = "The group: a team."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 204, description = "The group is gone.")))]
pub(crate) async fn delete(
    scim: Scim,
    Named(id): Named<Uuid>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let found = find(&scim, id, true).await?;
    Conditions::of(&headers).hold(&version(&found))?;
    let gone = ScimTeamChange { leaves: found.members.clone(), ..ScimTeamChange::default() };
    allowed(&scim, Some(id), &gone, true).await?;
    scim.store().delete_team(id, Some(found.team.version), scim.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(scim: &Scim, id: Uuid, members: bool) -> Result<ScimTeam, Problem> {
    let found = scim.store().scim_teams(scim.client.id, &Which::Ids(vec![id]), members).await?;
    found.into_iter().next().ok_or_else(|| Problem::not_found("there is no such group"))
}

/// The client may do this to the team (`itself`: not only to its members), and to each one who comes or goes.
async fn allowed(
    scim: &Scim,
    team: Option<Uuid>,
    change: &ScimTeamChange,
    itself: bool,
) -> Result<(), Problem> {
    let teams: Vec<Uuid> = team.into_iter().collect();
    let object = Object { owner: None, teams: &teams };
    if itself {
        scim.may(Permission::TeamsWrite, object)?;
    }
    let moved: Vec<Uuid> = change.joins.iter().chain(&change.leaves).copied().collect();
    if moved.is_empty() {
        return Ok(());
    }
    scim.may(Permission::TeamsMembers, object)?;
    scim.covers(&moved).await
}

async fn put(
    scim: &Scim,
    target: Option<(Uuid, i64, bool)>,
    change: &ScimTeamChange,
) -> Result<Uuid, StoreErrorOr> {
    scim.store().scim_put_team(scim.client.id, target, change, scim.actor()).await.map_err(StoreErrorOr)
}

/// A member that is none of the client's users is a wrong value, not a missing resource.
struct StoreErrorOr(StoreError);

impl From<StoreErrorOr> for Problem {
    fn from(StoreErrorOr(error): StoreErrorOr) -> Self {
        match error {
            StoreError::NotFound { what: "member", name } => {
                shape::invalid(format!("`members`: this client has no user {name}"))
            }
            e => e.into(),
        }
    }
}

async fn change(
    scim: &Scim,
    id: Uuid,
    query: &OneQuery,
    conditions: &Conditions,
    becomes: impl Fn(Map<String, Value>) -> Result<Map<String, Value>, Problem>,
) -> Result<Told, Problem> {
    let only = query.shown(Kind::Groups)?;
    for _ in 0..TRIES {
        let found = find(scim, id, true).await?;
        conditions.hold(&version(&found))?;
        let new = changed(&becomes(written(&found, &scim.base))?, &found.members)?;
        let itself = new.name != found.team.name || new.external_id != found.external_id;
        if !itself && new.joins.is_empty() && new.leaves.is_empty() {
            return Ok(Told::ok(only.of(shown(&found, &scim.base))));
        }
        allowed(scim, Some(id), &new, itself).await?;
        match put(scim, Some((id, found.team.version, false)), &new).await {
            Ok(_) => return Ok(Told::ok(only.of(shown(&find(scim, id, true).await?, &scim.base)))),
            // somebody else was faster: once more, on what is there now
            Err(StoreErrorOr(StoreError::Conflict { why: "it has been changed meanwhile", .. }))
                if !conditions.is_bound() => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(shape::busy())
}
