//! Calls whose provider says no usage, or not all of it: they are counted by an estimate, and the log, the metrics and
//! the admin API say so.

use super::support::answer::{json, sse, sse_head};
use super::support::client::request;
use super::support::gateway::Gateway;
use super::support::samples::{SAMPLES, price};
use super::support::setups::{anthropic, openai, provider, with};
use super::support::stub::{Received, Stub};
use serde_json::{Value, json as object};

const CHAT: &str = "/v1/chat/completions";
const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hello world"}]}"#;
const STREAM: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hello world"}]}"#;
const WHOLE: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"one two three"},"finish_reason":"stop"}]}"#;
const EVENTS: [&str; 4] = [
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"one two\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" three\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
];
/// `hello world`, the end of a string, and a turn; `one two three`.
const TOKENS: (u64, u64) = (2 + 1 + 4, 3);

fn compatible(url: &str) -> Value {
    object!({
        "providers": [provider("first", "openai-compatible", url)],
        "models": [{"name": "m", "routes": [{"provider": "first"}]}],
        "prices": {"models": {"m": price()}},
    })
}

fn silent(r: &Received) -> Vec<u8> {
    if r.json()["stream"] == true { sse(EVENTS) } else { json(200, WHOLE) }
}

#[track_caller]
fn counted(call: &Value) -> (u64, u64) {
    let n = |f| call["usage"][f].as_u64().unwrap_or_else(|| panic!("no {f}: {call}"));
    (n("input"), n("output"))
}

