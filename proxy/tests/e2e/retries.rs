//! What sends a call to the next candidate and what does not.

use super::support::answer::{answer, json, sse};
use super::support::gateway::Gateway;
use super::support::ports::Port;
use super::support::samples::SAMPLES;
use super::support::setups::{DIALECTS, Dialect, anthropic, error_type, openai, provider, two, with};
use super::support::stub::{Received, Stub};
use serde_json::{Value, json as object};
use std::time::{Duration, Instant};

async fn second(dialect: &Dialect) -> Stub {
    let sample = *SAMPLES.iter().find(|s| s.path == dialect.path).unwrap();
    Stub::answering(
        move |r| if r.json()["stream"] == true { sse(sample.events) } else { json(200, sample.json) },
    )
    .await
}

/// Asks `first`-then-`second`; the answer must be the second one's, and the log must tell of two attempts.
async fn fails_over(dialect: &Dialect, first: &str, body: &str, more: Value) {
    let second = second(dialect).await;
    let gateway = Gateway::start(with(two(dialect.kind, first, &second.url()), more)).await;
    let got = gateway.post(dialect.path, body).await;
    got.expect(200);
    assert_eq!(second.only().body.len(), body.len(), "{}", dialect.path);
    second_attempt_served(&gateway.logged(&got.id()).await);
}

fn second_attempt_served(call: &Value) {
    assert_eq!(call["attempts"], 2, "{call}");
    assert_eq!(call["provider"], "second", "{call}");
    assert_eq!(call["status"], 200, "{call}");
    assert!(call["error_source"].is_null() && call["error_code"].is_null(), "{call}");
}

#[tokio::test]
async fn a_status_of_the_upstreams_own_trouble() {
    for (n, dialect) in DIALECTS.iter().enumerate() {
        let headers = [("content-type", "application/json"), ("retry-after", "30")];
        let first = Stub::answering(move |r| answer(wanted(r), &headers, "{}")).await;
        let second = second(dialect).await;
        let gateway = Gateway::start(two(dialect.kind, &first.url(), &second.url())).await;
        for status in [401, 402, 403, 408, 429, 500, 502, 503, 504, 529].into_iter().skip(n).step_by(3) {
            let (before, after) = (first.received().len(), second.received().len());
            let got = gateway.post(dialect.path, wanting(dialect, status)).await;
            got.expect(200);
            assert_eq!(
                first.received().len(),
                before + 1,
                "{status}: no second try where another candidate is free"
            );
            assert_eq!(second.received().len(), after + 1, "{status}");
            second_attempt_served(&gateway.logged(&got.id()).await);
        }
    }
}

/// The dialect's request, with a wish for the status of the answer.
fn wanting(dialect: &Dialect, status: u16) -> String {
    format!("{},\"want\":{status}}}", dialect.body.strip_suffix('}').unwrap())
}

fn wanted(request: &Received) -> u16 {
    request.json()["want"].as_u64().unwrap() as u16
}

#[tokio::test]
async fn nobody_listens() {
    let free = Port::reserve();
    let first = format!("http://127.0.0.1:{}/v1", free.number());
    for dialect in DIALECTS {
        fails_over(&dialect, &first, dialect.body, object!({})).await;
    }
}

#[tokio::test]
async fn no_answer_in_time() {
    for dialect in DIALECTS {
        let first = Stub::manual().await;
        let more = object!({"upstream": {"first_byte_timeout": "300ms"}});
        fails_over(&dialect, &first.url(), dialect.stream, more).await;
    }
}

/// Closed before a byte of the answer; an answer that is no HTTP.
#[tokio::test]
async fn no_answer_at_all() {
    let dialect = DIALECTS[0];
    let mut first = Stub::manual().await;
    let url = first.url();
    let cutter = async {
        first.next().await.cut();
        // A failed attempt on the same provider may follow: the candidate list has another one, so none does.
    };
    tokio::join!(cutter, fails_over(&dialect, &url, dialect.body, object!({})));
    let first = Stub::answering(|_| b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()).await;
    fails_over(&dialect, &first.url(), dialect.body, object!({})).await;
}

/// Lessons, Resilience: "Streams never fail over before the first byte". A 200 whose first event is an error is a failure.
#[tokio::test]
async fn a_stream_that_begins_with_an_error() {
    let errors = [
        "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"boom\",\"param\":null,\"sequence_number\":0}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
    ];
    for (dialect, error) in DIALECTS.iter().zip(errors) {
        for before in ["", ": ping\n\n"] {
            let first = Stub::answering(move |_| sse([before, error].iter().filter(|e| !e.is_empty()))).await;
            fails_over(dialect, &first.url(), dialect.stream, object!({})).await;
            assert_eq!(first.received().len(), 1);
        }
    }
}

