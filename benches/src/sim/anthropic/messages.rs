//! `POST /v1/messages`.

use crate::sim::call::{Answer, Turn};
use crate::sim::reply::{Reply, Usage};
use crate::sim::script::Writer;
use crate::sim::seal;
use crate::sim::stats::lock;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize)]
struct Message<'a> {
    id: String,
    r#type: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    stop_reason: Option<&'static str>,
    stop_sequence: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<MessageUsage>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Thinking { thinking: &'a str, signature: String },
    RedactedThinking { data: String },
    Text { text: &'a str },
    ToolUse { id: String, name: &'a str, input: Value },
}

/// `input_tokens` is what was neither read from nor written to the cache.
#[derive(Clone, Copy, Debug, Serialize)]
struct MessageUsage {
    input_tokens: u32,
    cache_creation_input_tokens: u32,
    cache_read_input_tokens: u32,
    cache_creation: CacheCreation,
    output_tokens: u32,
    service_tier: &'static str,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u32,
    ephemeral_1h_input_tokens: u32,
}

impl MessageUsage {
    fn new(u: Usage, output_tokens: u32) -> Self {
        Self {
            input_tokens: u.input - u.cached - u.cache_write,
            cache_creation_input_tokens: u.cache_write,
            cache_read_input_tokens: u.cached,
            cache_creation: CacheCreation {
                ephemeral_5m_input_tokens: u.cache_write,
                ephemeral_1h_input_tokens: 0,
            },
            output_tokens,
            service_tier: "standard",
        }
    }
}

/// Answers a message.
pub(super) fn answer(mut turn: Turn<'_>, streams: bool) -> Answer {
    let reply = Reply::to(&turn.ask, &turn.ask.tally(), turn.behaviour);
    if streams {
        return stream(&mut turn, &reply);
    }
    let mut content = Vec::new();
    if reply.thinking.len() > 0 {
        content.push(if turn.behaviour.redacted {
            Block::RedactedThinking { data: seal::REDACTED.put("", &mut turn.dice) }
        } else {
            let thinking = shown(&turn, &reply);
            Block::Thinking { thinking, signature: seal::THINKING.put(thinking, &mut turn.dice) }
        });
    }
    if !reply.text.string.is_empty() {
        content.push(Block::Text { text: &reply.text.string });
    }
    for call in &reply.calls {
        let input = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        content.push(Block::ToolUse { id: call_id(&mut turn, &reply), name: &call.name, input });
    }
    Answer::json(&Message {
        id: turn.dice.alnum("msg_01", 22),
        r#type: "message",
        role: "assistant",
        model: &turn.model,
        content,
        stop_reason: Some(stop_reason(&reply)),
        stop_sequence: None,
        usage: (!turn.behaviour.no_usage).then(|| MessageUsage::new(reply.usage, reply.usage.output)),
    })
}

fn stop_reason(reply: &Reply) -> &'static str {
    match reply {
        Reply { truncated: true, .. } => "max_tokens",
        Reply { calls, .. } if !calls.is_empty() => "tool_use",
        _ => "end_turn",
    }
}

/// The thoughts, unless the client wants only their signature.
fn shown<'r>(turn: &Turn<'_>, reply: &'r Reply) -> &'r str {
    let omitted = turn
        .ask
        .thinking
        .is_some_and(|raw| serde_json::from_str::<Value>(raw.get()).is_ok_and(|t| t["display"] == "omitted"));
    if omitted { "" } else { &reply.thinking.string }
}

fn call_id(turn: &mut Turn<'_>, reply: &Reply) -> String {
    let id = turn.dice.alnum("toolu_01", 22);
    if reply.thinking.len() > 0 {
        lock(&turn.state.memory).put(&id);
    }
    id
}

/// The events; the part of a delta that is the same in a block is made once.
struct Blocks {
    out: Writer,
    index: usize,
}

impl Blocks {
    fn start(&mut self, block: &Value) {
        let event = json!({"type": "content_block_start", "index": self.index, "content_block": block});
        self.out.json("content_block_start", &event);
        if self.index == 0 {
            self.out.raw("ping", &[b"{\"type\": \"ping\"}"]);
        }
    }

    fn deltas<'t>(&mut self, kind: &str, field: &str, pieces: impl Iterator<Item = &'t str>) {
        let head = format!(
            "{{\"type\":\"content_block_delta\",\"index\":{},\"delta\":{{\"type\":\"{kind}\",\"{field}\":",
            self.index
        );
        let mut text = Vec::with_capacity(32);
        for piece in pieces {
            text.clear();
            let _ = serde_json::to_writer(&mut text, piece); // into memory: cannot fail
            self.out.token("content_block_delta", &[head.as_bytes(), &text, b"}}"]);
        }
    }

    fn stop(&mut self) {
        self.out.json("content_block_stop", &json!({"type": "content_block_stop", "index": self.index}));
        self.index += 1;
    }
}

fn stream(turn: &mut Turn<'_>, reply: &Reply) -> Answer {
    let events = reply.text.len() + reply.thinking.len() + 12;
    let mut blocks = Blocks { out: Writer::with_capacity(events as usize, 160), index: 0 };
    let no_usage = turn.behaviour.no_usage;
    let message = Message {
        id: turn.dice.alnum("msg_01", 22),
        r#type: "message",
        role: "assistant",
        model: &turn.model,
        content: Vec::new(),
        stop_reason: None,
        stop_sequence: None,
        // the first token is already there when the head is sent
        usage: (!no_usage).then(|| MessageUsage::new(reply.usage, reply.usage.output.min(1))),
    };
    blocks.out.json("message_start", &Start { r#type: "message_start", message });
    if reply.thinking.len() > 0 {
        if turn.behaviour.redacted {
            let data = seal::REDACTED.put("", &mut turn.dice);
            blocks.start(&json!({"type": "redacted_thinking", "data": data}));
        } else {
            let thinking = shown(turn, reply);
            blocks.start(&json!({"type": "thinking", "thinking": "", "signature": ""}));
            if !thinking.is_empty() {
                blocks.deltas("thinking_delta", "thinking", reply.thinking.tokens());
            }
            let signature = seal::THINKING.put(thinking, &mut turn.dice);
            blocks.deltas("signature_delta", "signature", std::iter::once(signature.as_str()));
        }
        blocks.stop();
    }
    if !reply.text.string.is_empty() {
        blocks.start(&json!({"type": "text", "text": ""}));
        blocks.deltas("text_delta", "text", reply.text.tokens());
        blocks.stop();
    }
    for call in &reply.calls {
        let id = call_id(turn, reply);
        blocks.start(&json!({"type": "tool_use", "id": id, "name": call.name, "input": {}}));
        let pieces = call.pieces();
        blocks.deltas("input_json_delta", "partial_json", std::iter::once("").chain(pieces.tokens()));
        blocks.stop();
    }
    let mut delta = json!({"type": "message_delta",
        "delta": {"stop_reason": stop_reason(reply), "stop_sequence": null}});
    if !no_usage {
        let usage = MessageUsage::new(reply.usage, reply.usage.output);
        delta["usage"] = json!({"input_tokens": usage.input_tokens,
            "cache_creation_input_tokens": usage.cache_creation_input_tokens,
            "cache_read_input_tokens": usage.cache_read_input_tokens, "output_tokens": usage.output_tokens});
    }
    let mut out = blocks.out;
    out.json("message_delta", &delta);
    out.raw("message_stop", &[b"{\"type\":\"message_stop\"}"]);
    Answer::Events(out.finish())
}

#[derive(Serialize)]
struct Start<'a> {
    r#type: &'static str,
    message: Message<'a>,
}
