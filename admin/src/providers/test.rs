//! The live test: what does the provider answer, and how fast?

use super::{find, opened, resources};
use crate::caller::Caller;
use crate::outside::{Listed, OutsideError};
use crate::params::{Named, wrong};
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_config::assemble::configured;
use sallyport_config::snapshot::Provider;
use sallyport_schema::audit::{Event, Outcome};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// Longest time for a test: less than a request may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// How a test ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestResult {
    /// It has answered with its models.
    ok: bool,
    /// Milliseconds until the whole answer was here.
    latency_ms: u64,
    /// How many models it has.
    models: Option<usize>,
    /// Why there is no answer.
    error: Option<String>,
}

/// Test a provider
///
/// Asks it for its models, with its credentials. Nothing is counted or paid.
#[utoipa::path(post, path = "/api/providers/{name}/test", tag = "providers", operation_id = "testProvider",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "How it ended, well or badly.", body = TestResult)))]
pub(crate) async fn post(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
) -> Result<Json<TestResult>, Problem> {
    let provider = runnable(&state, &name).await?;
    let (listed, latency) = asked(&state, &caller, &provider).await?;
    let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
    Ok(Json(match listed {
        Ok(models) => TestResult { ok: true, latency_ms, models: Some(models.len()), error: None },
        Err(e) => TestResult { ok: false, latency_ms, models: None, error: Some(e.to_string()) },
    }))
}

/// The provider of the files or of the store, ready to be called.
pub(super) async fn runnable(state: &AdminState, name: &str) -> Result<Arc<Provider>, Problem> {
    if let Ok(provider) = configured(&state.snapshot().load().config, name) {
        return Ok(Arc::new(provider));
    }
    let kept = find(state, name).await?;
    Ok(Arc::new(resources::ready(&opened(state, &kept.row)?).map_err(wrong)?))
}

/// Its models and the time that it took. The use of its secrets is put into the audit trail.
pub(super) async fn asked(
    state: &AdminState,
    caller: &Caller,
    provider: &Arc<Provider>,
) -> Result<(Result<Vec<Listed>, OutsideError>, Duration), Problem> {
    let began = Instant::now();
    let listed = tokio::time::timeout(PATIENCE, state.outside().models(provider)).await;
    let listed = listed.unwrap_or_else(|_| Err(OutsideError(format!("no whole answer within {PATIENCE:?}"))));
    let took = began.elapsed();
    let event = match &listed {
        Ok(_) => Event::done("provider.test"),
        Err(e) => Event::not_done("provider.test", Outcome::Failed, e.to_string()),
    };
    let event = event.on("provider", &provider.name, &*provider.name);
    state.store().note(caller.actor(), &event).await?;
    Ok((listed, took))
}

/// 422 if it does not answer.
pub(super) async fn must_answer(
    state: &AdminState,
    caller: &Caller,
    provider: &Arc<Provider>,
) -> Result<(), Problem> {
    let (listed, _) = asked(state, caller, provider).await?;
    listed.map(drop).map_err(|e| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "test_failed",
            format!("the provider was not stored: {e}"),
        )
    })
}
