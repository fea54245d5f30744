//! The call log in Postgres.

use sallyport_schema::call::{CallRecord, ErrorSource};
use sallyport_schema::labels::Labels;
use sallyport_schema::log_store::{CallFilter, Cursor, LogError, LogStore, PgLogStore};
use sallyport_schema::store::{ObjectOwner, Store};
use sallyport_schema::testing::{TestPg, call};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

async fn log() -> (std::sync::Arc<TestPg>, String, Store, PgLogStore) {
    let pg = TestPg::shared().await;
    let url = pg.database().await;
    let store = Store::connect(&url, 4, TIMEOUT).await.unwrap();
    let log = PgLogStore::new(store.clone());
    (pg, url, store, log)
}

async fn all(log: &PgLogStore) -> Vec<CallRecord> {
    log.recent(&CallFilter { limit: 1000, ..CallFilter::default() }, None).await.unwrap().calls
}

#[tokio::test]
async fn every_field_comes_back_and_the_same_record_is_stored_once() {
    let (_pg, _url, _store, log) = log().await;
    let mut failed = call();
    failed.started_at += Duration::days(3);
    failed.key_id = Some(Uuid::now_v7());
    failed.key_prefix = Some("sp-AbCdEf12".into());
    (failed.user_id, failed.team_id) = (Some(Uuid::now_v7()), Some(Uuid::now_v7()));
    let metadata = [("a \"b\"".to_owned(), "ä\u{1f}".to_owned())].into();
    failed.labels = Some(Labels { tags: vec!["blue".into(), "".into()], metadata }.into());
    failed.client_ip = Some("2001:db8::1".parse().unwrap());
    failed.status = 502;
    failed.error_source = Some(ErrorSource::Upstream);
    failed.error_code = Some("upstream_timeout".into());
    failed.error_detail = Some("no byte within 30 s".into());
    (failed.usage, failed.cost_nanos, failed.ttft_us) = (None, None, None);
    failed.object_id = Some("resp_1".into());
    failed.cancelled = true;
    failed.dropped = vec!["logit_bias".into(), "a \"quoted\", odd\u{1f} näme".into()];
    failed.estimated = true;
    let fine = call();
    let batch = [fine.clone(), failed.clone(), fine.clone()];
    log.append(&batch).await.unwrap();
    log.append(&batch).await.unwrap();
    log.append(&[]).await.unwrap();
    assert_eq!(all(&log).await, [failed, fine]);
    assert_eq!(log.rejected(), 0);
}

/// A bad record must not block those behind it.
#[tokio::test]
async fn a_poison_record_is_set_aside_and_the_others_are_stored() {
    let (_pg, _url, _store, log) = log().await;
    let mut poison = call();
    poison.status = 7;
    let mut long = call();
    long.model_asked = Some((0..400).map(|_| Uuid::new_v4().to_string()).collect());
    let (a, b) = (call(), call());
    log.append(&[a.clone(), poison, long, b.clone()]).await.unwrap();
    let mut ids: Vec<Uuid> = all(&log).await.iter().map(|c| c.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, [a.id, b.id]);
    assert_eq!(log.rejected(), 2);
}

#[tokio::test]
async fn a_nul_in_a_header_costs_a_character_and_not_the_record() {
    let (_pg, _url, _store, log) = log().await;
    let mut record = call();
    record.user_agent = Some("a\0b".into());
    let mut other = call();
    other.started_at -= Duration::seconds(1);
    other.dropped = vec!["c\0d".into()];
    log.append(&[record, other]).await.unwrap();
    let all = all(&log).await;
    assert_eq!(all[0].user_agent.as_deref(), Some("a\u{fffd}b"));
    assert_eq!(all[1].dropped, ["c\u{fffd}d"]);
}

