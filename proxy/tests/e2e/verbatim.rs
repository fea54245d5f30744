//! Same dialect in and out: bytes pass as they are, apart from the splice of a model alias.

use super::support::answer::{json, sse};
use super::support::gateway::Gateway;
use super::support::samples::SAMPLES;
use super::support::setups::{DIALECTS, anthropic, openai};
use super::support::stub::Stub;

/// Lessons, Protocol: "Re-serialised JSON breaks thinking signatures and prompt caching".
/// White space, key order, escapes, numbers beyond f64 and duplicate-looking keys all survive both ways.
#[tokio::test]
async fn requests_and_answers_pass_byte_by_byte() {
    for (dialect, sample) in DIALECTS.iter().zip(SAMPLES) {
        let stub = Stub::answering(move |_| json(200, sample.json)).await;
        let gateway = Gateway::start(one(dialect.kind, &stub.url())).await;
        let body = odd_body("m", dialect.path);
        let answer = gateway.post(dialect.path, &body).await;
        answer.expect(200);
        assert_eq!(answer.text(), sample.json, "{}", dialect.path);
        assert_eq!(stub.only().body, body.as_bytes(), "{}", dialect.path);
        assert_eq!(stub.only().target(), dialect.path);
    }
}

/// Lessons, Protocol: "random tool order: 39 % instead of 100 % cache hits". Only the model's name changes.
#[tokio::test]
async fn an_alias_is_spliced_into_the_bytes() {
    for (dialect, sample) in DIALECTS.iter().zip(SAMPLES) {
        let stub = Stub::answering(move |_| json(200, sample.json)).await;
        let gateway = Gateway::start(one(dialect.kind, &stub.url())).await;
        gateway.post(dialect.path, odd_body("alias", dialect.path)).await.expect(200);
        let got = String::from_utf8(stub.only().body).unwrap();
        assert_eq!(got, odd_body("the-real-one", dialect.path), "{}", dialect.path);
        let length = stub.only().head.get("content-length").unwrap().to_owned();
        assert_eq!(length, got.len().to_string(), "{}", dialect.path);
    }
}

/// Streams pass event by event as they were written: names, comments, spaces, CRLF, multi-line data.
#[tokio::test]
async fn streams_pass_byte_by_byte() {
    for (dialect, sample) in DIALECTS.iter().zip(SAMPLES) {
        let written = move |line_end: &str| {
            let text = format!(": a comment\n\nretry: 3000\nid: 7\n{}", sample.events.concat());
            text.replace('\n', line_end)
        };
        // Cut in threes: through line ends, field names and multi-byte characters.
        let stub = Stub::answering(move |r| {
            sse(written(r.json()["line_end"].as_str().unwrap()).as_bytes().chunks(3))
        })
        .await;
        let gateway = Gateway::start(one(dialect.kind, &stub.url())).await;
        for line_end in ["\n", "\r\n", "\r"] {
            let open = dialect.stream.strip_suffix('}').unwrap();
            let body = format!("{open},\"line_end\":{}}}", serde_json::to_string(line_end).unwrap());
            let answer = gateway.post(dialect.path, &body).await;
            answer.expect(200);
            assert_eq!(answer.text(), written(line_end), "{} with {line_end:?}", dialect.path);
            assert!(answer.head.get("content-type").unwrap().starts_with("text/event-stream"));
            assert!(answer.head.get("content-length").is_none());
            assert_eq!(stub.received().pop().unwrap().body, body.as_bytes());
        }
    }
}

