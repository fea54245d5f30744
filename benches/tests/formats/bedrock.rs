use crate::{exchange, start};
use bytes::BytesMut;
use sallyport_benches::sim::SimOptions;
use sallyport_filters::aws::sigv4;
use sallyport_filters::codec::StreamDecoder;
use sallyport_filters::codec::converse::Decoder;
use sallyport_filters::codec::converse::invoke::Unwrapper;
use sallyport_filters::codec::eventstream::{Frame, FrameDecoder, Kind};
use sallyport_filters::ir::collect::Collector;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Calls an operation of a model.
pub(crate) async fn call(
    addr: SocketAddr,
    model: &str,
    operation: &str,
    body: &Value,
) -> (u16, String, Vec<u8>) {
    exchange(addr, "POST", &format!("/model/{model}/{operation}"), &[], &body.to_string()).await
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut decoder = FrameDecoder::new();
    decoder.push(bytes);
    let mut frames = Vec::new();
    while let Some(frame) = decoder.next_frame().unwrap() {
        frames.push(frame);
    }
    assert!(decoder.is_empty(), "whole frames only");
    frames
}

fn ask() -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": "12345678 [tool:f {\"a\":\"é\"}]"}]}],
        "inferenceConfig": {"maxTokens": 100},
        "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}})
}

#[tokio::test]
async fn converse_says_the_same_with_and_without_a_stream() {
    let addr = start(SimOptions::default()).await;
    let model = "anthropic.claude-x%3Breasoning=2%3Bcached=1";
    let (status, _, whole) = call(addr, model, "converse", &ask()).await;
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(status, 200, "{whole}");
    let content = &whole["output"]["message"]["content"];
    assert_eq!(content[0]["reasoningContent"]["reasoningText"]["text"], "The old ");
    assert_eq!(content[1]["toolUse"]["input"], json!({"a": "é"}));
    assert_eq!(whole["stopReason"], "tool_use");
    let (status, head, bytes) = call(addr, model, "converse-stream", &ask()).await;
    assert_eq!(status, 200);
    assert!(
        head.contains("application/vnd.amazon.eventstream") && head.contains("x-amzn-requestid"),
        "{head}"
    );
    let mut decoder = Decoder::new("anthropic.claude-x", "id");
    let mut collected = Collector::default();
    for frame in frames(&bytes) {
        let Kind::Event(name) = frame.kind() else { panic!("{frame:?}") };
        let mut out = Vec::new();
        decoder.event(name.as_bytes(), &frame.payload, &mut out).unwrap();
        out.into_iter().for_each(|e| collected.push(e));
    }
    let reply = collected.finish().unwrap();
    let tokens = reply.tokens.unwrap();
    assert_eq!(tokens.usage.output, whole["usage"]["outputTokens"].as_u64().unwrap());
    assert_eq!(tokens.usage.cached_input, 1);
    assert_eq!(reply.choices[0].content.len(), 2);
}

#[tokio::test]
async fn an_exception_ends_a_stream() {
    let addr = start(SimOptions::default()).await;
    let (_, _, bytes) = call(addr, "m%3Berror_event=2", "converse-stream", &ask()).await;
    let frames = frames(&bytes);
    assert_eq!((frames.len(), frames[2].kind()), (3, Kind::Exception("serviceUnavailableException")));
    let (status, head, body) = call(addr, "m%3Bstatus=429", "converse", &ask()).await;
    assert_eq!(status, 429);
    assert!(head.contains("x-amzn-errortype: ThrottlingException"), "{head}");
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({"message": "Too many requests, please wait before trying again."})
    );
}

#[tokio::test]
async fn claude_by_invoke() {
    let addr = start(SimOptions::default()).await;
    let body = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9,
        "messages": [{"role": "user", "content": "12345678"}]});
    let (status, _, whole) = call(addr, "c%3Btokens=3", "invoke", &body).await;
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!((status, &whole["content"][0]["text"]), (200, &json!("The old sea ")), "{whole}");
    let (_, _, bytes) = call(addr, "c%3Btokens=3", "invoke-with-response-stream", &body).await;
    let mut unwrapper = Unwrapper::default();
    let mut events = BytesMut::new();
    for frame in frames(&bytes) {
        unwrapper.frame(&frame, &mut events).unwrap();
    }
    let text = String::from_utf8(events.to_vec()).unwrap();
    assert!(text.starts_with("event: message_start\n") && !text.contains("ping"), "{text}");
    assert!(
        text.contains(r#""amazon-bedrock-invocationMetrics""#) && text.contains(r#""outputTokenCount":3"#)
    );
    let mut wrong = body.clone();
    wrong["stream"] = json!(true);
    assert_eq!(call(addr, "c", "invoke", &wrong).await.0, 400);
    wrong = body;
    wrong.as_object_mut().unwrap().remove("anthropic_version");
    assert_eq!(call(addr, "c", "invoke", &wrong).await.0, 400);
}

