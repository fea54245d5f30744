//! What the tests share: a state with invented contents, and requests.

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use sallyport_admin::health::{Check, Detail, Probe, State};
use sallyport_admin::{About, AdminState, Bootstrap, Parts, Stored};
use sallyport_config::model::{Admin, Secret};
use sallyport_config::snapshot::Source;
use sallyport_config::{Assembler, SnapshotCell};
use sallyport_schema::call::{CallRecord, Usage};
use sallyport_schema::envelope::{KeyRing, MasterKey};
use sallyport_schema::log_store::{CallFilter, Cursor, LogError, LogStore, Page};
use sallyport_schema::rows::StoredState;
use sallyport_schema::store::Store;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use time::OffsetDateTime;
use tower::ServiceExt as _;
use uuid::Uuid;

pub(super) const TOKEN: &str = "spa-test-token-0123456789";
pub(super) const PROVIDER_KEY: &str = "sk-planted-secret-that-must-not-show";

/// A call log in memory that remembers what it was asked.
#[derive(Default)]
pub(super) struct Log {
    pub(super) calls: Vec<CallRecord>,
    pub(super) asked: Mutex<Vec<(CallFilter, Option<Cursor>)>>,
}

#[async_trait::async_trait]
impl LogStore for Log {
    async fn append(&self, _: &[CallRecord]) -> Result<(), LogError> {
        unreachable!("the admin service only reads")
    }

    async fn recent(&self, filter: &CallFilter, after: Option<Cursor>) -> Result<Page, LogError> {
        self.asked.lock().unwrap().push((filter.clone(), after));
        Ok(Page { calls: self.calls.iter().take(filter.limit as usize).cloned().collect(), next: None })
    }

    async fn find(&self, id: &str) -> Result<Option<CallRecord>, LogError> {
        let of = |c: &&CallRecord| c.id.to_string() == id || c.upstream_request_id.as_deref() == Some(id);
        Ok(self.calls.iter().find(of).cloned())
    }

    async fn maintain(&self, _: u32) -> Result<(), LogError> {
        unreachable!("the admin service only reads")
    }
}

/// Always in the same state.
pub(super) struct Fixed(pub(super) &'static str, pub(super) State);

#[async_trait::async_trait]
impl Probe for Fixed {
    fn name(&self) -> &str {
        self.0
    }
    async fn check(&self) -> Check {
        let reason = (self.1 != State::Ok).then(|| "connection refused at 10.0.0.7".to_owned());
        Check { state: self.1, reason, since: None, detail: Detail::Other { values: BTreeMap::new() } }
    }
}

pub(super) fn bootstrap() -> Bootstrap {
    Bootstrap::ensure(std::path::Path::new("/nonexistent"), Some(&Secret::new(TOKEN))).unwrap()
}

/// A cell with the snapshot of a configuration.
pub(super) fn cell(yaml: &str, source: Source) -> Arc<SnapshotCell> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("base.yaml");
    std::fs::write(&file, yaml).unwrap();
    let loaded = sallyport_config::load(&[file], &|_| None).unwrap();
    let ring = Arc::new(KeyRing::new(MasterKey::generate().unwrap()));
    SnapshotCell::new(&Assembler::new(&loaded, StoredState::default(), source, ring))
}

pub(super) fn yaml() -> String {
    format!(
        "
filters:
  - {{ name: log }}
  - {{ name: auth }}
  - {{ name: access }}
  - {{ name: cost, enabled: false }}
  - {{ name: usage }}
providers:
  - name: openai
    kind: openai
    api_key: {PROVIDER_KEY}
    headers: {{ x-team: {PROVIDER_KEY} }}
models:
  - name: gpt-5
    routes: [{{ provider: openai }}]
"
    )
}

pub(super) fn state(log: Arc<dyn LogStore>, probes: Vec<Arc<dyn Probe>>) -> AdminState {
    state_by(&Admin::default(), log, probes)
}

/// The API with these rules, and no store.
pub(super) fn ruled(rules: &Admin) -> Router {
    sallyport_admin::router(state_by(rules, Arc::new(Log::default()), Vec::new())).unwrap()
}

fn state_by(rules: &Admin, log: Arc<dyn LogStore>, probes: Vec<Arc<dyn Probe>>) -> AdminState {
    let about = About::now("1.2.3", "gate-1", vec!["base.yaml".into(), "prod.yaml".into()]);
    AdminState::new(
        Parts {
            about,
            bootstrap: bootstrap(),
            snapshot: cell(&yaml(), Source::Store),
            calls: log,
            probes,
            stored: nowhere(),
            outside: Arc::new(sallyport_admin::Nowhere),
        },
        rules,
    )
}

