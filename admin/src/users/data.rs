//! A person's data: all of it, for the person; and its erasure.

use super::view::User;
use crate::audit::Entry;
use crate::caller::{Caller, forbidden};
use crate::params::{Body, Named, wrong};
use crate::permission::Permission;
use crate::problem::Problem;
use crate::scim::clients::known;
use crate::sign_in::email;
use crate::state::AdminState;
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_schema::access::{Effective, Object, Subject};
use sallyport_schema::audit::Event;
use sallyport_schema::log_store::CallFilter;
use sallyport_schema::store::people::Person;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Most calls of an export; `GET /api/calls` has the rest.
const CALLS: u32 = 1000;

/// All that is stored of a person. No secrets, and no hashes of secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonData {
    /// When this was put together.
    #[serde(with = "time::serde::rfc3339")]
    made_at: OffsetDateTime,
    /// The user, with roles and teams.
    user: User,
    /// The user's own row, and the rows of other tables that belong to the user (sessions, keys, memberships, roles, factors,
    /// documents of directories), by the tables' names: of each at most 1000.
    records: serde_json::Map<String, serde_json::Value>,
    /// What the user did, and what was done to the user: the newest 1000 events.
    audit: Vec<Entry>,
    /// Events in all.
    audit_total: i64,
    /// Figures of the user's calls in the call log.
    call_figures: serde_json::Value,
    /// The newest 1000 calls. No prompts and no answers: the log has none.
    calls: Vec<crate::calls::view::Call>,
    /// Responses that are kept for the user; their contents are sealed, the user reads them with the key that made them.
    kept_responses: i64,
}

/// Who is meant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EraseBody {
    /// The user's e-mail address, so that nobody is erased by a slip.
    #[schema(max_length = 254, example = "ada@example.com")]
    email: String,
}

/// What was erased.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Erasure {
    /// The user: an id without a name from now on.
    user: Uuid,
    /// Keys that were revoked.
    keys: u64,
    /// Kept responses that are gone.
    responses: u64,
    /// Events of the audit trail that named the person and do not any more.
    audit_events: u64,
}

/// Export a person's data
///
/// Deleted users too, until they are purged.
#[utoipa::path(get, path = "/api/users/{id}/export", tag = "users", operation_id = "exportUser",
    params(("id" = Uuid, Path, description = "The user.")),
    responses((status = 200, description = "All that is stored of the person.", body = PersonData)))]
pub(crate) async fn export(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
) -> Result<Json<PersonData>, Problem> {
    let person = find(&state, &caller, id).await?;
    let gone = || Problem::not_found("there is no such user");
    let found = state.store().person_records(id).await?.ok_or_else(gone)?;
    let filter = CallFilter { visible: Some((Vec::new(), Some(id))), limit: CALLS, ..CallFilter::default() };
    let calls = crate::calls::answer(state.calls().recent(&filter, None)).await?;
    let event = Event::done("user.export").on("user", id, &person.email);
    state.store().note(caller.actor(), &event).await?;
    let mut records = found.records;
    records.insert("users".into(), found.user);
    Ok(Json(PersonData {
        made_at: OffsetDateTime::now_utc(),
        user: person.into(),
        records,
        audit: found.audit.into_iter().map(Entry::from).collect(),
        audit_total: found.audit_total,
        call_figures: found.calls,
        calls: calls.calls.into_iter().map(Into::into).collect(),
        kept_responses: found.responses,
    }))
}

/// Erase a person
///
/// For good. Sessions end and keys are revoked at once; name, address and whatever else names the person go, out of the
/// audit trail too (whose chain stays whole). What stays is the user's id: in the call log, in the trail, on the revoked
/// keys. Deleted users too, until they are purged. Not oneself, not the last super admin, nobody above oneself.
#[utoipa::path(post, path = "/api/users/{id}/erase", tag = "users", operation_id = "eraseUser", request_body = EraseBody,
    params(("id" = Uuid, Path, description = "The user.")),
    responses((status = 200, description = "The person is erased.", body = Erasure)))]
pub(crate) async fn erase(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    Body(body): Body<EraseBody>,
) -> Result<Json<Erasure>, Problem> {
    let person = find(&state, &caller, id).await?;
    if caller.user() == Some(id) {
        return Err(forbidden("nobody erases himself: ask another administrator"));
    }
    if state.store().is_erased(id).await? {
        return Err(Problem::new(StatusCode::CONFLICT, "erased", "the person has been erased already"));
    }
    let given = email(&body.email).unwrap_or_else(|_| body.email.trim().to_lowercase());
    if given != person.email {
        return Err(wrong("email: it is not this user's"));
    }
    let done = state.store().erase_person(id, person.version, caller.actor()).await?;
    Ok(Json(Erasure { user: id, keys: done.keys, responses: done.responses, audit_events: done.audit_rows }))
}

/// The user, deleted or not, if the caller may do this to him and holds all that he holds.
async fn find(state: &AdminState, caller: &Caller, id: Uuid) -> Result<Person, Problem> {
    let person =
        state.store().person(id).await?.ok_or_else(|| Problem::not_found("there is no such user"))?;
    let teams: Vec<Uuid> = person.teams.iter().map(|t| t.team).collect();
    let object = Object { owner: Some(id), teams: &teams };
    caller.need(Permission::UsersRead, Permission::UsersErase, object, "user")?;
    if caller.user() != Some(id) {
        let subject = Subject {
            id: Some(id),
            teams: teams.iter().copied().collect(),
            manages: person.teams.iter().filter(|t| t.manager).map(|t| t.team).collect(),
        };
        let holds = Effective::new(subject, known(state, &person.roles).await?);
        caller.covers(holds.assignments())?;
    }
    Ok(person)
}
