//! What the tests share: a state with invented contents, and requests.

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use sallyport_admin::calls::{CallFilter, CallReader, Cursor, Page, ReadError};
use sallyport_admin::health::{Check, Detail, Probe, State};
use sallyport_admin::{About, AdminState, Bootstrap};
use sallyport_config::model::{Config, FilterEntry, HttpVersions, ProviderKind, Secret};
use sallyport_config::models::{Model, ModelTable, Route};
use sallyport_config::prices::PriceTable;
use sallyport_config::snapshot::{Provider, Snapshot, Source};
use sallyport_schema::call::{CallRecord, Usage};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use time::OffsetDateTime;
use tower::ServiceExt as _;
use uuid::Uuid;

pub(super) const TOKEN: &str = "spa-test-token-0123456789";
pub(super) const PROVIDER_KEY: &str = "sk-planted-secret-that-must-not-show";

/// A call log in memory that remembers what it was asked.
#[derive(Default)]
pub(super) struct Log {
    pub(super) calls: Vec<CallRecord>,
    pub(super) away: bool,
    pub(super) asked: Mutex<Vec<(CallFilter, Option<Cursor>)>>,
}

#[async_trait::async_trait]
impl CallReader for Log {
    async fn recent(&self, filter: CallFilter, after: Option<Cursor>) -> Result<Page, ReadError> {
        self.asked.lock().unwrap().push((filter.clone(), after));
        if self.away {
            return Err(ReadError::Unavailable("Postgres cannot be reached".into()));
        }
        let rest =
            self.calls.iter().filter(|c| after.is_none_or(|a| (c.started_at, c.id) < (a.started_at, a.id)));
        let calls: Vec<_> = rest.take(filter.limit as usize).cloned().collect();
        let next = calls.last().filter(|_| calls.len() == filter.limit as usize);
        let next = next.map(|c| Cursor { started_at: c.started_at, id: c.id });
        Ok(Page { calls, next })
    }

    async fn find(&self, id: &str) -> Result<Option<CallRecord>, ReadError> {
        let of = |c: &&CallRecord| c.id.to_string() == id || c.upstream_request_id.as_deref() == Some(id);
        Ok(self.calls.iter().find(of).cloned())
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

pub(super) fn snapshot() -> Snapshot {
    let provider = Provider {
        name: "openai".into(),
        kind: ProviderKind::Openai,
        tls: true,
        host: "api.openai.com".into(),
        port: 443,
        authority: "api.openai.com".into(),
        base_path: "/v1".into(),
        api_key: Some(Secret::new(PROVIDER_KEY)),
        headers: vec![("x-team".into(), Secret::new(PROVIDER_KEY))],
        http: HttpVersions::Auto,
        ca_file: None,
        tls_name: "api.openai.com".into(),
        enabled: true,
        generation: 1,
        managed: true,
    };
    let route = Route { provider: "openai".into(), model: None, weight: 1 };
    let filter = |name: &str, enabled| FilterEntry { name: name.into(), enabled };
    let config = Config {
        filters: vec![filter("log", true), filter("usage", false), filter("auth", true)],
        ..Config::default()
    };
    Snapshot {
        version: 7,
        built_at: OffsetDateTime::now_utc(),
        source: Source::Store,
        config_hash: "ab".repeat(32),
        config: Arc::new(config),
        keys: imbl::HashMap::new(),
        users: imbl::HashMap::new(),
        teams: imbl::HashMap::new(),
        providers: [(Arc::from("openai"), Arc::new(provider))].into_iter().collect(),
        models: Arc::new(ModelTable::new([Model {
            name: "gpt-5".into(),
            routes: vec![route],
            managed: true,
        }])),
        prices: Arc::new(PriceTable::default()),
    }
}

pub(super) fn state(log: Arc<Log>, probes: Vec<Arc<dyn Probe>>) -> AdminState {
    let about = About::now("1.2.3", "gate-1", vec!["base.yaml".into(), "prod.yaml".into()]);
    AdminState::new(about, bootstrap(), Arc::new(arc_swap::ArcSwap::from_pointee(snapshot())), log, probes)
}

pub(super) fn router() -> Router {
    let probes: Vec<Arc<dyn Probe>> =
        vec![Arc::new(Fixed("postgres", State::Failing)), Arc::new(Fixed("spool", State::Ok))];
    sallyport_admin::router(state(Arc::new(Log { calls: calls(120), ..Log::default() }), probes)).unwrap()
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
        usage: Some(Usage { input: 10, output: 5, ..Usage::default() }),
        cost_nanos: Some(62_500),
        bytes_in: 100,
        bytes_out: 200,
        ttft_us: Some(1000),
        duration_us: 2000,
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
