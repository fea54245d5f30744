//! Stored state and configuration on their way into the running process.

use super::support::answer::json;
use super::support::client::Client;
use super::support::database::Database;
use super::support::gateway::{Gateway, Setup, get};
use super::support::setups::{openai, with};
use super::support::stub::Stub;
use super::support::wait::until;
use sallyport_schema::testing::TestPg;
use serde_json::json as object;
use std::time::{Duration, Instant};

const PATH: &str = "/v1/chat/completions";
const BODY: &[u8] = br#"{"model":"m","messages":[]}"#;

/// Lessons, Resilience: "Changes that reach only the replica that made them". Revoked through the CLI, which talks to
/// the database alone; every process on it refuses the key within a second.
#[tokio::test]
async fn a_revoked_key_is_refused_everywhere_within_a_second() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let one = Gateway::start(openai(&stub.url())).await;
    let two = Setup::new(openai(&stub.url())).on(one.database.as_ref().unwrap()).start().await;
    let key = one.new_key(&["--surfaces", "*", "--models", "*"]).await;
    two.until_status(&key, |status| status == 200).await;
    let list = one.cli_ok(&["keys", "list"], &["--json"]).await;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let row =
        list.as_array().unwrap().iter().find(|k| key.starts_with(k["prefix"].as_str().unwrap())).unwrap();
    one.cli_ok(&["keys", "revoke"], &[row["prefix"].as_str().unwrap()]).await;
    let revoked = Instant::now();
    for gateway in [&one, &two] {
        gateway.until_status(&key, |status| status == 401).await;
    }
    assert!(revoked.elapsed() <= Duration::from_secs(1), "only after {:?}", revoked.elapsed());
    // On a connection that was open all the time, too.
    let mut client = Client::connect(two.port).await;
    client.call("POST", PATH, &[("api-key", &key)], BODY).await.expect(401);
}

/// "With Postgres killed before start, an instance still serves" from its last-good snapshot; and when Postgres comes,
/// it hears of what has changed.
#[tokio::test]
async fn postgres_is_dead_before_start() {
    let mut cluster = TestPg::start().await;
    let database = Database::at(cluster.database().await);
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Setup::new(openai(&stub.url())).on(&database).start().await;
    let key = gateway.key.clone();
    gateway.post(PATH, BODY).await.expect(200);
    let (directory, _) = gateway.stop().await;
    let snapshots = text_of_files(directory.path());
    assert!(!snapshots.contains(super::support::gateway::UPSTREAM_KEY), "a secret lies on the disk in clear");
    assert!(!snapshots.contains(&key), "a virtual key lies on the disk in clear");
    cluster.stop().await;

    let mut gateway = Setup::new(openai(&stub.url())).on(&database).in_directory(directory).spawn().await;
    gateway.ready().await;
    gateway.key = key;
    let answer = gateway.post(PATH, BODY).await;
    answer.expect(200);
    let health = gateway.admin("/api/health").await;
    assert_eq!(health.json()["status"], "degraded", "{}", health.text());
    let snapshot = gateway.admin("/api/snapshot").await;
    assert_eq!(snapshot.expect(200).json()["source"], "disk", "{}", snapshot.text());

    cluster.start_again().await;
    gateway.new_key(&["--surfaces", "*", "--models", "*"]).await;
    gateway.logged(&answer.id()).await;
    let snapshot = gateway.admin("/api/snapshot").await;
    assert_eq!(snapshot.expect(200).json()["source"], "store", "{}", snapshot.text());
}

fn text_of_files(directory: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(directory.join("data")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
    }
    assert!(!text.is_empty(), "no snapshot on the disk");
    text
}

/// Neither Postgres nor a snapshot: alive, but not ready, and calls are refused instead of hanging.
#[tokio::test]
async fn neither_postgres_nor_a_snapshot() {
    let mut cluster = TestPg::start().await;
    let database = Database::at(cluster.database().await);
    cluster.stop().await;
    let mut gateway = Setup::new(openai("http://127.0.0.1:9/v1")).on(&database).spawn().await;
    gateway.listening().await;
    gateway.get("/health/live", &[]).await.expect(200);
    gateway.get("/health/ready", &[]).await.expect(503);
    let answer = gateway.client().await.call("POST", PATH, &[("api-key", "sp-x")], BODY).await;
    assert!(matches!(answer.status(), 401 | 503), "{}", answer.text());
    cluster.start_again().await;
    gateway.ready().await;
}

