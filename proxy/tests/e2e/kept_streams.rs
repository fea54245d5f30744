//! Responses of the background whose client streams: it may leave and come back, at any instance.

use super::kept_responses::{PATH, call, config, ended, post};
use super::support::answer::{LAST_CHUNK, json, sse_head};
use super::support::client::{Client, request};
use super::support::gateway::{Gateway, Setup};
use super::support::speech::{Format, Said, error_body, say};
use super::support::stub::Stub;
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json as object};

fn order(more: Value) -> Value {
    let order = object!({"model": "claude", "input": "Think long.", "background": true, "stream": true});
    super::support::setups::with(order, more)
}

/// The events of a stream, with each one's name in its data.
fn events(text: &str) -> Vec<Value> {
    text.split("\n\n")
        .filter(|block| block.contains("data: "))
        .map(|block| {
            let (name, data) = block.split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(name.strip_prefix("event: ").unwrap(), data["type"], "{block}");
            data
        })
        .collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|e| e["type"].as_str().unwrap().strip_prefix("response.").unwrap()).collect()
}

async fn again(gateway: &Gateway, key: &str, id: &str, after: Option<u64>) -> Vec<Value> {
    let after = after.map(|n| format!("&starting_after={n}")).unwrap_or_default();
    let answer = call(gateway, key, "GET", &format!("{PATH}/{id}?stream=true{after}")).await;
    events(&answer.expect(200).text())
}

/// Begins one and hears its first events; the connection, and the response's id.
async fn begin(gateway: &Gateway) -> (Client, String) {
    let body = order(object!({})).to_string();
    let mut client = gateway.client().await;
    let bearer = gateway.bearer();
    client.send(request("POST", PATH, &[("authorization", &bearer)], body.as_bytes())).await;
    assert_eq!(client.head().await.status(), 200);
    let text = client.chunks_until(|text| text.contains("response.queued\",")).await;
    let at = text.find("resp_sp").unwrap();
    (client, text[at..].split('"').next().unwrap().to_owned())
}

