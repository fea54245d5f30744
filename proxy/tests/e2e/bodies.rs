//! Request bodies of every size and framing reach the upstream whole, also when a second attempt is needed.

use super::support::answer::{chunk, json};
use super::support::client::{chunked_request, request};
use super::support::gateway::Gateway;
use super::support::h2client;
use super::support::setups::{error_type, openai, two, with};
use super::support::stub::Stub;
use serde_json::json as object;

const PATH: &str = "/v1/chat/completions";
const SIZES: [usize; 3] = [1 << 10, 1 << 20, 20 << 20];

/// A body of about `size` bytes, different in every place.
fn body(size: usize) -> Vec<u8> {
    let mut text = String::with_capacity(size + 64);
    text.push_str(r#"{"messages":[{"role":"user","content":""#);
    let mut n = 0u64;
    while text.len() < size {
        text.push_str(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_string());
        n += 1;
    }
    text.push_str(r#""}],"model":"m"}"#);
    text.into_bytes()
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunked,
    H2c,
}

async fn send(gateway: &Gateway, framing: Framing, body: &[u8]) -> u16 {
    let bearer = gateway.bearer();
    let headers = [("authorization", bearer.as_str())];
    let bytes = match framing {
        Framing::Length => request("POST", PATH, &headers, body),
        Framing::Chunked => chunked_request("POST", PATH, &headers, body, 50_001),
        Framing::H2c => return h2client::post(gateway.port, PATH, &headers, body).await.status,
    };
    let mut client = gateway.client().await;
    client.send(bytes).await;
    client.answer().await.status()
}

#[tokio::test]
async fn every_size_and_framing() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    for framing in [Framing::Length, Framing::Chunked, Framing::H2c] {
        for size in SIZES {
            let body = body(size);
            assert_eq!(send(&gateway, framing, &body).await, 200, "{framing:?} {size}");
            let got = stub.received().pop().unwrap();
            assert!(
                got.body == body,
                "{framing:?} {size}: {} bytes arrived of {}",
                got.body.len(),
                body.len()
            );
        }
    }
}

/// "Reading the body and going on hangs beyond a 64 KiB retry buffer (small-body tests hide it)".
#[tokio::test]
async fn every_size_and_framing_with_a_retry() {
    let first = Stub::answering(|_| json(503, "{}")).await;
    let second = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(two("openai", &first.url(), &second.url())).await;
    for framing in [Framing::Length, Framing::Chunked, Framing::H2c] {
        for size in SIZES {
            let body = body(size);
            assert_eq!(send(&gateway, framing, &body).await, 200, "{framing:?} {size}");
            for (name, stub) in [("first", &first), ("second", &second)] {
                let got = stub.received().pop().unwrap();
                assert!(got.body == body, "{framing:?} {size} at the {name} upstream");
            }
        }
    }
    assert_eq!(first.received().len(), 9);
    assert_eq!(second.received().len(), 9);
}

/// An upstream that answers 503 and closes without reading 20 MB must not stop the second one from getting them.
#[tokio::test]
async fn an_upstream_that_does_not_read_the_body() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let first = format!("http://127.0.0.1:{}/v1", listener.local_addr().unwrap().port());
    let deaf = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.readable().await;
            let _ = socket.write_all(&json(503, "{}")).await;
        }
    });
    let second = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(two("openai", &first, &second.url())).await;
    let body = body(20 << 20);
    assert_eq!(send(&gateway, Framing::Length, &body).await, 200);
    assert!(second.only().body == body);
    deaf.abort();
}

/// Bounded bodies: 413 in the dialect, whether the length was announced or not, and nothing goes upstream.
#[tokio::test]
async fn too_large() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(with(openai(&stub.url()), object!({"server": {"max_body": "64KiB"}}))).await;
    let bearer = gateway.bearer();
    let headers = [("authorization", bearer.as_str())];
    // Announced: refused before the body is sent.
    let mut client = gateway.client().await;
    client
        .send(format!(
            "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\ncontent-length: 65537\r\n\r\n"
        ))
        .await;
    let answer = client.answer().await;
    error_type(PATH, &answer.expect(413).json());
    // Not announced: refused when it becomes too much.
    let mut client = gateway.client().await;
    client
        .send(format!(
            "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\ntransfer-encoding: chunked\r\n\r\n"
        ))
        .await;
    client.send(chunk(&body(60 << 10))).await;
    client.send(chunk(&body(10 << 10))).await;
    error_type(PATH, &client.answer().await.expect(413).json());
    // HTTP/2.
    let answer = h2client::post(gateway.port, PATH, &headers, &body(65 << 10)).await;
    assert_eq!(answer.status, 413, "{}", String::from_utf8_lossy(&answer.body));
    assert!(answer.headers.contains_key("x-request-id"), "{:?}", answer.headers);
    assert!(stub.received().is_empty());
    // Exactly as much as is allowed.
    let mut exact = body(60 << 10);
    exact.resize(64 << 10, b' ');
    assert_eq!(send(&gateway, Framing::Length, &exact).await, 200);
    assert_eq!(send(&gateway, Framing::Chunked, &exact).await, 200);
}

/// "Answer `Expect` with `write_continue_response()`, or curl waits a second".
#[tokio::test]
async fn expect_continue() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let body = body(100 << 10);
    let mut client = gateway.client().await;
    let head = |key: &str| {
        format!(
            "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
    };
    client.send(head(&gateway.key)).await;
    assert_eq!(client.head().await.status(), 100, "before one byte of the body was sent");
    client.send(&body).await;
    client.answer().await.expect(200);
    assert!(stub.only().body == body);
    // Whoever is refused is told so at once, without a 100.
    let mut client = gateway.client().await;
    client.send(head("sp-nonsense")).await;
    client.answer().await.expect(401);
}

/// Bytes that trickle in, one by one, make the same request.
#[tokio::test]
async fn a_request_in_single_bytes() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let bearer = gateway.bearer();
    let body = r#"{"model":"m","messages":[{"role":"user","content":"é"}]}"#.as_bytes();
    let mut client = gateway.client().await;
    for byte in chunked_request("POST", PATH, &[("authorization", &bearer)], body, 7) {
        client.send([byte]).await;
        tokio::task::yield_now().await;
    }
    client.answer().await.expect(200);
    assert_eq!(stub.only().body, body);
}
