use super::*;
use crate::event::Piece;
use crate::testing::{World, headers, request, target};

fn attempt(surface: Surface, body: &str, provider: &str) -> (Exchange, String) {
    let w = World::new();
    let mut x = w.call(surface, body);
    let h = headers(&[]);
    let t = target(&w.snapshot, provider, None);
    let mut out = Outgoing::new(request("/v1/x", None, &h), &x, &t);
    UsageFilter.on_attempt(&mut x, &t, &mut out).unwrap();
    let mut sent = Vec::new();
    out.write_body(&mut sent);
    (x, String::from_utf8(sent).unwrap())
}

fn fate(x: &mut Exchange, data: &str) -> Fate {
    let mut e = Event { piece: Piece::Sse { name: b"", data: data.as_bytes() }, fate: Fate::Keep };
    UsageFilter.on_event(x, &mut e);
    e.fate
}

const STREAM: &str = r#"{"model":"gpt-5","stream":true}"#;
const EXTRA: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;

/// LESSONS.md: "OpenAI only if the client asked."
#[test]
fn usage_is_asked_for_and_its_chunk_taken_out_again() {
    for provider in ["openai", "vllm"] {
        for surface in [Surface::Chat, Surface::Completions] {
            let (mut x, sent) = attempt(surface, STREAM, provider);
            assert_eq!(sent, r#"{"stream_options":{"include_usage":true},"model":"gpt-5","stream":true}"#);
            assert_eq!(fate(&mut x, r#"{"choices":[{"delta":{"content":"a"}}],"usage":null}"#), Fate::Keep);
            let with_choices =
                r#"{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
            assert_eq!(fate(&mut x, with_choices), Fate::Keep);
            assert_eq!(fate(&mut x, EXTRA), Fate::Drop);
            assert_eq!(fate(&mut x, "[DONE]"), Fate::Keep);
            let meter = x.meter.unwrap();
            assert_eq!(meter.finish().unwrap().output, 2);
            assert!(meter.complete());
        }
    }
}

#[test]
fn a_client_that_asked_gets_its_chunk() {
    let body = r#"{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true}}"#;
    let (mut x, sent) = attempt(Surface::Chat, body, "openai");
    assert_eq!(sent, body);
    assert_eq!(fate(&mut x, EXTRA), Fate::Keep);
    assert_eq!(x.meter.unwrap().finish().unwrap().input, 1);
}

#[test]
fn nothing_is_asked_where_it_has_no_meaning() {
    for (surface, body, provider) in [
        (Surface::Chat, r#"{"model":"gpt-5"}"#, "openai"),
        (Surface::Responses, STREAM, "openai"),
        (Surface::Messages, STREAM, "anthropic"),
        (Surface::Embeddings, STREAM, "openai"),
    ] {
        let (x, sent) = attempt(surface, body, provider);
        assert_eq!(sent, body);
        assert!(!x.usage_added && x.meter.is_some());
    }
}

/// LESSONS.md: "… failed attempts … invisible": what a failed attempt said is not mixed into the next one's count.
#[test]
fn each_attempt_is_counted_anew() {
    let (mut x, _) = attempt(Surface::Chat, STREAM, "openai");
    fate(&mut x, EXTRA);
    let t = target(&x.snapshot, "openai", None);
    let h = headers(&[]);
    let mut out = Outgoing::new(request("/v1/x", None, &h), &x, &t);
    UsageFilter.on_attempt(&mut x, &t, &mut out).unwrap();
    assert!(x.meter.unwrap().finish().is_none());
}
