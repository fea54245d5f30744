//! People sign in, with a real Postgres.

use super::kit::{Answer, Log, TOKEN, answer, bootstrap, cell, yaml};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, Request};
use sallyport_admin::{About, AdminState, Stored, password};
use sallyport_config::model::{Admin, BindAddress, SessionRules};
use sallyport_config::snapshot::Source;
use sallyport_schema::audit::{Actor, AuditFilter};
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::Store;
use sallyport_schema::store::people::{NewPerson, Person, PersonChange};
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "mauve-otter-93-kayak";
const OTHER: &str = "seven-lamps-by-the-sea";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0";

/// An admin service on a database of its own.
struct House {
    _pg: Arc<TestPg>,
    url: String,
    store: Store,
    ring: KeyRing,
    router: Router,
}

fn service(store: &Store, ring: &KeyRing, session: SessionRules) -> Router {
    let about = About::now("1.2.3", "gate-1", vec![]);
    let stored = Stored { store: store.clone(), keyring: Arc::new(ring.clone()) };
    let rules = Admin { session, ..Admin::default() };
    let log = Arc::new(Log::default());
    let state = AdminState::new(
        about,
        bootstrap(),
        cell(&yaml(), Source::Store),
        log,
        vec![],
        stored,
        &rules,
        Arc::new(sallyport_admin::Nowhere),
    );
    sallyport_admin::router(state).unwrap()
}

impl House {
    async fn new() -> Self {
        Self::with(SessionRules::default()).await
    }

    async fn with(session: SessionRules) -> Self {
        let pg = TestPg::shared().await;
        let url = pg.database().await;
        let store = Store::connect(&url, 5, Duration::from_secs(10)).await.unwrap();
        let ring = KeyRing::new(MasterKey::generate().unwrap());
        let router = service(&store, &ring, session);
        Self { _pg: pg, url, store, ring, router }
    }

    async fn person(&self, email: &str, role: &str) -> Person {
        self.person_with(email, role, Some((password::hash(PASSWORD).unwrap(), None))).await
    }

    async fn person_with(
        &self,
        email: &str,
        role: &str,
        password: Option<(String, Option<OffsetDateTime>)>,
    ) -> Person {
        let roles = vec![HeldRole { role: role.into(), team: None }];
        let new = NewPerson { email: email.into(), name: "Ada".into(), source: "local", password, roles };
        self.store.create_person(&new, false, &Actor::cli()).await.unwrap()
    }

    async fn sql(&self, sql: &str) {
        TestPg::execute(&self.url, sql).await;
    }

    fn browser(&self) -> Browser {
        Browser {
            router: self.router.clone(),
            cookies: BTreeMap::new(),
            csrf: None,
            agent: FIREFOX.into(),
            from: "192.0.2.7:5000".parse().unwrap(),
            extra: HeaderMap::new(),
        }
    }

    /// A browser that has signed in.
    async fn signed_in(&self, email: &str) -> Browser {
        let mut browser = self.browser();
        let a = browser.sign_in(email, PASSWORD).await;
        assert_eq!(a.status, 200, "{}", a.text());
        browser
    }

    async fn trail(&self, action: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let filter = AuditFilter { action: Some(action.into()), ..AuditFilter::default() };
        let rows = self.store.audit_trail(&filter, None, 100).await.unwrap();
        rows.into_iter().map(|r| (r.outcome, r.reason, r.target)).collect()
    }
}

/// Keeps cookies and sends them, as browsers do.
#[derive(Clone)]
struct Browser {
    router: Router,
    cookies: BTreeMap<String, String>,
    csrf: Option<String>,
    agent: String,
    from: SocketAddr,
    extra: HeaderMap,
}

