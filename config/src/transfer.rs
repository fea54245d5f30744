//! What is stored as a YAML overlay, and an overlay into the store: so that what was made in the console can move to
//! git, and back. Secrets never stand in the overlay: it names variables.

mod overlay;
mod read;

pub use overlay::{Overlay, overlay};
pub use read::{TransferError, of_config, read};

use crate::model::{Model, Provider};
use crate::resources::{self, bare, check_model, check_provider, fingerprints, merge_patch, sealed};
use crate::settings;
use crate::snapshot::Snapshot;
use sallyport_schema::envelope::KeyRing;
use sallyport_schema::error::StoreError;
use sallyport_schema::rows::{ModelRow, ProviderRow};
use sallyport_schema::store::Store;
use sallyport_schema::store::resources::{Batch, Kept, Shown, StoredSetting};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Providers, models and settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// Providers.
    pub providers: Vec<Provider>,
    /// Secrets that are named but not told (`${…}`), by provider and path: they stay as they are.
    pub untold: Vec<(String, Vec<String>)>,
    /// Models.
    pub models: Vec<Model>,
    /// Settings by name.
    pub settings: BTreeMap<String, Value>,
}

/// What is stored now.
#[derive(Debug, Default)]
pub struct Current {
    /// Providers.
    pub providers: Vec<Kept<ProviderRow>>,
    /// Models.
    pub models: Vec<Kept<ModelRow>>,
    /// Settings.
    pub settings: Vec<StoredSetting>,
}

/// A stored provider that cannot be read, and why. Holds no secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("provider {name}: {why}")]
pub struct Unreadable {
    /// Its name.
    pub name: String,
    /// Why: its secrets are sealed with another key.
    pub why: String,
}

impl Current {
    /// Reads it.
    ///
    /// # Errors
    /// The store fails.
    pub async fn read(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            providers: store.kept_providers().await?,
            models: store.kept_models().await?,
            settings: store.stored_settings().await?,
        })
    }

    /// What an export holds: all of it but settings that are none any more.
    ///
    /// # Errors
    /// A provider cannot be read.
    pub fn content(self, keyring: &KeyRing) -> Result<Content, Unreadable> {
        let mut content = Content::default();
        for kept in &self.providers {
            let opened = resources::opened(&kept.row, keyring);
            content.providers.push(opened.map_err(|why| Unreadable { name: kept.row.name.clone(), why })?);
        }
        content.models = self.models.iter().map(|k| resources::model_of(&k.row)).collect();
        let known = self.settings.into_iter().filter(|s| settings::find(&s.key).is_some());
        content.settings = known.map(|s| (s.key, s.value)).collect();
        Ok(content)
    }
}

/// What an import does to one thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// `provider`, `model` or `setting`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// `create`, `change`, `same`, or `held`: a file has it, so it is left out.
    pub action: &'static str,
    /// What it is now, without secrets.
    pub before: Option<Value>,
    /// What it becomes, without secrets.
    pub after: Option<Value>,
}

/// What an import does.
#[derive(Debug, Default)]
pub struct Plan {
    /// One for each thing in the overlay.
    pub steps: Vec<Step>,
    /// The changes.
    pub batch: Batch,
    /// What cannot be: nothing is imported while there is any. Never a secret.
    pub errors: Vec<String>,
    /// What looks wrong.
    pub warnings: Vec<String>,
}

/// Compares an overlay with what is stored.
pub fn plan(current: &Current, wanted: Content, snapshot: &Snapshot, keyring: &KeyRing) -> Plan {
    let mut plan = Plan::default();
    let mut known: Vec<Provider> = snapshot.config.providers.clone();
    let opened = current.providers.iter().filter_map(|k| resources::opened(&k.row, keyring).ok());
    known.extend(opened.filter(|p| wanted.providers.iter().all(|w| w.name != p.name)));
    for provider in wanted.providers {
        let untold = wanted.untold.iter().filter(|(of, _)| *of == provider.name).map(|(_, path)| path);
        let untold: Vec<_> = untold.collect();
        known.extend(plan.provider(current, provider, &untold, snapshot, keyring));
    }
    for model in wanted.models {
        plan.model(current, model, &known, snapshot);
    }
    let mut config = (*snapshot.config).clone();
    for (name, value) in wanted.settings {
        let Some(setting) = settings::find(&name) else {
            plan.errors.push(format!("{name}: there is no such setting"));
            continue;
        };
        let held = setting.held(&snapshot.files);
        let before = current.settings.iter().find(|s| s.key == name).map(|s| s.value.clone());
        if !held {
            match setting.with(&config, &value) {
                Ok(new) => config = new,
                Err(e) => plan.errors.push(format!("{name}: {e}")),
            }
        }
        let action = plan.step("setting", &name, held, before, value.clone());
        if matches!(action, "create" | "change") {
            plan.batch.settings.push((name, Some(value)));
        }
    }
    plan
}

