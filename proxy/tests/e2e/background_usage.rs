//! Tokens of responses that OpenAI makes in the background: counted once, whoever learns of their end.

use super::support::answer::{json, sse};
use super::support::client::Client;
use super::support::gateway::{Gateway, Setup, UPSTREAM_KEY};
use super::support::setups::{provider, with};
use super::support::stub::{Received, Stub};
use super::support::wait::until;
use sallyport_benches::sim::{Sim, SimOptions};
use sallyport_schema::testing::TestPg;
use serde_json::{Value, json as object};
use std::sync::{Arc, Mutex};

const PATH: &str = "/v1/responses";
const ID: &str = "resp_0123abcd";

fn response(status: &str, usage: Option<(u64, u64)>) -> Value {
    object!({
        "id": ID, "object": "response", "status": status, "background": true, "store": true, "model": "m",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Four words of it."}]}],
        "usage": usage.map(|(i, o)| object!({"input_tokens": i, "output_tokens": o, "total_tokens": i + o})),
    })
}

/// An upstream whose one response stands as the test says; None: it is gone.
struct Upstream {
    stub: Stub,
    now: Arc<Mutex<Option<Value>>>,
}

impl Upstream {
    async fn start() -> Self {
        let now = Arc::new(Mutex::new(Some(response("in_progress", None))));
        let state = now.clone();
        let stub = Stub::answering(move |r: &Received| {
            let mut state = state.lock().unwrap();
            let line = r.head.line.clone();
            let stands = match line.split(' ').next() {
                Some("DELETE") => {
                    *state = None;
                    return json(200, object!({"id": ID, "object": "response", "deleted": true}).to_string());
                }
                Some("POST") if r.target() == PATH && r.json()["stream"] == true => {
                    let queued = object!({"type": "response.created", "sequence_number": 0,
                        "response": response("queued", None)});
                    return sse([format!("event: response.created\ndata: {queued}\n\n")]);
                }
                Some("POST") if r.target() == PATH => Some(response("queued", None)),
                Some("POST") => {
                    *state = Some(response("cancelled", Some((100, 3))));
                    state.clone()
                }
                _ => state.clone(),
            };
            match stands {
                Some(object) => json(200, object.to_string()),
                None => {
                    json(404, r#"{"error":{"message":"Response not found.","type":"invalid_request_error"}}"#)
                }
            }
        })
        .await;
        Self { stub, now }
    }

    fn ends(&self, object: Option<Value>) {
        *self.now.lock().unwrap() = object;
    }

    fn config(&self, ask_every: &str) -> Value {
        let all = object!({
            "providers": [provider("openai", "openai", &self.stub.url())],
            "models": [{"name": "gpt", "routes": [{"provider": "openai", "model": "gpt-5-mini"}]}],
        });
        with(all, object!({"responses": {"background": {"ask_every": ask_every}}}))
    }
}

/// Orders one; the id of the call.
async fn order(gateway: &Gateway, body: Value) -> String {
    let body = with(object!({"model": "gpt", "input": "Think long.", "background": true}), body);
    let answer = gateway.post(PATH, body.to_string()).await;
    answer.expect(200);
    answer.head.get("x-sallyport-request-id").unwrap().to_owned()
}

async fn call(gateway: &Gateway, key: &str, method: &str, path: &str) -> u16 {
    let bearer = format!("Bearer {key}");
    let answer =
        Client::connect(gateway.port).await.call(method, path, &[("authorization", &bearer)], b"").await;
    answer.status()
}

async fn follow_ups(gateway: &Gateway, first: &str) -> Vec<Value> {
    let page = gateway.admin("/api/calls?limit=1000").await.expect(200).json();
    page["calls"].as_array().unwrap().iter().filter(|c| c["follows"] == first).cloned().collect()
}

async fn counted(gateway: &Gateway, first: &str) -> Value {
    until("the count to be completed", || async move { follow_ups(gateway, first).await.pop() }).await
}

async fn awaited(gateway: &Gateway) -> String {
    let database = gateway.database.clone().unwrap();
    TestPg::value(database.url(), "SELECT count(*)::text FROM awaited_responses").await
}

async fn noted(gateway: &Gateway) {
    until("the response to be awaited", || async { (awaited(gateway).await == "1").then_some(()) }).await;
}

/// Output tokens by the metrics.
async fn output(gateway: &Gateway) -> u64 {
    let name = "sallyport_tokens_total{kind=\"output\",provider=\"openai\"} ";
    let text = gateway.metrics().await;
    text.lines().find_map(|l| l.strip_prefix(name)).map_or(0, |n| n.parse().unwrap())
}

#[tokio::test]
async fn a_client_that_never_asks_is_counted() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(upstream.config("50ms")).await;
    let first = order(&gateway, object!({})).await;
    noted(&gateway).await;
    upstream.ends(Some(response("completed", Some((1000, 50)))));
    let end = counted(&gateway, &first).await;
    assert_eq!((&end["usage"]["input"], &end["usage"]["output"]), (&object!(1000), &object!(50)), "{end}");
    let call = gateway.logged(&first).await;
    for field in ["key_id", "model_asked", "model_served", "provider", "object_id", "started_at", "surface"] {
        assert_eq!(end[field], call[field], "{field}");
    }
    assert_eq!(
        (&call["usage"], &call["follows"], &end["estimated"]),
        (&Value::Null, &Value::Null, &object!(false))
    );
    // gpt-5-mini: $0.25 and $2 a million
    assert_eq!(end["cost"]["nanos"], 1000 * 250 + 50 * 2000, "{end}");
    assert_eq!((awaited(&gateway).await.as_str(), output(&gateway).await), ("0", 50));
    let asked = upstream.stub.received().pop().unwrap();
    assert_eq!(asked.head.get("authorization"), Some("Bearer sk-upstream-secret"));
}

