//! Changes by way of Redis, with a real Redis.

use crate::rows;
use sallyport_schema::audit::Actor;
use sallyport_schema::changes::{ConnectionState, Watch};
use sallyport_schema::redis::{Redis, RedisOptions};
use sallyport_schema::rows::Change;
use sallyport_schema::store::Store;
use sallyport_schema::testing::{DeafWay, TestPg, TestRedis};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(60);

fn redis(server: &TestRedis) -> Redis {
    Redis::start(RedisOptions {
        url: server.url(),
        authorities: None,
        prefix: "test".to_owned(),
        connect_timeout: Duration::from_secs(5),
        command_timeout: Duration::from_secs(5),
    })
    .unwrap()
}

async fn store(url: &str) -> Store {
    Store::connect(url, 3, Duration::from_secs(5)).await.unwrap()
}

fn watch(store: &Store, server: &TestRedis, listen: bool) -> Receiver<Change> {
    store.watch(Watch { migrate: false, listen, redis: Some(redis(server)) })
}

async fn next(changes: &mut Receiver<Change>) -> Change {
    timeout(LONG, changes.recv()).await.expect("a change").expect("open")
}

/// Reads changes until one is right.
async fn until(changes: &mut Receiver<Change>, right: impl Fn(&Change) -> bool) {
    while !right(&next(changes).await) {}
}

async fn subscribed(store: &Store, wanted: bool) {
    let look = async {
        while store.relayed().state().is_connected() != wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, look).await.unwrap_or_else(|_| panic!("{:?}", store.relayed().state()));
}

async fn listening(store: &Store) {
    timeout(LONG, store.connection().wait_for(ConnectionState::is_connected)).await.unwrap().unwrap();
}

/// A test's own channel, as soon as somebody has subscribed to it.
async fn channel(server: &TestRedis) -> String {
    let name = server.channels().await.pop().expect("a subscription");
    let parts: Vec<_> = name.split(':').collect();
    assert!(
        parts.len() == 3 && parts[0] == "test" && parts[1].len() == 16 && parts[2] == "changes",
        "{name}"
    );
    name
}

/// Two who cannot listen (one has a way to Postgres that swallows it, one does not want to) hear by Redis what one who
/// can has heard: within a second, and as single rows.
#[tokio::test]
async fn who_cannot_listen_hears_by_redis() {
    let (pg, server) = (TestPg::shared().await, TestRedis::start().await);
    let url = pg.database().await;
    let deaf_way = DeafWay::to(&url);
    let (one, deaf, quiet) = (store(&url).await, store(deaf_way.url()).await, store(&url).await);
    let mut first = watch(&one, &server, true);
    let mut others = [watch(&deaf, &server, true), watch(&quiet, &server, false)];
    until(&mut first, |c| matches!(c, Change::Everything(_))).await;
    listening(&one).await;
    for changes in &mut others {
        until(changes, |c| matches!(c, Change::Everything(_))).await;
    }
    assert_eq!(server.channels().await.len(), 1);
    channel(&server).await;
    assert_eq!(*quiet.connection().borrow(), ConnectionState::Off);
    assert!(!deaf.connection().borrow().is_connected());

    let key = rows::key("sp-AbCdEf12");
    one.create_key(&key, None).await.unwrap();
    for changes in &mut others {
        until(changes, |c| matches!(c, Change::Key(k) if k.id == key.id)).await;
    }
    // somebody else entirely
    store(&url).await.revoke_key("sp-AbCdEf12", &Actor::cli()).await.unwrap();
    let heard = async {
        for changes in &mut others {
            until(changes, |c| matches!(c, Change::Key(k) if k.id == key.id && k.revoked_at.is_some())).await;
        }
    };
    timeout(Duration::from_secs(1), heard).await.expect("within 1 s");
}

