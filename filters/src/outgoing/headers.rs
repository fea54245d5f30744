//! Which headers pass, on the way up and on the way down.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use sallyport_config::model::{KindSettings, ProviderKind};
use sallyport_config::snapshot::Provider;
use std::time::Duration;

/// Fields about one connection, not about the message (RFC 9110 §7.6.1), `proxy-*` included.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Sent by Anthropic's own clients; a request without it is refused.
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// <https://learn.microsoft.com/azure/foundry/openai/reference#authentication>
const API_KEY: HeaderName = HeaderName::from_static("api-key");
/// <https://ai.google.dev/gemini-api/docs/api-key>
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
/// <https://platform.openai.com/docs/api-reference/authentication>
const OPENAI_ORGANIZATION: HeaderName = HeaderName::from_static("openai-organization");
const OPENAI_PROJECT: HeaderName = HeaderName::from_static("openai-project");

/// Does a client's header stay here? `named`: values of its Connection headers.
fn stays_here(name: &HeaderName, named: &[&str]) -> bool {
    match name.as_str() {
        // credentials: of the gateway, not of the provider
        "authorization" | "x-api-key" | "api-key" | "x-goog-api-key" | "cookie"
        // what we say anew
        | "host" | "content-length" | "expect" | "accept-encoding"
        // who is behind us is nobody's business there
        | "forwarded" | "via" | "x-real-ip" | "true-client-ip" | "cf-connecting-ip" | "x-client-ip"
        // whose account pays is the provider entry's choice, together with its key
        | "openai-organization" | "openai-project" => true,
        n if n.starts_with("x-forwarded-") || n.starts_with("x-sallyport-") => true,
        n => HOP_BY_HOP.contains(name) || is_named(n, named),
    }
}

/// Does a client's header mean nothing to a cloud, or mislead it? OpenAI, Anthropic and their like get what their own
/// clients send, untouched.
fn is_foreign(name: &HeaderName, kind: ProviderKind) -> bool {
    let n = name.as_str();
    let anthropic = n.starts_with("anthropic-");
    match kind {
        ProviderKind::Openai | ProviderKind::Anthropic | ProviderKind::OpenaiCompatible => false,
        ProviderKind::AzureOpenai => anthropic,
        // Betas go in the header there, the version in the body. The quota's project is ours.
        ProviderKind::Vertex => {
            (anthropic && *name != ANTHROPIC_BETA) || n.starts_with("openai-") || n == "x-goog-user-project"
        }
        ProviderKind::Gemini => anthropic || n.starts_with("openai-") || n == "x-goog-user-project",
        // `x-amz-*` belongs to the signature.
        ProviderKind::Bedrock => anthropic || n.starts_with("openai-") || n.starts_with("x-amz-"),
    }
}

/// Is the header one of those that a Connection header names?
fn is_named(name: &str, named: &[&str]) -> bool {
    named.iter().any(|v| v.split(',').any(|t| t.trim().eq_ignore_ascii_case(name)))
}

/// Values of all Connection headers.
fn connection_values(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all(header::CONNECTION).iter().filter_map(|v| v.to_str().ok()).collect()
}

/// The client's headers as they go to `provider`.
pub(super) fn for_upstream(client: &HeaderMap, provider: &Provider) -> HeaderMap {
    let named = connection_values(client);
    let mut out = HeaderMap::with_capacity(client.len() + provider.headers.len() + 3);
    for (name, value) in client {
        if !stays_here(name, &named) && !is_foreign(name, provider.kind) {
            out.append(name, value.clone());
        }
    }
    finish(&mut out, provider);
    out
}

/// What is left of the client's headers in a request of another wire format: `provider` would not know the rest.
pub(super) fn for_translated(client: &HeaderMap, provider: &Provider, stream: bool) -> HeaderMap {
    const KEPT: [&str; 4] = ["user-agent", "traceparent", "tracestate", "baggage"];
    let mut out = HeaderMap::with_capacity(KEPT.len() + provider.headers.len() + 6);
    for name in KEPT {
        if let (Some(value), Ok(name)) = (client.get(name), HeaderName::from_bytes(name.as_bytes())) {
            out.insert(name, value.clone());
        }
    }
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = if stream { "text/event-stream" } else { "application/json" };
    out.insert(header::ACCEPT, HeaderValue::from_static(accept));
    finish(&mut out, provider);
    out
}

/// What goes to every provider, and what its kind wants.
fn finish(out: &mut HeaderMap, provider: &Provider) {
    // Events must be readable as they pass.
    out.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(key) = &provider.api_key {
        authenticate(out, provider, key.expose());
    }
    settings(out, provider);
    for (name, value) in &provider.headers {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => set_secret(out, provider, name, value.expose()),
            Err(_) => {
                tracing::error!(provider = %provider.name, header = %name, "not a header name: not sent")
            }
        }
    }
}

