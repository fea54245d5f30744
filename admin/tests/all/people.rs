//! Users, teams, service accounts and roles over HTTP.

use super::kit::{Answer, TOKEN, answer, bootstrap, call, cell, yaml};
use axum::Router;
use axum::body::Body;
use http::Request;
use sallyport_admin::{About, AdminState, Parts, Stored, password};
use sallyport_config::model::Admin;
use sallyport_config::snapshot::Source;
use sallyport_schema::access::BUILT_IN;
use sallyport_schema::audit::Actor;
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::log_store::{LogStore as _, PgLogStore};
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::Store;
use sallyport_schema::store::people::NewPerson;
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const PASSWORD: &str = "mauve-otter-93-kayak";

struct House {
    _pg: Arc<TestPg>,
    store: Store,
    router: Router,
}

impl House {
    async fn new() -> Self {
        let pg = TestPg::shared().await;
        let store = Store::connect(&pg.database().await, 5, Duration::from_secs(30)).await.unwrap();
        let keyring = Arc::new(KeyRing::new(MasterKey::generate().unwrap()));
        let stored = Stored { store: store.clone(), keyring };
        let about = About::now("1.2.3", "gate-1", vec![]);
        let log = Arc::new(PgLogStore::new(store.clone()));
        let cell = cell(&yaml(), Source::Store);
        let state = AdminState::new(
            Parts {
                about,
                bootstrap: bootstrap(),
                snapshot: cell,
                calls: log,
                probes: vec![],
                stored,
                outside: Arc::new(sallyport_admin::Nowhere),
            },
            &Admin::default(),
        );
        Self { _pg: pg, store, router: sallyport_admin::router(state).unwrap() }
    }

    async fn send(&self, token: &str, method: &str, uri: &str, body: Option<Value>) -> Answer {
        self.send_at(token, method, uri, body, None).await
    }

    async fn send_at(
        &self,
        token: &str,
        method: &str,
        uri: &str,
        body: Option<Value>,
        version: Option<&str>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(uri).header("host", "localhost");
        request = request.header("authorization", format!("Bearer {token}"));
        if let Some(version) = version {
            request = request.header("if-match", version);
        }
        let body = match body {
            Some(json) => {
                request = request.header("content-type", "application/json");
                Body::from(json.to_string())
            }
            None => Body::empty(),
        };
        answer(&self.router, request.body(body).unwrap()).await
    }

    /// By the holder of the bootstrap token; it must succeed.
    async fn root(&self, method: &str, uri: &str, body: Option<Value>) -> Value {
        let a = self.send(TOKEN, method, uri, body).await;
        assert!(a.status.is_success(), "{method} {uri}: {}", a.text());
        if a.body.is_empty() { Value::Null } else { a.json() }
    }

    async fn person(&self, name: &str, role: Option<&str>) -> Uuid {
        let hash = password::hash(PASSWORD).unwrap();
        let roles = role.map(|r| HeldRole { role: r.into(), team: None }).into_iter().collect();
        let email = format!("{name}@example.com");
        let new =
            NewPerson { email, name: name.into(), source: "local", password: Some((hash, None)), roles };
        self.store.create_person(&new, false, &Actor::cli()).await.unwrap().id
    }

