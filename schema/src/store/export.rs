//! All that is stored of a person, for the person.

use super::Store;
use super::trail::COLUMNS;
use crate::audit::{AuditRow, row};
use crate::error::StoreError;
use serde_json::{Map, Value};
use sqlx::Row;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

/// Most rows of one kind; of more the newest.
const MOST: i64 = 1000;

/// What is stored of a person, without secrets and hashes of secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonRecords {
    /// The row of the user.
    pub user: Value,
    /// Rows of other tables that belong to the user, by the tables' names; at most 1000 each.
    pub records: Map<String, Value>,
    /// Rows of the audit trail by and about the user, the newest first, at most 1000.
    pub audit: Vec<AuditRow>,
    /// How many there are.
    pub audit_total: i64,
    /// Figures of the user's calls: `calls`, `first`, `last`, `input_tokens`, `output_tokens`, `cost_nanos`.
    pub calls: Value,
    /// Responses that are kept for the user (their contents are sealed).
    pub responses: i64,
}

/// What is no one's to read: sealed and hashed things (bytes), password hashes.
const HIDDEN: &str =
    "ARRAY(SELECT h.attname::text FROM pg_attribute h WHERE h.attrelid = t.tableoid AND h.attnum > 0
    AND (h.atttypid = 'bytea'::regtype OR h.attname ~ '(password_hash|secret|token)'))";

impl Store {
    /// The records; None: there is no such user, deleted or not.
    pub async fn person_records(&self, id: Uuid) -> Result<Option<PersonRecords>, StoreError> {
        self.bounded("exporting a person's data", async {
            let mut lease = self.lease().await?;
            let answer = records(&mut lease, id).await;
            lease.settle(answer)
        })
        .await
    }
}

async fn records(conn: &mut PgConnection, id: Uuid) -> Result<Option<PersonRecords>, sqlx::Error> {
    let sql = format!("SELECT to_jsonb(t) - {HIDDEN} AS row FROM users t WHERE id = $1");
    let Some(user) = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *conn).await? else {
        return Ok(None);
    };
    let tables = sqlx::query(
        "SELECT c.conrelid::regclass::text AS name, quote_ident(a.attname) AS col
         FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
         WHERE c.contype = 'f' AND c.confrelid = 'users'::regclass AND cardinality(c.conkey) = 1 ORDER BY 1, 2",
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut found = Map::new();
    for table in tables {
        let (name, col): (String, String) = (table.try_get("name")?, table.try_get("col")?);
        let sql = format!(
            "SELECT COALESCE(jsonb_agg(n.row), '[]') AS rows FROM
                 (SELECT to_jsonb(t) - {HIDDEN} AS row FROM {name} t WHERE t.{col} = $1 LIMIT {MOST}) n"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_one(&mut *conn).await?;
        found.insert(name, rows.try_get("rows")?);
    }
    let mine = "actor_id = $1 OR (target_kind = 'user' AND target_id = $1)
        OR (action IN ('team.member_set', 'team.member_remove') AND (before ->> 'user' = $1 OR after ->> 'user' = $1))";
    let sql = format!("SELECT {COLUMNS} FROM audit_log WHERE {mine} ORDER BY seq DESC LIMIT {MOST}");
    let audit = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_all(&mut *conn).await?;
    let sql = format!("SELECT count(*) FROM audit_log WHERE {mine}");
    let audit_total =
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_one(&mut *conn).await?;
    let calls = sqlx::query(
        "SELECT jsonb_build_object('calls', count(*), 'first', min(started_at), 'last', max(started_at),
             'input_tokens', COALESCE(sum(input_tokens), 0), 'output_tokens', COALESCE(sum(output_tokens), 0),
             'cost_nanos', COALESCE(sum(cost_nanos), 0)) AS figures
         FROM call_log WHERE user_id = $1",
    )
    .bind(id)
    .fetch_one(&mut *conn)
    .await?;
    let responses = sqlx::query("SELECT count(*) FROM responses WHERE user_id = $1")
        .bind(id)
        .fetch_one(&mut *conn)
        .await?;
    Ok(Some(PersonRecords {
        user: user.try_get("row")?,
        records: found,
        audit: audit.iter().map(row).collect::<Result<_, _>>()?,
        audit_total: audit_total.try_get(0)?,
        calls: calls.try_get("figures")?,
        responses: responses.try_get(0)?,
    }))
}
