//! Teams that a client looks after. Of their members it sees and changes those that are its own users.

use super::Which;
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use crate::store::Store;
use crate::store::teams::{self, Team};
use crate::store::tx::Tx;
use serde_json::json;
use sqlx::Row;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;
use uuid::Uuid;

/// A team as a client sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ScimTeam {
    /// The row.
    pub team: Team,
    /// The client's own id.
    pub external_id: Option<String>,
    /// Members that are users of the client, by id; empty unless they were asked for.
    pub members: Vec<Uuid>,
    /// Another one with each other set of members.
    pub stamp: String,
}

/// What a client changes of a team.
#[derive(Clone, Debug, Default)]
pub struct ScimTeamChange {
    /// Name.
    pub name: String,
    /// The client's own id.
    pub external_id: Option<String>,
    /// Users of the client that come in, as members.
    pub joins: Vec<Uuid>,
    /// Users of the client that go.
    pub leaves: Vec<Uuid>,
}

impl Store {
    /// Teams of this client that are not deleted.
    pub async fn scim_teams(
        &self,
        client: Uuid,
        which: &Which,
        members: bool,
    ) -> Result<Vec<ScimTeam>, StoreError> {
        self.bounded("reading teams", async {
            let mut lease = self.lease().await?;
            let answer = read(&mut lease, client, which, members).await;
            lease.settle(answer)
        })
        .await
    }

    /// How many teams this client has.
    pub async fn scim_teams_count(&self, client: Uuid) -> Result<i64, StoreError> {
        self.bounded("counting teams", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query("SELECT count(*) FROM scim_groups WHERE client_id = $1")
                .bind(client)
                .fetch_one(&mut *lease)
                .await;
            Ok(lease.settle(answer)?.try_get(0)?)
        })
        .await
    }

    /// The team of this name that is not deleted and that no client looks after.
    pub async fn scim_free_team(&self, name: &str) -> Result<Option<Uuid>, StoreError> {
        self.bounded("looking a team up", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "SELECT t.id FROM teams t LEFT JOIN scim_groups g ON g.team_id = t.id
                 WHERE t.name = $1 AND t.deleted_at IS NULL AND g.client_id IS NULL",
            )
            .bind(name)
            .fetch_optional(&mut *lease)
            .await;
            Ok(lease.settle(answer)?.map(|row| row.try_get(0)).transpose()?)
        })
        .await
    }

    /// Makes a team (None), or changes one that is at `version` (its id, the version, whether it is taken over). The id.
    pub async fn scim_put_team(
        &self,
        client: Uuid,
        target: Option<(Uuid, i64, bool)>,
        change: &ScimTeamChange,
        actor: &Actor,
    ) -> Result<Uuid, StoreError> {
        self.bounded("changing a team", async {
            let mut tx = self.begin().await?;
            let (id, before, adopts) = match target {
                Some((id, version, adopts)) => {
                    let before = teams::locked(&mut tx, id, Some(version)).await?;
                    sqlx::query(
                        "UPDATE teams SET name = $2, source = CASE WHEN $3 THEN 'scim' ELSE source END WHERE id = $1",
                    )
                    .bind(id)
                    .bind(&change.name)
                    .bind(adopts)
                    .execute(&mut *tx)
                    .await?;
                    (id, Some(before), adopts)
                }
                None => {
                    let id = Uuid::now_v7();
                    sqlx::query("INSERT INTO teams (id, name, source) VALUES ($1, $2, 'scim')")
                        .bind(id)
                        .bind(&change.name)
                        .execute(&mut *tx)
                        .await?;
                    (id, None, true)
                }
            };
            own(&mut tx, client, id, change, adopts).await?;
            members(&mut tx, client, id, change).await?;
            let action = match (&before, adopts) {
                (None, _) => "team.create",
                (Some(_), true) => "team.adopt",
                (Some(_), false) => "team.update",
            };
            let after = teams::by_id(&mut tx, id).await?.ok_or_else(|| teams::missing(id))?;
            let mut shown = after.shown();
            if let Some(map) = shown.as_object_mut() {
                // ids: names and addresses belong to the users' own events
                map.insert("joined".into(), json!(change.joins));
                map.insert("left".into(), json!(change.leaves));
            }
            let event = Event::done(action)
                .on("team", id, &after.name)
                .changed(before.as_ref().map(Team::shown), Some(shown));
            tx.note(actor, &event).await?;
            tx.commit().await?;
            Ok(id)
        })
        .await
    }
}

