//! The response object: what an answer, whole or streamed, says of itself and of its request.

use super::echo::Echo;
use super::request_body::Pairs;
use crate::dialect::fault::UpstreamError;
use crate::ir::{Raw, Stop, StopReason, Tokens};
use serde::Serialize;
use serde_json::value::RawValue;

/// What an answer tells beside the model's words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncodeReply {
    /// The model that the client asked for.
    pub model: String,
    /// Id of the answer where the upstream gives none; any unique text.
    pub id: String,
    /// Unix seconds, where the upstream does not say them.
    pub created: i64,
    /// The request's settings.
    pub echo: Echo,
    /// The gateway keeps the answer.
    pub kept: Option<Kept>,
}

/// An answer that the gateway keeps, so that a client can come back to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Its id, whatever the upstream's is.
    pub id: String,
    /// The one it continues.
    pub previous: Option<String>,
    /// It is made in the background.
    pub background: bool,
}

/// How an answer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Queued,
    InProgress,
    Completed,
    Incomplete(&'static str),
    Failed,
}

impl Status {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed => "failed",
        }
    }

    /// The end of an answer. `refused`: a refusal is part of it, which says it already.
    pub(super) fn of(stop: Option<&Stop>, refused: bool) -> Self {
        match stop.map(|s| s.reason) {
            Some(StopReason::MaxTokens | StopReason::ContextFull) => Self::Incomplete("max_output_tokens"),
            Some(StopReason::ContentFilter) => Self::Incomplete("content_filter"),
            Some(StopReason::Refusal) if !refused => Self::Incomplete("content_filter"),
            // To try again is all that a client can do: this is what it does with a failed response.
            Some(StopReason::BadToolCall) => Self::Failed,
            _ => Self::Completed,
        }
    }
}

/// `usage`.
#[derive(Serialize)]
struct Counts {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl Counts {
    fn of(t: &Tokens) -> Self {
        // The format has no counts of sound, and no mark for estimates.
        let Tokens { usage: u, audio_input: _, audio_output: _, estimated: _ } = t;
        Self {
            input_tokens: u.input,
            input_tokens_details: InputDetails {
                cached_tokens: u.cached_input,
                cache_write_tokens: u.cache_write.saturating_add(u.cache_write_1h),
            },
            output_tokens: u.output,
            output_tokens_details: OutputDetails { reasoning_tokens: u.reasoning },
            total_tokens: u.input.saturating_add(u.output),
        }
    }
}

#[derive(Serialize)]
struct Reason {
    reason: &'static str,
}

#[derive(Serialize)]
struct EchoReasoning<'a> {
    effort: Option<&'static str>,
    summary: Option<&'a str>,
}

/// `error` of a failed response.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Failure<'a> {
    pub(super) code: &'a str,
    pub(super) message: &'a str,
}

/// The word for an upstream's error. The format has a list of its own, longer than what other providers' errors need;
/// clients (Codex) act on some words beyond it.
pub(super) fn code(e: &UpstreamError) -> &'static str {
    const KNOWN: [&str; 9] = [
        "server_error",
        "rate_limit_exceeded",
        "invalid_prompt",
        "bio_policy",
        "context_length_exceeded",
        "insufficient_quota",
        "usage_not_included",
        "server_is_overloaded",
        "slow_down",
    ];
    let words = [&e.detail_code, &e.code, &e.kind].into_iter().flatten();
    words
        .filter_map(|word| match word.as_str() {
            "rate_limit_error" | "RESOURCE_EXHAUSTED" | "throttlingException" => Some("rate_limit_exceeded"),
            word => KNOWN.into_iter().find(|k| *k == word),
        })
        .next()
        .unwrap_or("server_error")
}

/// The object, in the order of OpenAI's.
#[derive(Serialize)]
pub(super) struct Object<'a> {
    id: &'a str,
    object: &'static str,
    created_at: i64,
    status: &'static str,
    background: bool,
    error: Option<Failure<'a>>,
    incomplete_details: Option<Reason>,
    instructions: Option<&'a str>,
    max_output_tokens: Option<u64>,
    max_tool_calls: Option<&'a Raw>,
    model: &'a str,
    output: &'a [Box<RawValue>],
    parallel_tool_calls: bool,
    previous_response_id: Option<&'a str>,
    prompt_cache_key: Option<&'a str>,
    prompt_cache_retention: Option<&'a str>,
    reasoning: EchoReasoning<'a>,
    safety_identifier: Option<&'a str>,
    service_tier: Option<&'a str>,
    store: bool,
    temperature: f64,
    text: Option<&'a Raw>,
    tool_choice: Any<'a>,
    tools: Any<'a>,
    top_logprobs: u32,
    top_p: f64,
    truncation: Any<'a>,
    usage: Option<Counts>,
    user: Option<&'a str>,
    metadata: Pairs<'a>,
}

/// A value of the request, or what its absence means.
#[derive(Serialize)]
#[serde(untagged)]
enum Any<'a> {
    Raw(&'a Raw),
    Word(&'static str),
    List([(); 0]),
}

/// What changes from event to event.
pub(super) struct Facts<'a> {
    pub(super) id: &'a str,
    pub(super) created: i64,
    pub(super) status: Status,
    pub(super) error: Option<Failure<'a>>,
    pub(super) output: &'a [Box<RawValue>],
    pub(super) tokens: Option<&'a Tokens>,
    pub(super) tier: Option<&'a str>,
}

impl<'a> Object<'a> {
    pub(super) fn new(x: &'a EncodeReply, f: Facts<'a>) -> Self {
        let e = &x.echo;
        let or = |raw: &'a Option<Raw>, word| raw.as_ref().map_or(Any::Word(word), Any::Raw);
        Self {
            id: f.id,
            object: "response",
            created_at: f.created,
            status: f.status.word(),
            background: x.kept.as_ref().is_some_and(|k| k.background),
            error: f.error,
            incomplete_details: match f.status {
                Status::Incomplete(reason) => Some(Reason { reason }),
                _ => None,
            },
            instructions: e.instructions.as_deref(),
            max_output_tokens: e.max_output_tokens,
            max_tool_calls: e.max_tool_calls.as_ref(),
            model: &x.model,
            output: f.output,
            parallel_tool_calls: e.parallel_tool_calls.unwrap_or(true),
            previous_response_id: x.kept.as_ref().and_then(|k| k.previous.as_deref()),
            prompt_cache_key: e.prompt_cache_key.as_deref(),
            prompt_cache_retention: e.prompt_cache_retention.as_deref(),
            reasoning: EchoReasoning { effort: e.effort, summary: e.summary.as_deref() },
            safety_identifier: e.safety_identifier.as_deref(),
            service_tier: f.tier.or(e.service_tier.as_deref()),
            // Whatever the client asked: another dialect's provider keeps nothing.
            store: x.kept.is_some(),
            temperature: e.temperature.unwrap_or(1.0),
            text: e.text.as_ref(),
            tool_choice: or(&e.tool_choice, "auto"),
            tools: e.tools.as_ref().map_or(Any::List([]), Any::Raw),
            top_logprobs: e.top_logprobs.unwrap_or(0),
            top_p: e.top_p.unwrap_or(1.0),
            truncation: or(&e.truncation, "disabled"),
            usage: f.tokens.map(Counts::of),
            user: None,
            metadata: Pairs(&e.metadata),
        }
    }
}
