//! Responses whose tokens are told later.

use sallyport_schema::call::{CallRecord, Usage};
use sallyport_schema::log_store::{LogStore, PgLogStore};
use sallyport_schema::store::Store;
use sallyport_schema::testing::{TestPg, call};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(60);

async fn log() -> (std::sync::Arc<TestPg>, String, Store, PgLogStore) {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let store = Store::connect(&url, 4, Duration::from_secs(10)).await.unwrap();
    let log = PgLogStore::new(store.clone());
    (pg, url, store, log)
}

fn ordered(id: &str) -> CallRecord {
    CallRecord { object_id: Some(id.into()), awaited: true, usage: None, cost_nanos: None, ..call() }
}

#[tokio::test]
async fn one_is_asked_for_by_one_until_its_count_is_complete() {
    let (_pg, url, store, log) = log().await;
    let odd = CallRecord { user_agent: Some("a\0b".into()), ..ordered("resp_odd") };
    let refused = CallRecord { status: 400, ..ordered("resp_refused") };
    let told = CallRecord { awaited: false, ..ordered("resp_told") };
    let first = ordered("resp_1");
    let batch = [first.clone(), odd, refused, told];
    log.append(&batch).await.unwrap();
    log.append(&batch).await.unwrap();

    let mut taken = store.take_awaited(10, WAIT).await.unwrap();
    taken.sort_by(|a, b| a.object_id.cmp(&b.object_id));
    let ids: Vec<&str> = taken.iter().map(|a| a.object_id.as_str()).collect();
    assert_eq!(ids, ["resp_1", "resp_odd"]);
    assert_eq!((&taken[0].call, taken[0].asked), (&first, 1));
    assert!(store.take_awaited(10, WAIT).await.unwrap().is_empty(), "nobody else gets them");
    TestPg::execute(&url, "UPDATE awaited_responses SET next_at = now()").await;
    assert_eq!(store.take_awaited(1, WAIT).await.unwrap().len(), 1);
    assert_eq!(store.take_awaited(9, WAIT).await.unwrap()[0].asked, 2);

    // Its end is one instance's to tell, until that one was lost with it.
    assert_eq!(store.settle_awaited("resp_1").await.unwrap().unwrap().call, first);
    assert_eq!(store.settle_awaited("resp_1").await.unwrap(), None);
    TestPg::execute(&url, "UPDATE awaited_responses SET next_at = now() WHERE object_id = 'resp_1'").await;
    assert_eq!(store.take_awaited(9, WAIT).await.unwrap().len(), 1);
    assert!(store.settle_awaited("resp_1").await.unwrap().is_some());
    assert_eq!(store.settle_awaited("resp_none").await.unwrap(), None);

    let usage = Some(Usage { input: 7, output: 9, ..Usage::default() });
    let end = CallRecord { usage, attempts: 3, ..first.follow_up("other") };
    let twice = CallRecord { instance: "another".into(), duration_us: 5, ..end.clone() };
    log.append(std::slice::from_ref(&end)).await.unwrap();
    log.append(&[twice]).await.unwrap();
    assert_eq!(log.find(&end.id.to_string()).await.unwrap(), Some(end.clone()));
    assert_eq!((end.follows, end.started_at), (Some(first.id), first.started_at));
    assert_eq!(store.awaited("resp_1").await.unwrap(), None);
    // Delivered again, it awaits nothing any more.
    log.append(&batch).await.unwrap();
    assert_eq!(store.awaited("resp_1").await.unwrap(), None);
    assert!(store.awaited("resp_odd").await.unwrap().is_some());
    let sum = "SELECT sum(input_tokens)::text || '/' || sum(output_tokens) FROM call_log";
    assert_eq!(TestPg::value(&url, sum).await, "7/9");
}
