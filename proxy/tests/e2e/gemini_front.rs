//! Clients of Gemini's API in front of upstreams that speak other dialects.

use super::support::answer::{LAST_CHUNK, answer, json, sse, sse_head};
use super::support::client::{Answer, request};
use super::support::gateway::Gateway;
use super::support::samples::{SAMPLES, Sample, price};
use super::support::setups::{anthropic, openai, provider, two, with};
use super::support::stub::Stub;
use serde_json::{Value, json as object};

const ASK: &str =
    r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":9}}"#;
const GENERATE: &str = "/v1beta/models/m:generateContent";
const EVENTS: &str = "/v1beta/models/m:streamGenerateContent?alt=sse";
const ARRAY: &str = "/v1beta/models/m:streamGenerateContent";

/// Samples of the Responses and the Messages API: what is asked of these kinds of providers.
const BACKS: [(&str, &Sample); 2] = [("openai", &SAMPLES[1]), ("anthropic", &SAMPLES[2])];

async fn upstream(sample: &'static Sample) -> Stub {
    Stub::answering(
        move |r| if r.json()["stream"] == true { sse(sample.events) } else { json(200, sample.json) },
    )
    .await
}

fn setup(kind: &str, url: &str) -> Value {
    let base = if kind == "anthropic" { anthropic(url) } else { openai(url) };
    with(base, object!({"prices": {"models": {"m": price(), "the-real-one": price()}}}))
}

/// Asserts Google's envelope; its `code` and `status`.
#[track_caller]
fn google_error(body: &Value) -> (u64, String) {
    let e = &body["error"];
    assert!(e["message"].as_str().is_some_and(|m| !m.is_empty()), "no message: {body}");
    assert!(body.get("type").is_none() && e.get("type").is_none(), "another dialect: {body}");
    let status = e["status"].as_str().unwrap_or_else(|| panic!("no status: {body}"));
    (e["code"].as_u64().unwrap(), status.to_owned())
}

