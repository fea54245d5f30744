//! The whole service over real sockets.

use super::kit::{Fixed, Log, TOKEN, calls, state};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{Ssl, SslConnector, SslMethod, SslVerifyMode};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};
use sallyport_admin::health::State;
use sallyport_admin::{AdminError, AdminState, Listener};
use sallyport_config::model::{Admin, TlsFiles};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_openssl::SslStream;

/// A running service; stopped by [`Service::stop`].
pub(super) struct Service {
    pub(super) addr: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), AdminError>>,
}

impl Service {
    pub(super) fn start(listen: &str, tls: Option<TlsFiles>, state: AdminState) -> Self {
        let config = Admin { listen: listen.parse().unwrap(), tls, ..Admin::default() };
        let listener = Listener::bind(&config).unwrap();
        let addr = listener.local_addr();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(listener.serve(state, async {
            let _ = stopped.await;
        }));
        Self { addr, stop, task }
    }

    pub(super) fn plain() -> Self {
        let log = Log { calls: calls(3), ..Log::default() };
        Self::start("127.0.0.1:0", None, state(Arc::new(log), vec![Arc::new(Fixed("postgres", State::Ok))]))
    }

    pub(super) async fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        let authorization = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
        self.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{authorization}Connection: close\r\n\r\n",
            self.addr
        ))
        .await
    }

    pub(super) async fn raw(&self, request: &str) -> (u16, String) {
        exchange(TcpStream::connect(self.addr).await.unwrap(), request).await
    }

    pub(super) async fn stop(self) {
        self.stop.send(()).unwrap();
        within(self.task).await.unwrap().unwrap();
    }
}

/// A bound that only a hanging test meets.
pub(super) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it hangs")
}

/// Sends a request and reads to the end: status and body (or everything, if there is no head).
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> (u16, String) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or(answer.as_str(), |(_, body)| body);
    (status, body.to_owned())
}

#[tokio::test]
async fn serves_and_guards() {
    let service = Service::plain();
    assert_eq!(service.get("/api/health", None).await.0, 200);
    assert_eq!(service.get("/api/calls", None).await.0, 401);
    assert_eq!(service.get("/api/calls", Some("spa-wrong")).await.0, 401);
    let (status, body) = service.get("/api/calls?limit=2", Some(TOKEN)).await;
    assert_eq!(status, 200);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["calls"].as_array().unwrap().len(), 2);
    service.stop().await;
}