/// What clients see is counted without a question, and only once.
#[tokio::test]
async fn a_client_that_asks_twice_is_counted_once() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(upstream.config("1h")).await;
    let database = gateway.database.clone().unwrap();
    let other = Setup::new(upstream.config("1h")).on(&database).start().await;
    let first = order(&gateway, object!({})).await;
    noted(&gateway).await;
    other.until_status(&gateway.key, |status| status == 200).await;
    upstream.ends(Some(response("completed", Some((1000, 50)))));
    let path = format!("{PATH}/{ID}");
    for at in [&gateway, &other, &gateway, &other] {
        assert_eq!(call(at, &gateway.key, "GET", &path).await, 200);
    }
    counted(&gateway, &first).await;
    assert_eq!(call(&gateway, &gateway.key, "GET", &path).await, 200);
    assert_eq!(call(&gateway, &gateway.key, "DELETE", &path).await, 200);
    until("the call to be in the log", || async {
        let page = gateway.admin("/api/calls?limit=1000").await.expect(200).json();
        let about_it = |c: &&Value| c["model_asked"].is_null() && !c["provider"].is_null();
        (page["calls"].as_array().unwrap().iter().filter(about_it).count() == 6).then_some(())
    })
    .await;
    assert_eq!(follow_ups(&gateway, &first).await.len(), 1);
    assert_eq!(output(&gateway).await + output(&other).await, 50);
}

#[tokio::test]
async fn the_next_instance_takes_over() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(upstream.config("50ms")).await;
    let first = order(&gateway, object!({})).await;
    noted(&gateway).await;
    let (_, database) = gateway.crash();
    let database = database.unwrap();
    upstream.ends(Some(response("incomplete", Some((9, 8)))));
    let next = Setup::new(upstream.config("50ms")).on(&database).start().await;
    let also = Setup::new(upstream.config("50ms")).on(&database).start().await;
    let end = counted(&next, &first).await;
    assert_eq!(end["usage"]["output"], 8, "{end}");
    until("it to be struck off", || async { (awaited(&next).await == "0").then_some(()) }).await;
    assert_eq!(follow_ups(&next, &first).await.len(), 1);
    assert_eq!(output(&next).await + output(&also).await, 8);
}

