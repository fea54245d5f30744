//! What somebody may do: his roles with their grants, and his teams.

use super::accounts::{self, ServiceAccount};
use super::people::{Person, by_id};
use super::{Store, load};
use crate::access::{Assignment, Effective, Role, Subject, built_in};
use crate::error::StoreError;
use crate::rows::{HeldRole, StoredState};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

impl Store {
    /// A user that is not deleted, with what the user may do. Whether the user is active is for the caller to ask.
    pub async fn effective(&self, id: Uuid) -> Result<Option<(Person, Effective)>, StoreError> {
        self.bounded("reading a user's rights", async {
            let mut lease = self.lease().await?;
            let answer = effective(&mut lease, id).await;
            lease.settle(answer)
        })
        .await
    }

    /// A service account that is not deleted, with what it may do. Whether it is active is for the caller to ask.
    pub async fn account_effective(
        &self,
        id: Uuid,
    ) -> Result<Option<(ServiceAccount, Effective)>, StoreError> {
        self.bounded("reading a service account's rights", async {
            let mut lease = self.lease().await?;
            let answer = of_account(&mut lease, id).await;
            lease.settle(answer)
        })
        .await
    }

    /// All rows that bound the calls of a key, as of one instant: the key's, its owner's with the roles that are rows,
    /// its team's. Without a key: there is no such one.
    pub async fn bounds_of_key(&self, id: Uuid) -> Result<StoredState, StoreError> {
        self.bounded("reading what bounds a key", async {
            let mut lease = self.lease().await?;
            let answer = bounds_of_key(&mut lease, id).await;
            lease.settle(answer)
        })
        .await
    }

    /// The roles with their grants; one that does not exist is not found.
    pub async fn assignments(&self, held: &[HeldRole]) -> Result<Vec<Assignment>, StoreError> {
        self.bounded("reading roles", async {
            let mut lease = self.lease().await?;
            let answer = custom(&mut lease, held).await;
            let custom = lease.settle(answer)?;
            held.iter()
                .map(|h| {
                    resolve(h, &custom)
                        .ok_or_else(|| StoreError::NotFound { what: "role", name: h.role.clone() })
                })
                .collect()
        })
        .await
    }
}

async fn bounds_of_key(conn: &mut PgConnection, id: Uuid) -> Result<StoredState, sqlx::Error> {
    let mut tx = conn.begin_with(load::SNAPSHOT).await?;
    let mut state = StoredState { keys: load::keys(&mut tx, Some(&[id])).await?, ..StoredState::default() };
    if let Some(key) = state.keys.first() {
        let one = |id: Option<Uuid>| Vec::from_iter(id);
        state.users = load::users(&mut tx, Some(&one(key.user_id))).await?;
        state.accounts = load::accounts(&mut tx, Some(&one(key.service_account_id))).await?;
        state.teams = load::teams(&mut tx, Some(&one(key.team_id))).await?;
        let held = state.users.iter().map(|u| &u.roles).chain(state.accounts.iter().map(|a| &a.roles));
        let names: Vec<String> = held.flatten().map(|h| h.role.clone()).collect();
        state.roles = load::roles(&mut tx, Some(&names)).await?;
    }
    tx.commit().await?;
    Ok(state)
}

pub(super) async fn effective(
    conn: &mut PgConnection,
    id: Uuid,
) -> Result<Option<(Person, Effective)>, sqlx::Error> {
    let Some(person) = by_id(conn, id).await?.filter(|p| p.deleted_at.is_none()) else { return Ok(None) };
    let custom = custom(conn, &person.roles).await?;
    let subject = Subject {
        id: Some(person.id),
        teams: person.teams.iter().map(|t| t.team).collect(),
        manages: person.teams.iter().filter(|t| t.manager).map(|t| t.team).collect(),
    };
    // a role that has gone meanwhile gives nothing
    let assignments = person.roles.iter().filter_map(|h| resolve(h, &custom)).collect();
    let effective = Effective::new(subject, assignments);
    Ok(Some((person, effective)))
}

async fn of_account(
    conn: &mut PgConnection,
    id: Uuid,
) -> Result<Option<(ServiceAccount, Effective)>, sqlx::Error> {
    let Some(account) = accounts::by_id(conn, id).await? else { return Ok(None) };
    let custom = custom(conn, &account.roles).await?;
    let subject =
        Subject { id: Some(account.id), teams: account.team.into_iter().collect(), ..Subject::default() };
    let assignments = account.roles.iter().filter_map(|h| resolve(h, &custom)).collect();
    let effective = Effective::new(subject, assignments);
    Ok(Some((account, effective)))
}

/// Those of the roles that are rows. No query where all are built in.
pub(super) async fn custom(
    conn: &mut PgConnection,
    held: &[HeldRole],
) -> Result<HashMap<String, Role>, sqlx::Error> {
    let names: Vec<String> =
        held.iter().filter(|h| built_in(&h.role).is_none()).map(|h| h.role.clone()).collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = load::roles(conn, Some(&names)).await?;
    let role = |r: crate::rows::RoleRow| Role { name: r.name, description: r.description, grants: r.grants };
    Ok(rows.into_iter().map(|r| (r.name.clone(), role(r))).collect())
}

pub(super) fn resolve(held: &HeldRole, custom: &HashMap<String, Role>) -> Option<Assignment> {
    let role = built_in(&held.role).or_else(|| custom.get(&held.role).cloned())?;
    Some(Assignment { role, team: held.team })
}