#[tokio::test]
async fn pages_by_cursor_lose_and_repeat_nothing_even_at_one_instant() {
    let (_pg, _url, _store, log) = log().await;
    let instant = call().started_at;
    let calls: Vec<CallRecord> = (0..25)
        .map(|n| {
            let mut record = call();
            record.started_at = instant - Duration::hours(20 * (n / 5));
            record.status = if n % 2 == 0 { 200 } else { 429 };
            record.surface = if n % 5 == 0 { "messages".into() } else { "chat".into() };
            record.key_prefix = (n < 3).then(|| "sp-AAAA".into());
            record
        })
        .collect();
    log.append(&calls).await.unwrap();
    let mut expected = calls.clone();
    expected.sort_by_key(|c| std::cmp::Reverse((c.started_at, c.id)));
    let mut read = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let filter = CallFilter { limit: 4, ..CallFilter::default() };
        let page = log.recent(&filter, cursor).await.unwrap();
        assert!(page.calls.len() <= 4);
        read.extend(page.calls);
        // as a client sends it back
        let Some(next) = page.next else { break };
        cursor = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(read, expected);

    let count = async |filter: CallFilter| log.recent(&filter, None).await.unwrap().calls.len();
    assert_eq!(count(CallFilter { status: Some(429), ..CallFilter::default() }).await, 12);
    assert_eq!(count(CallFilter { surface: Some("messages".into()), ..CallFilter::default() }).await, 5);
    assert_eq!(count(CallFilter { key_prefix: Some("sp-AAAA".into()), ..CallFilter::default() }).await, 3);
    assert_eq!(count(CallFilter { model: Some("gpt-4".into()), ..CallFilter::default() }).await, 0);
    let nobody = Some((vec![Uuid::nil()], Some(Uuid::nil())));
    assert_eq!(count(CallFilter { visible: nobody, ..CallFilter::default() }).await, 0);
    assert_eq!(count(CallFilter { visible: Some((vec![], None)), ..CallFilter::default() }).await, 0);
    assert_eq!(count(CallFilter { key_id: Some(Uuid::nil()), ..CallFilter::default() }).await, 0);
    assert_eq!(count(CallFilter { from: Some(instant), ..CallFilter::default() }).await, 5);
    assert_eq!(count(CallFilter { to: Some(instant), ..CallFilter::default() }).await, 20);
    assert!(matches!("x".parse::<Cursor>(), Err(LogError::BadCursor)));
}

#[tokio::test]
async fn who_made_an_object_stays_its_owner() {
    let (_pg, _url, store, log) = log().await;
    let mut made = call();
    (made.object_id, made.key_id) = (Some("resp_1".into()), Some(Uuid::now_v7()));
    let mut taken = call();
    (taken.object_id, taken.key_id) = (Some("resp_1".into()), Some(Uuid::now_v7()));
    let mut refused = call();
    (refused.object_id, refused.status) = (Some("resp_2".into()), 403);
    log.append(std::slice::from_ref(&made)).await.unwrap();
    log.append(&[taken, refused]).await.unwrap();
    let owner = ObjectOwner { provider: "openai".into(), key_id: made.key_id, user_id: None, team_id: None };
    assert_eq!(store.object_owner("resp_1").await.unwrap(), Some(owner));
    assert_eq!(store.object_owner("resp_2").await.unwrap(), None);
}

#[tokio::test]
async fn old_days_go_and_the_next_ones_are_made() {
    let (_pg, url, _store, log) = log().await;
    let now = call().started_at;
    let aged: Vec<CallRecord> =
        [0, 1, 7, 8, 40].map(|days| CallRecord { started_at: now - Duration::days(days), ..call() }).to_vec();
    log.append(&aged).await.unwrap();
    TestPg::execute(
        &url,
        "CREATE TABLE call_log_mine PARTITION OF call_log FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')",
    )
    .await;
    log.maintain(7).await.unwrap();
    assert_eq!(all(&log).await, aged[..3]);
    let partitions = TestPg::value(
        &url,
        "SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY 1) FROM pg_inherits i
         JOIN pg_class c ON c.oid = i.inhparent WHERE c.relname = 'call_log'",
    )
    .await;
    let tomorrow = (OffsetDateTime::now_utc() + Duration::days(1)).date();
    let name =
        format!("call_log_{:04}{:02}{:02}", tomorrow.year(), u8::from(tomorrow.month()), tomorrow.day());
    assert!(partitions.contains(&name), "{partitions}");
    assert!(partitions.contains("call_log_mine"), "what a person made is theirs: {partitions}");
    // a late record of a day that was dropped behind the store's back still finds a place
    TestPg::execute(&url, "DO $$ DECLARE t text; BEGIN FOR t IN SELECT inhrelid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.relname = 'call_log' LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END $$").await;
    let late = call();
    log.append(std::slice::from_ref(&late)).await.unwrap();
    assert_eq!(all(&log).await, [late]);
    assert_eq!(log.rejected(), 0);
}

#[tokio::test]
async fn instances_that_make_the_same_partition_at_once_agree() {
    let (_pg, _url, store, _log) = log().await;
    let logs: Vec<PgLogStore> = (0..4).map(|_| PgLogStore::new(store.clone())).collect();
    let records: Vec<[CallRecord; 1]> = (0..4).map(|_| [call()]).collect();
    let (a, b, c, d) = tokio::join!(
        logs[0].append(&records[0]),
        logs[1].append(&records[1]),
        logs[2].append(&records[2]),
        logs[3].append(&records[3]),
    );
    for done in [a, b, c, d] {
        done.unwrap();
    }
    assert_eq!(all(&logs[0]).await.len(), 4);
}
