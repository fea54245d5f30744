//! Every token counted once and priced at its own rate.

use super::support::answer::{json, sse};
use super::support::gateway::Gateway;
use super::support::samples::{SAMPLES, Sample, price};
use super::support::setups::{DIALECTS, anthropic, openai, with};
use super::support::stub::Stub;
use serde_json::{Value, json as object};

async fn gateway(sample: &'static Sample) -> (Stub, Gateway) {
    let stub = Stub::answering(move |r| match r.json()["stream"] == true {
        true => sse(sample.events),
        false => json(200, sample.json),
    })
    .await;
    let setup = if sample.kind == "anthropic" { anthropic(&stub.url()) } else { openai(&stub.url()) };
    let gateway = Gateway::start(with(setup, object!({"prices": {"models": {"m": price()}}}))).await;
    (stub, gateway)
}

fn check(call: &Value, sample: &Sample) {
    let counts = ["input", "cached_input", "cache_write", "cache_write_1h", "output", "reasoning"]
        .map(|name| call["usage"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {call}")));
    assert_eq!(counts, sample.usage, "{} {call}", sample.path);
    assert_eq!(call["cost"]["nanos"], sample.nanos, "{} {call}", sample.path);
    assert_eq!(call["status"], 200);
    assert_eq!(call["model_asked"], "m");
    assert_eq!(call["model_served"], "m");
    assert_eq!(call["provider"], "first");
    assert_eq!(call["client_ip"], "127.0.0.1");
    assert_eq!(call["attempts"], 1);
    assert!(call["error_source"].is_null() && call["cancelled"] == false, "{call}");
    assert!(call["ttft_us"].as_u64().unwrap() <= call["duration_us"].as_u64().unwrap(), "{call}");
}

/// Lessons, Metering: "Anthropic streams counted with 0 input tokens; OpenAI only if the client asked"; "Cached tokens
/// billed at full price or twice; reasoning tokens missed".
#[tokio::test]
async fn every_kind_of_token_in_every_dialect() {
    for (dialect, sample) in DIALECTS.iter().zip(&SAMPLES) {
        let (_stub, gateway) = gateway(sample).await;
        let whole = gateway.post_with(dialect.path, &[("user-agent", "tests/1.0")], dialect.body).await;
        let call = gateway.logged(&whole.expect(200).id()).await;
        check(&call, sample);
        assert_eq!(call["streamed"], false);
        assert_eq!(call["user_agent"], "tests/1.0");
        assert_eq!(call["bytes_in"], dialect.body.len());
        assert_eq!(call["bytes_out"], sample.json.len());
        assert_eq!(call["key_prefix"], gateway.key[..call["key_prefix"].as_str().unwrap().len()]);
        let stream = gateway.post(dialect.path, dialect.stream).await;
        let call = gateway.logged(&stream.expect(200).id()).await;
        check(&call, sample);
        assert_eq!(call["streamed"], true);
        assert_eq!(call["bytes_out"], sample.events.concat().len());
    }
}

/// Principle 4: usage is asked for when the client did not, and the extra chunk is taken out again; nothing else of
/// the stream changes, and nothing else of the request.
#[tokio::test]
async fn include_usage_is_added_and_its_chunk_removed() {
    let sample = &SAMPLES[0];
    let (stub, gateway) = gateway(sample).await;
    let asks = [
        r#"{ "model":"m", "stream":true, "messages":[{"role":"user","content":"\u0041"}] }"#,
        r#"{"stream_options":{},"messages":[],"stream":true,"model":"m"}"#,
        r#"{"stream_options":null,"messages":[],"stream":true,"model":"m"}"#,
        r#"{"model":"m","stream":true,"stream_options": {"include_usage" : false, "include_obfuscation":false}}"#,
    ];
    let usage_chunk = sample.events[3];
    let want = sample.events.concat().replace(usage_chunk, "");
    for ask in asks {
        let answer = gateway.post("/v1/chat/completions", ask).await;
        assert_eq!(answer.expect(200).text(), want, "{ask}");
        let sent = stub.received().pop().unwrap();
        let mut got = sent.json();
        assert_eq!(got["stream_options"]["include_usage"], true, "{ask}");
        let mut asked: Value = serde_json::from_str(ask).unwrap();
        if asked["stream_options"]["include_obfuscation"].is_boolean() {
            assert_eq!(got["stream_options"]["include_obfuscation"], false);
        }
        for body in [&mut got, &mut asked] {
            body.as_object_mut().unwrap().remove("stream_options");
        }
        assert_eq!(got, asked, "nothing else of the request changes");
        check(&gateway.logged(&answer.id()).await, sample);
    }
    // The bytes around the splice stay as they are, escapes and spaces included.
    let sent = String::from_utf8(stub.received()[0].body.clone()).unwrap();
    assert!(sent.contains(r#""messages":[{"role":"user","content":"\u0041"}]"#), "{sent}");
    // A call that is not a stream has no stream_options: providers refuse them there.
    gateway.post("/v1/chat/completions", r#"{"model":"m","stream":false}"#).await.expect(200);
    assert_eq!(stub.received().pop().unwrap().body, br#"{"model":"m","stream":false}"#);
}

/// Whoever asked for usage gets its chunk, byte by byte.
#[tokio::test]
async fn usage_that_was_asked_for_stays() {
    let sample = &SAMPLES[0];
    let (stub, gateway) = gateway(sample).await;
    let answer = gateway.post("/v1/chat/completions", DIALECTS[0].stream).await;
    assert_eq!(answer.expect(200).text(), sample.events.concat());
    assert_eq!(stub.only().body, DIALECTS[0].stream.as_bytes());
}

/// A model without a price is logged without a cost: not as free.
#[tokio::test]
async fn no_price_is_no_cost() {
    let stub = Stub::answering(|_| json(200, SAMPLES[0].json)).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let answer = gateway.post(DIALECTS[0].path, DIALECTS[0].body).await;
    let call = gateway.logged(&answer.id()).await;
    assert_eq!(call["usage"]["input"], 100);
    assert!(call["cost"].is_null(), "{call}");
}

/// The price is that of the model that served, whatever the client's name for it.
#[tokio::test]
async fn an_alias_costs_what_its_model_costs() {
    let stub = Stub::answering(|_| json(200, SAMPLES[0].json)).await;
    let prices = object!({"prices": {"models": {"the-real-one": price()}}});
    let gateway = Gateway::start(with(openai(&stub.url()), prices)).await;
    let answer = gateway.post(DIALECTS[0].path, r#"{"model":"alias"}"#).await;
    let call = gateway.logged(&answer.id()).await;
    assert_eq!(call["cost"]["nanos"], SAMPLES[0].nanos, "{call}");
    assert_eq!((&call["model_asked"], &call["model_served"]), (&object!("alias"), &object!("the-real-one")));
}

/// Embeddings have prompt tokens only.
#[tokio::test]
async fn embeddings() {
    let body = r#"{"object":"list","data":[],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    let stub = Stub::answering(move |_| json(200, body)).await;
    let prices = object!({"prices": {"models": {"m": price()}}});
    let gateway = Gateway::start(with(openai(&stub.url()), prices)).await;
    let answer = gateway.post("/v1/embeddings", r#"{"model":"m","input":"x"}"#).await;
    let call = gateway.logged(&answer.id()).await;
    assert_eq!((&call["usage"]["input"], &call["cost"]["nanos"]), (&object!(8), &object!(8000)), "{call}");
    assert_eq!(call["surface"], "embeddings");
}
