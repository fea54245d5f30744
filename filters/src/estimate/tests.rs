use super::*;
use crate::event::{Event, Fate, Piece};
use crate::surface::Dialect;
use crate::testing::{World, recorded, target};
use crate::usage::Meter;
use proptest::prelude::*;
use serde_json::{Value, json};

fn asked(body: Value) -> (Vec<String>, u64, u64, u64) {
    let a = Asked::of(body.to_string().as_bytes()).unwrap();
    assert_eq!(a.bytes, a.text.len() as u64);
    (a.text.lines().map(str::to_owned).collect(), a.turns, a.images, a.tokens)
}

#[test]
fn what_a_model_reads_of_a_request() {
    let chat = json!({"model": "m", "user": "u", "messages": [
        {"role": "system", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "b"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}],
        "tools": [{"function": {"name": "f"}}], "metadata": {"k": "v"}});
    let (text, turns, images, _) = asked(chat);
    assert_eq!(text, ["a", "b", "function", "arguments", "{}", "function", "name", "f"]);
    assert_eq!((turns, images), (3, 1));

    let messages = json!({"system": [{"type": "text", "text": "a"}], "messages": [{"role": "user", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"data": "AAAA", "type": "base64"}},
        {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "b"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "c"}]}},
        {"type": "thinking", "thinking": "d", "signature": "SSSS"},
        {"type": "tool_use", "id": "i", "name": "n", "input": {"k": 7}},
        {"type": "tool_result", "tool_use_id": "i", "content": "e"}]}], "thinking": {"type": "enabled"}});
    assert_eq!(
        asked(messages),
        (["a", "t", "b", "c", "d", "k", "7", "e"].map(str::to_owned).to_vec(), 1, 2, 0)
    );

    let responses = json!({"instructions": "a", "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "b"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
        {"type": "function_call_output", "call_id": "c", "output": "d"},
        {"type": "reasoning", "encrypted_content": "EEEE", "summary": [{"type": "summary_text", "text": "e"}]}]});
    assert_eq!(asked(responses), (["a", "b", "d", "e"].map(str::to_owned).to_vec(), 3, 1, 0));
    assert_eq!(asked(json!({"input": "hi"})).0, ["hi"]);

    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "a"}, {"inlineData": {"data": "AAAA"}}]}],
        "systemInstruction": {"parts": [{"text": "b"}]}, "generationConfig": {"stopSequences": ["x"]}});
    let whole = json!({"generateContentRequest": gemini.clone()});
    for body in [gemini, whole] {
        assert_eq!(asked(body), (["a", "b"].map(str::to_owned).to_vec(), 1, 1, 0));
    }
    assert_eq!(asked(json!({"prompt": [[1, 2], [3]]})).3, 3);
    assert_eq!(asked(json!({"requests": [{"model": "m", "content": {"parts": [{"text": "a"}]}}]})).0, ["a"]);
}

#[test]
fn what_is_no_request() {
    for raw in ["", "7", "[1]", "nonsense", "{", "\"x\""] {
        assert!(Asked::of(raw.as_bytes()).is_none_or(|a| a.bytes == 0), "{raw}");
    }
    let deep = format!("{{\"messages\":{}", "[".repeat(100_000));
    assert!(Asked::of(deep.as_bytes()).is_none());
    assert_eq!(input(b"no json", "m", Care::Full), 0);
}

#[test]
fn tokens_are_o200ks() {
    // tiktoken: o200k_base.encode("hello world") is [24912, 2375].
    assert_eq!(tokens::of("hello world", 11, "gpt-5", Care::Full), 2);
    assert_eq!(tokens::of("hello world", 11, "llama", Care::Full), 2);
    assert_eq!(tokens::of("hello world", 11, "claude-x", Care::Full), 3);
    // A text of which the half is known has twice its tokens.
    assert_eq!(tokens::of("hello world", 22, "gpt-5", Care::Full), 4);
    assert_eq!(tokens::of("hello world", 11, "gpt-5", Care::Rough), 3);
    assert_eq!(tokens::of("", 400, "gpt-5", Care::Full), 100);
    assert_eq!(tokens::of("", 0, "gpt-5", Care::Full), 0);
}

/// What an attacker would send to a slow tokenizer: no word ever ends.
#[test]
fn a_hostile_text_takes_no_longer_than_another() {
    for text in ["a".repeat(EXACT), "\u{300}".repeat(EXACT / 2), " ".repeat(EXACT), "\0".repeat(EXACT)] {
        assert!(tokens::of(&text, text.len() as u64, "gpt-5", Care::Full) > 0);
    }
}

