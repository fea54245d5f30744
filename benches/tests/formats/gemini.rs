use crate::{exchange, send, start};
use sallyport_benches::sim::SimOptions;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Calls a method of a model.
pub(crate) async fn call(addr: SocketAddr, model: &str, method: &str, body: &Value) -> (u16, Value) {
    let path = format!("/v1beta/models/{model}:{method}");
    let (status, _, text) = send(addr, "POST", &path, &[], &body.to_string()).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn ask() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "12345678"}]}]})
}

#[tokio::test]
async fn whole_answers() {
    let addr = start(SimOptions::default()).await;
    let mut body = ask();
    body["generationConfig"] =
        json!({"maxOutputTokens": 100, "thinkingConfig": {"includeThoughts": true, "thinkingBudget": 512}});
    let (status, answer) = call(addr, "g;tokens=3;reasoning=2;cached=1", "generateContent", &body).await;
    assert_eq!(status, 200, "{answer}");
    let parts = &answer["candidates"][0]["content"]["parts"];
    assert_eq!((&parts[0]["text"], &parts[0]["thought"]), (&json!("The old "), &json!(true)));
    assert_eq!(parts[1]["text"], "The old sea ");
    assert!(parts[1]["thoughtSignature"].is_string());
    let usage = &answer["usageMetadata"];
    assert_eq!((&usage["promptTokenCount"], &usage["cachedContentTokenCount"]), (&json!(2), &json!(1)));
    assert_eq!((&usage["candidatesTokenCount"], &usage["thoughtsTokenCount"]), (&json!(3), &json!(2)));
    assert_eq!(usage["totalTokenCount"], 7);
    let (_, short) = call(addr, "g", "generateContent", &{
        body["generationConfig"] = json!({"max_output_tokens": 2});
        body
    })
    .await;
    assert_eq!(short["candidates"][0]["finishReason"], "MAX_TOKENS");
}

#[tokio::test]
async fn streams_as_events_and_as_an_array() {
    let addr = start(SimOptions::default()).await;
    let sse = call(addr, "g;tokens=3", "streamGenerateContent?alt=sse", &ask()).await.1;
    let sse = sse.as_str().unwrap();
    assert!(sse.contains("\r\n\r\n") && !sse.replace("\r\n", "").contains('\n'));
    let events: Vec<Value> = sse
        .lines()
        .filter_map(|l| l.strip_prefix("data: "))
        .map(|d| serde_json::from_str(d).unwrap())
        .collect();
    let array = call(addr, "g;tokens=3", "streamGenerateContent", &ask()).await.1;
    let array = array.as_array().unwrap();
    for pieces in [&events, array] {
        assert_eq!(pieces.len(), 4, "3 tokens and the end");
        let text: String = pieces
            .iter()
            .map(|p| p["candidates"][0]["content"]["parts"][0]["text"].as_str().unwrap())
            .collect();
        assert_eq!(text, "The old sea ");
        assert_eq!(pieces[3]["candidates"][0]["finishReason"], "STOP");
        assert_eq!(pieces[3]["usageMetadata"]["totalTokenCount"], 5);
    }
    let (_, head, bytes) = exchange(
        addr,
        "POST",
        "/v1beta/models/g;error_event=2:streamGenerateContent?alt=sse",
        &[],
        &ask().to_string(),
    )
    .await;
    let text = String::from_utf8(bytes).unwrap();
    assert!(head.contains("text/event-stream") && text.contains(r#""status":"UNAVAILABLE""#), "{text}");
}

#[tokio::test]
async fn counts_and_embeds() {
    let addr = start(SimOptions::default()).await;
    assert_eq!(call(addr, "g", "countTokens", &ask()).await.1["totalTokens"], 2);
    let content = json!({"parts": [{"text": "x"}]});
    let body = json!({"content": content, "outputDimensionality": 4});
    let one = call(addr, "e", "embedContent", &body).await.1;
    assert_eq!(one["embedding"]["values"].as_array().unwrap().len(), 4);
    let request = json!({"model": "models/e", "content": content});
    let (status, two) = call(addr, "e", "batchEmbedContents", &json!({"requests": [request, request]})).await;
    assert_eq!((status, two["embeddings"].as_array().unwrap().len()), (200, 2));
    let other = json!({"requests": [{"model": "models/other", "content": content}]});
    assert_eq!(call(addr, "e", "batchEmbedContents", &other).await.0, 400);
}

#[tokio::test]
async fn vertex_predicts() {
    let addr = start(SimOptions::default()).await;
    let ask = |model: &str, body: Value| {
        let path = format!("/v1/projects/p/locations/l/publishers/google/models/{model}:predict");
        async move {
            let (status, _, text) = send(addr, "POST", &path, &[], &body.to_string()).await;
            (status, serde_json::from_str::<Value>(&text).unwrap())
        }
    };
    let two = json!({"instances": [{"content": "12345", "task_type": "CLUSTERING"}, {"content": "b"}],
        "parameters": {"outputDimensionality": 4, "autoTruncate": false}});
    let (status, told) = ask("text-embedding-005", two.clone()).await;
    assert_eq!(status, 200, "{told}");
    let first = &told["predictions"][0]["embeddings"];
    assert_eq!(
        (first["values"].as_array().unwrap().len(), &first["statistics"]["token_count"]),
        (4, &json!(2.0))
    );
    assert_eq!(ask("gemini-embedding-001", two).await.0, 400, "one at a time");
    assert_eq!(ask("e", json!({"instances": [{"content": "a", "taskType": "x"}]})).await.0, 400);
    assert_eq!(ask("e", json!({"instances": [{"content": ""}]})).await.0, 400);
}
