//! Sign-ins of people: sessions with a refresh secret that changes with each use, and the count of wrong sign-ins.

use super::Store;
use super::effective::effective;
use super::people::Person;
use crate::access::Effective;
use crate::audit::{Actor, Event, Outcome};
use crate::error::StoreError;
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::net::IpAddr;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// How long a used refresh secret may come again: two tabs refresh at once.
const OVERLAP: &str = "10 seconds";
/// Wrong sign-ins are forgotten after this.
const FORGET: &str = "24 hours";

/// A sign-in.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Primary key.
    pub id: Uuid,
    /// Whose.
    pub user: Uuid,
    /// Good while the user's epoch is the same.
    pub epoch: i64,
    /// `password`, `password+totp`, `password+recovery_code`, `passkey`, `oidc:<provider>`.
    pub method: String,
    /// The client's address at sign-in.
    pub address: IpAddr,
    /// The client's `User-Agent` at sign-in.
    pub agent: String,
    /// Began at.
    pub created_at: OffsetDateTime,
    /// Refreshed last at.
    pub seen_at: OffsetDateTime,
    /// Ends at the latest.
    pub expires_at: OffsetDateTime,
    /// Ended at.
    pub ended_at: Option<OffsetDateTime>,
}

/// A session that holds, with whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// Whose; active, and of the session's epoch.
    pub person: Person,
    /// What the user may do.
    pub effective: Effective,
    /// The password is a temporary one: nothing else may be done before it is changed.
    pub must_change: bool,
}

/// Whose wrong sign-ins are counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// SHA-256 of account or address.
    pub subject: [u8; 32],
    /// Wrong ones that cost nothing.
    pub free: i32,
}

/// What became of a refresh.
#[derive(Clone, Debug, PartialEq)]
pub enum Refreshed {
    /// The session goes on with the new secret.
    Renewed(Session),
    /// Somebody else refreshed a moment ago: the session is good, the secret is the other one's.
    Overlap(Session),
    /// A used secret came back: the session has been ended.
    Reused,
    /// There is no such session, or it is over.
    Gone,
}

const COLUMNS: &str = "id, user_id, epoch, method, host(address) AS address, agent, created_at, seen_at, expires_at, \
                       ended_at";