#[test]
fn a_long_request_is_taken_to_go_on_as_it_began() {
    let one = json!({"messages": [{"content": "lorem ipsum dolor ".repeat(EXACT / 18)}]}).to_string();
    let ten = json!({"messages": [{"content": "lorem ipsum dolor ".repeat(EXACT / 18 * 10)}]}).to_string();
    let (one, of_ten) = (input(one.as_bytes(), "m", Care::Full), input(ten.as_bytes(), "m", Care::Full));
    assert!(of_ten > one * 9 && of_ten < one * 11, "{one} {of_ten}");
    assert_eq!(input(ten.as_bytes(), "m", Care::Rough), WALKED as u64 / BYTES_PER_TOKEN);
}

fn delivered(dialect: Dialect, events: &[(&str, Value)]) -> (u64, String) {
    let (mut counts, mut keeps) = (Delivered::new(false), Delivered::new(true));
    for (name, data) in events {
        let data = data.to_string();
        counts.event(dialect, name.as_bytes(), data.as_bytes());
        keeps.event(dialect, name.as_bytes(), data.as_bytes());
    }
    assert_eq!(counts.bytes, keeps.bytes);
    assert!(counts.text.is_empty());
    (keeps.bytes, keeps.text)
}

#[test]
fn words_of_streams() {
    let chat = |delta: Value| ("", json!({"id": "content", "choices": [{"index": 0, "delta": delta}]}));
    let all = [
        chat(json!({"role": "assistant", "content": ""})),
        chat(json!({"content": "a\"\n"})),
        chat(json!({"content": null, "reasoning_content": "b"})),
        chat(
            json!({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{\"x"}}]}),
        ),
        ("", json!({"choices": [], "usage": null})),
    ];
    assert_eq!(delivered(Dialect::OpenAi, &all), (7, "a\"\nb{\"x".to_owned()));
    let completion = ("", json!({"id": "text", "choices": [{"text": "ab", "logprobs": null}]}));
    assert_eq!(delivered(Dialect::OpenAi, &[completion]).0, 2);

    let responses = [
        (
            "response.output_text.delta",
            json!({"type": "response.output_text.delta", "delta": "ab", "item_id": "x"}),
        ),
        ("response.function_call_arguments.delta", json!({"delta": "{}", "obfuscation": "xxxx"})),
        ("response.output_text.done", json!({"text": "ab"})),
        ("response.completed", json!({"response": {"output": [{"text": "ab"}]}})),
    ];
    assert_eq!(delivered(Dialect::Responses, &responses), (4, "ab{}".to_owned()));

    let delta =
        |d: Value| ("content_block_delta", json!({"type": "content_block_delta", "index": 0, "delta": d}));
    let anthropic = [
        ("message_start", json!({"message": {"content": [], "model": "text"}})),
        ("content_block_start", json!({"content_block": {"type": "text", "text": ""}})),
        delta(json!({"type": "text_delta", "text": "a"})),
        delta(json!({"type": "thinking_delta", "thinking": "b"})),
        delta(json!({"type": "signature_delta", "signature": "SSSS"})),
        delta(json!({"type": "input_json_delta", "partial_json": "{}"})),
    ];
    assert_eq!(delivered(Dialect::Anthropic, &anthropic), (4, "ab{}".to_owned()));

    let gemini = [(
        "",
        json!({"candidates": [{"content": {"parts": [{"text": "a"},
        {"text": "b\"", "thought": true}]}, "finishReason": "STOP"}], "modelVersion": "text"}),
    )];
    assert_eq!(delivered(Dialect::Gemini, &gemini), (3, "ab\"".to_owned()));
    let call =
        json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {"x": 1}}}]}}]});
    let mut whole = Delivered::default();
    whole.whole(call.to_string().as_bytes());
    assert_eq!(whole.text, "{\"x\":1}");
}

