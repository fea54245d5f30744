//! The snapshot as the API shows it.

use crate::state::About;
use sallyport_config::model::{HttpVersions, KindSettings, ProviderKind, Secret};
use sallyport_config::models::{Model, Route};
use sallyport_config::resources::fingerprint;
use sallyport_config::snapshot::{Provider, Snapshot, Source};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// What is running.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Running {
    /// Name of this instance.
    instance: String,
    /// Version of the binary.
    #[schema(value_type = String)]
    binary_version: &'static str,
    /// When the process started.
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    /// Counts up with every change.
    version: u64,
    /// When this version was made.
    #[serde(with = "time::serde::rfc3339")]
    built_at: OffsetDateTime,
    /// Where the stored part came from.
    source: SnapshotSource,
    /// The configuration files.
    configuration: Configuration,
    /// How much there is.
    counts: Counts,
    /// The filter chain, outermost first.
    filters: Vec<String>,
    /// Providers, by name.
    providers: Vec<ProviderView>,
    /// Models that can be asked for, by name.
    models: Vec<ModelView>,
}

/// Where the stored part of a snapshot came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotSource {
    /// Postgres.
    Store,
    /// The last-good copy on disk: Postgres has not answered yet.
    Disk,
}

/// The configuration files.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConfigurationFiles)]
struct Configuration {
    /// SHA-256 of the merged document: equal on instances that run the same configuration.
    hash: String,
    /// In the order in which they were merged.
    files: Vec<String>,
}

/// How much there is.
#[derive(Debug, Serialize, ToSchema)]
struct Counts {
    /// Virtual keys, revoked ones included.
    keys: usize,
    /// Users, inactive ones included.
    users: usize,
    /// Teams, inactive ones included.
    teams: usize,
    /// Providers, disabled ones included.
    providers: usize,
    /// Models that can be asked for.
    models: usize,
}

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Provider)]
struct ProviderView {
    /// Unique name.
    name: String,
    /// What it speaks.
    kind: Kind,
    /// Base URL including the version path.
    base_url: String,
    /// Its API key.
    api_key: SecretView,
    /// What only its kind has, as in YAML; secrets are masked.
    #[schema(value_type = Option<Object>)]
    settings: KindSettings,
    /// The secrets among them.
    secrets: Vec<HeaderView>,
    /// Headers added to each request.
    headers: Vec<HeaderView>,
    /// HTTP versions offered to it.
    http: Http,
    /// Name in certificate and SNI, for HTTPS.
    tls_name: Option<String>,
    /// False: no traffic.
    enabled: bool,
    /// Comes from YAML rather than from the store.
    managed: bool,
}

/// What a provider speaks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ProviderKind)]
enum Kind {
    /// api.openai.com.
    Openai,
    /// OpenAI's models in Azure.
    AzureOpenai,
    /// api.anthropic.com.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
    /// Google Cloud's Vertex AI.
    Vertex,
    /// AWS Bedrock.
    Bedrock,
    /// Anything that speaks OpenAI's API.
    OpenaiCompatible,
}

/// HTTP versions offered to a provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = HttpVersions)]
enum Http {
    /// As the provider likes.
    Auto,
    /// HTTP/1.1 only.
    H1,
    /// HTTP/2 only.
    H2,
}

/// A secret, not shown.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = SecretState)]
struct SecretView {
    /// Whether there is one.
    set: bool,
    /// Equal for equal secrets; says nothing else about them.
    fingerprint: Option<String>,
}

/// A secret with a name: a header added to each request, a setting.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProviderHeader)]
struct HeaderView {
    /// Its name.
    name: String,
    /// Its value.
    value: SecretView,
}

/// A model that can be asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Model)]
struct ModelView {
    /// Name or glob.
    name: String,
    /// Its upstreams.
    routes: Vec<RouteView>,
    /// Comes from YAML rather than from the store.
    managed: bool,
}

/// One upstream of a model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Route)]
struct RouteView {
    /// Name of a provider.
    provider: String,
    /// Model name at the provider; None: as asked.
    model: Option<String>,
    /// Share of the traffic; 0: only when the others failed.
    weight: u32,
}

