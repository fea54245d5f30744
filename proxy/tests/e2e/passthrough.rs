//! Paths that an administrator has opened: unread, with the provider's credentials, for keys that name it.

use super::support::answer::{answer, json, sse_head};
use super::support::client::{Answer, chunked_request, request};
use super::support::gateway::{Gateway, UPSTREAM_KEY};
use super::support::setups::{error_type, provider, with};
use super::support::stub::{Received, Stub};
use serde_json::{Value, json as object};

const NAMED: [&str; 4] = ["--surfaces", "passthrough,models", "--models", "*"];

fn setup(kind: &str, url: &str, opened: &[&str]) -> Value {
    let mut p = provider("p", kind, url);
    p["passthrough"] = object!(opened);
    object!({"providers": [p], "models": [{"name": "m", "routes": [{"provider": "p"}]}]})
}

/// Answers with the request line.
fn line(r: &Received) -> Vec<u8> {
    json(200, object!({"line": r.head.line, "bytes": r.body.len()}).to_string())
}

async fn call(gateway: &Gateway, key: &str, method: &str, path: &str, body: &[u8]) -> Answer {
    let bearer = format!("Bearer {key}");
    gateway.client().await.call(method, path, &[("authorization", &bearer)], body).await
}

#[tokio::test]
async fn any_method_reaches_what_is_opened() {
    let stub = Stub::answering(line).await;
    let gateway = Gateway::start(setup("openai", &stub.url(), &["/v1/files*", "/v1/batches"])).await;
    let key = gateway.new_key(&NAMED).await;
    for (n, (method, path, body)) in [
        ("GET", "/v1/files?limit=2&after=x", ""),
        ("POST", "/v1/files", "{not json"),
        ("DELETE", "/v1/files/file-1", ""),
        ("PATCH", "/v1/files/file-1", "x"),
        ("PUT", "/v1/files/a%20b", "x"),
        ("POST", "/v1/batches", "{}"),
    ]
    .into_iter()
    .enumerate()
    {
        let got = call(&gateway, &key, method, &format!("/passthrough/p{path}"), body.as_bytes()).await;
        assert_eq!(got.expect(200).json()["line"], format!("{method} {path} HTTP/1.1"));
        let sent = &stub.received()[n];
        assert_eq!(sent.body, body.as_bytes());
        assert_eq!(sent.head.get("authorization"), Some(&*format!("Bearer {UPSTREAM_KEY}")));
        assert!(!format!("{:?}", sent.head).contains(&key), "{:?}", sent.head);
        let record = gateway.logged(&got.id()).await;
        let bare = path.split('?').next().unwrap();
        assert_eq!(record["model_asked"], format!("{method} {bare}"), "{record}");
        assert_eq!(
            (&record["surface"], &record["provider"]),
            (&object!("passthrough"), &object!("p")),
            "{record}"
        );
        assert_eq!(
            (&record["status"], &record["bytes_in"]),
            (&object!(200), &object!(body.len())),
            "{record}"
        );
        assert!(record["bytes_out"].as_u64().unwrap() > 0 && record["usage"].is_null(), "{record}");
    }
}

