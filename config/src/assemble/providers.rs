//! Providers, ready to be called.

mod base_url;
mod stored;

pub use base_url::default_base_url;
pub use stored::written as opened;

use super::Finding;
use crate::model::{self, Config};
use crate::pattern::PatternSet;
use crate::snapshot::Provider;
use crate::validate::{check_base_url, check_header, check_kind, check_provider_name};
use sallyport_schema::envelope::KeyRing;
use sallyport_schema::rows::ProviderRow;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use url::Url;

pub(super) fn all<'a>(
    config: &Config,
    rows: impl Iterator<Item = &'a Arc<ProviderRow>>,
    keyring: &KeyRing,
    findings: &mut Vec<Finding>,
) -> imbl::HashMap<Arc<str>, Arc<Provider>> {
    let mut out = imbl::HashMap::new();
    for p in &config.providers {
        // Validation has seen to it that this works.
        if let Ok(provider) = provider(p, true) {
            out.insert(provider.name.clone(), Arc::new(provider));
        }
    }
    for row in rows {
        let mut found = |message: String| {
            findings.push(Finding { kind: "provider", name: row.name.clone(), id: Some(row.id), message });
        };
        if out.get(row.name.as_str()).is_some_and(|p: &Arc<Provider>| p.managed) {
            found("the stored provider is not used: a YAML file has one of the same name".into());
            continue;
        }
        match from_row(row, keyring) {
            Ok(provider) => {
                out.insert(provider.name.clone(), Arc::new(provider));
            }
            Err(message) => found(format!("left out: {message}")),
        }
    }
    out
}

/// A provider of the files, ready to be called.
///
/// # Errors
/// There is none of that name; the message says which there are.
pub fn configured(config: &Config, name: &str) -> Result<Provider, String> {
    let found = config.providers.iter().find(|p| p.name == name);
    match found {
        Some(p) => provider(p, true),
        None => {
            let names: Vec<_> = config.providers.iter().map(|p| p.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(format!("the files have no provider `{name}`; they have: {names}"))
        }
    }
}

/// A provider of the API, ready to be called (for its test).
///
/// # Errors
/// It has no address, or a header that cannot be sent.
pub fn ready(p: &model::Provider) -> Result<Provider, String> {
    provider(p, false)
}

fn from_row(row: &ProviderRow, keyring: &KeyRing) -> Result<Provider, String> {
    let p = stored::written(row, keyring)?;
    check_provider_name(&p.name)?;
    if let Some((field, message)) = check_kind(&p).into_iter().next() {
        return Err(format!("{field}: {message}"));
    }
    provider(&p, false)
}

/// Where a provider is: what is written, else the public API of its kind.
fn url_of(p: &model::Provider) -> Result<Url, String> {
    let endpoint = p.bedrock.as_ref().and_then(|b| b.endpoint.as_ref());
    if let Some(url) = p.base_url.as_ref().or(endpoint) {
        check_base_url(url).map_err(|e| format!("base_url: {e}"))?;
        return Ok(url.clone());
    }
    let text = base_url::default_of(&p.settings()).ok_or("base_url is missing")?;
    Url::parse(&text).map_err(|e| format!("there is no address of this provider: {e}"))
}

fn provider(p: &model::Provider, managed: bool) -> Result<Provider, String> {
    let url = url_of(p)?;
    for (name, value) in &p.headers {
        check_header(name, value.expose()).map_err(|e| format!("header {name}: {e}"))?;
    }
    let tls = url.scheme() == "https";
    let port = url.port_or_known_default().ok_or("base_url has no port")?;
    let bracketed = url.host_str().ok_or("base_url has no host")?;
    let host = bracketed.trim_start_matches('[').trim_end_matches(']');
    let authority = match url.port() {
        Some(port) => format!("{bracketed}:{port}"),
        None => bracketed.to_owned(),
    };
    // An empty name would turn verification off: it is never let through.
    let tls_name = p.tls_name.as_deref().filter(|n| !n.trim().is_empty()).unwrap_or(host);
    let mut made = Provider {
        name: p.name.as_str().into(),
        kind: p.kind,
        tls,
        host: host.into(),
        port,
        authority: authority.into(),
        base_path: base_url::path(p.kind, url.path()).into(),
        api_key: p.api_key.clone(),
        settings: p.settings(),
        headers: p.headers.clone().into_iter().collect(),
        http: p.http,
        ca_file: p.ca_file.clone(),
        tls_name: tls_name.into(),
        passthrough: Arc::new(PatternSet::new(&p.passthrough)),
        enabled: p.enabled,
        generation: 0,
        managed,
    };
    made.generation = generation(&made);
    Ok(made)
}

/// A number that changes whenever anything of the provider does, and is the same after a restart.
fn generation(p: &Provider) -> u64 {
    let mut hash = Sha256::new();
    // The secrets print as `***`: they are fed apart.
    hash.update(format!("{p:?}").as_bytes());
    hash.update(p.api_key.as_ref().map(|k| k.expose()).unwrap_or_default().as_bytes());
    let headers = p.headers.iter().map(|(_, value)| value);
    for value in headers.chain(p.settings.secrets().into_iter().map(|(_, value)| value)) {
        hash.update([0]);
        hash.update(value.expose().as_bytes());
    }
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
}
