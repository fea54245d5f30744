//! `POST /v1/chat/completions`.

use crate::sim::call::{Answer, Turn};
use crate::sim::endpoint::Endpoint;
use crate::sim::fault::Fault;
use crate::sim::openai::{ChatUsage, azure, required, rules};
use crate::sim::reply::{Reply, ToolCall};
use crate::sim::script::Writer;
use serde::Serialize;
use serde_json::json;

const FINGERPRINT: &str = "fp_5a11990421";

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<ChatUsage>,
    service_tier: &'static str,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    refusal: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    annotations: [(); 0],
}

#[derive(Serialize)]
struct Call<'a> {
    id: String,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Answers a chat completion.
pub(crate) fn answer(mut turn: Turn<'_>) -> Result<Answer, Fault> {
    let messages = required(turn.ask.messages, "messages")?;
    if !messages.get().starts_with('[') {
        return Err(Fault {
            param: Some("messages".into()),
            code: Some("invalid_type"),
            ..Fault::new(400, "Invalid type for 'messages': expected an array of objects.")
        });
    }
    if !turn.behaviour.lax {
        rules::chat(&turn)?;
    }
    let mut reply = Reply::to(&turn.ask, &turn.ask.tally(), turn.behaviour);
    let choices = turn.ask.n.unwrap_or(1).clamp(1, 128);
    reply.usage.output *= choices;
    reply.usage.reasoning *= choices;
    let id = turn.dice.alnum("chatcmpl-", 29);
    if turn.ask.streams() {
        return Ok(stream(&mut turn, &reply, &id, choices));
    }
    let finish_reason = finish(&reply);
    let choices = (0..choices)
        .map(|index| Choice {
            index,
            message: Message {
                role: "assistant",
                content: reply.calls.is_empty().then_some(reply.text.string.as_str()),
                tool_calls: reply.calls.iter().map(|c| call(&mut turn, c)).collect(),
                refusal: None,
                reasoning_content: shows(&turn, &reply).then_some(reply.thinking.string.as_str()),
                annotations: [],
            },
            logprobs: None,
            finish_reason,
        })
        .collect();
    let whole = Completion {
        id: &id,
        object: "chat.completion",
        created: turn.now,
        model: &turn.model,
        choices,
        usage: (!turn.behaviour.no_usage).then(|| reply.usage.into()),
        service_tier: "default",
        system_fingerprint: FINGERPRINT,
    };
    if turn.is_azure { Ok(azure::filtered(&whole)) } else { Ok(Answer::json(&whole)) }
}

fn call<'a>(turn: &mut Turn<'_>, call: &'a ToolCall) -> Call<'a> {
    Call {
        id: turn.dice.alnum("call_", 24),
        r#type: "function",
        function: Function { name: &call.name, arguments: &call.arguments },
    }
}

/// Does the server show thoughts, and are there some?
fn shows(turn: &Turn<'_>, reply: &Reply) -> bool {
    turn.behaviour.reasoning_content && reply.thinking.len() > 0
}

fn finish(reply: &Reply) -> &'static str {
    match reply {
        Reply { truncated: true, .. } => "length",
        Reply { calls, .. } if !calls.is_empty() => "tool_calls",
        _ => "stop",
    }
}

/// The chunks. All but the choices is the same in each one, so it is serialised once.
struct Chunks<'a> {
    out: Writer,
    head: &'a [u8],
    tail: &'a [u8],
}

impl Chunks<'_> {
    fn chunk(&mut self, index: u32, delta: &[u8], token: bool) {
        let index = index.to_string();
        let parts: [&[u8]; 6] = [
            self.head,
            b"[{\"index\":",
            index.as_bytes(),
            b",\"delta\":",
            delta,
            b",\"logprobs\":null,\"finish_reason\":null}]",
        ];
        let parts = [parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], self.tail];
        if token { self.out.token("", &parts) } else { self.out.raw("", &parts) }
    }
}

fn stream(turn: &mut Turn<'_>, reply: &Reply, id: &str, choices: u32) -> Answer {
    let with_usage = turn.ask.wants_usage() && !turn.behaviour.no_usage;
    let model = serde_json::Value::from(turn.model.as_str());
    let head = format!(
        "{{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":{model},\
         \"service_tier\":\"default\",\"system_fingerprint\":\"{FINGERPRINT}\",\"choices\":",
        turn.now
    );
    // `"usage":null` in all chunks but the last, if it was asked for
    let tail: &[u8] = if with_usage { b",\"usage\":null}" } else { b"}" };
    let events = (reply.text.len() as usize + 4) * choices as usize;
    let mut chunks =
        Chunks { out: Writer::with_capacity(events, head.len() + 96), head: head.as_bytes(), tail };
    if turn.endpoint == Endpoint::Chat && turn.is_azure {
        chunks.out.json("", &azure::first());
    }
    if shows(turn, reply) {
        for token in reply.thinking.tokens() {
            let delta = json!({"role": "assistant", "content": null, "reasoning_content": token}).to_string();
            (0..choices).for_each(|index| chunks.chunk(index, delta.as_bytes(), true));
        }
    }
    for index in 0..choices {
        if reply.calls.is_empty() {
            chunks.chunk(index, b"{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", false);
        }
        for (n, call) in reply.calls.iter().enumerate() {
            let mut delta = json!({"tool_calls": [{"index": n, "id": turn.dice.alnum("call_", 24), "type": "function",
                "function": {"name": call.name, "arguments": ""}}]});
            if n == 0 {
                delta["role"] = json!("assistant");
                delta["content"] = json!(null);
                delta["refusal"] = json!(null);
            }
            chunks.chunk(index, delta.to_string().as_bytes(), false);
            for piece in call.pieces().tokens() {
                let delta = json!({"tool_calls": [{"index": n, "function": {"arguments": piece}}]});
                chunks.chunk(index, delta.to_string().as_bytes(), true);
            }
        }
    }
    let mut delta = Vec::with_capacity(64);
    for token in reply.text.tokens() {
        delta.clear();
        delta.extend_from_slice(b"{\"content\":");
        let _ = serde_json::to_writer(&mut delta, token); // into memory: cannot fail
        delta.push(b'}');
        for index in 0..choices {
            chunks.chunk(index, &delta, true);
        }
    }
    let Chunks { mut out, .. } = chunks;
    for index in 0..choices {
        let last = format!(
            "[{{\"index\":{index},\"delta\":{{}},\"logprobs\":null,\"finish_reason\":\"{}\"}}]",
            finish(reply)
        );
        out.raw("", &[head.as_bytes(), last.as_bytes(), tail]);
    }
    if with_usage {
        let usage = serde_json::to_vec(&ChatUsage::from(reply.usage)).unwrap_or_default();
        out.raw("", &[head.as_bytes(), b"[],\"usage\":", &usage, b"}"]);
    }
    out.raw("", &[b"[DONE]"]);
    Answer::Events(out.finish())
}
