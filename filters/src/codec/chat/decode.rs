//! Requests: the wire's shapes to the conversation.

mod calls;
pub(super) mod message;
pub(super) mod part;
mod tools;
pub(super) mod verbatim;

use super::json::{StrOr, read};
use super::wire::{Format as WireFormat, Request, StreamOptions};
use crate::codec::DecodeError;
use crate::ir::settings::{Effort, Format, Reasoning};
use crate::ir::{Conversation, Raw, Settings, Spot};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Decodes a client's request.
///
/// # Errors
/// A body that is no request of this format; the error names the field.
pub fn decode_request(body: &[u8]) -> Result<Conversation, DecodeError> {
    let mut request: Request<'_> = read(body)?;
    let mut extra = Extra::default();
    let missing = || DecodeError::new("model", "Name the model.");
    let model = request.model.take().filter(|m| !m.0.is_empty()).ok_or_else(missing)?.0.into_owned();
    let messages = request
        .messages
        .take()
        .filter(|m| !m.is_empty())
        .ok_or_else(|| DecodeError::new("messages", "Send at least one message."))?;
    let (tools, tool_choice) = tools::decode(&mut request, body, &mut extra)?;
    let messages = message::decode(messages, body, &mut extra)?;
    let settings = settings(&mut request, &mut extra)?;
    extra.rest("", std::mem::take(&mut request.rest));
    Ok(Conversation { model, messages, tools, tool_choice, settings, extra: extra.0 })
}

/// Fields without a name in the conversation.
#[derive(Debug, Default)]
pub(super) struct Extra(pub(super) Vec<(String, Raw)>);

impl Extra {
    /// Keeps one.
    pub(super) fn add(&mut self, path: String, value: &RawValue) {
        self.0.push((path, Raw(value.to_owned())));
    }

    /// Keeps one of our own making.
    fn say(&mut self, path: &str, value: &impl serde::Serialize) {
        if let Ok(raw) = Raw::of(value) {
            self.0.push((path.to_owned(), raw));
        }
    }

