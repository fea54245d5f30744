//! Providers: those of the files, to be seen, and those of the store, to be changed.

pub(crate) mod import;
mod secrets;
pub(crate) mod test;
mod view;

use crate::caller::Caller;
use crate::managed::{self, Listing, NameQuery, held};
use crate::openapi::foreign::{ConfigProvider, ConfigProviderPatch};
use crate::params::{Body, Named, Params, wrong};
use crate::problem::Problem;
use crate::state::AdminState;
use crate::versioned::{IfMatch, Versioned};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_config::model::Provider;
use sallyport_config::resources::{self, merge_patch, written};
use sallyport_config::snapshot::Snapshot;
use sallyport_config::transfer::shown;
use sallyport_schema::rows::ProviderRow;
use sallyport_schema::store::resources::{Kept, Shown};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::IntoParams;
use uuid::Uuid;
pub(crate) use view::ProviderResource;

/// What else is done with a new provider.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CreateQuery {
    /// Only judged, not stored: answers 200.
    dry_run: bool,
    /// Asked for its models first; if it does not answer, it is not stored.
    test: bool,
}

/// Only judged?
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DryRun {
    /// Only judged, not stored.
    pub(crate) dry_run: bool,
}

/// Providers
///
/// Those of the files and of the store, by name.
#[utoipa::path(get, path = "/api/providers", tag = "providers", operation_id = "listProviders", params(NameQuery),
    responses((status = 200, description = "One page of providers.", body = Listing<ProviderResource>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Params(query): Params<NameQuery>,
) -> Result<Json<Listing<ProviderResource>>, Problem> {
    let stored = state.store().kept_providers().await?;
    let snapshot = state.snapshot().load();
    let files = snapshot.config.providers.iter().map(|p| ProviderResource::of_files(p, &snapshot));
    let of_store = stored.iter().map(|k| ProviderResource::of_store(k, &state, &snapshot));
    let all: Vec<_> = files.chain(of_store).collect();
    Ok(Json(query.page(all)?))
}

/// One provider
#[utoipa::path(get, path = "/api/providers/{name}", tag = "providers", operation_id = "getProvider",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The provider.", body = ProviderResource)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Named(name): Named<String>,
) -> Result<Response, Problem> {
    let snapshot = state.snapshot().load();
    if let Some(p) = snapshot.config.providers.iter().find(|p| p.name == name) {
        return Ok(Json(ProviderResource::of_files(p, &snapshot)).into_response());
    }
    let kept = find(&state, &name).await?;
    let view = ProviderResource::of_store(&kept, &state, &snapshot);
    Ok(Versioned(StatusCode::OK, kept.version, view).into_response())
}

/// Make a provider
///
/// In the form of YAML's providers. Secrets are taken and never shown again. Names of files are refused.
#[utoipa::path(post, path = "/api/providers", tag = "providers", operation_id = "createProvider",
    params(CreateQuery),
    request_body(content = ConfigProvider, description = "A provider as in YAML.",
        example = json!({"name": "claude", "kind": "anthropic", "api_key": "sk-ant-example"})),
    responses((status = 200, description = "It could be stored (dry_run).", body = ProviderResource),
              (status = 201, description = "The provider.", body = ProviderResource)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<CreateQuery>,
    Body(body): Body<Map<String, Value>>,
) -> Result<Response, Problem> {
    let snapshot = state.snapshot().load();
    let provider = new(&state, &caller, &snapshot, body, query.test).await?;
    let row = sealed(&state, &provider, Uuid::now_v7())?;
    if query.dry_run {
        return Ok(Json(ProviderResource::unsaved(&provider, &snapshot)).into_response());
    }
    let shown = Shown { before: None, after: Some(shown(&provider)) };
    state.store().put_provider(&row, None, &shown, caller.actor()).await?;
    let kept = find(&state, &provider.name).await?;
    let view = ProviderResource::of_store(&kept, &state, &snapshot);
    Ok(Versioned(StatusCode::CREATED, kept.version, view).into_response())
}

/// Change a provider
///
/// A merge patch (RFC 7396) of its YAML form: null removes, what is not named stays, secrets too. Where the address
/// changes all secrets must be given anew: else whoever may change an address could have them sent to himself.
#[utoipa::path(patch, path = "/api/providers/{name}", tag = "providers", operation_id = "changeProvider",
    params(("name" = String, Path, description = "Its name."), DryRun,
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    request_body(content = ConfigProviderPatch, description = "What changes of it."),
    responses((status = 200, description = "The provider.", body = ProviderResource)))]
