//! Connections of clients: kept after every kind of answer, ended when nothing comes.

use super::support::answer::{json, sse};
use super::support::client::{Client, request};
use super::support::gateway::Gateway;
use super::support::samples::SAMPLES;
use super::support::setups::{DIALECTS, error_type, openai, with};
use super::support::stub::Stub;
use serde_json::json as object;

const PATH: &str = "/v1/chat/completions";

/// Keep-alive after 200, a stream, 400, 401, 403, 404, 405, 413 with its body read, and an upstream's error.
#[tokio::test]
async fn kept_after_every_answer() {
    let stub = Stub::answering(|r| match r.json()["say"].as_str() {
        Some("sse") => sse(SAMPLES[0].events),
        Some("400") => {
            json(400, r#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}"#)
        }
        Some("500") => json(500, "{}"),
        _ => json(200, "{}"),
    })
    .await;
    let setup = with(
        openai(&stub.url()),
        object!({"server": {"max_body": "64KiB"}, "upstream": {"max_attempts": 1}}),
    );
    let gateway = Gateway::start(setup).await;
    let narrow = gateway.new_key(&["--surfaces", "models,messages", "--models", "*"]).await;
    let mut client = gateway.client().await;
    let (good, narrow) = (gateway.bearer(), format!("Bearer {narrow}"));
    let big = format!(r#"{{"model":"m","x":"{}"}}"#, "x".repeat(70 << 10));
    let body = r#"{"model":"m"}"#;
    let steps: [(u16, &str, &str, &str, &str); 11] = [
        (200, "POST", PATH, &good, body),
        (200, "POST", PATH, &good, r#"{"model":"m","say":"sse","stream":true}"#),
        (400, "POST", PATH, &good, r#"{"model":"m","say":"400"}"#),
        (401, "POST", PATH, "Bearer nobody", body),
        (403, "POST", PATH, &narrow, body),
        (404, "POST", "/v1/nothing", &good, body),
        (405, "PUT", PATH, &good, body),
        (404, "POST", PATH, &good, r#"{"model":"unknown"}"#),
        (0, "POST", PATH, &good, r#"{"model":"m","say":"500"}"#),
        (200, "GET", "/v1/models", &good, ""),
        (200, "GET", "/health/live", &good, ""),
    ];
    for (want, method, path, key, body) in steps {
        let answer = client.call(method, path, &[("authorization", key)], body.as_bytes()).await;
        if want == 0 {
            assert!(answer.status() >= 500, "{body}: {:?}", answer.head);
        } else {
            assert_eq!(answer.status(), want, "{method} {path} {body}: {}", answer.text());
        }
        assert!(
            answer.head.get("connection").is_none_or(|v| v != "close"),
            "{path} {body}: {:?}",
            answer.head
        );
        client.call("POST", PATH, &[("authorization", &good)], br#"{"model":"m"}"#).await.expect(200);
    }
    // 413: the connection may be kept only if the body was read; either way the answer arrives whole.
    let answer = client.call("POST", PATH, &[("authorization", &good)], big.as_bytes()).await;
    answer.expect(413);
    if answer.head.get("connection").is_none_or(|v| v != "close") {
        client.call("POST", PATH, &[("authorization", &good)], br#"{"model":"m"}"#).await.expect(200);
    } else {
        assert!(client.closed().await);
    }
}

/// HEAD has no body, so the next answer begins right behind it.
#[tokio::test]
async fn kept_after_head() {
    let gateway = Gateway::start(openai("http://127.0.0.1:9/v1")).await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        client.send(request("HEAD", "/api/hello", &[], b"")).await;
        assert_eq!(client.head_answer().await.status(), 200);
    }
    client.call("GET", "/api/hello", &[], b"").await.expect(200);
}

/// Requests written at once are answered in order; a server may close instead of taking more than one, but must never
/// mix them up or answer half of one.
#[tokio::test]
async fn pipelined_requests() {
    let stub = Stub::answering(|r| json(200, r.json()["n"].to_string())).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let bearer = gateway.bearer();
    let one = |n: u8| {
        request("POST", PATH, &[("authorization", &bearer)], format!(r#"{{"model":"m","n":{n}}}"#).as_bytes())
    };
    let mut client = gateway.client().await;
    client.send([one(1), one(2), one(3)].concat()).await;
    assert_eq!(client.answer().await.expect(200).text(), "1");
    for n in 2..=3 {
        match client.try_answer().await {
            Some(answer) => assert_eq!(answer.expect(200).text(), n.to_string()),
            None => break,
        }
    }
}

/// A client that asks for the connection to be closed gets its whole answer, then the end.
#[tokio::test]
async fn closed_when_asked() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let bearer = gateway.bearer();
    let mut client = gateway.client().await;
    let headers = [("authorization", bearer.as_str()), ("connection", "close")];
    client.call("POST", PATH, &headers, br#"{"model":"m"}"#).await.expect(200);
    assert!(client.closed().await);
}

/// Idle connections end after `server.keepalive`.
#[tokio::test]
async fn idle_connections_end() {
    let setup = with(openai("http://127.0.0.1:9/v1"), object!({"server": {"keepalive": "1s"}}));
    let gateway = Gateway::start(setup).await;
    let mut client = gateway.client().await;
    client.call("GET", "/api/hello", &[], b"").await.expect(200);
    assert!(client.closed().await);
}

/// A head that never ends does not hold a connection for ever (slowloris).
#[tokio::test]
async fn unfinished_heads_end() {
    let setup =
        with(openai("http://127.0.0.1:9/v1"), object!({"server": {"body_timeout": "1s", "keepalive": "1s"}}));
    let gateway = Gateway::start(setup).await;
    let mut client = Client::connect(gateway.port).await;
    client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    // Answered by 408 or not at all, but ended.
    let end = super::support::wait::within("the gateway to give up on the head", client.try_rest()).await;
    assert!(end.is_empty() || end.starts_with(b"HTTP/1.1 408"), "{:?}", String::from_utf8_lossy(&end));
}

/// Principle 5: "every wait has a time-out". A body that stops is answered with 408 in the dialect.
#[tokio::test]
async fn a_slow_body_is_told() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway =
        Gateway::start(with(openai(&stub.url()), object!({"server": {"body_timeout": "500ms"}}))).await;
    let bearer = gateway.bearer();
    for dialect in DIALECTS {
        let mut client = gateway.client().await;
        client
            .send(format!(
                "POST {} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\ncontent-length: 100\r\n\r\n{{\"model\"",
                dialect.path
            ))
            .await;
        let answer = client.answer().await;
        error_type(dialect.path, &answer.expect(408).json());
        assert!(client.closed().await, "the rest of the body must not be read as a request");
    }
    assert!(stub.received().is_empty());
}

/// Requests that could be understood in two ways are refused, not passed on (request smuggling).
#[tokio::test]
async fn ambiguous_framing_is_refused() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let bearer = gateway.bearer();
    let heads = [
        "content-length: 13\r\ncontent-length: 14\r\n",
        "content-length: 13\r\ntransfer-encoding: chunked\r\n",
        "content-length: +13\r\n",
        "content-length: 1x\r\n",
        "transfer-encoding: gzip, identity\r\n",
    ];
    for head in heads {
        let mut client = gateway.client().await;
        client
            .send(format!(
                "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\n{head}\r\n{{\"model\":\"m\"}}"
            ))
            .await;
        let end = super::support::wait::within("an end to ambiguity", client.first_line()).await;
        assert!(end.is_none_or(|line| line.contains(" 4") || line.contains(" 501")), "{head:?}");
    }
    // `content-length` beside `transfer-encoding`: if it is taken, then as chunked, and the rest is not a request.
    assert!(stub.received().iter().all(|r| r.body != br#"{"model":"m"}"#), "{:?}", stub.received());
}
