//! The audit trail of the control plane: who did what, from where, with what result; append-only. Each row's hash covers
//! the row and the hash before it, so that a row that was changed, taken out or put in is found by `verify`.
//!
//! A change and its row are one transaction: there is no change without its row.
//!
//! The erasure of a person rewrites what names him in his rows (`erased`); each keeps the hash of what it was.

mod erased;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use time::OffsetDateTime;

pub(crate) use erased::{erase, erasures};

/// Held while a row is appended: there is one end of the chain. (Any number that nothing else uses.)
const LOCK: i64 = 0x0053_414c_4c59_4155;

/// Hash before the first row.
const GENESIS: [u8; 32] = [0; 32];

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// `user`, `service_account`, `bootstrap`, `cli`, `system`, `anonymous`, `scim`.
    pub kind: &'static str,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// What people call it.
    pub name: String,
    /// The client's address.
    pub address: Option<String>,
    /// The client's `User-Agent`.
    pub agent: Option<String>,
    /// The request that did it.
    pub request_id: Option<String>,
}

impl Actor {
    /// The gateway itself: a job, a migration.
    pub fn system(name: &str) -> Self {
        Self::local("system", name)
    }

    /// Somebody at the command line.
    pub fn cli() -> Self {
        Self::local("cli", "command line")
    }

    fn local(kind: &'static str, name: &str) -> Self {
        Self { kind, id: None, name: name.into(), address: None, agent: None, request_id: None }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Done.
    Done,
    /// The caller may not.
    Denied,
    /// It was tried and did not work: a wrong password, a test that failed.
    Failed,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// What was done. Secrets never come in here: who makes an event leaves them out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// `user.create`, `key.revoke`, `session.sign_in`, …
    pub action: &'static str,
    /// `user`, `team`, `key`, …
    pub target_kind: Option<&'static str>,
    /// Its id.
    pub target_id: Option<String>,
    /// What people call it.
    pub target: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was denied or failed.
    pub reason: Option<String>,
    /// The thing before, secrets masked.
    pub before: Option<serde_json::Value>,
    /// The thing after, secrets masked.
    pub after: Option<serde_json::Value>,
}

impl Event {
    /// Something that was done.
    pub fn done(action: &'static str) -> Self {
        Self {
            action,
            target_kind: None,
            target_id: None,
            target: None,
            outcome: Outcome::Done,
            reason: None,
            before: None,
            after: None,
        }
    }

    /// Something that did not come about.
    pub fn not_done(action: &'static str, outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: Some(reason.into()), ..Self::done(action) }
    }

    /// What it was done to.
    #[must_use]
    pub fn on(mut self, kind: &'static str, id: impl ToString, name: impl Into<String>) -> Self {
        self.target_kind = Some(kind);
        self.target_id = Some(id.to_string());
        self.target = Some(name.into());
        self
    }

    /// The thing before and after.
    #[must_use]
    pub fn changed(mut self, before: Option<serde_json::Value>, after: Option<serde_json::Value>) -> Self {
        self.before = before;
        self.after = after;
        self
    }
}

/// A row of the trail.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Counts up from 1 without a gap.
    pub seq: i64,
    /// When.
    pub at: OffsetDateTime,
    /// See [`Actor`].
    pub actor_kind: String,
    /// See [`Actor`].
    pub actor_id: Option<String>,
    /// See [`Actor`].
    pub actor: String,
    /// See [`Actor`].
    pub address: Option<String>,
    /// See [`Actor`].
    pub agent: Option<String>,
    /// See [`Event`].
    pub action: String,
    /// See [`Event`].
    pub target_kind: Option<String>,
    /// See [`Event`].
    pub target_id: Option<String>,
    /// See [`Event`].
    pub target: Option<String>,
    /// See [`Event`].
    pub outcome: String,
    /// See [`Event`].
    pub reason: Option<String>,
    /// See [`Event`].
    pub before: Option<serde_json::Value>,
    /// See [`Event`].
    pub after: Option<serde_json::Value>,
    /// See [`Actor`].
    pub request_id: Option<String>,
    /// Hash of the row before.
    pub previous: Vec<u8>,
    /// SHA-256 over `previous` and the rest.
    pub hash: Vec<u8>,
}

impl AuditRow {
    /// The hash that the row must have: over the hash before it and the row's fields as a JSON array, the instant in
    /// microseconds, objects as Postgres's jsonb has them.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let micros = self.at.unix_timestamp_nanos() / 1000;
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        let fields = serde_json::json!([
            self.seq,
            micros,
            self.actor_kind,
            self.actor_id,
            self.actor,
            self.address,
            self.agent,
            self.action,
            self.target_kind,
            self.target_id,
            self.target,
            self.outcome,
            self.reason,
            self.before.as_ref().map(sorted),
            self.after.as_ref().map(sorted),
            self.request_id,
        ]);
        let mut hash = Sha256::new();
        hash.update(&self.previous);
        hash.update(fields.to_string().as_bytes());
        hash.finalize().into()
    }
}

/// jsonb keeps no order of members: the hash must not depend on it.
fn sorted(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value as V;
    match value {
        V::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(k, _)| *k);
            V::Object(members.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect())
        }
        V::Array(all) => V::Array(all.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// What a look at the whole chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Unbroken.
    Whole {
        /// Rows.
        rows: u64,
        /// Hash of the last one: kept elsewhere, it proves later that nothing was cut off at the end.
        head: String,
    },
    /// Not as it was written.
    Broken {
        /// The first row that is wrong.
        seq: i64,
        /// How.
        why: &'static str,
    },
}

