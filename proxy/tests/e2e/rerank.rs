//! Rankings in Cohere's form.

use super::support::answer::{answer, json};
use super::support::gateway::Gateway;
use super::support::setups::{provider, two, with};
use super::support::stub::Stub;
use serde_json::{Value, json as object};

const ASK: &str = r#"{"model":"m","query":"old sea","documents":["new","the old sea"],"top_n":1}"#;
const TOLD: &str = r#"{"id":"x","results":[{"index":1,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1},"tokens":{"input_tokens":12}}}"#;

fn compatible(url: &str) -> Value {
    object!({
        "providers": [provider("p", "openai-compatible", url)],
        "models": [{"name": "m", "routes": [{"provider": "p"}]}, {"name": "alias", "routes": [{"provider": "p", "model": "real"}]}],
    })
}

fn bedrock(url: &str, served: &str) -> Value {
    let mut p = provider("p", "bedrock", &url.replace("/v1", ""));
    p["bedrock"] = object!({"region": "eu-central-1"});
    object!({"providers": [p], "models": [{"name": "m", "routes": [{"provider": "p", "model": served}]}]})
}

/// Cohere's errors have a message and an id, and nothing around them.
#[track_caller]
fn cohere_error(told: &Value) -> String {
    assert!(told["id"].is_string() && told.get("error").is_none(), "{told}");
    told["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn verbatim_where_the_server_has_it() {
    let stub = Stub::answering(|_| json(200, TOLD)).await;
    let gateway = Gateway::start(compatible(&stub.url())).await;
    for (n, path) in ["/v1/rerank", "/v2/rerank", "/rerank"].into_iter().enumerate() {
        let got = gateway.post(path, ASK).await;
        assert_eq!(got.expect(200).text(), TOLD, "{path}");
        let sent = &stub.received()[n];
        assert_eq!((sent.target(), &*sent.body), ("/v1/rerank", ASK.as_bytes()), "byte for byte");
        let call = gateway.logged(&got.id()).await;
        assert_eq!((&call["surface"], &call["usage"]["input"]), (&object!("rerank"), &object!(12)), "{call}");
        assert_eq!(call["usage"]["output"], 0, "{call}");
    }
    gateway.post("/v2/rerank", ASK.replace(r#""m""#, r#""alias""#)).await.expect(200);
    let sent = stub.received().pop().unwrap();
    assert_eq!(
        String::from_utf8(sent.body).unwrap(),
        ASK.replace(r#""m""#, r#""real""#),
        "the model is spliced"
    );
}

/// Servers that say `usage.total_tokens` only (vLLM, Jina): a ranking has no output.
#[tokio::test]
async fn tokens_of_other_servers() {
    let stub =
        Stub::answering(|_| json(200, r#"{"model":"m","results":[],"usage":{"total_tokens":7}}"#)).await;
    let gateway = Gateway::start(compatible(&stub.url())).await;
    let got = gateway.post("/v1/rerank", ASK).await;
    let call = gateway.logged(&got.expect(200).id()).await;
    assert_eq!((&call["usage"]["input"], &call["usage"]["output"]), (&object!(7), &object!(0)), "{call}");
}

#[tokio::test]
async fn by_bedrock() {
    let stub = Stub::answering(|_| {
        let headers = [("content-type", "application/json"), ("x-amzn-bedrock-input-token-count", "9")];
        answer(200, &headers, r#"{"results":[{"index":1,"relevance_score":0.75}]}"#)
    })
    .await;
    let gateway = Gateway::start(bedrock(&stub.url(), "cohere.rerank-v3-5:0")).await;
    let got = gateway.post("/v2/rerank", ASK).await;
    let told = got.expect(200).json();
    assert_eq!(told["results"], object!([{"index": 1, "relevance_score": 0.75}]));
    assert_eq!(told["meta"]["billed_units"]["search_units"], 1);
    let sent = stub.only();
    assert_eq!(sent.target(), "/model/cohere.rerank-v3-5%3A0/invoke");
    assert_eq!(
        sent.json(),
        object!({"query": "old sea", "documents": ["new", "the old sea"], "top_n": 1, "api_version": 2})
    );
    let call = gateway.logged(&got.id()).await;
    assert_eq!((&call["usage"]["input"], &call["provider"]), (&object!(9), &object!("p")), "{call}");
    let told = gateway.post("/v2/rerank", ASK.replace("top_n", "rank_fields")).await.expect(400).json();
    assert!(cohere_error(&told).contains("rank_fields"), "{told}");
}

/// LESSONS.md, Protocol: "Empty bodies on 401/403; OpenAI-shaped errors on Anthropic routes".
#[tokio::test]
async fn errors_in_coheres_words() {
    let stub = Stub::answering(|_| json(200, TOLD)).await;
    let gateway = Gateway::start(compatible(&stub.url())).await;
    let narrow = gateway.new_key(&["--surfaces", "chat,models", "--models", "*"]).await;
    let good = gateway.key.clone();
    for (method, key, body, status) in [
        ("POST", "sp-nonsense", ASK, 401),
        ("POST", &*narrow, ASK, 403),
        ("POST", &good, r#"{"model":"nothing","query":"q","documents":["a"]}"#, 404),
        ("POST", &good, r#"{"query":"q","documents":["a"]}"#, 400),
        ("POST", &good, "{", 400),
        ("GET", &good, "", 405),
    ] {
        for path in ["/v1/rerank", "/v2/rerank", "/rerank"] {
            let bearer = format!("Bearer {key}");
            let got = gateway
                .client()
                .await
                .call(method, path, &[("authorization", &bearer)], body.as_bytes())
                .await;
            cohere_error(&got.expect(status).json());
        }
    }
    assert!(stub.received().is_empty());
}

/// A provider's own error passes; one about our account does not; a busy one is left for the next.
#[tokio::test]
async fn a_providers_error() {
    let wrong = r#"{"id":"7","message":"invalid request: query must not be empty"}"#;
    let stub = Stub::answering(move |_| json(400, wrong)).await;
    let gateway = Gateway::start(compatible(&stub.url())).await;
    assert_eq!(gateway.post("/v2/rerank", ASK).await.expect(400).text(), wrong);
    let stub = Stub::answering(|_| json(401, r#"{"id":"7","message":"invalid api token"}"#)).await;
    let once = object!({"upstream": {"max_attempts": 1}});
    let gateway = Gateway::start(with(compatible(&stub.url()), once)).await;
    let told = gateway.post("/v2/rerank", ASK).await.expect(502).json();
    assert!(!cohere_error(&told).contains("token"), "{told}");
    let (first, second) = (
        Stub::answering(|_| json(429, r#"{"message":"slow"}"#)).await,
        Stub::answering(|_| json(200, TOLD)).await,
    );
    let gateway = Gateway::start(two("openai-compatible", &first.url(), &second.url())).await;
    assert_eq!(gateway.post("/v2/rerank", ASK).await.expect(200).text(), TOLD);
}
