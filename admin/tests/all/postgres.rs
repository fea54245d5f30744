//! With a real Postgres, which is taken away.

use super::kit::{Log, TOKEN, call, state};
use super::wire::{Service, within};
use sallyport_admin::health::{PATIENCE, PostgresProbe, SpoolProbe};
use sallyport_schema::call::CallRecord;
use sallyport_schema::log_store::{LogStore as _, PgLogStore};
use sallyport_schema::spool::{Spool, SpoolOptions};
use sallyport_schema::store::Store;
use sallyport_schema::testing::TestPg;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// Slack for a busy machine on top of a promised bound.
const SLACK: Duration = Duration::from_secs(3);

async fn health(service: &Service) -> serde_json::Value {
    let began = Instant::now();
    let (status, body) = service.get("/api/health", Some(TOKEN)).await;
    assert_eq!(status, 200, "whatever is gone, the service itself is well: {body}");
    assert!(began.elapsed() < PATIENCE + SLACK, "health took {:?}", began.elapsed());
    serde_json::from_str(&body).unwrap()
}

async fn becomes(service: &Service, status: &str) -> serde_json::Value {
    within(async {
        loop {
            let now = health(service).await;
            if now["status"] == status {
                break now;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn health_notices_that_postgres_goes_and_comes() {
    let mut pg = TestPg::start().await;
    let store = Store::connect(&pg.database().await, 4, Duration::from_secs(5)).await.unwrap();
    let mut changes = store.watch(sallyport_schema::changes::Watch::default());
    tokio::spawn(async move { while changes.recv().await.is_some() {} });
    let probe = Arc::new(PostgresProbe::new(store));
    let service = Service::start("127.0.0.1:0", None, state(Arc::new(Log::default()), vec![probe]));

    let well = becomes(&service, "ok").await;
    let postgres = &well["dependencies"][0];
    assert_eq!(
        postgres["detail"],
        serde_json::json!({"kind": "postgres", "answers": true, "listening": true})
    );
    assert!(postgres["since"].is_string() && postgres["latency_us"].as_u64().unwrap() > 0);

    pg.stop().await;
    let ill = becomes(&service, "degraded").await;
    assert!(ill["reasons"][0].as_str().unwrap().starts_with("postgres: "), "{ill}");
    let since = &ill["dependencies"][0]["since"];
    assert_eq!(&health(&service).await["dependencies"][0]["since"], since, "since when, not when asked");

    pg.start_again().await;
    becomes(&service, "ok").await;
    service.stop().await;
}

async fn page(service: &Service, query: &str) -> (Vec<String>, Option<String>) {
    let (status, body) = service.get(&format!("/api/calls?{query}"), Some(TOKEN)).await;
    assert_eq!(status, 200, "{query}: {body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let ids =
        body["calls"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap().to_owned()).collect();
    (ids, body["next"].as_str().map(str::to_owned))
}

fn serve(log: Arc<PgLogStore>) -> Service {
    Service::start("127.0.0.1:0", None, state(log, vec![]))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_no_gaps_and_no_doubles_while_calls_come_in() {
    let pg = TestPg::shared().await;
    let log = Arc::new(PgLogStore::new(pg.store().await));
    let service = serve(log.clone());
    let begin = OffsetDateTime::now_utc() - time::Duration::minutes(10);
    // Three calls share each instant: the id must decide.
    let old: Vec<_> = (0..200_i64).map(|n| call(begin + time::Duration::microseconds(n / 3))).collect();
    log.append(&old).await.unwrap();

    let mut query = "limit=7".to_owned();
    let mut seen = Vec::new();
    loop {
        log.append(&[call(OffsetDateTime::now_utc()), call(OffsetDateTime::now_utc())]).await.unwrap();
        let (ids, next) = page(&service, &query).await;
        seen.extend(ids);
        match next {
            Some(next) => query = format!("limit=7&cursor={next}"),
            None => break,
        }
    }
    let mut expected = old;
    expected.sort_by_key(|c| (c.started_at, c.id));
    let expected: Vec<_> = expected.iter().rev().map(|c| c.id.to_string()).collect();
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len(), "doubles");
    // The first page began with calls that came in before it; what follows is everything that was there, in order.
    assert_eq!(seen[2..], expected);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_ids_find_what_they_should() {
    let pg = TestPg::shared().await;
    let log = Arc::new(PgLogStore::new(pg.store().await));
    let service = serve(log.clone());
    let now = OffsetDateTime::now_utc();
    let base = || call(now);
    let key = uuid::Uuid::now_v7();
    let all = [
        CallRecord { status: 429, key_id: Some(key), ..base() },
        CallRecord { status: 404, key_prefix: Some("sp-other123".into()), ..base() },
        CallRecord { model_asked: Some("claude".into()), surface: "messages".into(), ..base() },
        CallRecord {
            started_at: now - time::Duration::days(1),
            upstream_request_id: Some("req_x".into()),
            ..base()
        },
        CallRecord { upstream_request_id: Some("req_x".into()), ..base() },
    ];
    log.append(&all).await.unwrap();
    let since =
        (now - time::Duration::hours(1)).format(&time::format_description::well_known::Rfc3339).unwrap();
    for (query, expected) in [
        ("".to_owned(), vec![0, 1, 2, 3, 4]),
        ("status=429".to_owned(), vec![0]),
        ("status=4xx".to_owned(), vec![0, 1]),
        ("status=2xx".to_owned(), vec![2, 3, 4]),
        ("status=5xx".to_owned(), vec![]),
        (format!("key={key}"), vec![0]),
        ("key=sp-other123".to_owned(), vec![1]),
        ("model=claude&surface=messages".to_owned(), vec![2]),
        ("model=claude&surface=chat".to_owned(), vec![]),
        (format!("from={since}"), vec![0, 1, 2, 4]),
        (format!("to={since}"), vec![3]),
    ] {
        let (ids, next) = page(&service, &query).await;
        let found: HashSet<_> = ids.into_iter().collect();
        let expected: HashSet<_> = expected.into_iter().map(|i: usize| all[i].id.to_string()).collect();
        assert_eq!((found, next), (expected, None), "{query}");
    }
    for (id, expected) in [(all[0].id.to_string(), 0), ("req_x".to_owned(), 4)] {
        let (status, body) = service.get(&format!("/api/calls/{id}"), Some(TOKEN)).await;
        assert_eq!(status, 200, "{body}");
        let found: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            found["id"],
            all[expected].id.to_string(),
            "the newest of an id that a provider used twice"
        );
    }
    assert_eq!(service.get(&format!("/api/calls/{}", uuid::Uuid::now_v7()), Some(TOKEN)).await.0, 404);
    service.stop().await;
}

/// LESSONS: an unreachable store hangs nothing and takes nothing along.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_postgres_is_a_503_within_bounds_and_the_service_lives_on() {
    let mut pg = TestPg::start().await;
    let store = Store::connect(&pg.database().await, 4, Duration::from_secs(5)).await.unwrap();
    let log = Arc::new(PgLogStore::new(store));
    let kept = call(OffsetDateTime::now_utc());
    log.append(std::slice::from_ref(&kept)).await.unwrap();
    let service = serve(log);
    assert_eq!(page(&service, "").await.0, [kept.id.to_string()]);

    pg.stop().await;
    for path in ["/api/calls".to_owned(), format!("/api/calls/{}", kept.id)] {
        let began = Instant::now();
        let answers = tokio::join!(service.get(&path, Some(TOKEN)), service.get(&path, Some(TOKEN)));
        assert!(began.elapsed() < Duration::from_secs(3) + SLACK, "{path} took {:?}", began.elapsed());
        for (status, body) in [answers.0, answers.1] {
            assert_eq!(status, 503, "{body}");
            let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert!(problem["code"].as_str().unwrap().starts_with("store_"), "{problem}");
        }
    }
    assert_eq!(service.get("/api/snapshot", Some(TOKEN)).await.0, 200, "what needs no Postgres is served");

    pg.start_again().await;
    within(async {
        while service.get("/api/calls", Some(TOKEN)).await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(page(&service, "").await.0, [kept.id.to_string()]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_shows_what_the_spool_holds_back() {
    let mut pg = TestPg::start().await;
    let store = Store::connect(&pg.database().await, 4, Duration::from_secs(1)).await.unwrap();
    let log = Arc::new(PgLogStore::new(store));
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolOptions::default(), log.clone()).unwrap();
    let probe = Arc::new(SpoolProbe::new(spool.stats().clone()));
    let service = Service::start("127.0.0.1:0", None, state(log, vec![probe]));
    assert_eq!(health(&service).await["status"], "ok");

    pg.stop().await;
    let kept = call(OffsetDateTime::now_utc());
    spool.record(kept.clone());
    let ill = becomes(&service, "degraded").await;
    let detail = &ill["dependencies"][0]["detail"];
    assert_eq!((&detail["kind"], &detail["backlog"]), (&"spool".into(), &1.into()), "{ill}");
    assert!(ill["reasons"][0].as_str().unwrap().starts_with("spool: calls wait on disk (1): "), "{ill}");

    pg.start_again().await;
    let well = becomes(&service, "ok").await;
    assert_eq!(well["dependencies"][0]["detail"]["backlog"], 0);
    assert_eq!(page(&service, "").await.0, [kept.id.to_string()]);
    service.stop().await;
}
