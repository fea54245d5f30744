//! What was deleted goes for good after a time of grace. The call log and the audit trail keep the ids.

use super::Store;
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use sqlx::Row;
use uuid::Uuid;

/// Held by the instance that purges.
const LOCK: i64 = 0x0053_414c_4c59_5052;
/// Most rows of a table at once.
const MOST: i64 = 200;

/// How many rows went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Users, with their keys.
    pub users: usize,
    /// Teams, with their keys and service accounts.
    pub teams: usize,
    /// Service accounts, with their keys.
    pub accounts: usize,
    /// Archived keys.
    pub keys: usize,
}

impl Purged {
    /// All in all.
    pub const fn total(&self) -> usize {
        self.users + self.teams + self.accounts + self.keys
    }
}

impl Store {
    /// Removes users, teams and service accounts that were deleted, and keys that were archived, `days` ago or earlier; some
    /// hundreds at once, one instance at a time. None: another instance is at it. What has gone does not go again.
    pub async fn purge(&self, days: u32, actor: &Actor) -> Result<Option<Purged>, StoreError> {
        self.bounded("purging what was deleted", async {
            let mut tx = self.begin().await?;
            let mine: bool = sqlx::query("SELECT pg_try_advisory_xact_lock($1)")
                .bind(LOCK)
                .fetch_one(&mut *tx)
                .await?
                .try_get(0)?;
            if !mine {
                tx.commit().await?;
                return Ok(None);
            }
            let mut purged = Purged::default();
            // keys first: those of a user who goes are told of by the user's event
            for (table, since, kind, action, count) in [
                ("virtual_keys", "archived_at", "key", "key.purge", &mut purged.keys),
                (
                    "service_accounts",
                    "deleted_at",
                    "service_account",
                    "service_account.purge",
                    &mut purged.accounts,
                ),
                ("users", "deleted_at", "user", "user.purge", &mut purged.users),
                ("teams", "deleted_at", "team", "team.purge", &mut purged.teams),
            ] {
                let sql = format!(
                    "DELETE FROM {table} WHERE id IN (SELECT id FROM {table}
                         WHERE {since} < now() - $1 * interval '1 day' ORDER BY id LIMIT {MOST}) RETURNING id"
                );
                let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(i64::from(days));
                for row in query.fetch_all(&mut *tx).await? {
                    let id: Uuid = row.try_get("id")?;
                    // the id alone: the name shall not come back through the trail
                    tx.note(actor, &Event::done(action).on(kind, id, id.to_string())).await?;
                    *count += 1;
                }
            }
            tx.commit().await?;
            Ok(Some(purged))
        })
        .await
    }
}
