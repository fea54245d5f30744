//! Memory does not grow with what has been.

use super::support::answer::{json, sse};
use super::support::client::request;
use super::support::gateway::Gateway;
use super::support::samples::SAMPLES;
use super::support::setups::{DIALECTS, openai};
use super::support::stub::Stub;

const PATH: &str = "/v1/chat/completions";

/// Resident memory of a process, in bytes.
fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Lessons, Resilience: "Memory that grows: per-key maps without eviction, unclosed placeholders buffered for ever".
/// Calls of every fate, from ever new models, paths, keys and connections.
#[tokio::test]
async fn memory_is_bounded() {
    let stub = Stub::answering(|r| match r.json()["stream"] == true {
        true => sse(SAMPLES[0].events),
        false => json(200, SAMPLES[0].json),
    })
    .await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let id = gateway.process.id();
    let bearer = gateway.bearer();
    let round = async |from: usize, to: usize| {
        for n in from..to {
            let mut client = gateway.client().await;
            let good = [("authorization", bearer.as_str())];
            let pad = "x".repeat(6000);
            client.call("POST", PATH, &good, DIALECTS[0].stream.as_bytes()).await.expect(200);
            client
                .call("POST", PATH, &good, format!(r#"{{"model":"m","pad":"{pad}"}}"#).as_bytes())
                .await
                .expect(200);
            client
                .call("POST", PATH, &good, format!(r#"{{"model":"none-{n}-{pad}"}}"#).as_bytes())
                .await
                .expect(404);
            client.call("POST", PATH, &[("x-api-key", &format!("sp-{n}-{pad}"))], b"{}").await.expect(401);
            client.call("POST", &format!("/v1/none-{n}-{pad}"), &good, b"{}").await.expect(404);
            // Leaves in the middle of its request, and after it.
            let mut leaver = gateway.client().await;
            leaver.send(&request("POST", PATH, &good, DIALECTS[0].stream.as_bytes())[..150]).await;
            let mut leaver = gateway.client().await;
            leaver.send(request("POST", PATH, &good, DIALECTS[0].stream.as_bytes())).await;
        }
    };
    let mut sizes = Vec::new();
    for n in 0..10 {
        round(n * 300, (n + 1) * 300).await;
        sizes.push(resident(id) >> 10);
    }
    // Pools, caches and the allocator's pages settle first, and go on settling a little; whoever keeps the 30 KB of new
    // text of each of the last 1500 rounds grows by 45 MB.
    let grown = sizes[9].saturating_sub(sizes[4]);
    assert!(grown < 16 << 10, "KiB after every 300 rounds: {sizes:?}");
}

/// 20 MB of body are given back.
#[tokio::test]
async fn large_bodies_are_given_back() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let body = format!(r#"{{"model":"m","pad":"{}"}}"#, "x".repeat(20 << 20));
    gateway.post(PATH, &body).await.expect(200);
    let first = resident(gateway.process.id());
    for _ in 0..10 {
        gateway.post(PATH, &body).await.expect(200);
    }
    let last = resident(gateway.process.id());
    assert!(last < first + (64 << 20), "{} → {} MiB by ten bodies of 20 MiB", first >> 20, last >> 20);
}
