//! A provider as the API shows it.

use super::resources;
use crate::managed::{self, Entry};
use crate::openapi::foreign::ConfigProviderView;
use crate::state::AdminState;
use sallyport_config::model::Provider;
use sallyport_config::snapshot::Snapshot;
use sallyport_schema::rows::ProviderRow;
use sallyport_schema::store::resources::Kept;
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderResource {
    /// Unique.
    name: String,
    /// What it speaks.
    #[schema(example = "openai")]
    kind: String,
    /// False: no traffic.
    enabled: bool,
    /// A file says so: it cannot be changed here.
    managed: bool,
    /// Where it is written: file and line.
    origin: Option<String>,
    /// Its YAML form, without secrets.
    #[schema(value_type = ConfigProviderView)]
    configuration: Map<String, Value>,
    /// The secrets that are set.
    secrets: Vec<NamedSecret>,
    /// Why it is not used, or what looks wrong with it.
    problems: Vec<String>,
    /// When it was made; None: it is of a file.
    #[serde(with = "time::serde::rfc3339::option")]
    created_at: Option<OffsetDateTime>,
    /// When it was changed; None: it is of a file.
    #[serde(with = "time::serde::rfc3339::option")]
    updated_at: Option<OffsetDateTime>,
}

/// A secret that is set.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NamedSecret {
    /// Its place: `api_key`, `headers.x-team`, `bedrock.secret_access_key`.
    name: String,
    /// Equal for equal secrets; says nothing else about them.
    fingerprint: String,
}

impl ProviderResource {
    /// One of a file.
    pub(super) fn of_files(p: &Provider, snapshot: &Snapshot) -> Self {
        let origin = managed::provider_origin(snapshot, &p.name);
        Self { managed: true, origin, ..Self::unsaved(p, snapshot) }
    }

    /// One that is not stored (yet).
    pub(super) fn unsaved(p: &Provider, snapshot: &Snapshot) -> Self {
        let warnings = resources::check_provider(&snapshot.config, p).warnings;
        let named = |(name, fingerprint)| NamedSecret { name, fingerprint };
        Self {
            name: p.name.clone(),
            kind: p.kind.word().to_owned(),
            enabled: p.enabled,
            managed: false,
            origin: None,
            configuration: resources::bare(p),
            secrets: resources::fingerprints(p).into_iter().map(named).collect(),
            problems: warnings.into_iter().map(|(field, message)| format!("{field} {message}")).collect(),
            created_at: None,
            updated_at: None,
        }
    }

    /// A stored one.
    pub(super) fn of_store(kept: &Kept<ProviderRow>, state: &AdminState, snapshot: &Snapshot) -> Self {
        let row = &kept.row;
        let mut view = match resources::opened(row, state.keyring()) {
            Ok(p) => Self::unsaved(&p, snapshot),
            Err(e) => Self {
                name: row.name.clone(),
                kind: row.kind.clone(),
                enabled: row.enabled,
                managed: false,
                origin: None,
                configuration: Map::new(),
                secrets: Vec::new(),
                problems: vec![format!("it is not used: {e}")],
                created_at: None,
                updated_at: None,
            },
        };
        if let Some(origin) = managed::provider_origin(snapshot, &row.name) {
            view.problems.push(format!("it is not used: {origin} has one of the same name"));
        }
        view.created_at = Some(kept.created_at);
        view.updated_at = Some(kept.updated_at);
        view
    }
}

impl Entry for ProviderResource {
    fn name(&self) -> &str {
        &self.name
    }

    fn managed(&self) -> bool {
        self.managed
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}
