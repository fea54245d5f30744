//! `GET /api/calls`: the call log, newest first.

mod query;
mod view;

use crate::params::{Params, Segment};
use crate::problem::Problem;
use crate::state::AdminState;
use axum::Json;
use axum::extract::State;
use query::CallQuery;
use sallyport_schema::log_store::LogError;
use serde::Serialize;
use std::future::Future;
use std::time::Duration;
use utoipa::ToSchema;
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
/// Newest first. All filters must match. A page ends where the next begins, whatever was logged in between: paging
/// by `next` skips nothing and repeats nothing.
#[utoipa::path(get, path = "/api/calls", tag = "calls", operation_id = "listCalls", params(CallQuery),
    responses(
        (status = 200, description = "One page of calls.", body = Calls),
        (status = 400, description = "A parameter cannot be used.", body = Problem,
            content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Params(query): Params<CallQuery>,
) -> Result<Json<Calls>, Problem> {
    let (filter, after) = query.read()?;
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
        (status = 400, description = "No call can have this id.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "The log has no such call (yet: calls reach the store with a short delay).",
            body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Segment(id): Segment,
) -> Result<Json<Call>, Problem> {
    let id = query::text("id", id)?;
    match answer(state.calls().find(&id)).await? {
        Some(call) => Ok(Json(Call::from(call))),
        None => Err(Problem::not_found("the call log has no call with this id")),
    }
}

/// What the store says, or a problem; within bounds.
async fn answer<T>(asked: impl Future<Output = Result<T, LogError>>) -> Result<T, Problem> {
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