#[tokio::test]
async fn a_loopback_listener_answers_only_to_loopback_names() {
    let service = Service::plain();
    let host = |host: &str| format!("GET /api/health HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
    for ok in ["Host: localhost:3001\r\n", "Host: 127.0.0.1\r\n", "Host: [::1]:3001\r\n"] {
        assert_eq!(service.raw(&host(ok)).await.0, 200, "{ok}");
    }
    for evil in
        ["Host: rebound.evil.example\r\n", "Host: localhost.evil.example:3001\r\n", "Host: 192.168.1.1\r\n"]
    {
        assert_eq!(service.raw(&host(evil)).await.0, 421, "{evil}");
    }
    for bad in ["", "Host: localhost\r\nHost: evil.example\r\n"] {
        assert_eq!(service.raw(&host(bad)).await.0, 400, "{bad}");
    }
    // An absolute target counts as much as the header.
    let absolute =
        "GET http://evil.example/api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(service.raw(absolute).await.0, 400);
    let absolute =
        "GET http://evil.example/api/health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(service.raw(absolute).await.0, 421);
    service.stop().await;

    let open = Service::start("0.0.0.0:0", None, state(Arc::new(Log::default()), vec![]));
    let request = host("Host: gateway.example.com\r\n");
    let stream = TcpStream::connect(("127.0.0.1", open.addr.port())).await.unwrap();
    assert_eq!(exchange(stream, &request).await.0, 200);
    open.stop().await;
}

#[tokio::test]
async fn shutdown_lets_a_request_finish_and_closes_the_idle() {
    let service = Service::plain();
    let mut idle = TcpStream::connect(service.addr).await.unwrap();
    let request = format!("GET /api/health HTTP/1.1\r\nHost: {}\r\n\r\n", service.addr);
    idle.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let addr = service.addr;
    service.stop().await;
    let mut rest = Vec::new();
    within(idle.read_to_end(&mut rest)).await.unwrap();
    assert!(TcpStream::connect(addr).await.is_err(), "nobody listens any more");
}

/// LESSONS: nothing hangs. A client that never finishes its request head is dropped.
#[tokio::test]
async fn a_slow_head_is_cut_off() {
    let service = Service::plain();
    let mut slow = TcpStream::connect(service.addr).await.unwrap();
    slow.write_all(b"GET /api/health HTTP/1.1\r\nHost: local").await.unwrap();
    let mut rest = Vec::new();
    let _ = within(slow.read_to_end(&mut rest)).await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    assert_eq!(service.get("/api/health", None).await.0, 200);
    service.stop().await;
}

#[tokio::test]
async fn a_busy_port_is_a_sentence() {
    let service = Service::plain();
    let config = Admin { listen: service.addr, ..Admin::default() };
    let e = Listener::bind(&config).unwrap_err().to_string();
    assert!(e.contains(&service.addr.to_string()) && e.contains("another process has the port"), "{e}");
    service.stop().await;
}

fn certificate(serial: u32) -> (X509, PKey<Private>) {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "localhost").unwrap();
    let name = name.build();
    let mut b = X509::builder().unwrap();
    b.set_version(2).unwrap();
    b.set_serial_number(&BigNum::from_u32(serial).unwrap().to_asn1_integer().unwrap()).unwrap();
    b.set_subject_name(&name).unwrap();
    b.set_issuer_name(&name).unwrap();
    b.set_pubkey(&key).unwrap();
    b.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    b.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    let san = SubjectAlternativeName::new().dns("localhost").build(&b.x509v3_context(None, None)).unwrap();
    b.append_extension(san).unwrap();
    b.sign(&key, MessageDigest::sha256()).unwrap();
    (b.build(), key)
}

fn write_pair(dir: &Path, serial: u32) -> (TlsFiles, X509) {
    let files = TlsFiles { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    let (cert, key) = certificate(serial);
    std::fs::write(&files.cert, cert.to_pem().unwrap()).unwrap();
    std::fs::write(&files.key, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    (files, cert)
}

/// A client that trusts this certificate and no other.
async fn connect(addr: SocketAddr, trusted: &X509, name: &str) -> Option<SslStream<TcpStream>> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::PEER);
    connector.cert_store_mut().add_cert(trusted.clone()).unwrap();
    connector.set_alpn_protos(b"\x02h2\x08http/1.1").unwrap();
    let mut ssl: Ssl = connector.build().configure().unwrap().into_ssl(name).unwrap();
    ssl.set_hostname(name).unwrap();
    let mut stream = SslStream::new(ssl, TcpStream::connect(addr).await.unwrap()).unwrap();
    Pin::new(&mut stream).connect().await.ok()?;
    Some(stream)
}

#[tokio::test]
async fn tls_with_certificates_that_are_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let (files, first) = write_pair(dir.path(), 1);
    let service = Service::start("127.0.0.1:0", Some(files), state(Arc::new(Log::default()), vec![]));
    let request = format!(
        "GET /api/calls HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    );
    let stream = connect(service.addr, &first, "localhost").await.unwrap();
    assert_eq!(stream.ssl().selected_alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(exchange(stream, &request).await.0, 200);
    assert!(connect(service.addr, &first, "other.example").await.is_none(), "the client checks the name");
    // Plain HTTP on the TLS port gets nothing that looks like an answer of the API.
    let mut plain = TcpStream::connect(service.addr).await.unwrap();
    plain.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = within(plain.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP/"));

    let (_, second) = write_pair(dir.path(), 2);
    let stream = within(async {
        loop {
            match connect(service.addr, &second, "localhost").await {
                Some(stream) => break stream,
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    })
    .await;
    assert_eq!(exchange(stream, &request).await.0, 200);
    service.stop().await;
}
