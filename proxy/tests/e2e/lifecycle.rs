//! Beginning and end of a process, and what it tells about itself.

use super::support::answer::{LAST_CHUNK, sse_head};
use super::support::client::{Client, request};
use super::support::gateway::{ADMIN_TOKEN, Gateway, METRICS_TOKEN, Setup, get};
use super::support::samples::SAMPLES;
use super::support::setups::{DIALECTS, openai, with};
use super::support::stub::Stub;
use super::support::wait::until;
use nix::sys::signal::Signal;
use serde_json::json as object;
use tokio::net::TcpStream;

/// Lessons, Control plane: "Readiness that fails … before the first provider exists".
#[tokio::test]
async fn ready_without_providers() {
    let gateway = Gateway::start(object!({})).await;
    gateway.get("/health/live", &[]).await.expect(200);
    gateway.get("/health/ready", &[]).await.expect(200);
    let models = gateway.get("/v1/models", &[("authorization", &gateway.bearer())]).await;
    assert_eq!(models.expect(200).json()["data"], object!([]));
}

/// SIGTERM: not ready any more, calls in flight go on to their end, idle connections do not hold it up, and the
/// process ends well before the grace is over.
#[tokio::test]
async fn sigterm_drains() {
    let mut stub = Stub::manual().await;
    let mut gateway = Gateway::start(with(openai(&stub.url()), object!({"server": {"drain": "20s"}}))).await;
    let bearer = gateway.bearer();
    let idle = gateway.client().await;
    let mut kept = gateway.client().await;
    kept.call("GET", "/health/ready", &[], b"").await.expect(200);
    let mut client = gateway.client().await;
    client
        .send(request("POST", DIALECTS[0].path, &[("authorization", &bearer)], DIALECTS[0].stream.as_bytes()))
        .await;
    let mut call = stub.next().await;
    call.send(sse_head()).await;
    call.chunk(SAMPLES[0].events[0]).await;
    client.head().await;
    client.chunks_through(SAMPLES[0].events[0]).await;

    gateway.process.signal(Signal::SIGTERM);
    let port = gateway.port;
    // Asked on a connection that was there before, or on a new one while the listener is still open.
    until("readiness to be withdrawn", || async move {
        let Ok(socket) = TcpStream::connect(("127.0.0.1", port)).await else { return Some(()) };
        let mut client = Client::over(socket);
        if client.try_send(request("GET", "/health/ready", &[], b"")).await.is_err() {
            return Some(());
        }
        client.try_answer().await.is_none_or(|answer| answer.status() == 503).then_some(())
    })
    .await;
    assert!(gateway.process.ended().is_none(), "ended with a stream in flight");
    for event in &SAMPLES[0].events[1..] {
        call.chunk(event).await;
        assert_eq!(client.chunks_through(event).await, *event);
    }
    call.send(LAST_CHUNK).await;
    assert!(client.chunk().await.unwrap().is_empty());
    let done = std::time::Instant::now();
    let status = gateway.process.end().await;
    assert!(status.success(), "{status}\n{}", gateway.process.said());
    assert!(done.elapsed().as_secs() < 15, "waited out the whole grace: {:?}", done.elapsed());
    drop((idle, kept));
}

/// The grace has an end: a call that does not finish is cut.
#[tokio::test]
async fn the_grace_ends() {
    let mut stub = Stub::manual().await;
    let mut gateway =
        Gateway::start(with(openai(&stub.url()), object!({"server": {"drain": "500ms"}}))).await;
    let bearer = gateway.bearer();
    let mut client = gateway.client().await;
    client
        .send(request("POST", DIALECTS[0].path, &[("authorization", &bearer)], DIALECTS[0].stream.as_bytes()))
        .await;
    let _call = stub.next().await;
    gateway.process.signal(Signal::SIGTERM);
    gateway.process.end().await;
}

