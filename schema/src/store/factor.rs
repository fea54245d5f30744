//! Second factors of people: TOTP and recovery codes, and what a sign-in compares with.

use super::Store;
use super::people::{Person, by_id};
use super::tx::Tx;
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use serde_json::json;
use sqlx::Row;
use time::OffsetDateTime;
use uuid::Uuid;

/// What a sign-in compares with.
#[derive(Clone, Debug)]
pub struct PasswordRow {
    /// Whose.
    pub user: Uuid,
    /// PHC string of argon2id; None: no local password.
    pub hash: Option<String>,
    /// A temporary one: must be changed, before this instant.
    pub temporary_until: Option<OffsetDateTime>,
    /// Envelope of the TOTP secret; sealed for [`USER_TOTP`](crate::envelope::USER_TOTP).
    pub totp: Option<Vec<u8>>,
    /// Last 30 s step whose code was used.
    pub totp_step: i64,
    /// There is a passkey.
    pub passkey: bool,
}

impl PasswordRow {
    /// The password alone does not open the account.
    pub fn has_factor(&self) -> bool {
        self.totp.is_some() || self.passkey
    }
}

/// SHA-256 of a recovery code.
pub type CodeHash = [u8; 32];

impl Store {
    /// What a sign-in with this address compares with; deactivated and deleted users have nothing.
    pub async fn password_row(&self, email: &str) -> Result<Option<PasswordRow>, StoreError> {
        self.bounded("signing in", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "SELECT id, password_hash, password_temporary_until, totp_secret, totp_step,
                     EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = users.id) AS passkey FROM users
                 WHERE email = lower($1) AND active AND deleted_at IS NULL",
            )
            .bind(email)
            .fetch_optional(&mut *lease)
            .await;
            let Some(row) = lease.settle(answer)? else { return Ok(None) };
            Ok(Some(PasswordRow {
                user: row.try_get("id")?,
                hash: row.try_get("password_hash")?,
                temporary_until: row.try_get("password_temporary_until")?,
                totp: row.try_get("totp_secret")?,
                totp_step: row.try_get("totp_step")?,
                passkey: row.try_get("passkey")?,
            }))
        })
        .await
    }

    /// Takes a code's step; false: it, or a later one, was used before.
    pub async fn use_totp_step(&self, user: Uuid, step: i64) -> Result<bool, StoreError> {
        self.bounded("using a code", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "UPDATE users SET totp_step = $2 WHERE id = $1 AND totp_step < $2 AND totp_secret IS NOT NULL",
            )
            .bind(user)
            .bind(step)
            .execute(&mut *lease)
            .await;
            Ok(lease.settle(answer)?.rows_affected() == 1)
        })
        .await
    }

    /// Takes a recovery code; false: there is none such (any more).
    pub async fn use_recovery_code(
        &self,
        user: Uuid,
        hash: &CodeHash,
        email: &str,
        actor: &Actor,
    ) -> Result<bool, StoreError> {
        self.bounded("using a recovery code", async {
            let mut tx = self.begin().await?;
            let taken = sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2")
                .bind(user)
                .bind(&hash[..])
                .execute(&mut *tx)
                .await?;
            if taken.rows_affected() == 0 {
                tx.commit().await?;
                return Ok(false);
            }
            let left = left(&mut tx, user).await?;
            let event = Event::done("user.recovery_code_use").on("user", user, email);
            tx.note(actor, &event.changed(None, Some(json!({"left": left})))).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    /// How many recovery codes the user has.
    pub async fn recovery_codes_left(&self, user: Uuid) -> Result<i64, StoreError> {
        self.bounded("counting recovery codes", async {
            let mut lease = self.lease().await?;
            let answer = left(&mut lease, user).await;
            lease.settle(answer)
        })
        .await
    }

    /// Puts these in the place of all that the user has.
    pub async fn set_recovery_codes(
        &self,
        user: Uuid,
        codes: &[CodeHash],
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.bounded("making recovery codes", async {
            let mut tx = self.begin().await?;
            let person = held(&mut tx, user).await?;
            if !person.has_factor() {
                return Err(StoreError::Conflict { what: "user", why: "there is no second factor" });
            }
            put_codes(&mut tx, user, codes).await?;
            let event = Event::done("user.recovery_codes").on("user", user, person.email);
            tx.note(actor, &event.changed(None, Some(json!({"codes": codes.len()})))).await?;
            tx.commit().await
        })
        .await
    }

    /// Keeps the envelope of a TOTP secret that is yet to be confirmed.
    pub async fn begin_totp(&self, user: Uuid, pending: &[u8], actor: &Actor) -> Result<(), StoreError> {
        self.bounded("setting up a second factor", async {
            let mut tx = self.begin().await?;
            let person = held(&mut tx, user).await?;
            sqlx::query("UPDATE users SET totp_pending = $2 WHERE id = $1")
                .bind(user)
                .bind(pending)
                .execute(&mut *tx)
                .await?;
            tx.note(actor, &Event::done("user.totp_begin").on("user", user, person.email)).await?;
            tx.commit().await
        })
        .await
    }

    /// The envelope of the secret that is yet to be confirmed.
    pub async fn pending_totp(&self, user: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.bounded("setting up a second factor", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query("SELECT totp_pending FROM users WHERE id = $1 AND deleted_at IS NULL")
                .bind(user)
                .fetch_optional(&mut *lease)
                .await;
            Ok(lease.settle(answer)?.map(|row| row.try_get("totp_pending")).transpose()?.flatten())
        })
        .await
    }

    /// Turns TOTP on with the secret that was `pending`, now sealed as `secret`; the code of `step` is used up. All
    /// sessions end: those that a password alone began must not outlive this.
    pub async fn confirm_totp(
        &self,
        user: Uuid,
        (pending, secret): (&[u8], &[u8]),
        step: i64,
        codes: &[CodeHash],
        actor: &Actor,
    ) -> Result<Person, StoreError> {
        self.bounded("setting up a second factor", async {
            let mut tx = self.begin().await?;
            held(&mut tx, user).await?;
            // the trigger counts no change of a step
            let done = sqlx::query(
                "UPDATE users SET totp_secret = $3, totp_pending = NULL, totp_step = $4, epoch = epoch + 1,
                     version = version + 1, updated_at = now()
                 WHERE id = $1 AND totp_pending = $2",
            )
            .bind(user)
            .bind(pending)
            .bind(secret)
            .bind(step)
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Conflict { what: "second factor", why: "begin anew" });
            }
            put_codes(&mut tx, user, codes).await?;
            let after = held(&mut tx, user).await?;
            tx.note(actor, &Event::done("user.totp_on").on("user", user, &after.email)).await?;
            tx.commit().await?;
            Ok(after)
        })
        .await
    }

    /// Turns TOTP off. `bare`: also if nothing else is left than the password.
    pub async fn remove_totp(&self, user: Uuid, bare: bool, actor: &Actor) -> Result<(), StoreError> {
        self.bounded("removing a second factor", async {
            let mut tx = self.begin().await?;
            let person = held(&mut tx, user).await?;
            if !person.has_totp {
                return Err(StoreError::NotFound { what: "second factor", name: "totp".to_owned() });
            }
            sqlx::query("UPDATE users SET totp_secret = NULL, totp_pending = NULL WHERE id = $1")
                .bind(user)
                .execute(&mut *tx)
                .await?;
            settle(&mut tx, user, bare).await?;
            tx.note(actor, &Event::done("user.totp_off").on("user", user, person.email)).await?;
            tx.commit().await
        })
        .await
    }

    /// Takes all second factors of somebody away; his sessions end. False: there was none.
    pub async fn remove_factors(&self, user: Uuid, actor: &Actor) -> Result<bool, StoreError> {
        self.bounded("removing second factors", async {
            let mut tx = self.begin().await?;
            let person = held(&mut tx, user).await?;
            let passkeys =
                sqlx::query("DELETE FROM passkeys WHERE user_id = $1").bind(user).execute(&mut *tx).await?;
            sqlx::query("DELETE FROM passkey_registrations WHERE user_id = $1")
                .bind(user)
                .execute(&mut *tx)
                .await?;
            let users = sqlx::query(
                "UPDATE users SET totp_secret = NULL, totp_pending = NULL, epoch = epoch + 1
                 WHERE id = $1 AND ($2 OR totp_secret IS NOT NULL OR totp_pending IS NOT NULL)",
            )
            .bind(user)
            .bind(passkeys.rows_affected() > 0)
            .execute(&mut *tx)
            .await?;
            put_codes(&mut tx, user, &[]).await?;
            let any = users.rows_affected() > 0;
            if any {
                let before = json!({"totp": person.has_totp, "passkeys": passkeys.rows_affected()});
                let event = Event::done("user.second_factor_reset").on("user", user, person.email);
                tx.note(actor, &event.changed(Some(before), None)).await?;
            }
            tx.commit().await?;
            Ok(any)
        })
        .await
    }
}

