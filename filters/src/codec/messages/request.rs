//! Reading a client's request: <https://platform.claude.com/docs/en/api/messages/create>.

use super::blocks::{Reader, flag, needed, optional, word, wrong};
use super::fields::{Content, Fields, Message, Top, place, read, whole};
use super::tools;
use crate::codec::DecodeError;
use crate::ir::settings::{Effort, Format, Reasoning};
use crate::ir::{self, Conversation, Raw, Role, Settings, Spot};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// Decodes a client's request to `/v1/messages`.
///
/// # Errors
/// The first field that is wrong, in Anthropic's notation (`messages.2.content.0.type`).
pub fn decode_request(body: &[u8]) -> Result<Conversation, DecodeError> {
    let c = decode(body)?;
    if c.settings.max_tokens.is_none() {
        return Err(DecodeError::new("max_tokens", "Field required"));
    }
    Ok(c)
}

/// Decodes a client's request to `/v1/messages/count_tokens`: the same body without `max_tokens`.
///
/// # Errors
/// As [`decode_request`].
pub fn decode_count_tokens(body: &[u8]) -> Result<Conversation, DecodeError> {
    decode(body)
}

fn decode(body: &[u8]) -> Result<Conversation, DecodeError> {
    let top: Top<'_> =
        whole(body).map_err(|e| DecodeError::new("", format!("The request body is {}", place(&e))))?;
    let mut reader = Reader::default();
    let mut out = Conversation { model: needed(&top.fields, "", "model")?, ..Conversation::default() };

    let system = reader.content(top.system, "system")?;
    if !system.is_empty() {
        let at = Spot::new("system");
        out.messages.push(ir::Message { at, ..ir::Message::new(Role::System, system) });
    }
    match top.messages {
        Content::List(list) => {
            out.messages.reserve(list.len());
            for (i, m) in list.into_iter().enumerate() {
                out.messages.push(message(&mut reader, m, format!("messages.{i}"))?);
            }
        }
        Content::Absent => return Err(DecodeError::new("messages", "Field required")),
        _ => return Err(DecodeError::new("messages", "Input should be a list of messages")),
    }
    match top.tools {
        Content::Absent => {}
        Content::List(list) => out.tools = tools::decode(&list)?,
        _ => return Err(DecodeError::new("tools", "Input should be a list of tools")),
    }
    for (key, raw) in &top.fields.0 {
        if raw.get() != "null" {
            setting(key, raw, &mut out, &mut reader.extra)?;
        }
    }
    out.extra = reader.extra;
    Ok(out)
}

fn message(reader: &mut Reader, m: Message<'_>, path: String) -> Result<ir::Message, DecodeError> {
    if !m.object {
        return Err(DecodeError::new(path, "Input should be an object with 'role' and 'content'"));
    }
    let role = match word(&m.fields, &path, "role")?.as_ref() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(wrong(&path, "role", "Input should be 'user', 'assistant' or 'system'")),
    };
    // A system message may consist of its `output_config` alone.
    if matches!(m.content, Content::Absent) && role != Role::System {
        return Err(wrong(&path, "content", "Field required"));
    }
    let content = reader.content(m.content, &format!("{path}.content"))?;
    for (key, value) in &m.fields.0 {
        if key != "role" && value.get() != "null" {
            reader.extra.push((format!("{path}.{key}"), Raw((*value).to_owned())));
        }
    }
    Ok(ir::Message { role, content, name: None, at: Spot::new(path) })
}

/// A value of a known type.
fn typed<T: DeserializeOwned>(path: &str, raw: &RawValue, want: &str) -> Result<T, DecodeError> {
    read(raw.get()).ok_or_else(|| DecodeError::new(path, format!("Input should be {want}")))
}

fn object<'a>(path: &str, raw: &'a RawValue) -> Result<Fields<'a>, DecodeError> {
    read(raw.get()).ok_or_else(|| DecodeError::new(path, "Input should be an object"))
}