/// `/metrics`: by token on the gateway's port, and what it says is true.
#[tokio::test]
async fn metrics() {
    let stub = Stub::answering(|_| super::support::answer::json(200, SAMPLES[0].json)).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("x-api-key", &gateway.key)]] {
        let answer = gateway.get("/metrics", headers).await;
        assert!(matches!(answer.status(), 401 | 403 | 404), "{headers:?}: {}", answer.status());
        assert!(!answer.text().contains("sallyport_"));
    }
    for _ in 0..3 {
        gateway.post(DIALECTS[0].path, DIALECTS[0].body).await.expect(200);
    }
    gateway.client().await.call("POST", DIALECTS[0].path, &[], b"{}").await.expect(401);
    let gateway = &gateway;
    let text = until("three calls in the metrics", || async move {
        let text = gateway.metrics().await;
        let three =
            text.lines().any(|l| l.starts_with("sallyport_") && l.contains("chat") && l.ends_with(" 3"));
        three.then_some(text)
    })
    .await;
    assert!(text.lines().any(|l| l.contains("401") && l.ends_with(" 1")), "{text}");
    assert!(text.contains("# TYPE sallyport_"), "{text}");
    assert!(!text.contains(&gateway.key[..12]), "no keys in labels");
}

/// A listener of its own needs no token.
#[tokio::test]
async fn metrics_on_a_port_of_their_own() {
    let port = super::support::ports::Port::reserve();
    let listen = format!("127.0.0.1:{}", port.number());
    let _gateway = Gateway::start(object!({"metrics": {"listen": listen}})).await;
    let answer = get(port.number(), "/metrics", &[]).await;
    assert!(answer.expect(200).text().contains("# TYPE sallyport_"));
    assert_eq!(get(port.number(), "/v1/models", &[]).await.status(), 404);
}

/// Labels come from what is configured, never from what a client writes (Lessons, Resilience: "Memory that grows:
/// per-key maps without eviction").
#[tokio::test]
async fn clients_cannot_make_metrics_grow() {
    let gateway = Gateway::start(openai("http://127.0.0.1:9/v1")).await;
    let mut client = gateway.client().await;
    let bearer = gateway.bearer();
    let one = |n: usize| (format!("/v1/x{n}"), format!(r#"{{"model":"nobody-{n}"}}"#));
    for n in 0..50 {
        let (path, body) = one(n);
        let headers = [("authorization", bearer.as_str())];
        client.call("POST", &path, &headers, body.as_bytes()).await.expect(404);
        client.call("POST", "/v1/chat/completions", &headers, body.as_bytes()).await.expect(404);
    }
    let text = gateway.metrics().await;
    assert!(!text.contains("nobody-") && !text.contains("/v1/x"), "{text}");
}

/// The admin service: nothing without its token.
#[tokio::test]
async fn the_admin_token() {
    let gateway = Gateway::start(object!({})).await;
    for path in ["/api/calls", "/api/snapshot", "/api/calls/x"] {
        for headers in
            [&[][..], &[("authorization", "Bearer wrong")], &[("authorization", &*gateway.bearer())]]
        {
            get(gateway.admin_port, path, headers).await.expect(401);
        }
    }
    // Whether it is well is nobody's secret; why not, is.
    let open = get(gateway.admin_port, "/api/health", &[]).await;
    assert!(open.expect(200).json()["dependencies"].is_null(), "{}", open.text());
    let all = gateway.admin("/api/health").await;
    assert!(all.expect(200).json()["dependencies"].is_array(), "{}", all.text());
}

/// Secrets of the configuration are in no answer and no log.
#[tokio::test]
async fn secrets_are_told_to_nobody() {
    let mut stub = Stub::manual().await;
    let gateway = Setup::new(openai(&stub.url())).env("RUST_LOG", "trace").start().await;
    let bearer = gateway.bearer();
    let mut client = gateway.client().await;
    client
        .send(request("POST", DIALECTS[0].path, &[("authorization", &bearer)], DIALECTS[0].body.as_bytes()))
        .await;
    stub.next().await.cut();
    let ask = gateway.admin("/api/snapshot").await.text() + &gateway.metrics().await;
    let secrets = [
        ADMIN_TOKEN,
        METRICS_TOKEN,
        super::support::gateway::UPSTREAM_KEY,
        super::support::gateway::MASTER_KEY,
    ];
    for secret in secrets {
        assert!(!ask.contains(secret), "an answer holds {secret}");
        let said = gateway.process.said();
        assert!(!said.contains(secret), "the log holds {secret} at level trace");
    }
}
