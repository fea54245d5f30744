//! Teams.

pub(crate) mod members;

use crate::caller::{Caller, forbidden};
use crate::page::{ByAge, Page, PageQuery};
use crate::params::{Body, Named, Params, line, prose, sought};
use crate::permission::Permission;
use crate::problem::Problem;
use crate::roles::view::calls;
use crate::state::AdminState;
use crate::versioned::{IfMatch, Versioned};
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_schema::access::{Assignment, Object, Reach, Role};
use sallyport_schema::store::teams::{Team, TeamChange, TeamFilter};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Filters and paging; all that are given must match.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TeamQuery {
    /// Part of the name.
    #[param(min_length = 1, max_length = 200)]
    text: Option<String>,
    /// Active ones, or the others.
    active: Option<bool>,
    /// By age: the oldest first, or the newest.
    #[param(inline)]
    sort: ByAge,
    /// `next` of the page before, in the same order.
    cursor: Option<Uuid>,
    /// Entries of the page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
}

/// A team.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Team)]
pub(crate) struct TeamView {
    /// For good.
    id: Uuid,
    /// Unique.
    name: String,
    /// For people.
    description: String,
    /// False: its keys, and those of its service accounts, are refused.
    active: bool,
    /// Surfaces or patterns that its keys may use at most; none: nothing.
    surfaces: Vec<String>,
    /// Models or patterns that its keys may use at most; none: nothing.
    models: Vec<String>,
    /// MCP tools (`server/tool`) or patterns that its keys may call at most; none: nothing.
    tools: Vec<String>,
    /// Who looks after this team: `local`, `oidc`, `scim`.
    source: String,
    /// How many members it has, managers included.
    members: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was changed.
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// A new team.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTeam {
    /// Unique.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 2000)]
    description: String,
    /// Surfaces or patterns that its keys may use at most; none: nothing.
    #[serde(default)]
    #[schema(max_items = 200)]
    surfaces: Vec<String>,
    /// Models or patterns that its keys may use at most; none: nothing.
    #[serde(default)]
    #[schema(max_items = 200)]
    models: Vec<String>,
    /// MCP tools (`server/tool`) or patterns that its keys may call at most; none: nothing.
    #[serde(default)]
    #[schema(max_items = 200)]
    tools: Vec<String>,
}

/// What changes of a team. What is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TeamPatch {
    /// Unique.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// For people.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// False: its keys, and those of its service accounts, are refused.
    active: Option<bool>,
    /// Exactly these surfaces or patterns.
    #[schema(max_items = 200)]
    surfaces: Option<Vec<String>>,
    /// Exactly these models or patterns.
    #[schema(max_items = 200)]
    models: Option<Vec<String>>,
    /// Exactly these MCP tools or patterns.
    #[schema(max_items = 200)]
    tools: Option<Vec<String>>,
}

/// Teams
///
/// Those that the caller may see, by id.
#[utoipa::path(get, path = "/api/teams", tag = "teams", operation_id = "listTeams", params(TeamQuery),
    responses((status = 200, description = "One page of teams.", body = Page<TeamView>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<TeamQuery>,
) -> Result<Json<Page<TeamView>>, Problem> {
    let limit = PageQuery { cursor: query.cursor, limit: query.limit }.limit()?;
    let Reach { all, mut teams, own } = caller.reach(Permission::TeamsRead);
    if own {
        teams.extend(&caller.effective().subject().teams);
    }
    let filter = TeamFilter {
        text: sought(query.text)?,
        active: query.active,
        visible: (!all).then(|| teams.into_iter().collect()),
        after: query.cursor,
        newest_first: query.sort.newest_first(),
        limit: limit + 1,
    };
    let rows = state.store().teams(&filter).await?;
    let sees = |t: &Team| caller.may_on(Permission::TeamsRead, object(&caller, &t.id));
    Ok(Json(Page::of_seen(rows, limit, |t| t.id, sees, TeamView::from)))
}

/// One team
#[utoipa::path(get, path = "/api/teams/{id}", tag = "teams", operation_id = "getTeam",
    params(("id" = Uuid, Path, description = "The team.")),
    responses((status = 200, description = "The team.", body = TeamView)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
) -> Result<Versioned<TeamView>, Problem> {
    let team = find(&state, &caller, id, Permission::TeamsRead).await?;
    Ok(Versioned(StatusCode::OK, team.version, team.into()))
}

/// Make a team
///
/// Its lists may open only what the caller may call himself.
#[utoipa::path(post, path = "/api/teams", tag = "teams", operation_id = "createTeam", request_body = NewTeam,
    responses((status = 201, description = "The team.", body = TeamView)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<NewTeam>,
) -> Result<Versioned<TeamView>, Problem> {
    if !caller.may_on(Permission::TeamsWrite, Object::default()) {
        return Err(forbidden("you may change teams but not make them: that needs teams.write over all"));
    }
    let name = line("name", &body.name)?;
    opens(&caller, None, [&body.surfaces, &body.models, &body.tools])?;
    let new = TeamChange {
        description: Some(prose("description", body.description)?),
        surfaces: Some(body.surfaces),
        models: Some(body.models),
        tools: Some(body.tools),
        ..TeamChange::default()
    };
    let team = state.store().create_team(&name, &new, caller.actor()).await?;
    Ok(Versioned(StatusCode::CREATED, team.version, team.into()))
}

/// Change a team
///
/// Its lists may come to open only what the caller may call himself; narrowing them is free.
#[utoipa::path(patch, path = "/api/teams/{id}", tag = "teams", operation_id = "changeTeam", request_body = TeamPatch,
    params(("id" = Uuid, Path, description = "The team."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 200, description = "The team.", body = TeamView)))]
