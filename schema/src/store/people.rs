//! Users: with what the admin API shows of them.

use super::Store;
use super::tx::Tx;
use crate::access::is_built_in;
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use crate::rows::HeldRole;
use serde_json::json;
use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::types::Json;
use sqlx::{QueryBuilder, Row};
use time::OffsetDateTime;
use uuid::Uuid;

/// Held while the number of super admins may shrink, so that two at once do not take the last two away.
pub(super) const SUPER_ADMINS: i64 = 0x0053_414c_4c59_5341;

/// A user's place in a team.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Membership {
    /// The team.
    pub team: Uuid,
    /// Its name.
    pub name: String,
    /// Manages it.
    pub manager: bool,
}

/// A user as the admin API shows one.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Primary key (UUIDv7).
    pub id: Uuid,
    /// Lower case; unique among those that are not deleted.
    pub email: String,
    /// Display name.
    pub name: String,
    /// May sign in and use keys.
    pub active: bool,
    /// `local`, `oidc`, `scim`.
    pub source: String,
    /// Changes so far.
    pub version: i64,
    /// Made at.
    pub created_at: OffsetDateTime,
    /// Changed at.
    pub updated_at: OffsetDateTime,
    /// Signed in last at.
    pub last_login_at: Option<OffsetDateTime>,
    /// Soft-deleted at.
    pub deleted_at: Option<OffsetDateTime>,
    /// Has a local password.
    pub has_password: bool,
    /// Has TOTP.
    pub has_totp: bool,
    /// Has a passkey.
    pub has_passkey: bool,
    /// Sessions of an older epoch are over.
    pub epoch: i64,
    /// Roles.
    pub roles: Vec<HeldRole>,
    /// Teams.
    pub teams: Vec<Membership>,
}

impl Person {
    /// The password alone does not open the account.
    pub fn has_factor(&self) -> bool {
        self.has_totp || self.has_passkey
    }

    /// As the audit trail shows it.
    pub fn shown(&self) -> serde_json::Value {
        json!({
            "email": self.email, "name": self.name, "active": self.active, "roles": self.roles,
            "teams": self.teams.iter().map(|t| json!({"team": t.name, "manager": t.manager})).collect::<Vec<_>>(),
            "deleted": self.deleted_at.is_some(),
        })
    }
}

/// A page of users.
#[derive(Clone, Debug, Default)]
pub struct PeopleFilter {
    /// Part of e-mail address or name.
    pub text: Option<String>,
    /// Active ones, or the others.
    pub active: Option<bool>,
    /// In one of these teams, or this one user; None: all.
    pub visible: Option<(Vec<Uuid>, Option<Uuid>)>,
    /// In this team.
    pub team: Option<Uuid>,
    /// After this id.
    pub after: Option<Uuid>,
    /// The newest first; `after` is then before that id.
    pub newest_first: bool,
    /// At most so many.
    pub limit: u32,
}

pub(super) const SELECT: &str = "
SELECT u.id, u.email, u.name, u.active, u.source, u.version, u.created_at, u.updated_at, u.last_login_at, u.deleted_at,
    u.password_hash IS NOT NULL AS has_password, u.totp_secret IS NOT NULL AS has_totp, u.epoch,
    EXISTS (SELECT 1 FROM passkeys k WHERE k.user_id = u.id) AS has_passkey,
    COALESCE((SELECT jsonb_agg(jsonb_build_object('role', a.role, 'team', a.team_id) ORDER BY a.role, a.team_id)
              FROM role_assignments a WHERE a.user_id = u.id), '[]') AS roles,
    COALESCE((SELECT jsonb_agg(jsonb_build_object('team', t.id, 'name', t.name, 'manager', m.role = 'manager')
                               ORDER BY t.name)
              FROM team_members m JOIN teams t ON t.id = m.team_id
              WHERE m.user_id = u.id AND t.deleted_at IS NULL), '[]') AS teams
FROM users u WHERE ";

