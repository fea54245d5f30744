//! The routes, without sockets.

use super::kit::{Fixed, Log, PROVIDER_KEY, TOKEN, answer, calls, cell, get, router, send, state, yaml};
use super::wire::within;
use axum::body::Body;
use http::Request;
use sallyport_admin::health::{ConfigurationProbe, SnapshotProbe, State};
use sallyport_admin::permission::{Permission, TABLE};
use sallyport_config::model::{Admin, RateLimit};
use sallyport_config::snapshot::Source;
use std::collections::HashSet;
use std::sync::Arc;

#[tokio::test]
async fn the_committed_document_is_current() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let made = sallyport_admin::document().unwrap();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == made,
        "admin/openapi.json is old: BLESS=1 cargo test -p sallyport-admin, and look at the diff"
    );
    let served = get(&router(), "/api/openapi.json").await;
    assert_eq!((served.headers["content-type"].to_str().unwrap(), served.text()), ("application/json", made));
}

#[tokio::test]
async fn every_route_asks_for_what_the_table_says() {
    let router = router();
    let document = get(&router, "/api/openapi.json").await.json();
    // what SCIM's tokens open is asked for in scim.rs
    for rule in TABLE.iter().filter(|r| r.permission != Permission::Scim) {
        let none = "0192d0a0-0000-7000-8000-000000000000";
        let uri = rule.path.replace("{id}", none).replace("{user_id}", none).replace("{name}", "none");
        let anonymous = send(&router, rule.method, &uri, None).await;
        let wrong = send(&router, rule.method, &uri, Some("wrong")).await;
        let holder = send(&router, rule.method, &uri, Some(TOKEN)).await;
        let public = rule.permission == Permission::Public;
        // GETs are answered; for the others something is missing, or the store is away, but no token.
        let passed = |status: u16| {
            if rule.method == "GET" {
                matches!(status, 200 | 404 | 503)
            } else {
                !matches!(status, 401 | 403)
            }
        };
        if public {
            let beside = match rule.path {
                "/api/session/refresh" => "session_over",
                "/api/oidc/{slug}/callback" => "stray_sign_in",
                _ => "",
            };
            assert!(passed(anonymous.status.as_u16()) || anonymous.problem().1 == beside, "{uri}");
        } else {
            assert_eq!(anonymous.problem(), (401, "missing_token".into()), "{uri}");
            assert!(anonymous.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        }
        // A wrong token is never taken for none.
        assert_eq!(wrong.problem(), (401, "invalid_token".into()), "{uri}");
        let over = match rule.path {
            "/api/session/refresh" => holder.status == 401,
            // a parameter is missing
            "/api/costs" | "/api/oidc/{slug}/callback" => holder.status == 400,
            _ => false,
        };
        assert!(passed(holder.status.as_u16()) || over, "{} {uri}: {}", rule.method, holder.text());
        let described = &document["paths"][rule.path][rule.method.to_lowercase()];
        assert_eq!(described["x-permission"], rule.permission.as_str());
        assert_eq!(described["security"].as_array().unwrap().len(), if public { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_token_in_the_url_is_no_token() {
    let router = router();
    for uri in [format!("/api/snapshot?token={TOKEN}"), format!("/api/snapshot?access_token={TOKEN}")] {
        assert_eq!(send(&router, "GET", &uri, None).await.problem().0, 401);
    }
}

#[tokio::test]
async fn everything_else_is_a_problem_document() {
    let router = router();
    assert_eq!(get(&router, "/").await.problem(), (404, "not_found".into()));
    assert_eq!(get(&router, "/api/calls/").await.status, 404);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "WHATEVER"] {
        let a = send(&router, method, "/api/calls", None).await;
        assert_eq!(a.problem(), (405, "method_not_allowed".into()), "{method}");
        assert_eq!(a.headers["allow"], "GET,HEAD");
    }
    let head = send(&router, "HEAD", "/api/calls", Some(TOKEN)).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let head = send(&router, "HEAD", "/api/calls", None).await;
    assert_eq!(head.status, 401, "HEAD needs what GET needs");
}

#[tokio::test]
async fn answers_tell_browsers_to_do_nothing_with_them() {
    let router = router();
    for (method, uri) in
        [("GET", "/api/health"), ("GET", "/nowhere"), ("POST", "/api/calls"), ("GET", "/api/calls")]
    {
        let a = send(&router, method, uri, None).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(a.headers[name], value, "{uri}");
        }
        assert!(a.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert!(a.headers["x-request-id"].to_str().unwrap().parse::<uuid::Uuid>().is_ok());
    }
    let cross =
        Request::get("/api/health").header("host", "localhost").header("origin", "https://evil.example");
    let a = answer(&router, cross.body(Body::empty()).unwrap()).await;
    assert!(!a.headers.keys().any(|k| k.as_str().starts_with("access-control")), "no CORS");
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let request = Request::get("/api/health").header("host", "localhost").header("content-length", 2 << 20);
    let a = answer(&router(), request.body(Body::empty()).unwrap()).await;
    assert_eq!(a.problem(), (413, "body_too_large".into()));
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let router = router();
    for n in 0..10 {
        let a = send(&router, "GET", "/api/calls", Some(&format!("guess-{n}"))).await;
        assert_eq!(a.problem(), (401, "invalid_token".into()));
    }
    let a = send(&router, "GET", "/api/calls", Some("guess-11")).await;
    assert_eq!(a.problem(), (429, "too_many_failures".into()));
    let wait: u64 = a.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait));
    assert_eq!(send(&router, "GET", "/api/health", None).await.status, 200, "who shows no token is let be");
}

#[tokio::test]
async fn health_tells_strangers_little() {
    let router = router();
    let open = send(&router, "GET", "/api/health", None).await.json();
    let keys: HashSet<_> = open.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, HashSet::from(["status", "version", "uptime_seconds"]));
    assert_eq!((open["status"].as_str(), open["version"].as_str()), (Some("degraded"), Some("1.2.3")));

    let full = get(&router, "/api/health").await.json();
    assert_eq!(full["reasons"], serde_json::json!(["postgres: connection refused at 10.0.0.7"]));
    assert_eq!(full["dependencies"][0]["state"], "failing");
    assert_eq!(full["dependencies"][1]["name"], "spool");
    assert_eq!(full["instance"], "gate-1");
}

#[tokio::test]
async fn all_well_is_ok() {
    let state = state(Arc::new(Log::default()), vec![Arc::new(Fixed("postgres", State::Ok))]);
    let health = get(&sallyport_admin::router(state).unwrap(), "/api/health").await.json();
    assert_eq!(
        (health["status"].as_str(), health["reasons"].as_array().map(Vec::len)),
        (Some("ok"), Some(0))
    );
}

#[tokio::test]
async fn the_snapshot_shows_what_runs_and_no_secret() {
    let a = get(&router(), "/api/snapshot").await;
    assert!(!a.text().contains(PROVIDER_KEY) && !a.text().contains("planted"));
    let s = a.json();
    assert!(s["version"].is_u64());
    assert_eq!(s["source"], "store");
    assert_eq!(
        s["filters"],
        serde_json::json!(["log", "auth", "access", "usage"]),
        "in order, without those switched off"
    );
    assert_eq!(s["configuration"]["files"], serde_json::json!(["base.yaml", "prod.yaml"]));
    assert_eq!(s["providers"][0]["base_url"], "https://api.openai.com/v1");
    assert_eq!(s["providers"][0]["api_key"]["set"], true);
    assert_eq!(s["providers"][0]["headers"][0]["name"], "x-team");
    assert_eq!(s["models"][0]["routes"][0]["provider"], "openai");
    assert_eq!(
        s["counts"],
        serde_json::json!({"keys": 0, "users": 0, "teams": 0, "providers": 1, "models": 1})
    );
}

#[tokio::test]
async fn filters_reach_the_log_and_nonsense_does_not() {
    let log = Arc::new(Log::default());
    let router = sallyport_admin::router(state(log.clone(), vec![])).unwrap();
    let a = get(&router, "/api/calls?status=4xx&model=gpt-5&key=sp-Ab&surface=chat&limit=3").await;
    assert_eq!(a.json(), serde_json::json!({"calls": [], "next": null}));
    let (filter, _) = log.asked.lock().unwrap().pop().unwrap();
    assert_eq!((filter.status, filter.status_class), (None, Some(4)));
    assert_eq!((filter.key_prefix.as_deref(), filter.limit), (Some("sp-Ab"), 3));

    for bad in [
        "limit=0",
        "stauts=429",
        "status=abc",
        "from=now",
        "cursor=zzz",
        "model=%00",
        "limit=5&limit=6",
        "model=%ff",
    ] {
        let a = get(&router, &format!("/api/calls?{bad}")).await;
        assert_eq!(a.problem(), (400, "bad_parameter".into()), "{bad}");
    }
    assert!(log.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_call_is_found_by_either_id() {
    let call = calls(1).remove(0);
    let log = Log { calls: vec![call.clone()], ..Log::default() };
    let router = sallyport_admin::router(state(Arc::new(log), vec![])).unwrap();
    for id in [call.id.to_string(), call.upstream_request_id.clone().unwrap()] {
        let found = get(&router, &format!("/api/calls/{id}")).await.json();
        assert_eq!(found["id"], call.id.to_string());
        assert_eq!(found["cost"], serde_json::json!({"nanos": 62_500, "usd": "0.000062500"}));
    }
    assert_eq!(get(&router, "/api/calls/req_unknown").await.problem(), (404, "not_found".into()));
    assert_eq!(get(&router, "/api/calls/a%00b").await.problem().0, 400);
}

#[tokio::test]
async fn a_snapshot_from_disk_degrades() {
    for (source, status) in [(Source::Store, "ok"), (Source::Disk, "degraded")] {
        let probe = Arc::new(SnapshotProbe::new(cell(&yaml(), source)));
        let router = sallyport_admin::router(state(Arc::new(Log::default()), vec![probe])).unwrap();
        let health = get(&router, "/api/health").await.json();
        assert_eq!(health["status"], status, "{health}");
        let detail = &health["dependencies"][0]["detail"];
        assert_eq!((&detail["providers"], &detail["models"]), (&1.into(), &1.into()));
        assert_eq!(detail["source"], if source == Source::Disk { "disk" } else { "store" });
    }
}

#[tokio::test]
async fn a_bad_reload_degrades_until_a_good_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("base.yaml");
    std::fs::write(&file, yaml()).unwrap();
    let loaded = Arc::new(sallyport_config::load(std::slice::from_ref(&file), &|_| None).unwrap());
    let (watcher, _new) =
        sallyport_config::Watcher::start(vec![file.clone()], Arc::new(|_| None), loaded.clone());
    let probe = Arc::new(ConfigurationProbe::new(watcher.subscribe()));
    let router = sallyport_admin::router(state(Arc::new(Log::default()), vec![probe])).unwrap();
    let becomes = async |status: &str| {
        within(async {
            loop {
                let health = get(&router, "/api/health").await.json();
                if health["status"] == status {
                    break health;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await
    };
    let well = becomes("ok").await;
    assert_eq!(well["dependencies"][0]["detail"]["hash"], loaded.hash);

    std::fs::write(&file, "provders: []\n").unwrap();
    watcher.reload();
    let ill = becomes("degraded").await;
    let detail = &ill["dependencies"][0]["detail"];
    assert!(detail["last_error"].as_str().unwrap().contains("provders"), "{ill}");
    assert_eq!((&detail["failures"], &detail["hash"]), (&1.into(), &loaded.hash.clone().into()));

    std::fs::write(&file, yaml()).unwrap();
    watcher.reload();
    becomes("ok").await;
}

/// The issue: "CORS list, … rate limits per address and account".
#[tokio::test]
async fn pages_of_listed_origins_may_ask_with_a_token() {
    let rules = Admin { cors_origins: vec!["https://tools.corp".into()], ..Admin::default() };
    let router = super::kit::ruled(&rules);
    let ask = async |method: &str, origin: &str| {
        let request = Request::builder().method(method).uri("/api/health").header("host", "localhost");
        let request = request.header("origin", origin).header("access-control-request-method", "PATCH");
        answer(&router, request.body(Body::empty()).unwrap()).await
    };
    let preflight = ask("OPTIONS", "https://tools.corp").await;
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.headers["access-control-allow-origin"], "https://tools.corp");
    let allowed = preflight.headers["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.contains("authorization") && allowed.contains("if-match"), "{allowed}");
    assert!(!preflight.headers.contains_key("access-control-allow-credentials"), "cookies stay at home");
    let got = ask("GET", "https://tools.corp").await;
    assert_eq!(got.headers["access-control-allow-origin"], "https://tools.corp");
    for other in ["https://evil.corp", "https://tools.corp.evil.example", "null", "http://tools.corp"] {
        for method in ["OPTIONS", "GET"] {
            let refused = ask(method, other).await;
            assert!(!refused.headers.contains_key("access-control-allow-origin"), "{method} {other}");
        }
    }
}

#[tokio::test]
async fn whoever_asks_too_often_has_to_wait() {
    for (address, account) in [(5, 0), (0, 5)] {
        let rules = Admin { rate_limit: RateLimit { address, account }, ..Admin::default() };
        let router = super::kit::ruled(&rules);
        for _ in 0..5 {
            assert_eq!(get(&router, "/api/openapi.json").await.status, 200);
        }
        let refused = get(&router, "/api/openapi.json").await;
        assert_eq!(refused.problem(), (429, "too_many_requests".into()));
        assert!(refused.headers.contains_key("retry-after"));
        let stranger = send(&router, "GET", "/api/health", None).await.status.as_u16();
        assert_eq!(stranger, if address == 0 { 200 } else { 429 });
    }
}