pub(crate) async fn change(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
    Params(query): Params<DryRun>,
    version: IfMatch,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Response, Problem> {
    let snapshot = state.snapshot().load();
    held("provider", &name, managed::provider_origin(&snapshot, &name))?;
    let kept = find(&state, &name).await?;
    let at = version.on(kept.version)?;
    if patch.get("name").is_some_and(|n| n.as_str() != Some(&name)) {
        return Err(wrong(
            "name: a provider keeps its name, because routes call it by that; make another one",
        ));
    }
    let before = opened(&state, &kept.row)?;
    let mut whole = written(&before);
    let given = patch.clone();
    merge_patch(&mut whole, patch);
    let after = judged(&snapshot, whole)?;
    secrets::not_carried_off(&before, &after, &given)?;
    if query.dry_run {
        return Ok(Json(ProviderResource::unsaved(&after, &snapshot)).into_response());
    }
    if before == after {
        let view = ProviderResource::of_store(&kept, &state, &snapshot);
        return Ok(Versioned(StatusCode::OK, kept.version, view).into_response());
    }
    let row = sealed(&state, &after, kept.row.id)?;
    let shown = Shown { before: Some(shown(&before)), after: Some(shown(&after)) };
    state.store().put_provider(&row, at, &shown, caller.actor()).await?;
    let kept = find(&state, &name).await?;
    let view = ProviderResource::of_store(&kept, &state, &snapshot);
    Ok(Versioned(StatusCode::OK, kept.version, view).into_response())
}

/// Delete a provider
///
/// Refused while a stored model has a route to it.
#[utoipa::path(delete, path = "/api/providers/{name}", tag = "providers", operation_id = "deleteProvider",
    params(("name" = String, Path, description = "Its name."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 204, description = "The provider is gone.")))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
    version: IfMatch,
) -> Result<StatusCode, Problem> {
    held("provider", &name, managed::provider_origin(&state.snapshot().load(), &name))?;
    let kept = find(&state, &name).await?;
    version.on(kept.version)?;
    let before = opened(&state, &kept.row).ok().map(|p| shown(&p));
    let shown = Shown { before, after: None };
    state.store().remove_provider(kept.row.id, kept.version, &shown, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The set-up's provider: judged, asked for its models, and sealed.
pub(crate) async fn first(
    state: &AdminState,
    caller: &Caller,
    document: Map<String, Value>,
) -> Result<(ProviderRow, Shown), Problem> {
    let snapshot = state.snapshot().load();
    let provider = new(state, caller, &snapshot, document, true).await?;
    let row = sealed(state, &provider, Uuid::now_v7())?;
    Ok((row, Shown { before: None, after: Some(shown(&provider)) }))
}

/// A provider that could be stored: judged, of a name that is free, and if so wished asked for its models.
async fn new(
    state: &AdminState,
    caller: &Caller,
    snapshot: &Snapshot,
    document: Map<String, Value>,
    test: bool,
) -> Result<Provider, Problem> {
    let provider = judged(snapshot, document)?;
    held("provider", &provider.name, managed::provider_origin(snapshot, &provider.name))?;
    if state.store().kept_providers().await?.iter().any(|k| k.row.name == provider.name) {
        return Err(Problem::new(StatusCode::CONFLICT, "exists", "there is one of this name already"));
    }
    if test {
        let ready = Arc::new(resources::ready(&provider).map_err(wrong)?);
        test::must_answer(state, caller, &ready).await?;
    }
    Ok(provider)
}

/// The stored provider of this name.
async fn find(state: &AdminState, name: &str) -> Result<Kept<ProviderRow>, Problem> {
    let all = state.store().kept_providers().await?;
    all.into_iter()
        .find(|k| k.row.name == name)
        .ok_or_else(|| Problem::not_found("there is no such provider"))
}

/// The document as a provider that can run; 422 with every fault otherwise.
fn judged(snapshot: &Snapshot, document: Map<String, Value>) -> Result<Provider, Problem> {
    let provider: Provider = managed::typed(document)?;
    let checked = resources::check_provider(&snapshot.config, &provider);
    managed::refuse(&checked.errors)?;
    resources::ready(&provider).map_err(wrong)?;
    Ok(provider)
}

fn opened(state: &AdminState, row: &ProviderRow) -> Result<Provider, Problem> {
    resources::opened(row, state.keyring())
        .map_err(|e| Problem::new(StatusCode::CONFLICT, "unreadable", format!("it cannot be changed: {e}")))
}

fn sealed(state: &AdminState, provider: &Provider, id: Uuid) -> Result<ProviderRow, Problem> {
    resources::sealed(provider, id, state.keyring()).map_err(|error| {
        tracing::error!(%error, "a provider was not sealed");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the secrets could not be sealed")
    })
}
