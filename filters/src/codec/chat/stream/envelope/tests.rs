use super::super::Decoder;
use crate::codec::StreamDecoder;
use crate::ir::StreamEvent;

const HEAD: &str =
    r#""id":"c1","object":"chat.completion.chunk","created":1,"model":"m","service_tier":"default","#;

fn word(text: &str) -> String {
    format!(r#""choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}]"#)
}

/// What a stream means, and the beginning that was learnt. `apart`: each chunk begins with another member.
fn meant(chunks: &[String], apart: bool) -> (Vec<StreamEvent>, String) {
    let (mut decoder, mut out) = (Decoder::new(), Vec::new());
    for (i, chunk) in chunks.iter().enumerate() {
        let chunk = if apart { format!(r#"{{"n":{i},{chunk}}}"#) } else { format!("{{{chunk}}}") };
        decoder.event(b"", chunk.as_bytes(), &mut out).unwrap();
    }
    let head = decoder.envelope.head.clone();
    decoder.finish(&mut out);
    (out, head)
}

/// Chunks with one beginning mean what they mean with many. Gives the beginning that was learnt.
fn same(chunks: &[String]) -> String {
    let (events, head) = meant(chunks, false);
    assert_eq!(events, meant(chunks, true).0);
    assert!(!events.is_empty());
    head
}

#[test]
fn a_known_beginning_is_read_once() {
    let tails = [r#","usage":null"#, "", r#", "usage" : null"#, r#","usage":null,"obfuscation":"x""#];
    for tail in tails {
        let chunks: Vec<_> = ["a", "b", "\\n", "é", ""].map(|w| format!("{HEAD}{}{tail}", word(w))).into();
        assert_eq!(same(&chunks), format!("{{{HEAD}\"choices\":"));
    }
}

#[test]
fn what_comes_behind_the_choices_counts() {
    let usage = r#","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"obfuscation":"y""#;
    let mut chunks: Vec<_> = ["a", "b", "c"].map(|w| format!("{HEAD}{}", word(w))).into();
    chunks.push(format!("{HEAD}{},\"service_tier\":\"flex\"", word("d")).replacen(
        r#""service_tier":"default","#,
        "",
        1,
    ));
    chunks.push(format!("{HEAD}\"choices\":[]{usage}"));
    same(&chunks);
    let (events, _) = meant(&chunks, false);
    assert!(events.iter().any(|e| matches!(e, StreamEvent::Tokens(t) if t.usage.output == 2)));
    assert!(events.iter().any(|e| matches!(e, StreamEvent::ServiceTier(t) if t == "flex")));
    chunks.push(format!("{HEAD}\"choices\":[],\"error\":{{\"message\":\"away\"}}"));
    same(&chunks);
    assert!(meant(&chunks, false).0.iter().any(|e| matches!(e, StreamEvent::Error(_))));
}

#[test]
fn a_beginning_that_says_something_is_not_passed_over() {
    for inside in [
        // Usage that grows, an error, another `choices` further inside.
        r#""usage":{"prompt_tokens":1,"completion_tokens":2},"#,
        r#""x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":2}},"#,
        r#""meta":{"choices":[1]},"#,
        r#""meta":[{"choices":[1],"#,
    ] {
        let inside = inside.replace("[1],", r#"[1],"z":0}],"#);
        let chunks: Vec<_> = ["a", "b", "c"].map(|w| format!("{HEAD}{inside}{}", word(w))).into();
        assert_eq!(same(&chunks), "", "{inside}");
    }
}

#[test]
fn broken_chunks_are_refused_behind_a_known_beginning_too() {
    for broken in
        [r#""choices":[{"index":0}"#, r#""choices":[]"usage":null"#, r#""choices":[],"#, r#""choices":7"#]
    {
        let (mut decoder, mut out) = (Decoder::new(), Vec::new());
        for _ in 0..3 {
            decoder.event(b"", format!("{{{HEAD}{}}}", word("a")).as_bytes(), &mut out).unwrap();
        }
        assert_ne!(decoder.envelope.head, "");
        assert!(decoder.event(b"", format!("{{{HEAD}{broken}}}").as_bytes(), &mut out).is_err(), "{broken}");
    }
}

#[test]
fn beginnings_that_always_differ_are_not_learnt_for_ever() {
    let chunks: Vec<_> = (0..20).map(|n| format!(r#""id":"c{n}",{}"#, word("a"))).collect();
    let (mut decoder, mut out) = (Decoder::new(), Vec::new());
    for chunk in &chunks {
        decoder.event(b"", format!("{{{chunk}}}").as_bytes(), &mut out).unwrap();
    }
    assert_eq!(decoder.envelope.misses, super::PATIENCE);
}
