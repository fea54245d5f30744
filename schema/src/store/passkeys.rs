//! Passkeys: WebAuthn credentials of people. What a credential says is for the admin service to read.

use super::Store;
use super::factor::{CodeHash, held, put_codes, settle};
use super::people::{Person, by_id};
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// Passkeys that one user may have.
const MOST: i64 = 20;

/// A passkey.
#[derive(Clone, Debug, PartialEq)]
pub struct PasskeyRow {
    /// Primary key.
    pub id: Uuid,
    /// Whose.
    pub user: Uuid,
    /// What the authenticator calls it.
    pub credential_id: Vec<u8>,
    /// What its user calls it.
    pub name: String,
    /// Public key and properties.
    pub credential: Value,
    /// Registered at.
    pub created_at: OffsetDateTime,
    /// Signed in with last at.
    pub last_used_at: Option<OffsetDateTime>,
}

/// What became of the use of a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasskeyUse {
    /// It is noted.
    Done,
    /// The challenge has been answered before.
    Replayed,
    /// Its counter is not above the last one: there are two of it.
    Copied,
}

const COLUMNS: &str = "id, user_id, credential_id, name, credential, created_at, last_used_at";

fn passkey(row: &PgRow) -> Result<PasskeyRow, sqlx::Error> {
    Ok(PasskeyRow {
        id: row.try_get("id")?,
        user: row.try_get("user_id")?,
        credential_id: row.try_get("credential_id")?,
        name: row.try_get("name")?,
        credential: row.try_get::<Json<_>, _>("credential")?.0,
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
    })
}

fn missing(id: Uuid) -> StoreError {
    StoreError::NotFound { what: "passkey", name: id.to_string() }
}

impl Store {
    /// A user's passkeys, oldest first.
    pub async fn passkeys(&self, user: Uuid) -> Result<Vec<PasskeyRow>, StoreError> {
        self.bounded("listing passkeys", async {
            let sql = format!("SELECT {COLUMNS} FROM passkeys WHERE user_id = $1 ORDER BY created_at, id");
            let mut lease = self.lease().await?;
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(user);
            let answer = query.fetch_all(&mut *lease).await;
            Ok(lease.settle(answer)?.iter().map(passkey).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The passkey that the authenticator names, and its user: who may be inactive.
    pub async fn passkey_of(
        &self,
        user: Uuid,
        credential_id: &[u8],
    ) -> Result<Option<(PasskeyRow, Person)>, StoreError> {
        self.bounded("looking a passkey up", async {
            let sql = format!("SELECT {COLUMNS} FROM passkeys WHERE credential_id = $1 AND user_id = $2");
            let mut lease = self.lease().await?;
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(credential_id).bind(user);
            let row = match query.fetch_optional(&mut *lease).await {
                Ok(Some(row)) => row,
                other => return lease.settle(other).map(|_| None),
            };
            let found = passkey(&row)?;
            let answer = by_id(&mut lease, user).await;
            Ok(lease.settle(answer)?.map(|person| (found, person)))
        })
        .await
    }

    /// Keeps a registration that has begun, in the place of an earlier one.
    pub async fn begin_passkey(
        &self,
        user: Uuid,
        session: Uuid,
        state: &Value,
        life: Duration,
    ) -> Result<(), StoreError> {
        self.bounded("registering a passkey", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "INSERT INTO passkey_registrations (user_id, session_id, state, expires_at)
                 VALUES ($1, $2, $3, now() + $4 * interval '1 second')
                 ON CONFLICT (user_id) DO UPDATE SET session_id = $2, state = $3, expires_at = EXCLUDED.expires_at",
            )
            .bind(user)
            .bind(session)
            .bind(Json(state))
            .bind(life.as_secs_f64())
            .execute(&mut *lease)
            .await;
            lease.settle(answer).map(drop)
        })
        .await
    }

    /// Takes the registration that this session began, if there is still time.
    pub async fn take_registration(&self, user: Uuid, session: Uuid) -> Result<Option<Value>, StoreError> {
        self.bounded("registering a passkey", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "DELETE FROM passkey_registrations WHERE user_id = $1 AND session_id = $2 AND expires_at > now()
                 RETURNING state",
            )
            .bind(user)
            .bind(session)
            .fetch_optional(&mut *lease)
            .await;
            Ok(lease.settle(answer)?.map(|row| row.try_get::<Json<_>, _>("state")).transpose()?.map(|j| j.0))
        })
        .await
    }

