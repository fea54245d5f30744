//! A provider's whole answer.

use super::carry;
use super::item::{Item, Turn};
use super::json::{Str, object, parse, parse_body};
use crate::codec::DecodeError;
use crate::dialect::fault::{UpstreamError, describe};
use crate::ir::block::Body;
use crate::ir::reply::Usage;
use crate::ir::{Block, Choice, Raw, Reply, Stop, StopReason, Tokens};
use serde_json::value::RawValue;

object! {
    /// The response object.
    Response {
        id "id": Str<'de>,
        model "model": Str<'de>,
        created_at "created_at": f64,
        status "status": Str<'de>,
        output "output": Vec<&'de RawValue>,
        usage "usage": Counts<'de>,
        service_tier "service_tier": Str<'de>,
        incomplete_details "incomplete_details": Incomplete<'de>,
        error "error": &'de RawValue,
    }
}

object! {
    Incomplete { reason "reason": Str<'de> }
}

object! {
    /// `usage`. Floats, because some servers write `12.0`.
    Counts {
        input "input_tokens": f64,
        output "output_tokens": f64,
        total "total_tokens": f64,
        input_details "input_tokens_details": InputDetails<'de>,
        output_details "output_tokens_details": OutputDetails<'de>,
    }
}

object! {
    InputDetails { cached "cached_tokens": f64, written "cache_write_tokens": f64 }
}

object! {
    OutputDetails { reasoning "reasoning_tokens": f64 }
}

/// Decodes an upstream's whole answer.
///
/// # Errors
/// A body that is no response object, or one whose `status` is `failed`: it is an error answer in all but its HTTP
/// status, and [`crate::dialect::fault::describe`] reads it.
pub fn decode_reply(body: &[u8]) -> Result<Reply, DecodeError> {
    let r: Response<'_> = parse_body(body)?;
    if r.status.as_deref() == Some("failed") {
        let why = describe(body).and_then(|e| e.message).unwrap_or_else(|| "The response failed.".into());
        return Err(DecodeError::new("error", why));
    }
    // A page or an error that came with a good status must not become an answer without words.
    if r.output.is_none() {
        return Err(DecodeError::new("output", "The answer has no output."));
    }
    reply(r)
}

pub(super) fn reply(r: Response<'_>) -> Result<Reply, DecodeError> {
    let mut turn = Turn::default();
    for (i, text) in r.output.iter().flatten().enumerate() {
        let path = format!("output[{i}]");
        let item: Item<'_> = parse(text.get(), &path)?;
        turn.item(item, || text, &path)?;
    }
    for (id, signature) in &turn.signatures {
        carry::sign_call(turn.blocks.iter_mut(), id, signature);
    }
    // Nobody asks where a block stood in an answer.
    turn.blocks.iter_mut().for_each(|b| b.at = Default::default());
    let stop = stop(r.status.as_deref(), r.incomplete_details.as_ref(), &turn.blocks);
    Ok(Reply {
        id: r.id.map(Str::into_string).unwrap_or_default(),
        model: r.model.map(Str::into_string).unwrap_or_default(),
        created: r.created_at.map(|t| t as i64),
        choices: vec![Choice { content: turn.blocks, stop, logprobs: logprobs(&turn.logprobs) }],
        tokens: r.usage.as_ref().and_then(tokens),
        service_tier: r.service_tier.map(Str::into_string),
        blocked: None,
    })
}

/// Joins the arrays of several texts; None: there are none.
fn logprobs(lists: &[&RawValue]) -> Option<Raw> {
    let lists = lists.iter().filter_map(|l| serde_json::from_str::<Vec<&RawValue>>(l.get()).ok());
    let all: Vec<&RawValue> = lists.flatten().collect();
    if all.is_empty() { None } else { Raw::of(&all).ok() }
}

pub(super) fn tokens(c: &Counts<'_>) -> Option<Tokens> {
    if c.input.is_none() && c.output.is_none() && c.total.is_none() {
        return None;
    }
    let n = |v: Option<f64>| v.map_or(0, |v| v.max(0.0) as u64);
    let input = n(c.input);
    let usage = Usage {
        input,
        cached_input: n(c.input_details.as_ref().and_then(|d| d.cached)),
        cache_write: n(c.input_details.as_ref().and_then(|d| d.written)),
        cache_write_1h: 0,
        // Some servers leave reasoning out of the output but not out of the total.
        output: n(c.output).max(n(c.total).saturating_sub(input)),
        reasoning: n(c.output_details.as_ref().and_then(|d| d.reasoning)),
    };
    Some(Tokens { usage, ..Tokens::default() })
}

/// Why it stopped. None: it has not (an answer in the background).
pub(super) fn stop(
    status: Option<&str>,
    incomplete: Option<&Incomplete<'_>>,
    blocks: &[Block],
) -> Option<Stop> {
    let has = |is: fn(&Body) -> bool| blocks.iter().any(|b| is(&b.body));
    stop_of(
        status,
        incomplete.and_then(|i| i.reason.as_deref()),
        has(|b| matches!(b, Body::ToolCall(_))),
        has(|b| matches!(b, Body::Refusal(_))),
    )
}

pub(super) fn stop_of(status: Option<&str>, why: Option<&str>, called: bool, refused: bool) -> Option<Stop> {
    let reason = |reason| Stop { reason, ..Stop::default() };
    let other = |word: &str| Stop { word: Some(word.to_owned()), ..reason(StopReason::Other) };
    Some(match (status, why) {
        (Some("queued" | "in_progress"), _) => return None,
        (Some("incomplete"), Some("max_output_tokens")) => reason(StopReason::MaxTokens),
        (Some("incomplete"), Some("content_filter")) => reason(StopReason::ContentFilter),
        (Some("incomplete"), why) => other(why.unwrap_or("incomplete")),
        (Some("cancelled"), _) => other("cancelled"),
        _ if called => reason(StopReason::ToolUse),
        _ if refused => reason(StopReason::Refusal),
        _ => reason(StopReason::End),
    })
}

/// The error in a failed response or an `error` event.
pub(super) fn failure(data: &[u8]) -> UpstreamError {
    describe(data).unwrap_or_else(|| UpstreamError {
        message: Some("The provider failed in mid-stream without saying why.".into()),
        ..UpstreamError::default()
    })
}
