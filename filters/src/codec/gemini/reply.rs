//! A whole answer.

use super::json::Json;
use super::stream::Decoder;
use super::wire::{Logprobs as Wire, Response};
use super::{EncodeReply, contents, grounding, lenient, media, seal, stop, tokens};
use crate::codec::{DecodeError, StreamDecoder};
use crate::ir::block::{Block, Body, Thinking};
use crate::ir::collect::Collector;
use crate::ir::reply::Choice;
use crate::ir::{Losses, Origin, Raw, Reply};
use serde_json::{Value, json};

/// Decodes the answer of `generateContent`, or the array that `streamGenerateContent` gives without `alt=sse`.
///
/// # Errors
/// No JSON, or a field of a wrong type; an `error` object (for that is [`super::parse_error`]).
pub fn decode_reply(body: &[u8]) -> Result<Reply, DecodeError> {
    let all = match body.trim_ascii_start().first() {
        Some(b'[') => lenient::read::<lenient::List<Response<'_>>>(body)?.0,
        _ => vec![lenient::read::<Response<'_>>(body)?],
    };
    // A whole answer is a stream of one event: so both mean the same by construction.
    let mut decoder = Decoder::new();
    let mut collector = Collector::default();
    let mut events = Vec::new();
    all.into_iter().for_each(|r| decoder.take(r, &mut events));
    decoder.finish(&mut events);
    events.into_iter().for_each(|e| collector.push(e));
    collector.finish().map_err(|e| DecodeError::new("error", e.message.unwrap_or_default()))
}

/// Log-probabilities in OpenAI's shape.
pub(super) fn logprobs(wire: &Wire<'_>) -> Option<Raw> {
    let entry = |t: &super::wire::Token<'_>| {
        let token = t.token.as_ref().map_or("", |t| t.as_str());
        json!({"token": token, "logprob": t.logprob.map(|l| l.0), "bytes": token.as_bytes()})
    };
    let tops = wire.top.as_ref().map_or(&[][..], |t| &t.0);
    let chosen = wire.chosen.as_ref()?;
    let all: Vec<Value> = chosen
        .0
        .iter()
        .enumerate()
        .map(|(i, t)| {
            let top = tops.get(i).and_then(|t| t.candidates.as_ref()).map_or(&[][..], |c| &c.0);
            let mut one = entry(t);
            one["top_logprobs"] = top.iter().map(entry).collect();
            one
        })
        .collect();
    Raw::of(&all).ok()
}

/// Writes `logprobsResult` from OpenAI's shape.
pub(super) fn write_logprobs(json: &mut Json, all: &Raw) {
    let Value::Array(all) = all.value() else { return };
    let write = |json: &mut Json, t: &Value| {
        json.object();
        json.member("token", t.get("token").unwrap_or(&Value::Null));
        json.member("logProbability", t.get("logprob").unwrap_or(&Value::Null));
        json.end_object();
    };
    json.key("logprobsResult");
    json.object();
    json.key("chosenCandidates");
    json.array();
    all.iter().for_each(|t| write(json, t));
    json.end_array();
    let top = |t: &Value| t.get("top_logprobs").and_then(Value::as_array).cloned().unwrap_or_default();
    if all.iter().any(|t| !top(t).is_empty()) {
        json.key("topCandidates");
        json.array();
        for t in &all {
            json.object();
            json.key("candidates");
            json.array();
            top(t).iter().for_each(|t| write(json, t));
            json.end_array();
            json.end_object();
        }
        json.end_array();
    }
    json.end_object();
}

/// Encodes an answer for a Gemini client.
pub fn encode_reply(r: &Reply, x: &EncodeReply) -> Vec<u8> {
    // The client asked for another name of the model; when it was made, the Gemini API does not say.
    let Reply { id, model: _, created: _, choices, tokens, service_tier, blocked } = r;
    let mut json = Json::default();
    json.object();
    if !choices.is_empty() {
        json.key("candidates");
        json.array();
        choices.iter().enumerate().for_each(|(n, c)| candidate(&mut json, n, c));
        json.end_array();
    }
    if let Some(stop) = blocked {
        feedback(&mut json, stop);
    }
    if let Some(t) = tokens {
        tokens::write(&mut json, t, service_tier.as_deref());
    }
    json.member("modelVersion", &x.model);
    json.member("responseId", if id.is_empty() { &x.id } else { id });
    json.end_object();
    json.out
}

