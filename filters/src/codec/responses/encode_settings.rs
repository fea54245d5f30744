//! A conversation's settings as members of a request.

use super::RequestOptions;
use super::request_body::{Extra, OutFormat, OutReasoning, Pairs, Request, Text};
use crate::ir::settings::{Effort, Reasoning};
use crate::ir::{Losses, Settings};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// The least `max_output_tokens` that the API takes.
const LEAST_TOKENS: u64 = 16;

/// What `include` says for sealed thoughts.
pub(super) const ENCRYPTED: &str = "reasoning.encrypted_content";

/// Longest `safety_identifier`, in characters.
const LONGEST_IDENTIFIER: usize = 64;

/// Encodes the settings; the rest of the request is left empty.
pub(super) fn encode_settings<'a>(
    s: &'a Settings,
    options: &RequestOptions,
    losses: &mut Losses,
) -> Request<'a> {
    let Settings {
        max_tokens,
        temperature,
        top_p,
        top_k,
        stop,
        n,
        seed,
        logprobs,
        top_logprobs,
        presence_penalty,
        frequency_penalty,
        logit_bias,
        reasoning,
        format,
        verbosity,
        parallel_tools,
        service_tier,
        user,
        metadata,
        cache_key,
        cache_retention,
        stream,
        stream_usage: _,
        modalities,
        audio,
        store,
        previous_response,
        background,
        encrypted_reasoning,
    } = s;
    for (said, name) in [
        (top_k.is_some(), "top_k"),
        (!stop.is_empty(), "stop"),
        (n.is_some_and(|n| n > 1), "n"),
        (seed.is_some(), "seed"),
        (presence_penalty.is_some_and(|p| p != 0.0), "presence_penalty"),
        (frequency_penalty.is_some_and(|p| p != 0.0), "frequency_penalty"),
        (logit_bias.is_some(), "logit_bias"),
        (modalities.iter().any(|m| m != "text"), "modalities"),
        (audio.is_some(), "audio"),
    ] {
        if said {
            losses.add(name, "the Responses API has no such setting");
        }
    }
    let mut include = Vec::new();
    if *encrypted_reasoning {
        include.push(ENCRYPTED.to_owned());
    }
    if *logprobs == Some(true) {
        include.push("message.output_text.logprobs".to_owned());
    }
    Request {
        model: "",
        instructions: None,
        input: Vec::new(),
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: *parallel_tools,
        text: (format.is_some() || verbosity.is_some()).then(|| Text {
            format: format.as_ref().map(OutFormat::of),
            verbosity: verbosity.as_deref(),
            extra: Extra::default(),
        }),
        reasoning: reasoning.as_ref().map(encode_reasoning),
        max_output_tokens: least(*max_tokens, options, losses),
        temperature: *temperature,
        top_p: *top_p,
        top_logprobs: *top_logprobs,
        include,
        store: store.or(options.foreign.then_some(false)),
        background: *background,
        previous_response_id: previous_response.as_deref(),
        service_tier: tier(service_tier.as_deref(), options, losses),
        prompt_cache_key: cache_key.as_deref(),
        prompt_cache_retention: cache_retention.as_deref(),
        safety_identifier: user.as_deref().map(|u| identifier(u, options)),
        metadata: Pairs(metadata),
        stream: *stream,
        extra: Extra(Vec::new()),
    }
}

/// Claude Code's `user_id` is a whole JSON object: what is too long is hashed, as OpenAI advises for all of them.
fn identifier<'a>(user: &'a str, options: &RequestOptions) -> Cow<'a, str> {
    if options.foreign && user.chars().count() > LONGEST_IDENTIFIER {
        hex::encode(Sha256::digest(user)).into()
    } else {
        user.into()
    }
}

/// Clients of other dialects ask for a single token to see whether they may.
fn least(max: Option<u64>, options: &RequestOptions, losses: &mut Losses) -> Option<u64> {
    match max {
        Some(few) if few < LEAST_TOKENS && options.foreign => {
            losses.hint("max_tokens", "the Responses API gives 16 tokens at least");
            Some(LEAST_TOKENS)
        }
        max => max,
    }
}

fn tier<'a>(tier: Option<&'a str>, options: &RequestOptions, losses: &mut Losses) -> Option<&'a str> {
    match tier {
        // Anthropic's word for "never priority".
        Some("standard_only") if options.foreign => Some("default"),
        Some(t) if options.foreign && !["auto", "default", "flex", "scale", "priority"].contains(&t) => {
            losses.hint("service_tier", "the provider has no such tier");
            None
        }
        tier => tier,
    }
}

fn encode_reasoning(r: &Reasoning) -> OutReasoning<'_> {
    let Reasoning { enabled, adaptive: _, effort, budget, summary } = r;
    let effort = match (effort, enabled, budget) {
        (Some(e), _, _) => Some(e.word()),
        (None, Some(false), _) => Some(Effort::None.word()),
        (None, _, Some(tokens)) => Some(Effort::of_budget(*tokens).word()),
        // On, or as the model likes: what a reasoning model does unasked.
        (None, _, None) => None,
    };
    OutReasoning { effort, summary: summary.as_deref().filter(|s| *s != "omitted"), extra: Extra::default() }
}