/// In the client's dialect and in another: JSON and stream.
#[tokio::test]
async fn a_server_that_never_says_usage() {
    let stub = Stub::answering(silent).await;
    let gateway = Gateway::start(compatible(&stub.url())).await;
    let mut calls = 0;
    for (path, asks) in [
        (CHAT, [ASK.to_owned(), STREAM.to_owned()]),
        ("/v1/messages", [ASK, STREAM].map(|a| a.replacen('{', "{\"max_tokens\":9,", 1))),
    ] {
        for ask in asks {
            let got = gateway.post(path, &ask).await;
            got.expect(200);
            let call = gateway.logged(&got.id()).await;
            assert_eq!(counted(&call), TOKENS, "{path} {ask}: {call}");
            assert_eq!(call["estimated"], true, "{call}");
            assert_eq!(call["cost"]["nanos"], TOKENS.0 * 1000 + TOKENS.1 * 10_000, "{call}");
            assert!(call["duration_us"].as_u64() >= call["ttft_us"].as_u64(), "{call}");
            calls += 1;
        }
    }
    let metrics = gateway.metrics().await;
    let nanos = calls * (TOKENS.0 * 1000 + TOKENS.1 * 10_000);
    for line in [
        format!(r#"sallyport_tokens_total{{kind="input",provider="first"}} {}"#, calls * TOKENS.0),
        format!(r#"sallyport_estimated_tokens_total{{kind="input",provider="first"}} {}"#, calls * TOKENS.0),
        format!(r#"sallyport_estimated_tokens_total{{kind="output",provider="first"}} {}"#, calls * TOKENS.1),
        format!(r#"sallyport_cost_nanodollars_total{{provider="first"}} {nanos}"#),
        format!(r#"sallyport_estimated_cost_nanodollars_total{{provider="first"}} {nanos}"#),
    ] {
        assert!(metrics.contains(&line), "no {line} in:\n{metrics}");
    }
}

#[tokio::test]
async fn what_is_said_is_not_estimated() {
    let said =
        WHOLE.replacen('{', r#"{"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11},"#, 1);
    let total = WHOLE.replacen('{', r#"{"usage":{"total_tokens":50},"#, 1);
    let answers = [(said, (5, 6), false), (total, (TOKENS.0, 50 - TOKENS.0), true)];
    for (answer, want, estimated) in answers {
        let stub = Stub::answering(move |_| json(200, &answer)).await;
        let gateway = Gateway::start(compatible(&stub.url())).await;
        let got = gateway.post(CHAT, ASK).await;
        let call = gateway.logged(&got.expect(200).id()).await;
        assert_eq!((counted(&call), &call["estimated"]), (want, &object!(estimated)), "{call}");
    }
}

/// A refusal costs nothing, whoever refuses.
#[tokio::test]
async fn a_refused_call_is_not_estimated() {
    let stub =
        Stub::answering(|_| json(400, r#"{"error":{"message":"no","type":"invalid_request_error"}}"#)).await;
    let gateway = Gateway::start(compatible(&stub.url())).await;
    for path in [CHAT, "/v1/messages"] {
        let ask = ASK.replacen('{', "{\"max_tokens\":9,", 1);
        let got = gateway.post(path, ask).await;
        let call = gateway.logged(&got.expect(400).id()).await;
        assert_eq!((&call["usage"], &call["estimated"]), (&Value::Null, &object!(false)), "{call}");
    }
}

/// A client that leaves, and an upstream that breaks off: what was delivered is counted.
#[tokio::test]
async fn a_stream_without_an_end() {
    const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":30,\"output_tokens\":1}}}\n\n";
    const BLOCK: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    let text = "lorem ipsum ".repeat(10);
    let delta = format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
    );
    let chunk = EVENTS[0].replace("one two", &text);
    let claude = [START, BLOCK, &delta];
    let gpt = [chunk.as_str()];
    for (setup, path, events, input) in [
        (openai as fn(&str) -> Value, CHAT, &gpt[..], TOKENS.0),
        (anthropic, "/v1/messages", &claude[..], 30),
        // Translated on the way.
        (anthropic, CHAT, &claude[..], 30),
    ] {
        for leaves in [true, false] {
            let mut stub = Stub::manual().await;
            let gateway =
                Gateway::start(with(setup(&stub.url()), object!({"prices": {"models": {"m": price()}}})))
                    .await;
            let ask = STREAM.replacen('{', "{\"max_tokens\":99,", 1);
            let mut client = gateway.client().await;
            let bearer = gateway.bearer();
            client.send(request("POST", path, &[("authorization", &bearer)], ask.as_bytes())).await;
            let mut call = stub.next().await;
            call.send(sse_head()).await;
            for event in events {
                call.chunk(event).await;
            }
            let id = client.head().await.id().to_owned();
            client.chunks_until(|t| t.contains("lorem")).await;
            if leaves {
                drop(client);
                call.closed().await;
            } else {
                call.cut();
                client.rest_of_chunks().await;
            }
            let logged = gateway.logged(&id).await;
            let (known, output) = counted(&logged);
            assert_eq!(known, input, "{path} {leaves}: {logged}");
            // By bytes: the words of such providers are not kept.
            assert_eq!(output, (text.len() as u64).div_ceil(4), "{path} {leaves}: {logged}");
            assert_eq!(
                (&logged["estimated"], &logged["cancelled"]),
                (&object!(true), &object!(leaves)),
                "{logged}"
            );
            assert!(logged["cost"]["nanos"].as_i64().unwrap() > 0, "{logged}");
        }
    }
}

/// What a translated upstream did not get to see is in the header and in the call log.
#[tokio::test]
async fn dropped_fields_are_logged() {
    let stub = Stub::answering(|_| json(200, SAMPLES[2].json)).await;
    let lossy = object!({"translation": {"lossy": "allow"}});
    let gateway = Gateway::start(with(anthropic(&stub.url()), lossy)).await;
    let ask = ASK.replacen('{', r#"{"max_tokens":9,"seed":7,"presence_penalty":0.5,"#, 1);
    let got = gateway.post(CHAT, ask).await;
    let header = got.expect(200).head.get("x-sallyport-dropped").unwrap_or_default().to_owned();
    let call = gateway.logged(&got.id()).await;
    let names: Vec<_> = call["dropped"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    assert!(names.contains(&"seed") && names.contains(&"presence_penalty"), "{call}");
    assert_eq!(names.join(", "), header);
    let plain = gateway.post(CHAT, ASK.replacen('{', r#"{"max_tokens":9,"#, 1)).await;
    assert_eq!(gateway.logged(&plain.expect(200).id()).await["dropped"], object!([]));
}
