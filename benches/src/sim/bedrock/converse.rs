//! Converse and ConverseStream.

use super::frames;
use crate::sim::call::{Answer, Turn};
use crate::sim::endpoint::Endpoint;
use crate::sim::reply::{Reply, Usage};
use crate::sim::script::Writer;
use crate::sim::seal;
use crate::sim::stats::lock;
use serde_json::{Value, json};

/// Letters that Bedrock fills its events up with, so that their lengths say nothing about the text.
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// A block of an answer.
enum Block<'a> {
    Thinking(&'a Reply, String),
    Redacted(String),
    Text(&'a Reply),
    Call(&'a Reply, usize, String),
}

/// Answers a request.
pub(super) fn answer(turn: &mut Turn<'_>) -> Answer {
    let reply = Reply::to(&turn.ask, &turn.ask.tally(), turn.behaviour);
    let blocks = blocks(turn, &reply);
    let latency = turn.behaviour.latency.map_or(1, |l| l.as_millis().max(1) as u64);
    if turn.endpoint == Endpoint::Converse {
        let content: Value = blocks.iter().map(whole).collect();
        let mut answer = json!({"metrics": {"latencyMs": latency},
            "output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop_reason(&reply)});
        if !turn.behaviour.no_usage {
            answer["usage"] = usage(reply.usage);
        }
        return Answer::json(&answer);
    }
    let mut out = Stream { out: Writer::default(), padding: 0 };
    out.put("messageStart", json!({"role": "assistant"}), false);
    for (index, block) in blocks.iter().enumerate() {
        out.block(index, block);
    }
    out.put("messageStop", json!({"stopReason": stop_reason(&reply)}), false);
    let mut metadata = json!({"metrics": {"latencyMs": latency}});
    if !turn.behaviour.no_usage {
        metadata["usage"] = usage(reply.usage);
    }
    out.put("metadata", metadata, false);
    Answer::Frames(out.out.finish())
}

fn blocks<'a>(turn: &mut Turn<'_>, reply: &'a Reply) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    if reply.thinking.len() > 0 {
        blocks.push(match turn.behaviour.redacted {
            true => Block::Redacted(seal::REDACTED.put("", &mut turn.dice)),
            false => Block::Thinking(reply, seal::THINKING.put(&reply.thinking.string, &mut turn.dice)),
        });
    }
    if !reply.text.string.is_empty() {
        blocks.push(Block::Text(reply));
    }
    for n in 0..reply.calls.len() {
        let id = turn.dice.alnum("tooluse_", 22);
        if reply.thinking.len() > 0 {
            lock(&turn.state.memory).put(&id);
        }
        blocks.push(Block::Call(reply, n, id));
    }
    blocks
}

fn whole(block: &Block<'_>) -> Value {
    match block {
        Block::Thinking(reply, signature) => json!({"reasoningContent": {"reasoningText":
            {"text": reply.thinking.string, "signature": signature}}}),
        Block::Redacted(data) => json!({"reasoningContent": {"redactedContent": data}}),
        Block::Text(reply) => json!({"text": reply.text.string}),
        Block::Call(reply, n, id) => {
            let call = &reply.calls[*n];
            let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
            json!({"toolUse": {"toolUseId": id, "name": call.name, "input": input}})
        }
    }
}

fn stop_reason(reply: &Reply) -> &'static str {
    match reply {
        Reply { truncated: true, .. } => "max_tokens",
        Reply { calls, .. } if !calls.is_empty() => "tool_use",
        _ => "end_turn",
    }
}

/// `inputTokens` are those that were neither read from the cache nor written to it.
fn usage(u: Usage) -> Value {
    json!({"inputTokens": u.input - u.cached - u.cache_write, "outputTokens": u.output,
        "totalTokens": u.input + u.output, "cacheReadInputTokens": u.cached,
        "cacheReadInputTokenCount": u.cached, "cacheWriteInputTokens": u.cache_write,
        "cacheWriteInputTokenCount": u.cache_write, "serverToolUsage": {}})
}

struct Stream {
    out: Writer,
    padding: usize,
}

impl Stream {
    fn put(&mut self, name: &str, mut payload: Value, token: bool) {
        // each event another length, and always the same ones
        self.padding = (self.padding + 17) % PADDING.len();
        payload["p"] = json!(&PADDING[..=self.padding]);
        frames::event(&mut self.out, name, payload.to_string().as_bytes(), token);
    }

    fn delta(&mut self, index: usize, delta: Value) {
        self.put("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}), true);
    }

    /// Only calls have a start.
    fn block(&mut self, index: usize, block: &Block<'_>) {
        match block {
            Block::Thinking(reply, signature) => {
                for token in reply.thinking.tokens() {
                    self.delta(index, json!({"reasoningContent": {"text": token}}));
                }
                self.delta(index, json!({"reasoningContent": {"signature": signature}}));
            }
            Block::Redacted(data) => {
                self.delta(index, json!({"reasoningContent": {"redactedContent": data}}))
            }
            Block::Text(reply) => reply.text.tokens().for_each(|t| self.delta(index, json!({"text": t}))),
            Block::Call(reply, n, id) => {
                let call = &reply.calls[*n];
                let start = json!({"toolUse": {"toolUseId": id, "name": call.name}});
                self.put("contentBlockStart", json!({"contentBlockIndex": index, "start": start}), false);
                for piece in call.pieces().tokens() {
                    self.delta(index, json!({"toolUse": {"input": piece}}));
                }
            }
        }
        self.put("contentBlockStop", json!({"contentBlockIndex": index}), false);
    }
}
