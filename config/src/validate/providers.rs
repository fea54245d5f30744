//! Providers and models.

use super::Judge;
use super::kinds::{check_kind, lacks_credentials};
use super::sections::{check_price, pem};
use crate::addresses;
use crate::google::GoogleCredentials;
use crate::model::{Config, Model, Provider, ProviderKind};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

pub(super) fn check(c: &Config, judge: &mut Judge<'_>) {
    let mut seen = HashSet::new();
    for (i, p) in c.providers.iter().enumerate() {
        let path = format!("providers[{}]", p.name);
        if !seen.insert(p.name.as_str()) {
            judge.error(&format!("providers[{i}].name"), format!("the provider `{}` is there twice", p.name));
        }
        if let Err(message) = check_provider_name(&p.name) {
            judge.error(&format!("{path}.name"), message);
        }
        provider(c, p, &path, judge);
    }
    let providers: HashMap<&str, &Provider> = c.providers.iter().map(|p| (p.name.as_str(), p)).collect();
    let mut seen = HashSet::new();
    for (i, m) in c.models.iter().enumerate() {
        if !seen.insert(m.name.as_str()) {
            judge.error(&format!("models[{i}].name"), format!("the model `{}` is there twice", m.name));
        }
        model(m, &format!("models[{}]", m.name), &providers, judge);
    }
}

/// Names that read well in logs, metrics and paths.
pub(crate) fn check_provider_name(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
        return Err("a name is 1 to 64 of the characters a-z, A-Z, 0-9, `-`, `_` and `.`".into());
    }
    Ok(())
}

/// `http` or `https`, a host, and nothing that would be sent on or get lost. The message never quotes the URL: it
/// may hold a password.
pub(crate) fn check_base_url(url: &url::Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the scheme is `{}`; write https://… or http://…", url.scheme()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("there is no host in the URL".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL with user or password; put the key into api_key".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a base URL ends with its path; leave out `?` and `#`".into());
    }
    if url.port() == Some(0) {
        return Err("port 0 cannot be connected to".into());
    }
    Ok(())
}

/// Can this header be added to a request? The message never quotes the value.
pub(crate) fn check_header(name: &str, value: &str) -> Result<(), String> {
    const OURS: &[&str] = &[
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "accept-encoding",
        "proxy-authorization",
        "proxy-connection",
    ];
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Err("not a header name".into());
    }
    if OURS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err("this header belongs to the connection and cannot be set".into());
    }
    if value.is_empty() || !value.bytes().all(|b| b == b'\t' || (0x20..0x7f).contains(&b)) {
        return Err("a header's value is visible ASCII text on one line, and not empty".into());
    }
    Ok(())
}

pub(super) fn provider(c: &Config, p: &Provider, path: &str, judge: &mut Judge<'_>) {
    let at = |field: &str| format!("{path}.{field}");
    let mut tls = true;
    match &p.base_url {
        None if p.kind == ProviderKind::OpenaiCompatible => {
            judge.error(
                &at("base_url"),
                "is missing; write where the API is, as in http://vllm.internal:8000/v1",
            );
        }
        None => {}
        Some(url) => {
            tls = url.scheme() == "https";
            match check_base_url(url) {
                Err(message) => judge.error(&at("base_url"), message),
                Ok(()) if url.path() == "/" && wants_version(p.kind) => {
                    judge.warn(
                        &at("base_url"),
                        "has no path: most APIs want the version in it, as in https://host/v1",
                    );
                    address(c, url, &at("base_url"), judge);
                }
                Ok(()) => address(c, url, &at("base_url"), judge),
            }
        }
    }
    match p.api_key.as_ref().map(|k| k.expose()) {
        Some(key) if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) => {
            judge.error(&at("api_key"), "a key is visible ASCII text without spaces, and not empty");
        }
        _ => {}
    }
    if p.enabled
        && let Some(message) = lacks_credentials(p)
    {
        judge.warn(&at("api_key"), message);
    }
    for (field, message) in check_kind(p) {
        judge.error(&at(&field), message);
    }
    elsewhere(c, p, path, judge);
    let mut seen = HashSet::new();
    for (name, value) in &p.headers {
        let path = at(&format!("headers.{name}"));
        if let Err(message) = check_header(name, value.expose()) {
            judge.error(&path, message);
        } else if !seen.insert(name.to_ascii_lowercase()) {
            judge.error(&path, "the header is there twice (case does not count)");
        }
    }
    if let Some(file) = &p.ca_file {
        pem(file, &at("ca_file"), judge);
    }
    if let Some(name) = &p.tls_name {
        // An empty name would turn verification off.
        if url::Host::parse(name).is_err() || name.trim().is_empty() {
            judge.error(&at("tls_name"), "write a host name, as in api.example.com");
        }
    }
    for (field, set) in [("ca_file", p.ca_file.is_some()), ("tls_name", p.tls_name.is_some())] {
        if set && !tls {
            judge.warn(&at(field), "is not used: base_url is http://");
        }
    }
}