async fn own(
    tx: &mut Tx,
    client: Uuid,
    id: Uuid,
    change: &ScimTeamChange,
    adopts: bool,
) -> Result<(), StoreError> {
    let written = sqlx::query(
        "INSERT INTO scim_groups (team_id, client_id, external_id) VALUES ($1, $2, $3)
         ON CONFLICT (team_id) DO UPDATE SET client_id = excluded.client_id, external_id = excluded.external_id
         WHERE scim_groups.client_id = $2 OR ($4 AND scim_groups.client_id IS NULL)",
    )
    .bind(id)
    .bind(client)
    .bind(&change.external_id)
    .bind(adopts)
    .execute(&mut **tx)
    .await?;
    if written.rows_affected() == 0 {
        return Err(StoreError::Conflict { what: "team", why: "another SCIM client looks after it" });
    }
    Ok(())
}

/// Lets users in and out. Who managed the team and goes signs in again.
async fn members(tx: &mut Tx, client: Uuid, team: Uuid, change: &ScimTeamChange) -> Result<(), StoreError> {
    let mut all: Vec<Uuid> = change.joins.iter().chain(&change.leaves).copied().collect();
    if all.is_empty() {
        return Ok(());
    }
    all.sort_unstable();
    all.dedup();
    // by id: two of these at once wait for each other in one order
    let there = sqlx::query(
        "SELECT u.id FROM users u JOIN scim_users s ON s.user_id = u.id
         WHERE u.id = ANY($1) AND s.client_id = $2 AND u.deleted_at IS NULL ORDER BY u.id FOR UPDATE OF u",
    )
    .bind(&all)
    .bind(client)
    .fetch_all(&mut **tx)
    .await?
    .iter()
    .map(|row| row.try_get(0))
    .collect::<Result<Vec<Uuid>, _>>()?;
    if let Some(stranger) = change.joins.iter().find(|id| there.binary_search(id).is_err()) {
        return Err(StoreError::NotFound { what: "member", name: stranger.to_string() });
    }
    let came = sqlx::query(
        "INSERT INTO team_members (team_id, user_id) SELECT $1, unnest($2::uuid[])
         ON CONFLICT DO NOTHING RETURNING user_id, false AS manager",
    )
    .bind(team)
    .bind(&change.joins)
    .fetch_all(&mut **tx)
    .await?;
    let went = sqlx::query(
        "DELETE FROM team_members WHERE team_id = $1 AND user_id = ANY($2) AND user_id = ANY($3)
         RETURNING user_id, role = 'manager' AS manager",
    )
    .bind(team)
    .bind(&change.leaves)
    .bind(&there)
    .fetch_all(&mut **tx)
    .await?;
    let (mut raised, mut ended) = (Vec::<Uuid>::new(), Vec::<Uuid>::new());
    for row in came.iter().chain(&went) {
        let list = if row.try_get("manager")? { &mut ended } else { &mut raised };
        list.push(row.try_get("user_id")?);
    }
    // a user's version covers the memberships
    sqlx::query(
        "UPDATE users SET epoch = epoch + CASE WHEN id = ANY($2) THEN 1 ELSE 0 END
         WHERE id = ANY($1) OR id = ANY($2)",
    )
    .bind(raised)
    .bind(ended)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn read(
    conn: &mut PgConnection,
    client: Uuid,
    which: &Which,
    members: bool,
) -> Result<Vec<ScimTeam>, sqlx::Error> {
    let picked = which.picked("g.team_id", "lower(t.name) = lower($3)", "g.external_id");
    let sql = format!(
        "SELECT g.team_id, g.external_id,
             (SELECT md5(COALESCE(string_agg(m.user_id::text, ',' ORDER BY m.user_id), '')) FROM team_members m
              JOIN scim_users s ON s.user_id = m.user_id
              WHERE m.team_id = g.team_id AND s.client_id = $1) AS stamp
         FROM scim_groups g JOIN teams t ON t.id = g.team_id WHERE g.client_id = $1 AND {}",
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
    let ids = rows.iter().map(|r| r.try_get("team_id")).collect::<Result<Vec<Uuid>, _>>()?;
    let mut inside: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    if members {
        let query = sqlx::query(
            "SELECT m.team_id, m.user_id FROM team_members m JOIN scim_users s ON s.user_id = m.user_id
             WHERE m.team_id = ANY($1) AND s.client_id = $2 ORDER BY m.user_id",
        );
        for row in query.bind(&ids).bind(client).fetch_all(&mut *conn).await? {
            inside.entry(row.try_get("team_id")?).or_default().push(row.try_get("user_id")?);
        }
    }
    let sql = format!("{} t.id = ANY($1) AND t.deleted_at IS NULL", teams::SELECT);
    let mut found: HashMap<Uuid, Team> = HashMap::new();
    for row in sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&ids).fetch_all(&mut *conn).await? {
        let team = teams::team(&row)?;
        found.insert(team.id, team);
    }
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        let id: Uuid = row.try_get("team_id")?;
        let Some(team) = found.remove(&id) else { continue };
        all.push(ScimTeam {
            team,
            external_id: row.try_get("external_id")?,
            members: inside.remove(&id).unwrap_or_default(),
            stamp: row.try_get("stamp")?,
        });
    }
    Ok(all)
}
