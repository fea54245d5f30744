//! A client's request.
//!
//! Canonical spellings: `instructions` is a system message at the very beginning; a string as `input` is one user
//! message; a string as `content` is one text part; `user` is the older name of `safety_identifier`; tools that come
//! inside the input (`additional_tools`) join `tools`.

use super::item::{self, Item, Turn};
use super::json::{Str, join, object, parse, parse_body, raw, required};
use super::{carry, media, tools};
use crate::codec::DecodeError;
use crate::ir::block::{Body, CallKind, ToolResult};
use crate::ir::settings::{Effort, Format, Reasoning};
use crate::ir::{Block, Conversation, Message, Origin, Raw, Role, Settings, Spot};
use serde_json::value::RawValue;

object! {
    Request {
        model "model": Str<'de>,
        input "input": &'de RawValue,
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
    let r: Request<'_> = parse_body(body)?;
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
        read_input(input, &mut c)?;
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

fn keep(extra: &mut Vec<(String, Raw)>, rest: Vec<(std::borrow::Cow<'_, str>, &RawValue)>, path: &str) {
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

fn read_input(input: &RawValue, c: &mut Conversation) -> Result<(), DecodeError> {
    if input.get().starts_with('"') {
        let text: Str<'_> = parse(input.get(), "input")?;
        let at = Spot::new("input");
        let content = vec![Block::text(text.into_string()).at(at.clone())];
        c.messages.push(Message { at, ..Message::new(Role::User, content) });
        return Ok(());
    }
    let list: Vec<&RawValue> = parse(input.get(), "input")?;
    let mut reader = Reader { turn: Turn { strict: true, ..Turn::default() }, ..Reader::default() };
    for (i, text) in list.into_iter().enumerate() {
        reader.item(text, &format!("input[{i}]"), c)?;
    }
    reader.close(c);
    c.extra.append(&mut reader.turn.extra);
    for (id, signature) in &reader.turn.signatures {
        let blocks = c.messages.iter_mut().flat_map(|m| &mut m.content);
        carry::sign_call(blocks, id, signature);
    }
    Ok(())
}

/// Puts items together to turns.
#[derive(Default)]
struct Reader<'a> {
    /// The open turn of the model.
    turn: Turn<'a>,
    /// Where it began.
    at: Spot,
    /// The last message is a run of tool results.
    results: bool,
}

impl<'a> Reader<'a> {
    fn item(&mut self, text: &'a RawValue, path: &str, c: &mut Conversation) -> Result<(), DecodeError> {
        let item: Item<'a> = parse(text.get(), path)?;
        match item.kind() {
            "message" => match &*required(item.role.clone(), path, "role")? {
                "assistant" => {
                    // Neighbouring messages are kept apart; what else the model does belongs to its turn.
                    let spoken = |b: &Block| matches!(b.body, Body::Text { .. } | Body::Refusal(_));
                    if self.turn.blocks.last().is_some_and(spoken) {
                        self.close(c);
                    }
                    self.model(text, item, path)
                }
                "user" => self.message(Role::User, item, path, c),
                "system" => self.message(Role::System, item, path, c),
                "developer" => self.message(Role::Developer, item, path, c),
                other => Err(DecodeError::new(
                    join(path, "role"),
                    format!("\"{other}\" is none of \"user\", \"assistant\", \"system\" and \"developer\"."),
                )),
            },
            "function_call_output" => self.result(CallKind::Function, item, path, c),
            "custom_tool_call_output" => self.result(CallKind::Custom, item, path, c),
            "additional_tools" => {
                let at = join(path, "tools");
                let list: Vec<&RawValue> = parse(required(item.tools, path, "tools")?.get(), &at)?;
                tools::decode(&list, &at, &mut c.tools)
            }
            "" => Err(DecodeError::new(join(path, "type"), "It is required, but missing.")),
            kind if client_side(kind) => {
                let block = Block::new(item::opaque(kind, text)).at(Spot::new(path));
                self.of_user(block, path, c);
                Ok(())
            }
            _ => self.model(text, item, path),
        }
    }

    fn model(&mut self, text: &'a RawValue, item: Item<'a>, path: &str) -> Result<(), DecodeError> {
        self.results = false;
        if self.turn.blocks.is_empty() {
            self.at = Spot::new(path);
        }
        self.turn.item(text, item, path)
    }

    fn close(&mut self, c: &mut Conversation) {
        if !self.turn.blocks.is_empty() {
            let content = std::mem::take(&mut self.turn.blocks);
            let at = std::mem::take(&mut self.at);
            c.messages.push(Message { at, ..Message::new(Role::Assistant, content) });
        }
    }

    /// A block of the run of tool results.
    fn of_user(&mut self, block: Block, path: &str, c: &mut Conversation) {
        self.close(c);
        if !std::mem::replace(&mut self.results, true) {
            c.messages.push(Message { at: Spot::new(path), ..Message::new(Role::User, Vec::new()) });
        }
        if let Some(last) = c.messages.last_mut() {
            last.content.push(block);
        }
    }

    fn result(
        &mut self,
        kind: CallKind,
        item: Item<'a>,
        path: &str,
        c: &mut Conversation,
    ) -> Result<(), DecodeError> {
        let output = required(item.output, path, "output")?;
        let result = ToolResult {
            call_id: required(item.call_id, path, "call_id")?.into_string(),
            name: None,
            content: self.contents(output, &join(path, "output"))?,
            is_error: false,
            kind,
        };
        keep(&mut self.turn.extra, item.rest, path);
        self.of_user(Block::new(Body::ToolResult(result)).at(Spot::new(path)), path, c);
        Ok(())
    }

    fn message(
        &mut self,
        role: Role,
        item: Item<'a>,
        path: &str,
        c: &mut Conversation,
    ) -> Result<(), DecodeError> {
        self.close(c);
        self.results = false;
        let content = self.contents(required(item.content, path, "content")?, &join(path, "content"))?;
        keep(&mut self.turn.extra, item.rest, path);
        c.messages.push(Message { at: Spot::new(path), ..Message::new(role, content) });
        Ok(())
    }

    /// A string, or parts of the client's side.
    fn contents(&mut self, text: &'a RawValue, path: &str) -> Result<Vec<Block>, DecodeError> {
        if text.get().starts_with('"') {
            let text: Str<'_> = parse(text.get(), path)?;
            return Ok(vec![Block::text(text.into_string()).at(Spot::new(path))]);
        }
        let parts: Vec<&'a RawValue> = parse(text.get(), path)?;
        let mut blocks = Vec::with_capacity(parts.len());
        for (i, part) in parts.into_iter().enumerate() {
            blocks.push(self.part(part, &format!("{path}[{i}]"))?);
        }
        Ok(blocks)
    }

    fn part(&mut self, text: &'a RawValue, path: &str) -> Result<Block, DecodeError> {
        let mut p: media::Part<'a> = parse(text.get(), path)?;
        let cache = item::cache(p.breakpoint.as_ref());
        let missing = |what: &str| DecodeError::new(path, format!("It needs one of {what}."));
        let body = match &*required(p.kind.clone(), path, "type")? {
            "input_text" | "text" | "output_text" => {
                let text = required(p.text.take(), path, "text")?.into_string();
                Body::Text { text, citations: Vec::new(), signature: None }
            }
            "input_image" => {
                Body::Image(media::image(&mut p).ok_or_else(|| missing("`image_url` and `file_id`"))?)
            }
            "input_file" => Body::Document(
                media::document(&mut p).ok_or_else(|| missing("`file_data`, `file_url` and `file_id`"))?,
            ),
            "input_audio" => Body::Audio(media::audio(&mut p).ok_or_else(|| missing("`input_audio.data`"))?),
            kind => {
                Body::Opaque { origin: Origin::OpenAi, name: format!("{}{kind}", item::PART), raw: raw(text) }
            }
        };
        if !matches!(body, Body::Opaque { .. }) {
            keep(&mut self.turn.extra, p.rest, path);
        }
        Ok(Block { cache, ..Block::new(body).at(Spot::new(path)) })
    }
}

/// Items that the client's side adds: results of tools that it runs for OpenAI's models, answers, requests.
fn client_side(kind: &str) -> bool {
    kind.ends_with("_output")
        || matches!(kind, "mcp_approval_response" | "configuration_update" | "compaction_trigger")
}
