//! Writing the other rows: made when the id is new, else changed. Triggers tell every instance.

use super::{Store, load};
use crate::error::StoreError;
use crate::rows::{ModelRow, ProviderRow, TeamRow, UserRow};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

impl Store {
    /// Sets an organisation setting; None removes it.
    pub async fn set_setting(&self, key: &str, value: Option<&serde_json::Value>) -> Result<(), StoreError> {
        self.bounded("storing a setting", async {
            let mut lease = self.lease().await?;
            let answer = match value {
                Some(value) => {
                    sqlx::query(
                        "INSERT INTO organisation_settings (key, value) VALUES ($1, $2)
                         ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()",
                    )
                    .bind(key)
                    .bind(value)
                    .execute(&mut *lease)
                    .await
                }
                None => {
                    sqlx::query("DELETE FROM organisation_settings WHERE key = $1")
                        .bind(key)
                        .execute(&mut *lease)
                        .await
                }
            };
            lease.settle(answer).map(drop)
        })
        .await
    }

    /// Makes or changes a user; the roles become exactly the given ones. The e-mail address is stored in lower case.
    pub async fn upsert_user(&self, user: &UserRow) -> Result<(), StoreError> {
        self.bounded("storing a user", async {
            let mut lease = self.lease().await?;
            let answer = write_user(&mut lease, user).await;
            lease.settle(answer)
        })
        .await
    }

    /// Makes or changes a team.
    pub async fn upsert_team(&self, team: &TeamRow) -> Result<(), StoreError> {
        self.bounded("storing a team", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "INSERT INTO teams (id, name, active, deleted_at, surfaces, models, tools)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (id) DO UPDATE SET name = excluded.name, active = excluded.active,
                     deleted_at = excluded.deleted_at, surfaces = excluded.surfaces, models = excluded.models,
                     tools = excluded.tools",
            )
            .bind(team.id)
            .bind(&team.name)
            .bind(team.active)
            .bind(team.deleted_at)
            .bind(&team.surfaces)
            .bind(&team.models)
            .bind(&team.tools)
            .execute(&mut *lease)
            .await;
            lease.settle(answer).map(drop)
        })
        .await
    }

    /// Makes or changes a provider. `api_key` and `secrets` are sealed envelopes (see [`envelope`](crate::envelope)).
    pub async fn upsert_provider(&self, provider: &ProviderRow) -> Result<(), StoreError> {
        self.bounded("storing a provider", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "INSERT INTO providers (id, name, kind, base_url, api_key, settings, secrets, enabled)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (id) DO UPDATE SET name = excluded.name, kind = excluded.kind,
                     base_url = excluded.base_url, api_key = excluded.api_key, settings = excluded.settings,
                     secrets = excluded.secrets, enabled = excluded.enabled, updated_at = now()",
            )
            .bind(provider.id)
            .bind(&provider.name)
            .bind(&provider.kind)
            .bind(&provider.base_url)
            .bind(provider.api_key.as_deref())
            .bind(&provider.settings)
            .bind(provider.secrets.as_deref())
            .bind(provider.enabled)
            .execute(&mut *lease)
            .await;
            lease.settle(answer).map(drop)
        })
        .await
    }

    /// Makes or changes a model; its routes become exactly the given ones, in this order.
    pub async fn upsert_model(&self, model: &ModelRow) -> Result<(), StoreError> {
        self.bounded("storing a model", async {
            let mut lease = self.lease().await?;
            let answer = write_model(&mut lease, model).await;
            lease.settle(answer)
        })
        .await
    }
}

async fn write_user(conn: &mut PgConnection, user: &UserRow) -> Result<(), sqlx::Error> {
    let mut tx = conn.begin().await?;
    sqlx::query(
        "INSERT INTO users (id, email, name, active, deleted_at) VALUES ($1, lower($2), $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET email = excluded.email, name = excluded.name,
             active = excluded.active, deleted_at = excluded.deleted_at",
    )
    .bind(user.id)
    .bind(&user.email)
    .bind(&user.name)
    .bind(user.active)
    .bind(user.deleted_at)
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM role_assignments WHERE user_id = $1").bind(user.id).execute(&mut *tx).await?;
    for held in &user.roles {
        sqlx::query("INSERT INTO role_assignments (user_id, role, team_id) VALUES ($1, $2, $3)")
            .bind(user.id)
            .bind(&held.role)
            .bind(held.team)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

async fn write_model(conn: &mut PgConnection, model: &ModelRow) -> Result<(), sqlx::Error> {
    let mut tx = conn.begin().await?;
    sqlx::query(
        "INSERT INTO models (id, name, enabled, price, input_multiplier, output_multiplier)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, enabled = excluded.enabled, price = excluded.price,
             input_multiplier = excluded.input_multiplier, output_multiplier = excluded.output_multiplier",
    )
    .bind(model.id)
    .bind(&model.name)
    .bind(model.enabled)
    .bind(&model.price)
    .bind(model.input_multiplier)
    .bind(model.output_multiplier)
    .execute(&mut *tx)
    .await?;
    load::write_routes(&mut tx, model).await?;
    tx.commit().await
}
