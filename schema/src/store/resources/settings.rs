//! Organisation settings.

use super::{finish, meanwhile};
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use crate::store::Store;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use time::OffsetDateTime;

/// A setting that somebody has set.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSetting {
    /// Its name (`upstream.max_attempts`).
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Counts its changes.
    pub version: i64,
    /// When it was set.
    pub updated_at: OffsetDateTime,
}

impl Store {
    /// What has been set, by name.
    pub async fn stored_settings(&self) -> Result<Vec<StoredSetting>, StoreError> {
        self.bounded("reading settings", async {
            let mut lease = self.lease().await?;
            let answer = async {
                let rows = sqlx::query(
                    "SELECT key, value, version, updated_at FROM organisation_settings ORDER BY key",
                )
                .fetch_all(&mut *lease)
                .await?;
                rows.iter()
                    .map(|row| {
                        Ok(StoredSetting {
                            key: row.try_get("key")?,
                            value: row.try_get("value")?,
                            version: row.try_get("version")?,
                            updated_at: row.try_get("updated_at")?,
                        })
                    })
                    .collect()
            }
            .await;
            lease.settle(answer)
        })
        .await
    }

    /// Sets (None: takes back) a setting that is at `version` (None: whatever it is at; 0: not set).
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: it has been changed meanwhile.
    pub async fn put_setting(
        &self,
        key: &str,
        value: Option<&Value>,
        version: Option<i64>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.bounded("storing a setting", async {
            let mut tx = self.begin().await?;
            match write(&mut tx, key, value, version).await? {
                Some(event) => finish(tx, &event, actor).await,
                None => tx.commit().await,
            }
        })
        .await
    }
}

/// None: it is so already.
pub(super) async fn write(
    conn: &mut PgConnection,
    key: &str,
    value: Option<&Value>,
    version: Option<i64>,
) -> Result<Option<Event>, StoreError> {
    // The table itself: a row that is not there yet cannot be locked.
    sqlx::query("LOCK TABLE organisation_settings IN SHARE ROW EXCLUSIVE MODE").execute(&mut *conn).await?;
    let row = sqlx::query("SELECT value, version FROM organisation_settings WHERE key = $1")
        .bind(key)
        .fetch_optional(&mut *conn)
        .await?;
    let before: Option<Value> = row.as_ref().map(|r| r.try_get("value")).transpose()?;
    let at: i64 = row.as_ref().map(|r| r.try_get("version")).transpose()?.unwrap_or(0);
    if version.is_some_and(|v| v != at) {
        return Err(meanwhile("setting"));
    }
    if before.as_ref() == value {
        return Ok(None);
    }
    match value {
        Some(value) => {
            sqlx::query(
                "INSERT INTO organisation_settings (key, value) VALUES ($1, $2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )
            .bind(key)
            .bind(value)
            .execute(&mut *conn)
            .await?
        }
        None => {
            sqlx::query("DELETE FROM organisation_settings WHERE key = $1")
                .bind(key)
                .execute(&mut *conn)
                .await?
        }
    };
    let action = if value.is_some() { "setting.change" } else { "setting.reset" };
    Ok(Some(Event::done(action).on("setting", key, key).changed(before, value.cloned())))
}
