//! Configuration + stored state → [`Snapshot`], whole or change by change. One key's change touches one path of a
//! persistent map; providers and models, of which there are few, are made anew.
//!
//! Nothing here is fatal: a row that cannot be used (an envelope of another key, a URL that is none) is left out and
//! reported, so that one bad row never takes the gateway down.

mod bearer;
mod intern;
mod models;
mod prefixes;
mod providers;

pub use bearer::Bearer;
pub use providers::{configured, default_base_url, opened, ready};

use crate::load::Loaded;
use crate::models::ModelTable;
use crate::rights::{CallRights, Held, built_in_roles};
use crate::settings;
use crate::snapshot::{Key, KeyHash, Owner, Snapshot, Source, Team};
use intern::Interner;
use sallyport_schema::access::is_built_in;
use sallyport_schema::envelope::KeyRing;
use sallyport_schema::rows::{
    AccountRow, Change, HeldRole, KeyRow, Kind, ModelRow, ProviderRow, RoleRow, StoredState, TeamRow, UserRow,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// Something that an operator should know: a stored name that YAML has too, a row that cannot be used, a route to a
/// provider that is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// `provider`, `model` or `route`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The row; None: it is from a YAML file.
    pub id: Option<Uuid>,
    /// What is the matter. Never a secret.
    pub message: String,
}

/// Keeps what is needed to make the next snapshot out of the last one.
pub struct Assembler {
    keyring: Arc<KeyRing>,
    snapshot: Arc<Snapshot>,
    intern: Interner,
    /// A removed key is known by its id only.
    key_hashes: HashMap<Uuid, KeyHash>,
    pub(crate) providers: BTreeMap<Uuid, Arc<ProviderRow>>,
    pub(crate) models: BTreeMap<Uuid, Arc<ModelRow>>,
    pub(crate) settings: BTreeMap<String, serde_json::Value>,
    pub(crate) roles: BTreeMap<String, Arc<RoleRow>>,
    findings: Vec<Finding>,
}

/// The first snapshot of a configuration and a stored state, for callers that need no further ones.
pub fn assemble(loaded: &Loaded, state: StoredState, source: Source, keyring: Arc<KeyRing>) -> Snapshot {
    let assembler = Assembler::new(loaded, state, source, keyring);
    (*assembler.snapshot).clone()
}

impl Assembler {
    /// Builds the first snapshot.
    pub fn new(loaded: &Loaded, state: StoredState, source: Source, keyring: Arc<KeyRing>) -> Self {
        let snapshot = Snapshot {
            version: 0,
            built_at: OffsetDateTime::now_utc(),
            source,
            config_hash: loaded.hash.clone(),
            config: loaded.config.clone(),
            files: loaded.config.clone(),
            document: Arc::new(loaded.document.clone()),
            keys: imbl::OrdMap::new(),
            users: imbl::HashMap::new(),
            accounts: imbl::HashMap::new(),
            roles: imbl::HashMap::new(),
            teams: imbl::HashMap::new(),
            providers: imbl::HashMap::new(),
            models: Arc::new(ModelTable::default()),
            prices: loaded.prices.clone(),
        };
        let mut assembler = Self {
            keyring,
            snapshot: Arc::new(snapshot),
            intern: Interner::default(),
            key_hashes: HashMap::new(),
            providers: BTreeMap::new(),
            models: BTreeMap::new(),
            settings: BTreeMap::new(),
            roles: BTreeMap::new(),
            findings: Vec::new(),
        };
        assembler.everything(state, source);
        assembler
    }

    /// The latest snapshot.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// What is the matter with the stored part.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Takes a change of the store.
    pub fn apply(&mut self, change: Change) {
        let mut next = (*self.snapshot).clone();
        match change {
            Change::Everything(state) => return self.everything(*state, Source::Store),
            Change::User(row) => {
                next.users.insert(row.id, Arc::new(user(&row)));
            }
            Change::Account(row) => {
                next.accounts.insert(row.id, Arc::new(account(&row)));
            }
            // a row cannot pass itself off as one of them
            Change::Role(name, _) if is_built_in(&name) => {}
            Change::Role(name, row) => {
                match &row {
                    Some(row) => {
                        next.roles.insert(name.as_str().into(), Arc::new(CallRights::new(&row.grants)))
                    }
                    None => next.roles.remove(name.as_str()),
                };
                self.roles.remove(&name);
                self.roles.extend(row.map(|row| (name, Arc::new(row))));
            }
            Change::Team(row) => {
                let team = team(&row, &mut self.intern);
                next.teams.insert(row.id, Arc::new(team));
            }
            Change::Key(row) => self.put_key(&mut next, &row),
            Change::Provider(row) => {
                self.providers.insert(row.id, Arc::new(row));
                self.upstreams(&mut next);
            }
            Change::Model(row) => {
                self.models.insert(row.id, Arc::new(row));
                self.upstreams(&mut next);
            }
            Change::Setting(key, value) => {
                self.settings.remove(&key);
                self.settings.extend(value.map(|value| (key, value)));
                self.upstreams(&mut next);
            }
            Change::Removed(Kind::User, id) => {
                next.users.remove(&id);
            }
            Change::Removed(Kind::Account, id) => {
                next.accounts.remove(&id);
            }
            Change::Removed(Kind::Team, id) => {
                next.teams.remove(&id);
            }
            Change::Removed(Kind::Key, id) => {
                if let Some(hash) = self.key_hashes.remove(&id) {
                    next.keys.remove(&hash);
                }
            }
            Change::Removed(Kind::Provider, id) => {
                self.providers.remove(&id);
                self.upstreams(&mut next);
            }
            Change::Removed(Kind::Model, id) => {
                self.models.remove(&id);
                self.upstreams(&mut next);
            }
        }
        self.publish(next);
    }

