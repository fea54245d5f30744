//! The rows of the control plane: what Postgres holds and the snapshot is built from.

use crate::access::Grant;
use crate::labels::Labels;
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
    /// The roles of the user; none = nothing may be done.
    #[serde(default)]
    pub roles: Vec<HeldRole>,
}

/// A role that a user or a service account has.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct HeldRole {
    /// Name of a built-in or a custom role.
    pub role: String,
    /// Holds in this team only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Uuid>,
}

/// A service account: an owner of keys that is no person.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct AccountRow {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// Unique among those that are not deleted.
    pub name: String,
    /// False: deactivated; every key of it is refused.
    pub active: bool,
    /// Soft delete; a deleted account counts as inactive.
    pub deleted_at: Option<OffsetDateTime>,
    /// The roles of the account; none = nothing may be done.
    #[serde(default)]
    pub roles: Vec<HeldRole>,
}

/// A custom role.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct RoleRow {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// Unique; never that of a built-in role.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// What it opens and closes.
    pub grants: Vec<Grant>,
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
    /// MCP tools (`server/tool`) or globs; empty = nothing.
    #[serde(default)]
    pub tools: Vec<String>,
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
    /// MCP tools (`server/tool`) or globs; empty = nothing.
    #[serde(default)]
    pub tools: Vec<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// After this instant the key is refused.
    pub expires_at: Option<OffsetDateTime>,
    /// Set: the key is refused, for good.
    pub revoked_at: Option<OffsetDateTime>,
    /// Owner, if a service account.
    #[serde(default)]
    pub service_account_id: Option<Uuid>,
    /// Client addresses (CIDR) that may use it; None: any; empty: none.
    #[serde(default)]
    pub networks: Option<Vec<String>>,
    /// Set: the key is refused until it is enabled again.
    #[serde(default)]
    pub disabled_at: Option<OffsetDateTime>,
    /// Tags and metadata: they reach the call log.
    #[serde(default)]
    pub labels: Labels,
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
    /// What it costs, in the form of YAML's prices; None: as the price table says.
    #[serde(default)]
    pub price: Option<serde_json::Value>,
    /// Factor of the cost of what goes in.
    #[serde(default = "one")]
    pub input_multiplier: f64,
    /// Factor of the cost of what comes out.
    #[serde(default = "one")]
    pub output_multiplier: f64,
}

const fn one() -> f64 {
    1.0
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
    /// Service accounts, deleted ones included.
    #[serde(default)]
    pub accounts: Vec<AccountRow>,
    /// Custom roles.
    #[serde(default)]
    pub roles: Vec<RoleRow>,
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
    /// A service account was made or changed.
    Account(AccountRow),
    /// A custom role of this name was made or changed (None: removed).
    Role(String, Option<RoleRow>),
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
    /// `service_accounts`
    Account,
    /// `teams`
    Team,
    /// `virtual_keys`
    Key,
    /// `providers`
    Provider,
    /// `models`
    Model,
}
