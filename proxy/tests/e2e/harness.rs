//! The tests' own tools, without a gateway between them: what they would overlook, no test can show.

use super::support::answer::{LAST_CHUNK, chunk, head, json, sse};
use super::support::client::{Client, chunked_request, request};
use super::support::database::Database;
use super::support::h2client;
use super::support::h2stub::{H2Answer, H2Stub};
use super::support::ports::Port;
use super::support::stub::Stub;
use super::support::tls::Authority;

#[tokio::test]
async fn stub_and_client_agree_on_every_framing() {
    let stub = Stub::answering(|r| match r.target() {
        "/sse" => sse(["data: 1\n\n", "data: 2\n\n"]),
        _ => json(200, &r.body),
    })
    .await;
    let mut client = Client::connect(stub.port).await;
    let body = vec![b'x'; 300_000];
    assert!(client.call("POST", "/", &[("a", "b")], &body).await.expect(200).body == body);
    client.send(chunked_request("POST", "/", &[], &body, 1000)).await;
    assert!(client.answer().await.expect(200).body == body);
    client.send(request("GET", "/sse", &[], b"")).await;
    assert_eq!(client.answer().await.text(), "data: 1\n\ndata: 2\n\n");
    assert!(stub.received().iter().all(|r| r.connection == 0), "one connection for all three");
}

#[tokio::test]
async fn the_client_notices_every_cut() {
    let cuts = [
        [head(200, &[("content-length", "10")]), b"short".to_vec()].concat(),
        [head(200, &[("transfer-encoding", "chunked")]), chunk(b"a")].concat(),
        [head(200, &[("transfer-encoding", "chunked")]), b"5\r\nab".to_vec()].concat(),
        [head(200, &[("transfer-encoding", "chunked")]), chunk(b"a"), LAST_CHUNK[..3].to_vec()].concat(),
    ];
    for bytes in cuts {
        let mut stub = Stub::manual().await;
        let mut client = Client::connect(stub.port).await;
        client.send(request("GET", "/", &[], b"")).await;
        let mut call = stub.next().await;
        call.send(&bytes).await;
        call.cut();
        let head = client.head().await;
        assert!(client.try_body(&head).await.is_err(), "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[tokio::test]
async fn the_stub_notices_when_the_other_side_leaves() {
    let mut stub = Stub::manual().await;
    let mut client = Client::connect(stub.port).await;
    client.send(request("POST", "/", &[], b"x")).await;
    let mut call = stub.next().await;
    let left = std::time::Instant::now();
    drop(client);
    assert!(call.closed().await >= left);
}

#[tokio::test]
async fn http2_by_prior_knowledge() {
    let stub = H2Stub::answering(None, |r| H2Answer::whole(201, "text/x", &[&r.body, b"!"])).await;
    let got = h2client::post(stub.port, "/a?b", &[("c", "d")], b"hello").await;
    assert_eq!((got.status, &*got.body), (201, &b"hello!"[..]));
    let received = stub.received().remove(0);
    assert_eq!((received.target(), received.head.get("c")), ("/a?b", Some("d")));
    assert!(stub.given_up().is_empty());
}

/// OpenSSL's own client accepts and refuses the certificates as it should.
#[tokio::test]
async fn certificates() {
    use openssl::ssl::{SslConnector, SslMethod};
    let (own, stranger) = (Authority::new(), Authority::new());
    let directory = tempfile::tempdir().unwrap();
    let ca = own.write(directory.path());
    let cases = [
        (own.server(&["127.0.0.1"], &["http/1.1"]), true),
        (own.server(&["127.0.0.2"], &["http/1.1"]), false),
        (own.expired_server(&["127.0.0.1"]), false),
        (stranger.server(&["127.0.0.1"], &["http/1.1"]), false),
    ];
    for (tls, good) in cases {
        let stub = Stub::manual_tls(&tls).await.with_answers(|_| json(200, "{}"));
        let (port, ca) = (stub.port, ca.clone());
        let connected = tokio::task::spawn_blocking(move || {
            let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
            builder.set_ca_file(ca).unwrap();
            let socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            builder.build().connect("127.0.0.1", socket).is_ok()
        });
        assert_eq!(connected.await.unwrap(), good);
    }
}

#[tokio::test]
async fn databases_are_apart() {
    let (one, two) = (Database::fresh().await, Database::fresh().await);
    assert_ne!(one.url(), two.url());
    one.team(&["*"], &["*"]).await;
    assert_eq!(one.store().await.load().await.unwrap().teams.len(), 1);
    assert_eq!(two.store().await.load().await.unwrap().teams.len(), 0);
}

#[test]
fn ports_are_apart() {
    let ports: Vec<_> = (0..50).map(|_| Port::reserve()).collect();
    let numbers: std::collections::HashSet<_> = ports.iter().map(Port::number).collect();
    assert_eq!(numbers.len(), 50);
    assert!(numbers.iter().all(|n| *n < 32_768), "not among those of outgoing connections");
}
