//! What tells this database from all others.

use super::Store;
use crate::error::StoreError;
use sha2::{Digest, Sha256};

impl Store {
    /// 16 hex digits that are the same for all who use this database, and others for any other one: made of its name,
    /// the schema's, and the microsecond in which the first table was made. A copy of a database has its original's if
    /// it has its name too.
    pub(crate) async fn identity(&self) -> Result<String, StoreError> {
        let sql = "SELECT jsonb_build_array(current_database(), current_schema(),
                                            extract(epoch FROM min(installed_on)))::text
                   FROM _sqlx_migrations";
        let text: String = self
            .bounded("asking which database it is", async {
                let mut lease = self.lease().await?;
                let answer = sqlx::query_scalar(sql).fetch_one(&mut *lease).await;
                lease.settle(answer)
            })
            .await?;
        Ok(hex::encode(&Sha256::digest(text.as_bytes())[..8]))
    }
}
