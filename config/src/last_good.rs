//! The last-good snapshot on disk: what an instance starts from while Postgres is away. The whole file is one
//! envelope (AES-256-GCM, AAD `snapshot/v1`), so that nobody can slip a key or a wider allow-list into it; providers'
//! secrets inside are still in their own envelopes. What requests do not need (e-mail addresses, …) is left out.

use crate::assemble::Assembler;
use crate::pattern::PatternSet;
use crate::snapshot::{KeyHash, Owner, Snapshot};
use sallyport_schema::envelope::KeyRing;
use sallyport_schema::labels::Labels;
use sallyport_schema::rows::{
    AccountRow, HeldRole, KeyRow, ModelRow, ProviderRow, RoleRow, StoredState, TeamRow, UserRow,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

const AAD: &str = "snapshot/v1";

/// Name of the file in the data directory.
pub const FILE: &str = "snapshot.sealed";

/// Why there is no last-good snapshot.
#[derive(Debug, thiserror::Error)]
pub enum LastGoodError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another master key, or the file was changed.
    #[error("{path} cannot be opened with this master key ({message}); it is not used")]
    Sealed {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// Written by another version.
    #[error("{path} has a form that this version does not know ({message}); it is not used")]
    Form {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
}

/// The file of one instance.
#[derive(Clone)]
pub struct LastGood {
    path: PathBuf,
    keyring: Arc<KeyRing>,
}

/// A state to be written: cheap to take, written elsewhere.
pub struct Frozen {
    snapshot: Arc<Snapshot>,
    providers: Vec<Arc<ProviderRow>>,
    models: Vec<Arc<ModelRow>>,
    roles: Vec<Arc<RoleRow>>,
    settings: BTreeMap<String, serde_json::Value>,
}

impl Frozen {
    /// Takes the state of an assembler.
    pub fn of(assembler: &Assembler) -> Self {
        Self {
            snapshot: assembler.snapshot().clone(),
            providers: assembler.providers.values().cloned().collect(),
            models: assembler.models.values().cloned().collect(),
            roles: assembler.roles.values().cloned().collect(),
            settings: assembler.settings.clone(),
        }
    }
}

impl LastGood {
    /// The file in a data directory.
    pub fn new(data_dir: &Path, keyring: Arc<KeyRing>) -> Self {
        Self { path: data_dir.join(FILE), keyring }
    }

    /// Writes atomically: a crash leaves the old file or the new one. Blocking.
    pub fn write(&self, state: &Frozen) -> Result<(), LastGoodError> {
        let form =
            |e: serde_json::Error| LastGoodError::Form { path: self.path.clone(), message: e.to_string() };
        let json = zeroize::Zeroizing::new(serde_json::to_vec(&disk(state)).map_err(form)?);
        let sealed = self.keyring.seal(AAD, &json).map_err(|e| self.sealed(e.to_string()))?;
        let io = |source| LastGoodError::Io { path: self.path.clone(), source };
        let new = self.path.with_extension("new");
        let mut file = open_private(&new).map_err(io)?;
        file.write_all(&sealed).map_err(io)?;
        file.sync_all().map_err(io)?;
        fs::rename(&new, &self.path).map_err(io)?;
        if let Some(dir) = self.path.parent()
            && let Ok(dir) = fs::File::open(dir)
        {
            // Without this the rename itself may be lost with the machine.
            dir.sync_all().map_err(io)?;
        }
        Ok(())
    }

    /// Reads the file; None: there is none. Blocking.
    pub fn read(&self) -> Result<Option<StoredState>, LastGoodError> {
        let sealed = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LastGoodError::Io { path: self.path.clone(), source }),
        };
        let json = self.keyring.open(AAD, &sealed).map_err(|e| self.sealed(e.to_string()))?;
        let form = |message: String| LastGoodError::Form { path: self.path.clone(), message };
        let disk: Disk = serde_json::from_slice(&json).map_err(|e| form(e.to_string()))?;
        thaw(disk).map(Some).map_err(form)
    }

    fn sealed(&self, message: String) -> LastGoodError {
        LastGoodError::Sealed { path: self.path.clone(), message }
    }
}

