//! Sealing everything anew under the current master key, while gateways run.
//!
//! Row by row, each with a compare-and-set: what somebody else has written meanwhile stays as he wrote it. Instances
//! open old and new envelopes as long as the former key is among `encryption.previous_keys`.

use super::Store;
use crate::audit::{Actor, Event};
use crate::envelope::{KeyRing, SEALED, SealedColumn};
use crate::error::StoreError;
use sqlx::Row;

/// Rows that are read at once.
const STRETCH: i64 = 200;

/// What became of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// Which one.
    pub column: SealedColumn,
    /// Envelopes that were sealed anew.
    pub sealed: u64,
    /// Rows whose envelope does not open with any of the keys, and why. They were left as they are.
    pub unopened: Vec<(String, String)>,
}

impl Store {
    /// Seals anew all that is not sealed with the current key of the ring.
    pub async fn rekey(&self, ring: &KeyRing, actor: &Actor) -> Result<Vec<Rekeyed>, StoreError> {
        let mut all = Vec::new();
        for column in SEALED {
            let done = self.rekey_column(ring, column).await?;
            let after = serde_json::json!({
                "table": column.table, "column": column.column, "key": ring.current.id().to_string(),
                "sealed": done.sealed, "unopened": done.unopened.len(),
            });
            if done.sealed > 0 || !done.unopened.is_empty() {
                self.note(actor, &Event::done("encryption.rekey").changed(None, Some(after))).await?;
            }
            all.push(done);
        }
        Ok(all)
    }

    async fn rekey_column(&self, ring: &KeyRing, column: SealedColumn) -> Result<Rekeyed, StoreError> {
        let SealedColumn { table, key, column: name } = column;
        // the envelope's first byte is its version, the key's id follows
        let read = format!(
            "SELECT {key}::text AS key, {name} AS sealed FROM {table}
             WHERE {name} IS NOT NULL AND octet_length({name}) > 0
                 AND substring({name} FROM 2 FOR 8) IS DISTINCT FROM $1 AND {key}::text > $2
             ORDER BY {key}::text LIMIT {STRETCH}"
        );
        let write = format!("UPDATE {table} SET {name} = $3 WHERE {key}::text = $1 AND {name} = $2");
        let mut done = Rekeyed { column, sealed: 0, unopened: Vec::new() };
        let mut after = String::new();
        loop {
            let rows = self
                .bounded("reading envelopes", async {
                    let mut lease = self.lease().await?;
                    let answer = sqlx::query(sqlx::AssertSqlSafe(read.clone()))
                        .bind(&ring.current.id().0[..])
                        .bind(&after)
                        .fetch_all(&mut *lease)
                        .await;
                    let rows = lease.settle(answer)?;
                    let read =
                        |row: &sqlx::postgres::PgRow| Ok((row.try_get("key")?, row.try_get("sealed")?));
                    Ok(rows.iter().map(read).collect::<Result<Vec<(String, Vec<u8>)>, sqlx::Error>>()?)
                })
                .await?;
            let Some((last, _)) = rows.last() else { return Ok(done) };
            after.clone_from(last);
            for (row, old) in rows {
                let place = column.place(&row);
                let anew = ring.open(&place, &old).and_then(|text| ring.seal(&place, &text));
                let new = match anew {
                    Ok(new) => new,
                    Err(error) => {
                        done.unopened.push((row, error.to_string()));
                        continue;
                    }
                };
                done.sealed += self
                    .bounded("writing an envelope", async {
                        let mut lease = self.lease().await?;
                        let answer = sqlx::query(sqlx::AssertSqlSafe(write.clone()))
                            .bind(&row)
                            .bind(&old)
                            .bind(&new)
                            .execute(&mut *lease)
                            .await;
                        Ok(lease.settle(answer)?.rows_affected())
                    })
                    .await?;
            }
        }
    }
}
