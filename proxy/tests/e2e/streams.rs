//! Event streams on their way: one by one, and what a client learns when the upstream breaks off.

use super::support::answer::{LAST_CHUNK, head, sse_head};
use super::support::gateway::Gateway;
use super::support::h2client;
use super::support::h2stub::{H2Answer, H2Stub};
use super::support::samples::SAMPLES;
use super::support::setups::{DIALECTS, Dialect, anthropic, error_type, openai, with};
use super::support::stub::Stub;
use super::support::wait::within;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json as object};
use tokio::sync::mpsc;

fn one(dialect: &Dialect, url: &str) -> Value {
    if dialect.kind == "anthropic" { anthropic(url) } else { openai(url) }
}

/// Lessons, Protocol: "Buffering an SSE stream (16 KB blocks: first token after 16 s instead of 0.5 s)". The upstream
/// sends an event only after the client has got the one before: any buffering anywhere hangs.
#[tokio::test]
async fn events_arrive_one_by_one() {
    for (dialect, sample) in DIALECTS.iter().zip(SAMPLES) {
        let mut stub = Stub::manual().await;
        let gateway = Gateway::start(one(dialect, &stub.url())).await;
        let bearer = gateway.bearer();
        let mut client = gateway.client().await;
        let headers = [("authorization", bearer.as_str())];
        client
            .send(super::support::client::request("POST", dialect.path, &headers, dialect.stream.as_bytes()))
            .await;
        let mut call = stub.next().await;
        call.send(sse_head()).await;
        for (n, event) in sample.events.iter().enumerate() {
            call.chunk(event).await;
            if n == 0 {
                assert_eq!(client.head().await.status(), 200);
            }
            assert_eq!(client.chunks_through(event).await, *event, "{}", dialect.path);
        }
        call.send(LAST_CHUNK).await;
        assert!(client.chunk().await.unwrap().is_empty());
        call.done();
    }
}

/// The same over HTTP/2 on both sides.
#[tokio::test]
async fn events_arrive_one_by_one_by_http2() {
    let sample = SAMPLES[2];
    let pieces = std::sync::Arc::new(std::sync::Mutex::new(None));
    let hand_out = pieces.clone();
    let stub = H2Stub::answering(None, move |_| {
        let (send, body) = mpsc::unbounded_channel();
        *hand_out.lock().unwrap() = Some(send);
        // The head alone does not reach a client: the first event decides.
        hand_out
            .lock()
            .unwrap()
            .as_ref()
            .unwrap()
            .send(Bytes::from_static(sample.events[0].as_bytes()))
            .unwrap();
        H2Answer { status: 200, headers: vec![("content-type", "text/event-stream".to_owned())], body }
    })
    .await;
    let mut setup = anthropic(&stub.url());
    setup["providers"][0]["http"] = "h2".into();
    let gateway = Gateway::start(setup).await;
    let mut sender = h2client::connect(gateway.port).await;
    let headers = [("x-api-key", gateway.key.as_str())];
    let response =
        h2client::start(&mut sender, "/v1/messages", &headers, DIALECTS[2].stream.as_bytes()).await;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    for (n, event) in sample.events.iter().enumerate() {
        if n > 0 {
            let sender = pieces.lock().unwrap().clone().unwrap();
            sender.send(Bytes::from_static(event.as_bytes())).unwrap();
        }
        let mut got = Vec::new();
        while !got.ends_with(event.as_bytes()) {
            let frame = within("the next event by HTTP/2", body.frame()).await.unwrap().unwrap();
            got.extend_from_slice(frame.data_ref().unwrap());
        }
        assert_eq!(String::from_utf8(got).unwrap(), *event);
    }
    *pieces.lock().unwrap() = None;
    let rest = within("the end by HTTP/2", body.collect()).await.unwrap().to_bytes();
    assert!(rest.is_empty(), "{rest:?}");
}

/// Lessons, Protocol: "Streams that emit OpenAI chunks". An upstream killed in mid-stream gives an error event of the
/// client's own dialect, never a clean end (`[DONE]`, `message_stop`, `response.completed`).
#[tokio::test]
async fn an_upstream_that_dies_in_mid_stream_is_told() {
    for (dialect, sample) in DIALECTS.iter().zip(SAMPLES) {
        let mut stub = Stub::manual().await;
        let gateway = Gateway::start(one(dialect, &stub.url())).await;
        let bearer = gateway.bearer();
        let mut client = gateway.client().await;
        let headers = [("authorization", bearer.as_str())];
        client
            .send(super::support::client::request("POST", dialect.path, &headers, dialect.stream.as_bytes()))
            .await;
        let mut call = stub.next().await;
        call.send(sse_head()).await;
        call.chunk(sample.events[0]).await;
        let answered = client.head().await;
        let first = client.chunks_through(sample.events[0]).await;
        // Half an event, then nothing more.
        call.send(format!("{:x}\r\n{}", 500, &sample.events[1][..20])).await;
        call.cut();
        let rest = client.chunks_through("\n\n").await;
        check_error_event(dialect.path, &rest);
        assert!(!first.contains("error"));
        let call = gateway.logged(answered.id()).await;
        assert_eq!(call["error_source"], "upstream", "{call}");
        assert_eq!(call["cancelled"], false, "{call}");
    }
}

