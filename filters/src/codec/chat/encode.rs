//! Requests: the conversation to the wire's shapes.

mod message;
mod part;
mod settings;
pub(super) mod tools;
pub(super) mod wire;

use super::options::ChatOptions;
use crate::codec::{ROOM, out};
use crate::ir::Conversation;
use crate::ir::loss::Losses;
use std::borrow::Cow;
use wire::{RequestOut, StreamOptionsOut};

/// Encodes a request for an upstream, whose name for the model is `model` and whose habits are `options`.
pub fn encode_request(c: &Conversation, model: &str, options: &ChatOptions, losses: &mut Losses) -> Vec<u8> {
    let Conversation { model: _, messages, tools, tool_choice, settings, extra } = c;
    let mut out =
        RequestOut { model, messages: message::encode(messages, options, losses), ..RequestOut::default() };
    tools::encode(tools, tool_choice.as_ref(), options, &mut out, losses);
    settings::encode(settings, options, &mut out, losses);
    if settings.stream {
        out.stream = Some(true);
        // Always asked for: whether the client wanted it is the answer's encoder's business.
        out.stream_options = options.stream_options.then_some(StreamOptionsOut { include_usage: true });
    }
    for (path, _) in extra {
        let reason = "the model's provider has no such field";
        if is_hint(path) { losses.hint(path.as_str(), reason) } else { losses.add(path.as_str(), reason) }
    }
    let mut body = Vec::with_capacity(ROOM);
    // A struct of strings and JSON always serialises.
    out::write(&out, &mut body);
    body
}

/// Fields of any dialect that change cost, speed or bookkeeping, but never what the model is asked.
fn is_hint(path: &str) -> bool {
    const HINTS: [&str; 11] = [
        "user",
        "metadata",
        "store",
        "cache_control",
        "prompt_cache_options",
        "prompt_cache_breakpoint",
        "stream_options",
        // Speculative decoding: the answer is the same.
        "prediction",
        "include_obfuscation",
        "annotations",
        // The other name of the limit, beside the one that counts.
        "max_tokens",
    ];
    path.split('.').any(|step| HINTS.contains(&step))
}

/// Tool call ids as the server takes them. OpenAI takes 40 characters; Mistral exactly nine letters or digits. The
/// same id always becomes the same.
pub(super) fn call_id<'a>(id: &'a str, options: &ChatOptions) -> Cow<'a, str> {
    let (fits, length) = match options.short_ids {
        true => (id.len() == 9 && id.bytes().all(|c| c.is_ascii_alphanumeric()), 9),
        false => (options.long_ids || id.len() <= 40, 24),
    };
    if fits {
        return Cow::Borrowed(id);
    }
    let hash = digest(id.as_bytes(), length);
    Cow::Owned(if options.short_ids { hash } else { format!("call_{hash}") })
}

/// Letters and digits that stand for some bytes.
pub(super) fn digest(bytes: &[u8], length: usize) -> String {
    use sha2::Digest;
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let hash = sha2::Sha256::digest(bytes);
    hash.iter().take(length).map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()])).collect()
}
