//! A client's request.
//!
//! Canonical spellings: `instructions` is a system message at the very beginning; a string as `input` is one user
//! message; a string as `content` is one text part; `user` is the older name of `safety_identifier`; tools that come
//! inside the input (`additional_tools`) join `tools`.

use super::input::{Input, MANY};
use super::json::{Str, body_text, join, object, parse, raw, required};
use super::{decode_input, tools};
use crate::codec::DecodeError;
use crate::ir::settings::{Effort, Format, Reasoning};
use crate::ir::{Block, Conversation, Message, Raw, Role, Settings, Spot};
use serde_json::value::RawValue;

object! {
    Request<const READ: usize> {
        model "model": Str<'de>,
        input "input": Input<'de, READ>,
        instructions "instructions": Str<'de>,
        tools "tools": Vec<&'de RawValue>,
        tool_choice "tool_choice": &'de RawValue,
        text "text": Text<'de>,
        reasoning "reasoning": ReasoningConfig<'de>,
        include "include": Vec<Str<'de>>,
        metadata "metadata": &'de RawValue,
        stream "stream": bool,
        store "store": bool,
        background "background": bool,
        parallel_tool_calls "parallel_tool_calls": bool,
        max_output_tokens "max_output_tokens": u64,
        temperature "temperature": f64,
        top_p "top_p": f64,
        top_logprobs "top_logprobs": u32,
        presence_penalty "presence_penalty": f64,
        frequency_penalty "frequency_penalty": f64,
        previous_response_id "previous_response_id": Str<'de>,
        service_tier "service_tier": Str<'de>,
        prompt_cache_key "prompt_cache_key": Str<'de>,
        prompt_cache_retention "prompt_cache_retention": Str<'de>,
        safety_identifier "safety_identifier": Str<'de>,
        user "user": Str<'de>,
        truncation "truncation": Str<'de>,
    }
}

object! {
    Text { format "format": TextFormat<'de>, verbosity "verbosity": Str<'de> }
}

object! {
    TextFormat {
        kind "type": Str<'de>,
        name "name": Str<'de>,
        description "description": Str<'de>,
        schema "schema": &'de RawValue,
        strict "strict": bool,
    }
}

object! {
    ReasoningConfig {
        effort "effort": Str<'de>,
        summary "summary": Str<'de>,
        generate_summary "generate_summary": Str<'de>,
    }
}

/// Decodes a client's request.
///
/// # Errors
/// A body that is no request of this format; the error names the field as OpenAI does (`input[0].content[1].type`).
pub fn decode_request(body: &[u8]) -> Result<Conversation, DecodeError> {
    let body = body_text(body)?;
    match serde_json::from_str::<Request<'_, MANY>>(body) {
        Ok(r) => conversation(r, body),
        // Once more with care: what is wrong, and in which item?
        Err(_) => conversation(parse::<Request<'_, 0>>(body, "")?, body),
    }
}