#[test]
fn words_of_whole_answers() {
    let chat = json!({"id": "x", "choices": [{"message": {"content": "hello world", "tool_calls": []}}]})
        .to_string();
    let mut kept = Delivered::new(true);
    chat.as_bytes().chunks(7).for_each(|c| kept.piece(c));
    assert_eq!(kept.tokens("gpt-5", Care::Full), 2);
    let messages = json!({"content": [{"type": "text", "text": "hello world"}]}).to_string();
    let mut whole = Delivered::default();
    whole.whole(messages.as_bytes());
    assert_eq!(whole.tokens("gpt-5", Care::Full), 2);
    // Not kept, or longer than what is kept: by its bytes.
    let mut counted = Delivered::default();
    counted.piece(&[b'x'; 2400]);
    assert_eq!(counted.tokens("gpt-5", Care::Full), 500);
    let long = json!({"choices": [{"message": {"content": "hello world ".repeat(EXACT)}}]}).to_string();
    let mut kept = Delivered::new(true);
    kept.piece(long.as_bytes());
    assert!(kept.body.len() == EXACT);
    let n = kept.tokens("gpt-5", Care::Full);
    let want = 2 * EXACT as u64;
    assert!(n > want * 9 / 10 && n < want * 11 / 10, "{n} {want}");
}

fn see(m: &mut Meter, name: &str, data: &str) {
    m.on_event(&Event {
        piece: Piece::Sse { name: name.as_bytes(), data: data.as_bytes() },
        fate: Fate::Keep,
    });
}

/// A call of `surface` at `provider` that was accepted, after these events.
fn call(surface: Surface, provider: &str, events: &[(&str, &str)]) -> Exchange {
    let w = World::new();
    let mut x = w.call(surface, r#"{"model":"fast","messages":[{"role":"user","content":"hello world"}]}"#);
    x.target = Some(target(&w.snapshot, provider, Some("gpt-5-mini")));
    x.accepted = true;
    let mut m = Meter::new(surface).keeping_words();
    events.iter().for_each(|(name, data)| see(&mut m, name, data));
    x.meter = Some(m);
    x
}

const DELTA: &str = r#"{"choices":[{"delta":{"content":"hello world"}}]}"#;
const START: &str = r#"{"type":"message_start","message":{"usage":{"input_tokens":100,"output_tokens":1}}}"#;
const TEXT: &str = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"hello world"}}"#;

#[test]
fn a_call_without_usage_is_estimated_and_says_so() {
    let mut x = call(Surface::Chat, "vllm", &[("", DELTA), ("", "[DONE]")]);
    assert!(due(&x));
    settle(&mut x, Care::Full);
    let m = x.meter.as_ref().unwrap();
    let u = m.usage().unwrap();
    // The text, a line's end for the string, a turn.
    assert_eq!((u.input, u.output, m.estimated()), (3 + PER_TURN, 2, true));
    assert!(!due(&x));
    settle(&mut x, Care::Full);
    assert_eq!(x.meter.unwrap().usage(), Some(u));
}

#[test]
fn what_the_provider_has_said_stands() {
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#;
    let x = call(Surface::Chat, "vllm", &[("", DELTA), ("", usage)]);
    assert!(!due(&x));
    // Anthropic says the input first: only the output is made out.
    let mut x =
        call(Surface::Messages, "anthropic", &[("message_start", START), ("content_block_delta", TEXT)]);
    settle(&mut x, Care::Full);
    let u = x.meter.as_ref().unwrap().usage().unwrap();
    assert_eq!((u.input, u.output), (100, 2));
    let end = r#"{"type":"message_delta","usage":{"output_tokens":9}}"#;
    let all = [("message_start", START), ("content_block_delta", TEXT), ("message_delta", end)];
    assert!(!due(&call(Surface::Messages, "anthropic", &all)));
    // Gemini says it with each event.
    let g = r#"{"candidates":[],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2}}"#;
    assert!(!due(&call(Surface::Generate, "vllm", &[("", g)])));
}

#[test]
fn a_total_is_shared_out() {
    let total = r#"{"choices":[],"usage":{"total_tokens":50}}"#;
    let mut x = call(Surface::Chat, "vllm", &[("", DELTA), ("", total)]);
    settle(&mut x, Care::Full);
    let u = x.meter.as_ref().unwrap().usage().unwrap();
    assert_eq!((u.input + u.output, u.input), (50, 3 + PER_TURN));
    let mut m = Meter::new(Surface::Embeddings);
    let body = br#"{"data":[],"usage":{"total_tokens":50}}"#;
    m.on_event(&Event { piece: Piece::Body(body), fate: Fate::Keep });
    let u = m.usage().unwrap();
    assert_eq!((u.input, u.output, m.gap()), (50, 0, None));
}

