//! Service accounts: owners of keys that are no people.

use crate::caller::{Caller, forbidden};
use crate::page::{ByAge, Page, PageQuery};
use crate::params::{Body, Named, Params, line, prose, sought, wrong};
use crate::permission::Permission;
use crate::problem::Problem;
use crate::roles::view::{Held, named};
use crate::state::AdminState;
use crate::versioned::{IfMatch, Versioned};
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_schema::access::{Assignment, Effective, Object};
use sallyport_schema::error::StoreError;
use sallyport_schema::store::accounts::{AccountChange, AccountFilter, NewAccount, ServiceAccount};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Filters and paging; all that are given must match.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountQuery {
    /// Part of the name.
    #[param(min_length = 1, max_length = 200)]
    text: Option<String>,
    /// Active ones, or the others.
    active: Option<bool>,
    /// Of this team.
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

/// A service account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceAccount)]
pub(crate) struct AccountView {
    /// For good.
    id: Uuid,
    /// Unique.
    name: String,
    /// For people.
    description: String,
    /// The team that answers for it; its keys are refused while the team is not active.
    team: Option<Uuid>,
    /// False: its keys are refused.
    active: bool,
    /// Roles.
    roles: Vec<Held>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was changed.
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// A new service account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewServiceAccount {
    /// Unique.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 2000)]
    description: String,
    /// The team that answers for it, for good.
    #[serde(default)]
    team: Option<Uuid>,
    /// Roles; none: it may do nothing.
    #[serde(default)]
    #[schema(max_items = 50)]
    roles: Vec<Held>,
}

/// What changes of a service account. What is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AccountPatch {
    /// Unique.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// For people.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// False: its keys are refused.
    active: Option<bool>,
    /// Exactly these roles.
    #[schema(max_items = 50)]
    roles: Option<Vec<Held>>,
}

/// Service accounts
///
/// Those that the caller may see, by id.
#[utoipa::path(get, path = "/api/service_accounts", tag = "service accounts", operation_id = "listServiceAccounts",
    params(AccountQuery),
    responses((status = 200, description = "One page of service accounts.", body = Page<AccountView>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<AccountQuery>,
) -> Result<Json<Page<AccountView>>, Problem> {
    let limit = PageQuery { cursor: query.cursor, limit: query.limit }.limit()?;
    let filter = AccountFilter {
        text: sought(query.text)?,
        active: query.active,
        visible: caller.visible(Permission::AccountsRead),
        team: query.team,
        after: query.cursor,
        newest_first: query.sort.newest_first(),
        limit: limit + 1,
    };
    let rows = state.store().service_accounts(&filter).await?;
    let sees = |a: &ServiceAccount| caller.may_on(Permission::AccountsRead, object(a.id, &a.team));
    Ok(Json(Page::of_seen(rows, limit, |a| a.id, sees, AccountView::from)))
}

/// One service account
#[utoipa::path(get, path = "/api/service_accounts/{id}", tag = "service accounts", operation_id = "getServiceAccount",
    params(("id" = Uuid, Path, description = "The service account.")),
    responses((status = 200, description = "The service account.", body = AccountView)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
) -> Result<Versioned<AccountView>, Problem> {
    let (account, _) = find(&state, &caller, id, Permission::AccountsRead).await?;
    Ok(Versioned(StatusCode::OK, account.version, account.into()))
}

/// Make a service account
///
/// A team's manager makes them in the team, with roles that hold in it. Nobody gives a role that gives more than he
/// holds himself.
#[utoipa::path(post, path = "/api/service_accounts", tag = "service accounts", operation_id = "createServiceAccount",
    request_body = NewServiceAccount,
    responses((status = 201, description = "The service account.", body = AccountView)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<NewServiceAccount>,
) -> Result<Versioned<AccountView>, Problem> {
    let teams = Object { owner: None, teams: body.team.as_slice() };
    if !caller.may_on(Permission::AccountsWrite, teams) {
        return Err(forbidden("you may make service accounts only in teams that you manage"));
    }
    let name = line("name", &body.name)?;
    let description = prose("description", body.description)?;
    let (roles, assignments) = named(&state, body.roles).await?;
    gives(&caller, body.team, &assignments)?;
    let new = NewAccount { name, description, team: body.team, active: true, roles };
    let made = state.store().create_service_account(&new, caller.actor()).await;
    let account = made.map_err(|e| match e {
        StoreError::NotFound { what: "team", .. } => wrong("team: there is no such team"),
        e => e.into(),
    })?;
    Ok(Versioned(StatusCode::CREATED, account.version, account.into()))
}

/// Change a service account
///
/// Only who holds all that it holds may change it, and only such roles may be given.
#[utoipa::path(patch, path = "/api/service_accounts/{id}", tag = "service accounts",
    operation_id = "changeServiceAccount", request_body = AccountPatch,
    params(("id" = Uuid, Path, description = "The service account."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 200, description = "The service account.", body = AccountView)))]