pub(super) fn person(row: &PgRow) -> Result<Person, sqlx::Error> {
    Ok(Person {
        id: row.try_get("id")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        active: row.try_get("active")?,
        source: row.try_get("source")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        last_login_at: row.try_get("last_login_at")?,
        deleted_at: row.try_get("deleted_at")?,
        has_password: row.try_get("has_password")?,
        has_totp: row.try_get("has_totp")?,
        has_passkey: row.try_get("has_passkey")?,
        epoch: row.try_get("epoch")?,
        roles: row.try_get::<Json<_>, _>("roles")?.0,
        teams: row.try_get::<Json<_>, _>("teams")?.0,
    })
}

pub(super) async fn by_id(conn: &mut PgConnection, id: Uuid) -> Result<Option<Person>, sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} u.id = $1"));
    sqlx::query(sql).bind(id).fetch_optional(conn).await?.as_ref().map(person).transpose()
}

pub(super) fn missing(id: Uuid) -> StoreError {
    StoreError::NotFound { what: "user", name: id.to_string() }
}

/// A new user.
#[derive(Clone, Debug)]
pub struct NewPerson {
    /// E-mail address; stored in lower case.
    pub email: String,
    /// Display name.
    pub name: String,
    /// `local`, `oidc`, `scim`.
    pub source: &'static str,
    /// PHC string of a password, and until when it is a temporary one.
    pub password: Option<(String, Option<OffsetDateTime>)>,
    /// Roles.
    pub roles: Vec<HeldRole>,
}

/// What changes of a user.
#[derive(Clone, Debug, Default)]
pub struct PersonChange {
    /// E-mail address.
    pub email: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Deactivates or activates; sessions end.
    pub active: Option<bool>,
    /// Exactly these roles; sessions end.
    pub roles: Option<Vec<HeldRole>>,
}

impl Store {
    /// The user, deleted or not.
    pub async fn person(&self, id: Uuid) -> Result<Option<Person>, StoreError> {
        self.bounded("reading a user", async {
            let mut lease = self.lease().await?;
            let answer = by_id(&mut lease, id).await;
            lease.settle(answer)
        })
        .await
    }

