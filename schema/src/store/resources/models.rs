//! Stored models with their routes.

use super::{Kept, Shown, finish, kept, meanwhile};
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use crate::rows::ModelRow;
use crate::store::{Store, load};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

impl Store {
    /// All stored models, by name.
    pub async fn kept_models(&self) -> Result<Vec<Kept<ModelRow>>, StoreError> {
        self.bounded("listing models", async {
            let mut lease = self.lease().await?;
            let answer = read(&mut lease).await;
            lease.settle(answer)
        })
        .await
    }

    /// Makes a model (`version` None) or changes the one of this id that is at `version`; its routes become exactly
    /// the given ones.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: it has been changed meanwhile; [`StoreError::Refused`]: there is one of this name.
    pub async fn put_model(
        &self,
        row: &ModelRow,
        version: Option<i64>,
        shown: &Shown,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.bounded("storing a model", async {
            let mut tx = self.begin().await?;
            let event = write(&mut tx, row, version, shown).await?;
            finish(tx, &event, actor).await
        })
        .await
    }

    /// Removes the model that is at `version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: it has been changed meanwhile.
    pub async fn remove_model(
        &self,
        id: Uuid,
        version: i64,
        shown: &Shown,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.bounded("removing a model", async {
            let mut tx = self.begin().await?;
            let gone = sqlx::query("DELETE FROM models WHERE id = $1 AND version = $2 RETURNING name")
                .bind(id)
                .bind(version)
                .fetch_optional(&mut *tx)
                .await?;
            let name: String = gone.ok_or_else(|| meanwhile("model"))?.try_get("name")?;
            let event = Event::done("model.delete").on("model", id, name);
            finish(tx, &event.changed(shown.before.clone(), None), actor).await
        })
        .await
    }
}

async fn read(conn: &mut PgConnection) -> Result<Vec<Kept<ModelRow>>, sqlx::Error> {
    let rows = load::models(conn, None).await?;
    let about = "SELECT id, version, created_at, updated_at FROM models";
    kept(conn, about, rows, |r| r.id, |r| &r.name).await
}

pub(super) async fn write(
    conn: &mut PgConnection,
    row: &ModelRow,
    version: Option<i64>,
    shown: &Shown,
) -> Result<Event, StoreError> {
    let (action, sql) = match version {
        None => (
            "model.create",
            "INSERT INTO models (id, name, enabled, price, input_multiplier, output_multiplier)
             SELECT $1, $2, $3, $4, $5, $6 WHERE $7::bigint IS NULL",
        ),
        Some(_) => (
            "model.change",
            "UPDATE models SET name = $2, enabled = $3, price = $4, input_multiplier = $5, output_multiplier = $6
             WHERE id = $1 AND version = $7",
        ),
    };
    let done = sqlx::query(sql)
        .bind(row.id)
        .bind(&row.name)
        .bind(row.enabled)
        .bind(&row.price)
        .bind(row.input_multiplier)
        .bind(row.output_multiplier)
        .bind(version)
        .execute(&mut *conn)
        .await?;
    if done.rows_affected() == 0 {
        return Err(meanwhile("model"));
    }
    load::write_routes(conn, row).await?;
    let event = Event::done(action).on("model", row.id, &row.name);
    Ok(event.changed(shown.before.clone(), shown.after.clone()))
}
