//! Which headers pass, which do not, in both directions.

use super::support::answer::{answer, json};
use super::support::client::Client;
use super::support::gateway::{Gateway, UPSTREAM_KEY};
use super::support::setups::{anthropic, openai};
use super::support::stub::Stub;

/// Lessons, Protocol: "Accept all [places of a key]; never forward them". No header, path or body that reaches the
/// upstream holds the virtual key, and the provider's own key is where the provider wants it.
#[tokio::test]
async fn credentials_of_the_client_stop_here() {
    for kind in ["openai", "anthropic"] {
        let stub = Stub::answering(|_| json(200, "{}")).await;
        let (setup, path) = match kind {
            "openai" => (openai(&stub.url()), "/v1/chat/completions"),
            _ => (anthropic(&stub.url()), "/v1/messages"),
        };
        let gateway = Gateway::start(setup).await;
        let bearer = gateway.bearer();
        let with_query = format!("{path}?beta=true&key={}&x=1", gateway.key);
        let places: [(&str, Vec<(&str, &str)>); 5] = [
            (path, vec![("authorization", &bearer)]),
            (path, vec![("x-api-key", &gateway.key)]),
            (path, vec![("api-key", &gateway.key)]),
            (path, vec![("x-goog-api-key", &gateway.key)]),
            (&with_query, vec![]),
        ];
        for (path, headers) in places {
            let mut client = Client::connect(gateway.port).await;
            client.call("POST", path, &headers, br#"{"model":"m","messages":[]}"#).await.expect(200);
            let got = stub.received().pop().unwrap();
            let all = format!("{:?}", got.head);
            assert!(!all.contains(&gateway.key), "the virtual key went upstream: {all}");
            assert!(!got.target().contains("key="), "{}", got.target());
            match kind {
                "openai" => {
                    assert_eq!(got.head.get("authorization"), Some(&*format!("Bearer {UPSTREAM_KEY}")));
                    assert!(!got.head.has("x-api-key"));
                }
                _ => {
                    assert_eq!(got.head.get("x-api-key"), Some(UPSTREAM_KEY));
                    assert!(!got.head.has("authorization"));
                    assert!(got.head.has("anthropic-version"), "Anthropic refuses calls without it");
                }
            }
            assert!(!got.head.has("api-key") && !got.head.has("x-goog-api-key"), "{all}");
        }
        let targets: Vec<_> = stub.received().iter().map(|r| r.target().to_owned()).collect();
        assert_eq!(targets.last().unwrap(), &format!("{path}?beta=true&x=1"), "the rest of the query passes");
    }
}

/// What an agent sends to the provider passes; what belongs to the connection or to the browser does not.
#[tokio::test]
async fn request_headers() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(anthropic(&stub.url())).await;
    let headers = [
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14"),
        ("anthropic-beta", "context-management-2025-06-27"),
        ("x-claude-code-session-id", "s-1"),
        ("user-agent", "claude-cli/2.1.330"),
        ("x-stainless-lang", "js"),
        ("cookie", "session=secret"),
        ("connection", "keep-alive, x-for-this-hop"),
        ("x-for-this-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("proxy-authorization", "Basic c2VjcmV0"),
        ("accept-encoding", "gzip, br"),
    ];
    gateway.post_with("/v1/messages", &headers, r#"{"model":"m"}"#).await.expect(200);
    let head = stub.only().head;
    let betas: Vec<_> = head
        .headers
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case("anthropic-beta"))
        .map(|(_, v)| &**v)
        .collect();
    assert_eq!(
        betas.join(","),
        "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27"
    );
    for (name, value) in &headers[..1] {
        assert_eq!(head.get(name), Some(*value));
    }
    for (name, value) in &headers[3..6] {
        assert_eq!(head.get(name), Some(*value), "{name} should pass");
    }
    for name in ["cookie", "x-for-this-hop", "keep-alive", "te", "proxy-authorization"] {
        assert!(!head.has(name), "{name} should stop here: {head:?}");
    }
    assert_eq!(head.get("host"), Some(&*format!("127.0.0.1:{}", stub.port)));
    assert!(
        head.get("accept-encoding").is_none_or(|v| v == "identity"),
        "answers must be readable: {head:?}"
    );
    assert_eq!(head.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("content-length")).count(), 1);
}

/// Request ids and rate limits of the provider reach the client; cookies and hop-by-hop headers do not; our own
/// request id is in every answer.
#[tokio::test]
async fn response_headers() {
    let stub = Stub::answering(|_| {
        answer(
            200,
            &[
                ("content-type", "application/json"),
                ("x-ratelimit-remaining-requests", "59"),
                ("anthropic-ratelimit-tokens-remaining", "1000"),
                ("request-id", "req_upstream"),
                ("openai-processing-ms", "17"),
                ("openai-organization", "org"),
                ("set-cookie", "__cf_bm=1; path=/"),
                ("connection", "keep-alive, x-hop"),
                ("x-hop", "1"),
                ("keep-alive", "timeout=5"),
                ("proxy-authenticate", "Basic"),
            ],
            "{}",
        )
    })
    .await;
    let gateway = Gateway::start(anthropic(&stub.url())).await;
    let answer = gateway.post("/v1/messages", r#"{"model":"m"}"#).await;
    let head = &answer.expect(200).head;
    for (name, value) in [
        ("x-ratelimit-remaining-requests", "59"),
        ("anthropic-ratelimit-tokens-remaining", "1000"),
        ("request-id", "req_upstream"),
        ("openai-processing-ms", "17"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(head.get(name), Some(value), "{name} should pass: {head:?}");
    }
    for name in ["set-cookie", "x-hop", "keep-alive", "proxy-authenticate"] {
        assert!(!head.has(name), "{name} should stop at the gateway: {head:?}");
    }
    assert!(!answer.id().is_empty());
    let refused = Client::connect(gateway.port).await.call("POST", "/v1/messages", &[], b"{}").await;
    assert_ne!(refused.expect(401).id(), answer.id(), "each call has an id of its own, refused ones too");
}

/// The provider's id reaches the client as its own client libraries expect it; ours stands beside it, and the call log
/// knows both.
#[tokio::test]
async fn request_ids_of_both() {
    let stub = Stub::answering(|_| answer(200, &[("x-request-id", "req_theirs")], "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let got = gateway.post("/v1/chat/completions", r#"{"model":"m"}"#).await;
    let ids: Vec<_> =
        got.head.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("x-request-id")).collect();
    assert_eq!((ids.len(), &*ids[0].1), (1, "req_theirs"), "{:?}", got.head);
    let call = gateway.logged(&got.id()).await;
    assert_eq!(call["upstream_request_id"], "req_theirs", "{call}");
    assert_eq!(gateway.logged("req_theirs").await["id"], call["id"], "found by either");
}
