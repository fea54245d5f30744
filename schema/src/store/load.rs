//! Reading the control plane: everything, or the rows that changed.

use super::Store;
use crate::error::StoreError;
use crate::labels::Labels;
use crate::rows::{
    AccountRow, HeldRole, KeyRow, ModelRow, ProviderRow, RoleRow, RouteRow, StoredState, TeamRow, UserRow,
};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::types::Json;
use sqlx::{Connection, Row};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// One transaction, one instant: a key is never seen without its owner.
pub(super) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl Store {
    /// All that a snapshot is built from, as of one instant.
    pub async fn load(&self) -> Result<StoredState, StoreError> {
        self.bounded("loading the control plane", async {
            let mut lease = self.lease().await?;
            let answer = load_all(&mut lease).await;
            lease.settle(answer)
        })
        .await
    }
}

async fn load_all(conn: &mut PgConnection) -> Result<StoredState, sqlx::Error> {
    let mut tx = conn.begin_with(SNAPSHOT).await?;
    let state = StoredState {
        settings: settings(&mut tx, None).await?,
        users: users(&mut tx, None).await?,
        accounts: accounts(&mut tx, None).await?,
        roles: roles(&mut tx, None).await?,
        teams: teams(&mut tx, None).await?,
        keys: keys(&mut tx, None).await?,
        providers: providers(&mut tx, None).await?,
        models: models(&mut tx, None).await?,
    };
    tx.commit().await?;
    Ok(state)
}

/// Rows of the table with these ids, or all.
type Ids<'a> = Option<&'a [Uuid]>;

pub(crate) async fn settings(
    conn: &mut PgConnection,
    keys: Option<&[String]>,
) -> Result<BTreeMap<String, serde_json::Value>, sqlx::Error> {
    sqlx::query("SELECT key, value FROM organisation_settings WHERE $1::text[] IS NULL OR key = ANY($1)")
        .bind(keys)
        .fetch_all(conn)
        .await?
        .iter()
        .map(|row| Ok((row.try_get("key")?, row.try_get("value")?)))
        .collect()
}

pub(crate) async fn users(conn: &mut PgConnection, ids: Ids<'_>) -> Result<Vec<UserRow>, sqlx::Error> {
    sqlx::query(
        "SELECT id, email, name, active, deleted_at, COALESCE(held.roles, '[]') AS roles FROM users
         LEFT JOIN (SELECT user_id, jsonb_agg(jsonb_build_object('role', role, 'team', team_id)
                                              ORDER BY role, team_id) AS roles
                    FROM role_assignments WHERE $1::uuid[] IS NULL OR user_id = ANY($1)
                    GROUP BY user_id) held ON held.user_id = users.id
         WHERE $1::uuid[] IS NULL OR id = ANY($1) ORDER BY id",
    )
    .bind(ids)
    .fetch_all(conn)
    .await?
    .iter()
    .map(user)
    .collect()
}

fn user(row: &PgRow) -> Result<UserRow, sqlx::Error> {
    Ok(UserRow {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        active: row.try_get("active")?,
        deleted_at: row.try_get("deleted_at")?,
        roles: row.try_get::<Json<Vec<HeldRole>>, _>("roles")?.0,
    })
}

pub(crate) async fn accounts(conn: &mut PgConnection, ids: Ids<'_>) -> Result<Vec<AccountRow>, sqlx::Error> {
    sqlx::query(
        "SELECT s.id, s.name, s.deleted_at, COALESCE(held.roles, '[]') AS roles,
                s.active AND (s.team_id IS NULL OR (t.active AND t.deleted_at IS NULL)) AS active
         FROM service_accounts s LEFT JOIN teams t ON t.id = s.team_id
         LEFT JOIN (SELECT service_account_id, jsonb_agg(jsonb_build_object('role', role, 'team', team_id)
                                                         ORDER BY role, team_id) AS roles
                    FROM role_assignments WHERE $1::uuid[] IS NULL OR service_account_id = ANY($1)
                    GROUP BY service_account_id) held ON held.service_account_id = s.id
         WHERE $1::uuid[] IS NULL OR s.id = ANY($1) ORDER BY s.id",
    )
    .bind(ids)
    .fetch_all(conn)
    .await?
    .iter()
    .map(|row| {
        Ok(AccountRow {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            active: row.try_get("active")?,
            deleted_at: row.try_get("deleted_at")?,
            roles: row.try_get::<Json<Vec<HeldRole>>, _>("roles")?.0,
        })
    })
    .collect()
}

/// Custom roles with these names, or all.
pub(crate) async fn roles(
    conn: &mut PgConnection,
    names: Option<&[String]>,
) -> Result<Vec<RoleRow>, sqlx::Error> {
    sqlx::query(
        "SELECT id, name, description, grants FROM roles WHERE $1::text[] IS NULL OR name = ANY($1) ORDER BY id",
    )
    .bind(names)
    .fetch_all(conn)
    .await?
    .iter()
    .map(|row| {
        Ok(RoleRow {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            grants: row.try_get::<Json<_>, _>("grants")?.0,
        })
    })
    .collect()
}

pub(crate) async fn teams(conn: &mut PgConnection, ids: Ids<'_>) -> Result<Vec<TeamRow>, sqlx::Error> {
    sqlx::query(
        "SELECT id, name, active, deleted_at, surfaces, models, tools FROM teams
         WHERE $1::uuid[] IS NULL OR id = ANY($1) ORDER BY id",
    )
    .bind(ids)
    .fetch_all(conn)
    .await?
    .iter()
    .map(team)
    .collect()
}