pub(crate) async fn change(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
    Body(body): Body<TeamPatch>,
) -> Result<Versioned<TeamView>, Problem> {
    let team = find(&state, &caller, id, Permission::TeamsWrite).await?;
    let version = version.on(team.version)?;
    let before = [&team.surfaces, &team.models, &team.tools];
    let wanted = [&body.surfaces, &body.models, &body.tools];
    let after: [&Vec<String>; 3] = std::array::from_fn(|i| wanted[i].as_ref().unwrap_or(before[i]));
    let kept = after.iter().zip(before).all(|(new, old)| new.iter().all(|p| old.contains(p)));
    let reactivated = body.active == Some(true) && !team.active;
    if reactivated || !kept {
        opens(&caller, Some(id), after)?;
    }
    let change = TeamChange {
        name: body.name.map(|n| line("name", &n)).transpose()?,
        description: body.description.map(|d| prose("description", d)).transpose()?,
        active: body.active,
        surfaces: body.surfaces,
        models: body.models,
        tools: body.tools,
    };
    let team = state.store().change_team(id, version, &change, caller.actor()).await?;
    Ok(Versioned(StatusCode::OK, team.version, team.into()))
}

/// Delete a team
///
/// Its keys, and those of its service accounts, are refused at once.
#[utoipa::path(delete, path = "/api/teams/{id}", tag = "teams", operation_id = "deleteTeam",
    params(("id" = Uuid, Path, description = "The team."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 204, description = "The team is gone.")))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
) -> Result<StatusCode, Problem> {
    let team = find(&state, &caller, id, Permission::TeamsWrite).await?;
    state.store().delete_team(id, version.on(team.version)?, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The team, if the caller may do this to it.
async fn find(
    state: &AdminState,
    caller: &Caller,
    id: Uuid,
    permission: Permission,
) -> Result<Team, Problem> {
    let team = state.store().team(id).await?;
    let team = team.ok_or_else(|| Problem::not_found("there is no such team"))?;
    caller.need(Permission::TeamsRead, permission, object(caller, &id), "team")?;
    Ok(team)
}

/// A team is its members' own.
fn object<'a>(caller: &Caller, id: &'a Uuid) -> Object<'a> {
    let owner = caller.user().filter(|_| caller.effective().subject().teams.contains(id));
    Object { owner, teams: std::slice::from_ref(id) }
}

/// Nobody opens to a team what he may not call himself. `lists`: surfaces, models, tools.
fn opens(caller: &Caller, team: Option<Uuid>, lists: [&Vec<String>; 3]) -> Result<(), Problem> {
    let Some(grant) = calls(lists)? else { return Ok(()) };
    let role = Role { name: "allow-list".into(), description: String::new(), grants: vec![grant] };
    caller.covers(&[Assignment { role, team }])
}

impl From<Team> for TeamView {
    fn from(t: Team) -> Self {
        Self {
            id: t.id,
            name: t.name,
            description: t.description,
            active: t.active,
            surfaces: t.surfaces,
            models: t.models,
            tools: t.tools,
            source: t.source,
            members: t.members,
            created_at: t.created_at,
            updated_at: t.updated_at,
        }
    }
}

#[cfg(test)]
mod tests;