fn open_private(path: &Path) -> std::io::Result<fs::File> {
    // A left-over may have other permissions: it goes first.
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The form on disk: short names and shared allow-lists, for a hundred thousand keys.
#[derive(Serialize, Deserialize)]
struct Disk {
    lists: Vec<Vec<String>>,
    users: Vec<DiskOwner>,
    accounts: Vec<DiskOwner>,
    roles: Vec<RoleRow>,
    teams: Vec<DiskTeam>,
    keys: Vec<DiskKey>,
    providers: Vec<ProviderRow>,
    models: Vec<ModelRow>,
    settings: BTreeMap<String, serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct DiskOwner {
    i: Uuid,
    a: bool,
    r: Vec<HeldRole>,
}

impl DiskOwner {
    fn of(owner: &Owner) -> Self {
        let r = owner.roles.iter().map(|h| HeldRole { role: h.role.to_string(), team: h.team });
        Self { i: owner.id, a: owner.active, r: r.collect() }
    }
}

#[derive(Serialize, Deserialize)]
struct DiskTeam {
    id: Uuid,
    name: String,
    active: bool,
    surfaces: usize,
    models: usize,
    /// None: an empty list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tools: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct DiskKey {
    i: Uuid,
    h: String,
    n: String,
    p: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    u: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<Uuid>,
    s: usize,
    m: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    o: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    r: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    a: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    w: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    d: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    l: Option<Arc<Labels>>,
}

fn disk(state: &Frozen) -> Disk {
    let mut lists = Vec::new();
    let mut seen: HashMap<*const PatternSet, usize> = HashMap::new();
    let mut list = |set: &Arc<PatternSet>| {
        *seen.entry(Arc::as_ptr(set)).or_insert_with(|| {
            lists.push(set.patterns().map(str::to_owned).collect());
            lists.len() - 1
        })
    };
    let s = &state.snapshot;
    let teams = s.teams.values().map(|t| DiskTeam {
        id: t.id,
        name: t.name.to_string(),
        active: t.active,
        surfaces: list(&t.surfaces),
        models: list(&t.models),
        tools: (!t.tools.is_empty()).then(|| list(&t.tools)),
    });
    let teams = teams.collect();
    let keys = s.keys.iter().map(|(hash, k)| DiskKey {
        i: k.id,
        h: hex::encode(hash),
        n: k.name.to_string(),
        p: k.prefix.to_string(),
        u: k.user,
        t: k.team,
        s: list(&k.surfaces),
        m: list(&k.models),
        o: (!k.tools.is_empty()).then(|| list(&k.tools)),
        e: k.expires_at,
        r: k.revoked,
        a: k.account,
        w: k.networks.as_ref().map(|all| all.iter().map(ToString::to_string).collect()),
        d: k.disabled,
        l: k.labels.clone(),
    });
    let keys = keys.collect();
    Disk {
        users: s.users.values().map(|u| DiskOwner::of(u)).collect(),
        accounts: s.accounts.values().map(|a| DiskOwner::of(a)).collect(),
        roles: state.roles.iter().map(|r| (**r).clone()).collect(),
        teams,
        keys,
        lists,
        providers: state.providers.iter().map(|p| (**p).clone()).collect(),
        models: state.models.iter().map(|m| (**m).clone()).collect(),
        settings: state.settings.clone(),
    }
}

fn thaw(disk: Disk) -> Result<StoredState, String> {
    let lists = disk.lists;
    let list = |i: usize| lists.get(i).cloned().ok_or_else(|| format!("there is no list {i}"));
    let teams = disk.teams.into_iter().map(|t| {
        Ok(TeamRow {
            id: t.id,
            name: t.name,
            active: t.active,
            deleted_at: None,
            surfaces: list(t.surfaces)?,
            models: list(t.models)?,
            tools: t.tools.map_or(Ok(Vec::new()), list)?,
        })
    });
    let keys = disk.keys.into_iter().map(|k| {
        let mut hash: KeyHash = [0; 32];
        hex::decode_to_slice(&k.h, &mut hash).map_err(|e| e.to_string())?;
        let expires_at =
            k.e.map(OffsetDateTime::from_unix_timestamp).transpose().map_err(|e| e.to_string())?;
        Ok(KeyRow {
            id: k.i,
            name: k.n,
            hash,
            prefix: k.p,
            user_id: k.u,
            team_id: k.t,
            surfaces: list(k.s)?,
            models: list(k.m)?,
            tools: k.o.map_or(Ok(Vec::new()), list)?,
            // When it was made or revoked was not kept: requests need only know whether.
            created_at: OffsetDateTime::UNIX_EPOCH,
            expires_at,
            revoked_at: k.r.then_some(OffsetDateTime::UNIX_EPOCH),
            service_account_id: k.a,
            networks: k.w,
            disabled_at: k.d.then_some(OffsetDateTime::UNIX_EPOCH),
            labels: k.l.map(Arc::unwrap_or_clone).unwrap_or_default(),
        })
    });
    let users = disk.users.into_iter().map(|u| UserRow {
        id: u.i,
        email: String::new(),
        name: String::new(),
        active: u.a,
        deleted_at: None,
        roles: u.r,
    });
    let accounts = disk.accounts.into_iter().map(|a| AccountRow {
        id: a.i,
        name: String::new(),
        active: a.a,
        deleted_at: None,
        roles: a.r,
    });
    Ok(StoredState {
        settings: disk.settings,
        users: users.collect(),
        accounts: accounts.collect(),
        roles: disk.roles,
        teams: teams.collect::<Result<_, String>>()?,
        keys: keys.collect::<Result<_, String>>()?,
        providers: disk.providers,
        models: disk.models,
    })
}

#[cfg(test)]
mod tests;
