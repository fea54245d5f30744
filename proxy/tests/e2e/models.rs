//! `/v1/models` in both shapes (each with all models: every conversation reaches every provider), and `/api/hello`.

use super::support::answer::json;
use super::support::client::request;
use super::support::gateway::Gateway;
use super::support::setups::{error_type, provider};
use super::support::stub::Stub;
use serde_json::{Value, json as object};

async fn gateway() -> (Stub, Gateway) {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let models = ["gpt-5", "claude-x", "org/model-1", "wild-*"];
    let routes = object!([{"provider": "openai"}, {"provider": "anthropic"}]);
    let mut off = object!({"name": "off", "routes": routes});
    off["enabled"] = false.into();
    let mut all: Vec<Value> = models.iter().map(|m| object!({"name": m, "routes": routes})).collect();
    for kind in ["openai", "anthropic"] {
        all.push(object!({"name": format!("only-{kind}"), "routes": [{"provider": kind}]}));
    }
    all.push(off);
    let gateway = Gateway::start(object!({
        "providers": [provider("openai", "openai", &stub.url()), provider("anthropic", "anthropic", &stub.url())],
        "models": all,
    }))
    .await;
    (stub, gateway)
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn openai_shape() {
    let (_stub, gateway) = gateway().await;
    let bearer = gateway.bearer();
    let auth = [("authorization", bearer.as_str())];
    let list = gateway.get("/v1/models", &auth).await.expect(200).json();
    assert_eq!(list["object"], "list");
    assert_eq!(
        ids(&list),
        ["claude-x", "gpt-5", "only-anthropic", "only-openai", "org/model-1"],
        "patterns and switched-off models are not listed; what another dialect's provider serves is"
    );
    for model in list["data"].as_array().unwrap() {
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
    }
    for path in ["/v1/models/gpt-5", "/v1/models/org%2Fmodel-1", "/v1/models/org/model-1"] {
        let one = gateway.get(path, &auth).await;
        assert_eq!(one.expect(200).json()["object"], "model", "{path}");
    }
    for path in ["/v1/models/off", "/v1/models/nothing", "/v1/models/only-openaix"] {
        let none = gateway.get(path, &auth).await;
        error_type("/v1/models", &none.expect(404).json());
    }
    gateway.get("/v1/models", &[]).await.expect(401);
}

#[tokio::test]
async fn anthropic_shape() {
    let (_stub, gateway) = gateway().await;
    let headers = [("x-api-key", gateway.key.as_str()), ("anthropic-version", "2023-06-01")];
    let list = gateway.get("/v1/models?limit=1000", &headers).await.expect(200).json();
    assert_eq!(ids(&list), ["claude-x", "gpt-5", "only-anthropic", "only-openai", "org/model-1"]);
    assert_eq!(list["has_more"], false);
    assert_eq!((&list["first_id"], &list["last_id"]), (&object!("claude-x"), &object!("org/model-1")));
    for model in list["data"].as_array().unwrap() {
        assert_eq!(model["type"], "model");
        assert!(model["display_name"].is_string() && model["created_at"].is_string(), "{model}");
    }
    let page = gateway.get("/v1/models?limit=2", &headers).await.expect(200).json();
    assert_eq!((ids(&page), &page["has_more"]), (vec!["claude-x", "gpt-5"], &object!(true)));
    let next = gateway.get("/v1/models?limit=3&after_id=gpt-5", &headers).await.expect(200).json();
    let rest = vec!["only-anthropic", "only-openai", "org/model-1"];
    assert_eq!((ids(&next), &next["has_more"]), (rest, &object!(false)));
    assert_eq!(gateway.get("/v1/models/claude-x", &headers).await.expect(200).json()["type"], "model");
    error_type("/v1/messages", &gateway.get("/v1/models/nothing", &headers).await.expect(404).json());
}

/// "Only models that the key may use".
#[tokio::test]
async fn only_what_the_key_may_use() {
    let (_stub, gateway) = gateway().await;
    let key = gateway.new_key(&["--surfaces", "models,chat", "--models", "gpt-*"]).await;
    let auth = [("api-key", key.as_str())];
    assert_eq!(ids(&gateway.get("/v1/models", &auth).await.expect(200).json()), ["gpt-5"]);
    gateway.get("/v1/models/gpt-5", &auth).await.expect(200);
    gateway.get("/v1/models/claude-x", &auth).await.expect(404);
    let other = gateway.make_key(&["--surfaces", "chat", "--models", "*"]).await;
    gateway.until_status(&other, |status| status != 401).await;
    gateway.get("/v1/models", &[("api-key", other.as_str())]).await.expect(403);
}

/// Lessons, Protocol: "Claude Code sends … `HEAD /api/hello`, 25 `count_tokens` in a row".
#[tokio::test]
async fn hello() {
    let (_stub, gateway) = gateway().await;
    let mut client = gateway.client().await;
    client.call("GET", "/api/hello", &[], b"").await.expect(200);
    client.send(request("HEAD", "/api/hello", &[], b"")).await;
    assert_eq!(client.head_answer().await.status(), 200);
    client.call("POST", "/api/hello", &[], b"").await.expect(405);
}
