//! Responses that the gateway keeps.

use crate::rows::now;
use sallyport_schema::store::{Chain, ResponseRow, ResponseStatus};
use sallyport_schema::testing::TestPg;
use std::time::Duration;

fn response(id: &str, previous: Option<&str>, content: &[u8]) -> ResponseRow {
    ResponseRow {
        id: id.into(),
        previous_id: previous.map(Into::into),
        key_id: Some(uuid::Uuid::now_v7()),
        user_id: None,
        team_id: None,
        status: ResponseStatus::Completed,
        background: false,
        streamed: false,
        content: content.into(),
        created_at: now(),
        expires_at: now() + Duration::from_secs(60),
        alive_until: None,
    }
}

#[tokio::test]
async fn a_chain_is_found_newest_first() {
    let pg = TestPg::shared().await;
    let store = pg.store().await;
    let rows = [response("a", None, b"1"), response("b", Some("a"), b"22"), response("c", Some("b"), b"333")];
    for r in &rows {
        store.keep_response(r).await.unwrap();
        store.keep_response(&ResponseRow { content: b"again".into(), ..r.clone() }).await.unwrap();
    }
    let [a, b, c] = rows;
    let all = store.response_chain("c", 10, 6).await.unwrap();
    assert_eq!(all, Chain::Found(vec![c.clone(), b.clone(), a]));
    assert_eq!(store.response_chain("c", 10, 5).await.unwrap(), Chain::TooLarge(6));
    assert_eq!(store.response_chain("c", 2, 100).await.unwrap(), Chain::Found(vec![c.clone(), b]));
    assert_eq!(store.response_chain("x", 10, 100).await.unwrap(), Chain::Found(vec![]));
    // a circle, which nothing makes, ends at the depth
    let circle = response("o", Some("o"), b"");
    store.keep_response(&circle).await.unwrap();
    let Chain::Found(turns) = store.response_chain("o", 7, 100).await.unwrap() else { panic!() };
    assert_eq!(turns.len(), 7);

    let some = ["a".to_owned(), "c".to_owned(), "x".to_owned()];
    let Chain::Found(mut two) = store.responses(&some, 4).await.unwrap() else { panic!() };
    two.sort_by(|l, r| l.id.cmp(&r.id));
    assert_eq!(two.iter().map(|r| &*r.id).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(store.responses(&some, 3).await.unwrap(), Chain::TooLarge(4));

    assert!(store.delete_response("b").await.unwrap());
    assert!(!store.delete_response("b").await.unwrap());
    assert_eq!(store.response_chain("c", 10, 100).await.unwrap(), Chain::Found(vec![c]));
}

#[tokio::test]
async fn what_is_past_its_time_is_neither_found_nor_kept() {
    let pg = TestPg::shared().await;
    let store = pg.store().await;
    let old = ResponseRow { expires_at: now() - Duration::from_secs(1), ..response("old", None, b"1") };
    store.keep_response(&old).await.unwrap();
    store.keep_response(&response("new", Some("old"), b"1")).await.unwrap();
    assert_eq!(store.response_chain("old", 9, 9).await.unwrap(), Chain::Found(vec![]));
    let Chain::Found(turns) = store.response_chain("new", 9, 9).await.unwrap() else { panic!() };
    assert_eq!(turns.len(), 1);
    assert_eq!(store.expire_responses().await.unwrap(), 1);
    assert_eq!(store.expire_responses().await.unwrap(), 0);
}

#[tokio::test]
async fn one_of_the_background_ends_once() {
    let pg = TestPg::shared().await;
    let store = pg.store().await;
    let queued = ResponseRow {
        status: ResponseStatus::Queued,
        background: true,
        streamed: true,
        ..response("q", None, b"ask")
    };
    store.keep_response(&queued).await.unwrap();
    assert!(store.response_goes_on("q", Duration::from_secs(30)).await.unwrap());
    assert_eq!(store.response_events("q").await.unwrap(), None);
    let Chain::Found(turns) = store.response_chain("q", 1, 9).await.unwrap() else { panic!() };
    assert_eq!(turns[0].status, ResponseStatus::InProgress);
    assert!(turns[0].alive_until.unwrap() > now());
    assert!(store.finish_response("q", ResponseStatus::Completed, b"answer", Some(b"events")).await.unwrap());
    store.cancel_response("q").await.unwrap();
    assert!(!store.response_goes_on("q", Duration::from_secs(30)).await.unwrap());
    assert!(!store.finish_response("q", ResponseStatus::Failed, b"late", None).await.unwrap());
    let Chain::Found(turns) = store.response_chain("q", 1, 9).await.unwrap() else { panic!() };
    assert_eq!(store.response_events("q").await.unwrap().as_deref(), Some(&b"events"[..]));
    assert!(turns[0].streamed);
    let (status, content) = (turns[0].status, &turns[0].content[..]);
    assert_eq!((status, content, turns[0].alive_until), (ResponseStatus::Completed, &b"answer"[..], None));

    store.keep_response(&ResponseRow { id: "r".into(), ..queued }).await.unwrap();
    store.cancel_response("r").await.unwrap();
    assert!(!store.finish_response("r", ResponseStatus::Completed, b"late", None).await.unwrap());
    assert!(!store.response_goes_on("gone", Duration::from_secs(1)).await.unwrap());
}
