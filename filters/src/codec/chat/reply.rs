//! Whole answers.

pub(super) mod encode;

use super::decode::Extra;
use super::decode::message::assistant;
use super::encode::digest;
use super::json::{Maybe, Str, read};
use super::usage::UsageIn;
use super::wire::Message;
use crate::codec::DecodeError;
use crate::ir::block::{Block, Body};
use crate::ir::raw::Raw;
use crate::ir::reply::{Choice, Reply, Stop, StopReason};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An answer. Members that are not known are passed over.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    model: Option<Str<'a>>,
    created: Option<f64>,
    #[serde(borrow)]
    choices: Option<Vec<WireChoice<'a>>>,
    usage: Option<UsageIn>,
    #[serde(borrow, default)]
    service_tier: Maybe<Str<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireChoice<'a> {
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Str<'a>>,
    #[serde(borrow, default)]
    stop_reason: Maybe<Str<'a>>,
    #[serde(borrow)]
    logprobs: Option<Logprobs<'a>>,
    usage: Option<UsageIn>,
}

/// Of the text's tokens and of the refusal's.
#[derive(Deserialize)]
pub(super) struct Logprobs<'a> {
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
}

impl<'a> Logprobs<'a> {
    /// Whichever is there: an answer is one of the two.
    pub(super) fn tokens(&self) -> Option<&'a RawValue> {
        [self.content, self.refusal].into_iter().flatten().find(|v| !matches!(v.get(), "null" | "[]"))
    }
}

/// Decodes an upstream's whole answer.
///
/// # Errors
/// Bytes that are no answer of this format (an error object among them, which belongs to another status).
pub fn decode_reply(body: &[u8]) -> Result<Reply, DecodeError> {
    let wire: Wire<'_> = read(body)?;
    let Some(choices) = wire.choices else {
        let why = if wire.error.is_some() { "The answer is an error." } else { "The answer has no choices." };
        return Err(DecodeError::new("choices", why));
    };
    let id = wire.id.map(|s| s.0.into_owned()).unwrap_or_default();
    let mut tokens = wire.usage.and_then(UsageIn::tokens);
    let mut out = Vec::with_capacity(choices.len());
    for (n, c) in choices.into_iter().enumerate() {
        let mut content = match c.message {
            Some(m) => assistant(m, "", None, &mut Extra::default())?,
            None => Vec::new(),
        };
        name_calls(&mut content, &id, n);
        let said = c.finish_reason.as_ref().map(|f| f.0.as_ref());
        let stop = stop(said, c.stop_reason.0.as_ref().map(|s| s.0.as_ref()), Contents::of(&content));
        let logprobs = c.logprobs.as_ref().and_then(Logprobs::tokens).map(|r| Raw(r.to_owned()));
        tokens = tokens.or(c.usage.and_then(UsageIn::tokens));
        out.push(Choice { content, stop: Some(stop), logprobs });
    }
    Ok(Reply {
        id,
        model: wire.model.map(|s| s.0.into_owned()).unwrap_or_default(),
        created: wire.created.map(|c| c as i64),
        choices: out,
        tokens,
        service_tier: wire.service_tier.0.map(|s| s.0.into_owned()),
        blocked: None,
    })
}

/// Gives the calls ids that have none (Gemini's endpoint, the old `function_call`).
fn name_calls(content: &mut [Block], reply: &str, choice: usize) {
    let calls = content.iter_mut().filter_map(|b| match &mut b.body {
        Body::ToolCall(c) => Some(c),
        _ => None,
    });
    for (i, call) in calls.enumerate() {
        if call.id.is_empty() {
            call.id = made_id(reply, choice, i);
        }
    }
}

/// An id for a call: the same for the same call of the same answer, streamed or whole.
pub(super) fn made_id(reply: &str, choice: usize, call: usize) -> String {
    // An answer without an id: anything that does not come twice in a conversation.
    let random = || uuid::Uuid::new_v4().simple().to_string();
    let seed = if reply.is_empty() { random() } else { format!("{reply}/{choice}/{call}") };
    format!("call_{}", digest(seed.as_bytes(), 24))
}

/// What an answer holds, as far as it decides why it stopped.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contents {
    pub(super) calls: bool,
    pub(super) refusal: bool,
}

impl Contents {
    fn of(content: &[Block]) -> Self {
        Self {
            calls: content.iter().any(|b| matches!(b.body, Body::ToolCall(_))),
            refusal: content.iter().any(|b| matches!(b.body, Body::Refusal(_))),
        }
    }
}

/// Why an answer stopped. `sequence` is vLLM's `stop_reason`, the stop text.
pub(super) fn stop(finish: Option<&str>, sequence: Option<&str>, has: Contents) -> Stop {
    let named = |reason, word: &str| Stop { reason, word: Some(word.to_owned()), ..Stop::default() };
    let plain = |reason| Stop { reason, ..Stop::default() };
    match finish {
        // Many servers (OpenAI itself, when a tool is named) say `stop` after calls.
        None | Some("stop" | "eos" | "end_turn") if has.calls => plain(StopReason::ToolUse),
        Some("stop") if has.refusal => plain(StopReason::Refusal),
        Some("stop") if sequence.is_some() => Stop {
            reason: StopReason::StopSequence,
            sequence: sequence.map(str::to_owned),
            ..Stop::default()
        },
        None | Some("stop" | "eos" | "end_turn") => plain(StopReason::End),
        Some("tool_calls" | "function_call") => plain(StopReason::ToolUse),
        Some("length") => plain(StopReason::MaxTokens),
        Some(word @ "model_length") => named(StopReason::ContextFull, word),
        Some("content_filter") => plain(StopReason::ContentFilter),
        Some(word) => named(StopReason::Other, word),
    }
}
