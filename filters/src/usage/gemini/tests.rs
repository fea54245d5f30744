use crate::event::{Event, Fate, Piece};
use crate::sse::EventStream;
use crate::surface::Surface;
use crate::usage::Meter;
use bytes::Bytes;
use sallyport_schema::call::Usage;

fn stream(text: &str) -> Meter {
    let mut meter = Meter::new(Surface::Generate);
    let mut s = EventStream::new();
    for piece in text.as_bytes().chunks(7) {
        s.push(Bytes::copy_from_slice(piece), |e| {
            meter.on_event(e);
        })
        .unwrap();
    }
    meter
}

fn body(surface: Surface, text: &str, size: usize) -> Meter {
    let mut meter = Meter::new(surface);
    for piece in text.as_bytes().chunks(size) {
        meter.on_event(&Event { piece: Piece::Body(piece), fate: Fate::Keep });
    }
    meter
}

const fn usage(input: u64, cached_input: u64, output: u64, reasoning: u64) -> Usage {
    Usage { input, cached_input, cache_write: 0, cache_write_1h: 0, output, reasoning }
}

const FIRST: &str = r#"{"candidates": [{"content": {"parts": [{"text": "\"usageMetadata\":{\"promptTokenCount\":9}"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 100,"totalTokenCount": 130,"thoughtsTokenCount": 30,"cachedContentTokenCount": 40},"modelVersion": "gemini-2.5-flash"}"#;
const LAST: &str = r#"{"candidates": [{"content": {"parts": [{"text": "b"}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": 100,"candidatesTokenCount": 20,"totalTokenCount": 150,"thoughtsTokenCount": 30,"cachedContentTokenCount": 40,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 100}]},"modelVersion": "gemini-2.5-flash"}"#;

/// Counts are cumulative; thoughts come on top of the answer's tokens; what the cache gave is part of the input.
#[test]
fn a_stream_of_events() {
    let m = stream(&format!("data: {FIRST}\r\n\r\n"));
    assert_eq!(m.usage(), Some(usage(100, 40, 30, 30)), "as far as it was told");
    assert!(!m.complete());
    let m = stream(&format!("data: {FIRST}\r\n\r\ndata: {LAST}\r\n\r\n"));
    assert_eq!(m.usage(), Some(usage(100, 40, 50, 30)));
    assert!(m.complete());
    // A later report that leaves something out takes nothing back.
    let tail = r#"data: {"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":25}}"#;
    let m = stream(&format!("data: {FIRST}\r\n\r\ndata: {LAST}\r\n\r\n{tail}\r\n\r\n"));
    assert_eq!(m.usage(), Some(usage(100, 40, 55, 30)));
    let m = stream(
        r#"data: {"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}

"#,
    );
    assert_eq!(m.usage(), Some(usage(7, 0, 0, 0)));
    assert!(m.complete());
    assert!(stream("data: {\"error\":{\"code\":503}}\r\n\r\n").complete());
    assert_eq!(stream("data: {\"usageMetadata\":{}}\r\n\r\n").usage(), None);
}

/// Without `alt=sse` a stream is one array; its elements are the same answers.
#[test]
fn a_stream_that_is_an_array() {
    for size in [1, 2, 3, 7, 64, 10_000] {
        let m = body(Surface::Generate, &format!("[{FIRST}\n,\r\n{LAST}\n]\n"), size);
        assert_eq!(m.usage(), Some(usage(100, 40, 50, 30)), "{size}");
        assert!(m.complete());
        let m = body(Surface::Generate, &format!("[{FIRST}\n,\r\n"), size);
        assert_eq!(m.usage(), Some(usage(100, 40, 30, 30)), "{size}");
        assert!(!m.complete(), "cut off");
        assert!(body(Surface::Generate, "[]", size).complete());
        // Not an array of objects.
        assert_eq!(
            body(Surface::Generate, "[[{\"usageMetadata\":{\"promptTokenCount\":1}}]]", size).usage(),
            None
        );
    }
}

#[test]
fn whole_answers() {
    for size in [1, 5, 10_000] {
        let m = body(Surface::Generate, LAST, size);
        assert_eq!(m.usage(), Some(usage(100, 40, 50, 30)));
        assert!(m.complete());
    }
    let snake = r#"{"usage_metadata":{"prompt_token_count":3,"candidates_token_count":4,"tool_use_prompt_token_count":2}}"#;
    assert_eq!(body(Surface::Generate, snake, 9).usage(), Some(usage(5, 0, 4, 0)));
    let embedded =
        r#"{"embeddings":[{"values":[0.1]}],"usageMetadata":{"promptTokenCount":6,"totalTokenCount":6}}"#;
    assert_eq!(body(Surface::GeminiBatchEmbed, embedded, 9).usage(), Some(usage(6, 0, 0, 0)));
    let counted = r#"{"totalTokens":31,"usageMetadata":{"promptTokenCount":31}}"#;
    assert_eq!(body(Surface::GeminiCountTokens, counted, 9).usage(), None, "counting costs nothing");
}

#[test]
fn recorded_calls_are_counted_as_their_last_report_says() {
    let mut counted = 0;
    for case in crate::testing::recorded("gemini").unwrap_or_default() {
        let read = |file: &str| std::fs::read_to_string(case.join(file)).ok();
        let (meter, last) = match (read("response.sse"), read("response.json")) {
            (Some(text), _) => {
                let last =
                    text.lines().rev().find_map(|l| l.strip_prefix("data:")).unwrap_or_default().to_owned();
                (stream(&text), last)
            }
            (None, Some(text)) => (body(Surface::Generate, &text, 100), text),
            _ => continue,
        };
        let Ok(last) = serde_json::from_str::<serde_json::Value>(&last) else { continue };
        let u = &last["usageMetadata"];
        let at = |name: &str| u[name].as_u64().unwrap_or(0);
        let Some(total) = u["totalTokenCount"].as_u64() else { continue };
        let got = meter.usage().unwrap();
        let (thoughts, name) = (at("thoughtsTokenCount"), case.display());
        assert_eq!(got.output, at("candidatesTokenCount") + thoughts, "{name}");
        assert_eq!((got.reasoning, got.cached_input), (thoughts, at("cachedContentTokenCount")), "{name}");
        assert_eq!(got.input + got.output, total, "{name}");
        assert!(meter.complete(), "{name}");
        counted += 1;
    }
    println!("{counted} recorded answers of Gemini's");
}
