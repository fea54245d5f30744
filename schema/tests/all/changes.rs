//! LISTEN/NOTIFY: what one process changes, another hears.

use crate::rows;
use sallyport_schema::audit::Actor;
use sallyport_schema::changes::{ConnectionState, Watch};
use sallyport_schema::rows::{Change, HeldRole, Kind};
use sallyport_schema::store::Store;
use sallyport_schema::store::people::{NewPerson, PersonChange};
use sallyport_schema::store::sessions::Session;
use sallyport_schema::testing::TestPg;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// Patience, not a bound of the product: on a busy machine a new connection alone may take seconds.
const LONG: Duration = Duration::from_secs(60);

async fn next(changes: &mut Receiver<Change>) -> Change {
    timeout(LONG, changes.recv()).await.expect("a change").expect("open")
}

async fn everything(changes: &mut Receiver<Change>) -> sallyport_schema::rows::StoredState {
    match next(changes).await {
        Change::Everything(state) => *state,
        other => panic!("expected everything, got {other:?}"),
    }
}

async fn connected(store: &Store, wanted: bool) -> ConnectionState {
    let mut state = store.connection();
    timeout(LONG, state.wait_for(|s| s.is_connected() == wanted)).await.unwrap().unwrap().clone()
}

/// The issue: "a key revoked through the CLI on one process is refused by another on the same database within 1 s".
#[tokio::test]
async fn a_revoked_key_is_heard_by_another_store_within_a_second() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let gateway = Store::connect(&url, 2, LONG).await.unwrap();
    let mut changes = gateway.watch(Watch::default());
    assert!(everything(&mut changes).await.keys.is_empty());

    let cli = Store::connect(&url, 2, LONG).await.unwrap();
    let key = rows::key("sp-AbCdEf12");
    cli.create_key(&key, None).await.unwrap();
    assert!(matches!(next(&mut changes).await, Change::Key(k) if k == key));
    cli.revoke_key("sp-AbCdEf12", &Actor::cli()).await.unwrap();
    let heard = timeout(Duration::from_secs(1), changes.recv()).await.expect("within 1 s").unwrap();
    assert!(matches!(heard, Change::Key(k) if k.id == key.id && k.revoked_at.is_some()));
}