/// An API key, where the kind wants it. (Tokens and signatures come later: they are made anew for each call.)
fn authenticate(out: &mut HeaderMap, provider: &Provider, key: &str) {
    match provider.kind {
        ProviderKind::Anthropic => set_secret(out, provider, X_API_KEY, key),
        ProviderKind::AzureOpenai => set_secret(out, provider, API_KEY, key),
        ProviderKind::Gemini | ProviderKind::Vertex => set_secret(out, provider, X_GOOG_API_KEY, key),
        ProviderKind::Openai | ProviderKind::OpenaiCompatible | ProviderKind::Bedrock => {
            set_secret(out, provider, header::AUTHORIZATION, &format!("Bearer {key}"));
        }
    }
}

/// What the settings of the kind say in headers.
fn settings(out: &mut HeaderMap, provider: &Provider) {
    match &provider.settings {
        KindSettings::Openai(s) => {
            let both = [(OPENAI_ORGANIZATION, &s.organization), (OPENAI_PROJECT, &s.project)];
            for (name, value) in both {
                if let Some(value) = value {
                    set(out, provider, name, value);
                }
            }
        }
        KindSettings::Anthropic(s) => {
            if !out.contains_key(ANTHROPIC_VERSION) {
                set(out, provider, ANTHROPIC_VERSION, s.version.as_deref().unwrap_or("2023-06-01"));
            }
            for beta in &s.betas {
                if !names_beta(out, beta)
                    && let Ok(value) = HeaderValue::from_str(beta)
                {
                    out.append(ANTHROPIC_BETA, value);
                }
            }
        }
        KindSettings::AzureOpenai(_)
        | KindSettings::Gemini
        | KindSettings::Vertex(_)
        | KindSettings::Bedrock(_)
        | KindSettings::OpenaiCompatible(_) => {}
    }
}

/// Does the client ask for a beta itself? Several may stand in one header.
fn names_beta(out: &HeaderMap, beta: &str) -> bool {
    let all = out.get_all(ANTHROPIC_BETA).iter().filter_map(|v| v.to_str().ok());
    all.flat_map(|v| v.split(',')).any(|b| b.trim() == beta)
}

/// Sets a header.
fn set(out: &mut HeaderMap, provider: &Provider, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(v) => {
            out.insert(name, v);
        }
        // The configuration check finds this first.
        Err(_) => tracing::error!(provider = %provider.name, header = %name, "not a header value: not sent"),
    }
}

/// Sets a header that logs must not show.
fn set_secret(out: &mut HeaderMap, provider: &Provider, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(mut v) => {
            v.set_sensitive(true);
            out.insert(name, v);
        }
        // The configuration check finds this first; here the provider's 401 will tell.
        Err(_) => tracing::error!(provider = %provider.name, header = %name, "not a header value: not sent"),
    }
}

/// Takes out of an upstream's answer what is about the connection to us or about the provider's own site. Request
/// ids, rate limits, `retry-after*`, `x-should-retry`, `openai-*`, `anthropic-*`, `content-type` and all else pass.
pub fn filter_response_headers(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = connection_values(headers)
            .iter()
            .flat_map(|v| v.split(','))
            .filter_map(|t| HeaderName::from_bytes(t.trim().as_bytes()).ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    // One look at each name instead of a hashed look-up for each that could be there: few answers have any.
    while let Some(name) = headers.keys().find(|n| is_theirs(n)).cloned() {
        headers.remove(name);
    }
}

/// Tells the client when to come back, where the provider has told it in a body that the client does not get (Google's
/// `RetryInfo`). In whole seconds, as all clients read it.
pub fn tell_retry_after(headers: &mut HeaderMap, after: Option<Duration>) {
    let told = headers.contains_key(header::RETRY_AFTER) || headers.contains_key("retry-after-ms");
    if let Some(after) = after.filter(|_| !told) {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Of an answer in another wire format: what a client reads whatever the dialect. The rest describes a body that the
/// client does not get.
pub fn translated_response_headers(headers: &HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(12);
    for (name, value) in headers {
        let n = name.as_str();
        if n == "retry-after" || n == "retry-after-ms" || n == "x-should-retry" || n.contains("ratelimit") {
            out.append(name, value.clone());
        }
    }
    if let Some(id) = upstream_request_id(headers).and_then(|id| HeaderValue::from_str(id).ok()) {
        out.insert(HeaderName::from_static("x-request-id"), id);
    }
    out
}

/// About the connection to us, or about the provider's own site.
fn is_theirs(name: &HeaderName) -> bool {
    let site = [
        "set-cookie",
        "alt-svc",
        "strict-transport-security",
        "www-authenticate",
        "nel",
        "report-to",
        "reporting-endpoints",
    ];
    HOP_BY_HOP.contains(name) || site.contains(&name.as_str())
}

/// The upstream's own request id, in the header of Anthropic, OpenAI, AWS or Azure's API management (what Azure's support
/// asks for, where the service behind it gave none).
pub fn upstream_request_id(headers: &HeaderMap) -> Option<&str> {
    ["request-id", "x-request-id", "x-amzn-requestid", "apim-request-id"]
        .iter()
        .find_map(|n| headers.get(*n)?.to_str().ok())
        .filter(|v| v.len() <= 200)
}
