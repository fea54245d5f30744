//! A person's data: exported, erased; and what was deleted goes for good.

use super::kit::{Answer, TOKEN, answer, bootstrap, call, call_json, cell, send, yaml};
use axum::Router;
use axum::body::Body;
use http::Request;
use sallyport_admin::{About, AdminState, Parts, Stored, password};
use sallyport_config::model::Admin;
use sallyport_config::snapshot::Source;
use sallyport_schema::audit::{Actor, AuditFilter, Event, Verified};
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::labels::Labels;
use sallyport_schema::log_store::{LogStore as _, PgLogStore};
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::people::NewPerson;
use sallyport_schema::store::{Purged, Store};
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const PASSWORD: &str = "mauve-otter-93-kayak";

struct House {
    _pg: Arc<TestPg>,
    url: String,
    store: Store,
    log: Arc<PgLogStore>,
    router: Router,
}

impl House {
    async fn new() -> Self {
        let pg = TestPg::shared().await;
        let url = pg.database().await;
        let store = Store::connect(&url, 5, Duration::from_secs(30)).await.unwrap();
        let stored =
            Stored { store: store.clone(), keyring: Arc::new(KeyRing::new(MasterKey::generate().unwrap())) };
        let log = Arc::new(PgLogStore::new(store.clone()));
        let about = About::now("1.2.3", "gate-1", vec![]);
        let cell = cell(&yaml(), Source::Store);
        let outside = Arc::new(sallyport_admin::Nowhere);
        let rules = Admin::default();
        let state = AdminState::new(
            Parts {
                about,
                bootstrap: bootstrap(),
                snapshot: cell,
                calls: log.clone(),
                probes: vec![],
                stored,
                outside,
            },
            &rules,
        );
        Self { _pg: pg, url, store, log, router: sallyport_admin::router(state).unwrap() }
    }

    async fn person(&self, name: &str, role: &str) -> Uuid {
        let new = NewPerson {
            email: format!("{name}@example.com"),
            name: format!("{name} Surname"),
            source: "local",
            password: Some((password::hash(PASSWORD).unwrap(), None)),
            roles: vec![HeldRole { role: role.into(), team: None }],
        };
        self.store.create_person(&new, false, &Actor::cli()).await.unwrap().id
    }

    async fn token(&self, name: &str) -> String {
        self.token_with(name, None).await
    }

