//! What goes wrong at an upstream that speaks another format, told in the client's.

use super::support::answer::{answer, sse};
use super::support::ask::{ask, turns};
use super::support::gateway::Gateway;
use super::support::ports::Port;
use super::support::scene::{ANTHROPIC, COMPATIBLE, OPENAI, TEXT, TRANSLATED, Upstream, Wire, everything};
use super::support::setups::{error_type, provider};
use super::support::stub::{Received, Stub};
use super::support::tell::{events, tell};
use serde_json::{Value, json};

/// An error as an upstream of a format tells it.
fn error_body(wire: Wire, status: u16) -> String {
    let message = format!("The provider's own words about {status}.");
    let kind = match (wire, status) {
        (_, 400) => "invalid_request_error",
        (Wire::Messages, 401) => "authentication_error",
        (Wire::Messages, 404) => "not_found_error",
        (Wire::Messages, 429) => "rate_limit_error",
        (Wire::Messages, 529) => "overloaded_error",
        (Wire::Messages, _) => "api_error",
        (_, 401 | 404) => "invalid_request_error",
        (_, 429) => "requests",
        _ => "server_error",
    };
    if wire == Wire::Messages {
        return json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_up"})
            .to_string();
    }
    let code = if status == 429 { json!("rate_limit_exceeded") } else { Value::Null };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}}).to_string()
}

/// The status that a question wishes for.
fn wanted(r: &Received) -> u16 {
    let text = r.json().to_string();
    let at = text.find("status ").unwrap() + 7;
    text[at..at + 3].parse().unwrap()
}

fn wishing(front: Wire, up: Upstream, stream: bool, status: u16) -> String {
    let mut body = ask(front, up.model, stream);
    body[turns(front)][0]["content"] = format!("status {status}").into();
    body.to_string()
}

/// What a client is told for a status of the upstream's: status, and the error's type in OpenAI's and Anthropic's words.
const TOLD: [(u16, [u16; 2], [&str; 2]); 7] = [
    (400, [400, 400], ["invalid_request_error", "invalid_request_error"]),
    // The gateway's own key was refused: not the client's.
    (401, [502, 502], ["server_error", "api_error"]),
    (404, [404, 404], ["invalid_request_error", "not_found_error"]),
    (429, [429, 429], ["rate_limit_error", "rate_limit_error"]),
    (500, [500, 500], ["server_error", "api_error"]),
    (503, [503, 529], ["server_error", "overloaded_error"]),
    (529, [503, 529], ["server_error", "overloaded_error"]),
];

/// LESSONS.md, Protocol: "OpenAI-shaped errors on Anthropic routes; no Retry-After".
#[tokio::test]
async fn statuses() {
    let stub = Stub::answering(|r| {
        let status = wanted(r);
        let headers =
            [("content-type", "application/json"), ("retry-after", "7"), ("x-request-id", "req_up")];
        answer(status, &headers, error_body(Wire::of(r.target()), status))
    })
    .await;
    let gateway = Gateway::start(everything(&stub.url())).await;
    for (front, up) in TRANSLATED {
        let anthropic = usize::from(front == Wire::Messages);
        for (status, told, kinds) in TOLD {
            let case = format!("{front:?} to {}, {status}", up.kind);
            let got = gateway.post(front.path(), wishing(front, up, status == 500, status)).await;
            let text = got.text();
            assert_eq!(got.status(), told[anthropic], "{case}: {text}");
            assert_eq!(error_type(front.path(), &got.json()), kinds[anthropic], "{case}: {text}");
            let own = text.contains(&format!("own words about {status}"));
            assert_eq!(own, status != 401, "{case}: {text}");
            if matches!(status, 429 | 503 | 529) {
                assert_eq!(got.head.get("retry-after"), Some("7"), "{case}: {:?}", got.head);
            }
            let call = gateway.logged(&got.id()).await;
            let source = if matches!(status, 400 | 404) { "client" } else { "upstream" };
            assert_eq!(
                (&call["error_source"], &call["attempts"]),
                (&source.into(), &1.into()),
                "{case} {call}"
            );
            assert_eq!(call["status"], told[anthropic], "{case} {call}");
            assert_eq!(call["cost"]["nanos"].as_i64().unwrap_or(0), 0, "{case} {call}");
        }
    }
}

