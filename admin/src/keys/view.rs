//! A key as the API shows it.

use super::write::RotationPolicy;
use crate::state::AdminState;
use sallyport_schema::store::virtual_keys::KeyDetail;
use serde::Serialize;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// What a key is good for now.
#[derive(Clone, Copy, Debug, Serialize, ToSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyState {
    /// It opens what it may.
    Active,
    /// Refused until it is enabled.
    Disabled,
    /// Its time is over.
    Expired,
    /// Refused for good.
    Revoked,
    /// Refused for good, and out of the lists.
    Archived,
}

/// A virtual key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Key {
    /// Its id.
    id: Uuid,
    /// What people call it.
    name: String,
    /// The first characters of the secret.
    #[schema(example = "sp-AbCdEf12")]
    prefix: String,
    /// What it is good for now.
    state: KeyState,
    /// The user who owns it.
    user: Option<Uuid>,
    /// The service account that owns it.
    service_account: Option<Uuid>,
    /// The team that it is for.
    team: Option<Uuid>,
    /// Surfaces that it may use; empty: none.
    surfaces: Vec<String>,
    /// Models that it may use; empty: none.
    models: Vec<String>,
    /// MCP tools (`server/tool`) that it may call; empty: none.
    tools: Vec<String>,
    /// Client addresses that may use it; null: any; empty: none.
    networks: Option<Vec<String>>,
    /// For finding.
    tags: Vec<String>,
    /// Anything else.
    metadata: BTreeMap<String, String>,
    /// Made at.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Made by.
    created_by: Option<String>,
    /// Changed at.
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    /// Refused from then on.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// Used last at, to the minute.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
    /// Seconds without use after which it is disabled.
    idle_timeout: Option<i64>,
    /// When it is replaced by itself.
    rotation: Option<RotationPolicy>,
    /// It was made by a policy, and its secret waits to be fetched.
    secret_waits: bool,
    /// The first of the keys that replaced one another.
    lineage: Uuid,
    /// The key that took over.
    replaced_by: Option<Uuid>,
}

impl From<KeyDetail> for Key {
    fn from(k: KeyDetail) -> Self {
        let expired = k.expires_at.is_some_and(|at| at <= OffsetDateTime::now_utc());
        let state = match () {
            () if k.archived_at.is_some() => KeyState::Archived,
            () if k.revoked_at.is_some() => KeyState::Revoked,
            () if expired => KeyState::Expired,
            () if k.disabled_at.is_some() => KeyState::Disabled,
            () => KeyState::Active,
        };
        Self {
            id: k.id,
            name: k.name,
            prefix: k.prefix,
            state,
            user: k.user,
            service_account: k.account,
            team: k.team,
            surfaces: k.surfaces,
            models: k.models,
            tools: k.tools,
            networks: k.networks,
            tags: k.tags,
            metadata: k.metadata,
            created_at: k.created_at,
            created_by: k.created_by,
            updated_at: k.updated_at,
            expires_at: k.expires_at,
            last_used_at: k.last_used_at,
            idle_timeout: k.idle_timeout,
            rotation: k.rotation.map(RotationPolicy::from),
            secret_waits: k.secret_waits,
            lineage: k.lineage,
            replaced_by: k.replaced_by,
        }
    }
}

/// How clients are told of the key: lines to be copied.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClientSetup {
    /// Where the gateway is.
    base_url: String,
    /// For OpenAI's SDKs and tools.
    openai: String,
    /// For Anthropic's SDKs and Claude Code.
    anthropic: String,
    /// A first call.
    curl: String,
}

impl ClientSetup {
    /// With this secret.
    pub(crate) fn new(state: &AdminState, secret: &str) -> Self {
        let snapshot = state.snapshot().load();
        let base = snapshot.config.server.public_url();
        let base_url = base.trim_end_matches('/').to_owned();
        Self {
            openai: format!("export OPENAI_BASE_URL={base_url}/v1 OPENAI_API_KEY={secret}"),
            anthropic: format!("export ANTHROPIC_BASE_URL={base_url} ANTHROPIC_AUTH_TOKEN={secret}"),
            curl: format!("curl {base_url}/v1/models -H 'authorization: Bearer {secret}'"),
            base_url,
        }
    }
}

/// A key that was made just now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyWithSecret {
    /// The key.
    key: Key,
    /// The secret: shown this once.
    secret: String,
    /// Lines to be copied.
    setup: ClientSetup,
}

impl KeyWithSecret {
    /// Puts it together.
    pub(crate) fn new(key: KeyDetail, secret: &str, setup: ClientSetup) -> Self {
        Self { key: key.into(), secret: secret.to_owned(), setup }
    }
}

/// A key that was replaced, and the one in its place.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rotated {
    /// Good until `expires_at`.
    pub(crate) old: Key,
    /// The new one.
    pub(crate) new: KeyWithSecret,
}
