//! What became of a role, and by whom.

use super::{clean, no_such};
use crate::page::PageQuery;
use crate::params::{Named, Params};
use crate::problem::Problem;
use crate::state::AdminState;
use axum::Json;
use axum::extract::State;
use sallyport_schema::access::is_built_in;
use sallyport_schema::store::roles::RoleChange;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// `next` of the page before.
    cursor: Option<i64>,
    /// Changes on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
}

/// Changes of a role, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    /// The changes.
    items: Vec<Change>,
    /// Give it as `cursor` to get the next page. None: this is the last one.
    next: Option<i64>,
}

/// One change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RoleChange)]
pub(crate) struct Change {
    /// The version that came about.
    version: i64,
    /// The role before. None: it was made.
    before: Option<serde_json::Value>,
    /// The role after. None: it was deleted.
    after: Option<serde_json::Value>,
    /// Who did it.
    author: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// History of a role
///
/// Of all custom roles that had this name, deleted ones too.
#[utoipa::path(get, path = "/api/roles/{name}/history", tag = "roles", operation_id = "listRoleChanges",
    params(("name" = String, Path, description = "Its name."), HistoryQuery),
    responses((status = 200, description = "One page of changes.", body = History)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Named(name): Named<String>,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<History>, Problem> {
    let limit = PageQuery { cursor: None, limit: query.limit }.limit()?;
    let mut rows = state.store().role_history(&clean(name.clone())?, query.cursor, limit + 1).await?;
    if rows.is_empty() && query.cursor.is_none() && !is_built_in(&name) {
        return Err(no_such());
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > most;
    rows.truncate(most);
    let next = if more { rows.last().map(|r| r.id) } else { None };
    Ok(Json(History { items: rows.into_iter().map(shown).collect(), next }))
}

fn shown(c: RoleChange) -> Change {
    Change { version: c.version, before: c.before, after: c.after, author: c.author, at: c.at }
}
