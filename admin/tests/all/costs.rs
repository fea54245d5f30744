//! What calls have cost, by what the log knows of them; and the tags of keys in the log.

use super::house::House;
use super::kit::call;
use sallyport_schema::call::CallRecord;
use sallyport_schema::labels::Labels;
use sallyport_schema::log_store::{LogStore, PgLogStore};
use serde_json::{Value, json};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

fn tagged(tags: &[&str]) -> Option<Arc<Labels>> {
    let tags = tags.iter().map(|t| (*t).to_owned()).collect();
    Some(Arc::new(Labels { tags, metadata: [("cost centre".to_owned(), "4711".to_owned())].into() }))
}

/// `of`, calls, nano-dollars, estimated ones, calls without a price.
fn sums(costs: &Value) -> Vec<(Option<&str>, u64, i64, i64, u64)> {
    let sum = |s: &'_ Value| {
        let n = |v: &Value| v["nanos"].as_i64().unwrap();
        (s["calls"].as_u64().unwrap(), n(&s["cost"]), n(&s["estimated"]), s["unpriced"].as_u64().unwrap())
    };
    let all = costs["sums"].as_array().unwrap();
    all.iter()
        .map(|s| {
            let (calls, cost, estimated, unpriced) = sum(s);
            (s["of"].as_str(), calls, cost, estimated, unpriced)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_are_added_up_of_what_one_may_see() {
    let house = House::new().await;
    let dev = house.person("dev@example.com", "developer").await.id;
    house.person("boss@example.com", "viewer").await;
    let team = Uuid::now_v7();
    let now = OffsetDateTime::now_utc();
    let first = CallRecord { user_id: Some(dev), labels: tagged(&["blue", "ci"]), ..call(now) };
    let later = CallRecord { cost_nanos: Some(1_000), estimated: true, ..first.follow_up("gate-1") };
    let calls = [
        CallRecord { user_id: Some(dev), cost_nanos: None, labels: tagged(&["blue"]), ..call(now) },
        CallRecord { team_id: Some(team), cost_nanos: Some(100_000), ..call(now) },
        CallRecord { status: 403, usage: None, cost_nanos: None, provider: None, ..call(now) },
        CallRecord { cost_nanos: Some(7), ..call(now - Duration::days(40)) },
        first.clone(),
        later,
    ];
    let log = PgLogStore::new(house.store.clone());
    log.append(&calls).await.unwrap();

    let mut boss = house.signed_in("boss@example.com").await;
    let by_tag = boss.get("/api/costs?by=tag").await.json();
    assert_eq!(
        sums(&by_tag),
        [(None, 2, 100_000, 0, 0), (Some("blue"), 2, 63_500, 1_000, 1), (Some("ci"), 1, 63_500, 1_000, 0),]
    );
    assert_eq!(by_tag["sums"][1]["cost"]["usd"], "0.000063500");
    assert_eq!((&by_tag["by"], &by_tag["more"]), (&json!("tag"), &json!(false)));

    // A developer's sums are of his own calls.
    let mut own = house.signed_in("dev@example.com").await;
    let dev = dev.to_string();
    assert_eq!(
        sums(&own.get("/api/costs?by=user").await.json()),
        [(Some(dev.as_str()), 2, 63_500, 1_000, 1)]
    );
    assert_eq!(sums(&own.get(&format!("/api/costs?by=team&team={team}")).await.json()), []);

    let costs = boss.get("/api/costs?by=model&limit=1&tag=ci").await.json();
    assert_eq!(sums(&costs), [(Some("gpt-5"), 1, 63_500, 1_000, 0)]);
    let costs = boss.get("/api/costs?by=key&limit=1").await.json();
    assert_eq!((costs["sums"].as_array().unwrap().len(), &costs["more"]), (1, &json!(true)));
    let from = (now - Duration::days(60)).format(&time::format_description::well_known::Rfc3339).unwrap();
    let days = boss.get(&format!("/api/costs?by=day&from={from}")).await.json();
    assert_eq!(sums(&days).iter().map(|s| s.2).collect::<Vec<_>>(), [163_500, 7]);
    for bad in ["", "by=colour", "by=tag&from=2020-01-01T00:00:00Z", "by=tag&cursor=x", "by=tag&tag="] {
        assert_eq!(boss.get(&format!("/api/costs?{bad}")).await.status, 400, "{bad}");
    }

    // The log has the words of the key, and finds calls by them.
    let found = boss.get("/api/calls?tag=ci").await.json();
    assert_eq!(found["calls"].as_array().unwrap().len(), 2);
    let shown = boss.get(&format!("/api/calls/{}", first.id)).await.json();
    assert_eq!(shown["tags"], json!(["blue", "ci"]));
    assert_eq!(shown["metadata"], json!({"cost centre": "4711"}));
    let ids = |found: Value| found["calls"].as_array().unwrap().len();
    assert_eq!(ids(boss.get(&format!("/api/calls?user={dev}")).await.json()), 3);
    assert_eq!(ids(boss.get(&format!("/api/calls?team={team}")).await.json()), 1);
    assert_eq!(ids(boss.get("/api/calls?provider=openai").await.json()), 5);
}
