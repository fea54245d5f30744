//! Models: those of the files, to be seen, and those of the store, to be changed.

use crate::caller::Caller;
use crate::managed::{self, Entry, Listing, NameQuery, held, refuse};
use crate::openapi::foreign::{ConfigModel, ConfigModelPatch};
use crate::params::{Body, Named, Params, wrong};
use crate::problem::Problem;
use crate::providers::DryRun;
use crate::state::AdminState;
use crate::versioned::{IfMatch, Versioned};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_config::model::{Model, Provider};
use sallyport_config::resources::{self, check_model, merge_patch, model_of, model_row, shown_model};
use sallyport_config::snapshot::Snapshot;
use sallyport_schema::rows::ModelRow;
use sallyport_schema::store::resources::{Kept, Shown};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A model that clients may ask for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelResource {
    /// What clients call it; `*` matches any run of characters.
    name: String,
    /// False: nobody can call it.
    enabled: bool,
    /// A file says so: it cannot be changed here.
    managed: bool,
    /// Where it is written: file and line.
    origin: Option<String>,
    /// Its YAML form: `routes`, `price` (dollars per million tokens), `input_multiplier`, `output_multiplier`.
    #[schema(value_type = ConfigModel)]
    configuration: Value,
    /// Why it is not used, or what looks wrong with it.
    problems: Vec<String>,
    /// When it was made; None: it is of a file.
    #[serde(with = "time::serde::rfc3339::option")]
    created_at: Option<OffsetDateTime>,
    /// When it was changed; None: it is of a file.
    #[serde(with = "time::serde::rfc3339::option")]
    updated_at: Option<OffsetDateTime>,
}

/// Models
///
/// Those of the files and of the store, by name.
#[utoipa::path(get, path = "/api/models", tag = "models", operation_id = "listModels", params(NameQuery),
    responses((status = 200, description = "One page of models.", body = Listing<ModelResource>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Params(query): Params<NameQuery>,
) -> Result<Json<Listing<ModelResource>>, Problem> {
    let stored = state.store().kept_models().await?;
    let snapshot = state.snapshot().load();
    let known = known(&state, &snapshot).await?;
    let files = snapshot.config.models.iter().map(|m| ModelResource::of_files(m, &snapshot, &known));
    let of_store = stored.iter().map(|k| ModelResource::of_store(k, &snapshot, &known));
    let all: Vec<_> = files.chain(of_store).collect();
    Ok(Json(query.page(all)?))
}

/// One model
#[utoipa::path(get, path = "/api/models/{name}", tag = "models", operation_id = "getModel",
    params(("name" = String, Path, description = "Its name; a `/` in it is written %2F.")),
    responses((status = 200, description = "The model.", body = ModelResource)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Named(name): Named<String>,
) -> Result<Response, Problem> {
    let snapshot = state.snapshot().load();
    let known = known(&state, &snapshot).await?;
    if let Some(m) = snapshot.config.models.iter().find(|m| m.name == name) {
        return Ok(Json(ModelResource::of_files(m, &snapshot, &known)).into_response());
    }
    let kept = find(&state, &name).await?;
    let view = ModelResource::of_store(&kept, &snapshot, &known);
    Ok(Versioned(StatusCode::OK, kept.version, view).into_response())
}

/// Make a model
///
/// In the form of YAML's models.
#[utoipa::path(post, path = "/api/models", tag = "models", operation_id = "createModel", params(DryRun),
    request_body(content = ConfigModel, description = "A model as in YAML.",
        example = json!({"name": "fast", "routes": [{"provider": "openai", "model": "gpt-5-mini"}],
                         "price": {"input": 0.25, "output": 2.0}})),
    responses((status = 200, description = "It could be stored (dry_run).", body = ModelResource),
              (status = 201, description = "The model.", body = ModelResource)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<DryRun>,
    Body(body): Body<Map<String, Value>>,
) -> Result<Response, Problem> {
    let snapshot = state.snapshot().load();
    let known = known(&state, &snapshot).await?;
    let model = judged(&known, body)?;
    held("model", &model.name, managed::model_origin(&snapshot, &model.name))?;
    if state.store().kept_models().await?.iter().any(|k| k.row.name == model.name) {
        return Err(Problem::new(StatusCode::CONFLICT, "exists", "there is one of this name already"));
    }
    if query.dry_run {
        return Ok(Json(ModelResource::unsaved(&model, &known)).into_response());
    }
    let row = model_row(&model, Uuid::now_v7());
    let after = Shown { before: None, after: Some(shown_model(&model)) };
    state.store().put_model(&row, None, &after, caller.actor()).await?;
    let kept = find(&state, &model.name).await?;
    let view = ModelResource::of_store(&kept, &snapshot, &known);
    Ok(Versioned(StatusCode::CREATED, kept.version, view).into_response())
}

/// Change a model
///
/// A merge patch (RFC 7396) of its YAML form: null removes, what is not named stays, lists are taken as they are.
#[utoipa::path(patch, path = "/api/models/{name}", tag = "models", operation_id = "changeModel",
    params(("name" = String, Path, description = "Its name; a `/` in it is written %2F."), DryRun,
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    request_body(content = ConfigModelPatch, description = "What changes of it."),
    responses((status = 200, description = "The model.", body = ModelResource)))]
