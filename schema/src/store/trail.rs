//! Reading the audit trail.

use super::Store;
use crate::audit::{AuditFilter, AuditRow, Follower, Verified, erasures, row};
use crate::error::StoreError;
use sqlx::QueryBuilder;
use sqlx::postgres::Postgres;

/// Rows that are read at once while the chain is followed.
const STRETCH: i64 = 2000;
pub(super) const COLUMNS: &str = "seq, at, actor_kind, actor_id, actor, address, agent, action, target_kind, target_id, target, \
                       outcome, reason, before, after, request_id, previous, hash";

impl Store {
    /// Newest first; `before`: only rows below this number. At most `limit`.
    pub async fn audit_trail(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.bounded("reading the audit trail", async {
            let mut query = QueryBuilder::<Postgres>::new("SELECT ");
            query.push(COLUMNS).push(" FROM audit_log WHERE true");
            let texts = [
                (" AND actor_id = ", &filter.actor_id),
                (" AND target_kind = ", &filter.target_kind),
                (" AND target_id = ", &filter.target_id),
                (" AND outcome = ", &filter.outcome),
            ];
            for (clause, value) in texts {
                if let Some(value) = value {
                    query.push(clause).push_bind(value);
                }
            }
            if let Some(action) = &filter.action {
                match action.strip_suffix('*') {
                    Some(start) => {
                        query.push(" AND starts_with(action, ").push_bind(start.to_owned()).push(")")
                    }
                    None => query.push(" AND action = ").push_bind(action),
                };
            }
            if let Some(since) = filter.since {
                query.push(" AND at >= ").push_bind(since);
            }
            if let Some(until) = filter.until {
                query.push(" AND at < ").push_bind(until);
            }
            if let Some(before) = before {
                query.push(" AND seq < ").push_bind(before);
            }
            query.push(" ORDER BY seq DESC LIMIT ").push_bind(i64::from(limit));
            let mut lease = self.lease().await?;
            let answer = query.build().fetch_all(&mut *lease).await;
            let rows = lease.settle(answer)?;
            Ok(rows.iter().map(row).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Follows the whole chain, stretch by stretch, as it is at one instant: an erasure meanwhile is not seen by halves.
    pub async fn audit_verify(&self) -> Result<Verified, StoreError> {
        let mut follower = Follower::new();
        let mut tx = self.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *tx).await?;
        loop {
            let from = follower.next();
            let (rows, mut erased) = self
                .bounded("reading the audit trail", async {
                    let sql =
                        format!("SELECT {COLUMNS} FROM audit_log WHERE seq >= $1 ORDER BY seq LIMIT $2");
                    let sql = sqlx::AssertSqlSafe(sql);
                    let rows = sqlx::query(sql).bind(from).bind(STRETCH).fetch_all(&mut *tx).await?;
                    let rows = rows.iter().map(row).collect::<Result<Vec<_>, _>>()?;
                    let to = rows.last().map_or(from, |r| r.seq);
                    Ok((rows, erasures(&mut tx, from, to).await?))
                })
                .await?;
            if rows.is_empty() {
                tx.commit().await?;
                return Ok(follower.whole());
            }
            for row in &rows {
                if let Err(broken) = follower.take(row, &erased.remove(&row.seq).unwrap_or_default()) {
                    tx.commit().await?;
                    return Ok(broken);
                }
            }
        }
    }
}