/// A store that is away.
fn nowhere() -> Stored {
    let store = Store::connect_lazy("postgres://127.0.0.1:1/none", 1, Duration::from_millis(50)).unwrap();
    Stored { store, keyring: Arc::new(KeyRing::new(MasterKey::generate().unwrap())) }
}

pub(super) fn router() -> Router {
    let probes: Vec<Arc<dyn Probe>> =
        vec![Arc::new(Fixed("postgres", State::Failing)), Arc::new(Fixed("spool", State::Ok))];
    sallyport_admin::router(state(Arc::new(Log { calls: calls(120), ..Log::default() }), probes)).unwrap()
}

/// The API on a database of its own.
pub(super) async fn managed(url: &str) -> (Router, Store) {
    reaching(url, Arc::new(sallyport_admin::Nowhere)).await
}

/// The same with a way out.
pub(super) async fn reaching(url: &str, outside: Arc<dyn sallyport_admin::Outside>) -> (Router, Store) {
    let store = Store::connect(url, 8, Duration::from_secs(20)).await.unwrap();
    let about = About::now("1.2.3", "gate-1", vec!["base.yaml".into()]);
    let stored = Stored { store: store.clone(), keyring: nowhere().keyring };
    let log = Arc::new(Log::default());
    let state = AdminState::new(
        Parts {
            about,
            bootstrap: bootstrap(),
            snapshot: cell(&yaml(), Source::Store),
            calls: log,
            probes: Vec::new(),
            stored,
            outside,
        },
        &Admin::default(),
    );
    (sallyport_admin::router(state).unwrap(), store)
}

/// An instance on this store, with this token.
pub(super) fn instance(bootstrap: Bootstrap, store: Store) -> Router {
    let stored = Stored { store, keyring: nowhere().keyring };
    let parts = Parts {
        about: About::now("1.2.3", "gate-1", vec!["base.yaml".into()]),
        bootstrap,
        snapshot: cell(&yaml(), Source::Store),
        calls: Arc::new(Log::default()),
        probes: Vec::new(),
        stored,
        outside: Arc::new(sallyport_admin::Nowhere),
    };
    sallyport_admin::router(AdminState::new(parts, &Admin::default())).unwrap()
}

/// A request with a JSON body, as the holder of the bootstrap token. `extra`: headers.
pub(super) async fn call_json(
    router: &Router,
    method: &str,
    uri: &str,
    body: &serde_json::Value,
    extra: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder().method(method).uri(uri).header("host", "localhost");
    request = request.header("authorization", format!("Bearer {TOKEN}"));
    if extra.iter().all(|(name, _)| *name != "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in extra {
        request = request.header(*name, *value);
    }
    answer(router, request.body(Body::from(body.to_string())).unwrap()).await
}

/// So many calls, newest first.
pub(super) fn calls(n: u32) -> Vec<CallRecord> {
    let now = OffsetDateTime::now_utc();
    (0..n).map(|i| call(now - time::Duration::milliseconds(i.into()))).collect()
}

pub(super) fn call(started_at: OffsetDateTime) -> CallRecord {
    let id = Uuid::now_v7();
    CallRecord {
        id,
        started_at,
        instance: "gate-1".into(),
        key_id: Some(Uuid::now_v7()),
        key_prefix: Some("sp-AbCdEf12".into()),
        user_id: None,
        team_id: None,
        labels: None,
        client_ip: Some("192.0.2.1".parse().unwrap()),
        user_agent: None,
        surface: "chat".into(),
        model_asked: Some("gpt-5".into()),
        model_served: Some("gpt-5-2025-08-07".into()),
        provider: Some("openai".into()),
        upstream_request_id: Some(format!("req_{id}")),
        object_id: None,
        attempts: 1,
        status: 200,
        error_source: None,
        error_code: None,
        error_detail: None,
        cancelled: false,
        streamed: true,
        dropped: Vec::new(),
        usage: Some(Usage { input: 10, output: 5, ..Usage::default() }),
        estimated: false,
        cost_nanos: Some(62_500),
        bytes_in: 100,
        bytes_out: 200,
        ttft_us: Some(1000),
        duration_us: 2000,
        follows: None,
        awaited: false,
    }
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a problem document, which it must be.
    pub(super) fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text());
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        assert_eq!(json["type"], "about:blank");
        assert!(json["detail"].as_str().is_some_and(|d| !d.is_empty()) && json["title"].is_string());
        (self.status.as_u16(), json["code"].as_str().unwrap().to_owned())
    }
}

pub(super) async fn send(router: &Router, method: &str, uri: &str, token: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(uri).header("host", "localhost");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    answer(router, request.body(Body::empty()).unwrap()).await
}

pub(super) async fn get(router: &Router, uri: &str) -> Answer {
    send(router, "GET", uri, Some(TOKEN)).await
}

pub(super) async fn answer(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap().to_vec();
    Answer { status: head.status, headers: head.headers, body }
}
