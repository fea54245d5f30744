//! Clients and their tokens.

use crate::access::{Effective, Subject};
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use crate::rows::HeldRole;
use crate::store::Store;
use crate::store::effective::{custom, resolve};
use crate::store::people::known;
use crate::store::tx::Tx;
use serde_json::json;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::types::Json;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// A client, without its token.
#[derive(Clone, Debug, PartialEq)]
pub struct ScimClient {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// Unique.
    pub name: String,
    /// First characters of the token.
    pub prefix: String,
    /// Until when the token before is good (rotation).
    pub old_until: Option<OffsetDateTime>,
    /// What it may do, and to whom.
    pub roles: Vec<HeldRole>,
    /// What users that it makes get.
    pub default_roles: Vec<HeldRole>,
    /// Takes users and teams over that nobody else provisions.
    pub adopt: bool,
    /// False: its tokens are refused.
    pub active: bool,
    /// Its tokens are refused from then on.
    pub expires_at: Option<OffsetDateTime>,
    /// Used last at (with a minute's precision).
    pub last_used_at: Option<OffsetDateTime>,
    /// Changes so far.
    pub version: i64,
    /// Made at.
    pub created_at: OffsetDateTime,
    /// Made by.
    pub created_by: Option<String>,
    /// Changed at.
    pub updated_at: OffsetDateTime,
}

impl ScimClient {
    fn shown(&self) -> serde_json::Value {
        json!({
            "name": self.name, "prefix": self.prefix, "roles": self.roles, "default_roles": self.default_roles,
            "adopt": self.adopt, "active": self.active,
            "expires_at": self.expires_at.map(OffsetDateTime::unix_timestamp),
        })
    }
}

/// A new client.
#[derive(Clone, Debug)]
pub struct NewScimClient {
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// First characters of the token.
    pub prefix: String,
    /// See [`ScimClient`].
    pub name: String,
    /// See [`ScimClient`].
    pub roles: Vec<HeldRole>,
    /// See [`ScimClient`].
    pub default_roles: Vec<HeldRole>,
    /// See [`ScimClient`].
    pub adopt: bool,
    /// See [`ScimClient`].
    pub expires_at: Option<OffsetDateTime>,
}

/// What changes of a client; None: it stays.
#[derive(Clone, Debug, Default)]
pub struct ScimClientChange {
    /// See [`ScimClient`].
    pub name: Option<String>,
    /// See [`ScimClient`].
    pub roles: Option<Vec<HeldRole>>,
    /// See [`ScimClient`].
    pub default_roles: Option<Vec<HeldRole>>,
    /// See [`ScimClient`].
    pub adopt: Option<bool>,
    /// See [`ScimClient`].
    pub active: Option<bool>,
    /// See [`ScimClient`]; Some(None): never.
    pub expires_at: Option<Option<OffsetDateTime>>,
}

const COLUMNS: &str = "id, name, prefix, old_until, roles, default_roles, adopt, active, expires_at, last_used_at, \
                       version, created_at, created_by, updated_at";

fn client(row: &PgRow) -> Result<ScimClient, sqlx::Error> {
    Ok(ScimClient {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        prefix: row.try_get("prefix")?,
        old_until: row.try_get("old_until")?,
        roles: row.try_get::<Json<_>, _>("roles")?.0,
        default_roles: row.try_get::<Json<_>, _>("default_roles")?.0,
        adopt: row.try_get("adopt")?,
        active: row.try_get("active")?,
        expires_at: row.try_get("expires_at")?,
        last_used_at: row.try_get("last_used_at")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        created_by: row.try_get("created_by")?,
        updated_at: row.try_get("updated_at")?,
    })
}

async fn by_id(conn: &mut PgConnection, id: Uuid) -> Result<Option<ScimClient>, sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM scim_clients WHERE id = $1"));
    sqlx::query(sql).bind(id).fetch_optional(conn).await?.as_ref().map(client).transpose()
}

async fn locked(tx: &mut Tx, id: Uuid, version: Option<i64>) -> Result<ScimClient, StoreError> {
    sqlx::query("SELECT 1 FROM scim_clients WHERE id = $1 FOR UPDATE").bind(id).execute(&mut **tx).await?;
    let found = by_id(tx, id).await?.ok_or_else(|| missing(id))?;
    if version.is_some_and(|v| v != found.version) {
        return Err(StoreError::Conflict { what: "SCIM client", why: "it has been changed meanwhile" });
    }
    Ok(found)
}

fn missing(id: Uuid) -> StoreError {
    StoreError::NotFound { what: "SCIM client", name: id.to_string() }
}

async fn finish(
    mut tx: Tx,
    action: &'static str,
    id: Uuid,
    before: Option<&ScimClient>,
    actor: &Actor,
) -> Result<ScimClient, StoreError> {
    let after = by_id(&mut tx, id).await?.ok_or_else(|| missing(id))?;
    let event = Event::done(action)
        .on("scim_client", id, &after.name)
        .changed(before.map(ScimClient::shown), Some(after.shown()));
    tx.note(actor, &event).await?;
    tx.commit().await?;
    Ok(after)
}