    async fn sign_in(&self, name: &str, password: &str) -> Answer {
        let body = json!({"email": format!("{name}@example.com"), "password": password});
        let request = Request::builder().method("POST").uri("/api/session").header("host", "localhost");
        let request = request.header("content-type", "application/json");
        answer(&self.router, request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// The access token of a new session.
    async fn token(&self, name: &str, password: &str) -> String {
        let a = self.sign_in(name, password).await;
        assert_eq!(a.status, 200, "{name}: {}", a.text());
        let cookies = a.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap());
        let access = cookies.filter_map(|c| c.strip_prefix("__Host-sallyport=")).next().unwrap();
        access.split(';').next().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_from_the_first_day_to_the_last() {
    let h = House::new().await;
    let new = json!({"email": "Ada@Example.com", "name": " Ada ", "roles": [{"role": "developer"}]});
    let made = h.send(TOKEN, "POST", "/api/users", Some(new.clone())).await;
    assert_eq!((made.status.as_u16(), made.headers["etag"].to_str().unwrap()), (201, "\"1\""));
    let ada = made.json();
    assert_eq!((&ada["email"], &ada["name"]), (&json!("ada@example.com"), &json!("Ada")));
    let uri = format!("/api/users/{}", ada["id"].as_str().unwrap());
    assert_eq!(h.send(TOKEN, "POST", "/api/users", Some(new)).await.problem(), (409, "exists".into()));

    let reset = h.root("POST", &format!("{uri}/password"), None).await;
    let temporary = reset["password"].as_str().unwrap();
    let token = h.token("ada", temporary).await;
    assert_eq!(h.send(&token, "GET", &uri, None).await.status, 403, "first a password of her own");

    let id: Uuid = ada["id"].as_str().unwrap().parse().unwrap();
    let hash = password::hash(PASSWORD).unwrap();
    h.store.set_password(id, &hash, None, &Actor::cli()).await.unwrap();
    let token = h.token("ada", PASSWORD).await;
    let seen = h.send(&token, "GET", &uri, None).await;
    assert_eq!(seen.status, 200, "oneself");
    let etag = seen.headers["etag"].to_str().unwrap().to_owned();
    h.root("PATCH", &uri, Some(json!({"name": "Ada Lovelace"}))).await;
    let late = h.send_at(TOKEN, "PATCH", &uri, Some(json!({"name": "x"})), Some(&etag)).await;
    assert_eq!(late.problem(), (412, "stale_version".into()));

    h.root("DELETE", &format!("{uri}/sessions"), None).await;
    assert_eq!(h.send(&token, "GET", &uri, None).await.status, 401, "signed out everywhere");
    for change in [json!({"roles": [{"role": "viewer"}]}), json!({"active": false})] {
        let token = h.token("ada", PASSWORD).await;
        h.root("PATCH", &uri, Some(change.clone())).await;
        assert_eq!(h.send(&token, "GET", &uri, None).await.status, 401, "{change}");
    }
    assert_eq!(h.sign_in("ada", PASSWORD).await.status, 401);
    let rights = h.root("GET", &format!("{uri}/effective?permission=users.read"), None).await;
    assert_eq!((&rights["active"], &rights["permissions"][0]["all"]), (&json!(false), &json!(false)));
    assert_eq!(rights["permissions"][0]["because"][0]["role"], "viewer");
    h.root("DELETE", &uri, None).await;
    assert_eq!(h.send(TOKEN, "GET", &uri, None).await.problem(), (404, "not_found".into()));

    // all of it is in the trail, and no secret is
    let trail = h.root("GET", &format!("/api/audit?target={id}&action=user.*&limit=3"), None).await;
    let actions = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(actions(&trail), ["user.delete", "user.update", "user.update"]);
    assert_eq!(trail["items"][1]["before"]["active"], true);
    let next = format!("/api/audit?target={id}&action=user.*&cursor={}", trail["next"]);
    let rest = h.root("GET", &next, None).await;
    let wanted = ["user.update", "user.password_change", "user.password_reset", "user.create"];
    assert_eq!((actions(&rest), &rest["next"]), (wanted.map(str::to_owned).to_vec(), &Value::Null));
    let all = h.root("GET", "/api/audit?limit=500", None).await.to_string();
    assert!(!all.contains(temporary) && !all.contains(PASSWORD) && !all.contains("argon2"));
    let verified = h.root("GET", "/api/audit/verify", None).await;
    assert_eq!(verified["whole"], true, "{verified}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_in_words() {
    let h = House::new().await;
    let id = h.person("ada", Some("developer")).await;
    let user = format!("/api/users/{id}");
    for (method, uri, body, problem) in [
        ("POST", "/api/users", json!({"name": "x"}), (422, "bad_value")),
        ("POST", "/api/users", json!({"email": "x", "name": "x"}), (422, "bad_value")),
        ("POST", "/api/users", json!({"email": "a@b", "name": "\u{0}"}), (422, "bad_value")),
        ("POST", "/api/users", json!({"email": "a@b", "name": "x", "admin": true}), (422, "bad_value")),
        ("PATCH", &*user, json!({"rolls": []}), (422, "bad_value")),
        ("PATCH", &*user, json!({"roles": [{"role": "developer", "team": Uuid::nil()}]}), (422, "refused")),
        ("POST", "/api/teams", json!({"name": "x", "models": ["a b"]}), (422, "bad_value")),
        ("POST", "/api/service_accounts", json!({"name": "x", "team": Uuid::nil()}), (422, "bad_value")),
        ("GET", "/api/users?limit=0", Value::Null, (400, "bad_parameter")),
        ("GET", "/api/users?activ=true", Value::Null, (400, "bad_parameter")),
        ("GET", "/api/users/none", Value::Null, (404, "not_found")),
        ("GET", "/api/settings/upstream.backoff/history?before=0", Value::Null, (400, "bad_parameter")),
        ("GET", "/api/roles/%00", Value::Null, (404, "not_found")),
        ("GET", "/api/audit?from=yesterday", Value::Null, (400, "bad_parameter")),
        ("GET", &*format!("{user}/effective?surface=chat"), Value::Null, (400, "bad_parameter")),
        ("GET", &*format!("{user}/effective?permission=fly"), Value::Null, (400, "bad_parameter")),
    ] {
        let a = h.send(TOKEN, method, uri, (!body.is_null()).then_some(body)).await;
        assert_eq!(a.problem(), (problem.0, problem.1.to_owned()), "{method} {uri}");
    }
    for (version, problem) in [
        ("W/\"1\"", (412, "stale_version")),
        ("\"another\"", (412, "stale_version")),
        ("1", (400, "bad_if_match")),
        ("", (400, "bad_if_match")),
        ("\"1\", \"2\"", (400, "bad_if_match")),
    ] {
        let a = h.send_at(TOKEN, "PATCH", &user, Some(json!({})), Some(version)).await;
        assert_eq!(a.problem(), (problem.0, problem.1.to_owned()), "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_filters_of_people_and_teams() {
    let h = House::new().await;
    for n in 0..7 {
        h.person(&format!("p{n}"), None).await;
    }
    let (mut seen, mut uri) = (Vec::new(), "/api/users?limit=3".to_owned());
    loop {
        let page = h.root("GET", &uri, None).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|u| u["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        uri = format!("/api/users?limit=3&cursor={next}");
    }
    assert_eq!(seen, (0..7).map(|n| format!("p{n}")).collect::<Vec<_>>());
    assert_eq!(h.root("GET", "/api/users?text=P3%40", None).await["items"].as_array().unwrap().len(), 1);
    assert_eq!(h.root("GET", "/api/users?active=false", None).await["items"], json!([]));

    let team = h.root("POST", "/api/teams", Some(json!({"name": "red"}))).await["id"].clone();
    let team = team.as_str().unwrap();
    let p0 = h.root("GET", "/api/users?limit=1", None).await["items"][0]["id"].clone();
    let member = format!("/api/teams/{team}/members/{}", p0.as_str().unwrap());
    let put = h.root("PUT", &member, Some(json!({"role": "manager"}))).await;
    assert_eq!((&put["role"], &put["name"]), (&json!("manager"), &json!("p0")));
    assert_eq!(h.root("GET", &member, None).await, put);
    let of_team = h.root("GET", &format!("/api/users?team={team}"), None).await;
    assert_eq!(of_team["items"][0]["teams"][0]["manager"], true);
    h.root("DELETE", &member, None).await;
    assert_eq!(h.send(TOKEN, "DELETE", &member, None).await.problem(), (404, "not_found".into()));
    h.root("DELETE", &format!("/api/teams/{team}"), None).await;
    assert_eq!(h.send(TOKEN, "PUT", &member, Some(json!({"role": "member"}))).await.status, 404);
    h.root("POST", "/api/teams", Some(json!({"name": "red"}))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_made_changed_remembered_and_deleted() {
    let h = House::new().await;
    let desk = json!({"name": "desk", "grants": [{"scope": "all", "permissions": ["keys.read"]}]});
    h.root("POST", "/api/roles", Some(desk)).await;
    let matrix = h.root("GET", "/api/permissions", None).await;
    let keys = matrix["items"].as_array().unwrap().iter().find(|p| p["permission"] == "keys.read").unwrap();
    let cell = json!({"role": "desk", "effect": "allow", "scope": "all"});
    assert!(keys["roles"].as_array().unwrap().contains(&cell), "{keys}");
    let roles = h.root("GET", "/api/roles", None).await;
    assert_eq!(roles["items"].as_array().unwrap().len(), BUILT_IN.len() + 1);

    let robot = json!({"name": "robot", "roles": [{"role": "desk"}]});
    let robot = h.root("POST", "/api/service_accounts", Some(robot)).await;
    let robot = format!("/api/service_accounts/{}", robot["id"].as_str().unwrap());
    let rights = h.root("GET", &format!("{robot}/effective?surface=chat&model=gpt-5"), None).await;
    assert_eq!(rights["call"], json!({"allowed": false, "because": []}));
    assert_eq!(rights["permissions"][0]["permission"], "keys.read");
    let open = json!({"grants": [{"surfaces": ["chat"], "models": ["gpt-*"]}]});
    h.root("PUT", "/api/roles/desk", Some(open)).await;
    let rights = h.root("GET", &format!("{robot}/effective?surface=chat&model=gpt-5"), None).await;
    assert_eq!((&rights["call"]["allowed"], &rights["permissions"]), (&json!(true), &json!([])), "at once");

    assert_eq!(h.send(TOKEN, "DELETE", "/api/roles/desk", None).await.problem(), (409, "conflict".into()));
    h.root("PATCH", &robot, Some(json!({"roles": [], "active": false}))).await;
    assert_eq!(h.send(TOKEN, "DELETE", "/api/roles/desk", None).await.status, 204);
    let history = h.root("GET", "/api/roles/desk/history", None).await;
    let of =
        |n: usize| (history["items"][n]["version"].as_i64().unwrap(), history["items"][n]["after"].is_null());
    assert_eq!([of(0), of(1), of(2)], [(3, true), (2, false), (1, false)]);
    assert_eq!(history["items"][0]["author"], "bootstrap token");
    assert_eq!(h.send(TOKEN, "GET", "/api/roles/desk", None).await.status, 404);
    assert_eq!(h.send(TOKEN, "DELETE", "/api/roles/viewer", None).await.problem(), (409, "built_in".into()));
}

/// LESSONS.md: "Allow-lists checked on one route only". The log shows to each one what concerns him, in the list and by
/// id.
#[tokio::test(flavor = "multi_thread")]
async fn calls_are_shown_to_whom_they_concern() {
    let h = House::new().await;
    let (dev, boss, watcher) =
        (h.person("dev", Some("developer")).await, h.person("boss", Some("developer")).await, "viewer");
    h.person(watcher, Some(watcher)).await;
    let made = h.root("POST", "/api/teams", Some(json!({"name": "red"}))).await;
    let red: Uuid = made["id"].as_str().unwrap().parse().unwrap();
    h.store.put_member(red, boss, true, &Actor::cli()).await.unwrap();
    let robot = json!({"name": "robot", "team": red, "roles": []});
    let robot = h.root("POST", "/api/service_accounts", Some(robot)).await;
    let robot: Uuid = robot["id"].as_str().unwrap().parse().unwrap();
    let of = |user: Option<Uuid>, team: Option<Uuid>| {
        let mut record = call(time::OffsetDateTime::now_utc());
        (record.user_id, record.team_id) = (user, team);
        record
    };
    let records = [of(Some(dev), None), of(None, Some(red)), of(Some(robot), None), of(None, None)];
    PgLogStore::new(h.store.clone()).append(&records).await.unwrap();
    for (who, sees) in [("dev", vec![0]), ("boss", vec![1, 2]), (watcher, vec![0, 1, 2, 3])] {
        let token = h.token(who, PASSWORD).await;
        let listed = h.send(&token, "GET", "/api/calls", None).await.json();
        assert_eq!(listed["calls"].as_array().unwrap().len(), sees.len(), "{who}: {listed}");
        for (n, record) in records.iter().enumerate() {
            let wanted = if sees.contains(&n) { 200 } else { 404 };
            let uri = format!("/api/calls/{}", record.id);
            assert_eq!(h.send(&token, "GET", &uri, None).await.status, wanted, "{who} {n}");
        }
    }
}

/// LESSONS.md: "An admin who can mint a `*` role and take it". A key makes its holder the owner: nobody makes one for an
/// owner or a team that he may not act for, nor one that opens more than he may call.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_a_key_for_whom_he_may_not_act() {
    let h = House::new().await;
    let dev = h.person("dev", Some("developer")).await;
    let boss = h.person("boss", Some("developer")).await;
    let root = h.person("root", Some("super_admin")).await;
    let team = async |name: &str| -> Uuid {
        let made = h.root("POST", "/api/teams", Some(json!({"name": name}))).await;
        made["id"].as_str().unwrap().parse().unwrap()
    };
    let (red, blue) = (team("red").await, team("blue").await);
    for (who, manages) in [(dev, false), (boss, true), (root, false)] {
        h.store.put_member(red, who, manages, &Actor::cli()).await.unwrap();
    }
    let account = async |name: &str, team: Uuid| -> Uuid {
        let made = h
            .root("POST", "/api/service_accounts", Some(json!({"name": name, "team": team, "roles": []})))
            .await;
        made["id"].as_str().unwrap().parse().unwrap()
    };
    let (robot, stranger) = (account("robot", red).await, account("stranger", blue).await);
    let (as_dev, as_boss) = (h.token("dev", PASSWORD).await, h.token("boss", PASSWORD).await);
    let key = |more: Value| {
        let mut key = json!({"name": "k", "surfaces": ["*"], "models": ["*"]});
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    };
    for (who, token, more, status) in [
        ("dev for himself", &as_dev, json!({"user": dev}), 201),
        ("dev in his team", &as_dev, json!({"user": dev, "team": red}), 201),
        ("dev in another team", &as_dev, json!({"user": dev, "team": blue}), 403),
        ("dev for nobody", &as_dev, json!({}), 403),
        ("dev for the team", &as_dev, json!({"team": red}), 403),
        ("dev for another", &as_dev, json!({"user": boss}), 403),
        ("dev for an account", &as_dev, json!({"service_account": robot}), 403),
        ("boss for the team", &as_boss, json!({"team": red}), 201),
        ("boss for a member", &as_boss, json!({"user": dev, "team": red}), 403),
        ("boss for a super admin", &as_boss, json!({"user": root, "team": red}), 403),
        ("boss for the team's account", &as_boss, json!({"service_account": robot, "team": red}), 201),
        ("boss for another team's account", &as_boss, json!({"service_account": stranger, "team": red}), 403),
        ("boss for another team", &as_boss, json!({"service_account": robot, "team": blue}), 403),
        ("boss for the pass-through", &as_boss, json!({"team": red, "surfaces": ["passthrough"]}), 201),
    ] {
        let answer = h.send(token, "POST", "/api/keys", Some(key(more))).await;
        assert_eq!(answer.status, status, "{who}: {}", answer.text());
    }
    // a manager may put away a member's key in his team, but not get its secret
    let made =
        h.send(&as_dev, "POST", "/api/keys", Some(key(json!({"user": dev, "team": red})))).await.json();
    let uri = format!("/api/keys/{}", made["key"]["id"].as_str().unwrap());
    assert_eq!(h.send(&as_boss, "POST", &format!("{uri}/rotate"), Some(json!({}))).await.status, 403);
    assert_eq!(h.send(&as_boss, "POST", &format!("{uri}/disable"), None).await.status, 200);
    assert_eq!(h.send(&as_dev, "POST", &format!("{uri}/rotate"), Some(json!({}))).await.status, 201);
    // of others' keys nobody hears
    let lonely = h.send(&as_dev, "POST", "/api/keys", Some(key(json!({"user": dev})))).await.json();
    let uri = format!("/api/keys/{}", lonely["key"]["id"].as_str().unwrap());
    assert_eq!(h.send(&as_boss, "GET", &uri, None).await.status, 404);
    let seen = h.send(&as_dev, "GET", "/api/keys", None).await.json();
    assert!(seen["items"].as_array().unwrap().iter().all(|k| k["user"] == dev.to_string()), "{seen}");
}