/// LESSONS.md: a load balancer's page in front of the provider.
#[tokio::test]
async fn pages_of_html() {
    let page = "<html><body><h1>502 Bad Gateway</h1><p>internal-lb-17</p></body></html>";
    let stub = Stub::answering(move |r| answer(wanted(r), &[("content-type", "text/html")], page)).await;
    let gateway = Gateway::start(everything(&stub.url())).await;
    for (front, up) in TRANSLATED {
        for status in [502, 404, 200] {
            let got = gateway.post(front.path(), wishing(front, up, status == 404, status)).await;
            assert_eq!(got.status(), if status == 404 { 404 } else { 502 }, "{front:?} {}", got.text());
            error_type(front.path(), &got.json());
            assert!(!got.text().contains("internal-lb-17"), "{}", got.text());
        }
    }
}

/// An error event as an upstream of a format sends it.
fn error_event(wire: Wire) -> String {
    match wire {
        Wire::Chat => format!("data: {}\n\n", error_body(wire, 500)),
        Wire::Responses => {
            let mut error: Value = serde_json::from_str(&error_body(wire, 500)).unwrap();
            error["type"] = "error".into();
            error["sequence_number"] = 2.into();
            format!("event: error\ndata: {error}\n\n")
        }
        Wire::Messages => format!("event: error\ndata: {}\n\n", error_body(wire, 529)),
    }
}

fn pair(first: Upstream, second: Upstream, urls: [&str; 2]) -> Value {
    json!({
        "providers": [provider("first", first.kind, urls[0]), provider("second", second.kind, urls[1])],
        "models": [{"name": "m", "routes": [
            {"provider": "first", "model": first.model, "weight": 1},
            {"provider": "second", "model": second.model, "weight": 0},
        ]}],
    })
}

/// Asks `first`; the answer must be told by `second`, in the client's format.
async fn fails_over(front: Wire, first: Upstream, url: &str, second: Upstream, streams: &[bool]) {
    let good = Stub::answering(|r| tell(r, &TEXT)).await;
    let gateway = Gateway::start(pair(first, second, [url, &good.url()])).await;
    for stream in streams {
        let got = gateway.post(front.path(), ask(front, "m", *stream).to_string()).await;
        let case = format!("{front:?}, {} then {}: {}", first.kind, second.kind, got.text());
        assert_eq!(got.status(), 200, "{case}");
        let said = if *stream { "llo " } else { "Héllo " };
        assert!(got.text().contains(said) && !got.text().contains("error\":{"), "{case}");
        let sent = good.received().pop().unwrap().json();
        assert_eq!(sent["model"], second.model, "{case}");
        let call = gateway.logged(&got.id()).await;
        assert_eq!((&call["attempts"], &call["provider"]), (&2.into(), &"second".into()), "{case} {call}");
        assert!(call["error_source"].is_null(), "{case} {call}");
    }
}

/// LESSONS.md, Resilience: "Streams never fail over before the first byte". In both directions over the border of
/// formats: from a verbatim upstream to a translated one and back.
#[tokio::test]
async fn the_next_candidate_speaks_another_format() {
    let begins_with_an_error = Stub::answering(|r| sse([error_event(Wire::of(r.target()))])).await;
    let broken = Stub::answering(|r| answer(500, &[], error_body(Wire::of(r.target()), 500))).await;
    let free = Port::reserve();
    let nobody = format!("http://127.0.0.1:{}/v1", free.number());
    for (front, first, second) in [
        (Wire::Chat, ANTHROPIC, OPENAI),
        (Wire::Chat, OPENAI, ANTHROPIC),
        (Wire::Responses, ANTHROPIC, COMPATIBLE),
        (Wire::Responses, OPENAI, ANTHROPIC),
        (Wire::Messages, COMPATIBLE, OPENAI),
        (Wire::Messages, ANTHROPIC, OPENAI),
    ] {
        fails_over(front, first, &begins_with_an_error.url(), second, &[true]).await;
        fails_over(front, first, &broken.url(), second, &[false, true]).await;
        fails_over(front, first, &nobody, second, &[false]).await;
    }
}