/// Lessons, Resilience: "An out-of-credit 400/402 or a revoked upstream key (401) not treated as that upstream's fault".
#[tokio::test]
async fn an_account_without_credit() {
    let anthropic = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}"#;
    let first = Stub::answering(move |_| json(400, anthropic)).await;
    fails_over(&DIALECTS[2], &first.url(), DIALECTS[2].body, object!({})).await;
    let openai = r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
    let first = Stub::answering(move |_| json(429, openai)).await;
    fails_over(&DIALECTS[0], &first.url(), DIALECTS[0].body, object!({})).await;
}

/// Lessons, Resilience: "A client's own 400 retried on every upstream, returned as 502". Verbatim, once.
#[tokio::test]
async fn the_clients_own_mistake_is_its_own() {
    let bodies = [
        r#"{"error":{"message":"Unknown parameter: 'x'.","type":"invalid_request_error","param":"x","code":"unknown_parameter"}}"#,
        r#"{ "error" : {"message":"bad","type":"invalid_request_error","param":null,"code":null}}"#,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages: at least one message is required"},"request_id":"req_1"}"#,
    ];
    for (dialect, body) in DIALECTS.iter().zip(bodies) {
        let headers = [("content-type", "application/json"), ("x-should-retry", "false")];
        let first = Stub::answering(move |r| answer(wanted(r), &headers, body)).await;
        let second = second(dialect).await;
        let gateway = Gateway::start(two(dialect.kind, &first.url(), &second.url())).await;
        for (n, status) in [400, 404, 409, 413, 415, 422].into_iter().enumerate() {
            let got = gateway.post(dialect.path, wanting(dialect, status)).await;
            assert_eq!(got.expect(status).text(), body, "{}", dialect.path);
            assert_eq!(got.head.get("x-should-retry"), Some("false"));
            assert_eq!(
                (first.received().len(), second.received().len()),
                (n + 1, 0),
                "{} {status}",
                dialect.path
            );
            let call = gateway.logged(&got.id()).await;
            assert_eq!(call["attempts"], 1, "{call}");
            assert_eq!(call["error_source"], "client", "{call}");
        }
    }
}

/// Lessons, Protocol: "no Retry-After". Everything failed: told in the dialect, with a time to come back, and without
/// the provider's own credentials trouble being taken for the client's.
#[tokio::test]
async fn nothing_can_serve() {
    for dialect in DIALECTS {
        let free = Port::reserve();
        let dead = format!("http://127.0.0.1:{}/v1", free.number());
        let unauthorized = Stub::answering(|_| {
            json(401, r#"{"error":{"message":"Incorrect API key provided: sk-upstream-secret"}}"#)
        })
        .await;
        let gateway = Gateway::start(two(dialect.kind, &dead, &unauthorized.url())).await;
        let got = gateway.post(dialect.path, dialect.body).await;
        assert!(matches!(got.status(), 502 | 503 | 529), "{:?} {}", got.head, got.text());
        error_type(dialect.path, &got.json());
        assert!(got.head.get("retry-after").is_some_and(|v| v.parse::<u32>().is_ok()), "{:?}", got.head);
        let text = got.text();
        for secret in ["sk-upstream", "127.0.0.1", "Incorrect"] {
            assert!(!text.contains(secret), "the answer tells what is inside: {text}");
        }
        let call = gateway.logged(&got.id()).await;
        assert_eq!(call["error_source"], "upstream", "{call}");
        assert_eq!(call["attempts"], 2, "{call}");
        assert!(
            call["error_detail"].as_str().is_some_and(|d| d.contains("401")),
            "the log tells the story: {call}"
        );
        assert!(!call.to_string().contains("sk-upstream-secret"), "{call}");
    }
}

/// A model without any provider that is switched on.
#[tokio::test]
async fn no_candidate() {
    for dialect in DIALECTS {
        let mut off = provider("first", dialect.kind, "http://127.0.0.1:9/v1");
        off["enabled"] = false.into();
        let gateway = Gateway::start(object!({
            "providers": [off],
            "models": [{"name": "m", "routes": [{"provider": "first"}]}],
        }))
        .await;
        let got = gateway.post(dialect.path, dialect.body).await;
        // 529 is Anthropic's own status for "overloaded".
        assert_eq!(got.status(), if dialect.kind == "anthropic" { 529 } else { 503 }, "{}", got.text());
        error_type(dialect.path, &got.json());
        assert!(got.head.has("retry-after"), "{:?}", got.head);
        assert_eq!(gateway.logged(&got.id()).await["attempts"], 0);
    }
}

/// Lessons, Resilience: "Retry-After lost". The only provider asks for a second's patience and gets it.
#[tokio::test]
async fn retry_after_is_respected() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let times = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = times.clone();
    let stub = Stub::answering(move |_| {
        seen.lock().unwrap().push(Instant::now());
        match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => answer(429, &[("retry-after", "1")], "{}"),
            _ => json(200, "{}"),
        }
    })
    .await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    gateway.post(DIALECTS[0].path, DIALECTS[0].body).await.expect(200);
    let times = times.lock().unwrap().clone();
    assert_eq!(times.len(), 2);
    assert!(times[1] - times[0] >= Duration::from_secs(1), "asked again after {:?}", times[1] - times[0]);
}

