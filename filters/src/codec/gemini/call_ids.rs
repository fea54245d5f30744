//! Gemini's signatures of calls through clients that give back a call's id and nothing else.
//!
//! Gemini 3 refuses a function call of its own that comes back without its `thoughtSignature`. A client of OpenAI's
//! Chat keeps only `id`, `name` and `arguments` of a call. So, for fronts without a field for it, the signature goes
//! into the id: `call_0f…_sp1g_<crc32><signature>`; when the id comes back – on the call and on its result – it is
//! taken apart again. Ids that are not of this making, or were cut or changed, stay as they are.
//!
//! Only letters, digits, `_` and `-` are used. Such an id is as long as the signature (a few hundred bytes to some
//! KiB); no client is known to mind. A signature beyond [`MAX_CALL_ID`] is not embedded: then the next request carries
//! the documented dummy instead, and the model loses its thread but not the call.

use crate::ir::block::{Block, Body, ToolCall};
use crate::ir::stream::StreamEvent;
use crate::ir::{Conversation, Origin, Reply, Signature};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Longest id that is made, in bytes.
pub const MAX_CALL_ID: usize = 32 * 1024;

/// Before the base64 of a signature that is itself standard base64, which is what Google sends: it is not encoded
/// twice.
const BYTES: &str = "_sp1g_";
/// Before the base64 of any other signature's text, with its origin.
const TEXT: &str = "_sp1t_";
/// Hexadecimal digits of the checksum.
const SUM: usize = 8;

/// The id with the signature in it. None: it cannot be (too long, or the id has our mark already).
pub fn embed_signature(id: &str, signature: &Signature) -> Option<String> {
    if id.contains(BYTES) || id.contains(TEXT) || signature.value.is_empty() {
        return None;
    }
    let plain = (signature.origin == Origin::Google && signature.id.is_none())
        .then(|| STANDARD.decode(&signature.value).ok())
        .flatten()
        .filter(|bytes| STANDARD.encode(bytes) == signature.value);
    let (mark, bytes) = match plain {
        Some(bytes) => (BYTES, bytes),
        None => (TEXT, serde_json::to_vec(signature).ok()?),
    };
    let payload = URL_SAFE_NO_PAD.encode(&bytes);
    let sum = hex::encode(sum(id, &payload).to_be_bytes());
    let out = [id, mark, &sum, &payload].concat();
    (out.len() <= MAX_CALL_ID).then_some(out)
}

fn sum(id: &str, payload: &str) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(id.as_bytes());
    hash.update(payload.as_bytes());
    hash.finalize()
}

/// The id and the signature, if [`embed_signature`] made it.
pub fn extract_signature(id: &str) -> Option<(&str, Signature)> {
    let (at, mark) = [BYTES, TEXT].into_iter().filter_map(|m| Some((id.find(m)?, m))).min()?;
    let (head, rest) = (&id[..at], &id[at + mark.len()..]);
    let (digits, payload) = rest.split_at_checked(SUM)?;
    let told = <[u8; 4]>::try_from(hex::decode(digits).ok()?).ok()?;
    if u32::from_be_bytes(told) != sum(head, payload) {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let signature = if mark == BYTES {
        Signature::new(Origin::Google, STANDARD.encode(bytes))
    } else {
        serde_json::from_slice(&bytes).ok()?
    };
    Some((head, signature))
}

fn embed(call: &mut ToolCall) {
    if let Some(id) = call.signature.as_ref().and_then(|s| embed_signature(&call.id, s)) {
        call.id = id;
    }
}

/// Puts signatures of calls into their ids: before an answer goes to a front that has no field for them.
pub fn embed_reply(reply: &mut Reply) {
    let all = reply.choices.iter_mut().flat_map(|c| &mut c.content);
    all.for_each(embed_block);
}

/// The same for a stream. (The decoder tells a call's signature when the call begins.)
pub fn embed_event(event: &mut StreamEvent) {
    if let StreamEvent::BlockStart { block, .. } = event {
        embed_block(block);
    }
}

fn embed_block(block: &mut Block) {
    if let Body::ToolCall(call) = &mut block.body {
        embed(call);
    }
}

/// Takes ids apart again: after every front's decoding of a request, whatever the upstream will be.
pub fn extract_conversation(c: &mut Conversation) {
    for block in c.messages.iter_mut().flat_map(|m| &mut m.content) {
        let id = match &mut block.body {
            Body::ToolCall(call) => &mut call.id,
            Body::ToolResult(result) => &mut result.call_id,
            _ => continue,
        };
        let Some((head, signature)) = extract_signature(id) else { continue };
        let head = head.to_owned();
        *id = head;
        if let Body::ToolCall(call) = &mut block.body {
            call.signature.get_or_insert(signature);
        }
    }
}

#[cfg(test)]
mod tests;
