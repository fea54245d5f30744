//! Changes by way of a real Redis, beside Postgres's own.

use super::support::answer::json;
use super::support::database::Database;
use super::support::gateway::{Gateway, Setup};
use super::support::setups::{openai, with};
use super::support::stub::Stub;
use super::support::tls::{Authority, ServerTls};
use super::support::wait::until;
use sallyport_schema::testing::{DeafWay, TestRedis};
use serde_json::{Value, json as object};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, UnixStream};

fn redis(overlay: &Value, url: &str) -> Value {
    // a busy machine is no broken Redis
    with(
        overlay.clone(),
        object!({"redis": {"url": url, "connect_timeout": "10s", "command_timeout": "10s"}}),
    )
}

/// A port of 127.0.0.1 where that Redis answers in TLS.
async fn tls_front(server: &TestRedis, tls: ServerTls) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, socket) = (listener.local_addr().unwrap().port(), server.socket());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (tls, socket) = (tls.clone(), socket.clone());
            tokio::spawn(async move {
                let Ok(mut client) = tls.accept(client).await else { return };
                let mut server = UnixStream::connect(socket).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

/// A metric's value.
async fn metric(gateway: &Gateway, name: &str) -> Option<i64> {
    let text = gateway.metrics().await;
    let line = text.lines().find(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn until_metric(gateway: &Gateway, name: &str, wanted: i64) {
    until(&format!("{name} {wanted}"), || async {
        (metric(gateway, name).await == Some(wanted)).then_some(())
    })
    .await;
}

/// What health says of a dependency.
async fn dependency(gateway: &Gateway, name: &str) -> Value {
    let health = gateway.admin("/api/health").await.expect(200).json();
    let all = health["dependencies"].as_array().unwrap();
    all.iter().find(|d| d["name"] == name).unwrap_or_else(|| panic!("no {name}: {health}")).clone()
}

async fn until_state(gateway: &Gateway, name: &str, wanted: &str) -> Value {
    until(&format!("{name} is {wanted}"), || async {
        let d = dependency(gateway, name).await;
        (d["state"] == wanted).then_some(d)
    })
    .await
}

/// The prefix of a key, as `keys revoke` takes it.
async fn prefix(gateway: &Gateway, key: &str) -> String {
    let list: Value = serde_json::from_str(&gateway.cli_ok(&["keys", "list"], &["--json"]).await).unwrap();
    let prefixes = list.as_array().unwrap().iter().map(|k| k["prefix"].as_str().unwrap());
    prefixes.into_iter().find(|p| key.starts_with(p)).unwrap().to_owned()
}

/// "Changes reach all instances by NOTIFY (and Redis pub/sub) within 1 s": one whose way to Postgres swallows LISTEN and
/// one that does without are told by Redis alone.
#[tokio::test]
async fn a_revoked_key_is_refused_where_only_redis_tells_of_it() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let server = TestRedis::start().await;
    let overlay = redis(&openai(&stub.url()), &server.url());
    let one = Gateway::start(overlay.clone()).await;
    let database = one.database.clone().unwrap();
    let way = DeafWay::to(database.url());
    let mut deaf = Setup::new(overlay.clone()).on(&Database::at(way.url().to_owned())).spawn().await;
    let quiet = with(overlay, object!({"database": {"listen": false}}));
    let mut quiet = Setup::new(quiet).on(&database).role("proxy").spawn().await;
    for gateway in [&mut deaf, &mut quiet] {
        gateway.ready().await;
        until_metric(gateway, "sallyport_redis_subscribed", 1).await;
    }
    until_metric(&one, "sallyport_postgres_connected", 1).await;
    let key = one.new_key(&["--surfaces", "*", "--models", "*"]).await;
    for gateway in [&deaf, &quiet] {
        gateway.until_status(&key, |status| status == 200).await;
    }
    let prefix = prefix(&one, &key).await;
    one.cli_ok(&["keys", "revoke"], &[&prefix]).await;
    let revoked = Instant::now();
    for gateway in [&deaf, &quiet] {
        gateway.until_status(&key, |status| status == 401).await;
    }
    assert!(revoked.elapsed() <= Duration::from_secs(1), "only after {:?}", revoked.elapsed());
    for gateway in [&deaf, &quiet] {
        assert_eq!(metric(gateway, "sallyport_postgres_connected").await, Some(0));
        assert!(metric(gateway, "sallyport_redis_change_reads").await.unwrap() > 0);
    }
    let postgres = until_state(&deaf, "postgres", "degraded").await;
    assert!(postgres["reason"].as_str().unwrap().contains("by Redis alone"), "{postgres}");
}

/// Redis dies: nothing but health, metric and log tells of it. It comes back: it is used again.
#[tokio::test]
async fn redis_dies_and_comes_back() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let mut server = TestRedis::start().await;
    let overlay = redis(&openai(&stub.url()), &server.url());
    server.kill();
    // not there at the start: no reason not to start
    let one = Gateway::start(overlay.clone()).await;
    let gone = until_state(&one, "redis", "failing").await;
    assert!(gone["reason"].as_str().unwrap().contains("LISTEN alone"), "{gone}");
    assert_eq!(one.admin("/api/health").await.json()["status"], "degraded");
    assert_eq!(metric(&one, "sallyport_redis_connected").await, Some(0));
    let said = || async { one.process.said().contains("Redis is not reached").then_some(()) };
    until("a line in the log", said).await;

    let quiet = with(overlay, object!({"database": {"listen": false}}));
    let quiet = Setup::new(quiet).on(one.database.as_ref().unwrap()).role("proxy").start().await;
    for _ in 0..2 {
        server.start_again().await;
        let well = until_state(&one, "redis", "ok").await;
        let detail = &well["detail"];
        assert_eq!((&detail["answers"], &detail["subscribed"]), (&object!(true), &object!(true)), "{well}");
        until_metric(&quiet, "sallyport_redis_subscribed", 1).await;
        let key = one.new_key(&["--surfaces", "*", "--models", "*"]).await;
        quiet.until_status(&key, |status| status == 200).await;

        server.kill();
        until_state(&one, "redis", "failing").await;
        until_metric(&one, "sallyport_redis_connected", 0).await;
        let prefix = prefix(&one, &key).await;
        one.cli_ok(&["keys", "revoke"], &[&prefix]).await;
        let revoked = Instant::now();
        one.until_status(&key, |status| status == 401).await;
        assert!(
            revoked.elapsed() <= Duration::from_secs(1),
            "NOTIFY needs no Redis: {:?}",
            revoked.elapsed()
        );
        // and who has nothing but Redis finds it by reading
        quiet.until_status(&key, |status| status == 401).await;
    }
}

/// Whoever can reach Redis can publish there: nothing is believed.
#[tokio::test]
async fn garbage_on_the_channel() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let server = TestRedis::start().await;
    let overlay = redis(&openai(&stub.url()), &server.url());
    let one = Gateway::start(overlay.clone()).await;
    let quiet = with(overlay, object!({"database": {"listen": false}}));
    let quiet = Setup::new(quiet).on(one.database.as_ref().unwrap()).role("proxy").start().await;
    for gateway in [&one, &quiet] {
        until_metric(gateway, "sallyport_redis_subscribed", 1).await;
    }
    let channels = server.channels().await;
    assert_eq!(channels.len(), 1, "{channels:?}");
    assert!(channels[0].starts_with("sallyport:") && channels[0].ends_with(":changes"), "{channels:?}");
    let before = metric(&quiet, "sallyport_snapshot_keys").await;
    for message in [&b"\xff\xfe\x00"[..], b"users:delete:*", b"virtual_keys:update:1", &[b'x'; 100_000]] {
        server.publish(&channels[0], message).await;
    }
    for _ in 0..50 {
        server.publish(&channels[0], b"everything").await;
        let nobody = format!("virtual_keys:delete:{}", uuid::Uuid::now_v7());
        server.publish(&channels[0], nobody.as_bytes()).await;
    }
    for gateway in [&one, &quiet] {
        until_metric(gateway, "sallyport_redis_messages_ignored", 4).await;
    }
    let key = one.new_key(&["--surfaces", "*", "--models", "*"]).await;
    for gateway in [&one, &quiet] {
        gateway.until_status(&key, |status| status == 200).await;
        assert_eq!(metric(gateway, "sallyport_snapshot_keys").await, before.map(|n| n + 1));
    }
}

/// TLS with an authority of one's own; another's certificate is not believed.
#[tokio::test]
async fn redis_over_tls() {
    let server = TestRedis::start().await;
    let (own, stranger) = (Authority::new(), Authority::new());
    for (authority, state) in [(&own, "ok"), (&stranger, "failing")] {
        // the binary trusts `own` in both cases
        let front = tls_front(&server, authority.server(&["127.0.0.1"], &[])).await;
        let directory = tempfile::tempdir().unwrap();
        let overlay = object!({"redis": {
            "url": format!("rediss://127.0.0.1:{front}"),
            "ca_file": own.write(directory.path()),
            "connect_timeout": "10s", "command_timeout": "10s",
        }});
        let gateway = Gateway::start(overlay).await;
        let redis = until_state(&gateway, "redis", state).await;
        assert_eq!(redis["detail"]["answers"], state == "ok", "{redis}");
        if state == "failing" {
            assert!(redis["reason"].as_str().unwrap().contains("certificate"), "{redis}");
        }
    }
}

/// Where changes are made somebody must listen.
#[tokio::test]
async fn only_a_gateway_may_do_without_listening() {
    let overlay = object!({"database": {"listen": false}, "redis": {"url": "redis://127.0.0.1:1"}});
    let mut gateway = Setup::new(overlay).spawn().await;
    let status = gateway.process.end().await;
    assert!(!status.success());
    let said = gateway.process.said();
    assert!(said.contains("database.listen") && said.contains("--role proxy"), "{said}");
}