/// One top-level member.
fn setting(
    key: &str,
    raw: &RawValue,
    out: &mut Conversation,
    extra: &mut Vec<(String, Raw)>,
) -> Result<(), DecodeError> {
    const WHOLE: &str = "a valid integer, not negative";
    const NUMBER: &str = "a valid number";
    let s = &mut out.settings;
    match key {
        "model" => {}
        "max_tokens" => s.max_tokens = Some(typed(key, raw, WHOLE)?),
        "temperature" => s.temperature = Some(typed(key, raw, NUMBER)?),
        "top_p" => s.top_p = Some(typed(key, raw, NUMBER)?),
        "top_k" => s.top_k = Some(typed(key, raw, WHOLE)?),
        "stop_sequences" => s.stop = typed(key, raw, "a list of strings")?,
        "stream" => s.stream = typed(key, raw, "a valid boolean")?,
        "service_tier" => s.service_tier = Some(typed(key, raw, "a valid string")?),
        "metadata" => metadata(&object(key, raw)?, s, extra)?,
        "thinking" => thinking(&object(key, raw)?, raw, s, extra)?,
        "output_config" => output_config(&object(key, raw)?, s, extra)?,
        // The name that structured output had while it was in beta.
        "output_format" => format(key, raw, s, extra)?,
        "tool_choice" => {
            let (choice, parallel) = tools::decode_choice(&object(key, raw)?)?;
            (out.tool_choice, s.parallel_tools) = (Some(choice), parallel);
        }
        _ => extra.push((key.to_owned(), Raw(raw.to_owned()))),
    }
    Ok(())
}

/// Keeps the members of an object that nobody read.
fn rest(f: &Fields<'_>, path: &str, known: &[&str], extra: &mut Vec<(String, Raw)>) {
    for (key, value) in &f.0 {
        if !known.contains(&key.as_ref()) && value.get() != "null" {
            extra.push((format!("{path}.{key}"), Raw((*value).to_owned())));
        }
    }
}

fn metadata(f: &Fields<'_>, s: &mut Settings, extra: &mut Vec<(String, Raw)>) -> Result<(), DecodeError> {
    s.user = optional(f, "metadata", "user_id")?;
    rest(f, "metadata", &["user_id"], extra);
    Ok(())
}

fn thinking(
    f: &Fields<'_>,
    raw: &RawValue,
    s: &mut Settings,
    extra: &mut Vec<(String, Raw)>,
) -> Result<(), DecodeError> {
    let mut r = s.reasoning.take().unwrap_or_default();
    match needed(f, "thinking", "type")?.as_str() {
        "enabled" => {
            let text =
                f.get("budget_tokens").ok_or_else(|| wrong("thinking", "budget_tokens", "Field required"))?;
            let budget: u32 = read(text).ok_or_else(|| {
                wrong("thinking", "budget_tokens", "Input should be a valid integer of at least 1024")
            })?;
            (r.enabled, r.budget) = (Some(true), Some(budget));
        }
        "adaptive" => (r.enabled, r.adaptive) = (Some(true), true),
        "disabled" => r.enabled = Some(false),
        // `between_tools`, and whatever comes next: no other provider has it.
        _ => {
            extra.push(("thinking".to_owned(), Raw(raw.to_owned())));
            s.reasoning = Some(r).filter(|r| *r != Reasoning::default());
            return Ok(());
        }
    }
    r.summary = optional(f, "thinking", "display")?.map(|d| match d.as_str() {
        "summarized" => "auto".to_owned(),
        _ => d,
    });
    s.reasoning = Some(r);
    rest(f, "thinking", &["type", "budget_tokens", "display"], extra);
    Ok(())
}

fn output_config(
    f: &Fields<'_>,
    s: &mut Settings,
    extra: &mut Vec<(String, Raw)>,
) -> Result<(), DecodeError> {
    let mut known = vec!["format"];
    if let Some(word) = optional(f, "output_config", "effort")?
        && let Some(effort) = Effort::parse(&word)
    {
        s.reasoning.get_or_insert_default().effort = Some(effort);
        known.push("effort");
    }
    let is_format = |(key, raw): &&(_, &RawValue)| key == "format" && raw.get() != "null";
    if let Some((_, raw)) = f.0.iter().rev().find(is_format) {
        format("output_config.format", raw, s, extra)?;
    }
    rest(f, "output_config", &known, extra);
    Ok(())
}

fn format(
    path: &str,
    raw: &RawValue,
    s: &mut Settings,
    extra: &mut Vec<(String, Raw)>,
) -> Result<(), DecodeError> {
    let f = object(path, raw)?;
    if needed(&f, path, "type")? != "json_schema" {
        extra.push((path.to_owned(), Raw(raw.to_owned())));
        return Ok(());
    }
    let schema = f.0.iter().rev().find(|(k, _)| k == "schema");
    let schema = schema.ok_or_else(|| wrong(path, "schema", "Field required"))?.1;
    object(&format!("{path}.schema"), schema)?;
    s.format = Some(Format::JsonSchema {
        name: None,
        description: None,
        schema: Raw(schema.to_owned()),
        strict: None,
    });
    rest(&f, path, &["type", "schema"], extra);
    Ok(())
}

/// `disable_parallel_tool_use` of a tool choice, turned around.
pub(super) fn parallel(f: &Fields<'_>) -> Result<Option<bool>, DecodeError> {
    Ok(flag(f, "tool_choice", "disable_parallel_tool_use")?.map(|off| !off))
}