    /// The user of this address, if not deleted.
    pub async fn person_by_email(&self, email: &str) -> Result<Option<Person>, StoreError> {
        self.bounded("looking a user up", async {
            let mut lease = self.lease().await?;
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} u.email = lower($1) AND u.deleted_at IS NULL"));
            let answer = sqlx::query(sql).bind(email).fetch_optional(&mut *lease).await;
            Ok(lease.settle(answer)?.as_ref().map(person).transpose()?)
        })
        .await
    }

    /// Users that are not deleted, by id.
    pub async fn people(&self, filter: &PeopleFilter) -> Result<Vec<Person>, StoreError> {
        self.bounded("listing users", async {
            let mut query = QueryBuilder::<Postgres>::new(SELECT);
            query.push("u.deleted_at IS NULL");
            if let Some(text) = &filter.text {
                query.push(" AND (strpos(u.email, lower(").push_bind(text);
                query.push(")) > 0 OR strpos(lower(u.name), lower(").push_bind(text).push(")) > 0)");
            }
            if let Some(active) = filter.active {
                query.push(" AND u.active = ").push_bind(active);
            }
            if let Some((teams, own)) = &filter.visible {
                query.push(" AND (u.id = ").push_bind(own);
                query.push(
                    " OR EXISTS (SELECT 1 FROM team_members m WHERE m.user_id = u.id AND m.team_id = ANY(",
                );
                query.push_bind(teams).push(")))");
            }
            if let Some(team) = filter.team {
                query.push(
                    " AND EXISTS (SELECT 1 FROM team_members m WHERE m.user_id = u.id AND m.team_id = ",
                );
                query.push_bind(team).push(")");
            }
            if let Some(after) = filter.after {
                query
                    .push(if filter.newest_first { " AND u.id < " } else { " AND u.id > " })
                    .push_bind(after);
            }
            query.push(if filter.newest_first { " ORDER BY u.id DESC" } else { " ORDER BY u.id" });
            query.push(" LIMIT ").push_bind(i64::from(filter.limit));
            let mut lease = self.lease().await?;
            let answer = query.build().fetch_all(&mut *lease).await;
            Ok(lease.settle(answer)?.iter().map(person).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// How many users are super admins and can sign in. 0: nobody has set the gateway up yet.
    pub async fn super_admins(&self) -> Result<i64, StoreError> {
        self.bounded("counting super admins", async {
            let mut lease = self.lease().await?;
            let answer = super_admins(&mut lease).await;
            lease.settle(answer)
        })
        .await
    }

    /// Makes a user. `first`: only if there is no super admin yet (the set-up; two at once cannot both succeed).
    pub async fn create_person(
        &self,
        new: &NewPerson,
        first: bool,
        actor: &Actor,
    ) -> Result<Person, StoreError> {
        self.bounded("creating a user", async {
            let mut tx = self.begin().await?;
            if first {
                lock(&mut tx, SUPER_ADMINS).await?;
                if super_admins(&mut tx).await? > 0 {
                    return Err(StoreError::Conflict { what: "set-up", why: "there is a super admin already" });
                }
            }
            let id = Uuid::now_v7();
            let (hash, until) = new.password.clone().map_or((None, None), |(h, until)| (Some(h), until));
            sqlx::query(
                "INSERT INTO users (id, email, name, source, password_hash, password_set_at, password_temporary_until)
                 VALUES ($1, lower($2), $3, $4, $5, CASE WHEN $5 IS NULL THEN NULL ELSE now() END, $6)",
            )
            .bind(id)
            .bind(&new.email)
            .bind(&new.name)
            .bind(new.source)
            .bind(hash)
            .bind(until)
            .execute(&mut *tx)
            .await?;
            assign(&mut tx, id, &new.roles, actor).await?;
            let person = by_id(&mut tx, id).await?.ok_or_else(|| missing(id))?;
            let event = Event::done("user.create").on("user", id, &person.email).changed(None, Some(person.shown()));
            tx.note(actor, &event).await?;
            tx.commit().await?;
            Ok(person)
        })
        .await
    }

    /// Changes a user that is at `version` (None: whatever it is at).
    pub async fn change_person(
        &self,
        id: Uuid,
        version: Option<i64>,
        change: &PersonChange,
        actor: &Actor,
    ) -> Result<Person, StoreError> {
        self.bounded("changing a user", async {
            let mut tx = self.begin().await?;
            let before = self.locked(&mut tx, id, version).await?;
            let ends = change.roles.is_some() || change.active.is_some_and(|a| a != before.active);
            sqlx::query(
                "UPDATE users SET email = COALESCE(lower($2), email), name = COALESCE($3, name),
                     active = COALESCE($4, active), epoch = epoch + $5 WHERE id = $1",
            )
            .bind(id)
            .bind(&change.email)
            .bind(&change.name)
            .bind(change.active)
            .bind(i64::from(ends))
            .execute(&mut *tx)
            .await?;
            if let Some(roles) = &change.roles {
                // those that stay remember who gave them
                let (kept, anew): (Vec<_>, Vec<_>) =
                    roles.iter().cloned().partition(|r| before.roles.contains(r));
                let (names, teams): (Vec<_>, Vec<_>) = kept.into_iter().map(|r| (r.role, r.team)).unzip();
                sqlx::query(
                    "DELETE FROM role_assignments a WHERE user_id = $1 AND NOT EXISTS (
                         SELECT 1 FROM unnest($2::text[], $3::uuid[]) AS k(role, team)
                         WHERE k.role = a.role AND k.team IS NOT DISTINCT FROM a.team_id)",
                )
                .bind(id)
                .bind(names)
                .bind(teams)
                .execute(&mut *tx)
                .await?;
                assign(&mut tx, id, &anew, actor).await?;
            }
            self.finish(tx, "user.update", before, actor).await
        })
        .await
    }

    /// Soft delete: keys and sessions end now, the row goes after the time of grace.
    pub async fn delete_person(
        &self,
        id: Uuid,
        version: Option<i64>,
        actor: &Actor,
    ) -> Result<Person, StoreError> {
        self.bounded("deleting a user", async {
            let mut tx = self.begin().await?;
            let before = self.locked(&mut tx, id, version).await?;
            sqlx::query(
                "UPDATE users SET deleted_at = now(), active = false, epoch = epoch + 1 WHERE id = $1",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?;
            self.finish(tx, "user.delete", before, actor).await
        })
        .await
    }

    /// Sets a password (PHC string), temporary until an instant or for good; all sessions end.
    pub async fn set_password(
        &self,
        id: Uuid,
        hash: &str,
        temporary_until: Option<OffsetDateTime>,
        actor: &Actor,
    ) -> Result<Person, StoreError> {
        self.set_password_at(id, None, hash, temporary_until, actor).await
    }

    /// The same for a user that is at `version` (None: whatever it is at).
    pub async fn set_password_at(
        &self,
        id: Uuid,
        version: Option<i64>,
        hash: &str,
        temporary_until: Option<OffsetDateTime>,
        actor: &Actor,
    ) -> Result<Person, StoreError> {
        self.bounded("setting a password", async {
            let mut tx = self.begin().await?;
            let before = self.locked(&mut tx, id, version).await?;
            sqlx::query(
                "UPDATE users SET password_hash = $2, password_set_at = now(), password_temporary_until = $3,
                     epoch = epoch + 1 WHERE id = $1",
            )
            .bind(id)
            .bind(hash)
            .bind(temporary_until)
            .execute(&mut *tx)
            .await?;
            let action =
                if temporary_until.is_some() { "user.password_reset" } else { "user.password_change" };
            self.finish(tx, action, before, actor).await
        })
        .await
    }

    /// The row, locked until the end of the transaction.
    pub(super) async fn locked(
        &self,
        tx: &mut Tx,
        id: Uuid,
        version: Option<i64>,
    ) -> Result<Person, StoreError> {
        // before the row: everybody takes these two in one order
        lock(tx, SUPER_ADMINS).await?;
        sqlx::query("SELECT 1 FROM users WHERE id = $1 FOR UPDATE").bind(id).execute(&mut **tx).await?;
        let person = by_id(tx, id).await?.filter(|p| p.deleted_at.is_none()).ok_or_else(|| missing(id))?;
        if version.is_some_and(|v| v != person.version) {
            return Err(StoreError::Conflict { what: "user", why: "it has been changed meanwhile" });
        }
        Ok(person)
    }

    pub(super) async fn finish(
        &self,
        mut tx: Tx,
        action: &'static str,
        before: Person,
        actor: &Actor,
    ) -> Result<Person, StoreError> {
        let was_super = before.active && before.roles.iter().any(is_super);
        if was_super && super_admins(&mut tx).await? == 0 {
            return Err(StoreError::Conflict {
                what: "user",
                why: "it is the last super admin who can sign in",
            });
        }
        let after = by_id(&mut tx, before.id).await?.ok_or_else(|| missing(before.id))?;
        let event = Event::done(action)
            .on("user", after.id, &after.email)
            .changed(Some(before.shown()), Some(after.shown()));
        tx.note(actor, &event).await?;
        tx.commit().await?;
        Ok(after)
    }
}

fn is_super(held: &HeldRole) -> bool {
    held.role == "super_admin" && held.team.is_none()
}

pub(super) async fn lock(tx: &mut Tx, what: i64) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(what).execute(&mut **tx).await?;
    Ok(())
}

pub(super) async fn super_admins(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query(
        "SELECT count(DISTINCT u.id) FROM users u JOIN role_assignments a ON a.user_id = u.id
         WHERE a.role = 'super_admin' AND a.team_id IS NULL AND u.active AND u.deleted_at IS NULL",
    )
    .fetch_one(conn)
    .await?
    .try_get(0)
}

/// Gives roles; a role that does not exist is refused.
pub(super) async fn assign(
    tx: &mut Tx,
    user: Uuid,
    roles: &[HeldRole],
    actor: &Actor,
) -> Result<(), StoreError> {
    for held in roles {
        known(tx, &held.role).await?;
        sqlx::query(
            "INSERT INTO role_assignments (user_id, role, team_id, created_by) VALUES ($1, $2, $3, $4)",
        )
        .bind(user)
        .bind(&held.role)
        .bind(held.team)
        .bind(&actor.name)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// There is such a role.
pub(super) async fn known(tx: &mut Tx, role: &str) -> Result<(), StoreError> {
    if is_built_in(role) {
        return Ok(());
    }
    let found = sqlx::query("SELECT 1 FROM roles WHERE name = $1 FOR SHARE")
        .bind(role)
        .fetch_optional(&mut **tx)
        .await?;
    found.map(drop).ok_or_else(|| StoreError::NotFound { what: "role", name: role.to_owned() })
}