/// Every surface with a model, on JSON: path, query and bytes arrive; the answer comes back.
#[tokio::test]
async fn every_json_surface_passes() {
    let stub = Stub::answering(|r| json(200, format!(r#"{{"you asked": "{}" }}"#, r.target()))).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let paths = [
        ("/v1/completions", r#"{"model": "m", "prompt":"x"}"#),
        ("/v1/embeddings", r#"{"input":["a","b"], "model":"m"}"#),
        ("/v1/moderations", r#"{"input":"a","model":"m"}"#),
        ("/v1/images/generations", r#"{"model":"m","prompt":"a cat"}"#),
        ("/v1/responses/compact", r#"{"model":"m","input":[]}"#),
        ("/v1/chat/completions?beta=true&x=%20y", r#"{"model":"m","messages":[]}"#),
    ];
    for (path, body) in paths {
        let answer = gateway.post(path, body).await;
        assert_eq!(answer.expect(200).text(), format!(r#"{{"you asked": "{path}" }}"#));
        assert_eq!(stub.received().last().unwrap().body, body.as_bytes(), "{path}");
    }
    let stub = Stub::answering(|_| json(200, r#"{"input_tokens":  7}"#)).await;
    let gateway = Gateway::start(anthropic(&stub.url())).await;
    let body = r#"{"model":"m","messages":[]}"#;
    let answer = gateway.post("/v1/messages/count_tokens?beta=true", body).await;
    assert_eq!(answer.expect(200).text(), r#"{"input_tokens":  7}"#);
    assert_eq!(stub.only().target(), "/v1/messages/count_tokens?beta=true");
    assert_eq!(stub.only().body, body.as_bytes());
}

/// Speech comes back as the bytes that it is; a form with a file goes out as the bytes that it is.
#[tokio::test]
async fn binary_and_multipart_pass() {
    let sound: Vec<u8> = (0..200_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let sent = sound.clone();
    let stub = Stub::answering(move |r| match r.target() {
        "/v1/audio/speech" => super::support::answer::answer(200, &[("content-type", "audio/mpeg")], &sent),
        _ => json(200, r#"{"text":"hello"}"#),
    })
    .await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let answer = gateway.post("/v1/audio/speech", r#"{"model":"m","input":"x","voice":"alloy"}"#).await;
    assert_eq!(answer.expect(200).body, sound);
    assert_eq!(answer.head.get("content-type"), Some("audio/mpeg"));

    let (kind, form) = form("m", &sound);
    for path in
        ["/v1/audio/transcriptions", "/v1/audio/translations", "/v1/images/edits", "/v1/images/variations"]
    {
        let answer = gateway.post_with(path, &[("content-type", &kind)], &form).await;
        assert_eq!(answer.expect(200).text(), r#"{"text":"hello"}"#, "{path}");
        let last = stub.received().pop().unwrap();
        assert_eq!(last.head.get("content-type"), Some(&*kind), "{path}");
        assert!(last.body == form, "{path}: the form changed on its way");
    }
}

/// In a form, too, an alias is replaced and nothing else.
#[tokio::test]
async fn an_alias_is_spliced_into_a_form() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let gateway = Gateway::start(openai(&stub.url())).await;
    let (kind, body) = form("alias", b"\r\n--not-the-boundary\r\nmodel");
    gateway.post_with("/v1/audio/transcriptions", &[("content-type", &kind)], &body).await.expect(200);
    let (_, want) = form("the-real-one", b"\r\n--not-the-boundary\r\nmodel");
    assert_eq!(String::from_utf8_lossy(&stub.only().body), String::from_utf8_lossy(&want));
}

/// A multipart form with a model and a file; its content type and bytes.
pub(crate) fn form(model: &str, file: &[u8]) -> (String, Vec<u8>) {
    let mut body = b"--bound\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n".to_vec();
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--bound\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n");
    body.extend_from_slice(model.as_bytes());
    body.extend_from_slice(b"\r\n--bound--\r\n");
    ("multipart/form-data; boundary=bound".to_owned(), body)
}

fn one(kind: &str, url: &str) -> serde_json::Value {
    if kind == "anthropic" { anthropic(url) } else { openai(url) }
}

fn odd_body(model: &str, path: &str) -> String {
    let content = if path == "/v1/responses" { "input" } else { "messages" };
    let model = serde_json::to_string(model).unwrap();
    format!(
        "\n{{ \"metadata\":{{\"model\":\"a decoy\"}},\t\"{content}\" : [ {{\"role\":\"user\",\"content\":\"\\u0048\\u00e9 \\/ \u{1F44B}\"}}],\n \
         \"temperature\":0.10000000000000000001, \"seed\":123456789012345678901234567890, \"max_tokens\":1e2,\
         \"tools\":[{{\"b\":1,\"a\":2}}],   \"model\" :{model} , \"thinking\":{{\"signature\":\"Eq+/=\"}} }}  "
    )
}
