//! Virtual keys as the admin API manages them: each change with its line in the audit trail.

mod chores;
mod rotation;

pub use rotation::{FreshSecret, Rotation};

use super::Store;
use super::tx::Tx;
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use serde_json::json;
use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::types::Json;
use sqlx::{QueryBuilder, Row};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// A key with all that is known of it, but the secret.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyDetail {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// What a person calls it.
    pub name: String,
    /// First characters of the secret.
    pub prefix: String,
    /// Owner, if a person.
    pub user: Option<Uuid>,
    /// Owner, if a service account.
    pub account: Option<Uuid>,
    /// The team that it is for.
    pub team: Option<Uuid>,
    /// Surfaces that it may use.
    pub surfaces: Vec<String>,
    /// Models that it may use.
    pub models: Vec<String>,
    /// MCP tools that it may call.
    pub tools: Vec<String>,
    /// Client addresses that may use it; None: any.
    pub networks: Option<Vec<String>>,
    /// For finding and for reports.
    pub tags: Vec<String>,
    /// Anything else that people want to note.
    pub metadata: BTreeMap<String, String>,
    /// Changes so far.
    pub version: i64,
    /// Made at.
    pub created_at: OffsetDateTime,
    /// Made by.
    pub created_by: Option<String>,
    /// Changed at.
    pub updated_at: OffsetDateTime,
    /// Refused from then on.
    pub expires_at: Option<OffsetDateTime>,
    /// Refused for good since.
    pub revoked_at: Option<OffsetDateTime>,
    /// Refused until enabled, since.
    pub disabled_at: Option<OffsetDateTime>,
    /// Out of the lists since.
    pub archived_at: Option<OffsetDateTime>,
    /// Used last at (with a minute's precision).
    pub last_used_at: Option<OffsetDateTime>,
    /// The first of the keys that replaced one another.
    pub lineage: Uuid,
    /// The key that took over.
    pub replaced_by: Option<Uuid>,
    /// Seconds without use after which it is disabled.
    pub idle_timeout: Option<i64>,
    /// When it is replaced by itself.
    pub rotation: Option<Rotation>,
    /// Its secret waits to be fetched.
    pub secret_waits: bool,
}

impl KeyDetail {
    /// The person or service account that owns it.
    pub fn owner(&self) -> Option<Uuid> {
        self.user.or(self.account)
    }

    /// As the audit trail shows it.
    pub fn shown(&self) -> serde_json::Value {
        json!({
            "name": self.name, "prefix": self.prefix, "user": self.user, "service_account": self.account,
            "team": self.team, "surfaces": self.surfaces, "models": self.models, "tools": self.tools,
            "networks": self.networks, "tags": self.tags, "metadata": self.metadata,
            "expires_at": self.expires_at.map(OffsetDateTime::unix_timestamp),
            "idle_timeout": self.idle_timeout, "rotation": self.rotation, "revoked": self.revoked_at.is_some(),
            "disabled": self.disabled_at.is_some(), "archived": self.archived_at.is_some(),
            "replaced_by": self.replaced_by,
        })
    }
}

/// A new key.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// First characters of the secret.
    pub prefix: String,
    /// See [`KeyDetail`].
    pub name: String,
    /// See [`KeyDetail`].
    pub user: Option<Uuid>,
    /// See [`KeyDetail`].
    pub account: Option<Uuid>,
    /// See [`KeyDetail`].
    pub team: Option<Uuid>,
    /// See [`KeyDetail`].
    pub surfaces: Vec<String>,
    /// See [`KeyDetail`].
    pub models: Vec<String>,
    /// See [`KeyDetail`].
    pub tools: Vec<String>,
    /// See [`KeyDetail`].
    pub networks: Option<Vec<String>>,
    /// See [`KeyDetail`].
    pub tags: Vec<String>,
    /// See [`KeyDetail`].
    pub metadata: BTreeMap<String, String>,
    /// See [`KeyDetail`].
    pub expires_at: Option<OffsetDateTime>,
    /// See [`KeyDetail`].
    pub idle_timeout: Option<i64>,
    /// See [`KeyDetail`].
    pub rotation: Option<Rotation>,
}

