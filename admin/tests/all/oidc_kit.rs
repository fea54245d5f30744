//! A service that trusts an identity provider, and a browser.

use super::kit::{Answer, Log, TOKEN, answer, bootstrap, call_json, cell, yaml};
use super::oidc_fake::{CLIENT, Fake, ISSUER, SECRET};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use sallyport_admin::{About, AdminState, Parts, Stored};
use sallyport_config::model::Admin;
use sallyport_config::snapshot::Source;
use sallyport_schema::audit::AuditFilter;
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::store::Store;
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const HOME: &str = "https://gate.example";

/// A service that may ask the provider.
pub(super) struct House {
    _pg: Arc<TestPg>,
    url: String,
    pub(super) store: Store,
    pub(super) router: Router,
    pub(super) fake: Arc<Fake>,
    ring: Arc<KeyRing>,
}

fn service(store: &Store, ring: &Arc<KeyRing>, fake: &Arc<Fake>, home: Option<&str>) -> Router {
    let stored = Stored { store: store.clone(), keyring: ring.clone() };
    let about = About::now("1.2.3", "gate-1", vec![]);
    let rules = Admin { public_url: home.map(|h| h.to_owned()), ..Admin::default() };
    let (log, cell) = (Arc::new(Log::default()), cell(&yaml(), Source::Store));
    let state = AdminState::new(
        Parts {
            about,
            bootstrap: bootstrap(),
            snapshot: cell,
            calls: log,
            probes: vec![],
            stored,
            outside: fake.clone(),
        },
        &rules,
    );
    sallyport_admin::router(state).unwrap()
}

impl House {
    pub(super) async fn new() -> Self {
        Self::at(Some(HOME)).await
    }

    pub(super) async fn at(home: Option<&str>) -> Self {
        let pg = TestPg::shared().await;
        let url = pg.database().await;
        let store = Store::connect(&url, 5, Duration::from_secs(30)).await.unwrap();
        let ring = Arc::new(KeyRing::new(MasterKey::generate().unwrap()));
        let fake = Arc::new(Fake::new());
        let router = service(&store, &ring, &fake, home);
        Self { _pg: pg, url, store, router, fake, ring }
    }

    /// Another instance on the same database.
    pub(super) fn second(&self) -> Router {
        service(&self.store, &self.ring, &self.fake, Some(HOME))
    }

    /// As the holder of the bootstrap token.
    pub(super) async fn root(&self, method: &str, uri: &str, body: Value) -> Answer {
        call_json(&self.router, method, uri, &body, &[]).await
    }

    pub(super) async fn sql(&self, sql: &str) {
        TestPg::execute(&self.url, sql).await;
    }

    /// A draft.
    pub(super) async fn draft(&self, more: Value) -> String {
        let mut body = json!({"slug": "corp", "name": "Corp", "preset": "generic", "issuer": ISSUER, "client_id": CLIENT,
                              "client_secret": SECRET, "jit": true});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let a = self.root("POST", "/api/oidc_providers", body).await;
        assert_eq!(a.status, 201, "{}", a.text());
        a.json()["id"].as_str().unwrap().to_owned()
    }

    /// A test login with these claims.
    pub(super) async fn test(&self, id: &str, claims: Value) -> Answer {
        let a = self.root("POST", &format!("/api/oidc_providers/{id}/test"), json!({})).await;
        assert_eq!(a.status, 200, "{}", a.text());
        let url = a.json()["url"].as_str().unwrap().strip_prefix(HOME).unwrap().to_owned();
        let mut browser = self.browser();
        let a = browser.get(&url).await;
        assert_eq!(a.status, 302, "{}", a.text());
        let query = self.fake.sign_in(&location(&a), claims);
        let a = browser.get(&format!("/api/oidc/corp/callback?{query}")).await;
        assert!(browser.cookies.is_empty(), "nobody is signed in by a test: {:?}", browser.cookies);
        a
    }

    /// One that is tested and active.
    pub(super) async fn provider(&self, more: Value) -> String {
        let id = self.draft(more).await;
        self.activate(&id).await;
        id
    }

    /// Sets it at once: the way through a test login has its own test.
    pub(super) async fn activate(&self, id: &str) {
        self.sql(&format!("UPDATE oidc_providers SET state = 'active' WHERE id = '{id}'")).await;
    }

    /// Changes it, and activates it again.
    pub(super) async fn change(&self, id: &str, patch: Value) {
        let a = self.root("PATCH", &format!("/api/oidc_providers/{id}"), patch).await;
        assert_eq!(a.status, 200, "{}", a.text());
        assert_eq!(a.json()["state"], "draft");
        self.activate(id).await;
    }

    pub(super) fn browser(&self) -> Browser {
        Browser { router: self.router.clone(), cookies: BTreeMap::new(), csrf: None }
    }