impl Running {
    /// What this snapshot says.
    pub(super) fn of(about: &About, snapshot: &Snapshot) -> Self {
        let mut providers: Vec<_> = snapshot.providers.values().map(|p| ProviderView::from(&**p)).collect();
        providers.sort_by(|a, b| a.name.cmp(&b.name));
        let mut models: Vec<_> = snapshot.models.all().map(|m| ModelView::from(&**m)).collect();
        models.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            instance: about.instance.clone(),
            binary_version: about.version,
            started_at: about.started_at,
            version: snapshot.version,
            built_at: snapshot.built_at,
            source: snapshot.source.into(),
            configuration: Configuration { hash: snapshot.config_hash.clone(), files: about.files.clone() },
            counts: Counts {
                keys: snapshot.keys.len(),
                users: snapshot.users.len(),
                teams: snapshot.teams.len(),
                providers: providers.len(),
                models: models.len(),
            },
            filters: snapshot.config.filters.iter().filter(|f| f.enabled).map(|f| f.name.clone()).collect(),
            providers,
            models,
        }
    }
}

impl From<Source> for SnapshotSource {
    fn from(source: Source) -> Self {
        match source {
            Source::Store => Self::Store,
            Source::Disk => Self::Disk,
        }
    }
}

impl From<&Provider> for ProviderView {
    fn from(p: &Provider) -> Self {
        let mut headers: Vec<_> =
            p.headers.iter().map(|(n, v)| HeaderView { name: n.clone(), value: Some(v).into() }).collect();
        headers.sort_by(|a, b| a.name.cmp(&b.name));
        let secrets = p.settings.secrets().into_iter();
        Self {
            name: p.name.to_string(),
            kind: match p.kind {
                ProviderKind::Openai => Kind::Openai,
                ProviderKind::AzureOpenai => Kind::AzureOpenai,
                ProviderKind::Anthropic => Kind::Anthropic,
                ProviderKind::Gemini => Kind::Gemini,
                ProviderKind::Vertex => Kind::Vertex,
                ProviderKind::Bedrock => Kind::Bedrock,
                ProviderKind::OpenaiCompatible => Kind::OpenaiCompatible,
            },
            base_url: format!("http{}://{}{}", if p.tls { "s" } else { "" }, p.authority, p.base_path),
            api_key: p.api_key.as_ref().into(),
            settings: p.settings.clone(),
            secrets: secrets.map(|(n, v)| HeaderView { name: n.to_owned(), value: Some(v).into() }).collect(),
            headers,
            http: match p.http {
                HttpVersions::Auto => Http::Auto,
                HttpVersions::H1 => Http::H1,
                HttpVersions::H2 => Http::H2,
            },
            tls_name: p.tls.then(|| p.tls_name.to_string()),
            enabled: p.enabled,
            managed: p.managed,
        }
    }
}

impl From<Option<&Secret>> for SecretView {
    fn from(secret: Option<&Secret>) -> Self {
        let fingerprint = secret.map(|s| fingerprint(s.expose()));
        Self { set: secret.is_some(), fingerprint }
    }
}

impl From<&Model> for ModelView {
    fn from(m: &Model) -> Self {
        Self {
            name: m.name.to_string(),
            routes: m.routes.iter().map(RouteView::from).collect(),
            managed: m.managed,
        }
    }
}

impl From<&Route> for RouteView {
    fn from(r: &Route) -> Self {
        Self {
            provider: r.provider.to_string(),
            model: r.model.as_ref().map(|m| m.to_string()),
            weight: r.weight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_compares_and_does_not_tell() {
        let view = |s: &str| SecretView::from(Some(&Secret::new(s)));
        assert_eq!(view("sk-a"), view("sk-a"));
        assert_ne!(view("sk-a"), view("sk-b"));
        assert_eq!(view("sk-a").fingerprint.map(|f| f.len()), Some(8));
        assert_eq!(SecretView::from(None), SecretView { set: false, fingerprint: None });
    }
}
