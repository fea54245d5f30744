//! A burst of notifications, without its repetitions, and the rows it stands for.

use crate::error::StoreError;
use crate::rows::{Change, Kind};
use crate::store::{Store, load};
use sqlx::postgres::PgConnection;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Beyond this many rows one load of everything is cheaper than reading them one by one.
pub(super) const MANY: usize = 200;
/// The tables that tell their truncation.
const TABLES: [&str; 11] = [
    "organisation_settings",
    "users",
    "service_accounts",
    "teams",
    "team_members",
    "roles",
    "role_assignments",
    "virtual_keys",
    "providers",
    "models",
    "routes",
];

/// Rows named by notifications that are still to be read.
#[derive(Default)]
pub(super) struct Batch {
    settings: BTreeSet<String>,
    roles: BTreeSet<String>,
    users: BTreeSet<Uuid>,
    accounts: BTreeSet<Uuid>,
    teams: BTreeSet<Uuid>,
    keys: BTreeSet<Uuid>,
    providers: BTreeSet<Uuid>,
    models: BTreeSet<Uuid>,
    everything: bool,
}

impl Batch {
    /// Takes `<table>:<op>:<id>`. What cannot be understood (a newer schema, a person's own NOTIFY) loads everything:
    /// slower, never wrong.
    pub(super) fn add(&mut self, payload: &str) {
        if !self.note(payload) {
            self.everything = true;
        }
    }

    /// Takes `<table>:<op>:<id>` of a table that is known. False: it is none, and nothing was taken.
    pub(super) fn note(&mut self, payload: &str) -> bool {
        let mut parts = payload.splitn(3, ':');
        let (table, op) = (parts.next().unwrap_or_default(), parts.next());
        let id = parts.next().unwrap_or_default();
        if op == Some("truncate") {
            let known = TABLES.contains(&table);
            self.everything |= known;
            return known;
        }
        let ids = match table {
            "organisation_settings" => {
                self.settings.insert(id.to_owned());
                return true;
            }
            "roles" => {
                self.roles.insert(id.to_owned());
                return true;
            }
            "users" => &mut self.users,
            "service_accounts" => &mut self.accounts,
            "teams" => &mut self.teams,
            "virtual_keys" => &mut self.keys,
            "providers" => &mut self.providers,
            "models" => &mut self.models,
            _ => return false,
        };
        Uuid::parse_str(id).map(|id| ids.insert(id)).is_ok()
    }

    /// Is everything to be read?
    pub(super) fn is_everything(&self) -> bool {
        self.everything
    }

    pub(super) fn len(&self) -> usize {
        let ids = [&self.users, &self.accounts, &self.teams, &self.keys, &self.providers, &self.models];
        self.settings.len() + self.roles.len() + ids.iter().map(|set| set.len()).sum::<usize>()
    }

    /// Reads the rows. Owners come before keys and providers before models, so that a reader who applies them one by
    /// one never meets a reference to what it has not heard of.
    pub(super) async fn read(self, store: &Store) -> Result<Vec<Change>, StoreError> {
        if self.everything || self.len() > MANY {
            return Ok(vec![Change::Everything(Box::new(store.load().await?))]);
        }
        store
            .bounded("reading changed rows", async {
                let mut lease = store.lease().await?;
                let answer = self.read_rows(&mut lease).await;
                lease.settle(answer)
            })
            .await
    }

    async fn read_rows(self, conn: &mut PgConnection) -> Result<Vec<Change>, sqlx::Error> {
        let mut changes = Vec::with_capacity(self.len());
        if !self.settings.is_empty() {
            let keys: Vec<String> = self.settings.into_iter().collect();
            let mut found = load::settings(conn, Some(&keys)).await?;
            changes.extend(keys.into_iter().map(|key| {
                let value = found.remove(&key);
                Change::Setting(key, value)
            }));
        }
        if !self.roles.is_empty() {
            let names: Vec<String> = self.roles.into_iter().collect();
            let mut found = load::roles(conn, Some(&names)).await?;
            changes.extend(names.into_iter().map(|name| {
                let at = found.iter().position(|r| r.name == name);
                let row = at.map(|at| found.swap_remove(at));
                Change::Role(name, row)
            }));
        }
        if let Some(ids) = listed(&self.accounts) {
            let found = load::accounts(conn, Some(&ids)).await?;
            gather(&mut changes, Kind::Account, &ids, found, |r| r.id, Change::Account);
        }
        if let Some(ids) = listed(&self.users) {
            let found = load::users(conn, Some(&ids)).await?;
            gather(&mut changes, Kind::User, &ids, found, |r| r.id, Change::User);
        }
        if let Some(ids) = listed(&self.teams) {
            let found = load::teams(conn, Some(&ids)).await?;
            gather(&mut changes, Kind::Team, &ids, found, |r| r.id, Change::Team);
        }
        if let Some(ids) = listed(&self.keys) {
            let found = load::keys(conn, Some(&ids)).await?;
            gather(&mut changes, Kind::Key, &ids, found, |r| r.id, Change::Key);
        }
        if let Some(ids) = listed(&self.providers) {
            let found = load::providers(conn, Some(&ids)).await?;
            gather(&mut changes, Kind::Provider, &ids, found, |r| r.id, Change::Provider);
        }
        if let Some(ids) = listed(&self.models) {
            let found = load::models(conn, Some(&ids)).await?;
            gather(&mut changes, Kind::Model, &ids, found, |r| r.id, Change::Model);
        }
        Ok(changes)
    }
}

fn listed(ids: &BTreeSet<Uuid>) -> Option<Vec<Uuid>> {
    (!ids.is_empty()).then(|| ids.iter().copied().collect())
}

/// Rows that were found are changes; ids without a row are removals.
fn gather<R>(
    changes: &mut Vec<Change>,
    kind: Kind,
    asked: &[Uuid],
    found: Vec<R>,
    id: fn(&R) -> Uuid,
    change: fn(R) -> Change,
) {
    let there: BTreeSet<Uuid> = found.iter().map(id).collect();
    changes.extend(asked.iter().filter(|id| !there.contains(id)).map(|id| Change::Removed(kind, *id)));
    changes.extend(found.into_iter().map(change));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_about_one_row_is_one_read() {
        let id = Uuid::now_v7();
        let mut batch = Batch::default();
        for op in ["insert", "update", "update", "delete"] {
            batch.add(&format!("virtual_keys:{op}:{id}"));
        }
        batch.add("organisation_settings:update:a:b");
        assert_eq!(batch.len(), 2);
        assert!(batch.settings.contains("a:b"), "a setting's key may hold a colon");
        assert!(!batch.everything);
    }

    #[test]
    fn what_is_not_understood_loads_everything() {
        for payload in ["", "users", "users:update:not-a-uuid", "guardrails:insert:1", "routes:truncate:"] {
            let mut batch = Batch::default();
            batch.add(payload);
            assert!(batch.everything, "{payload}");
        }
    }
}