/// The half event that came before must not swallow the error event: the last event is one of its own.
fn check_error_event(path: &str, text: &str) {
    let event = text.trim_end().rsplit("\n\n").next().unwrap();
    let field = |name: &str| event.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
    let data: Value =
        serde_json::from_str(field("data:").unwrap_or_else(|| panic!("no data in {text:?}"))).unwrap();
    match path {
        "/v1/messages" => {
            assert_eq!(field("event:"), Some("error"), "{text:?}");
            error_type(path, &data);
        }
        "/v1/responses" => {
            let name = field("event:").unwrap_or_default();
            assert!(matches!(name, "error" | "response.failed"), "{text:?}");
            assert_eq!(data["type"], name, "{text:?}");
            let message =
                if name == "error" { &data["message"] } else { &data["response"]["error"]["message"] };
            assert!(message.as_str().is_some_and(|m| !m.is_empty()), "{text:?}");
        }
        _ => {
            error_type(path, &data);
        }
    }
    for clean in ["[DONE]", "message_stop", "response.completed"] {
        assert!(!text.contains(clean), "a broken stream must not look complete: {text:?}");
    }
}

/// An upstream that falls silent in mid-stream is given up after `upstream.idle_timeout`, and that is told too.
#[tokio::test]
async fn a_silent_upstream_is_told() {
    for (dialect, sample) in DIALECTS.iter().zip(SAMPLES) {
        let mut stub = Stub::manual().await;
        let setup = with(one(dialect, &stub.url()), object!({"upstream": {"idle_timeout": "300ms"}}));
        let gateway = Gateway::start(setup).await;
        let bearer = gateway.bearer();
        let mut client = gateway.client().await;
        let headers = [("authorization", bearer.as_str())];
        client
            .send(super::support::client::request("POST", dialect.path, &headers, dialect.stream.as_bytes()))
            .await;
        let mut call = stub.next().await;
        call.send(sse_head()).await;
        call.chunk(sample.events[0]).await;
        client.head().await.status();
        client.chunks_through(sample.events[0]).await;
        check_error_event(dialect.path, &client.chunks_through("\n\n").await);
        call.closed().await;
    }
}

/// "`Ok(true)` would write a clean end over a truncated stream": JSON that breaks off must not look complete.
#[tokio::test]
async fn truncated_json_is_not_a_clean_answer() {
    let heads = [
        head(200, &[("content-type", "application/json"), ("content-length", "5000")]),
        head(200, &[("content-type", "application/json"), ("transfer-encoding", "chunked")]),
    ];
    for bytes in heads {
        for dialect in DIALECTS {
            let mut stub = Stub::manual().await;
            let setup = with(one(&dialect, &stub.url()), object!({"upstream": {"max_attempts": 1}}));
            let gateway = Gateway::start(setup).await;
            let bearer = gateway.bearer();
            let mut client = gateway.client().await;
            let headers = [("authorization", bearer.as_str())];
            client
                .send(super::support::client::request(
                    "POST",
                    dialect.path,
                    &headers,
                    dialect.body.as_bytes(),
                ))
                .await;
            let mut call = stub.next().await;
            let chunked = bytes.windows(7).any(|w| w == b"chunked");
            call.send(&bytes).await;
            let part = format!("{{\"text\":\"{}", "x".repeat(2000));
            match chunked {
                true => call.chunk(&part).await,
                false => call.send(&part).await,
            }
            call.cut();
            let head = client.head().await;
            let body = client.try_body(&head).await;
            match head.status() {
                200 => assert!(body.is_err(), "a cut answer came out as a whole one: {body:?}"),
                status => {
                    assert!(status >= 502, "{head:?}");
                    error_type(dialect.path, &serde_json::from_slice(&body.unwrap()).unwrap());
                }
            }
        }
    }
}

/// A slow reader is waited for without the gateway taking all of a fast upstream into memory.
#[tokio::test]
async fn a_slow_reader_slows_the_upstream() {
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let bearer = gateway.bearer();
    let mut client = gateway.client().await;
    let headers = [("authorization", bearer.as_str())];
    client
        .send(super::support::client::request(
            "POST",
            DIALECTS[0].path,
            &headers,
            DIALECTS[0].stream.as_bytes(),
        ))
        .await;
    let mut call = stub.next().await;
    call.send(sse_head()).await;
    let event = format!("data: {{\"choices\":[],\"x\":\"{}\"}}\n\n", "y".repeat(64 << 10));
    let event = super::support::answer::chunk(event.as_bytes());
    // 256 MB would be taken by a gateway that buffers; sockets take a few.
    let mut taken = 0;
    let limit = 256 << 20;
    while taken < limit {
        let sent = tokio::time::timeout(std::time::Duration::from_millis(500), call.try_send(&event)).await;
        match sent {
            Ok(Ok(())) => taken += event.len(),
            Ok(Err(e)) => panic!("the gateway closed: {e}"),
            Err(_) => break,
        }
    }
    assert!(taken < 64 << 20, "the gateway took {taken} bytes that nobody read");
    drop(client);
    call.closed().await;
}
