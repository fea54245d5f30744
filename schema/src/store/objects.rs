//! Who made an object at a provider (`resp_…`), so that nobody else reads it.

use super::Store;
use crate::error::StoreError;
use sqlx::Row;
use uuid::Uuid;

/// Maker and place of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectOwner {
    /// Name of the provider that holds it.
    pub provider: String,
    /// Key it was made with.
    pub key_id: Option<Uuid>,
    /// That key's user.
    pub user_id: Option<Uuid>,
    /// That key's team.
    pub team_id: Option<Uuid>,
}

impl Store {
    /// Who made the object; None if no call of this gateway did (or its record has not been shipped yet: the spool
    /// needs about 200 ms).
    pub async fn object_owner(&self, object_id: &str) -> Result<Option<ObjectOwner>, StoreError> {
        self.bounded("looking an object up", async {
            let mut lease = self.lease().await?;
            let answer = async {
                let row = sqlx::query(
                    "SELECT provider, key_id, user_id, team_id FROM stored_objects WHERE object_id = $1",
                )
                .bind(object_id)
                .fetch_optional(&mut *lease)
                .await?;
                row.map(|row| {
                    Ok(ObjectOwner {
                        provider: row.try_get("provider")?,
                        key_id: row.try_get("key_id")?,
                        user_id: row.try_get("user_id")?,
                        team_id: row.try_get("team_id")?,
                    })
                })
                .transpose()
            }
            .await;
            lease.settle(answer)
        })
        .await
    }
}
