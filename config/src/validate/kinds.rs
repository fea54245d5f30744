//! The typed settings of a provider's kind. The same rules for providers in YAML and in the store.

use crate::google::GoogleCredentials;
use crate::model::{
    AnthropicSettings, AzureOpenaiSettings, BedrockSettings, KindSettings, OpenaiSettings, Provider,
    ProviderKind, VertexSettings,
};

/// A field, as in the provider's own notation, and a sentence.
type Finding = (String, String);

/// What is wrong with a provider's typed settings. Files and addresses are judged elsewhere.
pub(crate) fn check_kind(p: &Provider) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut wrong = |field: &str, message: String| found.push((field.to_owned(), message));
    for (section, kind) in p.sections().filter(|(_, kind)| *kind != p.kind) {
        wrong(
            section,
            format!(
                "belongs to the kind `{}`, and this provider is of the kind `{}`; take it out",
                kind.word(),
                p.kind.word()
            ),
        );
    }
    passthrough(p, &mut wrong);
    match &p.settings() {
        KindSettings::Openai(s) => openai(s, &mut wrong),
        KindSettings::AzureOpenai(s) => azure(p, s, &mut wrong),
        KindSettings::Anthropic(s) => anthropic(s, &mut wrong),
        KindSettings::Vertex(s) => vertex(p, s, &mut wrong),
        KindSettings::Bedrock(s) => bedrock(p, s, &mut wrong),
        KindSettings::Gemini | KindSettings::OpenaiCompatible(_) => {}
    }
    found
}

/// Is the provider as good as without credentials? (Gateways that do the authentication themselves aside.)
pub(super) fn lacks_credentials(p: &Provider) -> Option<&'static str> {
    if p.api_key.is_some() {
        return None;
    }
    match (p.kind, p.settings()) {
        (ProviderKind::Openai | ProviderKind::Anthropic | ProviderKind::Gemini, _)
            if p.base_url.is_none() =>
        {
            Some("is not set: the provider will refuse every call; set it, or `enabled: false`")
        }
        (_, KindSettings::AzureOpenai(a)) if identities(&a).is_empty() => Some(
            "is not set: set it, or one of azure_openai.entra, azure_openai.managed_identity and \
             azure_openai.workload_identity",
        ),
        _ => None,
    }
}

fn passthrough(p: &Provider, wrong: &mut dyn FnMut(&str, String)) {
    for (i, pattern) in p.passthrough.iter().enumerate() {
        let good = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '%' | '\\' | ';');
        let whole = pattern.starts_with('/') && pattern.len() <= 500 && pattern.chars().all(good);
        let dots = |s: &str| !s.is_empty() && s.bytes().all(|b| b == b'.');
        if !whole || pattern.contains("//") || pattern.split('/').any(dots) {
            let why = "write a path at the provider's host, decoded and without a query, as in /v1/files or /v1/batches*";
            wrong(&format!("passthrough[{i}]"), why.into());
        }
    }
    if p.kind == ProviderKind::Bedrock && p.api_key.is_none() && !p.passthrough.is_empty() {
        let why =
            "needs a Bedrock API key (api_key): AWS's signature covers the body, and what passes is not read";
        wrong("passthrough", why.into());
    }
}

fn openai(s: &OpenaiSettings, wrong: &mut dyn FnMut(&str, String)) {
    for (field, value) in [("openai.organization", &s.organization), ("openai.project", &s.project)] {
        if value.as_deref().is_some_and(|v| !is_word(v)) {
            wrong(field, "write the id as OpenAI shows it, without spaces".into());
        }
    }
}

fn identities(s: &AzureOpenaiSettings) -> Vec<&'static str> {
    [
        ("azure_openai.entra", s.entra.is_some()),
        ("azure_openai.managed_identity", s.managed_identity.is_some()),
        ("azure_openai.workload_identity", s.workload_identity.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, set)| set.then_some(name))
    .collect()
}

fn azure(p: &Provider, s: &AzureOpenaiSettings, wrong: &mut dyn FnMut(&str, String)) {
    if p.base_url.is_none() {
        wrong("base_url", "is missing; write the resource, as in https://NAME.openai.azure.com".into());
    }
    if s.api_version.as_deref().is_some_and(|v| !is_dated(v)) {
        wrong(
            "azure_openai.api_version",
            "write a dated version, as in 2024-10-21 or 2025-04-01-preview; leave it out for the v1 API"
                .into(),
        );
    }
    let mut ways = identities(s);
    if p.api_key.is_some() {
        ways.insert(0, "api_key");
    }
    if let [first, second, ..] = ways.as_slice() {
        wrong(second, format!("{first} is set too; one way to authenticate is enough"));
    }
    let ids = [
        ("azure_openai.entra.tenant_id", s.entra.as_ref().map(|e| &e.tenant_id)),
        ("azure_openai.entra.client_id", s.entra.as_ref().map(|e| &e.client_id)),
        (
            "azure_openai.managed_identity.client_id",
            s.managed_identity.as_ref().and_then(|m| m.client_id.as_ref()),
        ),
        (
            "azure_openai.workload_identity.tenant_id",
            s.workload_identity.as_ref().and_then(|w| w.tenant_id.as_ref()),
        ),
        (
            "azure_openai.workload_identity.client_id",
            s.workload_identity.as_ref().and_then(|w| w.client_id.as_ref()),
        ),
    ];
    // They go into a path at the token endpoint.
    for (field, _) in ids.iter().filter(|(_, id)| id.is_some_and(|id| !is_label(id))) {
        wrong(field, "write the id as Azure shows it, as in 00000000-0000-0000-0000-000000000000".into());
    }
    if s.entra.as_ref().is_some_and(|e| e.client_secret.expose().is_empty()) {
        wrong("azure_openai.entra.client_secret", "is empty".into());
    }
}