    /// Somebody signs in: the answer of the callback.
    pub(super) async fn sign_in(&self, browser: &mut Browser, claims: Value) -> Answer {
        let a = browser.get("/api/oidc/corp/login?return_to=/keys").await;
        assert_eq!(a.status, 302, "{}", a.text());
        let query = self.fake.sign_in(&location(&a), claims);
        browser.get(&format!("/api/oidc/corp/callback?{query}")).await
    }

    /// The same; it must succeed.
    pub(super) async fn signed_in(&self, claims: Value) -> Browser {
        let mut browser = self.browser();
        let a = self.sign_in(&mut browser, claims).await;
        assert_eq!(a.status, 303, "{}", a.text());
        browser
    }

    /// The same; it must be refused, with this code, and for the trail with this word in the reason.
    pub(super) async fn refused(&self, claims: Value, code: &str, word: &str) {
        let rows = async || self.store.audit_trail(&AuditFilter::default(), None, 500).await.unwrap().len();
        let (before, all) = (self.trail("session.sign_in").await.len(), rows().await);
        let mut browser = self.browser();
        let a = self.sign_in(&mut browser, claims).await;
        let trail = self.trail("session.sign_in").await;
        let reason = trail.first().and_then(|(reason, _)| reason.clone()).unwrap_or_default();
        assert_eq!((a.problem().1.as_str(), trail.len()), (code, before + 1), "{}: {reason}", a.text());
        assert!(reason.contains(word), "{word}: {reason}");
        assert_eq!(rows().await, all + 1, "one row tells it");
        assert!(browser.cookies.is_empty(), "{word}: {:?}", browser.cookies);
        assert!(!a.text().contains(SECRET));
    }

    /// Reasons and targets, newest first.
    pub(super) async fn trail(&self, action: &str) -> Vec<(Option<String>, Option<String>)> {
        let filter = AuditFilter { action: Some(action.into()), ..AuditFilter::default() };
        let rows = self.store.audit_trail(&filter, None, 100).await.unwrap();
        rows.into_iter().map(|r| (r.reason, r.target)).collect()
    }
}

pub(super) fn location(a: &Answer) -> String {
    a.headers["location"].to_str().unwrap().to_owned()
}

/// Somebody with a verified address of example.com.
pub(super) fn person(sub: &str) -> Value {
    json!({"sub": sub, "email": format!("{sub}@example.com"), "email_verified": true, "name": sub, "groups": []})
}

/// The same, with something else.
pub(super) fn person_with(sub: &str, more: Value) -> Value {
    let mut claims = person(sub);
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// Keeps cookies and sends them.
#[derive(Clone)]
pub(super) struct Browser {
    pub(super) router: Router,
    pub(super) cookies: BTreeMap<String, String>,
    pub(super) csrf: Option<String>,
}

impl Browser {
    pub(super) async fn get(&mut self, uri: &str) -> Answer {
        self.send("GET", uri).await
    }

    pub(super) async fn send(&mut self, method: &str, uri: &str) -> Answer {
        let from: SocketAddr = "192.0.2.7:5000".parse().unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", "gate.example")
            .extension(ConnectInfo(from));
        for (name, value) in &self.cookies {
            request = request.header("cookie", format!("{name}={value}"));
        }
        if let Some(csrf) = &self.csrf {
            request = request.header("x-csrf-token", csrf);
        }
        let a = answer(&self.router, request.body(Body::empty()).unwrap()).await;
        for set in a.headers.get_all("set-cookie") {
            let (pair, rest) = set.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        a
    }

    /// Who is signed in; it must be somebody.
    pub(super) async fn me(&mut self) -> Value {
        let a = self.get("/api/me").await;
        assert_eq!(a.status, 200, "{}", a.text());
        let me = a.json();
        self.csrf = me["csrf_token"].as_str().map(str::to_owned);
        me
    }
}

/// Roles as `role` or `role@team`, sorted.
pub(super) fn roles(me: &Value) -> Vec<String> {
    let mut all: Vec<String> = me["roles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| match r["team"].as_str() {
            Some(team) => format!("{}@{team}", r["role"].as_str().unwrap()),
            None => r["role"].as_str().unwrap().to_owned(),
        })
        .collect();
    all.sort();
    all
}

/// By somebody with a Bearer token.
pub(super) async fn by(router: &Router, token: &str, method: &str, uri: &str, body: Value) -> Answer {
    assert_ne!(token, TOKEN);
    let request = Request::builder().method(method).uri(uri).header("host", "localhost");
    let request =
        request.header("authorization", format!("Bearer {token}")).header("content-type", "application/json");
    answer(router, request.body(Body::from(body.to_string())).unwrap()).await
}