#[tokio::test]
async fn what_was_made_until_it_was_cancelled_is_counted() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(upstream.config("1h")).await;
    let first = order(&gateway, object!({})).await;
    noted(&gateway).await;
    assert_eq!(call(&gateway, &gateway.key, "POST", &format!("{PATH}/{ID}/cancel")).await, 200);
    let end = counted(&gateway, &first).await;
    assert_eq!(
        (&end["usage"]["output"], &end["error_code"]),
        (&object!(3), &object!("response_cancelled")),
        "{end}"
    );
}

/// OpenAI keeps some for ten minutes only; others are deleted.
#[tokio::test]
async fn one_that_is_gone_is_estimated() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(upstream.config("50ms")).await;
    let first = order(&gateway, object!({})).await;
    noted(&gateway).await;
    assert_eq!(call(&gateway, &gateway.key, "DELETE", &format!("{PATH}/{ID}")).await, 200);
    let end = counted(&gateway, &first).await;
    assert_eq!(
        (&end["estimated"], &end["error_code"]),
        (&object!(true), &object!("response_deleted")),
        "{end}"
    );
    assert!(end["usage"]["input"].as_u64().unwrap() > 0, "{end}");
}

#[tokio::test]
async fn a_client_cannot_delete_what_was_not_counted() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(upstream.config("1h")).await;
    let first = order(&gateway, object!({})).await;
    noted(&gateway).await;
    upstream.ends(Some(response("completed", Some((1000, 50)))));
    assert_eq!(call(&gateway, &gateway.key, "DELETE", &format!("{PATH}/{ID}")).await, 200);
    assert_eq!(counted(&gateway, &first).await["usage"]["output"], 50);
}

/// Its provider goes on although the stream has ended.
#[tokio::test]
async fn a_stream_that_ends_early_is_counted_to_its_end() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(upstream.config("50ms")).await;
    let first = order(&gateway, object!({"stream": true})).await;
    noted(&gateway).await;
    upstream.ends(Some(response("completed", None)));
    // A provider that never tells: the words are estimated.
    let end = counted(&gateway, &first).await;
    assert_eq!((&end["estimated"], &end["error_code"]), (&object!(true), &Value::Null), "{end}");
    assert!((4..9).contains(&end["usage"]["output"].as_u64().unwrap()), "{end}");
}

/// The simulator speaks OpenAI's API in full.
#[tokio::test]
async fn what_the_simulator_makes_is_counted() {
    let options = SimOptions { auth: Some(UPSTREAM_KEY.to_owned()), ..SimOptions::default() };
    let sim = Sim::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap();
    let url = format!("http://{}/v1", sim.addr().unwrap());
    let running = tokio::spawn(sim.run());
    let gateway = Gateway::start(object!({
        "providers": [provider("openai", "openai", &url)],
        "models": [{"name": "gpt", "routes": [{"provider": "openai", "model": "gpt-sim;tokens=7;gap=30"}]}],
        "responses": {"background": {"ask_every": "50ms"}},
    }))
    .await;
    let first = order(&gateway, object!({})).await;
    let end = counted(&gateway, &first).await;
    assert_eq!((&end["usage"]["output"], &end["estimated"]), (&object!(7), &object!(false)), "{end}");
    // A client that stays to the end of a stream has been told the tokens: there is nothing to ask for.
    let streamed = order(&gateway, object!({"stream": true})).await;
    let call = gateway.logged(&streamed).await;
    assert_eq!(call["usage"]["output"], 7, "{call}");
    assert_eq!((awaited(&gateway).await.as_str(), follow_ups(&gateway, &streamed).await.len()), ("0", 0));
    assert_eq!(output(&gateway).await, 14);
    running.abort();
}
