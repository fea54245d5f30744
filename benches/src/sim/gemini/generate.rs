//! `generateContent` and `streamGenerateContent`: with `alt=sse` events, else one array that comes bit by bit.
//!
//! Thoughts are shown if the client asked for them, and counted anyway. Calls come whole. The first call of a turn, or
//! else the last piece of the text, carries the seal of the thoughts.

use crate::sim::call::{Answer, Turn};
use crate::sim::endpoint::Endpoint;
use crate::sim::neutral::member;
use crate::sim::reply::Reply;
use crate::sim::script::Writer;
use crate::sim::seal;
use serde_json::{Value, json};

/// What is the same in all pieces of an answer.
struct Pieces<'a> {
    model: &'a str,
    id: String,
    /// `usage=0`.
    silent: bool,
    reply: &'a Reply,
}

impl Pieces<'_> {
    /// A piece. `end`: the last one, with the whole usage.
    fn piece(&self, parts: Value, end: bool, index: u32) -> Value {
        let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": index});
        if end {
            candidate["finishReason"] = json!(if self.reply.truncated { "MAX_TOKENS" } else { "STOP" });
        }
        let mut piece = json!({"candidates": [candidate], "modelVersion": self.model, "responseId": self.id});
        if !self.silent {
            piece["usageMetadata"] = self.usage(end);
        }
        piece
    }

    fn usage(&self, end: bool) -> Value {
        let usage = self.reply.usage;
        let mut told = json!({"promptTokenCount": usage.input, "totalTokenCount": usage.input,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input}]});
        if usage.cached > 0 {
            told["cachedContentTokenCount"] = json!(usage.cached);
            told["cacheTokensDetails"] = json!([{"modality": "TEXT", "tokenCount": usage.cached}]);
        }
        if end {
            told["candidatesTokenCount"] = json!(usage.output - usage.reasoning);
            told["totalTokenCount"] = json!(usage.input + usage.output);
            if usage.reasoning > 0 {
                told["thoughtsTokenCount"] = json!(usage.reasoning);
            }
        }
        told
    }
}

/// Answers a request.
pub(super) fn answer(turn: &mut Turn<'_>, body: &Value) -> Answer {
    let mut reply = Reply::to(&turn.ask, &turn.ask.tally(), turn.behaviour);
    let candidates = turn.ask.n.unwrap_or(1).clamp(1, 8);
    reply.usage.output *= candidates;
    reply.usage.reasoning *= candidates;
    let thinking = member(body, "generationConfig").and_then(|c| member(c, "thinkingConfig"));
    let shown = thinking.and_then(|t| member(t, "includeThoughts")).and_then(Value::as_bool).unwrap_or(false);
    let calls = calls(turn, &reply);
    let model = turn.model.clone();
    let pieces =
        Pieces { model: &model, id: turn.dice.alnum("", 22), silent: turn.behaviour.no_usage, reply: &reply };
    let thought = |text: &str| json!({"text": text, "thought": true});
    if turn.endpoint == Endpoint::Generate {
        let mut parts = Vec::new();
        if shown && reply.thinking.len() > 0 {
            parts.push(thought(&reply.thinking.string));
        }
        if !reply.text.string.is_empty() {
            let mut part = json!({"text": reply.text.string});
            if let Some(signature) = signature(turn, &reply, "") {
                part["thoughtSignature"] = json!(signature);
            }
            parts.push(part);
        }
        parts.extend(calls);
        let mut whole = pieces.piece(json!(parts), true, 0);
        let one = whole["candidates"][0].clone();
        whole["candidates"] = (0..candidates).map(|n| with(one.clone(), "index", json!(n))).collect();
        return Answer::json(&whole);
    }
    let sse = turn.query.split('&').any(|p| p == "alt=sse");
    let mut out = Stream { out: Writer::default(), sse, first: true };
    for index in 0..candidates {
        if shown {
            reply
                .thinking
                .tokens()
                .for_each(|t| out.put(&pieces.piece(json!([thought(t)]), false, index), true));
        }
        for token in reply.text.tokens() {
            out.put(&pieces.piece(json!([{"text": token}]), false, index), true);
        }
        for call in &calls {
            out.put(&pieces.piece(json!([call]), false, index), true);
        }
        let mut last = json!({"text": ""});
        if calls.is_empty()
            && let Some(signature) = signature(turn, &reply, "")
        {
            last["thoughtSignature"] = json!(signature);
        }
        out.put(&pieces.piece(json!([last]), true, index), false);
    }
    out.finish()
}

fn with(mut value: Value, key: &str, what: Value) -> Value {
    value[key] = what;
    value
}

/// Parts with calls; only the first of parallel calls is signed.
fn calls(turn: &mut Turn<'_>, reply: &Reply) -> Vec<Value> {
    let mut parts = Vec::new();
    for (n, call) in reply.calls.iter().enumerate() {
        let args: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        let mut part =
            json!({"functionCall": {"name": call.name, "args": args, "id": turn.dice.alnum("", 8)}});
        if n == 0
            && let Some(signature) = signature(turn, reply, &call.name)
        {
            part["thoughtSignature"] = json!(signature);
        }
        parts.push(part);
    }
    parts
}

fn signature(turn: &mut Turn<'_>, reply: &Reply, of: &str) -> Option<String> {
    let thinks = reply.thinking.len() > 0 || super::rules::always_signs(&turn.model);
    thinks.then(|| seal::THOUGHT.put(of, &mut turn.dice))
}

/// Events, or an array.
struct Stream {
    out: Writer,
    sse: bool,
    first: bool,
}

impl Stream {
    fn put(&mut self, piece: &Value, token: bool) {
        let text = piece.to_string();
        if !self.sse {
            let before = if std::mem::replace(&mut self.first, false) { "[" } else { ",\r\n" };
            self.out.bytes(format!("{before}{text}").as_bytes());
        } else if token {
            self.out.token("", &[text.as_bytes()]);
        } else {
            self.out.raw("", &[text.as_bytes()]);
        }
    }

    fn finish(mut self) -> Answer {
        if self.sse {
            return Answer::Events(self.out.finish());
        }
        self.out.bytes(b"\r\n]\r\n");
        Answer::Pieces("application/json; charset=UTF-8", self.out.finish())
    }
}