/// An answer with a good status that is none: the next candidate is asked.
#[tokio::test]
async fn an_unreadable_answer_fails_over() {
    for nonsense in ["{\"hello\":\"world\"}", "", "[1,2", "<html></html>"] {
        let first = Stub::answering(move |_| super::support::answer::json(200, nonsense)).await;
        fails_over(Wire::Chat, ANTHROPIC, &first.url(), COMPATIBLE, &[false]).await;
        fails_over(Wire::Messages, OPENAI, &first.url(), ANTHROPIC, &[false]).await;
    }
}

/// Nobody has words for a field: told at once, and nobody is asked. If one has, that one is asked.
#[tokio::test]
async fn the_candidate_that_has_words_for_it() {
    let stub = Stub::answering(|r| tell(r, &TEXT)).await;
    let gateway = Gateway::start(pair(ANTHROPIC, OPENAI, [&stub.url(), &stub.url()])).await;
    let mut body = ask(Wire::Chat, "m", false);
    body["logit_bias"] = json!({"50256": -100});
    let got = gateway.post(Wire::Chat.path(), body.to_string()).await;
    got.expect(200);
    assert_eq!(stub.only().target(), "/v1/chat/completions");
    assert_eq!(stub.only().json()["logit_bias"], body["logit_bias"], "verbatim");
    assert_eq!(gateway.logged(&got.id()).await["provider"], "second");
}

/// A stream that begins well; then `more`. `cut`: the connection ends without a last chunk.
async fn breaks(front: Wire, up: Upstream, more: &str, cut: bool) {
    let mut stub = Stub::manual().await;
    let gateway = Gateway::start(everything(&stub.url())).await;
    let (bearer, mut client) = (gateway.bearer(), gateway.client().await);
    let body = ask(front, up.model, true).to_string();
    let headers = [("authorization", bearer.as_str())];
    client.send(super::support::client::request("POST", front.path(), &headers, body.as_bytes())).await;
    let mut call = stub.next().await;
    call.send(super::support::answer::sse_head()).await;
    let all = events(up.wire, &TEXT);
    let upto = all.iter().position(|e| e.contains("llo ")).unwrap();
    for event in &all[..=upto] {
        call.chunk(event).await;
    }
    let answered = client.head().await;
    assert_eq!(answered.status(), 200);
    let mut text = String::new();
    while !text.contains("llo ") {
        text.push_str(std::str::from_utf8(&client.chunk().await.unwrap()).unwrap());
    }
    if !more.is_empty() {
        call.chunk(more).await;
    }
    if cut {
        call.cut();
    } else {
        call.send(super::support::answer::LAST_CHUNK).await;
    }
    loop {
        let chunk = client.chunk().await.expect("the client's stream ends in order");
        if chunk.is_empty() {
            break;
        }
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let case = format!("{front:?} to {}, {more:?}, cut {cut}: {text}", up.kind);
    println!("{case}");
    super::streams::check_error_event(front.path(), &text);
    let told = super::support::hear_stream::cut(&text);
    assert_eq!(
        told.iter().filter(|(_, e)| !e["error"].is_null() || e["type"] == "error").count(),
        1,
        "{case}"
    );
    if front == Wire::Responses {
        for (n, (_, event)) in told.iter().enumerate() {
            assert_eq!(event["sequence_number"], n, "numbered without gaps: {case}");
        }
    }
    let logged = gateway.logged(answered.id()).await;
    assert_eq!(logged["error_source"], "upstream", "{case} {logged}");
    assert_eq!(logged["cancelled"], false, "{case} {logged}");
    // What came before the break is counted as far as the upstream has told it.
    if up.wire == Wire::Messages {
        assert_eq!(logged["usage"]["cached_input"], 40, "{case} {logged}");
    }
}

#[tokio::test]
async fn an_error_event_in_mid_stream() {
    for (front, up) in TRANSLATED {
        breaks(front, up, &error_event(up.wire), false).await;
        breaks(front, up, &error_event(up.wire), true).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_cut() {
    for (front, up) in TRANSLATED {
        breaks(front, up, "", true).await;
        breaks(front, up, "event: x\ndata: {\"type\"", true).await;
        // In order as far as HTTP can see.
        breaks(front, up, "", false).await;
    }
}

/// Neither a panic nor silence.
#[tokio::test]
async fn an_event_that_is_none() {
    for (front, up) in TRANSLATED {
        breaks(front, up, "data: {\"id\":\n\n", false).await;
        breaks(front, up, "data: <html>\n\n", true).await;
    }
}