fn session(row: &PgRow) -> Result<Session, sqlx::Error> {
    let address: String = row.try_get("address")?;
    Ok(Session {
        id: row.try_get("id")?,
        user: row.try_get("user_id")?,
        epoch: row.try_get("epoch")?,
        method: row.try_get("method")?,
        address: address.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
        agent: row.try_get("agent")?,
        created_at: row.try_get("created_at")?,
        seen_at: row.try_get("seen_at")?,
        expires_at: row.try_get("expires_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}

impl Store {
    /// Begins a session. `refresh`: SHA-256 of its first secret.
    pub async fn begin_session(
        &self,
        session: &Session,
        refresh: &[u8; 32],
        actor: &Actor,
        email: &str,
    ) -> Result<(), StoreError> {
        self.bounded("signing in", async {
            let mut tx = self.begin().await?;
            sqlx::query(
                "INSERT INTO sessions (id, user_id, refresh_hash, epoch, method, address, agent, created_at, seen_at,
                                       expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6::inet, $7, $8, $8, $9)",
            )
            .bind(session.id)
            .bind(session.user)
            .bind(&refresh[..])
            .bind(session.epoch)
            .bind(&session.method)
            .bind(session.address.to_string())
            .bind(&session.agent)
            .bind(session.created_at)
            .bind(session.expires_at)
            .execute(&mut *tx)
            .await?;
            sqlx::query("UPDATE users SET last_login_at = now() WHERE id = $1")
                .bind(session.user)
                .execute(&mut *tx)
                .await?;
            let event = Event::done("session.sign_in").on("user", session.user, email);
            let after = serde_json::json!({"session": session.id, "method": session.method});
            tx.note(actor, &event.changed(None, Some(after))).await?;
            tx.commit().await
        })
        .await
    }

    /// The session and its user, if it holds: not over, not idle for longer than `idle`, its user active and of the same
    /// epoch.
    pub async fn signed_in(&self, id: Uuid, idle: Duration) -> Result<Option<SignedIn>, StoreError> {
        self.bounded("reading a session", async {
            let sql = format!(
                "SELECT {COLUMNS}, (SELECT password_temporary_until IS NOT NULL FROM users WHERE id = user_id) AS changes
                 FROM sessions WHERE id = $1 AND ended_at IS NULL AND expires_at > now()
                     AND seen_at > now() - $2 * interval '1 second'"
            );
            let mut lease = self.lease().await?;
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).bind(idle.as_secs_f64());
            let row = match query.fetch_optional(&mut *lease).await {
                Ok(Some(row)) => row,
                other => return lease.settle(other).map(|_| None),
            };
            let found = session(&row)?;
            let must_change = row.try_get::<Option<bool>, _>("changes")?.unwrap_or(false)
                && found.method.starts_with("password");
            let answer = effective(&mut lease, found.user).await;
            let Some((person, effective)) = lease.settle(answer)? else { return Ok(None) };
            let holds = person.active && person.epoch == found.epoch;
            Ok(holds.then_some(SignedIn { session: found, person, effective, must_change }))
        })
        .await
    }

    /// A user's sessions that are not over, nor idle for longer than `idle`; newest first, at most 200.
    pub async fn sessions_of(&self, user: Uuid, idle: Duration) -> Result<Vec<Session>, StoreError> {
        self.bounded("listing sessions", async {
            let sql = format!(
                "SELECT {COLUMNS} FROM sessions s WHERE user_id = $1 AND ended_at IS NULL AND expires_at > now()
                     AND seen_at > now() - $2 * interval '1 second' AND epoch = (SELECT epoch FROM users WHERE id = s.user_id) ORDER BY created_at DESC, id LIMIT 200"
            );
            let mut lease = self.lease().await?;
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(user).bind(idle.as_secs_f64());
            let answer = query.fetch_all(&mut *lease).await;
            Ok(lease.settle(answer)?.iter().map(session).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Takes a refresh secret (SHA-256) and puts the next one in its place.
    pub async fn refresh_session(
        &self,
        id: Uuid,
        secret: &[u8; 32],
        next: &[u8; 32],
        actor: &Actor,
    ) -> Result<Refreshed, StoreError> {
        self.bounded("refreshing a session", async {
            let mut tx = self.begin().await?;
            let sql = format!(
                "SELECT {COLUMNS}, refresh_hash, used_hash, used_until > now() AS overlaps FROM sessions
                 WHERE id = $1 AND ended_at IS NULL AND expires_at > now() FOR UPDATE"
            );
            let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *tx).await?;
            let Some(row) = row else {
                tx.commit().await?;
                return Ok(Refreshed::Gone);
            };
            let found = session(&row)?;
            let current: Vec<u8> = row.try_get("refresh_hash")?;
            let used: Option<Vec<u8>> = row.try_get("used_hash")?;
            let overlaps = row.try_get::<Option<bool>, _>("overlaps")?.unwrap_or(false);
            // hashes of random secrets: an early exit of the comparison tells nothing of use
            if current == secret {
                let sql = format!(
                    "UPDATE sessions SET used_hash = refresh_hash, used_until = now() + interval '{OVERLAP}',
                         refresh_hash = $2, seen_at = now() WHERE id = $1"
                );
                sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).bind(&next[..]).execute(&mut *tx).await?;
                tx.commit().await?;
                return Ok(Refreshed::Renewed(found));
            }
            if overlaps && used.as_deref() == Some(secret) {
                tx.commit().await?;
                return Ok(Refreshed::Overlap(found));
            }
            sqlx::query(
                "UPDATE sessions SET ended_at = now(), ended_why = 'reused refresh secret' WHERE id = $1",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?;
            let event =
                Event::not_done("session.refresh", Outcome::Denied, "a used refresh secret came back");
            tx.note(actor, &event.on("user", found.user, found.user.to_string())).await?;
            tx.commit().await?;
            Ok(Refreshed::Reused)
        })
        .await
    }

    /// Ends one session of a user, or all but one. How many were ended.
    pub async fn end_sessions(
        &self,
        user: Uuid,
        which: EndWhich,
        why: &'static str,
        actor: &Actor,
    ) -> Result<u64, StoreError> {
        self.bounded("ending sessions", async {
            let (one, but) = match which {
                EndWhich::One(id) => (Some(id), None),
                EndWhich::AllBut(id) => (None, id),
            };
            let mut tx = self.begin().await?;
            let ended = sqlx::query(
                "UPDATE sessions SET ended_at = now(), ended_why = $4 WHERE user_id = $1 AND ended_at IS NULL
                     AND ($2::uuid IS NULL OR id = $2) AND ($3::uuid IS NULL OR id <> $3)",
            )
            .bind(user)
            .bind(one)
            .bind(but)
            .bind(why)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if ended > 0 {
                let after = serde_json::json!({"sessions": ended, "why": why});
                let event =
                    Event::done("session.end").on("user", user, user.to_string()).changed(None, Some(after));
                tx.note(actor, &event).await?;
            }
            tx.commit().await?;
            Ok(ended)
        })
        .await
    }

    /// How long sign-ins of these subjects (hashes of account and address) must wait, if any must.
    pub async fn sign_in_blocked(&self, subjects: &[Counted]) -> Result<Option<Duration>, StoreError> {
        self.bounded("signing in", async {
            let subjects: Vec<&[u8]> = subjects.iter().map(|s| &s.subject[..]).collect();
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "SELECT EXTRACT(EPOCH FROM max(blocked_until) - now())::float8 AS wait FROM sign_in_failures
                 WHERE subject = ANY($1)",
            )
            .bind(subjects)
            .fetch_one(&mut *lease)
            .await;
            let wait: Option<f64> = lease.settle(answer)?.try_get("wait")?;
            Ok(wait.filter(|w| *w > 0.0).map(Duration::from_secs_f64))
        })
        .await
    }

    /// Counts a wrong sign-in: the first ones cost nothing, each further one doubles the wait, from 1 s to 15 minutes.
    pub async fn sign_in_failed(
        &self,
        subjects: &[Counted],
        actor: &Actor,
        event: &Event,
    ) -> Result<(), StoreError> {
        self.bounded("signing in", async {
            let mut tx = self.begin().await?;
            for subject in subjects {
                let sql = format!(
                    "INSERT INTO sign_in_failures AS f (subject, failures, blocked_until) VALUES ($1, 1, now())
                     ON CONFLICT (subject) DO UPDATE SET last_at = now(),
                         failures = CASE WHEN f.last_at < now() - interval '{FORGET}' THEN 1
                                         ELSE LEAST(f.failures + 1, 1000) END,
                         blocked_until = CASE WHEN f.last_at < now() - interval '{FORGET}' OR f.failures < $2
                             THEN now()
                             ELSE now() + LEAST(power(2, LEAST(f.failures - $2, 20)), 900) * interval '1 second' END"
                );
                sqlx::query(sqlx::AssertSqlSafe(sql))
                    .bind(&subject.subject[..])
                    .bind(subject.free)
                    .execute(&mut *tx)
                    .await?;
            }
            tx.note(actor, event).await?;
            tx.commit().await
        })
        .await
    }

    /// A right sign-in: the account's wrong ones are forgotten (not the address's: one right account must not buy
    /// guesses at others).
    pub async fn sign_in_right(&self, account: &[u8; 32]) -> Result<(), StoreError> {
        self.bounded("signing in", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query("DELETE FROM sign_in_failures WHERE subject = $1")
                .bind(&account[..])
                .execute(&mut *lease)
                .await;
            lease.settle(answer).map(drop)
        })
        .await
    }

    /// Removes sessions that have been over for a month, failures that are forgotten, passkey ceremonies that are over.
    pub async fn sweep_sessions(&self) -> Result<(), StoreError> {
        self.bounded("sweeping sessions", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::raw_sql(
                "DELETE FROM sessions WHERE expires_at < now() - interval '30 days'
                     OR ended_at < now() - interval '30 days';
                 DELETE FROM passkey_registrations WHERE expires_at < now();
                 DELETE FROM passkey_challenges_used WHERE expires_at < now();
                 DELETE FROM sign_in_failures WHERE last_at < now() - interval '2 days'",
            )
            .execute(&mut *lease)
            .await;
            lease.settle(answer).map(drop)
        })
        .await
    }
}

/// Which sessions end.
#[derive(Clone, Copy, Debug)]
pub enum EndWhich {
    /// This one.
    One(Uuid),
    /// All, but perhaps one.
    AllBut(Option<Uuid>),
}
