//! The erasure of a person from the trail. What names him in his rows is overwritten; the rows, their order and their
//! hashes stay, so the chain does. For each rewritten row `audit_erasures` has the hash of what it is now, and the event of
//! the erasure, which is in the chain itself, has a hash over those: nobody can rewrite a row and call it erased.

use super::{AuditRow, LOCK, row};
use crate::error::StoreError;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

/// The event that tells of it.
pub(super) const ACTION: &str = "user.erase";
/// Stands where something was.
const GONE: &str = "erased";
/// Rows that are rewritten at once.
const STRETCH: i64 = 1000;
/// Members of before and after that name a person.
const NAMING: [&str; 4] = ["email", "name", "user_name", "external_id"];

/// Sum over the rows that one event erased, in their order.
#[derive(Clone, Default)]
pub(super) struct Sum {
    hash: Sha256,
    rows: u64,
}

impl Sum {
    pub(super) fn add(&mut self, seq: i64, hash: &[u8]) {
        self.hash.update(seq.to_be_bytes());
        self.hash.update(hash);
        self.rows += 1;
    }

    fn told(self) -> Value {
        json!({"rows": self.rows, "hash": hex::encode(self.hash.finalize())})
    }

    pub(super) fn told_by(self, event: &AuditRow) -> bool {
        let told = event.after.as_ref().and_then(|after| after.get("audit"));
        event.action == ACTION && told == Some(&self.told())
    }
}

/// Erasures of the rows from one to another: of each the events and the hashes, the oldest first.
pub(crate) async fn erasures(
    conn: &mut PgConnection,
    from: i64,
    to: i64,
) -> Result<HashMap<i64, Vec<(i64, Vec<u8>)>>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT seq, by_seq, hash FROM audit_erasures WHERE seq BETWEEN $1 AND $2 ORDER BY seq, by_seq",
    )
    .bind(from)
    .bind(to)
    .fetch_all(conn)
    .await?;
    let mut found: HashMap<i64, Vec<(i64, Vec<u8>)>> = HashMap::new();
    for row in rows {
        found.entry(row.try_get("seq")?).or_default().push((row.try_get("by_seq")?, row.try_get("hash")?));
    }
    Ok(found)
}

/// Takes the person out of the trail. What the event of the erasure must say of it, as member `audit` of its `after`; it
/// must be the next one that is appended.
pub(crate) async fn erase(
    conn: &mut PgConnection,
    user: Uuid,
    email: &str,
    pseudonym: &str,
    columns: &str,
) -> Result<Value, StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *conn).await?;
    let by: i64 = sqlx::query("SELECT COALESCE(max(seq), 0) + 1 FROM audit_log")
        .fetch_one(&mut *conn)
        .await?
        .try_get(0)?;
    sqlx::query("SET LOCAL sallyport.erasing = 'on'").execute(&mut *conn).await?;
    let sql = format!(
        "SELECT {columns} FROM audit_log
         WHERE seq > $2 AND (actor_id = $1 OR (target_kind = 'user' AND target_id = $1)
             OR (action IN ('team.member_set', 'team.member_remove')
                 AND (before ->> 'user' = $1 OR after ->> 'user' = $1))
             OR (target_kind = 'key'
                 AND (target_id = ANY($4) OR before ->> 'user' = $1 OR after ->> 'user' = $1)))
         ORDER BY seq LIMIT $3"
    );
    let keys = sqlx::query("SELECT id::text FROM virtual_keys WHERE user_id = $1").bind(user);
    let keys = keys.fetch_all(&mut *conn).await?;
    let keys = keys.iter().map(|r| r.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    let (mut sum, mut after) = (Sum::default(), 0);
    loop {
        let query = sqlx::query(sqlx::AssertSqlSafe(sql.clone())).bind(user.to_string()).bind(after);
        let rows = query.bind(STRETCH).bind(&keys).fetch_all(&mut *conn).await?;
        let mut rows = rows.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        for row in &mut rows {
            scrub(row, &user.to_string(), &keys, email, pseudonym);
            sum.add(row.seq, &row.digest());
        }
        write(conn, &rows, by).await?;
    }
    sqlx::query("SET LOCAL sallyport.erasing = 'off'").execute(&mut *conn).await?;
    Ok(sum.told())
}

async fn write(conn: &mut PgConnection, rows: &[AuditRow], by: i64) -> Result<(), sqlx::Error> {
    let seqs: Vec<i64> = rows.iter().map(|r| r.seq).collect();
    let of = |f: fn(&AuditRow) -> Option<String>| rows.iter().map(f).collect::<Vec<_>>();
    sqlx::query(
        "UPDATE audit_log a SET actor = n.actor, address = n.address, agent = n.agent, target = n.target,
             reason = n.reason, before = n.before::jsonb, after = n.after::jsonb
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
             AS n(seq, actor, address, agent, target, reason, before, after)
         WHERE a.seq = n.seq",
    )
    .bind(&seqs)
    .bind(of(|r| Some(r.actor.clone())))
    .bind(of(|r| r.address.clone()))
    .bind(of(|r| r.agent.clone()))
    .bind(of(|r| r.target.clone()))
    .bind(of(|r| r.reason.clone()))
    .bind(of(|r| r.before.as_ref().map(Value::to_string)))
    .bind(of(|r| r.after.as_ref().map(Value::to_string)))
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO audit_erasures (seq, by_seq, hash)
         SELECT n.seq, $2, n.hash FROM unnest($1::bigint[], $3::bytea[]) AS n(seq, hash)",
    )
    .bind(&seqs)
    .bind(by)
    .bind(rows.iter().map(|r| r.digest().to_vec()).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map(drop)
}

/// Takes out what names the person; ids stay.
fn scrub(row: &mut AuditRow, user: &str, keys: &[String], email: &str, pseudonym: &str) {
    let acted = row.actor_id.as_deref() == Some(user);
    let concerned = row.target_kind.as_deref() == Some("user") && row.target_id.as_deref() == Some(user);
    if acted {
        pseudonym.clone_into(&mut row.actor);
    }
    // a sign-in that failed, too, came from where the person was
    if acted || (concerned && row.actor_id.is_none()) {
        row.address = None;
        row.agent = None;
    }
    if concerned {
        row.target = Some(pseudonym.to_owned());
    }
    let of_user = |value: &Option<Value>| {
        value.as_ref().and_then(|v| v.get("user")).and_then(Value::as_str) == Some(user)
    };
    let is_key = row.target_kind.as_deref() == Some("key")
        && (of_user(&row.before)
            || of_user(&row.after)
            || row.target_id.as_ref().is_some_and(|id| keys.contains(id)));
    if is_key {
        row.target = Some(GONE.to_owned());
    }
    for value in [&mut row.before, &mut row.after].into_iter().flatten() {
        if concerned || is_key || value.get("user").and_then(Value::as_str) == Some(user) {
            unname(value);
        }
    }
    if let Some(reason) = &mut row.reason
        && !email.is_empty()
    {
        *reason = reason.replace(email, GONE);
    }
}

fn unname(value: &mut Value) {
    let Some(map) = value.as_object_mut() else { return };
    for (_, value) in map.iter_mut().filter(|(name, v)| v.is_string() && NAMING.contains(&name.as_str())) {
        *value = GONE.into();
    }
    // what a key's owner has noted on it
    if let Some(tags) = map.get_mut("tags") {
        *tags = Value::Array(Vec::new());
    }
    if let Some(metadata) = map.get_mut("metadata") {
        *metadata = Value::Object(serde_json::Map::new());
    }
}
