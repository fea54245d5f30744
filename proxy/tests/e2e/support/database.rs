//! A database of a test's own, and people and teams in it.

use sallyport_schema::rows::{HeldRole, TeamRow, UserRow};
use sallyport_schema::store::Store;
use sallyport_schema::testing::TestPg;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// A database. The cluster under it lives as long as the last of its users.
#[derive(Clone)]
pub(crate) struct Database {
    url: String,
    _cluster: Option<Arc<TestPg>>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url)
    }
}

impl Database {
    /// A fresh one with the whole schema, on the cluster that tests share.
    pub(crate) async fn fresh() -> Self {
        let cluster = TestPg::shared().await;
        Self { url: cluster.database().await, _cluster: Some(cluster) }
    }

    /// A fresh one with nothing in it.
    pub(crate) async fn empty() -> Self {
        let cluster = TestPg::shared().await;
        Self { url: cluster.empty_database().await, _cluster: Some(cluster) }
    }

    /// One on a cluster that the test holds (to stop or kill it).
    pub(crate) fn at(url: String) -> Self {
        Self { url, _cluster: None }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A store on it.
    pub(crate) async fn store(&self) -> Store {
        Store::connect(&self.url, 2, Duration::from_secs(20)).await.unwrap()
    }

    /// Owners of keys, one for each way to be put away.
    pub(crate) async fn owners(&self) -> Vec<Owner> {
        let mut owners = Vec::new();
        for end in [End::Deactivated, End::Deleted] {
            owners.push(self.user(end).await);
            let mut team = self.team(&["*"], &["*"]).await;
            team.end = end;
            owners.push(team);
        }
        owners
    }

    async fn user(&self, end: End) -> Owner {
        let id = Uuid::now_v7();
        let email = format!("{id}@example.com");
        let roles = vec![HeldRole { role: "developer".into(), team: None }];
        let row =
            UserRow { id, email: email.clone(), name: "Test".into(), active: true, deleted_at: None, roles };
        self.store().await.upsert_user(&row).await.unwrap();
        Owner { option: "--user", id: email, end, row: Row::User(row), database: self.clone() }
    }

    /// A team with these allow-lists.
    pub(crate) async fn team(&self, surfaces: &[&str], models: &[&str]) -> Owner {
        let id = Uuid::now_v7();
        let words = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        let row = TeamRow {
            id,
            name: format!("team-{id}"),
            active: true,
            deleted_at: None,
            surfaces: words(surfaces),
            models: words(models),
            tools: Vec::new(),
        };
        self.store().await.upsert_team(&row).await.unwrap();
        Owner {
            option: "--team",
            id: row.name.clone(),
            end: End::Deactivated,
            row: Row::Team(row),
            database: self.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    Deactivated,
    Deleted,
}

#[derive(Clone, Debug)]
enum Row {
    User(UserRow),
    Team(TeamRow),
}

/// A user or team.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// The option of `keys create` that names it.
    pub(crate) option: &'static str,
    /// How the option names it.
    pub(crate) id: String,
    end: End,
    row: Row,
    database: Database,
}

impl Owner {
    /// Deactivates or deletes it.
    pub(crate) async fn put_away(&self) {
        let store = self.database.store().await;
        let (active, deleted_at) = match self.end {
            End::Deactivated => (false, None),
            End::Deleted => (true, Some(OffsetDateTime::now_utc())),
        };
        match self.row.clone() {
            Row::User(row) => store.upsert_user(&UserRow { active, deleted_at, ..row }).await.unwrap(),
            Row::Team(row) => store.upsert_team(&TeamRow { active, deleted_at, ..row }).await.unwrap(),
        }
    }
}
