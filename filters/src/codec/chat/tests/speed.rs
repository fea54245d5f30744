//! How fast: `cargo test --release -p sallyport-filters --lib chat::tests::speed -- --ignored --nocapture`.

use super::*;
use std::time::Instant;

#[test]
#[ignore = "a measurement"]
fn speed() {
    let chunk = br#"{"id":"chatcmpl-B1","object":"chat.completion.chunk","created":1741569952,"model":"gpt-5-2025-08-07","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":" some words"},"logprobs":null,"finish_reason":null}],"usage":null}"#;
    let x = EncodeReply { model: "alias".to_owned(), ..EncodeReply::default() };
    let (mut decoder, mut encoder) = (Decoder::new(), Encoder::new(x));
    let (mut between, mut out) = (Vec::new(), BytesMut::new());
    let (rounds, start) = (200_000, Instant::now());
    for _ in 0..rounds {
        between.clear();
        out.clear();
        decoder.event(b"", chunk, &mut between).unwrap();
        between.iter().for_each(|e| encoder.event(e, &mut out));
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("stream: {:.0} MB/s", (rounds * chunk.len()) as f64 / seconds / 1e6);

    let message = |i: usize| {
        let role = if i.is_multiple_of(2) { "user" } else { "assistant" };
        serde_json::json!({"role": role, "content": "Some \"words\" and a line.\n".repeat(70)})
    };
    let tool = |i: usize| {
        let parameters = serde_json::json!({"type": "object", "properties": {"path": {"type": "string", "description": "x".repeat(300)}}});
        serde_json::json!({"type": "function", "function": {"name": format!("t{i}"), "description": "y".repeat(400), "parameters": parameters}})
    };
    let body = serde_json::json!({
        "model": "m", "stream": true,
        "messages": (0..22).map(message).collect::<Vec<_>>(),
        "tools": (0..20).map(tool).collect::<Vec<_>>(),
    })
    .to_string();
    let (rounds, start) = (2_000, Instant::now());
    for _ in 0..rounds {
        let c = decode_request(body.as_bytes()).unwrap();
        let bytes = encode_request(&c, "up", &ChatOptions::openai(), &mut Losses::default());
        assert!(!bytes.is_empty());
    }
    let each = start.elapsed().as_secs_f64() / f64::from(rounds);
    println!("request of {} bytes: {:.0} µs to decode and encode", body.len(), each * 1e6);
}
