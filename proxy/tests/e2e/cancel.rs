//! A client that leaves: the upstream is cancelled at once, and the call log knows.

use super::support::answer::sse_head;
use super::support::client::request;
use super::support::gateway::Gateway;
use super::support::h2client;
use super::support::h2stub::{H2Answer, H2Stub};
use super::support::samples::{SAMPLES, price};
use super::support::setups::{DIALECTS, Dialect, anthropic, openai, with};
use super::support::stub::Stub;
use super::support::wait::until;
use bytes::Bytes;
use serde_json::{Value, json as object};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The bound of the specification.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A busy machine may delay one try; five in a row say that the gateway is slow.
const TRIES: usize = 5;

fn one(dialect: &Dialect, url: &str) -> Value {
    if dialect.kind == "anthropic" { anthropic(url) } else { openai(url) }
}

fn assert_at_once(delays: &[Duration]) {
    assert!(delays.iter().any(|d| *d <= AT_ONCE), "upstream cancelled only after {delays:?}");
}

/// Lessons, Protocol: "upstream not cancelled when the client leaves before the first token".
#[tokio::test]
async fn before_the_first_byte() {
    for dialect in DIALECTS {
        for body in [dialect.body, dialect.stream] {
            let mut stub = Stub::manual().await;
            let gateway = Gateway::start(one(&dialect, &stub.url())).await;
            let bearer = gateway.bearer();
            let mut delays = Vec::new();
            while delays.len() < TRIES && !delays.iter().any(|d| *d <= AT_ONCE) {
                let mut client = gateway.client().await;
                client
                    .send(request("POST", dialect.path, &[("authorization", &bearer)], body.as_bytes()))
                    .await;
                let mut call = stub.next().await;
                let left = Instant::now();
                drop(client);
                delays.push(call.closed().await.duration_since(left));
            }
            assert_at_once(&delays);
            assert_eq!(
                stub.received().len(),
                delays.len(),
                "a call that nobody waits for must not be tried again"
            );
            let call = gateway.last_logged(|call| call["cancelled"] == true).await;
            assert_eq!(call["status"], 499, "{call}");
            assert_eq!(call["error_source"], "client", "{call}");
            assert_eq!(call["model_asked"], "m");
        }
    }
}

/// Lessons, Metering: "disconnects invisible in the log": what is known of the usage is counted.
#[tokio::test]
async fn in_mid_stream() {
    for (dialect, sample) in DIALECTS.iter().zip(SAMPLES) {
        let mut stub = Stub::manual().await;
        let setup = with(one(dialect, &stub.url()), object!({"prices": {"models": {"m": price()}}}));
        let gateway = Gateway::start(setup).await;
        let bearer = gateway.bearer();
        let mut delays = Vec::new();
        let mut id = String::new();
        while delays.len() < TRIES && !delays.iter().any(|d| *d <= AT_ONCE) {
            let mut client = gateway.client().await;
            client
                .send(request("POST", dialect.path, &[("authorization", &bearer)], dialect.stream.as_bytes()))
                .await;
            let mut call = stub.next().await;
            call.send(sse_head()).await;
            call.chunk(sample.events[0]).await;
            id = client.head().await.id().to_owned();
            client.chunks_through(sample.events[0]).await;
            let left = Instant::now();
            drop(client);
            delays.push(call.closed().await.duration_since(left));
        }
        assert_at_once(&delays);
        let call = gateway.logged(&id).await;
        assert_eq!(call["cancelled"], true, "{call}");
        assert_eq!(call["streamed"], true, "{call}");
        assert_eq!(call["status"], 200, "the status that the client got: {call}");
        assert_eq!(call["error_source"], "client", "{call}");
        if dialect.kind == "anthropic" {
            // message_start told the prompt's tokens.
            assert_eq!(call["usage"]["input"], 100, "{call}");
            assert!(call["cost"]["nanos"].as_i64().unwrap() > 0, "{call}");
        }
    }
}

/// One stream of a connection is reset; the connection and its other streams go on.
#[tokio::test]
async fn by_http2_on_both_sides() {
    let senders: std::sync::Arc<std::sync::Mutex<Vec<mpsc::UnboundedSender<Bytes>>>> =
        std::sync::Arc::default();
    let keep = senders.clone();
    let stub = H2Stub::answering(None, move |_| {
        let (send, body) = mpsc::unbounded_channel();
        send.send(Bytes::from_static(SAMPLES[2].events[0].as_bytes())).unwrap();
        keep.lock().unwrap().push(send);
        H2Answer { status: 200, headers: vec![("content-type", "text/event-stream".to_owned())], body }
    })
    .await;
    let mut setup = anthropic(&stub.url());
    setup["providers"][0]["http"] = "h2".into();
    let gateway = Gateway::start(setup).await;
    let mut sender = h2client::connect(gateway.port).await;
    let headers = [("x-api-key", gateway.key.as_str())];
    let body = DIALECTS[2].stream.as_bytes();
    let stays = h2client::start(&mut sender, "/v1/messages", &headers, body).await;
    let mut delays = Vec::new();
    while delays.len() < TRIES && !delays.iter().any(|d| *d <= AT_ONCE) {
        let leaves = h2client::start(&mut sender, "/v1/messages", &headers, body).await;
        let before = stub.given_up().len();
        let left = Instant::now();
        drop(leaves);
        let at =
            until("the upstream stream to be reset", || async { stub.given_up().get(before).copied() }).await;
        delays.push(at.duration_since(left));
    }
    assert_at_once(&delays);
    senders.lock().unwrap().clear();
    let text = super::support::wait::within("the other stream's end", async {
        use http_body_util::BodyExt;
        stays.into_body().collect().await.unwrap().to_bytes()
    })
    .await;
    assert!(text.starts_with(SAMPLES[2].events[0].as_bytes()));
}