/// What is between the client and us stays here; what the provider's site says of itself, too.
#[tokio::test]
async fn headers_of_one_connection_do_not_pass() {
    let stub = Stub::answering(|_| {
        let headers = [
            ("content-type", "application/octet-stream"),
            ("set-cookie", "a=b"),
            ("strict-transport-security", "max-age=1"),
            ("x-request-id", "req_theirs"),
            ("openai-processing-ms", "3"),
        ];
        answer(200, &headers, b"\x00\xff")
    })
    .await;
    let gateway = Gateway::start(setup("openai", &stub.url(), &["/v1/files"])).await;
    let key = gateway.new_key(&NAMED).await;
    let headers = [
        ("x-api-key", &*key),
        ("cookie", "session=1"),
        ("connection", "keep-alive, x-mine"),
        ("x-mine", "1"),
        ("proxy-authorization", "Basic x"),
        ("te", "trailers"),
        ("upgrade", "websocket"),
        ("x-forwarded-for", "10.0.0.1"),
        ("openai-organization", "org-other"),
        ("openai-beta", "assistants=v2"),
    ];
    let got = gateway
        .client()
        .await
        .call("GET", &format!("/passthrough/p/v1/files?key={key}"), &headers, b"")
        .await;
    assert_eq!(got.expect(200).body, b"\x00\xff");
    for gone in ["set-cookie", "strict-transport-security"] {
        assert!(!got.head.has(gone), "{:?}", got.head);
    }
    assert_eq!(got.head.get("x-request-id"), Some("req_theirs"));
    assert_eq!(got.head.get("openai-processing-ms"), Some("3"));
    let sent = stub.only();
    for gone in [
        "cookie",
        "x-mine",
        "proxy-authorization",
        "te",
        "upgrade",
        "x-forwarded-for",
        "openai-organization",
        "x-api-key",
    ] {
        assert!(!sent.head.has(gone), "{gone}: {:?}", sent.head);
    }
    assert_eq!((sent.target(), sent.head.get("openai-beta")), ("/v1/files", Some("assistants=v2")));
}

/// LESSONS.md, Enforcement: "Allow-lists checked on one route only"; "two disjoint lists intersect to empty".
#[tokio::test]
async fn key_and_team_must_name_it() {
    let stub = Stub::answering(line).await;
    let gateway = Gateway::start(setup("openai", &stub.url(), &["/v1/files"])).await;
    let path = "/passthrough/p/v1/files";
    call(&gateway, "sp-nonsense", "GET", path, b"").await.expect(401);
    // `*` was given for models' APIs.
    let told = call(&gateway, &gateway.key, "GET", path, b"").await.expect(403).json();
    assert_eq!(error_type("/v1/files", &told), "permission_error");
    let database = gateway.database.as_ref().unwrap();
    let (open, closed) =
        (database.team(&["passthrough", "models"], &["*"]).await, database.team(&["*"], &["*"]).await);
    for (team, status) in [(&open, 200), (&closed, 403)] {
        let mut options = vec!["--team", &*team.id];
        options.extend(NAMED);
        let key = gateway.new_key(&options).await;
        call(&gateway, &key, "GET", path, b"").await.expect(status);
    }
    assert_eq!(stub.received().len(), 1);
}

#[tokio::test]
async fn nothing_else_is_reached() {
    let stub = Stub::answering(line).await;
    let mut document = setup("openai", &stub.url(), &["/v1/files*", "/v1/responses*", "/v1/chat*"]);
    document["providers"].as_array_mut().unwrap().push(provider("closed", "openai", &stub.url()));
    let gateway = Gateway::start(document).await;
    let key = gateway.new_key(&NAMED).await;
    for (path, status) in [
        ("/passthrough/p/v1/organization", 404),
        ("/passthrough/closed/v1/files", 404),
        ("/passthrough/nobody/v1/files", 404),
        ("/passthrough/p", 404),
        ("/passthrough/", 404),
        ("/passthrough", 404),
        ("/passthrough/p/", 400),
        ("/passthrough/p/v1/files/../organization", 400),
        ("/passthrough/p/v1/files/%2e%2e/organization", 400),
        ("/passthrough/p/v1/files/..%2Forganization", 400),
        ("/passthrough/p/v1/files%2Fx", 400),
        ("/passthrough/p//v1/files", 400),
        ("/passthrough/p/v1/files//x", 400),
        ("/passthrough/p/v1/files/%252e%252e/x", 400),
        ("/passthrough/p/v1/files%5c..", 400),
        // Opened by mistake: these have APIs of their own, with models, counts and owners.
        ("/passthrough/p/v1/chat/completions", 403),
        ("/passthrough/p/v1/responses/resp_1", 403),
        ("/passthrough/p/v1/%72esponses/resp_1/input_items", 403),
    ] {
        for method in ["GET", "POST"] {
            let got = call(&gateway, &key, method, path, b"").await;
            assert_eq!(got.status(), status, "{method} {path}: {}", got.text());
            error_type("/v1/files", &got.json());
        }
    }
    let got = call(&gateway, &key, "TRACE", "/passthrough/p/v1/files", b"").await;
    assert!(got.expect(405).head.has("allow"));
    assert!(stub.received().is_empty(), "{:?}", stub.received());
}