/// Azure's and Bedrock's addresses end with the host.
const fn wants_version(kind: ProviderKind) -> bool {
    !matches!(kind, ProviderKind::AzureOpenai | ProviderKind::Bedrock)
}

/// Files and further addresses that the typed settings name.
fn elsewhere(c: &Config, p: &Provider, path: &str, judge: &mut Judge<'_>) {
    if let Some(url) = p.bedrock.as_ref().and_then(|b| b.endpoint.as_ref()) {
        let path = format!("{path}.bedrock.endpoint");
        match check_base_url(url) {
            Err(message) => judge.error(&path, message),
            Ok(()) => address(c, url, &path, judge),
        }
    }
    let Some(vertex) = &p.vertex else { return };
    let (text, field) = match (&vertex.credentials, &vertex.credentials_file) {
        (Some(text), _) => (text.expose().to_owned(), "credentials"),
        (None, Some(file)) => match std::fs::read_to_string(file) {
            Ok(text) => (text, "credentials_file"),
            Err(e) => {
                let message = format!("cannot read {}: {e}", file.display());
                return judge.error(&format!("{path}.vertex.credentials_file"), message);
            }
        },
        (None, None) => return,
    };
    let path = format!("{path}.vertex.{field}");
    match GoogleCredentials::parse(&text) {
        // `credentials` itself was judged with the other settings.
        Err(message) if field == "credentials_file" => judge.error(&path, message),
        Err(_) => {}
        Ok(credentials) => credentials.urls().iter().for_each(|(_, url)| address(c, url, &path, judge)),
    }
}

/// Literal addresses can be judged now; names are judged when they are resolved.
fn address(c: &Config, url: &url::Url, path: &str, judge: &mut Judge<'_>) {
    let ip = match url.host() {
        Some(url::Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(url::Host::Ipv6(ip)) => IpAddr::V6(ip),
        Some(url::Host::Domain("localhost")) => IpAddr::from([127, 0, 0, 1]),
        _ => return,
    };
    if !addresses::allowed(ip, &c.upstream.allow_networks) {
        let ip = addresses::canonical(ip);
        judge.error(
            path,
            format!(
                "{ip} is not a public address; if it is meant, add its network to upstream.allow_networks"
            ),
        );
    } else if addresses::is_public(ip) && url.scheme() == "http" {
        judge.warn(path, "http:// to a public address: key and prompts travel in clear");
    }
}

pub(super) fn model(m: &Model, path: &str, providers: &HashMap<&str, &Provider>, judge: &mut Judge<'_>) {
    if let Err(message) = check_model_name(&m.name) {
        judge.error(&format!("{path}.name"), message);
    }
    if m.routes.is_empty() && m.enabled {
        judge.error(&format!("{path}.routes"), "no route: write at least one provider, or `enabled: false`");
    }
    if let Some(price) = &m.price
        && let Err(message) = check_price(&m.name, price)
    {
        judge.error(&format!("{path}.price"), message);
    }
    for (field, factor) in
        [("input_multiplier", m.input_multiplier), ("output_multiplier", m.output_multiplier)]
    {
        if !(0.0..=1000.0).contains(&factor) {
            judge.error(&format!("{path}.{field}"), "must be from 0 to 1000; 1 is the price as it is");
        }
    }
    let mut seen = HashSet::new();
    for (i, r) in m.routes.iter().enumerate() {
        let path = format!("{path}.routes[{i}]");
        match providers.get(r.provider.as_str()) {
            None => {
                let near = crate::shape::nearest(&r.provider, providers.keys().copied());
                let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                judge.warn(
                    &format!("{path}.provider"),
                    format!("no file has a provider `{}`: it must come from the database{hint}", r.provider),
                );
            }
            Some(p) if !p.enabled && m.enabled => {
                judge.warn(&format!("{path}.provider"), format!("provider `{}` is off", r.provider));
            }
            Some(_) => {}
        }
        if let Some(name) = &r.model
            && (check_model_name(name).is_err() || name.contains('*'))
        {
            judge
                .error(&format!("{path}.model"), "write the model's whole name at the provider, without `*`");
        }
        if r.weight > 1_000_000 {
            judge.error(&format!("{path}.weight"), "must be at most 1000000");
        }
        if !seen.insert((&r.provider, &r.model)) {
            judge.error(&path, "the same route is there twice; add up the weights");
        }
    }
}

pub(crate) fn check_model_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 200 || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("a model's name is 1 to 200 characters without spaces".into());
    }
    Ok(())
}