#[tokio::test]
async fn a_client_that_leaves_comes_back_anywhere() {
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(config(&stub.url(), object!({}))).await;
    let database = gateway.database.clone().unwrap();
    let other = Setup::new(config(&stub.url(), object!({}))).on(&database).start().await;
    other.until_status(&gateway.key, |status| status == 200).await;
    let (client, id) = begin(&gateway).await;
    let mut asked = stub.next().await;
    assert_eq!(asked.request.json()["stream"], true);
    drop(client);
    // Others follow it, here and at another instance, before anything has come.
    let path = format!("{PATH}/{id}?stream=true&starting_after=0");
    let here = call(&gateway, &gateway.key, "GET", &path);
    let there = call(&other, &gateway.key, "GET", &path);
    let works = async {
        asked.send(say::answer(Format::Messages, &Said::text("Done."), &asked.request.json())).await;
        asked.done();
    };
    let (here, there, ()) = tokio::join!(here, there, works);
    let (here, there) = (events(&here.expect(200).text()), events(&there.expect(200).text()));
    assert_eq!(here, there);
    assert_eq!(
        kinds(&here)[..4],
        ["queued", "in_progress", "output_item.added", "content_part.added"],
        "{here:?}"
    );
    let numbers: Vec<u64> = here.iter().map(|e| e["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=here.len() as u64).collect::<Vec<_>>());
    let last = here.last().unwrap();
    assert_eq!((&last["type"], &last["response"]["id"]), (&object!("response.completed"), &object!(id)));
    // Whoever has heard of its end can go on with it, and have its events again.
    let whole = call(&other, &gateway.key, "GET", &format!("{PATH}/{id}")).await.expect(200).json();
    assert_eq!(last["response"], whole);
    for at in [&gateway, &other] {
        assert_eq!(again(at, &gateway.key, &id, Some(3)).await, here[3..]);
        assert_eq!(again(at, &gateway.key, &id, Some(9999)).await, Vec::<Value>::new());
        let all = again(at, &gateway.key, &id, None).await;
        assert_eq!((all[0]["type"].as_str(), &all[1..]), (Some("response.created"), &here[..]));
        assert_eq!(all[0]["response"]["status"], "queued");
        let stranger = at.new_key(&["--surfaces", "*", "--models", "*"]).await;
        call(at, &stranger, "GET", &path).await.expect(404);
    }
    for wrong in ["x", "-1", ""] {
        call(&gateway, &gateway.key, "GET", &format!("{PATH}/{id}?stream=true&starting_after={wrong}"))
            .await
            .expect(400);
    }
    let sql = "SELECT position('Done.' IN encode(events, 'escape'))::text FROM responses";
    assert_eq!(TestPg::value(database.url(), sql).await, "0", "they are sealed");
    let logged = gateway.last_logged(|c| c["usage"]["input"] == 100).await;
    assert_eq!(logged["provider"], "anthropic", "{logged}");
}

#[tokio::test]
async fn a_client_that_stays_hears_each_event_as_it_comes() {
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(config(&stub.url(), object!({}))).await;
    let (mut client, id) = begin(&gateway).await;
    let mut asked = stub.next().await;
    let whole = say::answer(Format::Messages, &Said::text("Done."), &asked.request.json());
    let text = String::from_utf8(whole).unwrap();
    let cut = text.find("message_delta").unwrap();
    let cut = text[..cut].rfind("event:").unwrap();
    // Chunks may be anywhere: what comes up to here has the words in it.
    asked.send(&text.as_bytes()[..cut]).await;
    client.chunks_until(|text| text.contains("Done.")).await;
    asked.send(&text.as_bytes()[cut..]).await;
    asked.done();
    client.chunks_until(|text| text.contains("response.completed\",")).await;
    assert_eq!(ended(&gateway, &id).await["status"], "completed");
}

#[tokio::test]
async fn the_end_of_one_that_fails_or_is_cancelled_is_told() {
    let stub =
        Stub::answering(|_| json(400, error_body(Format::Messages, "invalid_request_error", "Too hot.")))
            .await;
    let gateway = Gateway::start(config(&stub.url(), object!({"upstream": {"max_attempts": 1}}))).await;
    let answer = post(&gateway, &gateway.key, &order(object!({}))).await;
    let told = events(&answer.expect(200).text());
    assert_eq!(kinds(&told), ["created", "queued", "failed"], "{told:?}");
    assert_eq!(told[2]["response"]["error"]["message"], "Too hot.", "{told:?}");
    let id = told[0]["response"]["id"].as_str().unwrap();
    assert_eq!(again(&gateway, &gateway.key, id, None).await, told);

    // The provider breaks off in the middle.
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(config(&stub.url(), object!({}))).await;
    let (mut client, id) = begin(&gateway).await;
    let mut asked = stub.next().await;
    let begun = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    asked.send(sse_head()).await;
    asked.chunk(begun).await;
    asked.send(LAST_CHUNK).await;
    asked.done();
    client.chunks_until(|text| text.contains("response.failed\",")).await;
    assert_eq!(ended(&gateway, &id).await["status"], "failed");

    // Cancelled: the stream ends, and what is left is to ask how it stands.
    let (mut client, id) = begin(&gateway).await;
    let mut asked = stub.next().await;
    call(&gateway, &gateway.key, "POST", &format!("{PATH}/{id}/cancel")).await.expect(200);
    asked.closed().await;
    client.rest_of_chunks().await;
    let error = call(&gateway, &gateway.key, "GET", &format!("{PATH}/{id}?stream=true")).await;
    assert_eq!(error.expect(400).json()["error"]["param"], "stream");
}

#[tokio::test]
async fn the_events_of_an_instance_that_died_end_with_a_failure() {
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(config(&stub.url(), object!({}))).await;
    let key = gateway.key.clone();
    let (_client, id) = begin(&gateway).await;
    let _asked = stub.next().await;
    let (_, database) = gateway.crash();
    let database = database.unwrap();
    TestPg::execute(database.url(), "UPDATE responses SET alive_until = now() - interval '1 s'").await;
    let next = Setup::new(config(&stub.url(), object!({}))).on(&database).start().await;
    let told = again(&next, &key, &id, Some(1)).await;
    assert_eq!(kinds(&told), ["failed"], "{told:?}");
    assert_eq!(told[0]["sequence_number"], 2, "{told:?}");
    // One that was never streamed is not streamed now.
    let plain = post(&next, &next.key, &object!({"model": "claude", "input": "x", "background": true})).await;
    let id = plain.expect(200).json()["id"].as_str().unwrap().to_owned();
    let refused = call(&next, &next.key, "GET", &format!("{PATH}/{id}?stream=true")).await;
    assert_eq!(refused.expect(400).json()["error"]["param"], "stream");
}