    /// Takes a new configuration; the stored part stays.
    pub fn reload(&mut self, loaded: &Loaded) {
        let mut next = (*self.snapshot).clone();
        next.files = loaded.config.clone();
        next.document = Arc::new(loaded.document.clone());
        next.config_hash = loaded.hash.clone();
        next.prices = loaded.prices.clone();
        self.upstreams(&mut next);
        self.publish(next);
    }

    fn everything(&mut self, state: StoredState, source: Source) {
        let mut next = (*self.snapshot).clone();
        next.source = source;
        next.users = state.users.iter().map(|u| (u.id, Arc::new(user(u)))).collect();
        next.accounts = state.accounts.iter().map(|a| (a.id, Arc::new(account(a)))).collect();
        // a row must not pass itself off as a built-in role
        let custom =
            state.roles.iter().map(|r| (r.name.as_str().into(), Arc::new(CallRights::new(&r.grants))));
        next.roles = custom.chain(built_in_roles()).collect();
        next.teams = state.teams.iter().map(|t| (t.id, Arc::new(team(t, &mut self.intern)))).collect();
        next.keys = imbl::OrdMap::new();
        self.key_hashes = HashMap::with_capacity(state.keys.len());
        for row in &state.keys {
            self.put_key(&mut next, row);
        }
        self.providers = state.providers.into_iter().map(|p| (p.id, Arc::new(p))).collect();
        self.models = state.models.into_iter().map(|m| (m.id, Arc::new(m))).collect();
        self.settings = state.settings;
        self.roles = state.roles.into_iter().map(|r| (r.name.clone(), Arc::new(r))).collect();
        self.upstreams(&mut next);
        self.publish(next);
    }

    fn put_key(&mut self, next: &mut Snapshot, row: &KeyRow) {
        if let Some(old) = self.key_hashes.insert(row.id, row.hash)
            && old != row.hash
        {
            next.keys.remove(&old);
        }
        next.keys.insert(row.hash, Arc::new(key(row, &mut self.intern)));
    }

    /// Settings, providers and models, from YAML and from the store; YAML wins.
    fn upstreams(&mut self, next: &mut Snapshot) {
        let mut findings = Vec::new();
        let config = settings::laid_over(&next.files, &self.settings, &mut findings);
        // The same one stays the same: filters are made anew for another one.
        if *config != *next.config {
            next.config = config;
        }
        next.providers = providers::all(&next.config, self.providers.values(), &self.keyring, &mut findings);
        let models = models::all(&next.config, self.models.values(), &next.providers, &mut findings);
        let mut table = ModelTable::new(models);
        if next.config.routing.prefixes {
            let off = models::off(&next.config, self.models.values());
            table = table.with_prefixes(prefixes::models(&next.providers), off);
        }
        next.models = Arc::new(table);
        self.findings = findings;
    }

    fn publish(&mut self, mut next: Snapshot) {
        next.version += 1;
        next.built_at = OffsetDateTime::now_utc();
        self.snapshot = Arc::new(next);
    }
}

fn user(row: &UserRow) -> Owner {
    owner(row.id, row.active && row.deleted_at.is_none(), &row.roles)
}

fn account(row: &AccountRow) -> Owner {
    owner(row.id, row.active && row.deleted_at.is_none(), &row.roles)
}

fn owner(id: Uuid, active: bool, roles: &[HeldRole]) -> Owner {
    let roles = roles.iter().map(|h| Held { role: h.role.as_str().into(), team: h.team });
    Owner { id, active, roles: roles.collect() }
}

fn team(row: &TeamRow, intern: &mut Interner) -> Team {
    Team {
        id: row.id,
        name: row.name.as_str().into(),
        active: row.active && row.deleted_at.is_none(),
        surfaces: intern.set(&row.surfaces),
        models: intern.set(&row.models),
        tools: intern.set(&row.tools),
    }
}

fn key(row: &KeyRow, intern: &mut Interner) -> Key {
    Key {
        id: row.id,
        name: row.name.as_str().into(),
        prefix: row.prefix.as_str().into(),
        user: row.user_id,
        account: row.service_account_id,
        team: row.team_id,
        surfaces: intern.set(&row.surfaces),
        models: intern.set(&row.models),
        tools: intern.set(&row.tools),
        expires_at: row.expires_at.map(OffsetDateTime::unix_timestamp),
        // What cannot be read is left out: the list gets shorter, never open.
        networks: row
            .networks
            .as_ref()
            .map(|all| all.iter().filter_map(|n| crate::addresses::network(n)).collect()),
        revoked: row.revoked_at.is_some(),
        disabled: row.disabled_at.is_some(),
        labels: intern.labels(&row.labels),
    }
}

#[cfg(test)]
mod tests;
