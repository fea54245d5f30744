//! The erasure of a person: the row stays as a nameless one (until the purge), so that what refers to its id still does.

use super::Store;
use super::people::{self, Person, SUPER_ADMINS};
use super::trail::COLUMNS;
use crate::audit::{Actor, Event, erase};
use crate::error::StoreError;
use serde_json::json;
use sqlx::Row;
use uuid::Uuid;

/// What was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Keys that the person had; all are revoked and archived.
    pub keys: u64,
    /// Responses that were kept for the person.
    pub responses: u64,
    /// Rows of the audit trail that named the person.
    pub audit_rows: u64,
}

/// Name of an erased user: the id alone.
fn pseudonym(id: Uuid) -> String {
    format!("erased-{id}")
}

impl Store {
    /// Whether the user has been erased.
    pub async fn is_erased(&self, id: Uuid) -> Result<bool, StoreError> {
        self.bounded("reading a user", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query("SELECT erased_at IS NOT NULL FROM users WHERE id = $1")
                .bind(id)
                .fetch_optional(&mut *lease)
                .await;
            Ok(lease.settle(answer)?.map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
        })
        .await
    }

    /// Erases the person (who is at `version`), deleted or not. What stays: the id in the call log, in the audit trail and
    /// on the revoked keys, whose own names and notes go. The call log's addresses follow by way of
    /// [`forget_calls`](Self::forget_calls).
    pub async fn erase_person(&self, id: Uuid, version: i64, actor: &Actor) -> Result<Erased, StoreError> {
        self.bounded("erasing a person", async {
            let mut tx = self.begin().await?;
            people::lock(&mut tx, SUPER_ADMINS).await?;
            sqlx::query("SELECT 1 FROM users WHERE id = $1 FOR UPDATE").bind(id).execute(&mut *tx).await?;
            let before = people::by_id(&mut tx, id).await?.ok_or_else(|| people::missing(id))?;
            if before.version != version {
                return Err(StoreError::Conflict { what: "user", why: "it has been changed meanwhile" });
            }
            let name = pseudonym(id);
            // in two steps: a change of the last sign-in alone counts as none
            sqlx::query("UPDATE users SET last_login_at = NULL, totp_step = 0 WHERE id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "UPDATE users SET email = $2, name = 'erased', external_id = NULL, password_hash = NULL,
                     password_set_at = NULL, password_temporary_until = NULL, totp_secret = NULL, totp_pending = NULL,
                     active = false, deleted_at = COALESCE(deleted_at, now()), erased_at = now(), epoch = epoch + 1
                 WHERE id = $1",
            )
            .bind(id)
            .bind(&name)
            .execute(&mut *tx)
            .await?;
            let keys = sqlx::query(
                "UPDATE virtual_keys SET revoked_at = COALESCE(revoked_at, now()),
                     archived_at = COALESCE(archived_at, now()), name = 'erased', metadata = '{}', tags = '{}',
                     networks = '{}' WHERE user_id = $1",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            let responses =
                sqlx::query("DELETE FROM responses WHERE user_id = $1").bind(id).execute(&mut *tx).await?;
            dependants(&mut tx, id).await?;
            made_by(&mut tx, &before, &name).await?;
            if people::super_admins(&mut tx).await? == 0 && was_super(&before) {
                let why = "it is the last super admin who can sign in";
                return Err(StoreError::Conflict { what: "user", why });
            }
            let told = erase(&mut tx, id, &before.email, &name, COLUMNS).await?;
            let rows = told["rows"].as_u64().unwrap_or(0);
            let after = json!({"keys": keys, "responses": responses.rows_affected(), "audit": told});
            let event = Event::done("user.erase").on("user", id, &name).changed(None, Some(after));
            tx.note(actor, &event).await?;
            tx.commit().await?;
            Ok(Erased { keys, responses: responses.rows_affected(), audit_rows: rows })
        })
        .await
    }

    /// Takes addresses and agents of erased people out of the call log, so many calls at most. How many were; 0: nothing is
    /// left to do. Idempotent; for the chores.
    pub async fn forget_calls(&self, limit: i64) -> Result<u64, StoreError> {
        self.bounded("forgetting addresses of calls", async {
            let mut lease = self.lease().await?;
            let answer = async {
                let pending = sqlx::query(
                    "SELECT id FROM users WHERE erased_at IS NOT NULL AND erased_calls_at IS NULL ORDER BY id LIMIT 100",
                )
                .fetch_all(&mut *lease)
                .await?;
                if pending.is_empty() {
                    return Ok(0);
                }
                let pending = pending.iter().map(|r| r.try_get(0)).collect::<Result<Vec<Uuid>, _>>()?;
                let done = sqlx::query(
                    "UPDATE call_log c SET client_ip = NULL, user_agent = NULL, key_tags = NULL, key_metadata = NULL
                     FROM (SELECT l.id, l.started_at FROM call_log l
                           WHERE l.user_id = ANY($2) AND (l.client_ip IS NOT NULL OR l.user_agent IS NOT NULL
                               OR l.key_tags IS NOT NULL OR l.key_metadata IS NOT NULL) LIMIT $1) old
                     WHERE c.id = old.id AND c.started_at = old.started_at",
                )
                .bind(limit)
                .bind(&pending)
                .execute(&mut *lease)
                .await?
                .rows_affected();
                if done == 0 {
                    // calls that were under way, or on a disk, may still come: a day is time enough
                    sqlx::query(
                        "UPDATE users SET erased_calls_at = now() WHERE id = ANY($1)
                             AND erased_at < now() - interval '1 day'",
                    )
                    .bind(&pending)
                    .execute(&mut *lease)
                    .await?;
                }
                Ok(done)
            }
            .await;
            lease.settle(answer)
        })
        .await
    }
}

fn was_super(person: &Person) -> bool {
    person.active
        && person.deleted_at.is_none()
        && person.roles.iter().any(|h| h.role == "super_admin" && h.team.is_none())
}

/// Rows that belong to the user and go with it (sessions, factors, memberships, roles, documents of directories), in
/// whatever tables: those whose reference cascades. Keys stay, revoked.
async fn dependants(tx: &mut super::tx::Tx, id: Uuid) -> Result<(), StoreError> {
    let tables = sqlx::query(
        "SELECT format('DELETE FROM %s WHERE %I = $1', c.conrelid::regclass, a.attname) AS sql
         FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
         WHERE c.contype = 'f' AND c.confrelid = 'users'::regclass AND c.confdeltype = 'c'
             AND cardinality(c.conkey) = 1 AND c.conrelid <> 'virtual_keys'::regclass ORDER BY 1",
    )
    .fetch_all(&mut **tx)
    .await?;
    for table in tables {
        let sql: String = table.try_get("sql")?;
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Where rows say by whom they were made, they say so by name.
async fn made_by(tx: &mut super::tx::Tx, person: &Person, pseudonym: &str) -> Result<(), StoreError> {
    for sql in [
        "UPDATE virtual_keys SET created_by = $2 WHERE created_by = $1",
        "UPDATE role_assignments SET created_by = $2 WHERE created_by = $1",
        "UPDATE role_history SET author = $2 WHERE author = $1",
    ] {
        sqlx::query(sql).bind(&person.email).bind(pseudonym).execute(&mut **tx).await?;
    }
    Ok(())
}
