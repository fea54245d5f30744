//! Measures the hot paths: `cargo run --release -p sallyport-filters --example measure`. Best of many runs, since the
//! machine's speed wavers.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use bytes::Bytes;
use sallyport_filters::body::RequestBody;
use sallyport_filters::event::{Event, Fate, Piece};
use sallyport_filters::key::VirtualKey;
use sallyport_filters::sse::EventStream;
use sallyport_filters::surface::Surface;
use sallyport_filters::usage::Meter;
use std::hint::black_box;
use std::time::{Duration, Instant};

fn measure(name: &str, bytes: usize, mut run: impl FnMut()) {
    let mut best = Duration::MAX;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(700) {
        let t = Instant::now();
        run();
        best = best.min(t.elapsed());
    }
    let rate = bytes as f64 / best.as_secs_f64() / 1e9;
    println!("{name:44} {:9.2} µs  {rate:6.2} GB/s", best.as_secs_f64() * 1e6);
}

/// A body as an agent sends it: a long system prompt, many tools with schemas, some turns.
fn agent_body(bytes: usize) -> String {
    let text = "You are a careful engineer.\\nRead \\\"files\\\" before you edit them; prefer small steps. "
        .repeat(4);
    let tool = format!(
        r#"{{"name":"Edit","description":"{text}","input_schema":{{"type":"object","properties":{{"path":{{"type":"string","description":"The absolute path"}},"line":{{"type":"integer","minimum":1}}}},"required":["path"],"additionalProperties":false}}}}"#
    );
    let mut tools = vec![tool.clone()];
    while tools.len() * tool.len() < bytes / 2 {
        tools.push(tool.clone());
    }
    let turns = format!(
        r#"{{"role":"user","content":[{{"type":"text","text":"{}"}}]}}"#,
        text.repeat(bytes / 2 / text.len())
    );
    format!(
        r#"{{"model":"claude-opus-5","max_tokens":32000,"messages":[{turns}],"tools":[{}],"stream":true}}"#,
        tools.join(",")
    )
}

fn main() {
    for kb in [1, 60, 1000] {
        let text = agent_body(kb * 1000);
        let raw = Bytes::from(text.clone());
        measure(&format!("RequestBody::parse, {} KB", raw.len() / 1000), raw.len(), || {
            black_box(RequestBody::parse(raw.clone(), None, Surface::Messages).unwrap());
        });
        measure("  serde_json IgnoredAny + UTF-8 check", raw.len(), || {
            let s = std::str::from_utf8(&raw).unwrap();
            black_box(serde_json::from_str::<serde::de::IgnoredAny>(s).unwrap());
        });
        measure("  serde_json Value", raw.len(), || {
            black_box(serde_json::from_slice::<serde_json::Value>(&raw).unwrap());
        });
    }
    let event = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-5","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"usage":null}"#;
    let stream = Bytes::from(format!("{event}\n\n").repeat(100));
    for (name, size) in
        [("one chunk", stream.len()), ("an event a chunk", event.len() + 2), ("chunks of 100 bytes", 100)]
    {
        measure(&format!("100 chat events through stream + meter, {name}"), stream.len(), || {
            let (mut s, mut m) = (EventStream::new(), Meter::new(Surface::Chat));
            let mut at = 0;
            while at < stream.len() {
                let end = (at + size).min(stream.len());
                black_box(
                    s.push(stream.slice(at..end), |e| {
                        m.on_event(e);
                    })
                    .unwrap(),
                );
                at = end;
            }
        });
    }
    let floats = format!(
        r#"{{"object":"list","data":[{{"embedding":[{}0.1]}}],"usage":{{"prompt_tokens":8,"total_tokens":8}}}}"#,
        "-0.012345678,".repeat(1_600_000)
    );
    measure("meter over a 20 MB embedding of floats", floats.len(), || {
        let mut m = Meter::new(Surface::Embeddings);
        for piece in floats.as_bytes().chunks(32768) {
            m.on_event(&Event { piece: Piece::Body(piece), fate: Fate::Keep });
        }
        assert!(m.finish().is_some());
    });
    let key = VirtualKey::generate().unwrap();
    measure("VirtualKey::parse", 39, || {
        black_box(VirtualKey::parse(key.secret.expose()).unwrap());
    });
}