impl Plan {
    fn step(
        &mut self,
        kind: &'static str,
        name: &str,
        held: bool,
        before: Option<Value>,
        after: Value,
    ) -> &'static str {
        let action = match &before {
            _ if held => "held",
            None => "create",
            Some(b) if *b == after => "same",
            Some(_) => "change",
        };
        self.steps.push(Step { kind, name: name.to_owned(), action, before, after: Some(after) });
        action
    }

    /// The provider as it will be.
    fn provider(
        &mut self,
        current: &Current,
        provider: Provider,
        untold: &[&Vec<String>],
        snapshot: &Snapshot,
        keyring: &KeyRing,
    ) -> Option<Provider> {
        let name = provider.name.clone();
        let kept = current.providers.iter().find(|k| k.row.name == name);
        let old = kept.and_then(|k| resources::opened(&k.row, keyring).ok());
        let old_secrets = old.as_ref().map(resources::secrets).unwrap_or_default();
        let mut whole = resources::written(&provider);
        let moved = old.as_ref().is_some_and(|o| resources::place(o) != resources::place(&provider));
        for &path in untold {
            let place = path.join(".");
            match old_secrets.iter().find(|(p, _)| p == path) {
                Some(_) if moved => self.errors.push(format!(
                    "provider {name}: {place}: the address changes, so the secret must be given again"
                )),
                Some((_, secret)) => {
                    let leaf = Value::from(secret.as_str());
                    let nested = path.iter().rev().fold(leaf, |inner, step| json!({ step.as_str(): inner }));
                    if let Value::Object(patch) = nested {
                        merge_patch(&mut whole, patch);
                    }
                }
                None => {
                    resources::take(&mut whole, path);
                    self.warnings.push(format!("provider {name}: {place} is not set: give it afterwards"));
                }
            }
        }
        let Ok(provider) = serde_json::from_value::<Provider>(Value::Object(whole)) else {
            self.errors
                .push(format!("provider {name}: it cannot be without the secrets that are not told here"));
            return None;
        };
        let checked = check_provider(&snapshot.config, &provider);
        let told = |(field, why): &(String, String)| format!("provider {name}: {field}: {why}");
        let held = snapshot.config.providers.iter().any(|p| p.name == name);
        if !held {
            self.errors.extend(checked.errors.iter().map(told));
            self.warnings.extend(checked.warnings.iter().map(told));
        }
        let (before, after) = (old.as_ref().map(shown), shown(&provider));
        let action = self.step("provider", &name, held, before.clone(), after.clone());
        if held {
            return None;
        }
        if matches!(action, "create" | "change") {
            match sealed(&provider, kept.map_or_else(Uuid::now_v7, |k| k.row.id), keyring) {
                Ok(row) => {
                    let shown = Shown { before, after: Some(after) };
                    self.batch.providers.push((row, kept.map(|k| k.version), shown));
                }
                Err(e) => self.errors.push(format!("provider {name}: {e}")),
            }
        }
        Some(provider)
    }

    fn model(&mut self, current: &Current, model: Model, known: &[Provider], snapshot: &Snapshot) {
        let name = model.name.clone();
        let kept = current.models.iter().find(|k| k.row.name == name);
        let held = snapshot.config.models.iter().any(|m| m.name == name);
        if !held {
            let checked = check_model(known.iter(), &model);
            let told = |(field, why): &(String, String)| format!("model {name}: {field}: {why}");
            self.errors.extend(checked.errors.iter().map(told));
            self.warnings.extend(checked.warnings.iter().map(told));
        }
        let before = kept.map(|k| resources::shown_model(&resources::model_of(&k.row)));
        let after = resources::shown_model(&model);
        if matches!(self.step("model", &name, held, before.clone(), after.clone()), "create" | "change") {
            let row = resources::model_row(&model, kept.map_or_else(Uuid::now_v7, |k| k.row.id));
            self.batch.models.push((row, kept.map(|k| k.version), Shown { before, after: Some(after) }));
        }
    }
}

/// A provider as diffs and the audit trail show it: secrets as fingerprints.
pub fn shown(p: &Provider) -> Value {
    let prints: Map<_, _> = fingerprints(p).into_iter().map(|(name, print)| (name, print.into())).collect();
    json!({ "configuration": bare(p), "secrets": prints })
}

#[cfg(test)]
mod tests;
