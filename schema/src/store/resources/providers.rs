//! Stored providers.

use super::{Kept, Shown, finish, kept, meanwhile};
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use crate::rows::ProviderRow;
use crate::store::{Store, load};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

impl Store {
    /// All stored providers, by name.
    pub async fn kept_providers(&self) -> Result<Vec<Kept<ProviderRow>>, StoreError> {
        self.bounded("listing providers", async {
            let mut lease = self.lease().await?;
            let answer = read(&mut lease).await;
            lease.settle(answer)
        })
        .await
    }

    /// Makes a provider (`version` None) or changes the one of this id that is at `version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: it has been changed meanwhile; [`StoreError::Refused`]: there is one of this name.
    pub async fn put_provider(
        &self,
        row: &ProviderRow,
        version: Option<i64>,
        shown: &Shown,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.bounded("storing a provider", async {
            let mut tx = self.begin().await?;
            let event = write(&mut tx, row, version, shown).await?;
            finish(tx, &event, actor).await
        })
        .await
    }

    /// Removes the provider that is at `version`, unless a stored model has a route to it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: it has been changed meanwhile, or is needed.
    pub async fn remove_provider(
        &self,
        id: Uuid,
        version: i64,
        shown: &Shown,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.bounded("removing a provider", async {
            let mut tx = self.begin().await?;
            let gone = sqlx::query("DELETE FROM providers WHERE id = $1 AND version = $2 RETURNING name")
                .bind(id)
                .bind(version)
                .fetch_optional(&mut *tx)
                .await?;
            let name: String = gone.ok_or_else(|| meanwhile("provider"))?.try_get("name")?;
            let needed = sqlx::query("SELECT 1 FROM routes WHERE provider = $1 LIMIT 1").bind(&name);
            if needed.fetch_optional(&mut *tx).await?.is_some() {
                let why = "a stored model has a route to it: take the route out first";
                return Err(StoreError::Conflict { what: "provider", why });
            }
            let event = Event::done("provider.delete").on("provider", id, name);
            finish(tx, &event.changed(shown.before.clone(), None), actor).await
        })
        .await
    }
}

async fn read(conn: &mut PgConnection) -> Result<Vec<Kept<ProviderRow>>, sqlx::Error> {
    let rows = load::providers(conn, None).await?;
    let about = "SELECT id, version, created_at, updated_at FROM providers";
    kept(conn, about, rows, |r| r.id, |r| &r.name).await
}

pub(super) async fn write(
    conn: &mut PgConnection,
    row: &ProviderRow,
    version: Option<i64>,
    shown: &Shown,
) -> Result<Event, StoreError> {
    let (action, sql) = match version {
        None => (
            "provider.create",
            "INSERT INTO providers (id, name, kind, base_url, api_key, settings, secrets, enabled)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE $9::bigint IS NULL",
        ),
        Some(_) => (
            "provider.change",
            "UPDATE providers SET name = $2, kind = $3, base_url = $4, api_key = $5, settings = $6, secrets = $7,
                 enabled = $8 WHERE id = $1 AND version = $9",
        ),
    };
    let done = sqlx::query(sql)
        .bind(row.id)
        .bind(&row.name)
        .bind(&row.kind)
        .bind(&row.base_url)
        .bind(row.api_key.as_deref())
        .bind(&row.settings)
        .bind(row.secrets.as_deref())
        .bind(row.enabled)
        .bind(version)
        .execute(&mut *conn)
        .await?;
    if done.rows_affected() == 0 {
        return Err(meanwhile("provider"));
    }
    let event = Event::done(action).on("provider", row.id, &row.name);
    Ok(event.changed(shown.before.clone(), shown.after.clone()))
}