    /// Keeps all unknown members of a part of something at `path` (nowhere: in an answer, where nothing is kept).
    pub(super) fn below(&mut self, path: &str, name: &str, rest: Vec<(Cow<'_, str>, &RawValue)>) {
        if !path.is_empty() && !rest.is_empty() {
            self.rest(&format!("{path}.{name}"), rest);
        }
    }

    /// Keeps all unknown members of an object.
    pub(super) fn rest(&mut self, path: &str, rest: Vec<(Cow<'_, str>, &RawValue)>) {
        for (key, value) in rest {
            self.add(if path.is_empty() { key.into_owned() } else { format!("{path}.{key}") }, value);
        }
    }
}

/// The place below another; nowhere for what does not come from a client.
pub(super) fn spot(path: &str) -> Spot {
    Spot::new(path)
}

fn settings(r: &mut Request<'_>, extra: &mut Extra) -> Result<Settings, DecodeError> {
    let stream = r.stream.unwrap_or_default();
    let StreamOptions { include_usage, rest } = r.stream_options.take().unwrap_or_default();
    extra.rest("stream_options", rest);
    // Both names of the limit: the new one counts. Both names of the user likewise.
    if let (Some(_), Some(old)) = (r.max_completion_tokens, r.max_tokens) {
        extra.say("max_tokens", &old);
    }
    let user = match (r.safety_identifier.take(), r.user.take()) {
        (Some(id), Some(user)) => {
            extra.say("user", &user);
            Some(id)
        }
        (id, user) => id.or(user),
    };
    let stop = match r.stop.take() {
        None => Vec::new(),
        Some(StrOr::Str(one)) => vec![one.into_owned()],
        Some(StrOr::Other(many)) => many,
    };
    let mut modalities = r.modalities.take().unwrap_or_default();
    modalities.retain(|m| m != "text");
    Ok(Settings {
        max_tokens: r.max_completion_tokens.or(r.max_tokens),
        temperature: r.temperature,
        top_p: r.top_p,
        // vLLM: -1 (and 0) is all of them.
        top_k: r.top_k.and_then(|k| u64::try_from(k).ok()).filter(|k| *k > 0),
        stop,
        n: r.n,
        seed: r.seed,
        logprobs: r.logprobs,
        top_logprobs: r.top_logprobs,
        presence_penalty: r.presence_penalty,
        frequency_penalty: r.frequency_penalty,
        logit_bias: r.logit_bias.map(raw),
        reasoning: reasoning(r, extra)?,
        format: r.response_format.take().map(|f| format(f, extra)).transpose()?,
        verbosity: r.verbosity.take(),
        parallel_tools: r.parallel_tool_calls,
        service_tier: r.service_tier.take(),
        user,
        metadata: r.metadata.take().map(|m| m.0).unwrap_or_default(),
        cache_key: r.prompt_cache_key.take(),
        cache_retention: r.prompt_cache_retention.take(),
        stream,
        stream_usage: stream && include_usage.unwrap_or_default(),
        modalities,
        audio: r.audio.map(raw),
        store: r.store,
        previous_response: None,
        background: None,
        encrypted_reasoning: false,
    })
}

fn raw(value: &RawValue) -> Raw {
    Raw(value.to_owned())
}

/// OpenAI's `reasoning_effort`, OpenRouter's `reasoning`, DeepSeek's and Anthropic's `thinking`: whichever is there.
fn reasoning(r: &mut Request<'_>, extra: &mut Extra) -> Result<Option<Reasoning>, DecodeError> {
    let effort = |word: &str, field: &str| {
        Effort::parse(word).ok_or_else(|| {
            DecodeError::new(
                field,
                format!("'{word}' is no effort; use none, minimal, low, medium, high, xhigh or max."),
            )
        })
    };
    let mut out = Reasoning::default();
    if let Some(word) = r.reasoning_effort.take() {
        out.effort = Some(effort(&word.0, "reasoning_effort")?);
    }
    if let Some(o) = r.reasoning.take() {
        extra.rest("reasoning", o.rest);
        if let Some(word) = o.effort {
            out.effort = Some(effort(&word.0, "reasoning.effort")?);
        }
        out.budget = o.max_tokens;
        out.enabled = o.enabled;
        out.summary = match o.exclude {
            Some(true) => Some("omitted".to_owned()),
            _ => o.summary,
        };
    }
    if let Some(t) = r.thinking.take() {
        extra.rest("thinking", t.rest);
        match t.kind.as_ref().map(|k| k.0.as_ref()) {
            Some("enabled") | None => out.enabled = Some(true),
            Some("disabled") => out.enabled = Some(false),
            Some("adaptive" | "auto") => out.adaptive = true,
            Some(_) => {
                return Err(DecodeError::new("thinking.type", "Use enabled, disabled or adaptive."));
            }
        }
        out.budget = t.budget_tokens.or(out.budget);
    }
    match r.include_reasoning {
        Some(false) => out.summary = Some("omitted".to_owned()),
        Some(true) if out.summary.is_none() => out.summary = Some("auto".to_owned()),
        _ => {}
    }
    Ok((out != Reasoning::default()).then_some(out))
}

fn format(f: WireFormat<'_>, extra: &mut Extra) -> Result<Format, DecodeError> {
    let WireFormat { kind, json_schema, rest } = f;
    extra.rest("response_format", rest);
    match kind.as_ref().map(|k| k.0.as_ref()) {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::JsonObject),
        Some("json_schema") => {
            let wanted = || DecodeError::new("response_format.json_schema", "Give the schema.");
            let s = json_schema.ok_or_else(wanted)?;
            extra.rest("response_format.json_schema", s.rest);
            let schema = match s.schema {
                Some(schema) => raw(schema),
                // OpenAI lets it be left out: any object.
                None => Raw::parse("{}").map_err(|_| wanted())?,
            };
            Ok(Format::JsonSchema { name: s.name, description: s.description, schema, strict: s.strict })
        }
        _ => Err(DecodeError::new("response_format.type", "Use text, json_object or json_schema.")),
    }
}
