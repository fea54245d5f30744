//! Teams and their members, as the admin API manages them.

use super::Store;
use super::tx::Tx;
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use serde_json::json;
use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::{QueryBuilder, Row};
use time::OffsetDateTime;
use uuid::Uuid;

/// A team as the admin API shows one.
#[derive(Clone, Debug, PartialEq)]
pub struct Team {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// Unique among those that are not deleted.
    pub name: String,
    /// For people.
    pub description: String,
    /// False: its keys, and those of its service accounts, are refused.
    pub active: bool,
    /// Surfaces or patterns that its keys may use at most.
    pub surfaces: Vec<String>,
    /// Models or patterns that its keys may use at most.
    pub models: Vec<String>,
    /// MCP tools or patterns that its keys may call at most.
    pub tools: Vec<String>,
    /// `local`, `oidc`, `scim`.
    pub source: String,
    /// Changes so far.
    pub version: i64,
    /// Made at.
    pub created_at: OffsetDateTime,
    /// Changed at.
    pub updated_at: OffsetDateTime,
    /// Soft-deleted at.
    pub deleted_at: Option<OffsetDateTime>,
    /// How many members it has, managers included.
    pub members: i64,
}

impl Team {
    pub(super) fn shown(&self) -> serde_json::Value {
        json!({
            "name": self.name, "description": self.description, "active": self.active, "surfaces": self.surfaces,
            "models": self.models, "tools": self.tools, "deleted": self.deleted_at.is_some(),
        })
    }
}

/// A member of a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: Uuid,
    /// The user's address.
    pub email: String,
    /// The user's display name.
    pub name: String,
    /// The user may sign in and use keys.
    pub active: bool,
    /// Manages the team.
    pub manager: bool,
    /// Member since.
    pub since: OffsetDateTime,
}

/// A page of teams.
#[derive(Clone, Debug, Default)]
pub struct TeamFilter {
    /// Part of the name.
    pub text: Option<String>,
    /// Active ones, or the others.
    pub active: Option<bool>,
    /// These only; None: all.
    pub visible: Option<Vec<Uuid>>,
    /// After this id.
    pub after: Option<Uuid>,
    /// The newest first; `after` is then before that id.
    pub newest_first: bool,
    /// At most so many.
    pub limit: u32,
}

/// What a team has, or what changes of it.
#[derive(Clone, Debug, Default)]
pub struct TeamChange {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Deactivates or activates.
    pub active: Option<bool>,
    /// Exactly these surfaces.
    pub surfaces: Option<Vec<String>>,
    /// Exactly these models.
    pub models: Option<Vec<String>>,
    /// Exactly these MCP tools.
    pub tools: Option<Vec<String>>,
}

pub(super) const SELECT: &str = "
SELECT t.id, t.name, t.description, t.active, t.surfaces, t.models, t.tools, t.source, t.version, t.created_at,
    t.updated_at, t.deleted_at, (SELECT count(*) FROM team_members m JOIN users u ON u.id = m.user_id
                   WHERE m.team_id = t.id AND u.deleted_at IS NULL) AS members
FROM teams t WHERE ";

pub(super) fn team(row: &PgRow) -> Result<Team, sqlx::Error> {
    Ok(Team {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        active: row.try_get("active")?,
        surfaces: row.try_get("surfaces")?,
        models: row.try_get("models")?,
        tools: row.try_get("tools")?,
        source: row.try_get("source")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        deleted_at: row.try_get("deleted_at")?,
        members: row.try_get("members")?,
    })
}

pub(super) async fn by_id(conn: &mut PgConnection, id: Uuid) -> Result<Option<Team>, sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} t.id = $1 AND t.deleted_at IS NULL"));
    sqlx::query(sql).bind(id).fetch_optional(conn).await?.as_ref().map(team).transpose()
}

pub(super) fn missing(id: Uuid) -> StoreError {
    StoreError::NotFound { what: "team", name: id.to_string() }
}

impl Store {
    /// The team, if not deleted.
    pub async fn team(&self, id: Uuid) -> Result<Option<Team>, StoreError> {
        self.bounded("reading a team", async {
            let mut lease = self.lease().await?;
            let answer = by_id(&mut lease, id).await;
            lease.settle(answer)
        })
        .await
    }

