//! Items of the model's side of a conversation: in an answer's `output`, and in the `input` of the next request.
//!
//! Canonical form: an item's `id` and `status` are bookkeeping of the server that made it and are not kept, except
//! the id of a reasoning item, which belongs to its sealed thought.

use super::carry::{self, Found};
use super::json::{Str, join, object, parse, raw, required, string};
use super::{annotation, media};
use crate::codec::DecodeError;
use crate::ir::block::{Body, CacheTtl, CallKind, ServerKind, ToolCall};
use crate::ir::{Block, Origin, Raw, Signature, Spot};
use serde_json::value::RawValue;

object! {
    /// Any item. What has different types in different items stays raw.
    Item {
        kind "type": Str<'de>,
        role "role": Str<'de>,
        content "content": &'de RawValue,
        phase "phase": &'de RawValue,
        id "id": Str<'de>,
        status "status": &'de RawValue,
        call_id "call_id": Str<'de>,
        name "name": Str<'de>,
        namespace "namespace": Str<'de>,
        arguments "arguments": &'de RawValue,
        input "input": &'de RawValue,
        output "output": &'de RawValue,
        summary "summary": &'de RawValue,
        encrypted_content "encrypted_content": Str<'de>,
        tools "tools": &'de RawValue,
    }
}

object! {
    /// A part of a reasoning item's `summary` or `content`.
    Words { kind "type": Str<'de>, text "text": Str<'de> }
}

/// Names of opaque blocks that are whole items, and of those that are parts of a message: another OpenAI dialect's
/// opaque blocks must not be taken for either.
pub(super) const ITEM: &str = "input item ";
pub(super) const PART: &str = "content part ";

impl Item<'_> {
    /// The type; messages may leave it out.
    pub(super) fn kind(&self) -> &str {
        match &self.kind {
            Some(kind) => kind,
            None if self.role.is_some() => "message",
            None => "",
        }
    }
}

/// The tools that OpenAI runs itself, by the type of their items.
fn server_kind(item: &str) -> Option<ServerKind> {
    Some(match item {
        "web_search_call" => ServerKind::WebSearch,
        "code_interpreter_call" => ServerKind::CodeExecution,
        "file_search_call" | "image_generation_call" | "mcp_call" | "mcp_list_tools" => ServerKind::Other,
        _ => return None,
    })
}

/// The model's items, put together to blocks.
#[derive(Debug, Default)]
pub(super) struct Turn<'a> {
    /// A client's request: what is missing is an error. A provider's answer is taken as it is.
    pub(super) strict: bool,
    pub(super) blocks: Vec<Block>,
    /// Log-probabilities of the texts.
    pub(super) logprobs: Vec<&'a RawValue>,
    /// Signatures of calls, by call id.
    pub(super) signatures: Vec<(String, Signature)>,
    /// The signature of a text that came before these items.
    pub(super) text_signature: Option<Signature>,
    /// Fields without a name in the IR.
    pub(super) extra: Vec<(String, Raw)>,
}

impl<'a> Turn<'a> {
    fn need<T: Default>(&self, value: Option<T>, path: &str, key: &str) -> Result<T, DecodeError> {
        if self.strict { required(value, path, key) } else { Ok(value.unwrap_or_default()) }
    }

    /// A member that is a string in this kind of item.
    fn text(&self, value: Option<&RawValue>, path: &str, key: &str) -> Result<String, DecodeError> {
        let Some(value) = value else { return self.need(None, path, key) };
        Ok(string(value, &join(path, key))?.into_owned())
    }

    fn push(&mut self, body: Body, path: &str) {
        self.blocks.push(Block::new(body).at(Spot::new(path)));
    }

    /// Takes an item. `text`: the whole of it.
    pub(super) fn item(
        &mut self,
        item: Item<'a>,
        text: impl FnOnce() -> &'a RawValue,
        path: &str,
    ) -> Result<(), DecodeError> {
        match item.kind() {
            "message" => self.message(item, path),
            "function_call" => self.call(CallKind::Function, item, path),
            "custom_tool_call" => self.call(CallKind::Custom, item, path),
            "reasoning" => self.reasoning(item, path),
            kind => {
                let body = match server_kind(kind) {
                    Some(ServerKind::WebSearch) if self.shadowed() => return Ok(()),
                    Some(kind) => Body::Server { kind, origin: Origin::OpenAi, raw: raw(text()) },
                    None => opaque(kind, text()),
                };
                self.push(body, path);
                Ok(())
            }
        }
    }

