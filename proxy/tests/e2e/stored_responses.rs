//! Responses that a provider keeps: they belong to whoever made them, and live where they were made.

use super::support::answer::json;
use super::support::client::Client;
use super::support::gateway::Gateway;
use super::support::setups::{error_type, provider};
use super::support::stub::{Received, Stub};
use super::support::wait::until;
use serde_json::json as object;

/// An upstream whose responses are called `resp_<name>_<n>`.
async fn upstream(name: &'static str) -> Stub {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Stub::answering(move |r: &Received| match r.head.line.split(' ').next() {
        Some("POST") if r.target() == "/v1/responses" => {
            let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let id = format!("resp_{name}_{n}");
            if r.json()["stream"] == true {
                let event = format!("event: response.created\ndata: {{\"type\":\"response.created\",\"response\":{{\"id\":\"{id}\"}}}}\n\n");
                let end = format!("event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{{\"id\":\"{id}\",\"usage\":null}}}}\n\n");
                return super::support::answer::sse([event, end]);
            }
            json(200, format!(r#"{{"id":"{id}","object":"response","status":"completed"}}"#))
        }
        _ => json(200, format!(r#"{{"from":"{name}","line":"{}"}}"#, r.head.line)),
    })
    .await
}

async fn gateway(a: &Stub, b: &Stub) -> Gateway {
    Gateway::start(object!({
        "providers": [provider("a", "openai", &a.url()), provider("b", "openai", &b.url())],
        "models": [
            {"name": "at-a", "routes": [{"provider": "a", "model": "m"}]},
            {"name": "at-b", "routes": [{"provider": "b", "model": "m"}]},
            {"name": "anywhere", "routes": [{"provider": "a", "model": "m"}, {"provider": "b", "model": "m"}]},
        ],
    }))
    .await
}

async fn make(gateway: &Gateway, key: &str, body: &str) -> String {
    let answer = Client::connect(gateway.port)
        .await
        .call("POST", "/v1/responses", &[("api-key", key)], body.as_bytes())
        .await;
    let text = answer.expect(200).text();
    let at = text.find("resp_").unwrap();
    text[at..].split('"').next().unwrap().to_owned()
}

/// The calls that name a stored response.
fn calls(id: &str) -> Vec<(&'static str, String, String)> {
    vec![
        ("GET", format!("/v1/responses/{id}"), String::new()),
        ("GET", format!("/v1/responses/{id}?include=a&stream=false"), String::new()),
        ("GET", format!("/v1/responses/{id}/input_items?limit=3"), String::new()),
        ("POST", format!("/v1/responses/{id}/cancel"), String::new()),
        (
            "POST",
            "/v1/responses".into(),
            format!(r#"{{"model":"anywhere","previous_response_id":"{id}","input":"x"}}"#),
        ),
        ("DELETE", format!("/v1/responses/{id}"), String::new()),
    ]
}

async fn call(
    gateway: &Gateway,
    key: &str,
    (method, path, body): &(&str, String, String),
) -> super::support::client::Answer {
    Client::connect(gateway.port)
        .await
        .call(method, path, &[("authorization", &format!("Bearer {key}"))], body.as_bytes())
        .await
}

/// Also of JSON and streamed answers, at once after they were made.
#[tokio::test]
async fn the_owner_reaches_the_provider_that_made_it() {
    let (a, b) = (upstream("a").await, upstream("b").await);
    let gateway = gateway(&a, &b).await;
    for (model, home, other) in [("at-b", &b, &a), ("at-a", &a, &b)] {
        for stream in [false, true] {
            let body = format!(r#"{{"model":"{model}","input":"x","stream":{stream}}}"#);
            let id = make(&gateway, &gateway.key, &body).await;
            for step in calls(&id) {
                let (before, elsewhere) = (home.received().len(), other.received().len());
                let answer = call(&gateway, &gateway.key, &step).await;
                assert_eq!(answer.status(), 200, "{step:?}: {}", answer.text());
                assert_eq!(home.received().len(), before + 1, "{step:?} went to the wrong provider");
                assert_eq!(other.received().len(), elsewhere, "{step:?}");
                let got = home.received().pop().unwrap();
                assert_eq!(got.target(), step.1, "path and query pass");
                assert_eq!(got.head.line.split(' ').next(), Some(step.0));
            }
        }
    }
}

/// Nobody else can read, cancel, delete or continue it: as if it did not exist, whatever the key may do.
#[tokio::test]
async fn others_do_not_find_it() {
    let (a, b) = (upstream("a").await, upstream("b").await);
    let gateway = gateway(&a, &b).await;
    let other = gateway.new_key(&["--surfaces", "*", "--models", "*"]).await;
    let id = make(&gateway, &gateway.key, r#"{"model":"at-a","input":"x"}"#).await;
    let before = a.received().len() + b.received().len();
    let mut texts = std::collections::BTreeSet::new();
    for id in [id.as_str(), "resp_nobody_knows"] {
        for step in calls(id) {
            let answer = call(&gateway, &other, &step).await;
            // In a body it is a parameter: 400, as OpenAI answers.
            let in_body = step.1 == "/v1/responses";
            assert_eq!(answer.status(), if in_body { 400 } else { 404 }, "{step:?}: {}", answer.text());
            error_type("/v1/responses", &answer.json());
            if in_body {
                assert_eq!(answer.json()["error"]["code"], "previous_response_not_found");
            }
            texts.insert(answer.text().replace(id, "ID"));
        }
    }
    assert!(texts.len() <= 2, "what exists must look like what does not: {texts:?}");
    for step in calls(&id) {
        let answer = call(&gateway, "sp-nobody", &step).await;
        assert_eq!(answer.status(), 401, "{step:?}");
    }
    assert_eq!(a.received().len() + b.received().len(), before, "a call that was refused reached a provider");
}

/// Keys of one team share; a key without the surface has no business here.
#[tokio::test]
async fn a_team_shares() {
    let (a, b) = (upstream("a").await, upstream("b").await);
    let gateway = gateway(&a, &b).await;
    let team = gateway.database.as_ref().unwrap().team(&["*"], &["*"]).await;
    let all = ["--team", &team.id, "--surfaces", "*", "--models", "*"];
    let (one, two) = (gateway.new_key(&all).await, gateway.new_key(&all).await);
    let id = make(&gateway, &one, r#"{"model":"at-b","input":"x"}"#).await;
    let read = calls(&id).remove(0);
    assert_eq!(call(&gateway, &two, &read).await.status(), 200);
    let chat = gateway.new_key(&["--team", &team.id, "--surfaces", "chat,models", "--models", "*"]).await;
    assert_eq!(call(&gateway, &chat, &read).await.status(), 403);
}

/// Another instance on the same database, and the same one after a restart, know whose it is.
#[tokio::test]
async fn other_instances_know_it() {
    use super::support::gateway::Setup;
    let (a, b) = (upstream("a").await, upstream("b").await);
    let one = gateway(&a, &b).await;
    let overlay = object!({
        "providers": [provider("a", "openai", &a.url()), provider("b", "openai", &b.url())],
        "models": [{"name": "at-b", "routes": [{"provider": "b", "model": "m"}]}],
    });
    let two = Setup::new(overlay).on(one.database.as_ref().unwrap()).start().await;
    let key = one.key.clone();
    two.until_status(&key, |status| status == 200).await;
    let id = make(&one, &key, r#"{"model":"at-b","input":"x"}"#).await;
    let read = calls(&id).remove(0);
    let (two, key, read) = (&two, key.as_str(), &read);
    until("the other instance to know the response", || async move {
        (call(two, key, read).await.status() == 200).then_some(())
    })
    .await;
    assert!(a.received().is_empty());
    let stranger = call(two, &two.key, read).await;
    stranger.expect(404);
}
