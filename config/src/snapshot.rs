//! The immutable picture of configuration and stored state that requests read. Held in an `ArcSwap`; a change
//! makes a new one that shares all that did not change (persistent maps), so that one key's change costs
//! microseconds and a reader never waits.

use crate::document::Document;
use crate::model::{Config, HttpVersions, KindSettings, ProviderKind, Secret};
use crate::pattern::PatternSet;
use crate::prices::PriceTable;
use crate::rights::{Bounds, Held, Roles};
use sallyport_schema::labels::Labels;
use std::path::PathBuf;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// SHA-256 of a virtual key's secret.
pub type KeyHash = [u8; 32];

/// What requests read.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Counts up with every change, from 1.
    pub version: u64,
    /// When this version was made.
    pub built_at: OffsetDateTime,
    /// Where the stored part came from.
    pub source: Source,
    /// SHA-256 (hex) of the merged configuration document, secrets as digests.
    pub config_hash: String,
    /// The configuration.
    pub config: Arc<Config>,
    /// What the files alone say: `config` without the stored settings.
    pub files: Arc<Config>,
    /// Which line of which file says what; secrets are masked.
    pub document: Arc<Document>,
    /// Virtual keys by hash.
    /// (A B-tree: half the memory of the hash map for a key of 40 bytes, and a look-up of a fraction of a microsecond.)
    pub keys: imbl::OrdMap<KeyHash, Arc<Key>>,
    /// Users by id.
    pub users: imbl::HashMap<Uuid, Arc<Owner>>,
    /// Service accounts by id.
    pub accounts: imbl::HashMap<Uuid, Arc<Owner>>,
    /// Built-in and custom roles by name.
    pub roles: Roles,
    /// Teams by id.
    pub teams: imbl::HashMap<Uuid, Arc<Team>>,
    /// Providers by name.
    pub providers: imbl::HashMap<Arc<str>, Arc<Provider>>,
    /// Models that clients may ask for.
    pub models: Arc<crate::models::ModelTable>,
    /// Token prices.
    pub prices: Arc<PriceTable>,
}

/// Where the stored part of a snapshot came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Read from Postgres (or built from its notifications).
    Store,
    /// The last-good copy on disk: Postgres has not answered yet.
    Disk,
}

/// A virtual key as requests see it.
#[derive(Clone, Debug)]
pub struct Key {
    /// Row id.
    pub id: Uuid,
    /// Display name.
    pub name: Arc<str>,
    /// First characters of the secret.
    pub prefix: Arc<str>,
    /// Owner, if a person.
    pub user: Option<Uuid>,
    /// Owner, if a service account.
    pub account: Option<Uuid>,
    /// Owner, if a team; of a person's or an account's key: the team that it is for.
    pub team: Option<Uuid>,
    /// Surfaces that it may use; empty = none. Interned: equal lists are one allocation.
    pub surfaces: Arc<PatternSet>,
    /// Models that it may use; empty = none. Interned.
    pub models: Arc<PatternSet>,
    /// MCP tools that it may call; empty = none. Interned.
    pub tools: Arc<PatternSet>,
    /// Unix seconds after which it is refused.
    pub expires_at: Option<i64>,
    /// Client addresses that may use it; None: any.
    pub networks: Option<Arc<[ipnet::IpNet]>>,
    /// Refused for good.
    pub revoked: bool,
    /// Refused until it is enabled again.
    pub disabled: bool,
    /// Tags and metadata, where it has some. Interned.
    pub labels: Option<Arc<Labels>>,
}

/// A user or a service account as requests see it.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Row id.
    pub id: Uuid,
    /// False if deactivated or deleted.
    pub active: bool,
    /// The roles; none = no call.
    pub roles: Arc<[Held]>,
}

impl Key {
    /// The person or service account that owns it.
    pub fn owner(&self) -> Option<Uuid> {
        self.user.or(self.account)
    }
}

impl Snapshot {
    /// All that bounds the calls of a key.
    pub fn bounds<'a>(
        &'a self,
        key: &'a Key,
        team: Option<&'a Team>,
        owner: Option<&'a Owner>,
    ) -> Bounds<'a> {
        Bounds { key, team, owner, roles: &self.roles }
    }
}

/// A team as requests see it.
#[derive(Clone, Debug)]
pub struct Team {
    /// Row id.
    pub id: Uuid,
    /// Unique name.
    pub name: Arc<str>,
    /// False if deactivated or deleted.
    pub active: bool,
    /// Surfaces that its keys may use; empty = none.
    pub surfaces: Arc<PatternSet>,
    /// Models that its keys may use; empty = none.
    pub models: Arc<PatternSet>,
    /// MCP tools that its keys may call; empty = none.
    pub tools: Arc<PatternSet>,
}

/// A provider, ready to be called.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Unique name.
    pub name: Arc<str>,
    /// What it speaks.
    pub kind: ProviderKind,
    /// `https` rather than `http`.
    pub tls: bool,
    /// Host name or address literal (without brackets).
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
    /// `Host` header (`host` or `host:port`).
    pub authority: Arc<str>,
    /// Path in front of the API's own (`/v1`); no slash at the end.
    pub base_path: Arc<str>,
    /// API key.
    pub api_key: Option<Secret>,
    /// What only its kind has.
    pub settings: KindSettings,
    /// Headers added to each request.
    pub headers: Vec<(String, Secret)>,
    /// HTTP versions.
    pub http: HttpVersions,
    /// Authorities of its own.
    pub ca_file: Option<PathBuf>,
    /// Name in certificate and SNI.
    pub tls_name: Arc<str>,
    /// Paths at its host that pass unread; empty = none.
    pub passthrough: Arc<PatternSet>,
    /// False: no traffic.
    pub enabled: bool,
    /// Changes whenever anything of the provider changes: part of the connection pool's key.
    pub generation: u64,
    /// Comes from YAML (read-only elsewhere) rather than from the store.
    pub managed: bool,
}