pub(crate) async fn change(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
    Body(body): Body<AccountPatch>,
) -> Result<Versioned<AccountView>, Problem> {
    let (account, holds) = find(&state, &caller, id, Permission::AccountsWrite).await?;
    caller.covers(holds.assignments())?;
    let mut change = AccountChange {
        name: body.name.map(|n| line("name", &n)).transpose()?,
        description: body.description.map(|d| prose("description", d)).transpose()?,
        active: body.active,
        roles: None,
    };
    if let Some(held) = body.roles {
        let (roles, assignments) = named(&state, held).await?;
        gives(&caller, account.team, &assignments)?;
        change.roles = Some(roles);
    }
    let version = version.on(account.version)?;
    let account = state.store().change_service_account(id, version, &change, caller.actor()).await?;
    Ok(Versioned(StatusCode::OK, account.version, account.into()))
}

/// Delete a service account
///
/// Its keys are refused at once.
#[utoipa::path(delete, path = "/api/service_accounts/{id}", tag = "service accounts",
    operation_id = "deleteServiceAccount",
    params(("id" = Uuid, Path, description = "The service account."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
) -> Result<StatusCode, Problem> {
    let (account, holds) = find(&state, &caller, id, Permission::AccountsWrite).await?;
    caller.covers(holds.assignments())?;
    state.store().delete_service_account(id, version.on(account.version)?, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The service account, if the caller may do this to it.
pub(crate) async fn find(
    state: &AdminState,
    caller: &Caller,
    id: Uuid,
    permission: Permission,
) -> Result<(ServiceAccount, Effective), Problem> {
    let found = state.store().account_effective(id).await?;
    let (account, holds) = found.ok_or_else(|| Problem::not_found("there is no such service account"))?;
    caller.need(Permission::AccountsRead, permission, object(id, &account.team), "service account")?;
    Ok((account, holds))
}

fn object(id: Uuid, team: &Option<Uuid>) -> Object<'_> {
    Object { owner: Some(id), teams: team.as_slice() }
}

/// What the caller may give to an account of this team.
fn gives(caller: &Caller, team: Option<Uuid>, roles: &[Assignment]) -> Result<(), Problem> {
    let everywhere = caller.may_on(Permission::AccountsWrite, Object::default());
    if !everywhere && roles.iter().any(|a| a.team.is_none() || a.team != team) {
        return Err(forbidden("you may give roles only in the team of the service account"));
    }
    caller.covers(roles)
}

impl From<ServiceAccount> for AccountView {
    fn from(a: ServiceAccount) -> Self {
        Self {
            id: a.id,
            name: a.name,
            description: a.description,
            team: a.team,
            active: a.active,
            roles: a.roles.into_iter().map(Held::from).collect(),
            created_at: a.created_at,
            updated_at: a.updated_at,
        }
    }
}

#[cfg(test)]
mod tests;