/// Writes `promptFeedback`.
pub(super) fn feedback(json: &mut Json, stop: &crate::ir::Stop) {
    json.key("promptFeedback");
    json.object();
    json.member("blockReason", stop::block_word(stop));
    json.maybe("blockReasonMessage", stop.detail.as_ref());
    json.end_object();
}

fn candidate(json: &mut Json, n: usize, c: &Choice) {
    let Choice { content, stop, logprobs } = c;
    json.object();
    json.key("content");
    json.object();
    json.key("parts");
    json.array();
    let mut sealed = None;
    for (i, b) in content.iter().enumerate() {
        let media_next = content.get(i + 1).is_some_and(|n| media::of(&n.body).is_some());
        sealed = part(json, b, media_next, sealed);
    }
    json.end_array();
    json.member("role", "model");
    json.end_object();
    if let Some(s) = stop {
        json.member("finishReason", stop::word(s));
        json.maybe("finishMessage", s.detail.as_ref());
    }
    json.member("index", &n);
    if let Some(l) = logprobs {
        write_logprobs(json, l);
    }
    grounding::write(json, &grounding::texts(content));
    json.end_object();
}

/// Writes a block as a part. `media_next`: a picture follows, which takes the signature of an empty thought before it;
/// `sealed`: that signature. Gives back the signature for the next block.
pub(super) fn part(json: &mut Json, b: &Block, media_next: bool, sealed: Option<String>) -> Option<String> {
    let seal = |s: &Option<crate::ir::Signature>| s.as_ref().map(seal::for_client);
    match &b.body {
        // Citations are told beside the parts.
        Body::Text { text, citations: _, signature } => {
            json.object();
            json.member("text", text);
            json.maybe("thoughtSignature", seal(signature));
            json.end_object();
        }
        Body::Refusal(text) => {
            json.object();
            json.member("text", text);
            json.end_object();
        }
        Body::Thinking(t) => {
            let Thinking { text, summary, signature, redacted } = t;
            if media_next && text.is_empty() && summary.is_empty() && signature.is_some() {
                return seal(signature);
            }
            json.object();
            if summary.is_empty() {
                json.member("text", text);
            } else {
                json.member("text", &summary.join("\n\n"));
            }
            json.member("thought", &true);
            json.maybe("thoughtSignature", signature.as_ref().map(|s| seal::of_thought(*redacted, s)));
            json.end_object();
        }
        Body::ToolCall(call) => {
            json.object();
            json.key("functionCall");
            json.object();
            json.member("id", &call.id);
            json.member("name", &call.name);
            json.key("args");
            contents::write_arguments(json, &call.arguments, call.kind);
            json.end_object();
            json.maybe("thoughtSignature", seal(&call.signature));
            json.end_object();
        }
        Body::Image(_) | Body::Document(_) | Body::Audio(_) | Body::Video(_) => {
            let (m, kind) = media::of(&b.body)?;
            let options = super::Options::default();
            let mut inner = Json::default();
            inner.object();
            // An answer has no place to note that another provider's file cannot be told.
            if media::write(&mut inner, m, kind, "", &options, true, &mut Losses::default()) {
                json.object();
                json.written(&inner.out[1..]);
                json.maybe("thoughtSignature", sealed);
                json.end_object();
            }
        }
        Body::Server { origin: Origin::Google, raw, .. }
        | Body::Opaque { origin: Origin::Google, raw, .. } => {
            json.raw(raw.text());
        }
        // Other providers' own tools have no words here; a result of a client's tool is never in an answer.
        Body::Server { .. } | Body::Opaque { .. } | Body::ToolResult(_) => {}
    }
    None
}
