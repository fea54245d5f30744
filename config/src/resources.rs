//! Providers and models that are made through the admin API: the same form and the same rules as in YAML.

use crate::document::Document;
use crate::google::GoogleCredentials;
use crate::model::{Config, Model, Price, Provider, Route};
use crate::validate::{self, Verdict};
use sallyport_schema::envelope::{EnvelopeError, KeyRing, PROVIDER_API_KEY, PROVIDER_SECRETS};
use sallyport_schema::rows::{ModelRow, ProviderRow, RouteRow};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use crate::assemble::{opened, ready};

/// What is wrong with something that somebody wants to store: field, and a sentence that never quotes a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// It cannot be stored so.
    pub errors: Vec<(String, String)>,
    /// It can, but looks wrong.
    pub warnings: Vec<(String, String)>,
}

impl From<Verdict> for Checked {
    fn from(v: Verdict) -> Self {
        let pairs = |all: Vec<crate::Problem>| {
            all.into_iter().map(|p| (p.path.trim_start_matches('.').to_owned(), p.message)).collect()
        };
        Self { errors: pairs(v.errors), warnings: pairs(v.warnings) }
    }
}

/// Judges a provider. Names of files are refused: who may use the API is not who may read the gateway's disk.
pub fn check_provider(config: &Config, p: &Provider) -> Checked {
    let mut checked = Checked::from(validate::provider(config, p, &Document::default(), &HashSet::new()));
    let mut refuse = |field: &str| {
        let why = "names a file on the gateway's machine: only a YAML file may do that";
        checked.errors.push((field.to_owned(), why.to_owned()));
    };
    if p.ca_file.is_some() {
        refuse("ca_file");
    }
    if p.azure_openai
        .as_ref()
        .and_then(|a| a.workload_identity.as_ref())
        .is_some_and(|w| w.token_file.is_some())
    {
        refuse("azure_openai.workload_identity.token_file");
    }
    if let Some(vertex) = &p.vertex {
        if vertex.credentials_file.is_some() {
            refuse("vertex.credentials_file");
        }
        if let Some(text) = &vertex.credentials
            && let Ok(credentials) = GoogleCredentials::parse(text.expose())
            && credentials.reads_a_file()
        {
            refuse("vertex.credentials.credential_source.file");
        }
    }
    checked
}

/// Judges a model. `providers`: those that there are.
pub fn check_model<'a>(providers: impl Iterator<Item = &'a Provider>, m: &Model) -> Checked {
    Checked::from(validate::model(providers, m, &Document::default(), &HashSet::new()))
}

/// Whether a model that a provider lists can have an entry of its own name here.
pub fn is_model_name(name: &str) -> bool {
    !name.contains('*') && validate::check_model_name(name).is_ok()
}

/// The whole provider as YAML has it, secrets in clear.
pub fn written(p: &Provider) -> Map<String, Value> {
    let mut whole = match serde_json::to_value(p) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    prune(&mut whole);
    for (path, secret) in secrets(p) {
        put(&mut whole, &path, Value::from(secret.as_str()));
    }
    whole
}

/// Its YAML form without secrets.
pub fn bare(p: &Provider) -> Map<String, Value> {
    let mut whole = written(p);
    for (path, _) in secrets(p) {
        take(&mut whole, &path);
    }
    whole
}

/// The names of its secrets (`api_key`, `headers.x-team`), each with what tells it from others.
pub fn fingerprints(p: &Provider) -> Vec<(String, String)> {
    secrets(p).into_iter().map(|(path, secret)| (path.join("."), fingerprint(&secret))).collect()
}

/// Equal for equal secrets; says nothing else about them. 32 bits in hex: enough to tell two keys apart, too few to
/// search for the key by.
pub fn fingerprint(secret: &str) -> String {
    let hash = Sha256::new().chain_update("sallyport secret fingerprint\0").chain_update(secret).finalize();
    hash.iter().take(4).map(|b| format!("{b:02x}")).collect()
}

/// Where its secrets are sent. They do not go to another place than the one that they were given for.
pub fn place(p: &Provider) -> impl PartialEq + use<> {
    let bedrock = p.bedrock.as_ref().map(|b| (b.endpoint.clone(), b.region.clone()));
    (p.kind, p.base_url.clone(), bedrock, p.tls_name.clone())
}

/// A model as diffs and the audit trail show it: its YAML form, without what says nothing.
pub fn shown_model(m: &Model) -> Value {
    let mut value = serde_json::to_value(m).unwrap_or_default();
    if let Value::Object(map) = &mut value {
        let routes = map.get_mut("routes").and_then(Value::as_array_mut);
        routes.into_iter().flatten().filter_map(Value::as_object_mut).for_each(prune);
        map.retain(|_, v| !v.is_null());
        if let Some(Value::Object(price)) = map.get_mut("price") {
            prune(price);
        }
    }
    value
}