    /// Is the next `web_search_call` the one that we showed the client for the other vendor's block before it?
    fn shadowed(&self) -> bool {
        matches!(
            self.blocks.last().map(|b| &b.body),
            Some(Body::Server { kind: ServerKind::WebSearch, origin, .. }) if *origin != Origin::OpenAi
        )
    }

    fn call(&mut self, kind: CallKind, item: Item<'a>, path: &str) -> Result<(), DecodeError> {
        let arguments = match kind {
            CallKind::Function => self.text(item.arguments, path, "arguments")?,
            CallKind::Custom => self.text(item.input, path, "input")?,
        };
        let call = ToolCall {
            id: self.need(item.call_id, path, "call_id")?.into_string(),
            name: self.need(item.name, path, "name")?.into_string(),
            namespace: item.namespace.map(Str::into_string),
            arguments,
            kind,
            signature: None,
        };
        self.push(Body::ToolCall(call), path);
        self.keep(item.rest, path);
        Ok(())
    }

    fn keep(&mut self, rest: Vec<(std::borrow::Cow<'a, str>, &'a RawValue)>, path: &str) {
        if self.strict {
            self.extra.extend(rest.into_iter().map(|(k, v)| (join(path, &k), raw(v))));
        }
    }

    fn reasoning(&mut self, item: Item<'a>, path: &str) -> Result<(), DecodeError> {
        let summary: Vec<Words<'_>> = match item.summary {
            Some(s) => parse(s.get(), &join(path, "summary"))?,
            None => Vec::new(),
        };
        let content: Vec<Words<'_>> = match item.content {
            Some(c) => parse(c.get(), &join(path, "content"))?,
            None => Vec::new(),
        };
        let words = |w: Words<'_>| w.text.unwrap_or_default().into_string();
        let found = carry::open(
            item.id.map(Str::into_string),
            item.encrypted_content.as_deref(),
            summary.into_iter().map(words).collect(),
            content.into_iter().map(words).collect(),
        );
        match found {
            Found::Thinking(t) => self.push(Body::Thinking(t), path),
            Found::Block(body) => self.push(body, path),
            Found::OfCall(id, s) => self.signatures.push((id, s)),
            Found::OfText(s) => self.text_signature = carry::sign_text(self.blocks.iter_mut(), s),
        }
        self.keep(item.rest, path);
        Ok(())
    }

    fn message(&mut self, item: Item<'a>, path: &str) -> Result<(), DecodeError> {
        let at = join(path, "content");
        let content = self.need(item.content.map(Some), path, "content")?;
        if let Some(content) = content {
            if content.get().starts_with('"') {
                let text = string(content, &at)?;
                self.blocks.push(Block::text(text).at(Spot::new(at)));
            } else {
                let parts: Vec<&RawValue> = parse(content.get(), &at)?;
                for (i, part) in parts.into_iter().enumerate() {
                    self.part(part, &format!("{at}[{i}]"))?;
                }
            }
        }
        if let Some(phase) = item.phase.filter(|_| self.strict) {
            self.extra.push((join(path, "phase"), raw(phase)));
        }
        self.keep(item.rest, path);
        Ok(())
    }

    /// A part of the model's message.
    pub(super) fn part(&mut self, text: &'a RawValue, path: &str) -> Result<(), DecodeError> {
        let part: media::Part<'a> = parse(text.get(), path)?;
        let body = match part.kind.as_deref().unwrap_or_default() {
            "output_text" | "input_text" | "text" => {
                if let Some(probs) = part.logprobs {
                    self.logprobs.push(probs);
                }
                let citations = part.annotations.unwrap_or_default();
                Body::Text {
                    text: self.need(part.text, path, "text")?.into_string(),
                    citations: citations.into_iter().map(annotation::decode).collect(),
                    signature: None,
                }
            }
            "refusal" => Body::Refusal(self.need(part.refusal, path, "refusal")?.into_string()),
            kind => Body::Opaque { origin: Origin::OpenAi, name: format!("{PART}{kind}"), raw: raw(text) },
        };
        self.push(body, path);
        self.keep(part.rest, path);
        Ok(())
    }
}

/// An item that only OpenAI understands.
pub(super) fn opaque(kind: &str, text: &RawValue) -> Body {
    Body::Opaque { origin: Origin::OpenAi, name: format!("{ITEM}{kind}"), raw: raw(text) }
}

/// How long a cache breakpoint lasts: OpenAI knows 30 minutes (the default) and 12 hours.
pub(super) fn cache(b: Option<&media::Breakpoint<'_>>) -> Option<CacheTtl> {
    b.map(|b| if b.ttl.as_deref() == Some("12h") { CacheTtl::Hour } else { CacheTtl::Default })
}
