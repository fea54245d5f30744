use super::*;
use crate::event::{Event, Fate, Piece};
use crate::surface::Surface;
use crate::testing::{World, target};
use crate::usage::Meter;

fn cost_of(surface: Surface, asked: &str, provider: &str, model: Option<&str>, answer: &str) -> Option<i64> {
    let w = World::new();
    let mut x = w.call(surface, &format!("{{\"model\":\"{asked}\"}}"));
    x.target = Some(target(&w.snapshot, provider, model));
    let mut meter = Meter::new(surface);
    meter.on_event(&Event { piece: Piece::Body(answer.as_bytes()), fate: Fate::Keep });
    x.meter = Some(meter);
    Cost.on_end(&mut x);
    x.cost_nanos
}

/// LESSONS.md: "Cached tokens billed at full price or twice; custom prices that ignore cache rates".
#[test]
fn each_part_has_its_own_rate() {
    let answer = r#"{"usage":{"input_tokens":1000,"cache_read_input_tokens":2000,"cache_creation_input_tokens":700,
        "cache_creation":{"ephemeral_5m_input_tokens":400,"ephemeral_1h_input_tokens":300},"output_tokens":100}}"#;
    let cost = cost_of(Surface::Messages, "claude-opus-5", "anthropic", None, answer);
    // $5 input, $0.50 read, $6.25 and $10 write, $25 output, in nano-dollars a token
    assert_eq!(cost, Some(1000 * 5000 + 2000 * 500 + 400 * 6250 + 300 * 10_000 + 100 * 25_000));
}

#[test]
fn the_served_models_price_counts_then_the_asked_ones() {
    let answer = r#"{"usage":{"prompt_tokens":1000,"completion_tokens":0}}"#;
    assert_eq!(cost_of(Surface::Chat, "fast", "openai", Some("gpt-5-mini"), answer), Some(1_000_000));
    assert_eq!(cost_of(Surface::Chat, "gpt-5", "openai", Some("my-own-name"), answer), Some(2_000_000));
}

#[test]
fn unknown_is_not_zero() {
    let answer = r#"{"usage":{"prompt_tokens":1000,"completion_tokens":0}}"#;
    assert_eq!(cost_of(Surface::Chat, "nobody-knows", "openai", None, answer), None);
    assert_eq!(cost_of(Surface::Chat, "gpt-5", "openai", None, "{}"), None);
    // An advisor without a price: the sum is not known either.
    let answer = |m: &str| {
        format!(
            r#"{{"usage":{{"input_tokens":10,"output_tokens":0,"iterations":[{{"type":"advisor_message","model":"{m}","input_tokens":2,"output_tokens":1}}]}}}}"#
        )
    };
    let cost = |m| cost_of(Surface::Messages, "claude-opus-5", "anthropic", None, &answer(m));
    assert_eq!(cost("claude-opus-4-8"), Some(12 * 5000 + 25_000));
    assert_eq!(cost("other"), None);
}
