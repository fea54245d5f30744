//! Users that a client looks after.

use super::Which;
use crate::access::{Effective, Subject};
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use crate::rows::HeldRole;
use crate::store::Store;
use crate::store::effective::{custom, resolve};
use crate::store::people::{self, Person};
use crate::store::tx::Tx;
use sqlx::Row;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

/// A user with how its client wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct ScimPerson {
    /// The row, which is what counts.
    pub person: Person,
    /// `userName`, as the client wrote it.
    pub user_name: String,
    /// The client's own id.
    pub external_id: Option<String>,
    /// The other attributes that the client wrote.
    pub document: serde_json::Value,
    /// The client's groups that the user is in: id, name.
    pub groups: Vec<(Uuid, String)>,
}

/// What a client writes of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct ScimUser {
    /// Address; stored in lower case.
    pub email: String,
    /// Display name.
    pub name: String,
    /// May sign in and use keys.
    pub active: bool,
    /// See [`ScimPerson`].
    pub user_name: String,
    /// See [`ScimPerson`].
    pub external_id: Option<String>,
    /// See [`ScimPerson`].
    pub document: serde_json::Value,
}

impl Store {
    /// Users of this client that are not deleted.
    pub async fn scim_people(&self, client: Uuid, which: &Which) -> Result<Vec<ScimPerson>, StoreError> {
        self.bounded("reading users", async {
            let mut lease = self.lease().await?;
            let answer = read(&mut lease, client, which).await;
            lease.settle(answer)
        })
        .await
    }

    /// How many users this client has.
    pub async fn scim_people_count(&self, client: Uuid) -> Result<i64, StoreError> {
        self.bounded("counting users", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query("SELECT count(*) FROM scim_users WHERE client_id = $1")
                .bind(client)
                .fetch_one(&mut *lease)
                .await;
            Ok(lease.settle(answer)?.try_get(0)?)
        })
        .await
    }

    /// These users, as far as they are not deleted, with what they may do.
    pub async fn effective_of(&self, ids: &[Uuid]) -> Result<Vec<(Person, Effective)>, StoreError> {
        self.bounded("reading users' rights", async {
            let mut lease = self.lease().await?;
            let answer = async {
                let people = by_ids(&mut lease, ids).await?;
                let held: Vec<HeldRole> = people.iter().flat_map(|p| p.roles.clone()).collect();
                let custom = custom(&mut lease, &held).await?;
                let with = |person: Person| {
                    let subject = Subject {
                        id: Some(person.id),
                        teams: person.teams.iter().map(|t| t.team).collect(),
                        manages: person.teams.iter().filter(|t| t.manager).map(|t| t.team).collect(),
                    };
                    let roles = person.roles.iter().filter_map(|h| resolve(h, &custom)).collect();
                    let effective = Effective::new(subject, roles);
                    (person, effective)
                };
                Ok(people.into_iter().map(with).collect())
            }
            .await;
            lease.settle(answer)
        })
        .await
    }

    /// Makes a user.
    pub async fn scim_make_person(
        &self,
        client: Uuid,
        new: &ScimUser,
        roles: &[HeldRole],
        actor: &Actor,
    ) -> Result<Uuid, StoreError> {
        self.bounded("creating a user", async {
            let mut tx = self.begin().await?;
            let id = Uuid::now_v7();
            sqlx::query(
                "INSERT INTO users (id, email, name, active, source) VALUES ($1, lower($2), $3, $4, 'scim')",
            )
            .bind(id)
            .bind(&new.email)
            .bind(&new.name)
            .bind(new.active)
            .execute(&mut *tx)
            .await?;
            people::assign(&mut tx, id, roles, actor).await?;
            own(&mut tx, client, id, new).await?;
            let made = people::by_id(&mut tx, id).await?.ok_or_else(|| people::missing(id))?;
            let event =
                Event::done("user.create").on("user", id, &made.email).changed(None, Some(made.shown()));
            tx.note(actor, &event).await?;
            tx.commit().await?;
            Ok(id)
        })
        .await
    }

    /// Changes a user that is at `version`. `adopts`: one that no client looks after becomes this client's.
    pub async fn scim_change_person(
        &self,
        client: Uuid,
        id: Uuid,
        version: i64,
        change: &ScimUser,
        adopts: bool,
        actor: &Actor,
    ) -> Result<Person, StoreError> {
        self.bounded("changing a user", async {
            let mut tx = self.begin().await?;
            let before = self.locked(&mut tx, id, Some(version)).await?;
            let ends = change.active != before.active;
            sqlx::query(
                "UPDATE users SET email = lower($2), name = $3, active = $4, epoch = epoch + $5,
                     source = CASE WHEN $6 THEN 'scim' ELSE source END WHERE id = $1",
            )
            .bind(id)
            .bind(&change.email)
            .bind(&change.name)
            .bind(change.active)
            .bind(i64::from(ends))
            .bind(adopts)
            .execute(&mut *tx)
            .await?;
            if adopts {
                own(&mut tx, client, id, change).await?;
            } else {
                let written = sqlx::query(
                    "UPDATE scim_users SET user_name = $3, external_id = $4, document = $5
                     WHERE user_id = $1 AND client_id = $2",
                )
                .bind(id)
                .bind(client)
                .bind(&change.user_name)
                .bind(&change.external_id)
                .bind(&change.document)
                .execute(&mut *tx)
                .await?;
                if written.rows_affected() == 0 {
                    return Err(people::missing(id));
                }
            }
            self.finish(tx, if adopts { "user.adopt" } else { "user.update" }, before, actor).await
        })
        .await
    }
}

