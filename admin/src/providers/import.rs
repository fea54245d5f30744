//! The import wizard: what the provider has, and models made of it.

use super::DryRun;
use super::test::{asked, runnable};
use crate::caller::Caller;
use crate::managed::{self, refuse};
use crate::params::{Body, Named, Params, wrong};
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_config::model::{Model, Route};
use sallyport_config::resources::{check_model, is_model_name, model_of, model_row, shown_model};
use sallyport_schema::store::resources::{Batch, Shown};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// Most models of one import.
const MOST: usize = 1000;

/// What a provider has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Offer {
    /// By name.
    items: Vec<Offered>,
    /// Names that no model can have here, left out.
    left_out: usize,
}

/// A model that a provider has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Offered {
    /// Its name at the provider.
    name: String,
    /// What the provider calls it for people, or who made it.
    title: String,
    /// There is a model of this name already: `file`, `store`, or None.
    known: Option<&'static str>,
    /// The price table has a price for it.
    priced: bool,
}

/// What is to be imported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Import {
    /// The models.
    #[schema(min_items = 1, max_items = 1000)]
    models: Vec<Wanted>,
}

/// A model that is to be imported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Its name at the provider (Azure: the deployment).
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// What clients call it; default: the same.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    alias: Option<String>,
    /// Share of the traffic where the model has other routes.
    #[serde(default = "one")]
    #[schema(minimum = 0, maximum = 1000000)]
    weight: u32,
}

const fn one() -> u32 {
    1
}

/// What came of an import.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportedModels)]
pub(crate) struct Imported {
    /// One for each that was wanted, in that order.
    items: Vec<Outcome>,
}

/// What came of one model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportOutcome)]
pub(crate) struct Outcome {
    /// What clients call it.
    name: String,
    /// `created`; `route_added` to a stored model; `there`: it had that route; `managed`: a file has it.
    outcome: &'static str,
}

/// What a provider has
///
/// Asks the provider for its models, with its credentials.
#[utoipa::path(get, path = "/api/providers/{name}/models", tag = "providers", operation_id = "listProviderModels",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "Its models.", body = Offer),
        (status = 502, description = "The provider gives no list.")))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
) -> Result<Json<Offer>, Problem> {
    let provider = runnable(&state, &name).await?;
    let (listed, _) = asked(&state, &caller, &provider).await?;
    let listed =
        listed.map_err(|e| Problem::new(StatusCode::BAD_GATEWAY, "provider_failed", e.to_string()))?;
    let snapshot = state.snapshot().load();
    let stored = state.store().kept_models().await?;
    let all = listed.len();
    let items: Vec<Offered> = listed
        .into_iter()
        .filter(|m| is_model_name(&m.name))
        .map(|m| Offered {
            known: if snapshot.config.models.iter().any(|c| c.name == m.name) {
                Some("file")
            } else {
                stored.iter().any(|k| k.row.name == m.name).then_some("store")
            },
            priced: snapshot.prices.find(&m.name).is_some(),
            title: m.title.chars().filter(|c| !c.is_control()).take(200).collect(),
            name: m.name,
        })
        .collect();
    Ok(Json(Offer { left_out: all - items.len(), items }))
}

/// Import models
///
/// Makes a model with a route to this provider for each that is wanted, or adds the route to the stored model of that
/// name; all of them or none. What a file has stays as it is.
#[utoipa::path(post, path = "/api/providers/{name}/models", tag = "providers", operation_id = "importModels",
    params(("name" = String, Path, description = "Its name."), DryRun), request_body = Import,
    responses((status = 200, description = "What came of each.", body = Imported)))]
pub(crate) async fn post(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
    Params(query): Params<DryRun>,
    Body(body): Body<Import>,
) -> Result<Json<Imported>, Problem> {
    if !(1..=MOST).contains(&body.models.len()) {
        return Err(wrong(format!("models: 1 to {MOST} entries")));
    }
    if body.models.iter().any(|m| m.weight > 1_000_000) {
        return Err(wrong("weight: at most 1000000"));
    }
    runnable(&state, &name).await?;
    let snapshot = state.snapshot().load();
    let stored = state.store().kept_models().await?;
    let mut changed: HashMap<String, (Model, Option<usize>)> = HashMap::new();
    let mut items = Vec::new();
    let mut order = Vec::new();
    for wanted in body.models {
        let alias = wanted.alias.clone().unwrap_or_else(|| wanted.name.clone());
        let route = Route {
            provider: name.clone(),
            model: (alias != wanted.name).then(|| wanted.name.clone()),
            weight: wanted.weight,
        };
        if managed::model_origin(&snapshot, &alias).is_some() {
            items.push(Outcome { name: alias, outcome: "managed" });
            continue;
        }
        let at = stored.iter().position(|k| k.row.name == alias);
        let (model, _) = changed.entry(alias.clone()).or_insert_with(|| {
            order.push(alias.clone());
            let model = match at.and_then(|i| stored.get(i)) {
                Some(kept) => model_of(&kept.row),
                None => Model {
                    name: alias.clone(),
                    enabled: true,
                    routes: Vec::new(),
                    price: None,
                    input_multiplier: 1.0,
                    output_multiplier: 1.0,
                },
            };
            (model, at)
        });
        let outcome = if model.routes.iter().any(|r| r.provider == route.provider && r.model == route.model) {
            "there"
        } else {
            let fresh = model.routes.is_empty() && at.is_none();
            model.routes.push(route);
            if fresh { "created" } else { "route_added" }
        };
        items.push(Outcome { name: alias, outcome });
    }
    let mut batch = Batch::default();
    for alias in order {
        let Some((model, at)) = changed.remove(&alias) else { continue };
        refuse(&check_model(std::iter::empty(), &model).errors)?;
        let kept = at.and_then(|i| stored.get(i));
        let before = kept.map(|k| shown_model(&model_of(&k.row)));
        let after = Some(shown_model(&model));
        if before == after {
            continue;
        }
        let row = model_row(&model, kept.map_or_else(Uuid::now_v7, |k| k.row.id));
        batch.models.push((row, kept.map(|k| k.version), Shown { before, after }));
    }
    if !query.dry_run {
        state.store().apply_batch(&batch, caller.actor()).await?;
    }
    Ok(Json(Imported { items }))
}