/// What changes of a key. The outer None: stays; the inner: is taken away.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    /// See [`KeyDetail`].
    pub name: Option<String>,
    /// See [`KeyDetail`].
    pub surfaces: Option<Vec<String>>,
    /// See [`KeyDetail`].
    pub models: Option<Vec<String>>,
    /// See [`KeyDetail`].
    pub tools: Option<Vec<String>>,
    /// See [`KeyDetail`].
    pub networks: Option<Option<Vec<String>>>,
    /// See [`KeyDetail`].
    pub tags: Option<Vec<String>>,
    /// See [`KeyDetail`].
    pub metadata: Option<BTreeMap<String, String>>,
    /// See [`KeyDetail`].
    pub expires_at: Option<Option<OffsetDateTime>>,
    /// See [`KeyDetail`].
    pub idle_timeout: Option<Option<i64>>,
    /// See [`KeyDetail`].
    pub rotation: Option<Option<Rotation>>,
}

/// A step in a key's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// Refused until enabled.
    Disable,
    /// Good again.
    Enable,
    /// Refused for good.
    Revoke,
    /// Refused for good, and out of the lists.
    Archive,
}

/// Keys that must match all.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Part of name or prefix, or a tag.
    pub text: Option<String>,
    /// Of this user.
    pub user: Option<Uuid>,
    /// Of this service account.
    pub account: Option<Uuid>,
    /// Of this team.
    pub team: Option<Uuid>,
    /// Of this lineage.
    pub lineage: Option<Uuid>,
    /// Good now, or not.
    pub good: Option<bool>,
    /// Archived ones too.
    pub archived: bool,
    /// In one of these teams, or of this user; None: all.
    pub visible: Option<(Vec<Uuid>, Option<Uuid>)>,
    /// After this id.
    pub after: Option<Uuid>,
    /// The newest first; `after` is then before that id.
    pub newest_first: bool,
    /// At most so many.
    pub limit: u32,
}

const SELECT: &str = "
SELECT id, name, prefix, user_id, service_account_id, team_id, surfaces, models, tools, networks, tags, metadata,
    version,
    created_at, created_by, updated_at, expires_at, revoked_at, disabled_at, archived_at, last_used_at,
    COALESCE(lineage, id) AS lineage, replaced_by, idle_timeout,
    rotate_every, rotate_grace, waiting_secret IS NOT NULL AS secret_waits
FROM virtual_keys WHERE ";

fn detail(row: &PgRow) -> Result<KeyDetail, sqlx::Error> {
    Ok(KeyDetail {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        prefix: row.try_get("prefix")?,
        user: row.try_get("user_id")?,
        account: row.try_get("service_account_id")?,
        team: row.try_get("team_id")?,
        surfaces: row.try_get("surfaces")?,
        models: row.try_get("models")?,
        tools: row.try_get("tools")?,
        networks: row.try_get("networks")?,
        tags: row.try_get("tags")?,
        metadata: row.try_get::<Json<_>, _>("metadata")?.0,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        created_by: row.try_get("created_by")?,
        updated_at: row.try_get("updated_at")?,
        expires_at: row.try_get("expires_at")?,
        revoked_at: row.try_get("revoked_at")?,
        disabled_at: row.try_get("disabled_at")?,
        archived_at: row.try_get("archived_at")?,
        last_used_at: row.try_get("last_used_at")?,
        lineage: row.try_get("lineage")?,
        replaced_by: row.try_get("replaced_by")?,
        idle_timeout: row.try_get("idle_timeout")?,
        rotation: match (row.try_get("rotate_every")?, row.try_get("rotate_grace")?) {
            (Some(every), Some(grace)) => Some(Rotation { every, grace }),
            _ => None,
        },
        secret_waits: row.try_get("secret_waits")?,
    })
}

async fn by_id(conn: &mut PgConnection, id: Uuid) -> Result<Option<KeyDetail>, sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} id = $1"));
    sqlx::query(sql).bind(id).fetch_optional(conn).await?.as_ref().map(detail).transpose()
}

fn missing(id: Uuid) -> StoreError {
    StoreError::NotFound { what: "key", name: id.to_string() }
}

const CHANGED: StoreError = StoreError::Conflict { what: "key", why: "it has been changed meanwhile" };

