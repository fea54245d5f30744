//! What the tests of the routes that manage people share: a real store, and callers with what the store says they hold.

use crate::caller::{Caller, Identity};
use crate::state::{About, AdminState, Parts, Stored};
use crate::token::Bootstrap;
use sallyport_config::SnapshotCell;
use sallyport_config::model::{Admin, Secret};
use sallyport_config::snapshot::Source;
use sallyport_schema::access::{Effective, Grant, Role};
use sallyport_schema::audit::Actor;
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::log_store::PgLogStore;
use sallyport_schema::rows::{HeldRole, StoredState};
use sallyport_schema::store::Store;
use sallyport_schema::store::people::NewPerson;
use sallyport_schema::store::teams::TeamChange;
use sallyport_schema::testing::TestPg;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) state: AdminState,
    pub(crate) store: Store,
    _pg: Arc<TestPg>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let pg = TestPg::shared().await;
        let url = pg.database().await;
        let store = Store::connect(&url, 4, Duration::from_secs(30)).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("base.yaml");
        std::fs::write(&file, "providers: []\n").unwrap();
        let loaded = sallyport_config::load(&[file], &|_| None).unwrap();
        let ring = Arc::new(KeyRing::new(MasterKey::generate().unwrap()));
        let assembler = sallyport_config::Assembler::new(
            &loaded,
            StoredState::default(),
            Source::Store,
            Arc::clone(&ring),
        );
        let cell = SnapshotCell::new(&assembler);
        let token = Bootstrap::ensure(dir.path(), Some(&Secret::new("spa-0123456789abcdef"))).unwrap();
        let log = Arc::new(PgLogStore::new(store.clone()));
        let stored = Stored { store: store.clone(), keyring: ring };
        let state = AdminState::new(
            Parts {
                about: About::now("1", "test", vec![]),
                bootstrap: token,
                snapshot: cell,
                calls: log,
                probes: vec![],
                stored,
                outside: Arc::new(crate::outside::Nowhere),
            },
            &Admin::default(),
        );
        Self { state, store, _pg: pg }
    }

    /// A user with these roles: `developer`, or `team_manager@<team>`.
    pub(crate) async fn person(&self, name: &str, roles: &[(&str, Option<Uuid>)]) -> Uuid {
        let roles = roles.iter().map(|(r, team)| HeldRole { role: (*r).into(), team: *team }).collect();
        let email = format!("{name}@example.com");
        let new = NewPerson { email, name: name.into(), source: "local", password: None, roles };
        self.store.create_person(&new, false, &Actor::cli()).await.unwrap().id
    }

    pub(crate) async fn team(&self, name: &str, managers: &[Uuid], members: &[Uuid]) -> Uuid {
        let id = self.store.create_team(name, &TeamChange::default(), &Actor::cli()).await.unwrap().id;
        for (user, manages) in managers.iter().map(|u| (u, true)).chain(members.iter().map(|u| (u, false))) {
            self.store.put_member(id, *user, manages, &Actor::cli()).await.unwrap();
        }
        id
    }

    pub(crate) async fn role(&self, name: &str, grants: Vec<Grant>) {
        let role = Role { name: name.into(), description: String::new(), grants };
        self.store.create_role(&role, &Actor::cli()).await.unwrap();
    }

    /// The user as a caller, with the rights that he has now.
    pub(crate) async fn caller(&self, user: Uuid) -> Caller {
        let (person, effective) = self.store.effective(user).await.unwrap().unwrap();
        Caller::new(Identity::Bootstrap, Actor { name: person.email, ..Actor::cli() }, effective)
    }

    pub(crate) fn bootstrap() -> Caller {
        Caller::new(Identity::Bootstrap, Actor::cli(), Effective::everything())
    }
}

/// Grants as JSON.
pub(crate) fn grants(json: serde_json::Value) -> Vec<Grant> {
    serde_json::from_value(json).unwrap()
}

/// A body as JSON.
pub(crate) fn body<T: serde::de::DeserializeOwned>(json: serde_json::Value) -> crate::params::Body<T> {
    crate::params::Body(serde_json::from_value(json).unwrap())
}