/// Appends inside the transaction of the change.
pub(crate) async fn append(conn: &mut PgConnection, actor: &Actor, event: &Event) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *conn).await?;
    let last = sqlx::query("SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1")
        .fetch_optional(&mut *conn)
        .await?;
    let (seq, previous) = match last {
        Some(row) => (row.try_get::<i64, _>(0)? + 1, row.try_get(1)?),
        None => (1, GENESIS.to_vec()),
    };
    let now = OffsetDateTime::now_utc();
    let mut row = AuditRow {
        seq,
        // what Postgres keeps
        at: now.replace_nanosecond(now.nanosecond() / 1000 * 1000).unwrap_or(now),
        actor_kind: actor.kind.to_owned(),
        actor_id: actor.id.clone(),
        actor: actor.name.clone(),
        address: actor.address.clone(),
        agent: actor.agent.as_deref().map(|a| short(a, 500)),
        action: event.action.to_owned(),
        target_kind: event.target_kind.map(str::to_owned),
        target_id: event.target_id.clone(),
        target: event.target.clone(),
        outcome: event.outcome.as_str().to_owned(),
        reason: event.reason.as_deref().map(|r| short(r, 2000)),
        before: event.before.clone(),
        after: event.after.clone(),
        request_id: actor.request_id.clone(),
        previous,
        hash: Vec::new(),
    };
    row.hash = row.digest().to_vec();
    sqlx::query(
        "INSERT INTO audit_log (seq, at, actor_kind, actor_id, actor, address, agent, action, target_kind, target_id,
                                target, outcome, reason, before, after, request_id, previous, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
    )
    .bind(row.seq)
    .bind(row.at)
    .bind(&row.actor_kind)
    .bind(&row.actor_id)
    .bind(&row.actor)
    .bind(&row.address)
    .bind(&row.agent)
    .bind(&row.action)
    .bind(&row.target_kind)
    .bind(&row.target_id)
    .bind(&row.target)
    .bind(&row.outcome)
    .bind(&row.reason)
    .bind(&row.before)
    .bind(&row.after)
    .bind(&row.request_id)
    .bind(&row.previous)
    .bind(&row.hash)
    .execute(conn)
    .await
    .map(drop)
}

fn short(text: &str, most: usize) -> String {
    // NUL is no text to Postgres
    text.chars().filter(|c| *c != '\0').take(most).collect()
}

/// Rows that must all match.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Whose deeds.
    pub actor_id: Option<String>,
    /// What was done; `user.*` for all that begins so.
    pub action: Option<String>,
    /// To what kind of thing.
    pub target_kind: Option<String>,
    /// To which thing.
    pub target_id: Option<String>,
    /// `done`, `denied` or `failed`.
    pub outcome: Option<String>,
    /// Not before.
    pub since: Option<OffsetDateTime>,
    /// Before.
    pub until: Option<OffsetDateTime>,
}

/// A row as it is read.
pub(crate) fn row(row: &PgRow) -> Result<AuditRow, sqlx::Error> {
    Ok(AuditRow {
        seq: row.try_get("seq")?,
        at: row.try_get("at")?,
        actor_kind: row.try_get("actor_kind")?,
        actor_id: row.try_get("actor_id")?,
        actor: row.try_get("actor")?,
        address: row.try_get("address")?,
        agent: row.try_get("agent")?,
        action: row.try_get("action")?,
        target_kind: row.try_get("target_kind")?,
        target_id: row.try_get("target_id")?,
        target: row.try_get("target")?,
        outcome: row.try_get("outcome")?,
        reason: row.try_get("reason")?,
        before: row.try_get("before")?,
        after: row.try_get("after")?,
        request_id: row.try_get("request_id")?,
        previous: row.try_get("previous")?,
        hash: row.try_get("hash")?,
    })
}

/// Follows the chain row by row.
pub(crate) struct Follower {
    next: i64,
    head: Vec<u8>,
    /// What was rewritten, by the event that says so.
    erased: std::collections::BTreeMap<i64, erased::Sum>,
}

impl Follower {
    pub(crate) fn new() -> Self {
        Self { next: 1, head: GENESIS.to_vec(), erased: std::collections::BTreeMap::new() }
    }

    /// Where to read on.
    pub(crate) const fn next(&self) -> i64 {
        self.next
    }

    /// Takes the next row, with its erasures: the event that says so and the row's hash since, the oldest first.
    pub(crate) fn take(&mut self, row: &AuditRow, erasures: &[(i64, Vec<u8>)]) -> Result<(), Verified> {
        let broken = |seq, why| Err(Verified::Broken { seq, why });
        if row.seq != self.next {
            return broken(self.next, "the row is missing");
        }
        if row.previous != self.head {
            return broken(row.seq, "it does not follow the row before it");
        }
        let now = erasures.last().map_or(&row.hash, |(_, hash)| hash);
        if *now != row.digest() {
            return broken(row.seq, "its contents are not those that were written");
        }
        for (by, hash) in erasures {
            if *by <= row.seq {
                return broken(row.seq, "an erasure that came before it");
            }
            self.erased.entry(*by).or_default().add(row.seq, hash);
        }
        let sum = self.erased.remove(&row.seq);
        if (sum.is_some() || row.action == erased::ACTION) && !sum.unwrap_or_default().told_by(row) {
            return broken(row.seq, "the rows that it says it erased are others");
        }
        self.next += 1;
        self.head.clone_from(&row.hash);
        Ok(())
    }

    /// The end.
    pub(crate) fn whole(self) -> Verified {
        if let Some((seq, _)) = self.erased.first_key_value() {
            return Verified::Broken { seq: *seq, why: "an erasure without its event" };
        }
        Verified::Whole { rows: u64::try_from(self.next - 1).unwrap_or(0), head: hex::encode(self.head) }
    }
}