/// A wait longer than `max_backoff` ends the call: the client is told 429 and how long.
#[tokio::test]
async fn a_long_retry_after_goes_to_the_client() {
    for dialect in [DIALECTS[0], DIALECTS[2]] {
        let stub = Stub::answering(|_| {
            answer(429, &[("content-type", "application/json"), ("retry-after", "77")], "{}")
        })
        .await;
        let setup = if dialect.kind == "anthropic" { anthropic(&stub.url()) } else { openai(&stub.url()) };
        let gateway = Gateway::start(setup).await;
        let got = gateway.post(dialect.path, dialect.body).await;
        assert_eq!(got.expect(429).head.get("retry-after"), Some("77"));
        assert_eq!(stub.received().len(), 1);
    }
}

/// Attempts are bounded.
#[tokio::test]
async fn attempts_end() {
    let stub = Stub::answering(|_| json(500, "{}")).await;
    let gateway = Gateway::start(with(openai(&stub.url()), object!({"upstream": {"max_attempts": 4}}))).await;
    let got = gateway.post(DIALECTS[0].path, DIALECTS[0].body).await;
    assert!(got.status() >= 500);
    assert_eq!(stub.received().len(), 4);
    assert_eq!(gateway.logged(&got.id()).await["attempts"], 4);
}

/// "A POST that fails on a reused connection before any response byte may be sent again": a provider that closes idle
/// connections costs no call, even when it is the only one and no attempt is left.
#[tokio::test]
async fn a_stale_connection_costs_nothing() {
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(with(openai(&stub.url()), object!({"upstream": {"max_attempts": 1}}))).await;
    let ask = || gateway.post(DIALECTS[0].path, DIALECTS[0].body);
    let serve = async |stub: &mut Stub| {
        let mut call = stub.next().await;
        call.send(json(200, "{}")).await;
        call
    };
    let (answer, call) = tokio::join!(ask(), serve(&mut stub));
    answer.expect(200);
    call.done();
    // On the kept connection: the request arrives, and the provider closes at the same moment.
    let (answer, ()) = tokio::join!(ask(), async {
        stub.next().await.cut();
        serve(&mut stub).await.done();
    });
    answer.expect(200);
    let connections: Vec<_> = stub.received().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 0, 1], "kept, reused, made anew");
}

/// Weights: about as many calls to each provider as their share says.
#[tokio::test]
async fn weights_share_the_traffic() {
    let (a, b) = (Stub::answering(|_| json(200, "{}")).await, Stub::answering(|_| json(200, "{}")).await);
    let gateway = Gateway::start(object!({
        "providers": [provider("a", "openai", &a.url()), provider("b", "openai", &b.url())],
        "models": [{"name": "m", "routes": [{"provider": "a", "weight": 3}, {"provider": "b", "weight": 1}]}],
    }))
    .await;
    let mut client = gateway.client().await;
    let bearer = gateway.bearer();
    for _ in 0..400 {
        let headers = [("authorization", bearer.as_str())];
        client.call("POST", DIALECTS[0].path, &headers, DIALECTS[0].body.as_bytes()).await.expect(200);
    }
    let (a, b) = (a.received().len(), b.received().len());
    assert_eq!(a + b, 400);
    // 300 expected, standard deviation below 9: seven of them on each side.
    assert!((237..=363).contains(&a), "3:1 became {a}:{b}");
}