fn conversation<const READ: usize>(r: Request<'_, READ>, body: &str) -> Result<Conversation, DecodeError> {
    let mut c =
        Conversation { model: required(r.model, "", "model")?.into_string(), ..Conversation::default() };
    keep(&mut c.extra, r.rest, "");
    if let Some(text) = r.instructions {
        let at = Spot::new("instructions");
        c.messages.push(Message {
            at: at.clone(),
            ..Message::new(Role::System, vec![Block::text(text.into_string()).at(at)])
        });
    }
    if let Some(list) = &r.tools {
        tools::decode(list, "tools", &mut c.tools)?;
    }
    if let Some(input) = r.input {
        decode_input::read_input(input.0, body, &mut c)?;
    }
    if let Some(choice) = r.tool_choice {
        c.tool_choice = tools::decode_choice(choice)?;
        if c.tool_choice.is_none() {
            c.extra.push(("tool_choice".into(), raw(choice)));
        }
    }
    let s = &mut c.settings;
    *s = Settings {
        max_tokens: r.max_output_tokens,
        temperature: r.temperature,
        top_p: r.top_p,
        top_logprobs: r.top_logprobs,
        presence_penalty: r.presence_penalty,
        frequency_penalty: r.frequency_penalty,
        parallel_tools: r.parallel_tool_calls,
        stream: r.stream.unwrap_or_default(),
        // Every stream of this format tells usage.
        stream_usage: r.stream.unwrap_or_default(),
        store: r.store,
        background: r.background,
        previous_response: r.previous_response_id.map(Str::into_string),
        service_tier: r.service_tier.map(Str::into_string),
        cache_key: r.prompt_cache_key.map(Str::into_string),
        cache_retention: r.prompt_cache_retention.map(Str::into_string),
        ..Settings::default()
    };
    match (r.safety_identifier, r.user) {
        (Some(id), Some(user)) if *id != *user => {
            c.extra.extend(Raw::of(&&*user).ok().map(|v| ("user".to_owned(), v)));
            s.user = Some(id.into_string());
        }
        (id, user) => s.user = id.or(user).map(Str::into_string),
    }
    if let Some(metadata) = r.metadata {
        s.metadata = tools::strings(metadata, "metadata")?;
    }
    if let Some(text) = r.text {
        s.verbosity = text.verbosity.map(Str::into_string);
        s.format = text.format.map(|f| format(f, &mut c.extra)).transpose()?;
        keep(&mut c.extra, text.rest, "text");
    }
    if let Some(config) = r.reasoning {
        s.reasoning = Some(reasoning(config, &mut c.extra)?);
    }
    include(r.include.unwrap_or_default(), s, &mut c.extra);
    // The default, said.
    if let Some(t) = r.truncation.filter(|t| **t != *"disabled") {
        c.extra.extend(Raw::of(&&*t).ok().map(|v| ("truncation".to_owned(), v)));
    }
    Ok(c)
}

/// Keeps unknown members of the object at `path`.
pub(super) fn keep(
    extra: &mut Vec<(String, Raw)>,
    rest: Vec<(std::borrow::Cow<'_, str>, &RawValue)>,
    path: &str,
) {
    extra.extend(rest.into_iter().map(|(k, v)| (join(path, &k), raw(v))));
}

fn format(f: TextFormat<'_>, extra: &mut Vec<(String, Raw)>) -> Result<Format, DecodeError> {
    const AT: &str = "text.format";
    keep(extra, f.rest, AT);
    match &*required(f.kind, AT, "type")? {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::JsonObject),
        "json_schema" => Ok(Format::JsonSchema {
            name: f.name.map(Str::into_string),
            description: f.description.map(Str::into_string),
            schema: raw(required(f.schema, AT, "schema")?),
            strict: f.strict,
        }),
        other => Err(DecodeError::new(
            "text.format.type",
            format!("\"{other}\" is none of \"text\", \"json_object\" and \"json_schema\"."),
        )),
    }
}

fn reasoning(r: ReasoningConfig<'_>, extra: &mut Vec<(String, Raw)>) -> Result<Reasoning, DecodeError> {
    keep(extra, r.rest, "reasoning");
    let effort = match r.effort {
        Some(word) => Some(Effort::parse(&word).ok_or_else(|| {
            DecodeError::new("reasoning.effort", format!("\"{}\" is not an effort that is known.", &*word))
        })?),
        None => None,
    };
    let summary = r.summary.or(r.generate_summary).map(Str::into_string);
    Ok(Reasoning { effort, summary, ..Reasoning::default() })
}

fn include(list: Vec<Str<'_>>, s: &mut Settings, extra: &mut Vec<(String, Raw)>) {
    let mut others = Vec::new();
    for what in &list {
        match &**what {
            "reasoning.encrypted_content" => s.encrypted_reasoning = true,
            "message.output_text.logprobs" => s.logprobs = Some(true),
            other => others.push(other),
        }
    }
    if !others.is_empty() {
        extra.extend(Raw::of(&others).ok().map(|v| ("include".to_owned(), v)));
    }
}

#[cfg(test)]
mod tests;