/// Also what a person changes with psql.
#[tokio::test]
async fn every_table_tells_its_changes() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let store = Store::connect(&url, 2, LONG).await.unwrap();
    let mut changes = store.watch(Watch::default());
    everything(&mut changes).await;
    let id = |n: u8| format!("0192d0a0-0000-7000-8000-0000000000{n:02}");
    let uuid = |n: u8| id(n).parse::<uuid::Uuid>().unwrap();

    TestPg::execute(&url, "INSERT INTO organisation_settings VALUES ('a:b', '1')").await;
    assert!(matches!(next(&mut changes).await, Change::Setting(k, Some(v)) if k == "a:b" && v == 1));
    TestPg::execute(&url, "DELETE FROM organisation_settings").await;
    assert!(matches!(next(&mut changes).await, Change::Setting(k, None) if k == "a:b"));

    TestPg::execute(&url, &format!("INSERT INTO users (id, email) VALUES ('{}', 'a@b.c')", id(1))).await;
    assert!(matches!(next(&mut changes).await, Change::User(u) if u.email == "a@b.c" && u.active));
    TestPg::execute(&url, &format!("INSERT INTO teams (id, name) VALUES ('{}', 't')", id(2))).await;
    assert!(matches!(next(&mut changes).await, Change::Team(t) if t.name == "t" && t.models.is_empty()));
    let member = format!("INSERT INTO team_members VALUES ('{}', '{}', 'manager')", id(2), id(1));
    TestPg::execute(&url, &member).await;
    assert!(
        matches!(next(&mut changes).await, Change::Team(t) if t.id == uuid(2)),
        "a member names the team"
    );
    let key = format!(
        "INSERT INTO virtual_keys (id, lineage, hash, prefix, user_id)
         VALUES ('{0}', '{0}', sha256('x'), 'sp-1234', '{1}')",
        id(3),
        id(1)
    );
    TestPg::execute(&url, &key).await;
    assert!(matches!(next(&mut changes).await, Change::Key(k) if k.user_id == Some(uuid(1))));
    let account = format!("INSERT INTO service_accounts (id, name) VALUES ('{}', 'ci')", id(6));
    TestPg::execute(&url, &account).await;
    assert!(matches!(next(&mut changes).await, Change::Account(a) if a.name == "ci" && a.roles.is_empty()));
    for (column, owner) in [("service_account_id", id(6)), ("user_id", id(1))] {
        let assign = format!("INSERT INTO role_assignments ({column}, role) VALUES ('{owner}', 'developer')");
        TestPg::execute(&url, &assign).await;
        let roles = match next(&mut changes).await {
            Change::Account(a) if a.id == uuid(6) => a.roles,
            Change::User(u) if u.id == uuid(1) => u.roles,
            other => panic!("{other:?}"),
        };
        assert_eq!(roles, [HeldRole { role: "developer".into(), team: None }]);
    }
    TestPg::execute(
        &url,
        "INSERT INTO roles (name, grants) VALUES ('night', '[{\"surfaces\": [\"chat\"]}]')",
    )
    .await;
    assert!(
        matches!(next(&mut changes).await, Change::Role(n, Some(r)) if n == "night" && r.grants.len() == 1)
    );
    TestPg::execute(&url, "DELETE FROM roles").await;
    assert!(matches!(next(&mut changes).await, Change::Role(n, None) if n == "night"));
    let provider = format!(
        "INSERT INTO providers (id, name, kind, base_url) VALUES ('{}', 'p', 'openai', 'https://x')",
        id(4)
    );
    TestPg::execute(&url, &provider).await;
    assert!(matches!(next(&mut changes).await, Change::Provider(p) if p.name == "p"));
    TestPg::execute(&url, &format!("INSERT INTO models (id, name) VALUES ('{}', 'm')", id(5))).await;
    assert!(matches!(next(&mut changes).await, Change::Model(m) if m.routes.is_empty()));
    let route = format!("INSERT INTO routes (model_id, provider) VALUES ('{}', 'p')", id(5));
    TestPg::execute(&url, &route).await;
    assert!(matches!(next(&mut changes).await, Change::Model(m) if m.routes.len() == 1));
    TestPg::execute(&url, "DELETE FROM routes").await;
    assert!(matches!(next(&mut changes).await, Change::Model(m) if m.routes.is_empty()));

    // a user deleted by hand takes the key and the membership along, in one transaction
    TestPg::execute(&url, "DELETE FROM users").await;
    let mut heard = Vec::new();
    while heard.len() < 3 {
        heard.push(match next(&mut changes).await {
            Change::Removed(kind, id) => (kind, id),
            Change::Team(team) => (Kind::Team, team.id),
            other => panic!("{other:?}"),
        });
    }
    let wanted = [(Kind::User, uuid(1)), (Kind::Team, uuid(2)), (Kind::Key, uuid(3))];
    assert_eq!(heard, wanted);
    TestPg::execute(&url, "TRUNCATE models CASCADE").await;
    assert!(everything(&mut changes).await.models.is_empty());
}

/// What the gateways do not read is no news to them: a sign-in, a code, a new password. A deactivation is.
#[tokio::test]
async fn a_sign_in_is_no_news_and_a_deactivation_is() {
    let pg = TestPg::shared().await;
    let store = Store::connect(&pg.database().await, 2, LONG).await.unwrap();
    let by = Actor::cli();
    let new = NewPerson {
        email: "ada@example.com".into(),
        name: "Ada".into(),
        source: "local",
        password: None,
        roles: Vec::new(),
    };
    let ada = store.create_person(&new, false, &by).await.unwrap();
    let mut changes = store.watch(Watch::default());
    assert_eq!(everything(&mut changes).await.users.len(), 1);

    let at = rows::now();
    let session = Session {
        id: uuid::Uuid::now_v7(),
        user: ada.id,
        epoch: ada.epoch,
        method: "password".into(),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        agent: String::new(),
        created_at: at,
        seen_at: at,
        expires_at: at + time::Duration::hours(1),
        ended_at: None,
    };
    store.begin_session(&session, &[1; 32], &by, &ada.email).await.unwrap();
    let signed_in = store.person(ada.id).await.unwrap().unwrap();
    assert!(signed_in.last_login_at.is_some());
    store.set_password(ada.id, "$argon2id$", None, &by).await.unwrap();
    // Postgres tells in the order of the commits: whatever comes first is the first news
    let off = PersonChange { active: Some(false), ..PersonChange::default() };
    store.change_person(ada.id, None, &off, &by).await.unwrap();
    let first = next(&mut changes).await;
    assert!(matches!(&first, Change::User(u) if u.id == ada.id && !u.active), "{first:?}");
    let named = PersonChange { name: Some("Lovelace".into()), ..PersonChange::default() };
    store.change_person(ada.id, None, &named, &by).await.unwrap();
    let second = next(&mut changes).await;
    assert!(matches!(&second, Change::User(u) if u.name == "Lovelace"), "{second:?}");
}

