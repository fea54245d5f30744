//! Sign-in providers (OpenID Connect): what is configured, and the last test of each.

pub mod logout;
pub mod sign_in;
pub mod trial;

use super::Store;
use super::people::{SUPER_ADMINS, lock, super_admins};
use super::tx::Tx;
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use crate::rows::HeldRole;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// Providers that there may be.
const MOST: i64 = 50;

/// Where a provider stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OidcState {
    /// Not tested since it was changed.
    Draft,
    /// A test login has succeeded.
    Tested,
    /// People sign in with it.
    Active,
    /// Switched off.
    Disabled,
}

impl OidcState {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Tested => "tested",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// Which claims say what. A name, or a path with dots to a nested one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimNames {
    /// The e-mail address.
    pub email: String,
    /// The display name.
    pub name: String,
    /// The groups; None: there are none.
    pub groups: Option<String>,
}

/// What the members of a group get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRule {
    /// The group, as the claim names it.
    pub group: String,
    /// Membership of this team …
    pub team: Option<Uuid>,
    /// … as its manager.
    pub manager: bool,
    /// A role.
    pub role: Option<HeldRole>,
}

/// What a sign-in makes of the claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcSettings {
    /// Scopes that are asked for, besides `openid`.
    pub scopes: Vec<String>,
    /// Claims.
    pub claims: ClaimNames,
    /// What groups give.
    pub group_rules: Vec<GroupRule>,
    /// What everybody gets.
    pub default_roles: Vec<HeldRole>,
    /// Domains of e-mail addresses, lower case; none: any.
    pub allowed_domains: Vec<String>,
    /// Users are made at their first sign-in.
    pub jit: bool,
    /// Only with an address that the provider says it has verified.
    pub require_email_verified: bool,
    /// The first sign-in may take an existing user of the same verified address.
    pub link_by_email: bool,
}

/// A sign-in provider.
#[derive(Clone, Debug, PartialEq)]
pub struct OidcProvider {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// Unique; part of its addresses here.
    pub slug: String,
    /// For people.
    pub name: String,
    /// Which preset it began as.
    pub preset: String,
    /// Its issuer identifier.
    pub issuer: String,
    /// We there.
    pub client_id: String,
    /// Envelope of the secret; AAD `oidc_providers/<id>/client_secret`.
    pub client_secret: Option<Vec<u8>>,
    /// What a sign-in makes of the claims.
    pub settings: OidcSettings,
    /// Where it stands.
    pub state: OidcState,
    /// Counts changes of what a sign-in depends on.
    pub configuration: i64,
    /// Counts all changes.
    pub version: i64,
    /// Made at.
    pub created_at: OffsetDateTime,
    /// Changed at.
    pub updated_at: OffsetDateTime,
}

impl OidcProvider {
    fn shown(&self) -> serde_json::Value {
        json!({
            "slug": self.slug, "name": self.name, "preset": self.preset, "issuer": self.issuer,
            "client_id": self.client_id, "client_secret": self.client_secret.as_ref().map(|_| "***"),
            "settings": self.settings, "state": self.state,
        })
    }
}

/// What a provider is, or becomes.
#[derive(Clone, Debug)]
pub struct OidcProviderValues {
    /// For people.
    pub name: String,
    /// Which preset it began as.
    pub preset: String,
    /// Its issuer identifier.
    pub issuer: String,
    /// We there.
    pub client_id: String,
    /// Envelope of the secret.
    pub client_secret: Option<Vec<u8>>,
    /// What a sign-in makes of the claims.
    pub settings: OidcSettings,
}

const COLUMNS: &str = "id, slug, name, preset, issuer, client_id, client_secret, settings, state, configuration, \
                       version, created_at, updated_at";

