//! The audit trail of the control plane.

use crate::page::PageQuery;
use crate::params::{Params, instant};
use crate::problem::Problem;
use crate::state::AdminState;
use axum::Json;
use axum::extract::State;
use sallyport_schema::audit::{AuditFilter, AuditRow, Verified};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// Filters and paging; all that are given must match.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Deeds of this user or service account (its id).
    #[param(min_length = 1, max_length = 200)]
    actor: Option<String>,
    /// What was done; `user.*` for all that begins so.
    #[param(min_length = 1, max_length = 200, example = "user.*")]
    action: Option<String>,
    /// Done to this kind of thing: `user`, `team`, `role`, …
    #[param(min_length = 1, max_length = 200)]
    target_kind: Option<String>,
    /// Done to the thing with this id.
    #[param(min_length = 1, max_length = 200)]
    target: Option<String>,
    /// `done`, `denied` or `failed`.
    #[param(min_length = 1, max_length = 200)]
    outcome: Option<String>,
    /// At this instant or later (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// Before this instant (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<i64>,
    /// Events on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
}

/// One page of the trail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Trail {
    /// Newest first.
    items: Vec<Entry>,
    /// Give it as `cursor`, with the same filters, to get the page after this one. None: this is the last one.
    next: Option<i64>,
}

/// What somebody did, or tried.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(crate) struct Entry {
    /// Place in the chain, from 1 without a gap.
    seq: i64,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// `user`, `service_account`, `bootstrap`, `cli`, `system`, `anonymous`, `scim`.
    actor_kind: String,
    /// Its id, where it has one.
    actor_id: Option<String>,
    /// Its name at that time.
    actor: String,
    /// The client's address.
    address: Option<String>,
    /// The client's `User-Agent`.
    agent: Option<String>,
    /// What was done.
    action: String,
    /// To what kind of thing.
    target_kind: Option<String>,
    /// To which thing.
    target_id: Option<String>,
    /// Its name at that time.
    target: Option<String>,
    /// `done`, `denied` or `failed`.
    outcome: String,
    /// Why it was denied or failed.
    reason: Option<String>,
    /// The thing before, secrets masked.
    before: Option<serde_json::Value>,
    /// The thing after, secrets masked.
    after: Option<serde_json::Value>,
    /// The request, as its answer's `x-request-id` named it.
    request_id: Option<String>,
    /// SHA-256 over this event and the hash before it, hexadecimal.
    hash: String,
}

/// What a look at the whole chain found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditVerification)]
pub(crate) struct Verification {
    /// Nothing was changed, taken out or put in.
    whole: bool,
    /// Events, if whole.
    rows: Option<u64>,
    /// Hash of the last one, if whole: kept elsewhere, it proves later that nothing was cut off at the end.
    head: Option<String>,
    /// The first event that is wrong.
    broken_at: Option<i64>,
    /// How it is wrong.
    why: Option<&'static str>,
}

/// The audit trail
#[utoipa::path(get, path = "/api/audit", tag = "audit", operation_id = "listAuditEvents", params(AuditQuery),
    responses((status = 200, description = "One page of events, newest first.", body = Trail)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Params(query): Params<AuditQuery>,
) -> Result<Json<Trail>, Problem> {
    let limit = PageQuery { cursor: None, limit: query.limit }.limit()?;
    let filter = AuditFilter {
        actor_id: text("actor", query.actor)?,
        action: text("action", query.action)?,
        target_kind: text("target_kind", query.target_kind)?,
        target_id: text("target", query.target)?,
        outcome: text("outcome", query.outcome)?,
        since: instant("from", query.from)?,
        until: instant("to", query.to)?,
    };
    let mut rows = state.store().audit_trail(&filter, query.cursor, limit + 1).await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > most;
    rows.truncate(most);
    let next = if more { rows.last().map(|r| r.seq) } else { None };
    Ok(Json(Trail { items: rows.into_iter().map(Entry::from).collect(), next }))
}

/// Verify the audit trail
///
/// Follows the chain from its first event to its last. A trail too long for one answer is verified by
/// `sallyport audit verify`.
#[utoipa::path(get, path = "/api/audit/verify", tag = "audit", operation_id = "verifyAudit",
    responses((status = 200, description = "Whole, or where it is broken.", body = Verification)))]
pub(crate) async fn verify(State(state): State<AdminState>) -> Result<Json<Verification>, Problem> {
    Ok(Json(match state.store().audit_verify().await? {
        Verified::Whole { rows, head } => {
            Verification { whole: true, rows: Some(rows), head: Some(head), broken_at: None, why: None }
        }
        Verified::Broken { seq, why } => {
            Verification { whole: false, rows: None, head: None, broken_at: Some(seq), why: Some(why) }
        }
    }))
}

fn text(field: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    match text {
        Some(t) if t.is_empty() || t.chars().count() > 200 || t.chars().any(char::is_control) => {
            Err(Problem::bad_request("bad_parameter", format!("{field}: 1 to 200 printable characters")))
        }
        text => Ok(text),
    }
}

impl From<AuditRow> for Entry {
    fn from(r: AuditRow) -> Self {
        Self {
            seq: r.seq,
            at: r.at,
            actor_kind: r.actor_kind,
            actor_id: r.actor_id,
            actor: r.actor,
            address: r.address,
            agent: r.agent,
            action: r.action,
            target_kind: r.target_kind,
            target_id: r.target_id,
            target: r.target,
            outcome: r.outcome,
            reason: r.reason,
            before: r.before,
            after: r.after,
            request_id: r.request_id,
            hash: r.hash.iter().map(|b| format!("{b:02x}")).collect(),
        }
    }
}
