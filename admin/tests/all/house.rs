//! An admin service with people who sign in, for the tests of all that has to do with it.

use super::kit::{Answer, answer, bootstrap, cell, yaml};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, Request};
use sallyport_admin::{About, AdminState, Parts, Stored, password};
use sallyport_config::model::Admin;
use sallyport_config::snapshot::Source;
use sallyport_schema::audit::{Actor, AuditFilter};
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::log_store::PgLogStore;
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::Store;
use sallyport_schema::store::people::{NewPerson, Person};
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

pub(super) const ADA: &str = "ada@example.com";
pub(super) const PASSWORD: &str = "mauve-otter-93-kayak";
pub(super) const OTHER: &str = "seven-lamps-by-the-sea";
pub(super) const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0";

/// An admin service on a database of its own.
pub(super) struct House {
    _pg: Arc<TestPg>,
    pub(super) url: String,
    pub(super) store: Store,
    pub(super) ring: KeyRing,
    pub(super) router: Router,
}

pub(super) fn service(store: &Store, ring: &KeyRing, rules: &Admin) -> Router {
    let about = About::now("1.2.3", "gate-1", vec![]);
    let stored = Stored { store: store.clone(), keyring: Arc::new(ring.clone()) };
    let log = Arc::new(PgLogStore::new(store.clone()));
    let state = AdminState::new(
        Parts {
            about,
            bootstrap: bootstrap(),
            snapshot: cell(&yaml(), Source::Store),
            calls: log,
            probes: vec![],
            stored,
            outside: Arc::new(sallyport_admin::Nowhere),
        },
        rules,
    );
    sallyport_admin::router(state).unwrap()
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(Admin::default()).await
    }

    pub(super) async fn with(rules: Admin) -> Self {
        let pg = TestPg::shared().await;
        let url = pg.database().await;
        let store = Store::connect(&url, 5, Duration::from_secs(10)).await.unwrap();
        let ring = KeyRing::new(MasterKey::generate().unwrap());
        let router = service(&store, &ring, &rules);
        Self { _pg: pg, url, store, ring, router }
    }

    pub(super) async fn person(&self, email: &str, role: &str) -> Person {
        self.person_with(email, role, Some((password::hash(PASSWORD).unwrap(), None))).await
    }

    pub(super) async fn person_with(
        &self,
        email: &str,
        role: &str,
        password: Option<(String, Option<OffsetDateTime>)>,
    ) -> Person {
        let roles = vec![HeldRole { role: role.into(), team: None }];
        let new = NewPerson { email: email.into(), name: "Ada".into(), source: "local", password, roles };
        self.store.create_person(&new, false, &Actor::cli()).await.unwrap()
    }

    pub(super) async fn sql(&self, sql: &str) {
        TestPg::execute(&self.url, sql).await;
    }

    pub(super) fn browser(&self) -> Browser {
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
    pub(super) async fn signed_in(&self, email: &str) -> Browser {
        let mut browser = self.browser();
        let a = browser.sign_in(email, PASSWORD).await;
        assert_eq!(a.status, 200, "{}", a.text());
        browser
    }

    pub(super) async fn trail(&self, action: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let filter = AuditFilter { action: Some(action.into()), ..AuditFilter::default() };
        let rows = self.store.audit_trail(&filter, None, 100).await.unwrap();
        rows.into_iter().map(|r| (r.outcome, r.reason, r.target)).collect()
    }
}

/// Keeps cookies and sends them, as browsers do.
#[derive(Clone)]
pub(super) struct Browser {
    pub(super) router: Router,
    pub(super) cookies: BTreeMap<String, String>,
    pub(super) csrf: Option<String>,
    pub(super) agent: String,
    pub(super) from: SocketAddr,
    pub(super) extra: HeaderMap,
}

impl Browser {
    pub(super) async fn send(&mut self, method: &str, uri: &str, body: Option<Value>) -> Answer {
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
        let json = serde_json::from_slice::<Value>(&a.body).unwrap_or_default();
        if a.status == 200
            && let Some(csrf) = json["csrf_token"].as_str().or(json["session"]["csrf_token"].as_str())
        {
            self.csrf = Some(csrf.into());
        }
        a
    }

    pub(super) async fn get(&mut self, uri: &str) -> Answer {
        self.send("GET", uri, None).await
    }

    pub(super) async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        self.send("POST", "/api/session", Some(json!({"email": email, "password": password}))).await
    }

    /// Signs in with more than a password.
    pub(super) async fn sign_in_with(&mut self, email: &str, more: (&str, &str)) -> Answer {
        let asked = json!({"email": email, "password": PASSWORD, more.0: more.1});
        self.send("POST", "/api/session", Some(asked)).await
    }

    /// Turns TOTP on: the secret in base32, and the recovery codes.
    pub(super) async fn turn_totp_on(&mut self) -> (String, Vec<String>) {
        let begun = self.send("POST", "/api/me/totp", Some(json!({"password": PASSWORD}))).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        let secret = begun.json()["secret"].as_str().unwrap().to_owned();
        let code = oathtool(&secret, now());
        let on = self.send("POST", "/api/me/totp/confirm", Some(json!({"code": code}))).await;
        assert_eq!(on.status, 200, "{}", on.text());
        (secret, serde_json::from_value(on.json()["recovery_codes"].clone()).unwrap())
    }

    pub(super) async fn refresh(&mut self) -> Answer {
        self.send("POST", "/api/session/refresh", None).await
    }

    pub(super) async fn change_password(&mut self, current: &str, new: &str) -> Answer {
        self.send("PUT", "/api/me/password", Some(json!({"current": current, "new": new}))).await
    }

    /// Status of a request that needs to be signed in.
    pub(super) async fn open(&mut self) -> u16 {
        self.get("/api/me").await.status.as_u16()
    }

    /// Sends the access token as a Bearer token, and no cookies.
    pub(super) fn program(&self) -> Self {
        let mut program = self.clone();
        let token = program.cookies.remove("__Host-sallyport").unwrap();
        program.cookies.clear();
        program.csrf = None;
        program.extra.insert("authorization", format!("Bearer {token}").parse().unwrap());
        program
    }
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// The code that another program makes of the secret. It must be there: a test that is left out proves nothing.
pub(super) fn oathtool(secret: &str, at: i64) -> String {
    let done = std::process::Command::new("oathtool")
        .args(["--totp", "--base32", &format!("--now=@{at}"), secret])
        .output()
        .expect("oathtool is missing: deploy/bootstrap.sh test installs it");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}