    /// The access token of a new session, begun with this `User-Agent`.
    async fn token_with(&self, name: &str, agent: Option<&str>) -> String {
        let body = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
        let request = Request::builder().method("POST").uri("/api/session").header("host", "localhost");
        let request = request.header("content-type", "application/json");
        let request = match agent {
            Some(agent) => request.header("user-agent", agent),
            None => request,
        };
        let a = answer(&self.router, request.body(Body::from(body.to_string())).unwrap()).await;
        assert_eq!(a.status, 200, "{}", a.text());
        let cookies = a.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap());
        let access = cookies.filter_map(|c| c.strip_prefix("__Host-sallyport=")).next().unwrap();
        access.split(';').next().unwrap().to_owned()
    }

    async fn root(&self, method: &str, uri: &str, body: Value) -> Answer {
        call_json(&self.router, method, uri, &body, &[]).await
    }

    /// Who has done and suffered some things: role developer, a key, a team, a session, a call.
    async fn ada(&self) -> Uuid {
        let ada = self.person("ada", "developer").await;
        let team = self.root("POST", "/api/teams", json!({"name": "red"})).await.json();
        let member = format!("/api/teams/{}/members/{ada}", team["id"].as_str().unwrap());
        assert_eq!(self.root("PUT", &member, json!({"role": "manager"})).await.status, 200);
        let key =
            json!({"name": "ada's laptop", "user": ada, "surfaces": ["*"], "models": ["*"], "tags": ["ada"]});
        assert_eq!(self.root("POST", "/api/keys", key).await.status, 201);
        let change = json!({"name": "Ada Lovelace"});
        assert_eq!(self.root("PATCH", &format!("/api/users/{ada}"), change).await.status, 200);
        self.token_with("ada", Some("ada's browser")).await;
        let mut record = call(time::OffsetDateTime::now_utc());
        (record.user_id, record.user_agent) = (Some(ada), Some("ada's editor".into()));
        record.labels = Some(Labels { tags: vec!["ada's".into()], ..Labels::default() }.into());
        self.log.append(&[record]).await.unwrap();
        ada
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_stored_of_a_person_is_exported_without_secrets() {
    let h = House::new().await;
    let ada = h.ada().await;
    let a = send(&h.router, "GET", &format!("/api/users/{ada}/export"), Some(TOKEN)).await;
    assert_eq!(a.status, 200, "{}", a.text());
    let data = a.json();
    assert_eq!(
        (&data["user"]["email"], &data["user"]["name"]),
        (&json!("ada@example.com"), &json!("Ada Lovelace"))
    );
    let records = &data["records"];
    for table in ["sessions", "virtual_keys", "team_members", "role_assignments"] {
        assert_eq!(records[table].as_array().map(Vec::len), Some(1), "{table}: {records}");
    }
    assert_eq!(records["virtual_keys"][0]["name"], "ada's laptop");
    assert_eq!(records["sessions"][0]["agent"], "ada's browser");
    assert_eq!(
        (&data["call_figures"]["calls"], &data["call_figures"]["cost_nanos"]),
        (&json!(1), &json!(62_500))
    );
    assert_eq!(data["calls"][0]["user_agent"], "ada's editor");
    let actions: Vec<_> =
        data["audit"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    for action in ["user.create", "user.update", "team.member_set", "session.sign_in"] {
        assert!(actions.contains(&action), "{action} of {actions:?}");
    }
    assert_eq!(data["audit_total"], actions.len());
    for secret in ["$argon2", "\"hash\":\"\\\\x", "refresh_hash", "password_hash"] {
        assert!(!a.text().contains(secret), "{secret}");
    }
    let noted = AuditFilter { action: Some("user.export".into()), ..AuditFilter::default() };
    assert_eq!(h.store.audit_trail(&noted, None, 9).await.unwrap().len(), 1);
    // it takes users.erase: a viewer and an admin have it not
    for role in ["admin", "viewer"] {
        h.person(role, role).await;
        let token = h.token(role).await;
        let a = send(&h.router, "GET", &format!("/api/users/{ada}/export"), Some(&token)).await;
        assert_eq!(a.status, 403, "{role}");
    }
    let nobody = format!("/api/users/{}/export", Uuid::now_v7());
    assert_eq!(send(&h.router, "GET", &nobody, Some(TOKEN)).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_an_id_and_the_trail_stays_whole() {
    let h = House::new().await;
    let ada = h.ada().await;
    let uri = format!("/api/users/{ada}/erase");
    let wrong = h.root("POST", &uri, json!({"email": "eve@example.com"})).await;
    assert_eq!(wrong.problem(), (422, "bad_value".into()));
    let token = h.token("ada").await;
    let before = h.store.audit_trail(&AuditFilter::default(), None, 100).await.unwrap();
    let done = h.root("POST", &uri, json!({"email": "Ada@Example.com"})).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(done.json()["keys"], 1);
    assert!(done.json()["audit_events"].as_u64().unwrap() >= 5, "{}", done.text());
    assert_eq!(send(&h.router, "GET", "/api/me", Some(&token)).await.status, 401);
    assert_eq!(
        h.root("POST", &uri, json!({"email": format!("erased-{ada}")})).await.problem(),
        (409, "erased".into())
    );

    assert!(matches!(h.store.audit_verify().await.unwrap(), Verified::Whole { .. }));
    let after = h.store.audit_trail(&AuditFilter::default(), None, 100).await.unwrap();
    assert_eq!(after.len(), before.len() + 1, "no row is gone");
    let kept = |rows: &[sallyport_schema::audit::AuditRow]| {
        rows.iter().map(|r| (r.seq, r.at, r.action.clone(), r.hash.clone())).collect::<Vec<_>>()
    };
    assert_eq!(kept(&after[1..]), kept(&before));
    // nowhere in the database (but the call log, see below)
    let dump = async || {
        let mut all = String::new();
        for table in [
            "users",
            "audit_log",
            "virtual_keys",
            "sessions",
            "team_members",
            "role_assignments",
            "role_history",
            "teams",
        ] {
            let sql = format!("SELECT COALESCE(string_agg(t::text, '\n'), '') FROM {table} t");
            all.push_str(&TestPg::value(&h.url, &sql).await);
        }
        all.to_lowercase()
    };
    let all = dump().await;
    for word in ["ada@", "lovelace", "ada's", "surname"] {
        assert!(
            !all.contains(word),
            "{word}: {}",
            all.lines().find(|l| l.contains(word)).unwrap_or_default()
        );
    }
    assert!(all.contains(&ada.to_string()));
    assert_eq!(h.store.forget_calls(1000).await.unwrap(), 1);
    assert_eq!(h.store.forget_calls(1000).await.unwrap(), 0);
    let calls = TestPg::value(&h.url, "SELECT string_agg(user_id::text || COALESCE(user_agent, '-') || COALESCE(client_ip::text, '-') || COALESCE(key_tags::text, '-'), ',') FROM call_log").await;
    assert_eq!(calls, format!("{ada}---"));
    h.person("ada", "developer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn not_oneself_not_the_last_one_and_nobody_above() {
    let h = House::new().await;
    let (root, second) = (h.person("root", "super_admin").await, h.person("second", "super_admin").await);
    let token = h.token("root").await;
    let erase = async |who: Uuid, name: &str, token: &str| {
        let request = Request::builder()
            .method("POST")
            .uri(format!("/api/users/{who}/erase"))
            .header("host", "localhost");
        let request = request
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let body = json!({"email": format!("{name}@example.com")}).to_string();
        answer(&h.router, request.body(Body::from(body)).unwrap()).await
    };
    assert_eq!(erase(root, "root", &token).await.status, 403, "oneself");
    assert_eq!(erase(second, "second", &token).await.status, 200);
    assert_eq!(erase(root, "root", TOKEN).await.problem(), (409, "conflict".into()));
    assert_eq!(
        h.store.person(root).await.unwrap().unwrap().email,
        "root@example.com",
        "nothing of it was done"
    );
    // a role with users.erase and little else does not reach above itself
    let clerk =
        json!({"name": "clerk", "grants": [{"scope": "all", "permissions": ["users.read", "users.erase"]}]});
    assert_eq!(h.root("POST", "/api/roles", clerk).await.status, 201);
    h.person("clerk", "clerk").await;
    let token = h.token("clerk").await;
    assert_eq!(erase(root, "root", &token).await.status, 403);
    let viewer = h.person("nobody", "clerk").await;
    assert_eq!(erase(viewer, "nobody", &token).await.status, 200);
    assert!(matches!(h.store.audit_verify().await.unwrap(), Verified::Whole { .. }));
}

/// Two persons in one row, one after the other; and what somebody with the database in his hands would do.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_row_that_no_erasure_vouches_for_is_found() {
    let h = House::new().await;
    let (ada, bob) = (h.person("ada", "developer").await, h.person("bob", "super_admin").await);
    let by_bob =
        Actor { kind: "user", id: Some(bob.to_string()), name: "bob@example.com".into(), ..Actor::cli() };
    let event = Event::done("user.update").on("user", ada, "ada@example.com");
    h.store
        .note(&by_bob, &event.changed(Some(json!({"email": "ada@example.com", "n": 1.5})), None))
        .await
        .unwrap();
    h.person("root", "super_admin").await;
    for (id, name) in [(ada, "ada"), (bob, "bob")] {
        let version = h.store.person(id).await.unwrap().unwrap().version;
        h.store.erase_person(id, version, &by_bob).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(matches!(h.store.audit_verify().await.unwrap(), Verified::Whole { .. }), "{name}");
    }
    let row: i64 = TestPg::value(&h.url, "SELECT min(seq)::text FROM audit_log WHERE action = 'user.update'")
        .await
        .parse()
        .unwrap();
    let shared =
        TestPg::value(&h.url, &format!("SELECT count(*)::text FROM audit_erasures WHERE seq = {row}")).await;
    assert_eq!(shared, "2");
    for tried in [
        format!("UPDATE audit_log SET reason = 'x' WHERE seq = {row}"),
        format!("UPDATE audit_erasures SET hash = sha256('x') WHERE seq = {row}"),
        "INSERT INTO audit_erasures SELECT 1, max(seq), sha256('x') FROM audit_log".into(),
        "INSERT INTO audit_erasures SELECT 1, max(seq) + 1, sha256('x') FROM audit_log".into(),
        format!("DELETE FROM audit_erasures WHERE seq = {row}"),
    ] {
        let save = "CREATE TABLE kept AS SELECT * FROM audit_log; CREATE TABLE kept_too AS SELECT * FROM audit_erasures";
        TestPg::execute(&h.url, save).await;
        TestPg::execute(&h.url, &format!("SET session_replication_role = replica; {tried}")).await;
        assert!(matches!(h.store.audit_verify().await.unwrap(), Verified::Broken { .. }), "{tried}");
        let back = "SET session_replication_role = replica; TRUNCATE audit_log, audit_erasures;
            INSERT INTO audit_log SELECT * FROM kept; INSERT INTO audit_erasures SELECT * FROM kept_too; DROP TABLE kept, kept_too";
        TestPg::execute(&h.url, back).await;
        assert!(matches!(h.store.audit_verify().await.unwrap(), Verified::Whole { .. }), "{tried}");
    }
    // and the triggers let only the erasure's own columns be written, no row be taken out
    for sql in [
        "UPDATE audit_log SET action = 'x'",
        "UPDATE audit_log SET hash = previous",
        "DELETE FROM audit_log",
        "DELETE FROM audit_erasures",
    ] {
        let tried = format!(
            "SET sallyport.erasing = 'on'; DO $$ BEGIN {sql}; RAISE 'it was done'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$"
        );
        TestPg::execute(&h.url, &tried).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_goes_for_good_after_its_time() {
    let h = House::new().await;
    let ada = h.ada().await;
    let bob = h.person("bob", "developer").await;
    let chores = Actor::system("chores");
    let robot = h.root("POST", "/api/service_accounts", json!({"name": "robot", "roles": []})).await.json();
    let key = json!({"name": "old", "user": bob, "surfaces": ["*"], "models": ["*"]});
    let key = h.root("POST", "/api/keys", key).await.json();
    let key = key["key"]["id"].as_str().unwrap().to_owned();
    let team = TestPg::value(&h.url, "SELECT id::text FROM teams").await;
    for (method, uri) in [
        ("DELETE", format!("/api/users/{ada}")),
        ("DELETE", format!("/api/service_accounts/{}", robot["id"].as_str().unwrap())),
        ("DELETE", format!("/api/teams/{team}")),
        ("POST", format!("/api/keys/{key}/archive")),
    ] {
        assert!(send(&h.router, method, &uri, Some(TOKEN)).await.status.is_success(), "{uri}");
    }
    assert_eq!(h.store.purge(30, &chores).await.unwrap(), Some(Purged::default()), "not yet");
    for (table, column) in [
        ("users", "deleted_at"),
        ("teams", "deleted_at"),
        ("service_accounts", "deleted_at"),
        ("virtual_keys", "archived_at"),
    ] {
        TestPg::execute(&h.url, &format!("UPDATE {table} SET {column} = {column} - interval '31 days'"))
            .await;
    }
    let gone = Purged { users: 1, teams: 1, accounts: 1, keys: 1 };
    assert_eq!(h.store.purge(30, &chores).await.unwrap(), Some(gone));
    assert_eq!(
        h.store.purge(30, &chores).await.unwrap(),
        Some(Purged::default()),
        "what has gone does not go again"
    );
    let left = "SELECT (SELECT string_agg(email, ',') FROM users) || (SELECT count(*) FROM teams) || (SELECT count(*) FROM service_accounts)
        || (SELECT count(*) FROM virtual_keys) || (SELECT count(*) FROM sessions)";
    assert_eq!(TestPg::value(&h.url, left).await, "bob@example.com0000");
    assert_eq!(
        TestPg::value(&h.url, "SELECT user_id::text FROM call_log").await,
        ada.to_string(),
        "the log keeps the id"
    );
    let rows = h
        .store
        .audit_trail(
            &AuditFilter { actor_id: None, action: Some("*".into()), ..AuditFilter::default() },
            None,
            4,
        )
        .await
        .unwrap();
    let mut actions: Vec<_> = rows.iter().map(|r| r.action.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["key.purge", "service_account.purge", "team.purge", "user.purge"]);
    assert!(matches!(h.store.audit_verify().await.unwrap(), Verified::Whole { .. }));
}
