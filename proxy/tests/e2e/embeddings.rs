//! Embeddings: both clients' forms at every kind of provider that makes vectors.

use super::support::answer::{answer, json};
use super::support::gateway::{Gateway, UPSTREAM_KEY};
use super::support::setups::{error_type, provider, two, with};
use super::support::stub::{Received, Stub};
use serde_json::{Value, json as object};

const OPENAI: &str = "/v1/embeddings";

/// Vectors in each provider's form: a text's length, and how many calls it took to tell them.
fn vectors(r: &Received) -> Vec<u8> {
    let body = r.json();
    let vector = |t: &Value| object!([t.as_str().unwrap().len(), 0.5]);
    let told = match r.target() {
        t if t.ends_with("/embeddings") || t.contains("/embeddings?") => {
            let texts = body["input"].as_array().unwrap();
            let data = texts.iter().enumerate();
            let data: Vec<_> = data
                .map(|(i, t)| object!({"object": "embedding", "index": i, "embedding": vector(t)}))
                .collect();
            object!({"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": 2 * texts.len(), "total_tokens": 2 * texts.len()}})
        }
        t if t.ends_with(":batchEmbedContents") => {
            let all = body["requests"].as_array().unwrap();
            let all: Vec<_> =
                all.iter().map(|r| object!({"values": vector(&r["content"]["parts"][0]["text"])})).collect();
            object!({"embeddings": all, "usageMetadata": {"promptTokenCount": 2 * all.len()}})
        }
        t if t.ends_with(":embedContent") => {
            object!({"embedding": {"values": vector(&body["content"]["parts"][0]["text"])}, "usageMetadata": {"promptTokenCount": 2}})
        }
        t if t.ends_with(":predict") => {
            let all = body["instances"].as_array().unwrap();
            let all: Vec<_> = all
                .iter()
                .map(|i| object!({"embeddings": {"values": vector(&i["content"]), "statistics": {"token_count": 2.0}}}))
                .collect();
            object!({"predictions": all})
        }
        t if t.contains("titan") => {
            object!({"embedding": vector(&body["inputText"]), "inputTextTokenCount": 2})
        }
        t if t.contains("cohere") => {
            let texts = body["texts"].as_array().unwrap();
            let all: Vec<_> = texts.iter().map(vector).collect();
            let tokens = (2 * texts.len()).to_string();
            let body =
                object!({"embeddings": {"float": all}, "response_type": "embeddings_by_type"}).to_string();
            let headers =
                [("content-type", "application/json"), ("x-amzn-bedrock-input-token-count", &*tokens)];
            return answer(200, &headers, body);
        }
        t => panic!("{t}"),
    };
    json(200, told.to_string())
}

/// Model `m` by a provider of a kind, under a name there.
fn setup(kind: &str, url: &str, served: &str) -> Value {
    let url = match kind {
        "gemini" => url.replace("/v1", "/v1beta"),
        "bedrock" | "azure-openai" => url.replace("/v1", ""),
        _ => url.to_owned(),
    };
    let mut p = provider("p", kind, &url);
    match kind {
        "vertex" => p["vertex"] = object!({"project": "x", "location": "global"}),
        "bedrock" => p["bedrock"] = object!({"region": "eu-west-1"}),
        _ => {}
    }
    object!({
        "providers": [p],
        "models": [{"name": "m", "routes": [{"provider": "p", "model": served}]}],
        "prices": {"models": {served: {"input": 1, "output": 0}}},
    })
}

/// A kind, the model there, the path that is asked, and in how many calls three texts are.
const BACKS: [(&str, &str, &str, usize); 9] = [
    ("openai", "e", "/v1/embeddings", 1),
    ("openai-compatible", "e", "/v1/embeddings", 1),
    ("azure-openai", "e", "/openai/v1/embeddings", 1),
    ("gemini", "gemini-embedding-001", "/v1beta/models/gemini-embedding-001:batchEmbedContents", 1),
    (
        "vertex",
        "text-embedding-005",
        "/v1/projects/x/locations/global/publishers/google/models/text-embedding-005:predict",
        1,
    ),
    (
        "vertex",
        "gemini-embedding-001",
        "/v1/projects/x/locations/global/publishers/google/models/gemini-embedding-001:predict",
        3,
    ),
    (
        "vertex",
        "gemini-embedding-2",
        "/v1/projects/x/locations/global/publishers/google/models/gemini-embedding-2:embedContent",
        3,
    ),
    ("bedrock", "amazon.titan-embed-text-v2:0", "/model/amazon.titan-embed-text-v2%3A0/invoke", 3),
    ("bedrock", "cohere.embed-v4:0", "/model/cohere.embed-v4%3A0/invoke", 1),
];