/// The gateway's signer (AWS's own crate) and the simulator's check were written apart.
#[tokio::test]
async fn signatures() {
    let options =
        SimOptions { auth: Some("AKID".into()), aws_secret: Some("s3cr/et".into()), ..SimOptions::default() };
    let addr = start(options).await;
    let body = ask().to_string();
    let signed = |secret: &str, service: &str, body: &str| {
        let host = addr.to_string();
        let request = sigv4::Request {
            method: "POST",
            host: &host,
            path: "/model/us.a%3A0%3Btokens=2/converse",
            query: None,
            headers: &[("content-type", "application/json")],
            body_hash: &sigv4::body_hash(body.as_bytes()),
        };
        let keys = sigv4::Credentials::new("AKID", secret, None);
        let now = std::time::SystemTime::now();
        sigv4::sign_request(&request, &keys, "us-east-1", service, now).unwrap()
    };
    for (headers, what, want) in [
        (signed("s3cr/et", "bedrock", &body), "as it should be", 200),
        (signed("s3cr/eT", "bedrock", &body), "another secret", 403),
        (signed("s3cr/et", "s3", &body), "another service", 403),
        (signed("s3cr/et", "bedrock", &format!("{body} ")), "another body", 403),
    ] {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())));
        let path = "/model/us.a%3A0%3Btokens=2/converse";
        let (status, _, text) = exchange(addr, "POST", path, &all, &body).await;
        assert_eq!(status, want, "{what}: {}", String::from_utf8_lossy(&text));
    }
}

#[tokio::test]
async fn embeddings_by_invoke() {
    let addr = start(SimOptions::default()).await;
    let (_, _, titan) =
        call(addr, "amazon.titan-embed-text-v2", "invoke", &json!({"inputText": "12345", "dimensions": 4}))
            .await;
    let titan: Value = serde_json::from_slice(&titan).unwrap();
    assert_eq!((titan["embedding"].as_array().unwrap().len(), &titan["inputTextTokenCount"]), (4, &json!(2)));
    let cohere = json!({"texts": ["a", "b"], "input_type": "search_query"});
    let (status, _, cohere) = call(addr, "cohere.embed-v3", "invoke", &cohere).await;
    let cohere: Value = serde_json::from_slice(&cohere).unwrap();
    assert_eq!((status, cohere["embeddings"].as_array().unwrap().len()), (200, 2));
}

#[tokio::test]
async fn rankings() {
    let addr = start(SimOptions::default()).await;
    let body = json!({"query": "old sea", "documents": ["new", "the old sea", "old"], "top_n": 2});
    let order = |told: &[u8]| {
        let told: Value = serde_json::from_slice(told).unwrap();
        told["results"].as_array().unwrap().iter().map(|r| r["index"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let (status, _, told) = call(addr, "amazon.rerank-v1:0", "invoke", &body).await;
    assert_eq!((status, order(&told)), (200, vec![1, 2]));
    assert_eq!(call(addr, "cohere.rerank-v3-5:0", "invoke", &body).await.0, 400, "no version");
    let mut of_cohere = body.clone();
    of_cohere["api_version"] = json!(2);
    assert_eq!(call(addr, "cohere.rerank-v3-5:0", "invoke", &of_cohere).await.0, 200);
    assert_eq!(call(addr, "amazon.rerank-v1:0", "invoke", &of_cohere).await.0, 400);
    let mut own = body;
    own["model"] = json!("rerank-v3.5");
    let (status, _, told) = exchange(addr, "POST", "/v2/rerank", &[], &own.to_string()).await;
    assert_eq!((status, order(&told)), (200, vec![1, 2]));
}