/// Lessons, Resilience: "Ten SELECTs and an UPDATE per request": calls cost the database nothing but the log.
#[tokio::test]
async fn calls_ask_the_database_nothing() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let url = gateway.database.as_ref().unwrap().url().to_owned();
    let mut client = gateway.client().await;
    let bearer = gateway.bearer();
    client.call("POST", PATH, &[("authorization", &bearer)], BODY).await.expect(200);
    let reads = || {
        TestPg::value(
            &url,
            "SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0) FROM pg_stat_user_tables WHERE relname IN ('virtual_keys', 'users', 'teams', 'models', 'providers')",
        )
    };
    let before: i64 = reads().await.parse().unwrap();
    let mut last = String::new();
    for _ in 0..500 {
        last = client.call("POST", PATH, &[("authorization", &bearer)], BODY).await.expect(200).id();
    }
    gateway.logged(&last).await;
    let after: i64 = reads().await.parse().unwrap();
    assert!(after - before < 100, "{} scans of the control plane's tables by 500 calls", after - before);
}

/// Reload by file change and by SIGHUP is atomic.
#[tokio::test]
async fn reload() {
    let (a, b) =
        (Stub::answering(|_| json(200, "\"a\"")).await, Stub::answering(|_| json(200, "\"b\"")).await);
    let gateway = Gateway::start(openai(&a.url())).await;
    assert_eq!(gateway.post(PATH, BODY).await.expect(200).text(), "\"a\"");
    gateway.write_overlay(&openai(&b.url()));
    let gateway = &gateway;
    until("the changed file to be in use", || async move {
        (gateway.post(PATH, BODY).await.text() == "\"b\"").then_some(())
    })
    .await;
    gateway.write_overlay(&openai(&a.url()));
    gateway.process.signal(nix::sys::signal::Signal::SIGHUP);
    until("the changed file to be in use after SIGHUP", || async move {
        (gateway.post(PATH, BODY).await.text() == "\"a\"").then_some(())
    })
    .await;
}

/// A bad file keeps the old configuration and shows in log, metric and health, until it is good again.
#[tokio::test]
async fn a_bad_file_keeps_the_old_configuration() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let good = gateway.metrics().await;
    let bad = with(openai(&stub.url()), object!({"serverr": {"listen": []}}));
    gateway.write_overlay(&bad);
    let gateway = &gateway;
    let health = until("health to tell of the bad file", || async move {
        let health = gateway.admin("/api/health").await.json();
        (health["status"] == "degraded").then_some(health)
    })
    .await;
    let text = health.to_string();
    assert!(text.contains("serverr") && text.contains("overlay.yaml"), "{text}");
    assert!(gateway.process.said().contains("serverr"), "the log should tell what is wrong");
    let changed: Vec<_> = {
        let now = gateway.metrics().await;
        let old: std::collections::HashSet<_> = good.lines().map(str::to_owned).collect();
        now.lines().filter(|l| l.contains("config") && !old.contains(*l)).map(str::to_owned).collect()
    };
    assert!(!changed.is_empty(), "a metric about the configuration should have changed");
    gateway.post(PATH, BODY).await.expect(200);
    gateway.get("/health/ready", &[]).await.expect(200);
    gateway.write_overlay(&openai(&stub.url()));
    until("health to be well again", || async move {
        (gateway.admin("/api/health").await.json()["status"] == "ok").then_some(())
    })
    .await;
}

/// A call in flight is judged by the configuration that it began with, and ends in peace.
#[tokio::test]
async fn calls_in_flight_survive_a_reload() {
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let bearer = gateway.bearer();
    let mut client = gateway.client().await;
    client.send(super::support::client::request("POST", PATH, &[("authorization", &bearer)], BODY)).await;
    let mut call = stub.next().await;
    gateway.write_overlay(&object!({}));
    gateway.process.signal(nix::sys::signal::Signal::SIGHUP);
    let (gateway, bearer) = (&gateway, bearer.as_str());
    until("the model to be gone", || async move {
        let models = gateway.get("/v1/models", &[("authorization", bearer)]).await.expect(200).json();
        models["data"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    call.send(json(200, "{}")).await;
    client.answer().await.expect(200);
}

/// The pictures that two processes on one database have are the same.
#[tokio::test]
async fn snapshots_tell_what_runs() {
    let one = Gateway::start(openai("http://127.0.0.1:9/v1")).await;
    let snapshot = get(one.admin_port, "/api/snapshot", &[]).await;
    snapshot.expect(401);
    let before = one.admin("/api/snapshot").await.expect(200).json();
    one.new_key(&["--surfaces", "*"]).await;
    let after = one.admin("/api/snapshot").await.expect(200).json();
    assert!(after["version"].as_u64() > before["version"].as_u64(), "{before} {after}");
    assert_eq!(after["configuration"], before["configuration"]);
    assert_eq!(after["counts"]["keys"].as_u64(), before["counts"]["keys"].as_u64().map(|n| n + 1));
}
