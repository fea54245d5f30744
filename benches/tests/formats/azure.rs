use crate::{chat, send, start};
use sallyport_benches::sim::SimOptions;
use serde_json::{Value, json};

#[tokio::test]
async fn deployments_and_the_v1_api() {
    let addr = start(SimOptions { auth: Some("k".to_owned()), ..SimOptions::default() }).await;
    let key: &[(&str, &str)] = &[("api-key", "k")];
    let path = "/openai/deployments/dep;tokens=2/chat/completions";
    let dated = format!("{path}?api-version=2024-10-21");
    let body = chat("ignored", false).to_string();
    let (status, head, text) = send(addr, "POST", &dated, key, &body).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &answer["model"]), (200, &json!("dep;tokens=2")));
    assert!(head.contains("apim-request-id") && answer["prompt_filter_results"].is_array());
    assert_eq!(send(addr, "POST", path, key, &body).await.0, 404, "no version");
    let (status, _, text) = send(addr, "POST", &dated, &[], &body).await;
    assert_eq!(
        (status, serde_json::from_str::<Value>(&text).unwrap()["error"]["code"].as_str()),
        (401, Some("401"))
    );
    let (_, _, text) =
        send(addr, "POST", "/openai/v1/chat/completions", key, &chat("m;tokens=2", true).to_string()).await;
    let first: Value =
        serde_json::from_str(text.lines().next().unwrap().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(
        (&first["choices"], &first["id"]),
        (&json!([]), &json!("")),
        "the verdict on the prompt comes first"
    );
    let (status, _, text) =
        send(addr, "POST", "/openai/v1/responses", key, &json!({"model": "m", "input": "hi"}).to_string())
            .await;
    assert_eq!(status, 200, "{text}");
    for (version, want) in [("2024-10-21", 404), ("2025-04-01-preview", 200)] {
        let at = format!("/openai/responses?api-version={version}");
        let (status, _, text) =
            send(addr, "POST", &at, key, &json!({"model": "m", "input": "hi"}).to_string()).await;
        assert_eq!(status, want, "{version} {text}");
    }
}

#[tokio::test]
async fn claude_on_vertex() {
    let addr = start(SimOptions::default()).await;
    let path =
        |verb| format!("/v1/projects/p/locations/global/publishers/anthropic/models/c@1;tokens=2:{verb}");
    let body = json!({"anthropic_version": "vertex-2023-10-16", "max_tokens": 9,
        "messages": [{"role": "user", "content": "12345678"}]});
    let (status, _, text) = send(addr, "POST", &path("rawPredict"), &[], &body.to_string()).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &answer["content"][0]["text"]), (200, &json!("The old ")), "{text}");
    let mut streamed = body.clone();
    streamed["stream"] = json!(true);
    let (status, head, text) =
        send(addr, "POST", &path("streamRawPredict"), &[], &streamed.to_string()).await;
    assert!(status == 200 && head.contains("event-stream") && text.contains("message_stop"), "{text}");
    let mut wrong = body;
    wrong["model"] = json!("c");
    let (status, _, text) = send(addr, "POST", &path("rawPredict"), &[], &wrong.to_string()).await;
    assert!(status == 400 && text.contains("model: Extra inputs are not permitted"), "{text}");
    let count = json!({"model": "c", "messages": [{"role": "user", "content": "12345678"}]});
    let at = "/v1/projects/p/locations/global/publishers/anthropic/models/count-tokens:rawPredict";
    assert!(send(addr, "POST", at, &[], &count.to_string()).await.2.contains(r#""input_tokens":2"#));
}