/// Errors of ours in the dialect of the provider, whose client it is.
#[tokio::test]
async fn errors_in_the_providers_dialect() {
    let stub = Stub::answering(|_| json(401, r#"{"error":{"message":"bad sk-upstream"}}"#)).await;
    for (kind, check) in
        [("anthropic", "/error/type"), ("gemini", "/error/status"), ("openai", "/error/code")]
    {
        let gateway = Gateway::start(setup(kind, &stub.url(), &["/v1/files"])).await;
        let key = gateway.new_key(&NAMED).await;
        let got = call(&gateway, &key, "GET", "/passthrough/p/v1/files", b"").await;
        assert!(got.expect(502).json().pointer(check).is_some(), "{}", got.text());
        assert!(!got.text().contains("sk-up"), "the account's trouble is not the client's");
        let got = call(&gateway, &key, "GET", "/passthrough/p/v1/closed", b"").await;
        assert!(got.expect(404).json().pointer(check).is_some(), "{}", got.text());
    }
}

/// Neither direction is held back: the first bytes of an upload and of an answer arrive before the last.
#[tokio::test]
async fn both_ways_stream() {
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(setup("openai", &stub.url(), &["/v1/files"])).await;
    let key = gateway.new_key(&NAMED).await;
    let bearer = format!("Bearer {key}");
    let mut client = gateway.client().await;
    // More than max_body, in chunks.
    let body = vec![b'x'; 40 * 1024 * 1024];
    let bytes =
        chunked_request("POST", "/passthrough/p/v1/files", &[("authorization", &bearer)], &body, 256 * 1024);
    let sending = tokio::spawn(async move {
        client.send(bytes).await;
        client
    });
    let mut up = stub.next().await;
    let mut client = sending.await.unwrap();
    assert_eq!(up.request.body.len(), body.len());
    up.send(sse_head()).await;
    up.chunk("data: 1\n\n").await;
    client.head().await;
    assert_eq!(client.chunks_through("\n\n").await, "data: 1\n\n");
    up.chunk("data: 2\n\n").await;
    up.send(super::support::answer::LAST_CHUNK).await;
    up.done();
    assert_eq!(client.rest_of_chunks().await, "data: 2\n\n");
}

#[tokio::test]
async fn a_body_is_bounded() {
    let stub = Stub::answering(line).await;
    let limit = object!({"server": {"max_passthrough_body": "64KiB"}});
    let gateway = Gateway::start(with(setup("openai", &stub.url(), &["/v1/files"]), limit)).await;
    let key = gateway.new_key(&NAMED).await;
    let bearer = format!("Bearer {key}");
    let auth = [("authorization", &*bearer)];
    let path = "/passthrough/p/v1/files";
    let body = vec![b'x'; 100 * 1024];
    let got = call(&gateway, &key, "POST", path, &body).await;
    error_type("/v1/files", &got.expect(413).json());
    assert!(stub.received().is_empty(), "an announced length is enough");
    // Without one it is found on the way; the provider never sees a whole body.
    let mut client = gateway.client().await;
    let _ = client.try_send(chunked_request("POST", path, &auth, &body, 4096)).await;
    client.answer().await.expect(413);
    assert!(stub.received().is_empty());
    call(&gateway, &key, "POST", path, &vec![b'x'; 60 * 1024]).await.expect(200);
    // A client that asks before it uploads is told to go on.
    let mut client = gateway.client().await;
    let mut headers = auth.to_vec();
    headers.push(("expect", "100-continue"));
    let whole = request("POST", path, &headers, b"12345");
    let (head, rest) = whole.split_at(whole.len() - 5);
    client.send(head).await;
    assert_eq!(client.head().await.status(), 100);
    client.send(rest).await;
    assert_eq!(client.answer().await.expect(200).json()["bytes"], 5);
}
