//! Service accounts: owners of keys that are no people.

use super::Store;
use super::people::known;
use super::tx::Tx;
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use crate::rows::HeldRole;
use serde_json::json;
use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::types::Json;
use sqlx::{QueryBuilder, Row};
use time::OffsetDateTime;
use uuid::Uuid;

/// A service account as the admin API shows one.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceAccount {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// Unique among those that are not deleted.
    pub name: String,
    /// For people.
    pub description: String,
    /// The team that answers for it, for good.
    pub team: Option<Uuid>,
    /// False: its keys are refused.
    pub active: bool,
    /// Changes so far.
    pub version: i64,
    /// Made at.
    pub created_at: OffsetDateTime,
    /// Changed at.
    pub updated_at: OffsetDateTime,
    /// Roles.
    pub roles: Vec<HeldRole>,
}

impl ServiceAccount {
    fn shown(&self) -> serde_json::Value {
        json!({
            "name": self.name, "description": self.description, "team": self.team, "active": self.active,
            "roles": self.roles,
        })
    }
}

/// A page of service accounts.
#[derive(Clone, Debug, Default)]
pub struct AccountFilter {
    /// Part of the name.
    pub text: Option<String>,
    /// Active ones, or the others.
    pub active: Option<bool>,
    /// Of one of these teams, or this very one; None: all.
    pub visible: Option<(Vec<Uuid>, Option<Uuid>)>,
    /// Of this team.
    pub team: Option<Uuid>,
    /// After this id.
    pub after: Option<Uuid>,
    /// The newest first; `after` is then before that id.
    pub newest_first: bool,
    /// At most so many.
    pub limit: u32,
}

/// A new service account.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// The team that answers for it.
    pub team: Option<Uuid>,
    /// Whether its keys may be used.
    pub active: bool,
    /// Roles.
    pub roles: Vec<HeldRole>,
}

/// What changes of a service account.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Deactivates or activates.
    pub active: Option<bool>,
    /// Exactly these roles.
    pub roles: Option<Vec<HeldRole>>,
}

const SELECT: &str = "
SELECT s.id, s.name, s.description, s.team_id, s.active, s.version, s.created_at, s.updated_at,
    COALESCE((SELECT jsonb_agg(jsonb_build_object('role', a.role, 'team', a.team_id) ORDER BY a.role, a.team_id)
              FROM role_assignments a WHERE a.service_account_id = s.id), '[]') AS roles
FROM service_accounts s WHERE s.deleted_at IS NULL";

fn account(row: &PgRow) -> Result<ServiceAccount, sqlx::Error> {
    Ok(ServiceAccount {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        team: row.try_get("team_id")?,
        active: row.try_get("active")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        roles: row.try_get::<Json<_>, _>("roles")?.0,
    })
}

pub(super) async fn by_id(conn: &mut PgConnection, id: Uuid) -> Result<Option<ServiceAccount>, sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} AND s.id = $1"));
    sqlx::query(sql).bind(id).fetch_optional(conn).await?.as_ref().map(account).transpose()
}

fn missing(id: Uuid) -> StoreError {
    StoreError::NotFound { what: "service account", name: id.to_string() }
}

impl Store {
    /// The service account, if not deleted.
    pub async fn service_account(&self, id: Uuid) -> Result<Option<ServiceAccount>, StoreError> {
        self.bounded("reading a service account", async {
            let mut lease = self.lease().await?;
            let answer = by_id(&mut lease, id).await;
            lease.settle(answer)
        })
        .await
    }