impl Browser {
    async fn send(&mut self, method: &str, uri: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "localhost")
            .header("user-agent", &self.agent)
            .extension(ConnectInfo(self.from));
        for (name, value) in &self.cookies {
            request = request.header("cookie", format!("{name}={value}"));
        }
        if let Some(csrf) = &self.csrf {
            request = request.header("x-csrf-token", csrf);
        }
        for (name, value) in &self.extra {
            request = request.header(name, value);
        }
        let body = match body {
            Some(json) => {
                request = request.header("content-type", "application/json");
                Body::from(json.to_string())
            }
            None => Body::empty(),
        };
        let a = answer(&self.router, request.body(body).unwrap()).await;
        for line in a.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            assert!(line.ends_with(|c: char| c.is_ascii_digit()), "{line}");
            assert!(line.contains("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age="), "{line}");
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            assert!(name.starts_with("__Host-"));
            match value {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.into(), value.into()),
            };
        }
        if a.status == 200
            && let Some(csrf) =
                serde_json::from_slice::<Value>(&a.body).unwrap_or_default()["csrf_token"].as_str()
        {
            self.csrf = Some(csrf.into());
        }
        a
    }

    async fn get(&mut self, uri: &str) -> Answer {
        self.send("GET", uri, None).await
    }

    async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        self.send("POST", "/api/session", Some(json!({"email": email, "password": password}))).await
    }

    async fn refresh(&mut self) -> Answer {
        self.send("POST", "/api/session/refresh", None).await
    }

    async fn change_password(&mut self, current: &str, new: &str) -> Answer {
        self.send("PUT", "/api/me/password", Some(json!({"current": current, "new": new}))).await
    }

    /// Status of a request that needs to be signed in.
    async fn open(&mut self) -> u16 {
        self.get("/api/me").await.status.as_u16()
    }

    /// Sends the access token as a Bearer token, and no cookies.
    fn program(&self) -> Self {
        let mut program = self.clone();
        let token = program.cookies.remove("__Host-sallyport").unwrap();
        program.cookies.clear();
        program.csrf = None;
        program.extra.insert("authorization", format!("Bearer {token}").parse().unwrap());
        program
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_opens_what_the_roles_open() {
    let house = House::new().await;
    let ada = house.person(ADA, "developer").await;
    let mut browser = house.browser();
    assert_eq!(browser.get("/api/me").await.problem(), (401, "missing_token".into()));
    let a = browser.sign_in(" Ada@Example.com ", PASSWORD).await;
    assert_eq!((a.status.as_u16(), a.json()["user"].clone()), (200, json!(ada.id)));
    assert!(!a.text().contains(&browser.cookies["__Host-sallyport"]), "scripts of a page see no token");

    let me = browser.get("/api/me").await.json();
    assert_eq!((&me["kind"], &me["user"]["email"]), (&json!("user"), &json!(ADA)));
    assert_eq!(me["roles"], json!([{"role": "developer", "team": null}]));
    let held: Vec<_> =
        me["permissions"].as_array().unwrap().iter().map(|p| p["permission"].as_str().unwrap()).collect();
    assert!(held.contains(&"keys.read") && !held.contains(&"settings.write"), "{held:?}");
    assert_eq!(browser.get("/api/openapi.json").await.status, 200);
    assert_eq!(browser.get("/api/snapshot").await.problem(), (403, "forbidden".into()));
    assert_eq!(browser.program().open().await, 200);
    assert_eq!(house.trail("session.sign_in").await, [("done".into(), None, Some(ADA.into()))]);
    assert!(house.store.person(ada.id).await.unwrap().unwrap().last_login_at.is_some());
    let verified = house.store.audit_verify().await.unwrap();
    assert!(format!("{verified:?}").contains("Whole"), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_which_accounts_there_are() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    house.person_with("sso@example.com", "viewer", None).await;
    let gone = house.person("gone@example.com", "viewer").await;
    let change = PersonChange { active: Some(false), ..PersonChange::default() };
    house.store.change_person(gone.id, None, &change, &Actor::cli()).await.unwrap();
    let past = OffsetDateTime::now_utc() - Duration::from_secs(1);
    let late = Some((password::hash(PASSWORD).unwrap(), Some(past)));
    house.person_with("late@example.com", "viewer", late).await;

    house.person("second@example.com", "viewer").await;
    house.sql("UPDATE users SET totp_secret = '\\x00' WHERE email = 'second@example.com'").await;

    let mut bodies = Vec::new();
    for (email, password) in [
        ("second@example.com", PASSWORD),
        (ADA, OTHER),
        (ADA, ""),
        ("sso@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("late@example.com", PASSWORD),
        ("nobody@example.com", PASSWORD),
    ] {
        let a = house.browser().sign_in(email, password).await;
        assert_eq!(a.problem(), (401, "wrong_sign_in".into()), "{email}");
        assert!(a.headers.get("set-cookie").is_none());
        bodies.push(a.text());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    let trail = house.trail("session.sign_in").await;
    assert_eq!(trail.len(), 7);
    assert!(trail.iter().all(|(outcome, ..)| outcome == "failed"));
    assert_eq!(trail[0].2, None, "what was typed may be a password");
    assert_eq!(trail[5].2.as_deref(), Some(ADA));
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_have_to_wait_and_so_has_the_owner() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    for email in [ADA, "nobody@example.com"] {
        let mut wrong = 0;
        let wait = loop {
            let a = house.browser().sign_in(email, OTHER).await;
            match a.problem() {
                (401, _) => wrong += 1,
                (429, code) => {
                    break (code, a.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap());
                }
                other => panic!("{other:?}"),
            }
            assert!(wrong < 15, "no end of guesses: {email}");
        };
        assert!(wrong >= 5 && wait.0 == "too_many_failures" && wait.1 >= 1, "{email}: {wrong} {wait:?}");
    }
    house.sql("UPDATE sign_in_failures SET blocked_until = now() + interval '1 hour'").await;
    assert_eq!(house.browser().sign_in(ADA, PASSWORD).await.problem().0, 429, "or a guess would show itself");
    house.sql("UPDATE sign_in_failures SET blocked_until = now()").await;
    assert_eq!(house.browser().sign_in(ADA, PASSWORD).await.status, 200);
    let failures = "DO $$ BEGIN ASSERT (SELECT count(*) FROM sign_in_failures) = 2, 'account is forgotten, address and unknown are not'; END $$";
    house.sql(failures).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_tries_many_accounts_has_to_wait() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    assert_eq!(house.browser().sign_in("nobody@example.com", OTHER).await.status, 401);
    house.sql("UPDATE sign_in_failures SET failures = 60").await;
    assert_eq!(house.browser().sign_in("noone@example.com", OTHER).await.status, 401);
    assert_eq!(house.browser().sign_in(ADA, PASSWORD).await.problem().0, 429);
    let mut elsewhere = house.browser();
    elsewhere.from = "198.51.100.1:1".parse().unwrap();
    assert_eq!(elsewhere.sign_in(ADA, PASSWORD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_secret_works_once_and_a_stolen_one_ends_the_session() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut browser = house.signed_in(ADA).await;
    let mut tab = browser.clone();
    let first = browser.cookies["__Host-sallyport-refresh"].clone();
    // the access token has gone: the refresh cookie alone renews it
    browser.cookies.remove("__Host-sallyport");
    assert_eq!(browser.open().await, 401);
    assert_eq!(browser.refresh().await.status, 200);
    assert_ne!(browser.cookies["__Host-sallyport-refresh"], first);
    assert_eq!(browser.open().await, 200);

    // a second tab, at the same time: it goes on, with the first one's secret in the shared jar
    assert_eq!(tab.refresh().await.status, 200);
    assert_eq!(tab.cookies["__Host-sallyport-refresh"], first, "the secret is not handed out again");
    assert_eq!(tab.open().await, 200);

    house.sql("UPDATE sessions SET used_until = now() - interval '1 second'").await;
    let a = tab.refresh().await;
    assert_eq!(a.problem(), (401, "session_over".into()));
    assert!(tab.cookies.is_empty(), "cookies are taken away");
    assert_eq!(browser.open().await, 401, "whoever of the two was the thief");
    assert_eq!(browser.refresh().await.problem(), (401, "session_over".into()));
    assert_eq!(house.trail("session.refresh").await.len(), 1);

    for cookie in ["", "x", &format!("{}.x", uuid::Uuid::now_v7())] {
        let mut stranger = house.browser();
        stranger.cookies.insert("__Host-sallyport-refresh".into(), cookie.into());
        assert_eq!(stranger.refresh().await.problem(), (401, "session_over".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_it_on_the_server() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut browser = house.signed_in(ADA).await;
    let mut copy = browser.clone();
    assert_eq!(browser.send("DELETE", "/api/session", None).await.status, 204);
    assert!(browser.cookies.is_empty());
    assert_eq!(copy.program().get("/api/me").await.problem(), (401, "session_over".into()));
    assert_eq!(copy.get("/api/me").await.problem(), (401, "session_over".into()));
    assert_eq!(copy.refresh().await.status, 401);
    // a stale cookie is in nobody's way
    assert_eq!(copy.get("/api/health").await.status, 200);
    assert_eq!(copy.sign_in(ADA, PASSWORD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_old_or_idle() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    for end in ["expires_at = now()", "seen_at = now() - interval '61 minutes'"] {
        let mut browser = house.signed_in(ADA).await;
        house.sql(&format!("UPDATE sessions SET {end} WHERE ended_at IS NULL")).await;
        assert_eq!(browser.open().await, 401, "{end}");
        assert_eq!(browser.refresh().await.status, 401, "{end}");
    }
    let mut other = house.signed_in(ADA).await;
    assert_eq!(other.get("/api/sessions").await.json()["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_sessions_can_be_seen_and_ended() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    house.person("eve@example.com", "super_admin").await;
    let mut here = house.signed_in(ADA).await;
    let (mut there, mut third) = (house.signed_in(ADA).await, house.signed_in(ADA).await);
    let mut eve = house.signed_in("eve@example.com").await;

    let sessions = here.get("/api/sessions").await.json();
    let sessions = sessions["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 3);
    assert_eq!(sessions.iter().filter(|s| s["current"] == true).count(), 1);
    assert_eq!((&sessions[2]["address"], &sessions[2]["agent"]), (&json!("192.0.2.7"), &json!(FIREFOX)));
    let second = format!("/api/sessions/{}", sessions[1]["id"].as_str().unwrap());
    assert_eq!(eve.send("DELETE", &second, None).await.problem().0, 404, "not hers");
    assert_eq!(there.open().await, 200);
    assert_eq!(here.send("DELETE", &second, None).await.status, 204);
    assert_eq!((there.open().await, third.open().await), (401, 200));
    assert_eq!(here.send("DELETE", &second, None).await.problem().0, 404);
    assert_eq!(here.send("DELETE", "/api/sessions/no-uuid", None).await.problem().0, 404);
    assert_eq!(here.send("DELETE", "/api/sessions", None).await.json(), json!({"ended": 1}));
    assert_eq!((here.open().await, third.open().await, eve.open().await), (200, 401, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_all_sessions() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut browser = house.signed_in(ADA).await;
    let mut other = house.signed_in(ADA).await;
    assert_eq!(browser.change_password(OTHER, OTHER).await.problem(), (422, "wrong_password".into()));
    assert_eq!(
        browser.change_password(PASSWORD, "Password1234!").await.problem(),
        (422, "weak_password".into())
    );
    assert_eq!(browser.change_password(PASSWORD, PASSWORD).await.problem(), (422, "same_password".into()));
    let bad = browser
        .send("PUT", "/api/me/password", Some(json!({"current": PASSWORD, "new": OTHER, "x": 1})))
        .await;
    assert_eq!(bad.problem(), (422, "bad_value".into()));
    assert_eq!(other.open().await, 200);
    let mut old = browser.program();

    assert_eq!(browser.change_password(PASSWORD, OTHER).await.status, 200);
    assert_eq!((browser.open().await, other.open().await, old.open().await), (200, 401, 401));
    assert_eq!(other.refresh().await.status, 401);
    assert_eq!(house.browser().sign_in(ADA, PASSWORD).await.status, 401);
    assert_eq!(house.browser().sign_in(ADA, OTHER).await.status, 200);
    let trail = house.trail("user.password_change").await;
    assert_eq!(trail.iter().map(|t| t.0.as_str()).collect::<Vec<_>>(), ["done", "failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_roles_and_deactivation_end_sessions_at_once() {
    let house = House::new().await;
    let ada = house.person(ADA, "viewer").await;
    let (cli, role) = (Actor::cli(), |r: &str| Some(vec![HeldRole { role: r.into(), team: None }]));
    for change in [
        PersonChange { roles: role("developer"), ..PersonChange::default() },
        PersonChange { active: Some(false), ..PersonChange::default() },
    ] {
        let mut browser = house.signed_in(ADA).await;
        let mut program = browser.program();
        house.store.change_person(ada.id, None, &change, &cli).await.unwrap();
        assert_eq!(
            (browser.open().await, program.open().await, browser.refresh().await.status.as_u16()),
            (401, 401, 401)
        );
    }
    let change = PersonChange { active: Some(true), ..PersonChange::default() };
    house.store.change_person(ada.id, None, &change, &cli).await.unwrap();
    let mut browser = house.signed_in(ADA).await;
    let change = PersonChange { name: Some("Countess".into()), ..PersonChange::default() };
    house.store.change_person(ada.id, None, &change, &cli).await.unwrap();
    assert_eq!(browser.open().await, 200, "a name is nobody's right");
    house.store.delete_person(ada.id, None, &cli).await.unwrap();
    assert_eq!(browser.open().await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_can_do_nothing() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let browser = house.signed_in(ADA).await;
    let mut eve = house.signed_in(ADA).await;
    for csrf in [None, Some(String::new()), Some("x".into()), eve.csrf.clone()] {
        let mut page = browser.clone();
        page.csrf = csrf;
        let a = page.send("DELETE", "/api/sessions", None).await;
        assert_eq!(a.problem(), (403, "csrf_token".into()));
        assert_eq!(page.open().await, 200, "reading needs none");
    }
    assert_eq!(eve.open().await, 200);
    assert_eq!(
        browser.program().send("DELETE", "/api/session", None).await.status,
        204,
        "no cookie, no forgery"
    );

    for site in ["cross-site", "same-site"] {
        let mut page = house.signed_in(ADA).await;
        page.extra.insert("sec-fetch-site", site.parse().unwrap());
        assert_eq!(page.refresh().await.problem(), (403, "cross_site".into()));
        assert_eq!(page.sign_in(ADA, PASSWORD).await.problem(), (403, "cross_site".into()));
    }
    // what a form can send is not taken
    let request =
        Request::post("/api/session").header("host", "localhost").header("content-type", "text/plain");
    let body = json!({"email": ADA, "password": PASSWORD}).to_string();
    let a = answer(&house.router, request.body(Body::from(body)).unwrap()).await;
    assert_eq!(a.problem(), (415, "not_json".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stays_where_it_began() {
    for (bind, near, far) in
        [(BindAddress::Prefix, 200, 401), (BindAddress::Exact, 401, 401), (BindAddress::Off, 200, 200)]
    {
        let house = House::with(SessionRules { bind_address: bind, ..SessionRules::default() }).await;
        house.person(ADA, "viewer").await;
        let mut browser = house.signed_in(ADA).await;
        for (address, expected) in [("192.0.2.99:1", near), ("203.0.113.1:1", far)] {
            let mut moved = browser.clone();
            moved.from = address.parse().unwrap();
            assert_eq!(moved.open().await, expected, "{bind:?} {address}");
            assert_eq!(moved.program().open().await, expected, "{bind:?} {address}");
        }
        let mut curl = browser.clone();
        curl.agent = "curl/8.5.0".into();
        assert_eq!(curl.get("/api/me").await.problem(), (401, "session_moved".into()));
        assert_eq!(curl.refresh().await.problem(), (401, "session_moved".into()));
        browser.agent = FIREFOX.replace("127", "128");
        assert_eq!(browser.open().await, 200, "an update of the browser");
        let trail = house.trail("session.use").await;
        // curl: one of /api/me, two of the refresh, which shows both cookies
        let denied = 3 + 2 * usize::from(near == 401) + 2 * usize::from(far == 401);
        assert_eq!(
            trail.iter().filter(|(outcome, ..)| outcome == "denied").count(),
            denied,
            "{bind:?} {trail:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_password_opens_nothing_but_its_change() {
    let house = House::new().await;
    let soon = OffsetDateTime::now_utc() + Duration::from_secs(3600);
    let temporary = Some((password::hash(PASSWORD).unwrap(), Some(soon)));
    house.person_with(ADA, "super_admin", temporary).await;
    let mut browser = house.browser();
    let a = browser.sign_in(ADA, PASSWORD).await;
    assert_eq!(a.json()["must_change_password"], true);
    assert_eq!(browser.get("/api/me").await.json()["must_change_password"], true);
    for uri in ["/api/calls", "/api/snapshot", "/api/sessions"] {
        assert_eq!(browser.get(uri).await.problem(), (403, "password_change_required".into()), "{uri}");
    }
    assert_eq!(browser.program().get("/api/snapshot").await.problem().1, "password_change_required");
    assert_eq!(browser.refresh().await.json()["must_change_password"], true);
    assert_eq!(browser.change_password(PASSWORD, OTHER).await.status, 200);
    assert_eq!(browser.get("/api/snapshot").await.status, 200);
    assert_eq!(browser.get("/api/me").await.json()["must_change_password"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_set_up_happens_once() {
    let house = House::new().await;
    let asked =
        |n: u32| json!({"email": format!("root{n}@example.com"), "name": "Root", "password": PASSWORD});
    let mut anyone = house.browser();
    assert_eq!(anyone.get("/api/setup").await.json(), json!({"needed": true}));
    assert_eq!(anyone.send("POST", "/api/setup", Some(asked(0))).await.problem().0, 401);
    let mut holder = house.browser();
    holder.extra.insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    let weak = json!({"email": "root@example.com", "name": "Root", "password": "root-example-1"});
    assert_eq!(holder.send("POST", "/api/setup", Some(weak)).await.problem(), (422, "weak_password".into()));
    let no = json!({"email": "root", "name": "Root", "password": PASSWORD});
    assert_eq!(holder.send("POST", "/api/setup", Some(no)).await.problem(), (422, "bad_value".into()));

    let (mut one, mut two) = (holder.clone(), holder.clone());
    let (one, two) = tokio::join!(
        one.send("POST", "/api/setup", Some(asked(1))),
        two.send("POST", "/api/setup", Some(asked(2)))
    );
    let mut both = [one.status.as_u16(), two.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [201, 409]);
    let won = if one.status == 201 { &one } else { &two };
    assert_eq!(anyone.get("/api/setup").await.json(), json!({"needed": false}));
    assert_eq!(holder.send("POST", "/api/setup", Some(asked(3))).await.problem().0, 409);
    let mut root = house.signed_in(won.json()["email"].as_str().unwrap()).await;
    assert_eq!(root.get("/api/snapshot").await.status, 200);
    assert_eq!(
        root.send("POST", "/api/setup", Some(asked(4))).await.problem().0,
        403,
        "a person is not the token"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_other_keys_open_nothing_and_those_of_the_previous_key_do() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut browser = house.signed_in(ADA).await;
    let new = MasterKey::generate().unwrap();
    let other = service(&house.store, &KeyRing::new(new.clone()), SessionRules::default());
    let mut moved = Browser { router: other, ..browser.clone() };
    assert_eq!(moved.get("/api/me").await.problem(), (401, "session_over".into()));
    assert_eq!(moved.program().get("/api/me").await.problem(), (401, "invalid_token".into()));

    let rotated = KeyRing { current: new, previous: vec![house.ring.current.clone()] };
    browser.router = service(&house.store, &rotated, SessionRules::default());
    assert_eq!(browser.open().await, 200);
    assert_eq!(browser.refresh().await.status, 200);
    assert_eq!(browser.send("DELETE", "/api/session", None).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_roles_and_managed_teams_count() {
    let house = House::new().await;
    house
        .sql(
            r#"INSERT INTO roles (name, grants) VALUES
               ('auditor', '[{"scope": "all", "permissions": ["audit.read", "snapshot.read"]}]')"#,
        )
        .await;
    let ada = house.person(ADA, "auditor").await;
    house
        .sql(&format!(
            "INSERT INTO teams (id, name) VALUES ('{0}', 'blue');
             INSERT INTO team_members (team_id, user_id, role) VALUES ('{0}', '{1}', 'manager')",
            uuid::Uuid::nil(),
            ada.id
        ))
        .await;
    let mut browser = house.signed_in(ADA).await;
    assert_eq!(browser.get("/api/snapshot").await.status, 200);
    let me = browser.get("/api/me").await.json();
    let permission = |name: &str| {
        me["permissions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["permission"] == name)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(permission("audit.read")["all"], true);
    assert_eq!(permission("keys.write")["teams"], json!([uuid::Uuid::nil()]));
    assert_eq!(me["teams"], json!([{"id": uuid::Uuid::nil(), "name": "blue", "manager": true}]));
    let held = [HeldRole { role: "auditor".into(), team: None }];
    assert_eq!(house.store.assignments(&held).await.unwrap()[0].role.grants.len(), 1);
    let none = [HeldRole { role: "no-such".into(), team: None }];
    assert!(house.store.assignments(&none).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_reset_by_somebody_who_is_not_below() {
    let house = House::new().await;
    house.person("root@example.com", "super_admin").await;
    house.person("boss@example.com", "admin").await;
    let ada = house.person_with(ADA, "developer", None).await;
    let mut boss = house.signed_in("boss@example.com").await;
    let root_id = house.store.person_by_email("root@example.com").await.unwrap().unwrap().id;
    let boss_id = house.store.person_by_email("boss@example.com").await.unwrap().unwrap().id;
    let path = |id: uuid::Uuid| format!("/api/users/{id}/password");
    assert_eq!(boss.send("POST", &path(root_id), None).await.problem(), (403, "forbidden".into()));
    assert_eq!(boss.send("POST", &path(boss_id), None).await.problem(), (409, "own_password".into()));
    assert_eq!(boss.send("POST", &path(uuid::Uuid::now_v7()), None).await.problem().0, 404);
    let mut root = house.signed_in("root@example.com").await;
    assert_eq!(root.open().await, 200, "his password is still good");

    let a = boss.send("POST", &path(ada.id), None).await;
    assert_eq!(a.status, 200, "{}", a.text());
    let first = a.json()["password"].as_str().unwrap().to_owned();
    let mut browser = house.browser();
    assert_eq!(browser.sign_in(ADA, &first).await.json()["must_change_password"], true);
    let again = boss.send("POST", &path(ada.id), None).await.json();
    assert_ne!(again["password"], json!(first));
    assert_eq!(browser.open().await, 401, "a reset ends sessions");
    assert_eq!(house.browser().sign_in(ADA, &first).await.status, 401);
    assert_eq!(browser.send("POST", &path(boss_id), None).await.problem().0, 401);
    let rows = house.store.audit_trail(&AuditFilter::default(), None, 100).await.unwrap();
    assert!(!format!("{rows:?}").contains(&first), "no secret in the trail");

    house.sql(&format!("UPDATE users SET source = 'scim' WHERE id = '{}'", ada.id)).await;
    assert_eq!(boss.send("POST", &path(ada.id), None).await.problem(), (409, "no_password".into()));
}

/// What a sign-in answers is nobody else's, and what it asks holds a password: neither is kept.
#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_have_no_idempotency_key() {
    let house = House::new().await;
    house.person(ADA, "viewer").await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let mut browser = house.browser();
        browser.extra.insert("idempotency-key", "one".parse().unwrap());
        let a = browser.sign_in(ADA, PASSWORD).await;
        assert!(a.status == 200 && a.headers.get("idempotent-replayed").is_none(), "{}", a.text());
        sessions.push(a.json()["session"].clone());
        assert_eq!(browser.open().await, 200);
    }
    assert_ne!(sessions[0], sessions[1]);
    house.sql("DO $$ BEGIN ASSERT NOT EXISTS (SELECT 1 FROM idempotent_answers); END $$").await;
}