    /// Adds a passkey. The first factor of an account brings these recovery codes and ends all sessions (those that a
    /// password alone began must not outlive it): then the user as he is now comes back.
    pub async fn add_passkey(
        &self,
        new: &PasskeyRow,
        codes: &[CodeHash],
        actor: &Actor,
    ) -> Result<Option<Person>, StoreError> {
        self.bounded("registering a passkey", async {
            let mut tx = self.begin().await?;
            let person = held(&mut tx, new.user).await?;
            let row = sqlx::query("SELECT count(*) FROM passkeys WHERE user_id = $1");
            let count: i64 = row.bind(new.user).fetch_one(&mut *tx).await?.try_get(0)?;
            if count >= MOST {
                return Err(StoreError::Conflict { what: "passkey", why: "there are 20 already" });
            }
            sqlx::query(
                "INSERT INTO passkeys (id, user_id, credential_id, name, credential, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(new.id)
            .bind(new.user)
            .bind(&new.credential_id)
            .bind(&new.name)
            .bind(Json(&new.credential))
            .bind(new.created_at)
            .execute(&mut *tx)
            .await?;
            // the user's record says whether there is one
            let sql = "UPDATE users SET epoch = epoch + $2 WHERE id = $1";
            let first = !person.has_factor();
            sqlx::query(sql).bind(new.user).bind(i64::from(first)).execute(&mut *tx).await?;
            if first {
                put_codes(&mut tx, new.user, codes).await?;
            }
            let after = held(&mut tx, new.user).await?;
            let event = Event::done("user.passkey_add").on("user", new.user, person.email);
            tx.note(actor, &event.changed(None, Some(json!({"passkey": new.id, "name": new.name})))).await?;
            tx.commit().await?;
            Ok(first.then_some(after))
        })
        .await
    }

    /// Gives a passkey another name.
    pub async fn rename_passkey(
        &self,
        user: Uuid,
        id: Uuid,
        name: &str,
        actor: &Actor,
    ) -> Result<PasskeyRow, StoreError> {
        self.bounded("renaming a passkey", async {
            let mut tx = self.begin().await?;
            let person = held(&mut tx, user).await?;
            let sql = format!(
                "UPDATE passkeys SET name = $3 FROM (SELECT name AS was FROM passkeys WHERE id = $2) old
                 WHERE id = $2 AND user_id = $1 RETURNING {COLUMNS}, was"
            );
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(user).bind(id).bind(name);
            let row = query.fetch_optional(&mut *tx).await?.ok_or_else(|| missing(id))?;
            let (before, after) = (row.try_get::<String, _>("was")?, passkey(&row)?);
            let event = Event::done("user.passkey_rename").on("user", user, person.email);
            let (was, is) = (json!({"passkey": id, "name": before}), json!({"passkey": id, "name": name}));
            tx.note(actor, &event.changed(Some(was), Some(is))).await?;
            tx.commit().await?;
            Ok(after)
        })
        .await
    }

    /// Removes a passkey. `bare`: also if nothing else is left than the password.
    pub async fn remove_passkey(
        &self,
        user: Uuid,
        id: Uuid,
        bare: bool,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.bounded("removing a passkey", async {
            let mut tx = self.begin().await?;
            let person = held(&mut tx, user).await?;
            let sql = "DELETE FROM passkeys WHERE id = $2 AND user_id = $1 RETURNING name";
            let row = sqlx::query(sql).bind(user).bind(id).fetch_optional(&mut *tx).await?;
            let name: String = row.ok_or_else(|| missing(id))?.try_get("name")?;
            sqlx::query("UPDATE users SET epoch = epoch WHERE id = $1").bind(user).execute(&mut *tx).await?;
            settle(&mut tx, user, bare).await?;
            let event = Event::done("user.passkey_remove").on("user", user, person.email);
            tx.note(actor, &event.changed(Some(json!({"passkey": id, "name": name})), None)).await?;
            tx.commit().await
        })
        .await
    }

    /// Notes that a passkey answered a challenge (SHA-256; good for `life` at most): once, and with a counter above the
    /// last one, on whichever instances it is tried at the same time.
    pub async fn use_passkey(
        &self,
        used: &PasskeyRow,
        counter: u32,
        challenge: &[u8; 32],
        life: Duration,
    ) -> Result<PasskeyUse, StoreError> {
        self.bounded("signing in", async {
            let mut tx = self.begin().await?;
            let new = sqlx::query(
                "INSERT INTO passkey_challenges_used (challenge, expires_at)
                 VALUES ($1, now() + $2 * interval '1 second') ON CONFLICT DO NOTHING",
            )
            .bind(&challenge[..])
            .bind(life.as_secs_f64())
            .execute(&mut *tx)
            .await?;
            if new.rows_affected() == 0 {
                tx.commit().await?;
                return Ok(PasskeyUse::Replayed);
            }
            let done = sqlx::query(
                "UPDATE passkeys SET credential = $2, counter = $3, last_used_at = now()
                 WHERE id = $1 AND (counter < $3 OR (counter = 0 AND $3 = 0))",
            )
            .bind(used.id)
            .bind(Json(&used.credential))
            .bind(i64::from(counter))
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(if done.rows_affected() == 1 { PasskeyUse::Done } else { PasskeyUse::Copied })
        })
        .await
    }
}