#[tokio::test]
async fn a_burst_is_folded() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let store = Store::connect(&url, 2, LONG).await.unwrap();
    let mut changes = store.watch(Watch::default());
    everything(&mut changes).await;
    TestPg::execute(
        &url,
        "INSERT INTO teams (name) SELECT 'team ' || n FROM generate_series(1, 5000) n; UPDATE teams SET active = false",
    )
    .await;
    let mut messages = 0;
    loop {
        messages += 1;
        if everything(&mut changes).await.teams.len() == 5000 {
            break;
        }
    }
    assert!(messages < 50, "{messages}");
}

#[tokio::test]
async fn a_restart_of_postgres_loses_no_change() {
    let mut pg = TestPg::start().await;
    let url = pg.database().await;
    let store = Store::connect(&url, 3, Duration::from_secs(5)).await.unwrap();
    let mut changes = store.watch(Watch::default());
    everything(&mut changes).await;
    connected(&store, true).await;

    pg.stop().await;
    let state = connected(&store, false).await;
    assert!(matches!(state, ConnectionState::Disconnected { .. }));
    pg.start_again().await;
    // changed before the listener is back
    TestPg::execute(&url, "INSERT INTO users (email) VALUES ('late@example.org')").await;
    loop {
        match next(&mut changes).await {
            Change::Everything(state) if state.users.len() == 1 => break,
            Change::User(user) if user.email == "late@example.org" => break,
            Change::Everything(_) => {}
            other => panic!("{other:?}"),
        }
    }
    connected(&store, true).await;
}

#[tokio::test]
async fn a_store_connected_lazily_is_migrated_when_postgres_comes() {
    let mut pg = TestPg::start().await;
    let url = pg.empty_database().await;
    pg.stop().await;
    let store = Store::connect_lazy(&url, 2, Duration::from_secs(5)).unwrap();
    let mut changes = store.watch(Watch { migrate: true, ..Watch::default() });
    let mut state = store.connection();
    timeout(LONG, state.changed()).await.unwrap().unwrap();
    assert!(!state.borrow().is_connected());
    pg.start_again().await;
    everything(&mut changes).await;
    connected(&store, true).await;
}

/// A listener that is cut off while the pool goes on: the backend is ended from outside.
#[tokio::test]
async fn a_listener_that_is_cut_off_comes_back() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let store = Store::connect(&url, 2, LONG).await.unwrap();
    let mut changes = store.watch(Watch::default());
    everything(&mut changes).await;
    connected(&store, true).await;
    TestPg::execute(
        &url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()",
    )
    .await;
    everything(&mut changes).await;
    connected(&store, true).await;
}

/// A connection that is up but silent, as behind a dead router: no error, no end of file. Only the heartbeat tells.
#[tokio::test]
async fn a_deaf_connection_is_noticed_and_replaced() {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let dir = tempfile::tempdir().unwrap();
    let (base, socket_dir) = url.split_once("?host=").unwrap();
    let real = std::path::Path::new(socket_dir).join(".s.PGSQL.5432");
    let (freeze, frozen) = tokio::sync::watch::channel(0u32);
    let listener = tokio::net::UnixListener::bind(dir.path().join(".s.PGSQL.5432")).unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (real, mut frozen) = (real.clone(), frozen.clone());
            frozen.mark_unchanged();
            tokio::spawn(async move {
                let mut server = tokio::net::UnixStream::connect(&real).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    // the sockets stay open, and nothing passes any more
                    _ = frozen.changed() => std::future::pending().await,
                }
            });
        }
    });
    let url = format!("{base}?host={}", dir.path().display());
    let store = Store::connect(&url, 2, Duration::from_secs(2)).await.unwrap();
    let mut changes = store.watch(Watch::default());
    everything(&mut changes).await;
    connected(&store, true).await;
    freeze.send_replace(1);
    let state = connected(&store, false).await;
    assert!(matches!(&state, ConnectionState::Disconnected { .. }), "{state:?}");
    everything(&mut changes).await;
    connected(&store, true).await;
    store.set_setting("after", Some(&serde_json::json!(1))).await.unwrap();
    assert!(matches!(next(&mut changes).await, Change::Setting(key, _) if key == "after"));
}
