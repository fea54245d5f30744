//! What may this key call, and why? Decided by what the gateway itself decides by, on the rows as they are stored now.

use super::find;
use crate::caller::Caller;
use crate::params::{Named, Params, asked};
use crate::permission::Permission;
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::{Extension, Json};
use sallyport_config::assemble::Bearer;
use sallyport_config::pattern::{PatternSet, glob};
use sallyport_config::rights::{Bounds, Wanted};
use sallyport_config::snapshot::Owner;
use sallyport_schema::access::opens_surface;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// What is asked.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyRightsQuery {
    /// May it call this surface …
    #[param(min_length = 1, max_length = 200, example = "chat")]
    surface: Option<String>,
    /// … with this model …
    #[param(min_length = 1, max_length = 200)]
    model: Option<String>,
    /// … or this MCP tool (`server/tool`)?
    #[param(min_length = 1, max_length = 200, example = "files/read")]
    tool: Option<String>,
}

/// What a key may call, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyRights {
    /// False: it is refused now, whatever is asked.
    active: bool,
    /// Why it is refused.
    inactive_because: Vec<&'static str>,
    /// The answer to `surface` and `model`.
    call: Option<KeyCall>,
    /// The answer to `tool`.
    tool: Option<KeyCall>,
}

/// May it be called? The key, its team and its owner must all allow it.
#[derive(Debug, Serialize, ToSchema)]
struct KeyCall {
    /// May it?
    allowed: bool,
    /// What the lists of the key say; `because` names the entries that match.
    key: Bound,
    /// What the lists of its team say. None: it is for no team.
    team: Option<Bound>,
    /// What the roles of its owner say; `because` names those that deny, or else those that allow. None: nobody owns it.
    owner: Option<Bound>,
}

/// What one of them says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyBound)]
struct Bound {
    /// Allows it.
    allowed: bool,
    /// Why.
    because: Vec<String>,
}

/// What a key may call
#[utoipa::path(get, path = "/api/keys/{id}/effective", tag = "keys", operation_id = "getKeyRights",
    params(("id" = Uuid, Path, description = "The key."), KeyRightsQuery),
    responses((status = 200, description = "What the key may call, and why.", body = KeyRights)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    Params(query): Params<KeyRightsQuery>,
) -> Result<Json<KeyRights>, Problem> {
    let (surface, model) = (asked("surface", query.surface)?, asked("model", query.model)?);
    let tool = asked("tool", query.tool)?;
    find(&state, &caller, Permission::KeysRead, id).await?;
    let rows = state.store().bounds_of_key(id).await?;
    let bearer = Bearer::new(&rows).ok_or_else(|| Problem::not_found("there is no such key"))?;
    let inactive_because = refused(&bearer);
    let bounds = bearer.bounds();
    let call = match (&surface, &model) {
        (None, None) => None,
        (None, Some(_)) => return Err(Problem::bad_request("bad_parameter", "give surface with model")),
        (Some(surface), model) => {
            let model = model.as_ref().map(|model| Wanted::Model { surface, model });
            let wanted: Vec<_> = std::iter::once(Wanted::Surface(surface)).chain(model).collect();
            Some(decide(bounds, &wanted))
        }
    };
    let tool = tool.as_ref().map(|tool| decide(bounds, &[Wanted::Tool(tool)]));
    let active = inactive_because.is_empty();
    let now = |call: Option<KeyCall>| call.map(|c| KeyCall { allowed: active && c.allowed, ..c });
    Ok(Json(KeyRights { active, inactive_because, call: now(call), tool: now(tool) }))
}

/// Why the gateway refuses the key, whatever is called.
fn refused(bearer: &Bearer) -> Vec<&'static str> {
    let key = &bearer.key;
    let over = key.expires_at.is_some_and(|at| OffsetDateTime::now_utc().unix_timestamp() >= at);
    let owner_gone = key.owner().is_some() && !bearer.owner.as_ref().is_some_and(|o| o.active);
    let team_gone = key.team.is_some() && !bearer.team.as_ref().is_some_and(|t| t.active);
    let all = [
        (key.revoked, "it is revoked"),
        (key.disabled, "it is disabled"),
        (over, "it has expired"),
        (owner_gone, "its owner is inactive or deleted"),
        (team_gone, "its team is inactive or deleted"),
    ];
    all.into_iter().filter(|(so, _)| *so).map(|(_, why)| why).collect()
}

/// Of all that is wanted at once: a surface, and a model on it.
fn decide<'a>(bounds: Bounds<'a>, wanted: &[Wanted<'_>]) -> KeyCall {
    let by_list = |allows: fn(&Bounds<'a>, Wanted<'_>) -> bool, lists: [&PatternSet; 3]| Bound {
        allowed: wanted.iter().all(|w| allows(&bounds, *w)),
        because: wanted.iter().flat_map(|w| matching(lists, *w)).collect(),
    };
    let key = bounds.key;
    KeyCall {
        allowed: wanted.iter().all(|w| bounds.allow(*w)),
        key: by_list(Bounds::by_key, [&key.surfaces, &key.models, &key.tools]),
        team: bounds.team.map(|t| by_list(Bounds::by_team, [&t.surfaces, &t.models, &t.tools])),
        owner: bounds.owner.map(|owner| by_roles(bounds, owner, wanted)),
    }
}

/// The entries of the lists (surfaces, models, tools) that match.
fn matching([surfaces, models, tools]: [&PatternSet; 3], wanted: Wanted<'_>) -> Vec<String> {
    let (list, name) = match wanted {
        Wanted::Surface(name) if !opens_surface(surfaces, name) => return Vec::new(),
        Wanted::Surface(name) => (surfaces, name),
        Wanted::Model { model, .. } => (models, model),
        Wanted::Tool(tool) => (tools, tool),
    };
    list.patterns().filter(|p| glob(p, name)).map(str::to_owned).collect()
}

/// The first thing that the roles do not allow decides, or else the last: what opens a model on a surface opens the
/// surface.
fn by_roles(bounds: Bounds<'_>, owner: &Owner, wanted: &[Wanted<'_>]) -> Bound {
    let refused = wanted.iter().find(|w| !bounds.by_owner(**w));
    let decides = refused.or_else(|| wanted.last());
    let said = decides.into_iter().flat_map(|w| bounds.said(owner, *w));
    let because = said.filter(|(_, opens)| *opens == refused.is_none()).map(|(held, _)| match held.team {
        None => held.role.to_string(),
        Some(team) => format!("{} in team {team}", held.role),
    });
    Bound { allowed: refused.is_none(), because: because.collect() }
}
