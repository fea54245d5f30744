//! InvokeModel for Claude: Anthropic's bodies and answers; a stream has each of Anthropic's events in a `chunk` frame,
//! the last one with Bedrock's own count.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html>

use super::frames;
use crate::sim::anthropic;
use crate::sim::call::{Answer, Turn};
use crate::sim::fault::Fault;
use crate::sim::script::{Script, Writer};
use sallyport_filters::codec::converse::invoke::wrap;
use serde_json::{Value, json};

/// Answers a request.
pub(super) fn answer(turn: Turn<'_>) -> Result<Answer, Fault> {
    Ok(match anthropic::invoked(turn)? {
        Answer::Events(script) => Answer::Frames(framed(&script)),
        other => other,
    })
}

fn framed(script: &Script) -> Script {
    let mut out = Writer::default();
    let mut tokens = (json!(0), json!(0));
    for (event, token) in script.events() {
        let event = String::from_utf8_lossy(event);
        let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else { continue };
        let mut payload = data.to_owned();
        if let Ok(mut json) = serde_json::from_str::<Value>(data) {
            match json["type"].as_str() {
                Some("ping") => continue, // Bedrock sends none
                Some("message_start") => tokens.0 = json["message"]["usage"]["input_tokens"].clone(),
                Some("message_delta") => tokens.1 = json["usage"]["output_tokens"].clone(),
                Some("message_stop") => {
                    json["amazon-bedrock-invocationMetrics"] = json!({"inputTokenCount": tokens.0,
                        "outputTokenCount": tokens.1, "invocationLatency": 1, "firstByteLatency": 1});
                    payload = json.to_string();
                }
                _ => {}
            }
        }
        frames::event(&mut out, "chunk", &wrap(payload.as_bytes()), token);
    }
    out.finish()
}