    /// Teams that are not deleted, by id.
    pub async fn teams(&self, filter: &TeamFilter) -> Result<Vec<Team>, StoreError> {
        self.bounded("listing teams", async {
            let mut query = QueryBuilder::<Postgres>::new(SELECT);
            query.push("t.deleted_at IS NULL");
            if let Some(text) = &filter.text {
                query.push(" AND strpos(lower(t.name), lower(").push_bind(text).push(")) > 0");
            }
            if let Some(active) = filter.active {
                query.push(" AND t.active = ").push_bind(active);
            }
            if let Some(visible) = &filter.visible {
                query.push(" AND t.id = ANY(").push_bind(visible).push(")");
            }
            if let Some(after) = filter.after {
                query
                    .push(if filter.newest_first { " AND t.id < " } else { " AND t.id > " })
                    .push_bind(after);
            }
            query.push(if filter.newest_first { " ORDER BY t.id DESC" } else { " ORDER BY t.id" });
            query.push(" LIMIT ").push_bind(i64::from(filter.limit));
            let mut lease = self.lease().await?;
            let answer = query.build().fetch_all(&mut *lease).await;
            Ok(lease.settle(answer)?.iter().map(team).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Makes a team.
    pub async fn create_team(&self, name: &str, new: &TeamChange, actor: &Actor) -> Result<Team, StoreError> {
        self.bounded("creating a team", async {
            let mut tx = self.begin().await?;
            let id = Uuid::now_v7();
            sqlx::query(
                "INSERT INTO teams (id, name, description, active, surfaces, models, tools)
                 VALUES ($1, $2, COALESCE($3, ''), COALESCE($4, true), COALESCE($5, '{}'), COALESCE($6, '{}'),
                         COALESCE($7, '{}'))",
            )
            .bind(id)
            .bind(name)
            .bind(&new.description)
            .bind(new.active)
            .bind(&new.surfaces)
            .bind(&new.models)
            .bind(&new.tools)
            .execute(&mut *tx)
            .await?;
            finish(tx, "team.create", id, None, actor).await
        })
        .await
    }

    /// Changes a team that is at `version` (None: whatever it is at).
    pub async fn change_team(
        &self,
        id: Uuid,
        version: Option<i64>,
        change: &TeamChange,
        actor: &Actor,
    ) -> Result<Team, StoreError> {
        self.bounded("changing a team", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            sqlx::query(
                "UPDATE teams SET name = COALESCE($2, name), description = COALESCE($3, description),
                     active = COALESCE($4, active), surfaces = COALESCE($5, surfaces), models = COALESCE($6, models),
                     tools = COALESCE($7, tools)
                 WHERE id = $1",
            )
            .bind(id)
            .bind(&change.name)
            .bind(&change.description)
            .bind(change.active)
            .bind(&change.surfaces)
            .bind(&change.models)
            .bind(&change.tools)
            .execute(&mut *tx)
            .await?;
            finish(tx, "team.update", id, Some(before), actor).await
        })
        .await
    }

    /// Soft delete: its keys end now, who managed it manages nothing; the row goes after the time of grace.
    pub async fn delete_team(&self, id: Uuid, version: Option<i64>, actor: &Actor) -> Result<(), StoreError> {
        self.bounded("deleting a team", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            sqlx::query("UPDATE teams SET deleted_at = now(), active = false WHERE id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await?;
            let event = Event::done("team.delete").on("team", id, &before.name);
            tx.note(actor, &event.changed(Some(before.shown()), None)).await?;
            tx.commit().await
        })
        .await
    }

    /// Members of a team that is not deleted, by id.
    pub async fn team_members(
        &self,
        team: Uuid,
        only: Option<Uuid>,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreError> {
        self.bounded("listing members", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "SELECT u.id, u.email, u.name, u.active, m.role = 'manager' AS manager, m.created_at
                 FROM team_members m JOIN users u ON u.id = m.user_id JOIN teams t ON t.id = m.team_id
                 WHERE m.team_id = $1 AND u.deleted_at IS NULL AND t.deleted_at IS NULL
                     AND ($2::uuid IS NULL OR u.id = $2) AND ($3::uuid IS NULL OR u.id > $3)
                 ORDER BY u.id LIMIT $4",
            )
            .bind(team)
            .bind(only)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&mut *lease)
            .await;
            Ok(lease.settle(answer)?.iter().map(member).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Makes a user a member (or the manager) of a team, or changes what he is there. Who begins or ceases to manage
    /// signs in again.
    pub async fn put_member(
        &self,
        team: Uuid,
        user: Uuid,
        manager: bool,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.bounded("changing a member", async {
            let mut tx = self.begin().await?;
            let (name, email, was) = place(&mut tx, team, user).await?;
            if was == Some(manager) {
                return tx.commit().await;
            }
            sqlx::query(
                "INSERT INTO team_members (team_id, user_id, role) VALUES ($1, $2, $3)
                 ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role, oidc_provider = NULL",
            )
            .bind(team)
            .bind(user)
            .bind(word(manager))
            .execute(&mut *tx)
            .await?;
            raise(&mut tx, user, manager || was == Some(true)).await?;
            let event = Event::done("team.member_set").on("team", team, name).changed(
                was.map(|was| json!({"user": user, "email": email, "role": word(was)})),
                Some(json!({"user": user, "email": email, "role": word(manager)})),
            );
            tx.note(actor, &event).await?;
            tx.commit().await
        })
        .await
    }

    /// Takes a user out of a team.
    pub async fn remove_member(&self, team: Uuid, user: Uuid, actor: &Actor) -> Result<(), StoreError> {
        self.bounded("removing a member", async {
            let mut tx = self.begin().await?;
            let (name, email, was) = place(&mut tx, team, user).await?;
            let was = was.ok_or_else(|| StoreError::NotFound { what: "member", name: user.to_string() })?;
            sqlx::query("DELETE FROM team_members WHERE team_id = $1 AND user_id = $2")
                .bind(team)
                .bind(user)
                .execute(&mut *tx)
                .await?;
            raise(&mut tx, user, was).await?;
            let before = json!({"user": user, "email": email, "role": word(was)});
            let event = Event::done("team.member_remove").on("team", team, name).changed(Some(before), None);
            tx.note(actor, &event).await?;
            tx.commit().await
        })
        .await
    }
}

const fn word(manager: bool) -> &'static str {
    if manager { "manager" } else { "member" }
}

fn member(row: &PgRow) -> Result<Member, sqlx::Error> {
    Ok(Member {
        user: row.try_get("id")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        active: row.try_get("active")?,
        manager: row.try_get("manager")?,
        since: row.try_get("created_at")?,
    })
}

/// Name of the team, address of the user, and what the user is in the team; both locked (team before user).
async fn place(tx: &mut Tx, team: Uuid, user: Uuid) -> Result<(String, String, Option<bool>), StoreError> {
    let name = sqlx::query("SELECT name FROM teams WHERE id = $1 AND deleted_at IS NULL FOR SHARE")
        .bind(team)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or_else(|| missing(team))?
        .try_get(0)?;
    let email = sqlx::query("SELECT email FROM users WHERE id = $1 AND deleted_at IS NULL FOR UPDATE")
        .bind(user)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or_else(|| StoreError::NotFound { what: "user", name: user.to_string() })?
        .try_get(0)?;
    let was = sqlx::query(
        "SELECT role = 'manager' FROM team_members WHERE team_id = $1 AND user_id = $2 FOR UPDATE",
    )
    .bind(team)
    .bind(user)
    .fetch_optional(&mut **tx)
    .await?
    .map(|row| row.try_get(0))
    .transpose()?;
    Ok((name, email, was))
}

/// The user's row counts a change (its version covers its memberships); sessions end where rights changed.
async fn raise(tx: &mut Tx, user: Uuid, rights: bool) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET epoch = epoch + $2 WHERE id = $1")
        .bind(user)
        .bind(i64::from(rights))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn locked(tx: &mut Tx, id: Uuid, version: Option<i64>) -> Result<Team, StoreError> {
    sqlx::query("SELECT 1 FROM teams WHERE id = $1 FOR NO KEY UPDATE").bind(id).execute(&mut **tx).await?;
    let team = by_id(tx, id).await?.ok_or_else(|| missing(id))?;
    if version.is_some_and(|v| v != team.version) {
        return Err(StoreError::Conflict { what: "team", why: "it has been changed meanwhile" });
    }
    Ok(team)
}

async fn finish(
    mut tx: Tx,
    action: &'static str,
    id: Uuid,
    before: Option<Team>,
    actor: &Actor,
) -> Result<Team, StoreError> {
    let after = by_id(&mut tx, id).await?.ok_or_else(|| missing(id))?;
    let event = Event::done(action)
        .on("team", id, &after.name)
        .changed(before.as_ref().map(Team::shown), Some(after.shown()));
    tx.note(actor, &event).await?;
    tx.commit().await?;
    Ok(after)
}
