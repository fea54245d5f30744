//! A change and its line in the audit trail: one transaction.

use super::Store;
use super::lease::Lease;
use crate::audit::{self, Actor, Event};
use crate::error::StoreError;
use sqlx::postgres::PgConnection;
use std::ops::{Deref, DerefMut};

/// An open transaction. Dropped without [`commit`](Self::commit) its connection is closed, which takes everything back.
pub(crate) struct Tx(Lease);

impl Store {
    /// Begins one.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        let mut lease = self.lease().await?;
        sqlx::query("BEGIN").execute(&mut *lease).await?;
        Ok(Tx(lease))
    }

    /// Puts down something that changes no row: a sign-in, a denial.
    pub async fn note(&self, actor: &Actor, event: &Event) -> Result<(), StoreError> {
        self.bounded("writing the audit trail", async {
            let mut tx = self.begin().await?;
            tx.note(actor, event).await?;
            tx.commit().await
        })
        .await
    }
}

impl Tx {
    /// Appends to the audit trail. Last before the commit: the end of the chain is locked from here on.
    pub(crate) async fn note(&mut self, actor: &Actor, event: &Event) -> Result<(), StoreError> {
        Ok(audit::append(&mut self.0, actor, event).await?)
    }

    /// Makes it so.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        let answer = sqlx::query("COMMIT").execute(&mut *self.0).await;
        self.0.settle(answer).map(drop)
    }
}

impl Deref for Tx {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
