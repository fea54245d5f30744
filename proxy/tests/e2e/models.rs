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
        // Names that are not in the files: `well_known_names`.
        "routing": {"prefixes": false},
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

/// Models without an entry, which a prefix serves: those that the price table names, of the providers that are there.
#[tokio::test]
async fn well_known_names() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(object!({
        "providers": [provider("openai", "openai", &stub.url()), provider("claude", "anthropic", &stub.url())],
        "models": [{"name": "gpt-4o", "enabled": false, "routes": [{"provider": "openai"}]}],
        "prices": {"models": {"gpt-mine": {"input": 1, "output": 1}}},
    }))
    .await;
    let key = gateway.new_key(&["--surfaces", "models", "--models", "gpt-*,claude-opus-*,gemini-*"]).await;
    let bearer = format!("Bearer {key}");
    let auth = [("authorization", bearer.as_str())];
    let list = gateway.get("/v1/models", &auth).await.expect(200).json();
    let got = ids(&list);
    for name in ["gpt-5", "gpt-mine", "claude-opus-4-5"] {
        assert!(got.contains(&name), "{name}: {got:?}");
    }
    let odd = |n: &&&str| !(n.starts_with("gpt-") || n.starts_with("claude-opus-")) || n.contains('*');
    assert_eq!(got.iter().find(odd), None, "not allowed to the key, or at no provider");
    assert!(!got.contains(&"gpt-4o"), "switched off");
    assert!(got.is_sorted());
    let headers = [("x-api-key", key.as_str()), ("anthropic-version", "2023-06-01")];
    let page = gateway.get("/v1/models?limit=1000", &headers).await.expect(200).json();
    assert_eq!(ids(&page), got);
    let gemini =
        gateway.get("/v1beta/models?pageSize=1000", &[("x-goog-api-key", &key)]).await.expect(200).json();
    let names = gemini["models"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|m| m["name"].as_str().unwrap().trim_start_matches("models/")).collect();
    assert_eq!(names, got);
    // One that is not known may be asked for, too.
    for (path, status) in [("gpt-5", 200), ("gpt-99", 200), ("gpt-4o", 404), ("o3", 404), ("gemini-9", 404)] {
        gateway.get(&format!("/v1/models/{path}"), &auth).await.expect(status);
    }
}