#[test]
fn what_is_not_estimated() {
    let mut x = call(Surface::Chat, "vllm", &[("", DELTA)]);
    x.accepted = false;
    assert!(!due(&x), "refused");
    for surface in [Surface::CountTokens, Surface::Moderations, Surface::Images, Surface::Audio] {
        assert!(!due(&call(surface, "vllm", &[])), "{surface:?}");
    }
    let mut x = call(Surface::Embeddings, "vllm", &[]);
    settle(&mut x, Care::Rough);
    let u = x.meter.unwrap().usage().unwrap();
    assert!(u.input > 0 && u.output == 0);
}

/// How far off it is, by recorded calls whose provider has said its usage: the median of each dialect.
#[test]
fn recorded_calls() {
    for (dialect, surface) in [
        ("openai-chat", Surface::Chat),
        ("openai-responses", Surface::Responses),
        ("anthropic", Surface::Messages),
        ("gemini", Surface::Generate),
    ] {
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for case in recorded(dialect).unwrap_or_default() {
            let read = |name: &str| std::fs::read(case.join(name)).ok();
            let (Some(asked), Some(answer)) = (read("request.json"), read("response.json")) else { continue };
            // What the provider adds by itself is in no request.
            let adds = [
                "advisor",
                "previous_response_id",
                "_search",
                "code_",
                "mcp",
                "image",
                "conversation",
                "computer",
                "shell",
            ];
            let text = String::from_utf8_lossy(&asked);
            if adds.iter().any(|word| text.contains(word)) {
                continue;
            }
            let mut m = Meter::new(surface).keeping_words();
            m.on_event(&Event { piece: Piece::Body(&answer), fate: Fate::Keep });
            let Some(told) = m.usage().filter(|u| u.input > 300) else { continue };
            let model = if dialect == "anthropic" { "claude" } else { "gpt-5" };
            let ratio = |n: u64, of: u64| n * 100 / of.max(1);
            inputs.push(ratio(input(&asked, model, Care::Full), told.input));
            // Thoughts are billed, and not all of them are shown.
            let said = String::from_utf8_lossy(&answer);
            let thinks = [&text, &said].iter().any(|t| t.contains("reasoning") || t.contains("thinking"));
            // (The words around a call are the provider's own form.)
            if told.output > 20 && told.reasoning == 0 && !thinks && !said.contains("tool_") {
                outputs.push(ratio(m.delivered().tokens(model, Care::Full), told.output));
            }
        }
        let median = |all: &mut Vec<u64>| {
            all.sort_unstable();
            all.get(all.len() / 2).copied()
        };
        println!("{dialect}: inputs {inputs:?}, outputs {outputs:?} percent of what was told");
        for (what, all) in [("input", &mut inputs), ("output", &mut outputs)] {
            if all.len() > 5 {
                let m = median(all).unwrap();
                assert!((60..150).contains(&m), "{dialect} {what}: {m} % of what was told; {all:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn words_are_found_whatever_they_say(text in ".*", more in crate::testing::any_json()) {
        let data = json!({"a": more, "choices": [{"index": 0, "delta": {"content": text, "x": more}}]}).to_string();
        let mut d = Delivered::new(true);
        d.event(Dialect::OpenAi, b"", data.as_bytes());
        prop_assert!(d.text.contains(&text));
        prop_assert!(d.bytes >= text.len() as u64);
    }

    #[test]
    fn no_bytes_are_too_strange(data in proptest::collection::vec(prop_oneof![
        any::<u8>(), Just(b'"'), Just(b'\\'), Just(b'{'), Just(b'}'), Just(b':')], 0..200), prefix in prop_oneof![
        Just("\"delta\":"), Just("\"args\":{"), Just("")]) {
        let data = [prefix.as_bytes(), &data].concat();
        for dialect in [Dialect::OpenAi, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini] {
            for keeps in [true, false] {
                let mut d = Delivered::new(keeps);
                d.event(dialect, b"", &data);
                d.piece(&data);
                let _ = d.tokens("m", Care::Full);
            }
        }
        let _ = Asked::of(&data);
        let _ = input(&data, "m", Care::Rough);
    }

    #[test]
    fn a_request_costs_at_least_its_text(text in "[a-z ]{0,300}", turns in 1u64..5) {
        let body = json!({"messages": vec![json!({"role": "user", "content": text}); turns as usize]}).to_string();
        let n = input(body.as_bytes(), "gpt-5", Care::Full);
        prop_assert!(n >= turns * PER_TURN && n <= turns * (PER_TURN + text.len() as u64 + 1));
    }
}
