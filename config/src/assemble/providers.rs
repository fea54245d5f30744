//! Providers, ready to be called.

use super::Finding;
use crate::model::{self, Config, HttpVersions, ProviderKind, Secret};
use crate::snapshot::Provider;
use crate::validate::{check_base_url, check_header, check_provider_name};
use sallyport_schema::envelope::KeyRing;
use sallyport_schema::rows::ProviderRow;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use url::Url;

/// The public API of a kind, version path included. None: there is none, `base_url` must be given.
pub const fn default_base_url(kind: ProviderKind) -> Option<&'static str> {
    match kind {
        ProviderKind::Openai => Some("https://api.openai.com/v1"),
        ProviderKind::Anthropic => Some("https://api.anthropic.com/v1"),
        ProviderKind::OpenaiCompatible => None,
    }
}

pub(super) fn all<'a>(
    config: &Config,
    rows: impl Iterator<Item = &'a Arc<ProviderRow>>,
    keyring: &KeyRing,
    findings: &mut Vec<Finding>,
) -> imbl::HashMap<Arc<str>, Arc<Provider>> {
    let mut out = imbl::HashMap::new();
    for p in &config.providers {
        // Validation has seen to it that this works.
        if let Ok(provider) = from_yaml(p) {
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

/// The fields of a stored provider that have no column of their own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    headers: BTreeMap<String, Secret>,
    http: HttpVersions,
    ca_file: Option<PathBuf>,
    tls_name: Option<String>,
}

fn from_yaml(p: &model::Provider) -> Result<Provider, String> {
    let settings = Settings {
        headers: p.headers.clone(),
        http: p.http,
        ca_file: p.ca_file.clone(),
        tls_name: p.tls_name.clone(),
    };
    let url = p.base_url.clone();
    provider(&p.name, p.kind, url, p.api_key.clone(), settings, p.enabled, true)
}

fn from_row(row: &ProviderRow, keyring: &KeyRing) -> Result<Provider, String> {
    check_provider_name(&row.name)?;
    let kind = ProviderKind::deserialize(serde_json::Value::from(row.kind.as_str()))
        .map_err(|_| format!("unknown kind `{}`", row.kind))?;
    let url = match row.base_url.as_str() {
        "" => None,
        text => Some(Url::parse(text).map_err(|_| "base_url is not a URL".to_owned())?),
    };
    let settings = match &row.settings {
        serde_json::Value::Null => Settings::default(),
        // Not serde's own words: they may quote a header's value.
        other => {
            Settings::deserialize(other).map_err(|_| "settings do not have the expected form".to_owned())?
        }
    };
    let api_key = match &row.api_key {
        None => None,
        Some(sealed) => {
            let aad = format!("providers/{}/api_key", row.id);
            let opened =
                keyring.open(&aad, sealed).map_err(|e| format!("its API key cannot be read: {e}"))?;
            let text = std::str::from_utf8(&opened).map_err(|_| "its API key is not text".to_owned())?;
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
                return Err("its API key is not visible ASCII text".into());
            }
            Some(Secret::new(text))
        }
    };
    provider(&row.name, kind, url, api_key, settings, row.enabled, false)
}

fn provider(
    name: &str,
    kind: ProviderKind,
    url: Option<Url>,
    api_key: Option<Secret>,
    settings: Settings,
    enabled: bool,
    managed: bool,
) -> Result<Provider, String> {
    let url = match (url, default_base_url(kind)) {
        (Some(url), _) => url,
        (None, Some(text)) => Url::parse(text).map_err(|e| e.to_string())?,
        (None, None) => return Err("base_url is missing".into()),
    };
    check_base_url(&url).map_err(|e| format!("base_url: {e}"))?;
    for (name, value) in &settings.headers {
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
    let tls_name = settings.tls_name.as_deref().filter(|n| !n.trim().is_empty()).unwrap_or(host);
    let mut p = Provider {
        name: name.into(),
        kind,
        tls,
        host: host.into(),
        port,
        authority: authority.into(),
        base_path: url.path().trim_end_matches('/').into(),
        api_key,
        headers: settings.headers.into_iter().collect(),
        http: settings.http,
        ca_file: settings.ca_file,
        tls_name: tls_name.into(),
        enabled,
        generation: 0,
        managed,
    };
    p.generation = generation(&p);
    Ok(p)
}

/// A number that changes whenever anything of the provider does, and is the same after a restart.
fn generation(p: &Provider) -> u64 {
    let mut hash = Sha256::new();
    // The secrets print as `***`: they are fed apart.
    hash.update(format!("{p:?}").as_bytes());
    hash.update(p.api_key.as_ref().map(|k| k.expose()).unwrap_or_default().as_bytes());
    for (_, value) in &p.headers {
        hash.update([0]);
        hash.update(value.expose().as_bytes());
    }
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
}