/// The JSON of each event.
fn events(text: &str) -> Vec<Value> {
    assert!(text.ends_with("\r\n\r\n"), "{text:?}");
    let data = text.split("\r\n\r\n").filter(|e| !e.is_empty());
    data.map(|e| serde_json::from_str(e.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

fn text_of(elements: &[Value]) -> String {
    elements.iter().filter_map(|e| e["candidates"][0]["content"]["parts"][0]["text"].as_str()).collect()
}

/// The model comes from the path: for access, route, translation, usage, price and log.
#[tokio::test]
async fn an_answer_and_its_record() {
    for (kind, sample) in BACKS {
        let stub = upstream(sample).await;
        let gateway = Gateway::start(setup(kind, &stub.url())).await;
        for (path, asked, served) in [
            (GENERATE, "m", "m"),
            ("/v1/models/alias:generateContent", "alias", "the-real-one"),
            ("/v1beta1/publishers/google/models/%61lias:generateContent", "alias", "the-real-one"),
        ] {
            let got = gateway.post(path, ASK).await;
            let body = got.expect(200).json();
            assert_eq!(got.head.get("content-type"), Some("application/json"));
            assert_eq!(body["candidates"][0]["content"]["role"], "model", "{body}");
            assert_eq!(body["candidates"][0]["content"]["parts"][0]["text"], "Hi", "{body}");
            assert_eq!(body["candidates"][0]["finishReason"], "STOP", "{body}");
            assert_eq!(body["modelVersion"], asked, "{body}");
            let [input, cached, .., output, reasoning] = sample.usage;
            let usage = &body["usageMetadata"];
            assert_eq!(usage["promptTokenCount"], input, "{usage}");
            assert_eq!(usage["cachedContentTokenCount"], cached, "{usage}");
            assert_eq!(usage["candidatesTokenCount"], output - reasoning, "{usage}");
            assert_eq!(usage["thoughtsTokenCount"].as_u64().unwrap_or(0), reasoning, "{usage}");
            assert_eq!(usage["totalTokenCount"], input + output, "{usage}");
            let sent = stub.received().pop().unwrap();
            assert_eq!(sent.json()["model"], served);
            let call = gateway.logged(&got.id()).await;
            assert_eq!((&call["surface"], &call["status"]), (&object!("generate"), &object!(200)), "{call}");
            assert_eq!(
                (&call["model_asked"], &call["model_served"]),
                (&object!(asked), &object!(served)),
                "{call}"
            );
            assert_eq!(call["cost"]["nanos"], sample.nanos, "{call}");
        }
    }
}

#[tokio::test]
async fn a_stream_in_both_framings() {
    for (kind, sample) in BACKS {
        let stub = upstream(sample).await;
        let gateway = Gateway::start(setup(kind, &stub.url())).await;
        let got = gateway.post(EVENTS, ASK).await;
        let in_events = events(&got.expect(200).text());
        assert!(got.head.get("content-type").unwrap().starts_with("text/event-stream"));
        let call = gateway.logged(&got.id()).await;
        assert_eq!(
            (&call["streamed"], &call["cost"]["nanos"]),
            (&object!(true), &object!(sample.nanos)),
            "{call}"
        );
        let got = gateway.post(ARRAY, ASK).await;
        assert_eq!(got.expect(200).head.get("content-type"), Some("application/json"));
        let Value::Array(in_array) = got.json() else { panic!("no array: {}", got.text()) };
        let call = gateway.logged(&got.id()).await;
        assert_eq!(call["cost"]["nanos"], sample.nanos, "{call}");
        for all in [&in_events, &in_array] {
            assert_eq!(text_of(all), "Hé");
            let last = all.last().unwrap();
            assert_eq!(last["candidates"][0]["finishReason"], "STOP", "{last}");
            assert_eq!(last["usageMetadata"]["promptTokenCount"], sample.usage[0], "{last}");
        }
    }
}

/// Each element as it comes, also of an array.
#[tokio::test]
async fn elements_arrive_one_by_one() {
    let sample = &SAMPLES[2];
    for (path, first_ends) in [(EVENTS, "\r\n\r\n"), (ARRAY, "}")] {
        let mut stub = Stub::manual().await;
        let gateway = Gateway::start(anthropic(&stub.url())).await;
        let bearer = gateway.bearer();
        let mut client = gateway.client().await;
        client.send(request("POST", path, &[("authorization", &bearer)], ASK.as_bytes())).await;
        let mut call = stub.next().await;
        call.send(sse_head()).await;
        for event in &sample.events[..4] {
            call.chunk(event).await;
        }
        client.head().await.status();
        let first = client.chunks_through(first_ends).await;
        assert!(first.contains("Hé"), "{first}");
        for event in &sample.events[4..] {
            call.chunk(event).await;
        }
        call.send(LAST_CHUNK).await;
        call.done();
        let mut rest = String::new();
        loop {
            let chunk = client.chunk().await.unwrap();
            if chunk.is_empty() {
                break;
            }
            rest.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        assert!(rest.contains("STOP"), "{rest}");
    }
}

/// LESSONS.md, Protocol: "Empty bodies on 401/403; OpenAI-shaped errors on Anthropic routes; no Retry-After."
#[tokio::test]
async fn refusals_are_told_in_googles_words() {
    let stub = upstream(&SAMPLES[1]).await;
    let limits = object!({"server": {"max_body": "1KiB"}});
    let gateway = Gateway::start(with(openai(&stub.url()), limits)).await;
    let narrow = gateway.new_key(&["--surfaces", "models,generate", "--models", "m"]).await;
    let good = gateway.key.clone();
    let large = format!(r#"{{"contents":[{{"parts":[{{"text":"{}"}}]}}]}}"#, "x".repeat(2000));
    let nested = r#"{"model":"models/other","contents":[]}"#;
    for (method, path, key, body, status, word) in [
        ("POST", GENERATE, "sp-nonsense", ASK, 401, "UNAUTHENTICATED"),
        ("POST", GENERATE, "", ASK, 401, "UNAUTHENTICATED"),
        ("GET", "/v1beta/models", "sp-nonsense", "", 401, "UNAUTHENTICATED"),
        ("POST", "/v1beta/models/m:countTokens", &narrow, ASK, 403, "PERMISSION_DENIED"),
        ("POST", "/v1beta/models/alias:generateContent", &narrow, ASK, 404, "NOT_FOUND"),
        ("POST", "/v1beta/models/nothing:generateContent", &good, ASK, 404, "NOT_FOUND"),
        ("POST", "/v1beta/models/m:predict", &good, ASK, 404, "NOT_FOUND"),
        ("POST", "/v1beta/files", &good, ASK, 404, "NOT_FOUND"),
        ("GET", "/v1beta/models/nothing", &good, "", 404, "NOT_FOUND"),
        ("GET", GENERATE, &good, "", 405, "INVALID_ARGUMENT"),
        ("DELETE", "/v1beta/models/m", &good, "", 405, "INVALID_ARGUMENT"),
        ("POST", GENERATE, &good, &large, 413, "INVALID_ARGUMENT"),
        ("POST", GENERATE, &good, "{", 400, "INVALID_ARGUMENT"),
        ("POST", GENERATE, &good, nested, 400, "INVALID_ARGUMENT"),
        ("POST", GENERATE, &good, r#"{"contents":7}"#, 400, "INVALID_ARGUMENT"),
        ("POST", GENERATE, &good, r#"{"cachedContent":"cachedContents/x"}"#, 400, "INVALID_ARGUMENT"),
        ("POST", "/v1beta/models/m:streamGenerateContent?alt=proto", &good, ASK, 400, "INVALID_ARGUMENT"),
    ] {
        let headers: &[(&str, &str)] = if key.is_empty() { &[] } else { &[("x-goog-api-key", key)] };
        let got = gateway.client().await.call(method, path, headers, body.as_bytes()).await;
        let told = google_error(&got.expect(status).json());
        assert_eq!(told, (status.into(), word.to_owned()), "{method} {path}");
        assert!(status != 405 || got.head.has("allow"), "{:?}", got.head);
    }
    assert!(stub.received().is_empty(), "none of them went up");
    // A stream without `alt=sse` is an array, its error too.
    let got = gateway.post(ARRAY, "{").await;
    assert_eq!(google_error(&got.expect(400).json()[0]).0, 400);
    // The key in the query, as plain HTTP clients of Google's send it.
    let path = format!("{GENERATE}?key={narrow}");
    gateway.client().await.call("POST", &path, &[], ASK.as_bytes()).await.expect(200);
}

/// LESSONS.md, Enforcement: "Allow-lists checked on one route only".
#[tokio::test]
async fn no_spelling_of_a_path_opens_another_model() {
    let stub = upstream(&SAMPLES[1]).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let narrow = gateway.new_key(&["--surfaces", "*", "--models", "m"]).await;
    for name in [
        "alias",
        "%61lias",
        "m/../alias",
        "m%2F..%2Falias",
        "./alias",
        "alias%00",
        "alias%3Am",
        "m%252F..%252Falias",
        "models/alias",
        "alias?m",
        "ALIAS",
    ] {
        for version in ["v1", "v1beta", "v1beta1"] {
            let path = format!("/{version}/models/{name}:generateContent");
            let got = gateway
                .client()
                .await
                .call("POST", &path, &[("x-goog-api-key", &narrow)], ASK.as_bytes())
                .await;
            assert!(matches!(got.status(), 404 | 405), "{path}: {} {}", got.status(), got.text());
        }
    }
    let body = ASK.replacen('{', r#"{"model":"models/alias","#, 1);
    let got =
        gateway.client().await.call("POST", GENERATE, &[("x-goog-api-key", &narrow)], body.as_bytes()).await;
    google_error(&got.expect(400).json());
    assert!(stub.received().is_empty());
}

async fn against(kind: &str, status: u16, headers: &[(&str, &str)], body: &'static str) -> Answer {
    let headers: Vec<(String, String)> =
        headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let stub = Stub::answering(move |_| {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        answer(status, &all, body)
    })
    .await;
    let once = object!({"upstream": {"max_attempts": 1}});
    let gateway = Gateway::start(with(setup(kind, &stub.url()), once)).await;
    gateway.post(GENERATE, ASK).await
}

#[tokio::test]
async fn a_providers_error_in_googles_words() {
    let limit = r#"{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}"#;
    let got = against("openai", 429, &[("retry-after", "7")], limit).await;
    assert_eq!(google_error(&got.expect(429).json()), (429, "RESOURCE_EXHAUSTED".to_owned()));
    assert_eq!(got.head.get("retry-after"), Some("7"));
    let busy = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let got = against("anthropic", 529, &[], busy).await;
    assert_eq!(google_error(&got.expect(503).json()), (503, "UNAVAILABLE".to_owned()));
    let wrong = r#"{"error":{"message":"max_output_tokens is too large","type":"invalid_request_error","code":null}}"#;
    let got = against("openai", 400, &[], wrong).await;
    assert_eq!(google_error(&got.expect(400).json()).1, "INVALID_ARGUMENT");
    assert_eq!(got.json()["error"]["message"], "max_output_tokens is too large");
    let refused = r#"{"error":{"message":"Incorrect API key provided: sk-up","type":"invalid_request_error","code":"invalid_api_key"}}"#;
    let got = against("openai", 401, &[], refused).await;
    google_error(&got.expect(502).json());
    assert!(!got.text().contains("sk-up"), "the gateway's own key is none of the client's business");
}

/// An error or a cut after the first element: the client is told, in both framings, and never reads a clean end.
#[tokio::test]
async fn an_error_in_mid_stream() {
    let told = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    for (path, array) in [(EVENTS, false), (ARRAY, true)] {
        for ending in [Some(told), None] {
            let mut stub = Stub::manual().await;
            let gateway = Gateway::start(anthropic(&stub.url())).await;
            let bearer = gateway.bearer();
            let mut client = gateway.client().await;
            client.send(request("POST", path, &[("authorization", &bearer)], ASK.as_bytes())).await;
            let mut call = stub.next().await;
            call.send(sse_head()).await;
            for event in &SAMPLES[2].events[..4] {
                call.chunk(event).await;
            }
            let answered = client.head().await;
            match ending {
                Some(told) => call.chunk(told).await,
                None => call.send("1f4\r\nevent: content_block").await,
            }
            call.cut();
            let body = String::from_utf8(client.try_body(&answered).await.unwrap()).unwrap();
            let all = if array { serde_json::from_str::<Vec<Value>>(&body).unwrap() } else { events(&body) };
            assert_eq!(text_of(&all), "Hé", "{body}");
            let (code, word) = google_error(all.last().unwrap());
            assert_eq!(word, "UNAVAILABLE", "{body}");
            assert_eq!(code, if ending.is_some() { 503 } else { 502 }, "{body}");
            let call = gateway.logged(answered.id()).await;
            assert_eq!(call["error_source"], "upstream", "{call}");
        }
    }
}

/// A 200 whose first event is an error: the next candidate answers.
#[tokio::test]
async fn a_stream_that_begins_with_an_error_fails_over() {
    let first = Stub::answering(|_| {
        sse(["event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"no\"}}\n\n"])
    })
    .await;
    let second = upstream(&SAMPLES[2]).await;
    let gateway = Gateway::start(two("anthropic", &first.url(), &second.url())).await;
    for path in [EVENTS, ARRAY] {
        let got = gateway.post(path, ASK).await;
        assert!(got.expect(200).text().contains("Hé"));
        let call = gateway.logged(&got.id()).await;
        assert_eq!((&call["attempts"], &call["provider"]), (&object!(2), &object!("second")), "{call}");
    }
}

/// A server that does not stream answers a stream of one.
#[tokio::test]
async fn a_whole_answer_to_a_stream() {
    let stub = Stub::answering(|_| json(200, SAMPLES[2].json)).await;
    let gateway = Gateway::start(anthropic(&stub.url())).await;
    let got = gateway.post(EVENTS, ASK).await;
    assert_eq!(text_of(&events(&got.expect(200).text())), "Hi");
    assert!(got.head.get("content-type").unwrap().starts_with("text/event-stream"));
    let got = gateway.post(ARRAY, ASK).await;
    assert_eq!(got.expect(200).json()[0]["candidates"][0]["finishReason"], "STOP");
}

#[tokio::test]
async fn models_in_geminis_shape() {
    let stub = Stub::answering(|_| answer(200, &[], "")).await;
    let gateway = Gateway::start(object!({
        "providers": [provider("openai", "openai", &stub.url()), provider("anthropic", "anthropic", &stub.url())],
        "models": [
            {"name": "gpt-5", "routes": [{"provider": "openai"}]},
            {"name": "org/model-1", "routes": [{"provider": "anthropic"}]},
            {"name": "secret", "routes": [{"provider": "openai"}]},
            {"name": "wild-*", "routes": [{"provider": "openai"}]},
        ],
        "routing": {"prefixes": false},
    }))
    .await;
    let key = gateway.new_key(&["--surfaces", "models,generate", "--models", "gpt-*,org/*,wild-*"]).await;
    let auth = [("x-goog-api-key", key.as_str())];
    for path in ["/v1beta/models", "/v1/models"] {
        let list = gateway.get(path, &auth).await.expect(200).json();
        let names: Vec<_> =
            list["models"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["models/gpt-5", "models/org/model-1"], "{path}");
    }
    for (path, name) in [
        ("/v1beta/models/gpt-5", "models/gpt-5"),
        ("/v1beta/models/org%2Fmodel-1", "models/org/model-1"),
        ("/v1beta/models/org/model-1", "models/org/model-1"),
        ("/v1beta/models/wild-one", "models/wild-one"),
        ("/v1/models/gpt-5", "models/gpt-5"),
    ] {
        let one = gateway.get(path, &auth).await.expect(200).json();
        assert_eq!(one["name"], name, "{path}");
        assert_eq!(one["supportedGenerationMethods"][0], "generateContent", "{path}");
    }
    assert_eq!(google_error(&gateway.get("/v1beta/models/secret", &auth).await.expect(404).json()).0, 404);
    let bearer = format!("Bearer {key}");
    let list = gateway.get("/v1/models", &[("authorization", &bearer)]).await.expect(200).json();
    assert_eq!(list["object"], "list", "OpenAI's clients get their own shape");
}
