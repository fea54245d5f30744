//! Clients of Gemini's API in front of Gemini itself: bytes as they are, and everything counted all the same.

use super::support::answer::{chunk, head, json, sse};
use super::support::gateway::Gateway;
use super::support::samples::price;
use super::support::setups::{provider, with};
use super::support::stub::{Received, Stub};
use serde_json::{Value, json as object};

const ASK: &str = r#"{ "contents":[ {"role":"user","parts":[{"text":"hi"}]} ] }"#;
const FIRST: &str = "{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"Hé\"}],\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 120,\"totalTokenCount\": 120},\"modelVersion\": \"real\"}";
const LAST: &str = "{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"\"}],\"role\": \"model\"},\"finishReason\": \"STOP\",\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 100,\"cachedContentTokenCount\": 40,\"candidatesTokenCount\": 30,\"thoughtsTokenCount\": 20,\"totalTokenCount\": 150},\"modelVersion\": \"real\"}";
/// Of [`LAST`] by [`price`].
const NANOS: i64 = 60 * 1000 + 40 * 100 + 30 * 10_000 + 20 * 20_000;

fn array() -> String {
    format!("[{FIRST}\n,\r\n{LAST}\n]\n")
}

fn gemini(r: &Received) -> Vec<u8> {
    let target = r.target();
    if target.contains(":streamGenerateContent?alt=sse") {
        return sse([format!("data: {FIRST}\r\n\r\n"), format!("data: {LAST}\r\n\r\n")]);
    }
    if target.contains(":streamGenerateContent") {
        return json(200, array());
    }
    if target.contains(":countTokens") {
        return json(200, r#"{"totalTokens": 31}"#);
    }
    if target.contains(":batchEmbedContents") {
        return json(200, r#"{"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 6}}"#);
    }
    json(200, LAST)
}

fn setup(url: &str) -> Value {
    let native = provider("first", "gemini", url);
    with(
        object!({"providers": [native], "models": [
            {"name": "m", "routes": [{"provider": "first"}]},
            {"name": "alias", "routes": [{"provider": "first", "model": "real"}]},
        ]}),
        object!({"prices": {"models": {"m": price(), "real": price()}}}),
    )
}

/// What goes up is the client's, but for the key and the path; what comes down is the provider's.
#[tokio::test]
async fn bytes_as_they_are_and_counted() {
    let stub = Stub::answering(gemini).await;
    let gateway = Gateway::start(setup(&stub.url())).await;
    let events = format!("data: {FIRST}\r\n\r\ndata: {LAST}\r\n\r\n");
    for (path, sent, body) in [
        ("/v1beta/models/m:generateContent", "/models/m:generateContent", LAST.to_owned()),
        ("/v1/models/alias:generateContent?key=KEY", "/models/real:generateContent", LAST.to_owned()),
        (
            "/v1beta/models/alias:streamGenerateContent?alt=sse&access_token=x",
            "/models/real:streamGenerateContent?alt=sse",
            events,
        ),
        ("/v1beta/models/m:streamGenerateContent", "/models/m:streamGenerateContent", array()),
    ] {
        let got = gateway.post(&path.replace("KEY", &gateway.key), ASK).await;
        assert_eq!(got.expect(200).text(), body, "{path}");
        let up = stub.received().pop().unwrap();
        assert!(up.target().ends_with(sent), "{path}: {}", up.target());
        assert_eq!(up.body, ASK.as_bytes(), "{path}");
        let text = format!("{:?}", up.head);
        assert!(!text.contains(&gateway.key), "the client's key stays here: {text}");
        assert_eq!(up.head.get("x-goog-api-key"), Some("sk-upstream-secret"));
        let call = gateway.logged(&got.id()).await;
        let u = &call["usage"];
        assert_eq!((&u["input"], &u["cached_input"]), (&object!(100), &object!(40)), "{path} {call}");
        assert_eq!((&u["output"], &u["reasoning"]), (&object!(50), &object!(20)), "{path} {call}");
        assert_eq!(call["cost"]["nanos"], NANOS, "{path} {call}");
    }
}

#[tokio::test]
async fn counts_and_embeddings() {
    let stub = Stub::answering(gemini).await;
    let gateway = Gateway::start(setup(&stub.url())).await;
    let got = gateway
        .post("/v1beta/models/alias:countTokens", r#"{"generateContentRequest":{"model":"models/alias"}}"#)
        .await;
    assert_eq!(got.expect(200).json(), object!({"totalTokens": 31}));
    let up = stub.received().pop().unwrap();
    assert!(up.target().ends_with("/models/real:countTokens"), "{}", up.target());
    assert_eq!(up.json(), object!({"generateContentRequest": {"model": "models/real"}}));
    let call = gateway.logged(&got.id()).await;
    assert_eq!((&call["surface"], &call["usage"]), (&object!("count_tokens"), &Value::Null), "{call}");
    let batch = r#"{"requests":[{"model":"models/alias","content":{"parts":[{"text":"a"}]}}]}"#;
    let got = gateway.post("/v1beta/models/alias:batchEmbedContents", batch).await;
    got.expect(200);
    assert_eq!(stub.received().pop().unwrap().json()["requests"][0]["model"], "models/real");
    let call = gateway.logged(&got.id()).await;
    assert_eq!((&call["surface"], &call["usage"]["input"]), (&object!("embeddings"), &object!(6)), "{call}");
}

async fn against(stub: Stub, path: &str) -> (u16, String, Option<String>) {
    let once = object!({"upstream": {"max_attempts": 1}});
    let gateway = Gateway::start(with(setup(&stub.url()), once)).await;
    let got = gateway.post(path, ASK).await;
    (got.status(), got.text(), got.head.get("retry-after").map(str::to_owned))
}

#[tokio::test]
async fn its_errors() {
    let path = "/v1beta/models/m:generateContent";
    // The gateway's own key, which Google tells as a 400.
    let key = r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#;
    let (status, text, _) = against(Stub::answering(move |_| json(400, key)).await, path).await;
    assert_eq!(status, 502, "{text}");
    assert!(!text.contains("API key not valid"), "{text}");
    // The client's own mistake: word for word.
    let own =
        r#"{"error": {"code": 400, "message": "Invalid value at 'contents'", "status": "INVALID_ARGUMENT"}}"#;
    let (status, text, _) = against(Stub::answering(move |_| json(400, own)).await, path).await;
    assert_eq!((status, text.as_str()), (400, own));
    let busy = r#"[{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}]"#;
    let (status, text, _) =
        against(Stub::answering(move |_| json(503, busy)).await, "/v1beta/models/m:streamGenerateContent")
            .await;
    assert_eq!((status, text.as_str()), (503, busy));
}

/// Events get an error event; of an array nothing may look complete.
#[tokio::test]
async fn a_cut_in_mid_stream() {
    let cut = |body: String| {
        let kind = if body.starts_with("data") { "text/event-stream" } else { "application/json" };
        let mut bytes = head(200, &[("content-type", kind), ("transfer-encoding", "chunked")]);
        bytes.extend(chunk(body.as_bytes()));
        // A chunk that never comes whole.
        bytes.extend_from_slice(b"1f4\r\n");
        bytes
    };
    for (path, body) in [
        ("/v1beta/models/m:streamGenerateContent?alt=sse", format!("data: {FIRST}\r\n\r\n")),
        ("/v1beta/models/m:streamGenerateContent", format!("[{FIRST}")),
    ] {
        let events = body.starts_with("data");
        let mut stub = Stub::manual().await;
        let gateway = Gateway::start(setup(&stub.url())).await;
        let bearer = gateway.bearer();
        let mut client = gateway.client().await;
        let ask =
            super::support::client::request("POST", path, &[("authorization", &bearer)], ASK.as_bytes());
        client.send(ask).await;
        let mut call = stub.next().await;
        call.send(cut(body.clone())).await;
        let answered = client.head().await;
        if events {
            let first = client.chunks_through("\r\n\r\n").await;
            assert_eq!(first, body);
            call.cut();
            let last = client.chunks_through("\r\n\r\n").await;
            let error: Value = serde_json::from_str(last.trim().strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(error["error"]["status"], "UNAVAILABLE", "{last}");
        } else {
            assert_eq!(client.chunk().await.unwrap(), body.as_bytes());
            call.cut();
            assert!(client.chunk().await.is_err(), "no clean end");
        }
        let call = gateway.logged(answered.id()).await;
        assert_eq!(
            (&call["error_source"], &call["usage"]["input"]),
            (&object!("upstream"), &object!(120)),
            "{call}"
        );
    }
}