/// The user, locked until the end of the transaction.
pub(super) async fn held(tx: &mut Tx, user: Uuid) -> Result<Person, StoreError> {
    sqlx::query("SELECT 1 FROM users WHERE id = $1 FOR UPDATE").bind(user).execute(&mut **tx).await?;
    by_id(tx, user)
        .await?
        .filter(|p| p.deleted_at.is_none())
        .ok_or_else(|| StoreError::NotFound { what: "user", name: user.to_string() })
}

/// After a factor has gone: without any there are no recovery codes. `bare`: that is allowed.
pub(super) async fn settle(tx: &mut Tx, user: Uuid, bare: bool) -> Result<(), StoreError> {
    if held(tx, user).await?.has_factor() {
        return Ok(());
    }
    if !bare {
        return Err(StoreError::Conflict {
            what: "second factor",
            why: "a role of this user needs one, and it is the last",
        });
    }
    put_codes(tx, user, &[]).await
}

pub(super) async fn put_codes(tx: &mut Tx, user: Uuid, codes: &[CodeHash]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1").bind(user).execute(&mut **tx).await?;
    let hashes: Vec<&[u8]> = codes.iter().map(|c| &c[..]).collect();
    sqlx::query("INSERT INTO recovery_codes (user_id, hash) SELECT $1, unnest($2::bytea[])")
        .bind(user)
        .bind(hashes)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn left(conn: &mut sqlx::postgres::PgConnection, user: Uuid) -> Result<i64, sqlx::Error> {
    let sql = "SELECT count(*) FROM recovery_codes WHERE user_id = $1";
    sqlx::query(sql).bind(user).fetch_one(conn).await?.try_get(0)
}
