//! Virtual keys: made, listed, revoked.

use super::virtual_keys::{KeyDetail, KeyStep};
use super::{Store, load};
use crate::audit::Actor;
use crate::error::StoreError;
use crate::rows::KeyRow;
use sqlx::Row;
use uuid::Uuid;

impl Store {
    /// Stores a row as it is, past the audit trail: for tests, which choose ids and instants.
    #[cfg(feature = "testing")]
    pub async fn create_key(&self, key: &KeyRow, created_by: Option<&str>) -> Result<(), StoreError> {
        self.bounded("creating a key", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "INSERT INTO virtual_keys (id, name, hash, prefix, user_id, team_id, surfaces, models,
                                           created_at, expires_at, revoked_at, created_by,
                                           service_account_id, networks, disabled_at, tags, metadata, tools)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                         $18)",
            )
            .bind(key.id)
            .bind(&key.name)
            .bind(&key.hash[..])
            .bind(&key.prefix)
            .bind(key.user_id)
            .bind(key.team_id)
            .bind(&key.surfaces)
            .bind(&key.models)
            .bind(key.created_at)
            .bind(key.expires_at)
            .bind(key.revoked_at)
            .bind(created_by)
            .bind(key.service_account_id)
            .bind(key.networks.as_deref())
            .bind(key.disabled_at)
            .bind(&key.labels.tags)
            .bind(sqlx::types::Json(&key.labels.metadata))
            .bind(&key.tools)
            .execute(&mut *lease)
            .await;
            lease.settle(answer).map(drop)
        })
        .await
    }

    /// All keys, oldest first, revoked ones included.
    pub async fn list_keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        self.bounded("listing keys", async {
            let mut lease = self.lease().await?;
            let answer = load::keys(&mut lease, None).await;
            lease.settle(answer)
        })
        .await
    }

    /// Revokes by id or by prefix (any unambiguous beginning of the display prefix). Revoking twice keeps the first
    /// instant. A prefix that fits several keys revokes none.
    pub async fn revoke_key(&self, id_or_prefix: &str, actor: &Actor) -> Result<KeyDetail, StoreError> {
        let id = match Uuid::parse_str(id_or_prefix) {
            Ok(id) => id,
            Err(_) => self.key_by_prefix(id_or_prefix).await?,
        };
        self.step_key(id, None, KeyStep::Revoke, actor).await
    }

    async fn key_by_prefix(&self, prefix: &str) -> Result<Uuid, StoreError> {
        let found: Vec<Uuid> = self
            .bounded("looking a key up", async {
                let mut lease = self.lease().await?;
                let answer = async {
                    sqlx::query("SELECT id FROM virtual_keys WHERE $1 <> '' AND starts_with(prefix, $1)")
                        .bind(prefix)
                        .fetch_all(&mut *lease)
                        .await?
                        .iter()
                        .map(|row| row.try_get(0))
                        .collect()
                }
                .await;
                lease.settle(answer)
            })
            .await?;
        match found.as_slice() {
            [] => Err(StoreError::NotFound { what: "key", name: prefix.to_owned() }),
            [id] => Ok(*id),
            several => Err(StoreError::AmbiguousPrefix { prefix: prefix.to_owned(), count: several.len() }),
        }
    }
}
