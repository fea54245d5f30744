//! Everything that is stored as one YAML overlay, and an overlay into the store.

use crate::caller::Caller;
use crate::openapi::foreign::{ConfigExport, ConfigOverlay};
use crate::params::{Params, wrong};
use crate::problem::Problem;
use crate::providers::DryRun;
use crate::state::AdminState;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::{HeaderMap, StatusCode, header};
use sallyport_config::transfer::{Current, Step, overlay, plan, read};
use sallyport_schema::audit::Event;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What an import does, or has done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Imported {
    /// False: only judged (dry_run).
    applied: bool,
    /// One for each thing in the overlay.
    steps: Vec<StepView>,
    /// What looks wrong.
    warnings: Vec<String>,
}

/// What an import does to one thing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportStep)]
pub(crate) struct StepView {
    /// `provider`, `model` or `setting`.
    kind: &'static str,
    /// Its name.
    name: String,
    /// `create`, `change`, `same`, or `held`: a file has it, so it is left out.
    action: &'static str,
    /// What it is now, without secrets.
    #[schema(value_type = Value)]
    before: Option<Value>,
    /// What it becomes, without secrets.
    #[schema(value_type = Value)]
    after: Option<Value>,
}

impl From<Step> for StepView {
    fn from(s: Step) -> Self {
        Self { kind: s.kind, name: s.name, action: s.action, before: s.before, after: s.after }
    }
}

/// Export
///
/// The stored providers, models and settings as a YAML overlay. In place of secrets it names variables.
#[utoipa::path(get, path = "/api/configuration/export", tag = "configuration", operation_id = "exportConfiguration",
    responses((status = 200, description = "The overlay.", body = ConfigExport, content_type = "application/yaml")))]
pub(crate) async fn export(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let content = Current::read(state.store()).await?.content(state.keyring()).map_err(|e| {
        let detail = format!("the provider {} cannot be exported: {}", e.name, e.why);
        Problem::new(StatusCode::CONFLICT, "unreadable", detail)
    })?;
    let out = overlay(&content).map_err(|error| {
        tracing::error!(%error, "the export was not written");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the export could not be written")
    })?;
    state.store().note(caller.actor(), &Event::done("configuration.export")).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/yaml"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"sallyport.yaml\""),
    ];
    Ok((headers, out.text).into_response())
}

/// Import
///
/// Makes and changes providers, models and settings as a YAML overlay says; all of it or nothing. What the overlay
/// does not name stays, what a file has is left out. A secret that is a variable (`${…}`) stays as it is: variables of
/// the gateway's environment and files of its machine are not read.
#[utoipa::path(post, path = "/api/configuration/import", tag = "configuration", operation_id = "importConfiguration",
    params(DryRun), request_body(content = ConfigOverlay, content_type = "application/yaml"),
    responses((status = 200, description = "What was done, or would be.", body = Imported)))]
pub(crate) async fn import(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<DryRun>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Imported>, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !matches!(kind.as_str(), "application/yaml" | "application/x-yaml" | "text/yaml" | "application/json")
    {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_yaml",
            "send the overlay as content-type: application/yaml",
        ));
    }
    let text = std::str::from_utf8(&body)
        .map_err(|_| Problem::bad_request("bad_body", "the overlay is not text in UTF-8"))?;
    let content = read(text).map_err(|e| wrong(e.to_string()))?;
    let current = Current::read(state.store()).await?;
    let plan = plan(&current, content, &state.snapshot().load(), state.keyring());
    if !plan.errors.is_empty() {
        return Err(wrong(plan.errors.join("; ")));
    }
    if !query.dry_run {
        state.store().apply_batch(&plan.batch, caller.actor()).await?;
    }
    Ok(Json(Imported {
        applied: !query.dry_run,
        steps: plan.steps.into_iter().map(StepView::from).collect(),
        warnings: plan.warnings,
    }))
}
