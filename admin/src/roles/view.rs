//! Roles and grants as the API reads and writes them.

use crate::caller::Caller;
use crate::params::wrong;
use crate::problem::Problem;
use crate::state::AdminState;
use sallyport_schema::access::{Assignment, Effect, Grant, Role, Scope};
use sallyport_schema::error::StoreError;
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::roles::CustomRole;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Roles that one may have, at most.
const MOST_HELD: usize = 50;
/// Grants of a role, at most.
const MOST_GRANTS: usize = 100;

/// A role that somebody has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Held {
    /// Name of a built-in or a custom role.
    #[schema(example = "developer")]
    role: String,
    /// It holds in this team only. None: everywhere.
    #[serde(default)]
    team: Option<Uuid>,
}

impl From<HeldRole> for Held {
    fn from(h: HeldRole) -> Self {
        Self { role: h.role, team: h.team }
    }
}

impl From<Held> for HeldRole {
    fn from(h: Held) -> Self {
        Self { role: h.role, team: h.team }
    }
}

/// The roles that a body names, each once, with what they open.
pub(crate) async fn named(
    state: &AdminState,
    held: Vec<Held>,
) -> Result<(Vec<HeldRole>, Vec<Assignment>), Problem> {
    if held.len() > MOST_HELD {
        return Err(wrong(format!("roles: at most {MOST_HELD}")));
    }
    let mut roles: Vec<HeldRole> = Vec::new();
    for h in held {
        let role = HeldRole::from(h);
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    let assignments = state.store().assignments(&roles).await.map_err(|e| match e {
        StoreError::NotFound { name, .. } => {
            wrong(format!("roles: there is no role `{}`", name.chars().take(100).collect::<String>()))
        }
        e => e.into(),
    })?;
    Ok((roles, assignments))
}

/// Whether a grant opens or closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Effect)]
pub(crate) enum EffectWord {
    /// Opens what it matches.
    #[default]
    Allow,
    /// Closes what it matches, whatever else opens it.
    Deny,
}

/// Whose things a grant is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Scope)]
pub(crate) enum ScopeWord {
    /// The holder's own.
    #[default]
    Own,
    /// Those of the teams that the holder manages; in an assignment to a team: that team's.
    Team,
    /// Everybody's; in an assignment to a team: that team's.
    All,
}

/// One line of a role. Empty lists open (and close) nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Grant)]
pub(crate) struct Line {
    /// `deny` always wins.
    #[serde(default)]
    pub(super) effect: EffectWord,
    /// Whose things `permissions` are about.
    #[serde(default)]
    pub(super) scope: ScopeWord,
    /// Permissions (`keys.read`), or patterns of them (`keys.*`).
    #[serde(default)]
    #[schema(max_items = 200)]
    permissions: Vec<String>,
    /// Surfaces or patterns that may be called.
    #[serde(default)]
    #[schema(max_items = 200)]
    surfaces: Vec<String>,
    /// Models or patterns that may be called on these surfaces.
    #[serde(default)]
    #[schema(max_items = 200)]
    models: Vec<String>,
    /// MCP tools (`server/tool`) or patterns that may be called.
    #[serde(default)]
    #[schema(max_items = 200)]
    tools: Vec<String>,
}

impl From<Effect> for EffectWord {
    fn from(e: Effect) -> Self {
        match e {
            Effect::Allow => Self::Allow,
            Effect::Deny => Self::Deny,
        }
    }
}

impl From<Scope> for ScopeWord {
    fn from(s: Scope) -> Self {
        match s {
            Scope::Own => Self::Own,
            Scope::Team => Self::Team,
            Scope::All => Self::All,
        }
    }
}

impl From<Grant> for Line {
    fn from(g: Grant) -> Self {
        Self {
            effect: g.effect.into(),
            scope: g.scope.into(),
            permissions: g.permissions,
            surfaces: g.surfaces,
            models: g.models,
            tools: g.tools,
        }
    }
}

impl From<Line> for Grant {
    fn from(l: Line) -> Self {
        Self {
            effect: match l.effect {
                EffectWord::Allow => Effect::Allow,
                EffectWord::Deny => Effect::Deny,
            },
            scope: match l.scope {
                ScopeWord::Own => Scope::Own,
                ScopeWord::Team => Scope::Team,
                ScopeWord::All => Scope::All,
            },
            permissions: l.permissions,
            surfaces: l.surfaces,
            models: l.models,
            tools: l.tools,
        }
    }
}

/// The grants of a body, checked.
pub(super) fn grants(lines: Vec<Line>) -> Result<Vec<Grant>, Problem> {
    if lines.len() > MOST_GRANTS {
        return Err(wrong(format!("grants: at most {MOST_GRANTS}")));
    }
    let grants: Vec<Grant> = lines.into_iter().map(Grant::from).collect();
    for (n, grant) in grants.iter().enumerate() {
        grant.check().map_err(|e| wrong(format!("grants[{n}]: {e}")))?;
    }
    Ok(grants)
}

/// Lists of surfaces, models and tools that bound somebody's calls, as the grant of calls that they are. None: all are
/// empty.
pub(crate) fn calls(lists: [&Vec<String>; 3]) -> Result<Option<Grant>, Problem> {
    if lists.iter().all(|l| l.is_empty()) {
        return Ok(None);
    }
    let [surfaces, models, tools] = lists.map(Clone::clone);
    let (effect, scope) = (Effect::Allow, Scope::Own);
    let grant = Grant { effect, scope, permissions: Vec::new(), surfaces, models, tools };
    grant.check().map_err(|e| wrong(format!("surfaces, models, tools: {e}")))?;
    Ok(Some(grant))
}

/// Nobody writes a role that gives what he does not hold.
pub(super) fn covered(caller: &Caller, role: &Role) -> Result<(), Problem> {
    caller.covers(&[Assignment { role: role.clone(), team: None }])
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Role)]
pub(crate) struct RoleView {
    /// Unique.
    name: String,
    /// For people.
    description: String,
    /// It is a part of Sallyport and cannot be changed.
    built_in: bool,
    /// What it opens and closes.
    grants: Vec<Line>,
    /// Users and service accounts that have it (of a custom role).
    holders: Option<i64>,
    /// When it was made (of a custom role).
    #[serde(with = "time::serde::rfc3339::option")]
    created_at: Option<OffsetDateTime>,
    /// When it was changed (of a custom role).
    #[serde(with = "time::serde::rfc3339::option")]
    updated_at: Option<OffsetDateTime>,
}

impl From<Role> for RoleView {
    fn from(r: Role) -> Self {
        Self {
            name: r.name,
            description: r.description,
            built_in: true,
            grants: r.grants.into_iter().map(Line::from).collect(),
            holders: None,
            created_at: None,
            updated_at: None,
        }
    }
}

impl From<CustomRole> for RoleView {
    fn from(r: CustomRole) -> Self {
        Self {
            built_in: false,
            holders: Some(r.holders),
            created_at: Some(r.created_at),
            updated_at: Some(r.updated_at),
            ..r.role.into()
        }
    }
}
