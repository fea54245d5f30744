//! The rows of the control plane: what Postgres holds and the snapshot is built from.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// A person who can own virtual keys.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct UserRow {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// Unique, lower case.
    pub email: String,
    /// Display name.
    pub name: String,
    /// False: deactivated; every key of the user is refused.
    pub active: bool,
    /// Soft delete; a deleted user counts as inactive.
    pub deleted_at: Option<OffsetDateTime>,
}

/// A team. Its allow-lists bound those of each of its keys.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct TeamRow {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// Unique.
    pub name: String,
    /// False: deactivated; every key of the team is refused.
    pub active: bool,
    /// Soft delete; a deleted team counts as inactive.
    pub deleted_at: Option<OffsetDateTime>,
    /// Surface names or globs (`*`); empty = nothing.
    pub surfaces: Vec<String>,
    /// Model names or globs (`*`); empty = nothing.
    pub models: Vec<String>,
}

/// A virtual key. The secret itself is never stored, only its SHA-256.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct KeyRow {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// What a person calls it.
    pub name: String,
    /// SHA-256 of the whole secret.
    pub hash: [u8; 32],
    /// First characters of the secret, for display (`sp-AbCdEf12`).
    pub prefix: String,
    /// Owner, if a person.
    pub user_id: Option<Uuid>,
    /// Owner, if a team.
    pub team_id: Option<Uuid>,
    /// Surface names or globs; empty = nothing.
    pub surfaces: Vec<String>,
    /// Model names or globs; empty = nothing.
    pub models: Vec<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// After this instant the key is refused.
    pub expires_at: Option<OffsetDateTime>,
    /// Set: the key is refused, for good.
    pub revoked_at: Option<OffsetDateTime>,
}

/// An upstream provider made in the store (others come from YAML).
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ProviderRow {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// Unique.
    pub name: String,
    /// The same word as in YAML: `openai`, `azure-openai`, `anthropic`, …
    pub kind: String,
    /// Base URL including the version path (`https://api.openai.com/v1`); empty: the public API of the kind.
    pub base_url: String,
    /// AES-256-GCM envelope of the API key; AAD `providers/<id>/api_key`.
    pub api_key: Option<Vec<u8>>,
    /// The remaining fields of YAML's provider, as an object.
    pub settings: serde_json::Value,
    /// AES-256-GCM envelope of those of the remaining fields that are secret: JSON of the form of `settings`, over
    /// which it is laid; AAD `providers/<id>/secrets`.
    #[serde(default)]
    pub secrets: Option<Vec<u8>>,
    /// False: no traffic.
    pub enabled: bool,
}

/// A model that clients may ask for, with the upstreams that serve it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ModelRow {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// What the client writes into `model`; may hold `*`.
    pub name: String,
    /// False: nobody can call it.
    pub enabled: bool,
    /// Weighted upstreams.
    pub routes: Vec<RouteRow>,
}

/// One upstream of a model.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct RouteRow {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// Name of a provider (from YAML or from the store).
    pub provider: String,
    /// Model name at the provider; None = as asked.
    pub upstream_model: Option<String>,
    /// Share of the traffic among the routes of the model, ≥ 0 (0 = only as a fallback).
    pub weight: u32,
}

/// All that a snapshot is built from.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct StoredState {
    /// Organisation settings by key.
    pub settings: std::collections::BTreeMap<String, serde_json::Value>,
    /// Users, deleted ones included.
    pub users: Vec<UserRow>,
    /// Teams, deleted ones included.
    pub teams: Vec<TeamRow>,
    /// Keys, revoked ones included.
    pub keys: Vec<KeyRow>,
    /// Providers.
    pub providers: Vec<ProviderRow>,
    /// Models with their routes.
    pub models: Vec<ModelRow>,
}

/// What a NOTIFY told, with the new row already read.
#[derive(Clone, Debug)]
pub enum Change {
    /// A user was made or changed.
    User(UserRow),
    /// A team was made or changed.
    Team(TeamRow),
    /// A key was made or changed.
    Key(KeyRow),
    /// A provider was made or changed.
    Provider(ProviderRow),
    /// A model or one of its routes was made or changed.
    Model(ModelRow),
    /// An organisation setting was set (None: removed).
    Setting(String, Option<serde_json::Value>),
    /// A row is gone.
    Removed(Kind, Uuid),
    /// Changes may have been missed (the connection was lost): everything, anew.
    Everything(Box<StoredState>),
}

/// Which table a removed row was in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `users`
    User,
    /// `teams`
    Team,
    /// `virtual_keys`
    Key,
    /// `providers`
    Provider,
    /// `models`
    Model,
}