    /// Service accounts that are not deleted, by id.
    pub async fn service_accounts(&self, filter: &AccountFilter) -> Result<Vec<ServiceAccount>, StoreError> {
        self.bounded("listing service accounts", async {
            let mut query = QueryBuilder::<Postgres>::new(SELECT);
            if let Some(text) = &filter.text {
                query.push(" AND strpos(lower(s.name), lower(").push_bind(text).push(")) > 0");
            }
            if let Some(active) = filter.active {
                query.push(" AND s.active = ").push_bind(active);
            }
            if let Some((teams, own)) = &filter.visible {
                query.push(" AND (s.id = ").push_bind(own);
                query.push(" OR s.team_id = ANY(").push_bind(teams).push("))");
            }
            if let Some(team) = filter.team {
                query.push(" AND s.team_id = ").push_bind(team);
            }
            if let Some(after) = filter.after {
                query
                    .push(if filter.newest_first { " AND s.id < " } else { " AND s.id > " })
                    .push_bind(after);
            }
            query.push(if filter.newest_first { " ORDER BY s.id DESC" } else { " ORDER BY s.id" });
            query.push(" LIMIT ").push_bind(i64::from(filter.limit));
            let mut lease = self.lease().await?;
            let answer = query.build().fetch_all(&mut *lease).await;
            Ok(lease.settle(answer)?.iter().map(account).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Makes a service account.
    pub async fn create_service_account(
        &self,
        new: &NewAccount,
        actor: &Actor,
    ) -> Result<ServiceAccount, StoreError> {
        self.bounded("creating a service account", async {
            let mut tx = self.begin().await?;
            if let Some(team) = new.team {
                let found =
                    sqlx::query("SELECT 1 FROM teams WHERE id = $1 AND deleted_at IS NULL FOR SHARE")
                        .bind(team)
                        .fetch_optional(&mut *tx)
                        .await?;
                if found.is_none() {
                    return Err(StoreError::NotFound { what: "team", name: team.to_string() });
                }
            }
            let id = Uuid::now_v7();
            sqlx::query(
                "INSERT INTO service_accounts (id, name, description, team_id, active) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(id)
            .bind(&new.name)
            .bind(&new.description)
            .bind(new.team)
            .bind(new.active)
            .execute(&mut *tx)
            .await?;
            assign(&mut tx, id, &new.roles, actor).await?;
            finish(tx, "service_account.create", id, None, actor).await
        })
        .await
    }

    /// Changes a service account that is at `version` (None: whatever it is at).
    pub async fn change_service_account(
        &self,
        id: Uuid,
        version: Option<i64>,
        change: &AccountChange,
        actor: &Actor,
    ) -> Result<ServiceAccount, StoreError> {
        self.bounded("changing a service account", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            sqlx::query(
                "UPDATE service_accounts SET name = COALESCE($2, name), description = COALESCE($3, description),
                     active = COALESCE($4, active) WHERE id = $1",
            )
            .bind(id)
            .bind(&change.name)
            .bind(&change.description)
            .bind(change.active)
            .execute(&mut *tx)
            .await?;
            if let Some(roles) = &change.roles {
                sqlx::query("DELETE FROM role_assignments WHERE service_account_id = $1")
                    .bind(id)
                    .execute(&mut *tx)
                    .await?;
                assign(&mut tx, id, roles, actor).await?;
            }
            finish(tx, "service_account.update", id, Some(before), actor).await
        })
        .await
    }

    /// Soft delete: its keys end now, the row goes after the time of grace.
    pub async fn delete_service_account(
        &self,
        id: Uuid,
        version: Option<i64>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.bounded("deleting a service account", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            sqlx::query("UPDATE service_accounts SET deleted_at = now(), active = false WHERE id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await?;
            let event = Event::done("service_account.delete").on("service_account", id, &before.name);
            tx.note(actor, &event.changed(Some(before.shown()), None)).await?;
            tx.commit().await
        })
        .await
    }
}

async fn locked(tx: &mut Tx, id: Uuid, version: Option<i64>) -> Result<ServiceAccount, StoreError> {
    sqlx::query("SELECT 1 FROM service_accounts WHERE id = $1 FOR NO KEY UPDATE")
        .bind(id)
        .execute(&mut **tx)
        .await?;
    let account = by_id(tx, id).await?.ok_or_else(|| missing(id))?;
    if version.is_some_and(|v| v != account.version) {
        return Err(StoreError::Conflict { what: "service account", why: "it has been changed meanwhile" });
    }
    Ok(account)
}

async fn assign(tx: &mut Tx, id: Uuid, roles: &[HeldRole], actor: &Actor) -> Result<(), StoreError> {
    for held in roles {
        known(tx, &held.role).await?;
        sqlx::query(
            "INSERT INTO role_assignments (service_account_id, role, team_id, created_by) VALUES ($1, $2, $3, $4)",
        )
        .bind(id)
        .bind(&held.role)
        .bind(held.team)
        .bind(&actor.name)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

async fn finish(
    mut tx: Tx,
    action: &'static str,
    id: Uuid,
    before: Option<ServiceAccount>,
    actor: &Actor,
) -> Result<ServiceAccount, StoreError> {
    let after = by_id(&mut tx, id).await?.ok_or_else(|| missing(id))?;
    let event = Event::done(action)
        .on("service_account", id, &after.name)
        .changed(before.as_ref().map(ServiceAccount::shown), Some(after.shown()));
    tx.note(actor, &event).await?;
    tx.commit().await?;
    Ok(after)
}
