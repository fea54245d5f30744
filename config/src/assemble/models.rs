//! Models, from YAML and from the store.

use super::Finding;
use crate::model::{Config, Price};
use crate::models::{Charge, Model, Route};
use crate::snapshot::Provider;
use crate::validate::{check_model_name, check_price};
use sallyport_schema::rows::ModelRow;
use std::collections::HashSet;
use std::sync::Arc;

pub(super) fn all<'a>(
    config: &Config,
    rows: impl Iterator<Item = &'a Arc<ModelRow>>,
    providers: &imbl::HashMap<Arc<str>, Arc<Provider>>,
    findings: &mut Vec<Finding>,
) -> Vec<Model> {
    let mut out = Vec::new();
    // A model that YAML switches off is off, whatever the store says.
    let managed: HashSet<&str> = config.models.iter().map(|m| m.name.as_str()).collect();
    for m in config.models.iter().filter(|m| m.enabled) {
        for r in m.routes.iter().filter(|r| !providers.contains_key(r.provider.as_str())) {
            let message = format!("there is no provider `{}`", r.provider);
            findings.push(Finding { kind: "route", name: m.name.clone(), id: None, message });
        }
        let routes = m.routes.iter().map(|r| Route {
            provider: r.provider.as_str().into(),
            model: r.model.as_deref().map(Into::into),
            weight: r.weight,
        });
        let charge = Charge::of(m.price.as_ref(), m.input_multiplier, m.output_multiplier);
        out.push(Model { name: m.name.as_str().into(), routes: routes.collect(), managed: true, charge });
    }
    for row in rows {
        let mut found = |kind, message: String| {
            findings.push(Finding { kind, name: row.name.clone(), id: Some(row.id), message });
        };
        if managed.contains(row.name.as_str()) {
            found("model", "the stored model is not used: a YAML file has one of the same name".into());
            continue;
        }
        if !row.enabled {
            continue;
        }
        if let Err(message) = check_model_name(&row.name) {
            found("model", format!("left out: {message}"));
            continue;
        }
        for r in &row.routes {
            if !providers.contains_key(r.provider.as_str()) {
                found("route", format!("there is no provider `{}`", r.provider));
            }
        }
        let routes = row.routes.iter().map(|r| Route {
            provider: r.provider.as_str().into(),
            model: r.upstream_model.as_deref().map(Into::into),
            weight: r.weight,
        });
        let price = row.price.clone().map(serde_json::from_value::<Price>);
        let price = match price.transpose().map_err(|_| ()).and_then(|p| match p {
            Some(p) if check_price(&row.name, &p).is_err() => Err(()),
            p => Ok(p),
        }) {
            Ok(price) => price,
            Err(()) => {
                found("model", "its stored price cannot be read: the price table's holds".into());
                None
            }
        };
        let charge = Charge::of(price.as_ref(), row.input_multiplier, row.output_multiplier);
        out.push(Model { name: row.name.as_str().into(), routes: routes.collect(), managed: false, charge });
    }
    out
}

/// Names of models that are switched off: what they match is not to be found in another way.
pub(super) fn off<'a>(config: &Config, rows: impl Iterator<Item = &'a Arc<ModelRow>>) -> Vec<Arc<str>> {
    let managed: HashSet<&str> = config.models.iter().map(|m| m.name.as_str()).collect();
    let here = config.models.iter().filter(|m| !m.enabled).map(|m| m.name.as_str().into());
    let stored = rows.filter(|r| !r.enabled && !managed.contains(r.name.as_str()));
    here.chain(stored.map(|r| r.name.as_str().into())).collect()
}
