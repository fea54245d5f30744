//! `GET /api/calls`: the call log, newest first.

pub(crate) mod costs;
mod query;
pub(crate) mod view;

use crate::caller::Caller;
use crate::params::{Params, Segment};
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::{Extension, Json};
use query::CallQuery;
use sallyport_schema::access::{Object, Permission};
use sallyport_schema::log_store::LogError;
use serde::Serialize;
use std::future::Future;
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;
use view::Call;

/// Longest wait for the store.
const PATIENCE: Duration = Duration::from_secs(3);

/// When to come back while the store is away, in seconds.
const RETRY_AFTER: u64 = 5;

/// One page of the call log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Calls {
    /// Newest first.
    calls: Vec<Call>,
    /// Give it as `cursor`, with the same filters, to get the page after this one. None: there are no older calls.
    next: Option<String>,
}

/// Recent calls
///
/// Those that the caller may see, newest first. All filters must match. A page ends where the next begins, whatever was logged in between: paging
/// by `next` skips nothing and repeats nothing.
#[utoipa::path(get, path = "/api/calls", tag = "calls", operation_id = "listCalls", params(CallQuery),
    responses(
        (status = 200, description = "One page of calls.", body = Calls),
        (status = 400, description = "A parameter cannot be used.")))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<CallQuery>,
) -> Result<Json<Calls>, Problem> {
    let (mut filter, after) = query.read()?;
    filter.visible = caller.visible(Permission::CallsRead);
    let page = answer(state.calls().recent(&filter, after)).await?;
    Ok(Json(Calls {
        calls: page.calls.into_iter().map(Call::from).collect(),
        next: page.next.map(|c| c.to_string()),
    }))
}

/// One call
///
/// By the request id that the client got as `x-request-id`, or by the id that the provider gave the request.
#[utoipa::path(get, path = "/api/calls/{id}", tag = "calls", operation_id = "getCall",
    params(("id" = String, Path, description = "The request id of Sallyport or of the provider.",
        min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]+$")),
    responses(
        (status = 200, description = "The call; the newest, if a provider used its id twice.", body = Call),
        (status = 400, description = "No call can have this id."),
        (status = 404, description = "The log has no such call (yet: calls reach the store with a short delay).")))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Segment(id): Segment,
) -> Result<Json<Call>, Problem> {
    let id = query::text("id", id)?;
    let none = || Problem::not_found("the call log has no call with this id");
    let call = answer(state.calls().find(&id)).await?.ok_or_else(none)?;
    if !caller.reach(Permission::CallsRead).all {
        let mut teams: Vec<Uuid> = call.team_id.into_iter().collect();
        if let Some(owner) = call.user_id {
            teams.extend(state.store().account_team(owner).await?.flatten());
        }
        let object = Object { owner: call.user_id, teams: &teams };
        if !caller.may_on(Permission::CallsRead, object) {
            return Err(none());
        }
    }
    Ok(Json(Call::from(call)))
}

/// What the store says, or a problem; within bounds.
pub(crate) async fn answer<T>(asked: impl Future<Output = Result<T, LogError>>) -> Result<T, Problem> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(LogError::BadCursor)) => Err(query::bad_cursor()),
        Ok(Err(LogError::Store(e))) if e.is_transient() => Err(Problem::unavailable(
            "store_unavailable",
            format!("the call log cannot be read now: {e}"),
            RETRY_AFTER,
        )),
        Ok(Err(e)) => {
            tracing::error!(error = %e, "the call log cannot be read");
            Err(Problem::new(
                http::StatusCode::INTERNAL_SERVER_ERROR,
                "store_error",
                "the call log cannot be read; the log of the service says why",
            ))
        }
        Err(_) => Err(Problem::unavailable(
            "store_timeout",
            format!("the call log did not answer within {} s", PATIENCE.as_secs()),
            RETRY_AFTER,
        )),
    }
}