#[tokio::test]
async fn both_clients_at_every_kind() {
    for (kind, served, path, calls) in BACKS {
        let stub = Stub::answering(vectors).await;
        let gateway = Gateway::start(setup(kind, &stub.url(), served)).await;
        let got =
            gateway.post(OPENAI, r#"{"model":"m","input":["a","bb","ccc"],"encoding_format":"float"}"#).await;
        let body = got.expect(200).json();
        for (i, want) in [1, 2, 3].into_iter().enumerate() {
            assert_eq!(body["data"][i]["embedding"], object!([want, 0.5]), "{kind} {served}: {body}");
            assert_eq!(body["data"][i]["index"], i, "{kind} {served}");
        }
        assert_eq!(body["usage"]["prompt_tokens"], 6, "{kind} {served}: {body}");
        assert_eq!(stub.received().len(), calls, "{kind} {served}");
        for r in stub.received() {
            assert_eq!(r.target(), path, "{kind}");
            let text = format!("{:?}", r.head);
            assert!(text.contains(UPSTREAM_KEY) && !text.contains(&gateway.key), "{text}");
        }
        let call = gateway.logged(&got.id()).await;
        assert_eq!(
            (&call["surface"], &call["usage"]["input"]),
            (&object!("embeddings"), &object!(6)),
            "{kind} {call}"
        );
        assert_eq!(
            (&call["model_served"], &call["cost"]["nanos"]),
            (&object!(served), &object!(6000)),
            "{kind} {call}"
        );
        assert_eq!((&call["attempts"], &call["provider"]), (&object!(1), &object!("p")), "{call}");

        let many = object!({"requests": [{"model": "models/m", "content": {"parts": [{"text": "a"}]}}, {"model": "models/m", "content": {"parts": [{"text": "bb"}]}}]});
        let got = gateway.post("/v1beta/models/m:batchEmbedContents", many.to_string()).await;
        let body = got.expect(200).json();
        assert_eq!(
            body["embeddings"],
            object!([{"values": [1, 0.5]}, {"values": [2, 0.5]}]),
            "{kind} {served}"
        );
        let call = gateway.logged(&got.id()).await;
        assert_eq!(call["usage"]["input"], 4, "{kind} {served} {call}");
        let one = object!({"content": {"parts": [{"text": "dddd"}]}});
        let got = gateway.post("/v1beta/models/m:embedContent", one.to_string()).await;
        assert_eq!(got.expect(200).json()["embedding"]["values"], object!([4, 0.5]), "{kind} {served}");
    }
}

/// OpenAI's SDKs ask for base64 unless told otherwise.
#[tokio::test]
async fn base64_of_a_provider_that_has_none() {
    let stub = Stub::answering(vectors).await;
    let gateway = Gateway::start(setup("bedrock", &stub.url(), "amazon.titan-embed-text-v1")).await;
    let got = gateway.post(OPENAI, r#"{"model":"m","input":"a","encoding_format":"base64"}"#).await;
    // 1.0 and 0.5 as 32-bit floats, little endian.
    assert_eq!(got.expect(200).json()["data"][0]["embedding"], "AACAPwAAAD8=");
    assert_eq!(stub.only().json(), object!({"inputText": "a"}));
}

#[tokio::test]
async fn what_cannot_cross_is_named() {
    let stub = Stub::answering(vectors).await;
    let document = setup("bedrock", &stub.url(), "amazon.titan-embed-text-v1");
    let gateway = Gateway::start(document.clone()).await;
    for (body, field) in [
        (r#"{"model":"m","input":[1,2]}"#, "input"),
        (r#"{"model":"m","input":[]}"#, "input"),
        (r#"{"model":"m","input":"a","dimensions":256}"#, "dimensions"),
        (r#"{"model":"m","input":"a","truncate":"END"}"#, "truncate"),
        (r#"{"model":"m","input":"a","encoding_format":"hex"}"#, "encoding_format"),
    ] {
        let told = gateway.post(OPENAI, body).await.expect(400).json();
        error_type(OPENAI, &told);
        assert_eq!(told["error"]["param"], field, "{told}");
    }
    assert!(stub.received().is_empty());
    let got = gateway.post(OPENAI, r#"{"model":"m","input":"a","user":"u"}"#).await;
    assert_eq!(got.expect(200).head.get("x-sallyport-dropped"), Some("user"));
    let lossy = with(document, object!({"translation": {"lossy": "allow"}}));
    let gateway = Gateway::start(lossy).await;
    let got = gateway.post(OPENAI, r#"{"model":"m","input":"a","dimensions":256}"#).await;
    assert_eq!(got.expect(200).head.get("x-sallyport-dropped"), Some("dimensions"));
    gateway.post(OPENAI, r#"{"model":"m","input":[1,2]}"#).await.expect(400);
}

/// One of several calls fails: the next provider makes all of them, and the client sees one answer.
#[tokio::test]
async fn a_call_of_several_that_fails() {
    let failing = |status: u16| {
        move |r: &Received| match r.json()["inputText"].as_str() {
            Some("bb") => answer(
                status,
                &[("x-amzn-errortype", "ThrottlingException"), ("content-type", "application/json")],
                r#"{"message":"slow down"}"#,
            ),
            _ => vectors(r),
        }
    };
    let (first, second) = (Stub::answering(failing(429)).await, Stub::answering(vectors).await);
    let mut document = two("bedrock", &first.url().replace("/v1", ""), &second.url().replace("/v1", ""));
    for p in document["providers"].as_array_mut().unwrap() {
        p["bedrock"] = object!({"region": "eu-west-1"});
    }
    for r in document["models"][0]["routes"].as_array_mut().unwrap() {
        r["model"] = object!("amazon.titan-embed-text-v1");
    }
    let gateway = Gateway::start(document.clone()).await;
    let body = r#"{"model":"m","input":["a","bb","ccc"]}"#;
    let got = gateway.post(OPENAI, body).await;
    assert_eq!(got.expect(200).json()["data"][2]["embedding"], object!([3, 0.5]));
    let call = gateway.logged(&got.id()).await;
    assert_eq!(
        (&call["attempts"], &call["provider"], &call["usage"]["input"]),
        (&object!(2), &object!("second"), &object!(6)),
        "{call}"
    );

    // With nobody else to ask, the provider's own words in the client's dialect.
    let stub = Stub::answering(failing(400)).await;
    let gateway = Gateway::start(setup("bedrock", &stub.url(), "amazon.titan-embed-text-v1")).await;
    let told = gateway.post(OPENAI, body).await.expect(400).json();
    error_type(OPENAI, &told);
    assert_eq!(told["error"]["message"], "slow down");
}

/// An answer that is none, or that holds fewer vectors than texts, never reaches the client as one.
#[tokio::test]
async fn nonsense_of_a_provider() {
    for told in ["{}", "<html>", r#"{"predictions":[]}"#, r#"{"predictions":[{"embeddings":{}}]}"#] {
        let stub = Stub::answering(move |_| json(200, told)).await;
        let once = object!({"upstream": {"max_attempts": 1}});
        let gateway = Gateway::start(with(setup("vertex", &stub.url(), "text-embedding-005"), once)).await;
        let got = gateway.post(OPENAI, r#"{"model":"m","input":"a"}"#).await.expect(502).json();
        error_type(OPENAI, &got);
    }
}

/// A chat model makes no vectors: as if it did not exist.
#[tokio::test]
async fn a_model_that_makes_none() {
    let stub = Stub::answering(vectors).await;
    let gateway = Gateway::start(setup("bedrock", &stub.url(), "amazon.nova-lite-v1:0")).await;
    gateway.post(OPENAI, r#"{"model":"m","input":"a"}"#).await.expect(404);
    assert!(stub.received().is_empty());
}
