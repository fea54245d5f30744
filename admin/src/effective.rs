//! What may this user or service account do, and why?

use crate::caller::Caller;
use crate::params::{Named, Params, asked};
use crate::permission::Permission;
use crate::problem::Problem;
use crate::roles::view::{EffectWord, ScopeWord};
use crate::state::AdminState;
use crate::{accounts, users};
use axum::extract::State;
use axum::{Extension, Json};
use sallyport_schema::access::{Decision, Effective, Reach};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// What is asked.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EffectiveQuery {
    /// May it call this surface …
    #[param(min_length = 1, max_length = 200, example = "chat")]
    surface: Option<String>,
    /// … with this model …
    #[param(min_length = 1, max_length = 200)]
    model: Option<String>,
    /// … or this MCP tool (`server/tool`) …
    #[param(min_length = 1, max_length = 200, example = "files/read")]
    tool: Option<String>,
    /// … with a key of this team?
    team: Option<Uuid>,
    /// This permission only.
    #[param(example = "keys.write")]
    permission: Option<String>,
}

/// What somebody may do, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rights {
    /// False: it may do nothing now, whatever its roles say.
    active: bool,
    /// The permissions that a grant names, and how far each reaches.
    permissions: Vec<Held>,
    /// The answer to `surface` and `model`. A key and its team can narrow it further.
    call: Option<Call>,
    /// The answer to `tool`, with the same limits.
    tool: Option<Call>,
}

/// How far a permission reaches.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EffectivePermission)]
struct Held {
    /// The permission.
    permission: &'static str,
    /// To everything.
    all: bool,
    /// To what belongs to these teams.
    teams: Vec<Uuid>,
    /// To what is one's own.
    own: bool,
    /// The grants that name it; one that denies wins.
    because: Vec<Reason>,
}

/// A grant that names a permission.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct Reason {
    /// The role that it is in; `team_manager` comes with managing a team too.
    role: String,
    /// The team in which the role holds. None: everywhere.
    team: Option<Uuid>,
    /// Opens or closes.
    effect: EffectWord,
    /// Whose things.
    scope: ScopeWord,
}

/// May it be called?
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallRight)]
struct Call {
    /// May it?
    allowed: bool,
    /// The roles that decided: those that deny, or else those that allow.
    because: Vec<String>,
}

/// What a user may do
#[utoipa::path(get, path = "/api/users/{id}/effective", tag = "users", operation_id = "getUserRights",
    params(("id" = Uuid, Path, description = "The user."), EffectiveQuery),
    responses((status = 200, description = "What the user may do, and why.", body = Rights)))]
pub(crate) async fn of_user(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    Params(query): Params<EffectiveQuery>,
) -> Result<Json<Rights>, Problem> {
    let (person, holds) = users::find(&state, &caller, id, Permission::UsersRead).await?;
    rights(person.active, &holds, query).map(Json)
}

/// What a service account may do
#[utoipa::path(get, path = "/api/service_accounts/{id}/effective", tag = "service accounts",
    operation_id = "getServiceAccountRights",
    params(("id" = Uuid, Path, description = "The service account."), EffectiveQuery),
    responses((status = 200, description = "What the service account may do, and why.", body = Rights)))]
pub(crate) async fn of_account(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    Params(query): Params<EffectiveQuery>,
) -> Result<Json<Rights>, Problem> {
    let (account, holds) = accounts::find(&state, &caller, id, Permission::AccountsRead).await?;
    let active = match account.team {
        Some(team) => account.active && state.store().team(team).await?.is_some_and(|t| t.active),
        None => account.active,
    };
    rights(active, &holds, query).map(Json)
}

fn rights(active: bool, holds: &Effective, query: EffectiveQuery) -> Result<Rights, Problem> {
    let bad = |detail: &'static str| Problem::bad_request("bad_parameter", detail);
    let only = match &query.permission {
        Some(word) => Some(word.parse::<Permission>().map_err(|()| bad("permission: there is no such one"))?),
        None => None,
    };
    let (surface, model) = (asked("surface", query.surface)?, asked("model", query.model)?);
    let tool = asked("tool", query.tool)?;
    let shown = |d: Decision| Call { allowed: active && d.allowed, because: d.because };
    let call = match (&surface, &model) {
        (Some(surface), Some(model)) => Some(shown(holds.may_call(surface, model, query.team))),
        (None, None) if query.team.is_none() || tool.is_some() => None,
        _ => return Err(bad("give surface and model together (and team with them or with tool, if at all)")),
    };
    let tool = tool.as_ref().map(|tool| shown(holds.may_call_tool(tool, query.team)));
    let asked = Permission::ALL.iter().copied().filter(|p| !p.is_free() && only.is_none_or(|o| o == *p));
    let permissions =
        asked.map(|p| held(active, holds, p)).filter(|h| only.is_some() || !h.because.is_empty()).collect();
    Ok(Rights { active, permissions, call, tool })
}

fn held(active: bool, holds: &Effective, permission: Permission) -> Held {
    let Reach { all, teams, own } = if active { holds.reach(permission) } else { Reach::default() };
    let mut because = Vec::new();
    for a in holds.assignments() {
        for g in a.role.grants.iter().filter(|g| g.names(permission)) {
            let reason = Reason {
                role: a.role.name.clone(),
                team: a.team,
                effect: g.effect.into(),
                scope: g.scope.into(),
            };
            if !because.contains(&reason) {
                because.push(reason);
            }
        }
    }
    Held { permission: permission.as_str(), all, teams: teams.into_iter().collect(), own, because }
}