fn anthropic(s: &AnthropicSettings, wrong: &mut dyn FnMut(&str, String)) {
    if s.version.as_deref().is_some_and(|v| !is_word(v)) {
        wrong("anthropic.version", "write a version as Anthropic does: 2023-06-01".into());
    }
    for (i, beta) in s.betas.iter().enumerate() {
        if !is_word(beta) {
            wrong(
                &format!("anthropic.betas[{i}]"),
                "write one beta, without commas and spaces, as in context-1m-2025-08-07".into(),
            );
        }
    }
}

fn vertex(p: &Provider, s: &VertexSettings, wrong: &mut dyn FnMut(&str, String)) {
    let project = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if s.project.is_empty() || !s.project.chars().all(project) {
        wrong("vertex.project", "write the project's id, as in my-project-123".into());
    }
    if !is_host_label(&s.location) {
        wrong("vertex.location", "write a region, as in europe-west4; or us, eu or global".into());
    }
    let credentials = s.credentials.is_some() || s.credentials_file.is_some();
    if s.credentials.is_some() && s.credentials_file.is_some() {
        wrong("vertex.credentials", "vertex.credentials_file is set too; one of them is enough".into());
    } else if p.api_key.is_some() && credentials {
        wrong("api_key", "vertex has credentials too; one way to authenticate is enough".into());
    }
    if let Some(text) = &s.credentials
        && let Err(message) = GoogleCredentials::parse(text.expose())
    {
        wrong("vertex.credentials", message);
    }
}

fn bedrock(p: &Provider, s: &BedrockSettings, wrong: &mut dyn FnMut(&str, String)) {
    if !is_host_label(&s.region) {
        wrong("bedrock.region", "write a region, as in us-east-1 or ${AWS_REGION}".into());
    }
    if p.base_url.is_some() && s.endpoint.is_some() {
        wrong("bedrock.endpoint", "base_url is set too, and means the same; take one out".into());
    }
    match (&s.access_key_id, &s.secret_access_key) {
        (Some(_), None) => wrong("bedrock.secret_access_key", "is missing beside access_key_id".into()),
        (None, Some(_)) => wrong("bedrock.access_key_id", "is missing beside secret_access_key".into()),
        (None, None) if s.session_token.is_some() => {
            wrong("bedrock.session_token", "is of no use without access_key_id and secret_access_key".into());
        }
        _ => {}
    }
    let keys = [&s.access_key_id, &s.secret_access_key, &s.session_token];
    if keys.iter().any(|k| k.as_ref().is_some_and(|k| !is_word(k.expose()))) {
        wrong("bedrock.access_key_id", "keys and tokens are visible ASCII text without spaces".into());
    }
    if s.profile.is_some() && s.access_key_id.is_some() {
        wrong("bedrock.profile", "bedrock.access_key_id is set too; one of them is enough".into());
    }
    if s.profile.as_deref().is_some_and(|n| n.trim().is_empty()) {
        wrong("bedrock.profile", "write the name of a profile".into());
    }
    if s.role_arn.as_deref().is_some_and(|r| !r.starts_with("arn:") || !is_word(r)) {
        wrong(
            "bedrock.role_arn",
            "write the role's ARN, as in arn:aws:iam::123456789012:role/gateway".into(),
        );
    }
    let others = s.access_key_id.is_some() || s.profile.is_some() || s.role_arn.is_some();
    if p.api_key.is_some() && others {
        wrong("api_key", "bedrock has other credentials too; one way to authenticate is enough".into());
    }
}

/// Visible ASCII without spaces and commas: fit for one value of a header.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}

/// Fit for a path segment.
fn is_label(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.chars().all(good) && text.chars().any(|c| c != '.')
}

/// Fit for a label of a host name: it becomes part of one.
fn is_host_label(text: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=40).contains(&text.len()) && text.chars().all(good)
}

/// `2024-10-21`, `2025-04-01-preview`.
fn is_dated(text: &str) -> bool {
    let date = text.strip_suffix("-preview").unwrap_or(text);
    date.len() == 10
        && date
            .bytes()
            .enumerate()
            .all(|(i, b)| if matches!(i, 4 | 7) { b == b'-' } else { b.is_ascii_digit() })
}

#[cfg(test)]
mod tests;
