//! `input`: items put together to turns.

use super::decode_request::keep;
use super::input::{Content, Entry, Texts};
use super::item::{self, Item, Turn};
use super::json::{join, parse, raw, required, string};
use super::{carry, media, tools};
use crate::codec::DecodeError;
use crate::ir::block::{Body, CallKind, ToolResult};
use crate::ir::{Block, Conversation, Message, Origin, Role, Spot};
use serde_json::value::RawValue;

/// Reads the `input` of a body.
pub(super) fn read_input(input: Content<'_>, body: &str, c: &mut Conversation) -> Result<(), DecodeError> {
    let list = match input {
        Content::Str(text) => {
            let at = Spot::new("input");
            let content = vec![Block::text(text.into_string()).at(at.clone())];
            c.messages.push(Message { at, ..Message::new(Role::User, content) });
            return Ok(());
        }
        Content::List(list) => list,
    };
    let mut reader = Reader { turn: Turn { strict: true, ..Turn::default() }, ..Reader::default() };
    let mut texts = Texts::of(body);
    for (i, entry) in list.into_iter().enumerate() {
        let path = format!("input[{i}]");
        let (item, text) = match entry {
            Entry::Read(item) => (item, None),
            Entry::Text(text) => (parse(text.get(), &path)?, Some(text)),
        };
        reader.item(item, || text.unwrap_or_else(|| texts.get(i)), &path, c)?;
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
    fn item(
        &mut self,
        item: Item<'a>,
        text: impl FnOnce() -> &'a RawValue,
        path: &str,
        c: &mut Conversation,
    ) -> Result<(), DecodeError> {
        match item.kind() {
            "message" => match &*required(item.role.clone(), path, "role")? {
                "assistant" => {
                    // Neighbouring messages are kept apart; what else the model does belongs to its turn.
                    let spoken = |b: &Block| matches!(b.body, Body::Text { .. } | Body::Refusal(_));
                    if self.turn.blocks.last().is_some_and(spoken) {
                        self.close(c);
                    }
                    self.model(item, text, path)
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
            // What the gateway knows of, it has put in its place.
            "item_reference" => {
                let id = required(item.id, path, "id")?;
                Err(DecodeError::new(path, format!("Item with id '{}' not found.", &*id)))
            }
            "" => Err(DecodeError::new(join(path, "type"), "It is required, but missing.")),
            kind if client_side(kind) => {
                let block = Block::new(item::opaque(kind, text())).at(Spot::new(path));
                self.of_user(block, path, c);
                Ok(())
            }
            _ => self.model(item, text, path),
        }
    }

    fn model(
        &mut self,
        item: Item<'a>,
        text: impl FnOnce() -> &'a RawValue,
        path: &str,
    ) -> Result<(), DecodeError> {
        self.results = false;
        if self.turn.blocks.is_empty() {
            self.at = Spot::new(path);
        }
        self.turn.item(item, text, path)
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
            return Ok(vec![Block::text(string(text, path)?).at(Spot::new(path))]);
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
