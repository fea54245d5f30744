//! What goes wrong at a provider of another dialect is told in the client's.

use super::support::answer::{answer, json, sse};
use super::support::gateway::Gateway;
use super::support::setups::{error_type, provider};
use super::support::speech::{Format, KINDS, Said, ask, back, error_body, error_event, say, translated};
use super::support::stub::{Received, Stub};
use super::translated::{House, kinds, spoken};
use serde_json::{Value, json as object};

/// Models `one-two`: at a provider of kind `one` whose upstream is `first`, and at one of kind `two` at `second` only
/// when that fails.
async fn pairs_of(first: &Stub, second: &Stub) -> Gateway {
    let named = |place: &str, stub: &Stub| KINDS.map(|k| provider(&format!("{place}-{k}"), k, &stub.url()));
    let providers = [named("first", first), named("second", second)].concat();
    let mut models = Vec::new();
    for (one, two) in KINDS.into_iter().flat_map(|one| KINDS.map(|two| (one, two))) {
        models.push(object!({"name": format!("{one}-{two}"), "routes": [
            {"provider": format!("first-{one}"), "weight": 1}, {"provider": format!("second-{two}"), "weight": 0}]}));
    }
    Gateway::start(object!({"providers": providers, "models": models})).await
}

/// The second one served: told so by answer, upstreams and log.
async fn fails_over(gateway: &Gateway, front: Format, one: &str, two: &str, stream: bool) {
    let mut body = ask::tools(front, stream);
    body["model"] = format!("{one}-{two}").into();
    let got = gateway.post(front.path(), body.to_string()).await;
    let what = format!("{front:?}: {one} to {two}: {}", got.text());
    got.expect(200);
    assert!(got.text().contains("Hi."), "{what}");
    let call = gateway.logged(&got.id()).await;
    assert_eq!(
        (&call["attempts"], &call["provider"]),
        (&object!(2), &object!(format!("second-{two}"))),
        "{call}"
    );
    assert!(call["error_code"].is_null(), "{what} {call}");
}

/// Answers every call in the words of the format that it came in.
async fn well() -> Stub {
    Stub::answering(|r| say::answer(spoken(r), &Said::text("Hi."), &r.json())).await
}

/// The status that the user's text asks for.
fn wanted(r: &Received) -> u16 {
    let text = String::from_utf8_lossy(&r.body);
    let at = text.find("want-").unwrap_or_else(|| panic!("no wish: {text}"));
    text[at + 5..at + 8].parse().unwrap()
}

fn wanting(front: Format, status: u16, stream: bool) -> Value {
    let text = ask::text(front, stream).to_string().replace("Weather?", &format!("want-{status}"));
    serde_json::from_str(&text).unwrap()
}