/// The secrets that are set, by their path: `api_key`, `headers` and the header's name, …
pub fn secrets(p: &Provider) -> Vec<(Vec<String>, Zeroizing<String>)> {
    let copy = |s: &crate::model::Secret| Zeroizing::new(s.expose().to_owned());
    let mut all: Vec<(Vec<String>, Zeroizing<String>)> = Vec::new();
    all.extend(p.api_key.iter().map(|k| (vec!["api_key".to_owned()], copy(k))));
    all.extend(p.headers.iter().map(|(name, v)| (vec!["headers".to_owned(), name.clone()], copy(v))));
    for (path, secret) in p.settings().secrets() {
        all.push((path.split('.').map(str::to_owned).collect(), copy(secret)));
    }
    all
}

/// The row of a provider, its secrets sealed.
///
/// # Errors
/// No random bytes.
pub fn sealed(p: &Provider, id: Uuid, keyring: &KeyRing) -> Result<ProviderRow, EnvelopeError> {
    let mut settings = match serde_json::to_value(p) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    prune(&mut settings);
    let (mut hidden, mut api_key) = (Map::new(), None);
    for (path, secret) in secrets(p) {
        take(&mut settings, &path);
        if path.len() == 1 {
            api_key = Some(keyring.seal(&PROVIDER_API_KEY.place(id), secret.as_bytes())?);
        } else {
            put(&mut hidden, &path, Value::from(secret.as_str()));
        }
    }
    for column in ["name", "kind", "base_url", "api_key", "enabled"] {
        settings.shift_remove(column);
    }
    let secrets = if hidden.is_empty() {
        None
    } else {
        let text = Zeroizing::new(Value::Object(hidden).to_string());
        Some(keyring.seal(&PROVIDER_SECRETS.place(id), text.as_bytes())?)
    };
    Ok(ProviderRow {
        id,
        name: p.name.clone(),
        kind: p.kind.word().to_owned(),
        base_url: p.base_url.as_ref().map(ToString::to_string).unwrap_or_default(),
        api_key,
        settings: Value::Object(settings),
        secrets,
        enabled: p.enabled,
    })
}

/// The row of a model; routes get new ids.
pub fn model_row(m: &Model, id: Uuid) -> ModelRow {
    let routes = m.routes.iter().map(|r| RouteRow {
        id: Uuid::now_v7(),
        provider: r.provider.clone(),
        upstream_model: r.model.clone(),
        weight: r.weight,
    });
    ModelRow {
        id,
        name: m.name.clone(),
        enabled: m.enabled,
        routes: routes.collect(),
        price: m.price.as_ref().map(|p| {
            let mut value = serde_json::to_value(p).unwrap_or_default();
            if let Value::Object(map) = &mut value {
                prune(map);
            }
            value
        }),
        input_multiplier: m.input_multiplier,
        output_multiplier: m.output_multiplier,
    }
}

/// The model of a row. A price that cannot be read is none.
pub fn model_of(row: &ModelRow) -> Model {
    Model {
        name: row.name.clone(),
        enabled: row.enabled,
        routes: row
            .routes
            .iter()
            .map(|r| Route {
                provider: r.provider.clone(),
                model: r.upstream_model.clone(),
                weight: r.weight,
            })
            .collect(),
        price: row.price.as_ref().and_then(|p| serde_json::from_value::<Price>(p.clone()).ok()),
        input_multiplier: row.input_multiplier,
        output_multiplier: row.output_multiplier,
    }
}

/// RFC 7396: maps merge, null removes, all else replaces.
pub fn merge_patch(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.shift_remove(&key);
            }
            Value::Object(inner) => {
                let below = target.entry(key).or_insert_with(|| Value::Object(Map::new()));
                if !below.is_object() {
                    *below = Value::Object(Map::new());
                }
                if let Value::Object(below) = below {
                    merge_patch(below, inner);
                }
            }
            value => {
                target.insert(key, value);
            }
        }
    }
}

/// Takes out what says nothing: nulls, empty maps and lists.
pub fn prune(map: &mut Map<String, Value>) {
    map.retain(|_, value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(inner) => {
            prune(inner);
            !inner.is_empty()
        }
        _ => true,
    });
}

fn put(map: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            map.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = map.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

pub(crate) fn take(map: &mut Map<String, Value>, path: &[String]) {
    match path {
        [] => {}
        [last] => {
            map.shift_remove(last);
        }
        [first, rest @ ..] => {
            if let Some(Value::Object(inner)) = map.get_mut(first) {
                take(inner, rest);
                if inner.is_empty() {
                    map.shift_remove(first);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