/// What is heard by both ways is read once, and a hint about nothing is not read at all.
#[tokio::test]
async fn a_change_heard_by_both_ways_is_read_once() {
    let (pg, server) = (TestPg::shared().await, TestRedis::start().await);
    let url = pg.database().await;
    let (one, two) = (store(&url).await, store(&url).await);
    let mut both = [watch(&one, &server, true), watch(&two, &server, true)];
    for (store, changes) in [&one, &two].into_iter().zip(&mut both) {
        assert!(matches!(next(changes).await, Change::Everything(_)));
        listening(store).await;
        subscribed(store, true).await;
    }
    let channel = channel(&server).await;
    let rounds = 20;
    for n in 0..rounds {
        one.set_setting("s", Some(&serde_json::json!(n))).await.unwrap();
        for changes in &mut both {
            until(changes, |c| matches!(c, Change::Setting(k, Some(v)) if k == "s" && *v == n)).await;
        }
        let hint = format!("virtual_keys:update:{}", uuid::Uuid::now_v7());
        server.publish(&channel, hint.as_bytes()).await;
        // longer than hints are gathered: each round is looked at by itself
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for store in [&one, &two] {
        // Not 0: on a busy machine a beat may come back late, and then it is read, which does no harm.
        assert!(store.relayed().reads() < rounds / 2, "{}", store.relayed().reads());
    }
}

#[tokio::test]
async fn redis_dies_and_comes_back() {
    let (pg, mut server) = (TestPg::shared().await, TestRedis::start().await);
    let url = pg.database().await;
    let (one, quiet) = (store(&url).await, store(&url).await);
    let (mut first, mut second) = (watch(&one, &server, true), watch(&quiet, &server, false));
    for (store, changes) in [(&one, &mut first), (&quiet, &mut second)] {
        until(changes, |c| matches!(c, Change::Everything(_))).await;
        subscribed(store, true).await;
    }
    listening(&one).await;
    server.kill();
    subscribed(&one, false).await;
    subscribed(&quiet, false).await;
    assert!(matches!(one.relayed().state(), ConnectionState::Disconnected { .. }));
    one.set_setting("meanwhile", Some(&serde_json::json!(1))).await.unwrap();
    until(&mut first, |c| matches!(c, Change::Setting(k, _) if k == "meanwhile")).await;
    assert!(one.connection().borrow().is_connected(), "LISTEN has nothing to do with it");
    server.start_again().await;
    // what was missed is read
    until(&mut second, |c| matches!(c, Change::Everything(s) if s.settings.contains_key("meanwhile"))).await;
    subscribed(&one, true).await;
    one.set_setting("after", Some(&serde_json::json!(1))).await.unwrap();
    until(&mut second, |c| match c {
        Change::Setting(k, _) => k == "after",
        Change::Everything(s) => s.settings.contains_key("after"),
        _ => false,
    })
    .await;
}

/// Without LISTEN and with a Redis that is away from the start, changes are found by reading now and then.
#[tokio::test]
async fn nobody_to_hear_from() {
    let (pg, mut server) = (TestPg::shared().await, TestRedis::start().await);
    server.kill();
    let url = pg.database().await;
    let quiet = store(&url).await;
    let mut changes = watch(&quiet, &server, false);
    assert!(matches!(next(&mut changes).await, Change::Everything(_)));
    quiet.set_setting("found", Some(&serde_json::json!(1))).await.unwrap();
    until(&mut changes, |c| matches!(c, Change::Everything(s) if s.settings.contains_key("found"))).await;
}

/// Whoever can publish can make one that does not listen read, boundedly, and nothing else.
#[tokio::test]
async fn garbage_and_floods() {
    let (pg, server) = (TestPg::shared().await, TestRedis::start().await);
    let url = pg.database().await;
    let quiet = store(&url).await;
    let mut changes = watch(&quiet, &server, false);
    until(&mut changes, |c| matches!(c, Change::Everything(_))).await;
    subscribed(&quiet, true).await;
    let channel = channel(&server).await;
    let big = vec![b'x'; 4 << 20];
    let garbage: [&[u8]; 5] = [b"", b"\xff\x00", b"virtual_keys:update:1", b"a:b:c", &big];
    for message in garbage {
        server.publish(&channel, message).await;
    }
    let (before, since) = (quiet.relayed().reads(), Instant::now());
    while since.elapsed() < Duration::from_secs(3) {
        server.publish(&channel, b"everything").await;
    }
    // one a second, of the twenty times that hints are looked at
    let (reads, most) = (quiet.relayed().reads() - before, since.elapsed().as_secs() + 2);
    assert!((1..=most).contains(&reads), "{reads}");
    let reads = async {
        while quiet.relayed().ignored() < garbage.len() as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, reads).await.unwrap();
    quiet.set_setting("still", Some(&serde_json::json!(1))).await.unwrap();
    server.publish(&channel, b"organisation_settings:update:still").await;
    until(&mut changes, |c| match c {
        Change::Setting(k, _) => k == "still",
        Change::Everything(s) => s.settings.contains_key("still"),
        _ => false,
    })
    .await;
    assert!(quiet.relayed().state().is_connected());
}