/// Status and type of an error.
type Reads = (u16, &'static str);

/// Status there, type of the error; status and type that a client of each dialect reads.
const STATUSES: [(u16, &str, [Reads; 2]); 7] = [
    (400, "invalid_request_error", [(400, "invalid_request_error"), (400, "invalid_request_error")]),
    (404, "not_found_error", [(404, "invalid_request_error"), (404, "not_found_error")]),
    (413, "request_too_large", [(413, "invalid_request_error"), (413, "request_too_large")]),
    (429, "rate_limit_error", [(429, "rate_limit_error"), (429, "rate_limit_error")]),
    (500, "api_error", [(500, "server_error"), (500, "api_error")]),
    (503, "overloaded_error", [(503, "server_error"), (529, "overloaded_error")]),
    (529, "overloaded_error", [(503, "server_error"), (529, "overloaded_error")]),
];

#[tokio::test]
async fn statuses() {
    let headers = [("content-type", "application/json"), ("retry-after", "77"), ("x-request-id", "req_up")];
    let stub = Stub::answering(move |r| {
        let status = wanted(r);
        let kind = STATUSES.iter().find(|s| s.0 == status).map_or("authentication_error", |s| s.1);
        answer(status, &headers, error_body(spoken(r), kind, "The words of the provider."))
    })
    .await;
    let gateway = Gateway::start(kinds(&stub.url(), object!({"upstream": {"max_attempts": 1}}))).await;
    for (front, kind) in translated() {
        let ask = async |status: u16, stream: bool| {
            let mut body = wanting(front, status, stream);
            body["model"] = kind.into();
            gateway.post(front.path(), body.to_string()).await
        };
        for (status, _, wants) in STATUSES {
            let (want, word) = wants[usize::from(front == Format::Messages)];
            for stream in [false, true] {
                let got = ask(status, stream).await;
                let what = format!("{front:?} {kind} {status} {stream}: {}", got.text());
                assert_eq!(got.status(), want, "{what}");
                assert_eq!(got.head.get("content-type"), Some("application/json"), "{what}");
                assert_eq!(error_type(front.path(), &got.json()), word, "{what}");
                assert_eq!(got.json()["error"]["message"], "The words of the provider.", "{what}");
                assert_eq!(got.head.get("retry-after"), Some("77"), "{what}");
                assert_eq!(got.head.get("x-request-id"), Some("req_up"), "{what}");
                if front == Format::Messages {
                    // What Anthropic's SDKs read; header and body say the same.
                    let id = got.head.get("request-id").unwrap_or_else(|| panic!("{what} {:?}", got.head));
                    assert_eq!(got.json()["request_id"], id, "{what}");
                }
                let call = gateway.logged(&got.id()).await;
                let source = if status < 429 { "client" } else { "upstream" };
                assert_eq!(
                    (&call["error_source"], &call["status"]),
                    (&object!(source), &object!(want)),
                    "{call}"
                );
            }
        }
        // The gateway's own key is nothing that a client can mend.
        for status in [401, 403] {
            let got = ask(status, false).await;
            assert!(matches!(got.status(), 502 | 503), "{front:?} {kind}: {}", got.text());
            error_type(front.path(), &got.json());
            assert!(!got.text().contains("The words"), "{}", got.text());
        }
    }
}

/// Google says in the body only when to come back; clients of other dialects read it in the head. Google's own get
/// Google's bytes.
#[tokio::test]
async fn googles_wait_is_told_to_every_front() {
    const BODY: &str = r#"{"error":{"code":429,"message":"Quota.","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"21.5s"}]}}"#;
    let stub = Stub::answering(|r| match r.target().contains("alt=sse") {
        // As Google answers streams, too.
        true => json(429, format!("[{BODY}]")),
        false => json(429, BODY),
    })
    .await;
    let gateway = Gateway::start(object!({
        "providers": [provider("google", "gemini", &stub.url())],
        "models": [{"name": "m", "routes": [{"provider": "google"}]}],
        "upstream": {"max_attempts": 1},
    }))
    .await;
    for stream in [false, true] {
        for front in [Format::Chat, Format::Responses, Format::Messages] {
            let mut body = ask::text(front, stream);
            body["model"] = "m".into();
            let got = gateway.post(front.path(), body.to_string()).await;
            let what = format!("{front:?} {stream}: {:?} {}", got.head, got.text());
            assert_eq!((got.status(), got.head.get("retry-after")), (429, Some("22")), "{what}");
            assert_eq!(error_type(front.path(), &got.json()), "rate_limit_error", "{what}");
            assert_eq!(got.json()["error"]["message"], "Quota.", "{what}");
        }
        let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        let body = object!({"contents": [{"role": "user", "parts": [{"text": "Weather?"}]}]});
        let got = gateway.post(&format!("/v1beta/models/m:{method}"), body.to_string()).await;
        let what = format!("{method}: {:?} {}", got.head, got.text());
        let want = if stream { format!("[{BODY}]") } else { BODY.to_owned() };
        assert_eq!((got.status(), got.text()), (429, want), "{what}");
    }
}

/// A page of a load balancer in front of the provider; a 200 that is no answer of the format.
#[tokio::test]
async fn pages() {
    let html = [("content-type", "text/html")];
    let stub = Stub::answering(move |r| match wanted(r) {
        200 => answer(200, &html, "<html>Welcome</html>"),
        201 => json(200, r#"{"detail":"no answer"}"#),
        status => answer(status, &html, "<html>Bad gateway</html>"),
    })
    .await;
    let gateway = Gateway::start(kinds(&stub.url(), object!({"upstream": {"max_attempts": 1}}))).await;
    for (front, kind) in translated() {
        for status in [200, 201, 404, 502, 503] {
            for stream in [false, true] {
                let mut body = wanting(front, status, stream);
                body["model"] = kind.into();
                let got = gateway.post(front.path(), body.to_string()).await;
                let what = format!("{front:?} {kind} {status} {stream}: {}", got.text());
                assert!(got.status() >= 400, "{what}");
                error_type(front.path(), &got.json());
                assert!(!got.text().contains("html") && !got.text().contains("detail"), "{what}");
                let call = gateway.logged(&got.id()).await;
                assert_eq!(call["status"], got.status(), "{call}");
            }
        }
    }
}

/// Lessons, Resilience: "Streams never fail over before the first byte": a stream whose first event is an error, in
/// another dialect.
#[tokio::test]
async fn a_first_event_that_is_an_error() {
    let first = Stub::answering(|r| sse([error_event(spoken(r), "server_error", "boom")])).await;
    let second = well().await;
    let gateway = pairs_of(&first, &second).await;
    for (n, (front, kind)) in translated().enumerate() {
        fails_over(&gateway, front, kind, kind, true).await;
        assert_eq!((first.received().len(), second.received().len()), (n + 1, n + 1), "{front:?} {kind}");
    }
}

/// Nobody else is there: told as if the head had said it, in the client's dialect.
#[tokio::test]
async fn a_first_event_that_is_an_error_and_no_other_provider() {
    let stub = Stub::answering(|r| sse([error_event(spoken(r), "rate_limit_error", "Slow down.")])).await;
    let gateway = Gateway::start(kinds(&stub.url(), object!({"upstream": {"max_attempts": 1}}))).await;
    for (front, kind) in translated() {
        let mut body = ask::text(front, true);
        body["model"] = kind.into();
        let got = gateway.post(front.path(), body.to_string()).await;
        assert_eq!(got.expect(429).json()["error"]["message"], "Slow down.", "{front:?} {kind}");
        assert_eq!(error_type(front.path(), &got.json()), "rate_limit_error");
    }
}

/// From a provider of the client's own dialect to one of another, and back.
#[tokio::test]
async fn failover_across_dialects() {
    let first = Stub::answering(|r| json(500, error_body(spoken(r), "api_error", "down"))).await;
    let second = well().await;
    let gateway = pairs_of(&first, &second).await;
    for (front, own, other) in [
        (Format::Chat, "openai", "anthropic"),
        (Format::Responses, "openai", "openai-compatible"),
        (Format::Messages, "anthropic", "openai"),
    ] {
        for (one, two) in [(own, other), (other, own)] {
            for stream in [false, true] {
                fails_over(&gateway, front, one, two, stream).await;
                let last = |stub: &Stub| spoken(&stub.received().pop().unwrap());
                assert_eq!((last(&first), last(&second)), (back(front, one), back(front, two)));
            }
        }
    }
}

/// What a format has no words for: the field is named, and nothing is sent.
#[tokio::test]
async fn what_cannot_be_said_is_refused() {
    let house = House::new(object!({"responses": {"background": {"limit": 0}}})).await;
    for (front, kind, path, value) in UNSAYABLE {
        let mut body = ask::text(front, false);
        body[path] = serde_json::from_str(value).unwrap();
        body["model"] = kind.into();
        let got = house.gateway.post(front.path(), body.to_string()).await;
        let what = format!("{front:?} {kind} {path}: {}", got.text());
        assert_eq!(got.status(), 400, "{what}");
        assert_eq!(error_type(front.path(), &got.json()), "invalid_request_error", "{what}");
        let error = &got.json()["error"];
        assert!(error["message"].as_str().unwrap().contains(&format!("'{path}")), "{what}");
        if front != Format::Messages {
            assert!(error["param"].as_str().is_some_and(|p| p.starts_with(path)), "{what}");
            assert_eq!(error["code"], "unsupported_parameter", "{what}");
        }
        let call = house.gateway.logged(&got.id()).await;
        assert_eq!((&call["error_source"], &call["status"]), (&object!("client"), &object!(400)), "{call}");
    }
    assert!(house.stub.received().is_empty(), "nothing was sent");
}

/// Front, provider, field, a value that the provider's format has no words for.
const UNSAYABLE: [(Format, &str, &str, &str); 8] = [
    (Format::Chat, "anthropic", "seed", "7"),
    (Format::Chat, "anthropic", "n", "2"),
    (Format::Chat, "anthropic", "presence_penalty", "0.5"),
    (Format::Chat, "anthropic", "logit_bias", r#"{"5":1}"#),
    (Format::Responses, "anthropic", "background", "true"),
    (Format::Responses, "openai-compatible", "background", "true"),
    (Format::Messages, "openai", "top_k", "5"),
    (Format::Messages, "openai", "stop_sequences", r#"["END"]"#),
];

/// Where the configuration allows it: left out, and said so in a header and in the log.
#[tokio::test]
async fn what_may_be_lost_is_named() {
    let responses = object!({"background": {"limit": 0}});
    let house = House::new(object!({"translation": {"lossy": "allow"}, "responses": responses})).await;
    for (front, kind, path, value) in UNSAYABLE {
        for stream in [false, true] {
            let mut body = ask::text(front, stream);
            body[path] = serde_json::from_str(value).unwrap();
            let (got, sent) = house.ask(front, kind, body).await;
            got.expect(200);
            let dropped =
                got.head.get("x-sallyport-dropped").unwrap_or_else(|| panic!("{path}: {:?}", got.head));
            assert!(dropped.split(", ").any(|f| f.starts_with(path)), "{path}: {dropped}");
            assert!(sent.json().get(path).is_none(), "{path}: {}", sent.json());
        }
    }
    let (got, _) = house.ask(Format::Chat, "anthropic", ask::text(Format::Chat, false)).await;
    assert!(!got.head.has("x-sallyport-dropped"), "nothing was lost: {:?}", got.head);
}
