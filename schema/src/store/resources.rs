//! Providers, models and settings as the admin API changes them: each change with its row of the audit trail, in one
//! transaction. What the events show is made by the caller, who can tell secrets from the rest.

mod models;
mod providers;
mod settings;

pub use settings::StoredSetting;

use super::Store;
use super::tx::Tx;
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// A row with what the admin API adds.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept<R> {
    /// The row.
    pub row: R,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was changed.
    pub updated_at: OffsetDateTime,
}

/// A resource before and after, as the audit trail shows it: without secrets.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// None: it is made.
    pub before: Option<Value>,
    /// None: it goes.
    pub after: Option<Value>,
}

/// Several changes that happen together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Providers to make (version None) or to change (the version that they must be at).
    pub providers: Vec<(crate::rows::ProviderRow, Option<i64>, Shown)>,
    /// Models, likewise.
    pub models: Vec<(crate::rows::ModelRow, Option<i64>, Shown)>,
    /// Settings; None removes.
    pub settings: Vec<(String, Option<Value>)>,
}

impl Store {
    /// Makes the changes of an import, all or none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: one of them has been changed meanwhile; then nothing has.
    pub async fn apply_batch(&self, batch: &Batch, actor: &Actor) -> Result<(), StoreError> {
        self.bounded("importing", async {
            let mut tx = self.begin().await?;
            let mut events = Vec::new();
            for (row, version, shown) in &batch.providers {
                events.push(providers::write(&mut tx, row, *version, shown).await?);
            }
            for (row, version, shown) in &batch.models {
                events.push(models::write(&mut tx, row, *version, shown).await?);
            }
            for (key, value) in &batch.settings {
                events.extend(settings::write(&mut tx, key, value.as_ref(), None).await?);
            }
            for event in &events {
                tx.note(actor, event).await?;
            }
            tx.commit().await
        })
        .await
    }
}

/// Notes the events and makes all so.
async fn finish(mut tx: Tx, event: &Event, actor: &Actor) -> Result<(), StoreError> {
    tx.note(actor, event).await?;
    tx.commit().await
}

/// Rows with what the admin API adds, by name. `about`: asks for id, version and instants of all of them.
async fn kept<R>(
    conn: &mut PgConnection,
    about: &'static str,
    rows: Vec<R>,
    id: fn(&R) -> Uuid,
    name: fn(&R) -> &str,
) -> Result<Vec<Kept<R>>, sqlx::Error> {
    let mut known = HashMap::new();
    for row in sqlx::query(about).fetch_all(conn).await? {
        let times: (i64, OffsetDateTime, OffsetDateTime) =
            (row.try_get("version")?, row.try_get("created_at")?, row.try_get("updated_at")?);
        known.insert(row.try_get::<Uuid, _>("id")?, times);
    }
    let add = |row: R| {
        let (version, created_at, updated_at) = known.get(&id(&row)).copied()?;
        Some(Kept { row, version, created_at, updated_at })
    };
    let mut all: Vec<_> = rows.into_iter().filter_map(add).collect();
    all.sort_by(|a, b| name(&a.row).cmp(name(&b.row)));
    Ok(all)
}

fn meanwhile(what: &'static str) -> StoreError {
    StoreError::Conflict { what, why: "it has been changed meanwhile" }
}