impl Store {
    /// The client of a token (SHA-256 of it) that is good now, with the stored hash and what the client may do. The use
    /// is noted.
    pub async fn scim_client_of(
        &self,
        hash: &[u8; 32],
    ) -> Result<Option<(Vec<u8>, ScimClient, Effective)>, StoreError> {
        self.bounded("looking a SCIM token up", async {
            let sql = format!(
                "SELECT {COLUMNS}, CASE WHEN hash = $1 THEN hash ELSE old_hash END AS found FROM scim_clients
                 WHERE (hash = $1 OR (old_hash = $1 AND old_until > now())) AND active
                     AND (expires_at IS NULL OR expires_at > now())"
            );
            let mut lease = self.lease().await?;
            let answer = async {
                let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&hash[..]);
                let Some(row) = query.fetch_optional(&mut *lease).await? else { return Ok(None) };
                let found = client(&row)?;
                sqlx::query(
                    "UPDATE scim_clients SET last_used_at = now() WHERE id = $1
                         AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')",
                )
                .bind(found.id)
                .execute(&mut *lease)
                .await?;
                let custom = custom(&mut lease, &found.roles).await?;
                // a role that has gone meanwhile gives nothing
                let assignments = found.roles.iter().filter_map(|h| resolve(h, &custom)).collect();
                let effective = Effective::new(Subject::default(), assignments);
                Ok(Some((row.try_get("found")?, found, effective)))
            }
            .await;
            lease.settle(answer)
        })
        .await
    }

    /// The client.
    pub async fn scim_client(&self, id: Uuid) -> Result<Option<ScimClient>, StoreError> {
        self.bounded("reading a SCIM client", async {
            let mut lease = self.lease().await?;
            let answer = by_id(&mut lease, id).await;
            lease.settle(answer)
        })
        .await
    }

    /// Clients by id.
    pub async fn scim_clients(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<ScimClient>, StoreError> {
        self.bounded("listing SCIM clients", async {
            let sql = format!(
                "SELECT {COLUMNS} FROM scim_clients WHERE ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2"
            );
            let mut lease = self.lease().await?;
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(after).bind(i64::from(limit));
            let answer = query.fetch_all(&mut *lease).await;
            Ok(lease.settle(answer)?.iter().map(client).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Makes a client.
    pub async fn make_scim_client(
        &self,
        new: &NewScimClient,
        actor: &Actor,
    ) -> Result<ScimClient, StoreError> {
        self.bounded("making a SCIM client", async {
            let mut tx = self.begin().await?;
            for held in new.roles.iter().chain(&new.default_roles) {
                known(&mut tx, &held.role).await?;
            }
            let id = Uuid::now_v7();
            sqlx::query(
                "INSERT INTO scim_clients (id, name, hash, prefix, roles, default_roles, adopt, expires_at, created_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )
            .bind(id)
            .bind(&new.name)
            .bind(&new.hash[..])
            .bind(&new.prefix)
            .bind(Json(&new.roles))
            .bind(Json(&new.default_roles))
            .bind(new.adopt)
            .bind(new.expires_at)
            // an id, not a name: it outlives an erasure
            .bind(actor.id.as_ref().unwrap_or(&actor.name))
            .execute(&mut *tx)
            .await?;
            finish(tx, "scim_client.create", id, None, actor).await
        })
        .await
    }

    /// Changes a client that is at `version` (None: whatever it is at).
    pub async fn change_scim_client(
        &self,
        id: Uuid,
        version: Option<i64>,
        change: &ScimClientChange,
        actor: &Actor,
    ) -> Result<ScimClient, StoreError> {
        self.bounded("changing a SCIM client", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            for held in change.roles.as_deref().unwrap_or_default() {
                known(&mut tx, &held.role).await?;
            }
            for held in change.default_roles.as_deref().unwrap_or_default() {
                known(&mut tx, &held.role).await?;
            }
            sqlx::query(
                "UPDATE scim_clients SET name = COALESCE($2, name), roles = COALESCE($3, roles),
                     default_roles = COALESCE($4, default_roles), adopt = COALESCE($5, adopt),
                     active = COALESCE($6, active), expires_at = CASE WHEN $7 THEN $8 ELSE expires_at END
                 WHERE id = $1",
            )
            .bind(id)
            .bind(&change.name)
            .bind(change.roles.as_ref().map(Json))
            .bind(change.default_roles.as_ref().map(Json))
            .bind(change.adopt)
            .bind(change.active)
            .bind(change.expires_at.is_some())
            .bind(change.expires_at.flatten())
            .execute(&mut *tx)
            .await?;
            finish(tx, "scim_client.update", id, Some(&before), actor).await
        })
        .await
    }

    /// A new token (SHA-256 and first characters of it); the old one stays good for the time of grace.
    pub async fn rotate_scim_client(
        &self,
        id: Uuid,
        version: Option<i64>,
        token: (&[u8; 32], &str),
        grace: Duration,
        actor: &Actor,
    ) -> Result<ScimClient, StoreError> {
        self.bounded("rotating a SCIM token", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            sqlx::query(
                "UPDATE scim_clients SET old_hash = hash, old_until = now() + $4 * interval '1 second', hash = $2,
                     prefix = $3 WHERE id = $1",
            )
            .bind(id)
            .bind(&token.0[..])
            .bind(token.1)
            .bind(grace.as_secs_f64())
            .execute(&mut *tx)
            .await?;
            finish(tx, "scim_client.rotate", id, Some(&before), actor).await
        })
        .await
    }

    /// Deletes a client. Its users and teams stay as they are.
    pub async fn delete_scim_client(
        &self,
        id: Uuid,
        version: Option<i64>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.bounded("deleting a SCIM client", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            sqlx::query("DELETE FROM scim_clients WHERE id = $1").bind(id).execute(&mut *tx).await?;
            let event = Event::done("scim_client.delete").on("scim_client", id, &before.name);
            tx.note(actor, &event.changed(Some(before.shown()), None)).await?;
            tx.commit().await
        })
        .await
    }
}
