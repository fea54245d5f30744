//! Whole answers: <https://platform.claude.com/docs/en/api/messages/create>.

use super::blocks::{Reader, optional};
use super::fields::{Content, Message, place, whole};
use super::write::{Json, Sink};
use super::{carrier, citation, say, stop, tokens};
use crate::codec::DecodeError;
use crate::ir::{Block, Choice, Origin, Reply, Stop, block::Body};
use serde::Deserialize;

/// What an answer to a client needs beside the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodeReply {
    /// The model as the client asked for it.
    pub model: String,
    /// The answer's id, where the upstream gave none (`msg_…`).
    pub id: String,
}

/// Decodes an upstream's whole answer.
///
/// # Errors
/// It is no message.
pub fn decode_reply(body: &[u8]) -> Result<Reply, DecodeError> {
    let m: Message<'_> = whole(body).map_err(|e| DecodeError::new("", place(&e)))?;
    // A page or an error that came with a good status must not become an answer without words.
    if !m.object || m.fields.get("error").is_some() || matches!(m.content, Content::Absent) {
        return Err(DecodeError::new("", "not a message"));
    }
    let mut reader = Reader { answer: true, ..Reader::default() };
    let text = |key: &str| optional(&m.fields, "", key);
    let reason = text("stop_reason")?;
    let sequence = text("stop_sequence")?;
    let details = m.fields.get("stop_details");
    let stop = reason.map(|r| stop::decode(&r, sequence, details));
    let usage = m.fields.get("usage");
    Ok(Reply {
        id: text("id")?.unwrap_or_default(),
        model: text("model")?.unwrap_or_default(),
        created: None,
        choices: vec![Choice { content: reader.content(m.content, "content")?, stop, logprobs: None }],
        tokens: usage.and_then(tokens::decode),
        service_tier: usage.and_then(tier),
        blocked: None,
    })
}

/// `service_tier` of a usage object.
pub(super) fn tier(usage: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Usage {
        service_tier: Option<String>,
    }
    serde_json::from_str::<Usage>(usage).ok()?.service_tier
}

/// Encodes an answer for the client.
pub fn encode_reply(r: &Reply, x: &EncodeReply) -> Vec<u8> {
    let Reply { id, model: _, created: _, choices, tokens, service_tier, blocked } = r;
    // Anthropic gives one answer only.
    let none = Choice::default();
    let Choice { content, stop, logprobs: _ } = choices.first().unwrap_or(&none);
    let stop =
        stop.as_ref().or(blocked.as_ref()).cloned().map(|s| if blocked.is_some() { refusal(s) } else { s });
    let mut json = Json::with_capacity(512);
    json.object(|o| {
        o.str("id", if id.is_empty() { &x.id } else { id });
        o.str("type", "message");
        o.str("role", "assistant");
        o.str("model", &x.model);
        let json = o.key("content");
        json.list(said(content), write);
        let refused = content.iter().any(|b| matches!(b.body, Body::Refusal(_)));
        stop::write(o, stop.as_ref(), refused);
        tokens::write(o, tokens.as_ref(), service_tier.as_deref(), false);
    });
    json.into_bytes()
}

/// A blocked prompt is a refusal, whatever its provider calls it.
pub(super) fn refusal(stop: Stop) -> Stop {
    Stop { reason: crate::ir::StopReason::Refusal, ..stop }
}

/// Encodes the answer to `/v1/messages/count_tokens`.
pub fn encode_count_tokens_reply(input_tokens: u64) -> Vec<u8> {
    let mut json = Json::with_capacity(32);
    json.object(|o| o.number("input_tokens", input_tokens));
    json.into_bytes()
}

/// A block of an answer.
enum Piece<'a> {
    /// As it is.
    Block(&'a Block),
    /// A signature that belongs to a neighbour.
    Carrier(String),
}

/// The blocks that can be told to the client. What another provider's own tools did has no words here: what they
/// found is in the text.
fn said(content: &[Block]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::with_capacity(content.len());
    let mut texts = 0;
    for b in content {
        match &b.body {
            Body::Text { text, signature, .. } => {
                let carried = |nth| signature.as_ref().map(|s| Piece::Carrier(carrier::of_text(s, nth)));
                if text.is_empty() {
                    pieces.extend(carried(None));
                } else {
                    pieces.push(Piece::Block(b));
                    pieces.extend(carried(Some(texts)));
                    texts += 1;
                }
            }
            Body::ToolCall(c) => {
                pieces.extend(c.signature.as_ref().map(|s| Piece::Carrier(carrier::of_call(s, &c.id))));
                pieces.push(Piece::Block(b));
            }
            Body::Refusal(_) | Body::Thinking(_) => pieces.push(Piece::Block(b)),
            Body::Server { origin: Origin::Anthropic, .. }
            | Body::Opaque { origin: Origin::Anthropic, .. } => pieces.push(Piece::Block(b)),
            Body::Server { .. }
            | Body::Opaque { .. }
            | Body::ToolResult(_)
            | Body::Image(_)
            | Body::Document(_)
            | Body::Audio(_)
            | Body::Video(_) => {}
        }
    }
    // An answer must not end with a block that says nothing: see the stream's encoder.
    while matches!(pieces.last(), Some(Piece::Carrier(_))) {
        pieces.pop();
    }
    pieces
}

fn write<B: Sink>(json: &mut Json<B>, piece: Piece<'_>) {
    let block = match piece {
        Piece::Carrier(signature) => return carry(json, &signature),
        Piece::Block(b) => &b.body,
    };
    match block {
        Body::Text { text, citations, signature: _ } => json.object(|o| {
            o.str("type", "text");
            o.str("text", text);
            let citations: Vec<_> = citations.iter().filter(|c| citation::can_say(c)).collect();
            if !citations.is_empty() {
                o.list("citations", citations, citation::write);
            }
        }),
        Body::Refusal(text) => json.object(|o| {
            o.str("type", "text");
            o.str("text", text);
        }),
        Body::ToolCall(c) => json.object(|o| say::call(o, c, &c.id)),
        Body::Thinking(t) => say::thought(json, t),
        Body::Server { raw, .. } | Body::Opaque { raw, .. } => json.raw(raw.text()),
        // `said` gives none of these.
        Body::ToolResult(_) | Body::Image(_) | Body::Document(_) | Body::Audio(_) | Body::Video(_) => {
            json.raw("null");
        }
    }
}

/// A thinking block that holds nothing but a signature.
pub(super) fn carry<B: Sink>(json: &mut Json<B>, signature: &str) {
    json.object(|o| {
        o.str("type", "thinking");
        o.str("thinking", "");
        o.str("signature", signature);
    });
}