fn provider(row: &PgRow) -> Result<OidcProvider, sqlx::Error> {
    let state: String = row.try_get("state")?;
    Ok(OidcProvider {
        id: row.try_get("id")?,
        slug: row.try_get("slug")?,
        name: row.try_get("name")?,
        preset: row.try_get("preset")?,
        issuer: row.try_get("issuer")?,
        client_id: row.try_get("client_id")?,
        client_secret: row.try_get("client_secret")?,
        settings: row.try_get::<Json<_>, _>("settings")?.0,
        state: serde_json::from_value(state.into()).map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
        configuration: row.try_get("configuration")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

async fn by_id(conn: &mut PgConnection, id: Uuid) -> Result<Option<OidcProvider>, sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM oidc_providers WHERE id = $1"));
    sqlx::query(sql).bind(id).fetch_optional(conn).await?.as_ref().map(provider).transpose()
}

async fn locked(tx: &mut Tx, id: Uuid, version: Option<i64>) -> Result<OidcProvider, StoreError> {
    sqlx::query("SELECT 1 FROM oidc_providers WHERE id = $1 FOR UPDATE").bind(id).execute(&mut **tx).await?;
    let found = by_id(tx, id).await?.ok_or_else(|| missing(id))?;
    if version.is_some_and(|v| v != found.version) {
        return Err(StoreError::Conflict { what: "sign-in provider", why: "it has been changed meanwhile" });
    }
    Ok(found)
}

fn missing(id: Uuid) -> StoreError {
    StoreError::NotFound { what: "sign-in provider", name: id.to_string() }
}

impl Store {
    /// All of them, by slug.
    pub async fn oidc_providers(&self) -> Result<Vec<OidcProvider>, StoreError> {
        self.bounded("listing sign-in providers", async {
            let sql = format!("SELECT {COLUMNS} FROM oidc_providers ORDER BY slug LIMIT {MOST}");
            let mut lease = self.lease().await?;
            let answer = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *lease).await;
            Ok(lease.settle(answer)?.iter().map(provider).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The provider of this id.
    pub async fn oidc_provider(&self, id: Uuid) -> Result<Option<OidcProvider>, StoreError> {
        self.bounded("reading a sign-in provider", async {
            let mut lease = self.lease().await?;
            let answer = by_id(&mut lease, id).await;
            lease.settle(answer)
        })
        .await
    }

    /// The provider of this slug.
    pub async fn oidc_provider_by_slug(&self, slug: &str) -> Result<Option<OidcProvider>, StoreError> {
        self.bounded("reading a sign-in provider", async {
            let sql = format!("SELECT {COLUMNS} FROM oidc_providers WHERE slug = $1");
            let mut lease = self.lease().await?;
            let answer = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(slug).fetch_optional(&mut *lease).await;
            Ok(lease.settle(answer)?.as_ref().map(provider).transpose()?)
        })
        .await
    }

    /// Makes one, as a draft.
    pub async fn create_oidc_provider(
        &self,
        id: Uuid,
        slug: &str,
        new: &OidcProviderValues,
        actor: &Actor,
    ) -> Result<OidcProvider, StoreError> {
        self.bounded("creating a sign-in provider", async {
            let mut tx = self.begin().await?;
            let count: i64 =
                sqlx::query("SELECT count(*) FROM oidc_providers").fetch_one(&mut *tx).await?.try_get(0)?;
            if count >= MOST {
                return Err(StoreError::Conflict { what: "sign-in provider", why: "there are 50 already" });
            }
            sqlx::query(
                "INSERT INTO oidc_providers (id, slug, name, preset, issuer, client_id, client_secret, settings)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(id)
            .bind(slug)
            .bind(&new.name)
            .bind(&new.preset)
            .bind(&new.issuer)
            .bind(&new.client_id)
            .bind(&new.client_secret)
            .bind(Json(&new.settings))
            .execute(&mut *tx)
            .await?;
            finish(tx, "oidc_provider.create", id, None, actor).await
        })
        .await
    }

    /// Changes one that is at `version`. `anew`: what a sign-in depends on is changed, so that it must be tested again.
    pub async fn change_oidc_provider(
        &self,
        id: Uuid,
        version: Option<i64>,
        new: &OidcProviderValues,
        anew: bool,
        actor: &Actor,
    ) -> Result<OidcProvider, StoreError> {
        self.bounded("changing a sign-in provider", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            sqlx::query(
                "UPDATE oidc_providers SET name = $2, preset = $3, issuer = $4, client_id = $5, client_secret = $6,
                     settings = $7, configuration = configuration + CASE WHEN $8 THEN 1 ELSE 0 END,
                     state = CASE WHEN $8 THEN 'draft' ELSE state END
                 WHERE id = $1",
            )
            .bind(id)
            .bind(&new.name)
            .bind(&new.preset)
            .bind(&new.issuer)
            .bind(&new.client_id)
            .bind(&new.client_secret)
            .bind(Json(&new.settings))
            .bind(anew)
            .execute(&mut *tx)
            .await?;
            finish(tx, "oidc_provider.update", id, Some(before), actor).await
        })
        .await
    }

    /// Lets people sign in with it; only after a test of this configuration that somebody could have signed in by.
    pub async fn activate_oidc_provider(
        &self,
        id: Uuid,
        version: Option<i64>,
        actor: &Actor,
    ) -> Result<OidcProvider, StoreError> {
        self.bounded("activating a sign-in provider", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            let passed = sqlx::query(
                "SELECT 1 FROM oidc_tests WHERE provider_id = $1 AND configuration = $2 AND passed",
            )
            .bind(id)
            .bind(before.configuration)
            .fetch_optional(&mut *tx)
            .await?;
            if passed.is_none() {
                let why = "this configuration has not been tested yet: make a test login first";
                return Err(StoreError::Conflict { what: "sign-in provider", why });
            }
            set_state(&mut tx, id, OidcState::Active).await?;
            finish(tx, "oidc_provider.activate", id, Some(before), actor).await
        })
        .await
    }

    /// Lets nobody sign in with it; who has done so stays.
    pub async fn disable_oidc_provider(
        &self,
        id: Uuid,
        version: Option<i64>,
        actor: &Actor,
    ) -> Result<OidcProvider, StoreError> {
        self.bounded("disabling a sign-in provider", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            set_state(&mut tx, id, OidcState::Disabled).await?;
            finish(tx, "oidc_provider.disable", id, Some(before), actor).await
        })
        .await
    }

    /// Deletes one: its sessions end, and what it gave is taken back.
    pub async fn delete_oidc_provider(
        &self,
        id: Uuid,
        version: Option<i64>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.bounded("deleting a sign-in provider", async {
            let mut tx = self.begin().await?;
            lock(&mut tx, SUPER_ADMINS).await?;
            let before = locked(&mut tx, id, version).await?;
            let supers = super_admins(&mut tx).await?;
            sqlx::query(
                "UPDATE users SET epoch = epoch + 1 WHERE id IN (
                     SELECT user_id FROM role_assignments WHERE oidc_provider = $1
                     UNION SELECT user_id FROM team_members WHERE oidc_provider = $1)",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "UPDATE sessions SET ended_at = now(), ended_why = 'its sign-in provider is deleted'
                 WHERE ended_at IS NULL AND id IN (SELECT session_id FROM oidc_sessions WHERE provider_id = $1)",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?;
            sqlx::query("DELETE FROM oidc_providers WHERE id = $1").bind(id).execute(&mut *tx).await?;
            if supers > 0 && super_admins(&mut tx).await? == 0 {
                let why = "the last super admins have their role from it";
                return Err(StoreError::Conflict { what: "sign-in provider", why });
            }
            let event = Event::done("oidc_provider.delete").on("oidc_provider", id, &before.slug);
            tx.note(actor, &event.changed(Some(before.shown()), None)).await?;
            tx.commit().await
        })
        .await
    }

    /// Uses something up that works once (SHA-256); what is over by `until` anyhow is forgotten then. False: it was used.
    pub async fn spend_oidc(&self, hash: &[u8; 32], until: OffsetDateTime) -> Result<bool, StoreError> {
        self.bounded("using a sign-in up", async {
            let mut tx = self.begin().await?;
            let fresh = spend(&mut tx, hash, until).await?;
            tx.commit().await?;
            Ok(fresh)
        })
        .await
    }
}

async fn spend(tx: &mut Tx, hash: &[u8; 32], until: OffsetDateTime) -> Result<bool, StoreError> {
    sqlx::query(
        "DELETE FROM oidc_used WHERE hash IN (
             SELECT hash FROM oidc_used WHERE expires_at < now() LIMIT 1000 FOR UPDATE SKIP LOCKED)",
    )
    .execute(&mut **tx)
    .await?;
    let made = sqlx::query("INSERT INTO oidc_used (hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(&hash[..])
        .bind(until)
        .execute(&mut **tx)
        .await?;
    Ok(made.rows_affected() == 1)
}

async fn set_state(tx: &mut Tx, id: Uuid, state: OidcState) -> Result<(), StoreError> {
    sqlx::query("UPDATE oidc_providers SET state = $2 WHERE id = $1")
        .bind(id)
        .bind(state.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn finish(
    mut tx: Tx,
    action: &'static str,
    id: Uuid,
    before: Option<OidcProvider>,
    actor: &Actor,
) -> Result<OidcProvider, StoreError> {
    let after = by_id(&mut tx, id).await?.ok_or_else(|| missing(id))?;
    let event = Event::done(action)
        .on("oidc_provider", id, &after.slug)
        .changed(before.as_ref().map(OidcProvider::shown), Some(after.shown()));
    tx.note(actor, &event).await?;
    tx.commit().await?;
    Ok(after)
}