pub(crate) async fn change(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
    Params(query): Params<DryRun>,
    version: IfMatch,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Response, Problem> {
    let snapshot = state.snapshot().load();
    held("model", &name, managed::model_origin(&snapshot, &name))?;
    let kept = find(&state, &name).await?;
    let at = version.on(kept.version)?;
    let known = known(&state, &snapshot).await?;
    let before = model_of(&kept.row);
    let mut whole = document(&before);
    merge_patch(&mut whole, patch);
    let after = judged(&known, whole)?;
    if after.name != name {
        held("model", &after.name, managed::model_origin(&snapshot, &after.name))?;
    }
    if query.dry_run {
        return Ok(Json(ModelResource::unsaved(&after, &known)).into_response());
    }
    if before != after {
        let row = model_row(&after, kept.row.id);
        let change = Shown { before: Some(shown_model(&before)), after: Some(shown_model(&after)) };
        state.store().put_model(&row, at, &change, caller.actor()).await?;
    }
    let kept = find(&state, &after.name).await?;
    let view = ModelResource::of_store(&kept, &snapshot, &known);
    Ok(Versioned(StatusCode::OK, kept.version, view).into_response())
}

/// Delete a model
#[utoipa::path(delete, path = "/api/models/{name}", tag = "models", operation_id = "deleteModel",
    params(("name" = String, Path, description = "Its name; a `/` in it is written %2F."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 204, description = "The model is gone.")))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
    version: IfMatch,
) -> Result<StatusCode, Problem> {
    held("model", &name, managed::model_origin(&state.snapshot().load(), &name))?;
    let kept = find(&state, &name).await?;
    version.on(kept.version)?;
    let shown = Shown { before: Some(shown_model(&model_of(&kept.row))), after: None };
    state.store().remove_model(kept.row.id, kept.version, &shown, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(state: &AdminState, name: &str) -> Result<Kept<ModelRow>, Problem> {
    let all = state.store().kept_models().await?;
    all.into_iter().find(|k| k.row.name == name).ok_or_else(|| Problem::not_found("there is no such model"))
}

/// The providers that a route may name.
async fn known(state: &AdminState, snapshot: &Snapshot) -> Result<Vec<Provider>, Problem> {
    let stored = state.store().kept_providers().await?;
    let stored = stored.iter().filter_map(|k| resources::opened(&k.row, state.keyring()).ok());
    Ok(snapshot.config.providers.iter().cloned().chain(stored).collect())
}

fn judged(known: &[Provider], document: Map<String, Value>) -> Result<Model, Problem> {
    let model: Model = managed::typed(document)?;
    if model.routes.len() > 100 {
        return Err(wrong("routes: at most 100"));
    }
    refuse(&check_model(known.iter(), &model).errors)?;
    Ok(model)
}

/// Its YAML form, without what says nothing.
fn document(m: &Model) -> Map<String, Value> {
    match shown_model(m) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

impl ModelResource {
    fn of_files(m: &Model, snapshot: &Snapshot, known: &[Provider]) -> Self {
        let origin = managed::model_origin(snapshot, &m.name);
        Self { managed: true, origin, ..Self::unsaved(m, known) }
    }

    fn unsaved(m: &Model, known: &[Provider]) -> Self {
        let warnings = check_model(known.iter(), m).warnings;
        Self {
            name: m.name.clone(),
            enabled: m.enabled,
            managed: false,
            origin: None,
            configuration: shown_model(m),
            problems: warnings.into_iter().map(|(field, message)| format!("{field} {message}")).collect(),
            created_at: None,
            updated_at: None,
        }
    }

    fn of_store(kept: &Kept<ModelRow>, snapshot: &Snapshot, known: &[Provider]) -> Self {
        let model = model_of(&kept.row);
        let mut view = Self::unsaved(&model, known);
        if let Some(origin) = managed::model_origin(snapshot, &model.name) {
            view.problems.push(format!("it is not used: {origin} has one of the same name"));
        }
        view.created_at = Some(kept.created_at);
        view.updated_at = Some(kept.updated_at);
        view
    }
}

impl Entry for ModelResource {
    fn name(&self) -> &str {
        &self.name
    }

    fn managed(&self) -> bool {
        self.managed
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