/// The user becomes the client's, unless it is another one's.
async fn own(tx: &mut Tx, client: Uuid, id: Uuid, user: &ScimUser) -> Result<(), StoreError> {
    let written = sqlx::query(
        "INSERT INTO scim_users (user_id, client_id, user_name, external_id, document) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_id) DO UPDATE SET client_id = excluded.client_id, user_name = excluded.user_name,
             external_id = excluded.external_id, document = excluded.document
         WHERE scim_users.client_id IS NULL",
    )
    .bind(id)
    .bind(client)
    .bind(&user.user_name)
    .bind(&user.external_id)
    .bind(&user.document)
    .execute(&mut **tx)
    .await?;
    if written.rows_affected() == 0 {
        return Err(StoreError::Conflict { what: "user", why: "another SCIM client looks after it" });
    }
    Ok(())
}

async fn by_ids(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Person>, sqlx::Error> {
    let sql = format!("{} u.id = ANY($1) AND u.deleted_at IS NULL ORDER BY u.id", people::SELECT);
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(ids).fetch_all(conn).await?;
    rows.iter().map(people::person).collect()
}

/// The name that the client wrote, or the address that somebody else has given the user since.
const NAMED: &str = "lower(s.user_name) = lower($3)
    OR s.user_id = (SELECT n.id FROM users n WHERE n.email = lower($3) AND n.deleted_at IS NULL)";

async fn read(conn: &mut PgConnection, client: Uuid, which: &Which) -> Result<Vec<ScimPerson>, sqlx::Error> {
    let picked = which.picked("s.user_id", NAMED, "s.external_id");
    let sql = format!(
        "SELECT s.user_id, s.user_name, s.external_id, s.document FROM scim_users s
         WHERE s.client_id = $1 AND {}",
        picked.clause
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(client)
        .bind(picked.ids)
        .bind(picked.text)
        .bind(picked.offset)
        .bind(picked.limit)
        .fetch_all(&mut *conn)
        .await?;
    let ids = rows.iter().map(|r| r.try_get("user_id")).collect::<Result<Vec<Uuid>, _>>()?;
    let mut groups: HashMap<Uuid, Vec<(Uuid, String)>> = HashMap::new();
    let member = sqlx::query(
        "SELECT m.user_id, t.id, t.name FROM team_members m JOIN scim_groups g ON g.team_id = m.team_id
         JOIN teams t ON t.id = m.team_id
         WHERE m.user_id = ANY($1) AND g.client_id = $2 AND t.deleted_at IS NULL ORDER BY t.id",
    );
    for row in member.bind(&ids).bind(client).fetch_all(&mut *conn).await? {
        groups.entry(row.try_get("user_id")?).or_default().push((row.try_get("id")?, row.try_get("name")?));
    }
    let mut people: HashMap<Uuid, Person> =
        by_ids(conn, &ids).await?.into_iter().map(|p| (p.id, p)).collect();
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: Uuid = row.try_get("user_id")?;
        let Some(person) = people.remove(&id) else { continue };
        found.push(ScimPerson {
            person,
            user_name: row.try_get("user_name")?,
            external_id: row.try_get("external_id")?,
            document: row.try_get("document")?,
            groups: groups.remove(&id).unwrap_or_default(),
        });
    }
    Ok(found)
}