impl Store {
    /// The key.
    pub async fn key(&self, id: Uuid) -> Result<Option<KeyDetail>, StoreError> {
        self.bounded("reading a key", async {
            let mut lease = self.lease().await?;
            let answer = by_id(&mut lease, id).await;
            lease.settle(answer)
        })
        .await
    }

    /// Keys by id.
    pub async fn keys(&self, filter: &KeyFilter) -> Result<Vec<KeyDetail>, StoreError> {
        self.bounded("listing keys", async {
            let mut query = QueryBuilder::<Postgres>::new(SELECT);
            query.push("true");
            if let Some(text) = &filter.text {
                query.push(" AND (strpos(lower(name), lower(").push_bind(text);
                query.push(")) > 0 OR starts_with(prefix, ").push_bind(text);
                query.push(") OR ").push_bind(text).push(" = ANY(tags))");
            }
            let owners = [
                (" AND user_id = ", filter.user),
                (" AND service_account_id = ", filter.account),
                (" AND team_id = ", filter.team),
                (" AND COALESCE(lineage, id) = ", filter.lineage),
                (if filter.newest_first { " AND id < " } else { " AND id > " }, filter.after),
            ];
            for (clause, id) in owners {
                if let Some(id) = id {
                    query.push(clause).push_bind(id);
                }
            }
            if let Some(good) = filter.good {
                query.push(if good { " AND " } else { " AND NOT " });
                query.push("(revoked_at IS NULL AND disabled_at IS NULL AND archived_at IS NULL");
                query.push(" AND (expires_at IS NULL OR expires_at > now()))");
            }
            if !filter.archived {
                query.push(" AND archived_at IS NULL");
            }
            if let Some((teams, own)) = &filter.visible {
                query.push(" AND (user_id = ").push_bind(own).push(" OR team_id = ANY(").push_bind(teams);
                query
                    .push(") OR service_account_id IN (SELECT id FROM service_accounts WHERE team_id = ANY(");
                query.push_bind(teams).push(")))");
            }
            query.push(if filter.newest_first { " ORDER BY id DESC" } else { " ORDER BY id" });
            query.push(" LIMIT ").push_bind(i64::from(filter.limit));
            let mut lease = self.lease().await?;
            let answer = query.build().fetch_all(&mut *lease).await;
            Ok(lease.settle(answer)?.iter().map(detail).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The team that answers for a service account, if there is the account (the inner None: no team).
    pub async fn account_team(&self, id: Uuid) -> Result<Option<Option<Uuid>>, StoreError> {
        self.bounded("looking a service account up", async {
            let mut lease = self.lease().await?;
            let answer =
                sqlx::query("SELECT team_id FROM service_accounts WHERE id = $1 AND deleted_at IS NULL")
                    .bind(id)
                    .fetch_optional(&mut *lease)
                    .await;
            Ok(lease.settle(answer)?.map(|row| row.try_get(0)).transpose()?)
        })
        .await
    }

    /// Makes a key.
    pub async fn make_key(&self, new: &NewKey, actor: &Actor) -> Result<KeyDetail, StoreError> {
        self.bounded("making a key", async {
            let mut tx = self.begin().await?;
            let id = Uuid::now_v7();
            insert(&mut tx, id, None, new, actor).await?;
            let made = by_id(&mut tx, id).await?.ok_or_else(|| missing(id))?;
            let event = Event::done("key.create").on("key", id, &made.name).changed(None, Some(made.shown()));
            tx.note(actor, &event).await?;
            tx.commit().await?;
            Ok(made)
        })
        .await
    }

    /// Changes a key that is at `version` (None: whatever it is at).
    pub async fn change_key(
        &self,
        id: Uuid,
        version: Option<i64>,
        change: &KeyChange,
        actor: &Actor,
    ) -> Result<KeyDetail, StoreError> {
        self.bounded("changing a key", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            let c = change.clone();
            let rotation = c.rotation.unwrap_or(before.rotation);
            sqlx::query(
                "UPDATE virtual_keys SET name = $2, surfaces = $3, models = $4, networks = $5, tags = $6, metadata = $7,
                     expires_at = $8, idle_timeout = $9, rotate_every = $10, rotate_grace = $11, tools = $12,
                     warned_days = CASE WHEN expires_at IS DISTINCT FROM $8 THEN NULL ELSE warned_days END
                 WHERE id = $1",
            )
            .bind(id)
            .bind(c.name.unwrap_or_else(|| before.name.clone()))
            .bind(c.surfaces.unwrap_or_else(|| before.surfaces.clone()))
            .bind(c.models.unwrap_or_else(|| before.models.clone()))
            .bind(c.networks.unwrap_or_else(|| before.networks.clone()))
            .bind(c.tags.unwrap_or_else(|| before.tags.clone()))
            .bind(Json(c.metadata.unwrap_or_else(|| before.metadata.clone())))
            .bind(c.expires_at.unwrap_or(before.expires_at))
            .bind(c.idle_timeout.unwrap_or(before.idle_timeout))
            .bind(rotation.map(|r| r.every))
            .bind(rotation.map(|r| r.grace))
            .bind(c.tools.unwrap_or_else(|| before.tools.clone()))
            .execute(&mut *tx)
            .await?;
            finish(tx, "key.update", before, actor).await
        })
        .await
    }

    /// Takes a step. One that has been taken already changes nothing.
    pub async fn step_key(
        &self,
        id: Uuid,
        version: Option<i64>,
        step: KeyStep,
        actor: &Actor,
    ) -> Result<KeyDetail, StoreError> {
        self.bounded("changing a key", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            let (set, taken, action) = match step {
                KeyStep::Disable => ("disabled_at = now()", before.disabled_at.is_some(), "key.disable"),
                KeyStep::Enable => ("disabled_at = NULL", before.disabled_at.is_none(), "key.enable"),
                KeyStep::Revoke => ("revoked_at = now()", before.revoked_at.is_some(), "key.revoke"),
                KeyStep::Archive => (
                    "archived_at = now(), revoked_at = COALESCE(revoked_at, now())",
                    before.archived_at.is_some(),
                    "key.archive",
                ),
            };
            if taken {
                tx.commit().await?;
                return Ok(before);
            }
            let sql = sqlx::AssertSqlSafe(format!("UPDATE virtual_keys SET {set} WHERE id = $1"));
            sqlx::query(sql).bind(id).execute(&mut *tx).await?;
            finish(tx, action, before, actor).await
        })
        .await
    }
}

async fn insert(
    tx: &mut Tx,
    id: Uuid,
    lineage: Option<Uuid>,
    new: &NewKey,
    actor: &Actor,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO virtual_keys (id, name, hash, prefix, user_id, service_account_id, team_id, surfaces, models,
                                   networks, tags, metadata, expires_at, idle_timeout, lineage, created_by,
                                   rotate_every, rotate_grace, tools)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
    )
    .bind(id)
    .bind(&new.name)
    .bind(&new.hash[..])
    .bind(&new.prefix)
    .bind(new.user)
    .bind(new.account)
    .bind(new.team)
    .bind(&new.surfaces)
    .bind(&new.models)
    .bind(&new.networks)
    .bind(&new.tags)
    .bind(Json(&new.metadata))
    .bind(new.expires_at)
    .bind(new.idle_timeout)
    .bind(lineage)
    .bind(&actor.name)
    .bind(new.rotation.map(|r| r.every))
    .bind(new.rotation.map(|r| r.grace))
    .bind(&new.tools)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The row, locked until the end of the transaction.
async fn locked(tx: &mut Tx, id: Uuid, version: Option<i64>) -> Result<KeyDetail, StoreError> {
    sqlx::query("SELECT 1 FROM virtual_keys WHERE id = $1 FOR UPDATE").bind(id).execute(&mut **tx).await?;
    let key = by_id(tx, id).await?.ok_or_else(|| missing(id))?;
    if version.is_some_and(|v| v != key.version) { Err(CHANGED) } else { Ok(key) }
}

async fn finish(
    mut tx: Tx,
    action: &'static str,
    before: KeyDetail,
    actor: &Actor,
) -> Result<KeyDetail, StoreError> {
    let after = by_id(&mut tx, before.id).await?.ok_or_else(|| missing(before.id))?;
    let event = Event::done(action)
        .on("key", after.id, &after.name)
        .changed(Some(before.shown()), Some(after.shown()));
    tx.note(actor, &event).await?;
    tx.commit().await?;
    Ok(after)
}
