//! Counts of tokens for models of every kind of provider: the provider's own count where it has one, else an estimate
//! that says that it is one.

use super::support::answer::json;
use super::support::client::Answer;
use super::support::gateway::Gateway;
use super::support::setups::{provider, with};
use super::support::stub::{Received, Stub};
use serde_json::{Value, json as object};

const ANTHROPIC: &str = "/v1/messages/count_tokens";

/// Provider, the model there, and the path of its count behind the provider's base.
const KINDS: [(&str, &str, &str); 8] = [
    ("anthropic", "claude-x", "/messages/count_tokens"),
    ("openai", "gpt-x", "/responses/input_tokens"),
    ("gemini", "gemini-x", "/models/gemini-x:countTokens"),
    ("vertex", "gemini-x", "/projects/pr/locations/eu/publishers/google/models/gemini-x:countTokens"),
    ("vertex", "claude-x", "/projects/pr/locations/eu/publishers/anthropic/models/count-tokens:rawPredict"),
    ("bedrock", "us.anthropic.claude-x-v1:0", "/model/anthropic.claude-x-v1%3A0/count-tokens"),
    ("azure-openai", "gpt-x", ""),
    ("openai-compatible", "llama", ""),
];

fn setup(url: &str) -> Value {
    let mut providers: Vec<Value> = Vec::new();
    let mut models: Vec<Value> = Vec::new();
    for (n, (kind, model, _)) in KINDS.iter().enumerate() {
        let mut p = provider(&format!("p{n}"), kind, &format!("{url}/p{n}"));
        match *kind {
            "vertex" => p["vertex"] = object!({"project": "pr", "location": "eu"}),
            "bedrock" => p["bedrock"] = object!({"region": "us-east-1"}),
            _ => {}
        }
        providers.push(p);
        models.push(
            object!({"name": format!("m{n}"), "routes": [{"provider": format!("p{n}"), "model": model}]}),
        );
    }
    object!({"providers": providers, "models": models})
}

fn counts(r: &Received) -> Vec<u8> {
    let target = r.target();
    if target.ends_with(":countTokens") {
        json(200, r#"{"totalTokens": 77}"#)
    } else if target.contains("/model/") {
        json(200, r#"{"inputTokens": 77}"#)
    } else {
        json(200, r#"{"input_tokens": 77}"#)
    }
}

fn estimated(got: &Answer) -> bool {
    got.head.get("x-sallyport-estimated") == Some("true")
}

fn anthropic_ask(model: &str) -> String {
    object!({"model": model, "system": "Be short.", "messages": [{"role": "user", "content": "hello world"}]})
        .to_string()
}

const GEMINI_ASK: &str = r#"{"contents":[{"role":"user","parts":[{"text":"hello world"}]}]}"#;

/// A count is never usage: Claude Code asks for 25 in a row.
#[tokio::test]
async fn at_every_kind_of_provider() {
    let stub = Stub::answering(counts).await;
    let gateway = Gateway::start(setup(&stub.url())).await;
    for (n, (kind, model, path)) in KINDS.iter().enumerate() {
        for (front, asked, field) in [
            (ANTHROPIC.to_owned(), anthropic_ask(&format!("m{n}")), "input_tokens"),
            (format!("/v1beta/models/m{n}:countTokens"), GEMINI_ASK.to_owned(), "totalTokens"),
        ] {
            let before = stub.received().len();
            let got = gateway.post(&front, &asked).await;
            let told = got.expect(200).json();
            let tokens = told[field].as_u64().unwrap_or_else(|| panic!("{kind} {model}: {told}"));
            assert_eq!(got.head.get("content-type"), Some("application/json"));
            let own = !path.is_empty();
            assert_eq!(estimated(&got), !own, "{kind} {model}");
            if own {
                assert_eq!(tokens, 77, "{kind} {model}");
                let sent = stub.received().pop().unwrap();
                let got = sent.target().split_once(&format!("/p{n}")).unwrap().1;
                assert_eq!(got, *path, "{front}");
                assert!(
                    sent.json().to_string().contains("hello world") || *kind == "bedrock",
                    "{:?}",
                    sent.json()
                );
            } else {
                assert!((2..40).contains(&tokens), "{kind} {model}: {tokens}");
                assert_eq!(stub.received().len(), before, "nobody was asked");
            }
            let call = gateway.logged(&got.id()).await;
            assert_eq!(
                (&call["surface"], &call["usage"]),
                (&object!("count_tokens"), &Value::Null),
                "{call}"
            );
            assert_eq!(
                (&call["provider"], &call["cost"]),
                (&object!(format!("p{n}")), &Value::Null),
                "{call}"
            );
            assert_eq!(call["attempts"], u8::from(own), "{call}");
        }
    }
    assert!(!gateway.metrics().await.contains("sallyport_tokens_total"));
}

/// Bedrock counts for some of its models only: that is no reason to leave a client without a count.
#[tokio::test]
async fn what_bedrock_does_not_count_is_estimated() {
    let stub = Stub::answering(|_| {
        json(400, r#"{"message":"The provided model doesn't support counting tokens."}"#)
    })
    .await;
    let gateway = Gateway::start(setup(&stub.url())).await;
    let got = gateway.post(ANTHROPIC, anthropic_ask("m5")).await;
    assert!(estimated(got.expect(200)) && got.json()["input_tokens"].as_u64().unwrap() > 2);
    let call = gateway.logged(&got.id()).await;
    assert_eq!((&call["status"], &call["error_code"]), (&object!(200), &Value::Null), "{call}");
    // A refusal of the request itself is told.
    let stub = Stub::answering(|_| json(400, r#"{"message":"messages.0: Field required"}"#)).await;
    let gateway = Gateway::start(setup(&stub.url())).await;
    let got = gateway.post(ANTHROPIC, anthropic_ask("m5")).await;
    assert_eq!(got.expect(400).json()["error"]["type"], "invalid_request_error");
}

/// What is no request is no count, in the client's own dialect.
#[tokio::test]
async fn a_bad_request_is_refused() {
    let gateway = Gateway::start(with(setup("http://127.0.0.1:9"), object!({}))).await;
    let got = gateway.post(ANTHROPIC, r#"{"model":"m7"}"#).await;
    let told = got.expect(400).json();
    assert_eq!(
        (&told["type"], &told["error"]["type"]),
        (&object!("error"), &object!("invalid_request_error")),
        "{told}"
    );
    let got = gateway.post("/v1beta/models/m7:countTokens", r#"{"contents":7}"#).await;
    assert_eq!(got.expect(400).json()["error"]["status"], "INVALID_ARGUMENT");
}
