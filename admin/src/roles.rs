//! Roles: the built-in ones, and custom ones that are made here.

pub(crate) mod history;
pub(crate) mod matrix;
pub(crate) mod view;

use crate::caller::Caller;
use crate::params::{Body, Named, prose, wrong};
use crate::problem::Problem;
use crate::state::AdminState;
use crate::versioned::{IfMatch, Versioned};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_schema::access::{BUILT_IN, Effect, Grant, Role, built_in, is_built_in};
use sallyport_schema::store::roles::CustomRole;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use view::{Line, RoleView, covered, grants};

/// All roles.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Roles {
    /// Built-in ones, the mightiest first; then custom ones, by name (the first 1000).
    items: Vec<RoleView>,
}

/// A new role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    /// Unique.
    #[schema(pattern = "^[a-z][a-z0-9_-]{0,62}$", example = "key-desk")]
    name: String,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 2000)]
    description: String,
    /// What it opens and closes.
    #[schema(max_items = 100)]
    grants: Vec<Line>,
}

/// What a role becomes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleBody {
    /// For people.
    #[serde(default)]
    #[schema(max_length = 2000)]
    description: String,
    /// What it opens and closes.
    #[schema(max_items = 100)]
    grants: Vec<Line>,
}

/// Roles
#[utoipa::path(get, path = "/api/roles", tag = "roles", operation_id = "listRoles",
    responses((status = 200, description = "All roles with their grants.", body = Roles)))]
pub(crate) async fn list(State(state): State<AdminState>) -> Result<Json<Roles>, Problem> {
    let custom = state.store().custom_roles().await?;
    let built_in = BUILT_IN.iter().filter_map(|n| built_in(n)).map(RoleView::from);
    Ok(Json(Roles { items: built_in.chain(custom.into_iter().map(RoleView::from)).collect() }))
}

/// One role
#[utoipa::path(get, path = "/api/roles/{name}", tag = "roles", operation_id = "getRole",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The role.", body = RoleView)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Named(name): Named<String>,
) -> Result<Response, Problem> {
    if let Some(role) = built_in(&name) {
        return Ok(Json(RoleView::from(role)).into_response());
    }
    let role = state.store().custom_role(&clean(name)?).await?.ok_or_else(no_such)?;
    Ok(Versioned(StatusCode::OK, role.version, RoleView::from(role)).into_response())
}

/// Make a role
///
/// Nobody makes a role that gives more than he holds himself.
#[utoipa::path(post, path = "/api/roles", tag = "roles", operation_id = "createRole", request_body = NewRole,
    responses((status = 201, description = "The role.", body = RoleView)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<NewRole>,
) -> Result<Versioned<RoleView>, Problem> {
    if !fits(&body.name) {
        return Err(wrong("name: a small letter, then at most 62 small letters, digits, `_` or `-`"));
    }
    if is_built_in(&body.name) {
        return Err(Problem::new(StatusCode::CONFLICT, "exists", "this is the name of a built-in role"));
    }
    let description = prose("description", body.description)?;
    let role = Role { name: body.name, description, grants: grants(body.grants)? };
    covered(&caller, &role)?;
    let made = state.store().create_role(&role, caller.actor()).await?;
    Ok(Versioned(StatusCode::CREATED, made.version, made.into()))
}

/// Change a role
///
/// Holds at once for all who have it. Nobody changes a role that gives (or gave) more than he holds himself; what a
/// role that somebody has denies is changed only by who holds everything, for it bounds what other roles give.
#[utoipa::path(put, path = "/api/roles/{name}", tag = "roles", operation_id = "replaceRole", request_body = RoleBody,
    params(("name" = String, Path, description = "Its name."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 200, description = "The role.", body = RoleView)))]
pub(crate) async fn replace(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
    version: IfMatch,
    Body(body): Body<RoleBody>,
) -> Result<Versioned<RoleView>, Problem> {
    let old = changeable(&state, &caller, name).await?;
    let version = version.on(old.version)?;
    let description = prose("description", body.description)?;
    let role = Role { name: old.role.name.clone(), description, grants: grants(body.grants)? };
    covered(&caller, &role)?;
    if old.holders > 0
        && denies(&old.role) != denies(&role)
        && let Some(everything) = built_in("super_admin")
    {
        covered(&caller, &everything)?;
    }
    let changed = state.store().change_role(&role, version, caller.actor()).await?;
    Ok(Versioned(StatusCode::OK, changed.version, changed.into()))
}

/// Delete a role
///
/// Only while nobody has it.
#[utoipa::path(delete, path = "/api/roles/{name}", tag = "roles", operation_id = "deleteRole",
    params(("name" = String, Path, description = "Its name."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
    version: IfMatch,
) -> Result<StatusCode, Problem> {
    let old = changeable(&state, &caller, name).await?;
    state.store().delete_role(&old.role.name, version.on(old.version)?, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A custom role that gives nothing that the caller does not hold.
async fn changeable(state: &AdminState, caller: &Caller, name: String) -> Result<CustomRole, Problem> {
    if is_built_in(&name) {
        return Err(Problem::new(StatusCode::CONFLICT, "built_in", "a built-in role cannot be changed"));
    }
    let old = state.store().custom_role(&clean(name)?).await?.ok_or_else(no_such)?;
    covered(caller, &old.role)?;
    Ok(old)
}

fn denies(role: &Role) -> Vec<&Grant> {
    role.grants.iter().filter(|g| g.effect == Effect::Deny).collect()
}

fn no_such() -> Problem {
    Problem::not_found("there is no such role")
}

/// What is no name names nothing.
fn clean(name: String) -> Result<String, Problem> {
    if fits(&name) { Ok(name) } else { Err(no_such()) }
}

fn fits(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests;
