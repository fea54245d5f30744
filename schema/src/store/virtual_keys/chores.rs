//! What happens to keys by themselves: uses are noted, idle ones disabled, expiry is warned of. Each may be run by every
//! instance at any time: what is done is not done again.

use crate::audit::{Actor, Event};
use crate::error::StoreError;
use crate::store::Store;
use crate::store::tx::Tx;
use sqlx::Row;
use time::OffsetDateTime;
use uuid::Uuid;

/// Held by the instance that does the chores.
const LOCK: i64 = 0x0053_414c_4c59_4b59;
/// Days before the end of a key at which a warning is due; the shortest first, so that a key gets one warning at a time. One
/// that has been replaced needs none, unless its successor's secret still waits.
const WARN: [i32; 3] = [1, 3, 7];

impl Store {
    /// Notes when keys were used last; an older instant than the noted one changes nothing.
    pub async fn keys_used(&self, uses: &[(Uuid, OffsetDateTime)]) -> Result<(), StoreError> {
        self.bounded("noting uses of keys", async {
            let (ids, at): (Vec<Uuid>, Vec<OffsetDateTime>) = uses.iter().copied().unzip();
            let mut lease = self.lease().await?;
            // in the order of ids: two instances that note the same keys do not lock each other out
            let answer = sqlx::query(
                "UPDATE virtual_keys k SET last_used_at = used.at
                 FROM (SELECT k2.id, u.at FROM unnest($1::uuid[], $2::timestamptz[]) AS u(id, at)
                       JOIN virtual_keys k2 ON k2.id = u.id ORDER BY k2.id FOR UPDATE OF k2) used
                 WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at < used.at)",
            )
            .bind(ids)
            .bind(at)
            .execute(&mut *lease)
            .await;
            lease.settle(answer).map(drop)
        })
        .await
    }

    /// Disables keys that have not been used for their idle time, and puts down warnings of expiry at 7, 3 and 1 days;
    /// one instance at a time. (disabled, warned); None: another instance is at it.
    pub async fn key_chores(&self, actor: &Actor) -> Result<Option<(usize, usize)>, StoreError> {
        self.bounded("looking after keys", async {
            let mut tx = self.begin().await?;
            if !mine(&mut tx).await? {
                tx.commit().await?;
                return Ok(None);
            }
            let idle = sqlx::query(
                "UPDATE virtual_keys SET disabled_at = now() WHERE idle_timeout IS NOT NULL
                     AND disabled_at IS NULL AND revoked_at IS NULL
                     AND GREATEST(COALESCE(last_used_at, created_at), updated_at)
                         < now() - idle_timeout * interval '1 second'
                 RETURNING id, name",
            )
            .fetch_all(&mut *tx)
            .await?;
            for row in &idle {
                let (id, name): (Uuid, String) = (row.try_get("id")?, row.try_get("name")?);
                let mut event = Event::done("key.idle").on("key", id, name);
                event.reason = Some("not used for its idle time: disabled".into());
                tx.note(actor, &event).await?;
            }
            let mut warned = 0;
            for days in WARN {
                // without a new version: a warning is no change of the key
                let due = sqlx::query(
                    "UPDATE virtual_keys SET warned_days = $1 WHERE revoked_at IS NULL AND disabled_at IS NULL
                         AND expires_at > now()
                         AND (replaced_by IS NULL OR replaced_by IN
                                  (SELECT id FROM virtual_keys WHERE waiting_secret IS NOT NULL))
                         AND expires_at <= now() + $1 * interval '1 day'
                         AND (warned_days IS NULL OR warned_days > $1)
                     RETURNING id, name, expires_at",
                )
                .bind(days)
                .fetch_all(&mut *tx)
                .await?;
                for row in &due {
                    let (id, name): (Uuid, String) = (row.try_get("id")?, row.try_get("name")?);
                    let ends: OffsetDateTime = row.try_get("expires_at")?;
                    let after = serde_json::json!({"days": days, "expires_at": ends.unix_timestamp()});
                    let event =
                        Event::done("key.expires_soon").on("key", id, name).changed(None, Some(after));
                    tx.note(actor, &event).await?;
                    warned += 1;
                }
            }
            tx.commit().await?;
            Ok(Some((idle.len(), warned)))
        })
        .await
    }
}

/// Whether this instance does the chores now; until the end of the transaction.
pub(super) async fn mine(tx: &mut Tx) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT pg_try_advisory_xact_lock($1)").bind(LOCK).fetch_one(&mut **tx).await?;
    Ok(row.try_get(0)?)
}
