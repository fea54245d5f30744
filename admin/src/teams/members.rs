//! Who is in a team, and who manages it.

use super::find;
use crate::caller::Caller;
use crate::page::{Page, PageQuery};
use crate::params::{Body, Named, Params};
use crate::permission::Permission;
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_schema::access::{Effective, Object, Subject};
use sallyport_schema::store::teams::Member;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MemberQuery {
    /// `next` of the page before.
    cursor: Option<Uuid>,
    /// Entries of the page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
}

/// What a member is in the team.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MemberRole {
    /// In it.
    Member,
    /// Manages it: its members, keys and service accounts.
    Manager,
}

/// A member of a team.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub(crate) struct MemberView {
    /// The user.
    user: Uuid,
    /// The user's address.
    email: String,
    /// The user's display name.
    name: String,
    /// The user may sign in, and use keys.
    active: bool,
    /// What the user is in the team.
    role: MemberRole,
    /// Member since.
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
}

/// What the user becomes in the team.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberBody {
    /// What the user becomes in the team.
    role: MemberRole,
}

/// Members of a team
#[utoipa::path(get, path = "/api/teams/{id}/members", tag = "teams", operation_id = "listMembers",
    params(("id" = Uuid, Path, description = "The team."), MemberQuery),
    responses((status = 200, description = "One page of members, by id.", body = Page<MemberView>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    Params(query): Params<MemberQuery>,
) -> Result<Json<Page<MemberView>>, Problem> {
    let limit = PageQuery { cursor: query.cursor, limit: query.limit }.limit()?;
    find(&state, &caller, id, Permission::TeamsRead).await?;
    let rows = state.store().team_members(id, None, query.cursor, limit + 1).await?;
    Ok(Json(Page::of(rows, limit, |m| m.user, MemberView::from)))
}

/// One member of a team
#[utoipa::path(get, path = "/api/teams/{id}/members/{user_id}", tag = "teams", operation_id = "getMember",
    params(("id" = Uuid, Path, description = "The team."), ("user_id" = Uuid, Path, description = "The user.")),
    responses((status = 200, description = "The member.", body = MemberView)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named((id, user)): Named<(Uuid, Uuid)>,
) -> Result<Json<MemberView>, Problem> {
    find(&state, &caller, id, Permission::TeamsRead).await?;
    Ok(Json(member(&state, id, user).await?.into()))
}

/// Make somebody a member or the manager
///
/// Only who holds all that the user holds may do it: a team's manager sees the keys and calls of its members. A manager
/// is made (and unmade) by who holds all that a manager of this team holds. The user's sessions end when that changes.
#[utoipa::path(put, path = "/api/teams/{id}/members/{user_id}", tag = "teams", operation_id = "putMember",
    request_body = MemberBody,
    params(("id" = Uuid, Path, description = "The team."), ("user_id" = Uuid, Path, description = "The user.")),
    responses((status = 200, description = "The member.", body = MemberView)))]
pub(crate) async fn put(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named((id, user)): Named<(Uuid, Uuid)>,
    Body(body): Body<MemberBody>,
) -> Result<Json<MemberView>, Problem> {
    find(&state, &caller, id, Permission::TeamsMembers).await?;
    not_above(&state, &caller, user).await?;
    let manager = body.role == MemberRole::Manager;
    if manager {
        manages(&caller, id)?;
    }
    state.store().put_member(id, user, manager, caller.actor()).await?;
    Ok(Json(member(&state, id, user).await?.into()))
}

/// Take somebody out of a team
#[utoipa::path(delete, path = "/api/teams/{id}/members/{user_id}", tag = "teams", operation_id = "removeMember",
    params(("id" = Uuid, Path, description = "The team."), ("user_id" = Uuid, Path, description = "The user.")),
    responses((status = 204, description = "The user is no member.")))]
pub(crate) async fn remove(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named((id, user)): Named<(Uuid, Uuid)>,
) -> Result<StatusCode, Problem> {
    find(&state, &caller, id, Permission::TeamsMembers).await?;
    not_above(&state, &caller, user).await?;
    state.store().remove_member(id, user, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn member(state: &AdminState, team: Uuid, user: Uuid) -> Result<Member, Problem> {
    let found = state.store().team_members(team, Some(user), None, 1).await?;
    found.into_iter().next().ok_or_else(|| Problem::not_found("there is no such member"))
}

/// The caller holds all that the user holds (whom he need not be able to see, or nobody new could come in); what a
/// manager of a team holds is in it. Who cannot see the user learns nothing of him.
async fn not_above(state: &AdminState, caller: &Caller, user: Uuid) -> Result<(), Problem> {
    let no_such = || Problem::not_found("there is no such user");
    let (person, holds) = state.store().effective(user).await?.ok_or_else(no_such)?;
    if caller.user() == Some(user) {
        return Ok(());
    }
    let teams: Vec<Uuid> = person.teams.iter().map(|t| t.team).collect();
    let seen = caller.may_on(Permission::UsersRead, Object { owner: Some(user), teams: &teams });
    caller.covers(holds.assignments()).map_err(|above| if seen { above } else { no_such() })
}

/// The caller holds what a manager of the team holds.
fn manages(caller: &Caller, team: Uuid) -> Result<(), Problem> {
    let subject = Subject { id: None, teams: [team].into(), manages: [team].into() };
    caller.covers(Effective::new(subject, Vec::new()).assignments())
}

impl From<Member> for MemberView {
    fn from(m: Member) -> Self {
        Self {
            user: m.user,
            email: m.email,
            name: m.name,
            active: m.active,
            role: if m.manager { MemberRole::Manager } else { MemberRole::Member },
            since: m.since,
        }
    }
}
