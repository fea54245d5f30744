#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use super::*;
use crate::testing::TestRedis;

fn options(url: &str) -> RedisOptions {
    RedisOptions {
        url: url.to_owned(),
        authorities: None,
        prefix: "p".to_owned(),
        connect_timeout: Duration::from_secs(20),
        command_timeout: Duration::from_secs(20),
    }
}

#[test]
fn urls() {
    for good in [
        "redis://127.0.0.1",
        "redis://:s3cret@cache.corp:6380/2",
        "redis://me:pa%20ss@[::1]:6379",
        "rediss://cache.corp",
        "redis+unix:///run/redis.sock?db=3",
        "valkeys://cache.corp:6379/0",
    ] {
        check(good, None).expect(good);
    }
    for bad in [
        "",
        "cache.corp:6379",
        "http://:s3cret@cache.corp",
        "postgres://:s3cret@cache.corp",
        "redis://:s3cret@cache.corp/one",
        "redis://:s3cret@",
        "redis://0.0.0.0",
        "rediss://:s3cret@cache.corp/#insecure",
        "redis://:s3cret@cache.corp?protocol=s3cret",
    ] {
        let error = check(bad, None).expect_err(bad).to_string();
        assert!(error.contains("rediss://") && !error.contains("s3cret"), "{bad}: {error}");
    }
    // without TLS nobody would ask them
    let error = check("redis://cache.corp", Some(Vec::new())).unwrap_err();
    assert!(matches!(error, RedisError::BadUrl(_)), "{error}");
}

#[tokio::test]
async fn authorities_must_be_some() {
    for pem in [b"nonsense".to_vec(), Vec::new()] {
        let options = RedisOptions { authorities: Some(pem), ..options("rediss://127.0.0.1") };
        assert!(matches!(Redis::start(options), Err(RedisError::BadAuthorities(_))));
    }
}

#[tokio::test]
async fn it_is_away_it_comes_it_goes_it_comes_back() {
    let mut server = TestRedis::start().await;
    server.kill();
    let redis = Redis::start(options(&server.url())).unwrap();
    let mut state = redis.state();
    let away = state.wait_for(
        |s| matches!(s, ConnectionState::Disconnected { reason, .. } if reason != "not connected yet"),
    );
    away.await.unwrap();
    assert!(redis.connection().is_none());
    assert!(!redis.publish("c", &["m".to_owned()]).await.unwrap());
    for _ in 0..2 {
        server.start_again().await;
        state.wait_for(ConnectionState::is_connected).await.unwrap();
        assert!(redis.connection().is_some());
        assert!(redis.publish("c", &["m".to_owned(), "n".to_owned()]).await.unwrap());
        server.kill();
        state.wait_for(|s| !s.is_connected()).await.unwrap();
        assert!(redis.connection().is_none());
    }
}

#[tokio::test]
async fn nobody_keeps_a_connection_that_nobody_wants() {
    let server = TestRedis::start().await;
    let redis = Redis::start(options(&server.url())).unwrap();
    let mut state = redis.state();
    state.wait_for(ConnectionState::is_connected).await.unwrap();
    drop(redis);
    // the sender goes with the last clone
    while state.changed().await.is_ok() {}
}

#[test]
fn names() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let redis = Redis::start(options("redis://127.0.0.1:1")).unwrap();
    assert_eq!(redis.name(&["a", "changes"]), "p:a:changes");
}