fn team(row: &PgRow) -> Result<TeamRow, sqlx::Error> {
    Ok(TeamRow {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        active: row.try_get("active")?,
        deleted_at: row.try_get("deleted_at")?,
        surfaces: row.try_get("surfaces")?,
        models: row.try_get("models")?,
        tools: row.try_get("tools")?,
    })
}

pub(crate) async fn keys(conn: &mut PgConnection, ids: Ids<'_>) -> Result<Vec<KeyRow>, sqlx::Error> {
    sqlx::query(
        "SELECT id, name, hash, prefix, user_id, team_id, surfaces, models, tools, created_at, expires_at,
                revoked_at, service_account_id, networks, disabled_at, tags, metadata
         FROM virtual_keys WHERE $1::uuid[] IS NULL OR id = ANY($1) ORDER BY id",
    )
    .bind(ids)
    .fetch_all(conn)
    .await?
    .iter()
    .map(key)
    .collect()
}

fn key(row: &PgRow) -> Result<KeyRow, sqlx::Error> {
    Ok(KeyRow {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        hash: row.try_get("hash")?,
        prefix: row.try_get("prefix")?,
        user_id: row.try_get("user_id")?,
        team_id: row.try_get("team_id")?,
        surfaces: row.try_get("surfaces")?,
        models: row.try_get("models")?,
        tools: row.try_get("tools")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        revoked_at: row.try_get("revoked_at")?,
        service_account_id: row.try_get("service_account_id")?,
        networks: row.try_get("networks")?,
        disabled_at: row.try_get("disabled_at")?,
        labels: Labels { tags: row.try_get("tags")?, metadata: texts(row.try_get("metadata")?) },
    })
}

/// Names and texts. What was put there by hand and is no text is told as it is written: it must not stop the load.
fn texts(metadata: Json<serde_json::Map<String, serde_json::Value>>) -> BTreeMap<String, String> {
    let text = |value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    metadata.0.into_iter().map(|(name, value)| (name, text(value))).collect()
}

pub(crate) async fn providers(
    conn: &mut PgConnection,
    ids: Ids<'_>,
) -> Result<Vec<ProviderRow>, sqlx::Error> {
    sqlx::query(
        "SELECT id, name, kind, base_url, api_key, settings, secrets, enabled FROM providers
         WHERE $1::uuid[] IS NULL OR id = ANY($1) ORDER BY id",
    )
    .bind(ids)
    .fetch_all(conn)
    .await?
    .iter()
    .map(provider)
    .collect()
}

fn provider(row: &PgRow) -> Result<ProviderRow, sqlx::Error> {
    Ok(ProviderRow {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        kind: row.try_get("kind")?,
        base_url: row.try_get("base_url")?,
        api_key: row.try_get("api_key")?,
        settings: row.try_get("settings")?,
        secrets: row.try_get("secrets")?,
        enabled: row.try_get("enabled")?,
    })
}

pub(crate) async fn models(conn: &mut PgConnection, ids: Ids<'_>) -> Result<Vec<ModelRow>, sqlx::Error> {
    let mut routes = HashMap::<Uuid, Vec<RouteRow>>::new();
    let route_rows = sqlx::query(
        "SELECT id, model_id, provider, upstream_model, weight FROM routes
         WHERE $1::uuid[] IS NULL OR model_id = ANY($1) ORDER BY model_id, position, id",
    )
    .bind(ids)
    .fetch_all(&mut *conn)
    .await?;
    for row in &route_rows {
        let weight: i64 = row.try_get("weight")?;
        routes.entry(row.try_get("model_id")?).or_default().push(RouteRow {
            id: row.try_get("id")?,
            provider: row.try_get("provider")?,
            upstream_model: row.try_get("upstream_model")?,
            // the table's CHECK keeps it within u32
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
        });
    }
    sqlx::query(
        "SELECT id, name, enabled, price, input_multiplier, output_multiplier FROM models
         WHERE $1::uuid[] IS NULL OR id = ANY($1) ORDER BY id",
    )
    .bind(ids)
    .fetch_all(conn)
    .await?
    .iter()
    .map(|row| {
        let id = row.try_get("id")?;
        Ok(ModelRow {
            id,
            name: row.try_get("name")?,
            enabled: row.try_get("enabled")?,
            routes: routes.remove(&id).unwrap_or_default(),
            price: row.try_get("price")?,
            input_multiplier: row.try_get("input_multiplier")?,
            output_multiplier: row.try_get("output_multiplier")?,
        })
    })
    .collect()
}

/// The routes of a model become exactly those of the row, in this order.
pub(super) async fn write_routes(conn: &mut PgConnection, model: &ModelRow) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM routes WHERE model_id = $1").bind(model.id).execute(&mut *conn).await?;
    for (position, route) in model.routes.iter().enumerate() {
        sqlx::query(
            "INSERT INTO routes (id, model_id, provider, upstream_model, weight, position)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(route.id)
        .bind(model.id)
        .bind(&route.provider)
        .bind(route.upstream_model.as_deref())
        .bind(i64::from(route.weight))
        .bind(i32::try_from(position).unwrap_or(i32::MAX))
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}
