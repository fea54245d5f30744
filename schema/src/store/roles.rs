//! Custom roles and their history. Built-in ones are code.

use super::Store;
use super::tx::Tx;
use crate::access::{Grant, Role};
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// A custom role.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomRole {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// The role.
    pub role: Role,
    /// Changes so far.
    pub version: i64,
    /// Made at.
    pub created_at: OffsetDateTime,
    /// Changed at.
    pub updated_at: OffsetDateTime,
    /// Users and service accounts that have it, deleted ones not counted.
    pub holders: i64,
}

/// One change of a role.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleChange {
    /// Counts up.
    pub id: i64,
    /// The version that came about.
    pub version: i64,
    /// The role before; None: it was made.
    pub before: Option<serde_json::Value>,
    /// The role after; None: it was deleted.
    pub after: Option<serde_json::Value>,
    /// Who.
    pub author: String,
    /// When.
    pub at: OffsetDateTime,
}

const SELECT: &str = "
SELECT r.id, r.name, r.description, r.grants, r.version, r.created_at, r.updated_at,
    (SELECT count(DISTINCT COALESCE(u.id, s.id)) FROM role_assignments a
     LEFT JOIN users u ON u.id = a.user_id AND u.deleted_at IS NULL
     LEFT JOIN service_accounts s ON s.id = a.service_account_id AND s.deleted_at IS NULL
     WHERE a.role = r.name) AS holders
FROM roles r WHERE ";

fn custom(row: &PgRow) -> Result<CustomRole, sqlx::Error> {
    Ok(CustomRole {
        id: row.try_get("id")?,
        role: Role {
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            grants: row.try_get::<Json<Vec<Grant>>, _>("grants")?.0,
        },
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        holders: row.try_get("holders")?,
    })
}

async fn by_name(conn: &mut PgConnection, name: &str) -> Result<Option<CustomRole>, sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} r.name = $1"));
    sqlx::query(sql).bind(name).fetch_optional(conn).await?.as_ref().map(custom).transpose()
}

fn missing(name: &str) -> StoreError {
    StoreError::NotFound { what: "role", name: name.to_owned() }
}

impl Store {
    /// The custom role of this name.
    pub async fn custom_role(&self, name: &str) -> Result<Option<CustomRole>, StoreError> {
        self.bounded("reading a role", async {
            let mut lease = self.lease().await?;
            let answer = by_name(&mut lease, name).await;
            lease.settle(answer)
        })
        .await
    }

    /// Custom roles, by name. At most 1000.
    pub async fn custom_roles(&self) -> Result<Vec<CustomRole>, StoreError> {
        self.bounded("listing roles", async {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} true ORDER BY r.name LIMIT 1000"));
            let mut lease = self.lease().await?;
            let answer = sqlx::query(sql).fetch_all(&mut *lease).await;
            Ok(lease.settle(answer)?.iter().map(custom).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Makes a role.
    pub async fn create_role(&self, role: &Role, actor: &Actor) -> Result<CustomRole, StoreError> {
        self.bounded("creating a role", async {
            let mut tx = self.begin().await?;
            sqlx::query("INSERT INTO roles (id, name, description, grants) VALUES ($1, $2, $3, $4)")
                .bind(Uuid::now_v7())
                .bind(&role.name)
                .bind(&role.description)
                .bind(Json(&role.grants))
                .execute(&mut *tx)
                .await?;
            let after = by_name(&mut tx, &role.name).await?.ok_or_else(|| missing(&role.name))?;
            keep(&mut tx, "role.create", None, Some(&after), actor).await?;
            tx.commit().await?;
            Ok(after)
        })
        .await
    }

    /// Replaces description and grants of a role that is at `version` (None: whatever it is at).
    pub async fn change_role(
        &self,
        role: &Role,
        version: Option<i64>,
        actor: &Actor,
    ) -> Result<CustomRole, StoreError> {
        self.bounded("changing a role", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, &role.name, version).await?;
            sqlx::query("UPDATE roles SET description = $2, grants = $3 WHERE name = $1")
                .bind(&role.name)
                .bind(&role.description)
                .bind(Json(&role.grants))
                .execute(&mut *tx)
                .await?;
            let after = by_name(&mut tx, &role.name).await?.ok_or_else(|| missing(&role.name))?;
            keep(&mut tx, "role.update", Some(&before), Some(&after), actor).await?;
            tx.commit().await?;
            Ok(after)
        })
        .await
    }

    /// Deletes a role that nobody has.
    pub async fn delete_role(
        &self,
        name: &str,
        version: Option<i64>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.bounded("deleting a role", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, name, version).await?;
            if before.holders > 0 {
                return Err(StoreError::Conflict {
                    what: "role",
                    why: "somebody has it: take it away first",
                });
            }
            // those of deleted users and accounts: a role of the same name must not find them
            sqlx::query("DELETE FROM role_assignments WHERE role = $1").bind(name).execute(&mut *tx).await?;
            sqlx::query("DELETE FROM roles WHERE name = $1").bind(name).execute(&mut *tx).await?;
            keep(&mut tx, "role.delete", Some(&before), None, actor).await?;
            tx.commit().await
        })
        .await
    }

    /// Changes of the roles that had this name, newest first.
    pub async fn role_history(
        &self,
        name: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<RoleChange>, StoreError> {
        self.bounded("reading the history of a role", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "SELECT id, version, before, after, author, at FROM role_history
                 WHERE name = $1 AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
            )
            .bind(name)
            .bind(before)
            .bind(i64::from(limit))
            .fetch_all(&mut *lease)
            .await;
            let rows = lease.settle(answer)?;
            Ok(rows.iter().map(change).collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn change(row: &PgRow) -> Result<RoleChange, sqlx::Error> {
    Ok(RoleChange {
        id: row.try_get("id")?,
        version: row.try_get("version")?,
        before: row.try_get("before")?,
        after: row.try_get("after")?,
        author: row.try_get("author")?,
        at: row.try_get("at")?,
    })
}

/// The row, locked; who is just giving the role (and holds a share lock) is waited for, and then counts as a holder.
async fn locked(tx: &mut Tx, name: &str, version: Option<i64>) -> Result<CustomRole, StoreError> {
    sqlx::query("SELECT 1 FROM roles WHERE name = $1 FOR UPDATE").bind(name).execute(&mut **tx).await?;
    let role = by_name(tx, name).await?.ok_or_else(|| missing(name))?;
    if version.is_some_and(|v| v != role.version) {
        return Err(StoreError::Conflict { what: "role", why: "it has been changed meanwhile" });
    }
    Ok(role)
}

/// History and audit trail.
async fn keep(
    tx: &mut Tx,
    action: &'static str,
    before: Option<&CustomRole>,
    after: Option<&CustomRole>,
    actor: &Actor,
) -> Result<(), StoreError> {
    let Some(role) = after.or(before) else { return Ok(()) };
    let shown = |r: Option<&CustomRole>| r.and_then(|r| serde_json::to_value(&r.role).ok());
    let (was, is) = (shown(before), shown(after));
    sqlx::query(
        "INSERT INTO role_history (role_id, name, version, before, after, author) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(role.id)
    .bind(&role.role.name)
    .bind(if after.is_some() { role.version } else { role.version + 1 })
    .bind(&was)
    .bind(&is)
    .bind(&actor.name)
    .execute(&mut **tx)
    .await?;
    tx.note(actor, &Event::done(action).on("role", role.id, &role.role.name).changed(was, is)).await
}
