//! Content blocks, read: of requests and of answers.

use super::fields::{Content, Elem, Fields, content, read, string};
use super::media;
use super::{carrier, citation};
use crate::codec::DecodeError;
use crate::ir::block::{CacheTtl, CallKind, ServerKind, Thinking, ToolCall, ToolResult};
use crate::ir::{Block, Origin, Raw, Signature, Spot, block::Body};
use serde::Deserialize;
use std::borrow::Cow;

/// Reads blocks, and keeps what has no name in the IR.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Members without a name there: path and value. Only of requests; answers may grow new members any day.
    pub(super) extra: Vec<(String, Raw)>,
    /// Reads an answer.
    pub(super) answer: bool,
}

/// An error about a member.
pub(super) fn wrong(path: &str, key: &str, why: &str) -> DecodeError {
    let dot = if path.is_empty() || key.is_empty() { "" } else { "." };
    DecodeError::new(format!("{path}{dot}{key}"), why)
}

/// A string member that must be there.
pub(super) fn needed(f: &Fields<'_>, path: &str, key: &str) -> Result<String, DecodeError> {
    word(f, path, key).map(Cow::into_owned)
}

/// The same, for one that is only looked at.
pub(super) fn word<'a>(f: &Fields<'a>, path: &str, key: &str) -> Result<Cow<'a, str>, DecodeError> {
    maybe(f, path, key)?.ok_or_else(|| wrong(path, key, "Field required"))
}

/// A string member that may be absent or null.
pub(super) fn optional(f: &Fields<'_>, path: &str, key: &str) -> Result<Option<String>, DecodeError> {
    Ok(maybe(f, path, key)?.map(Cow::into_owned))
}

/// The same, for one that is only looked at.
pub(super) fn maybe<'a>(f: &Fields<'a>, path: &str, key: &str) -> Result<Option<Cow<'a, str>>, DecodeError> {
    let Some(text) = f.get(key) else { return Ok(None) };
    string(text).map(Some).ok_or_else(|| wrong(path, key, "Input should be a valid string"))
}

/// A boolean member that may be absent or null.
pub(super) fn flag(f: &Fields<'_>, path: &str, key: &str) -> Result<Option<bool>, DecodeError> {
    let Some(text) = f.get(key) else { return Ok(None) };
    read(text).map(Some).ok_or_else(|| wrong(path, key, "Input should be a valid boolean"))
}

/// `cache_control`.
pub(super) fn cache(f: &Fields<'_>, path: &str) -> Result<Option<CacheTtl>, DecodeError> {
    #[derive(Deserialize)]
    struct Control {
        r#type: String,
        ttl: Option<String>,
    }
    let Some(text) = f.get("cache_control") else { return Ok(None) };
    let c: Control = read(text)
        .ok_or_else(|| wrong(path, "cache_control", "Input should be {\"type\": \"ephemeral\"}"))?;
    if c.r#type != "ephemeral" {
        return Err(wrong(path, "cache_control.type", "Input should be 'ephemeral'"));
    }
    match c.ttl.as_deref() {
        None | Some("5m") => Ok(Some(CacheTtl::Default)),
        Some("1h") => Ok(Some(CacheTtl::Hour)),
        Some(_) => Err(wrong(path, "cache_control.ttl", "Input should be '5m' or '1h'")),
    }
}

impl Reader {
    /// The blocks of a message, a system prompt, a tool's result: a string is one text.
    pub(super) fn content(
        &mut self,
        content: Content<Elem<'_>>,
        path: &str,
    ) -> Result<Vec<Block>, DecodeError> {
        let list = match content {
            Content::Absent => return Ok(Vec::new()),
            Content::Text(text) => return Ok(vec![Block::text(text).at(Spot::new(path))]),
            Content::List(list) => list,
            Content::Other => {
                return Err(DecodeError::new(path, "Input should be a string or a list of content blocks"));
            }
        };
        let mut blocks = Vec::with_capacity(list.len());
        for (i, elem) in list.iter().enumerate() {
            let path = format!("{path}.{i}");
            let Elem::Object(fields) = elem else {
                return Err(DecodeError::new(path, "Input should be an object with a 'type'"));
            };
            let mut block = self.block(fields, &path)?;
            block.at = Spot::new(path);
            blocks.push(block);
        }
        carrier::attach(&mut blocks);
        Ok(blocks)
    }

    /// One block.
    pub(super) fn block(&mut self, f: &Fields<'_>, path: &str) -> Result<Block, DecodeError> {
        let kind = word(f, path, "type")?;
        let (body, known): (Body, &[&str]) = match kind.as_ref() {
            "text" => (self.text(f, path)?, &["text", "citations"]),
            "tool_use" => (Body::ToolCall(call(f, path)?), &["id", "name", "input"]),
            "tool_result" => {
                (Body::ToolResult(self.result(f, path)?), &["tool_use_id", "content", "is_error"])
            }
            "thinking" => (thought(f, path)?, &["thinking", "signature"]),
            "redacted_thinking" => (sealed(f, path)?, &["data"]),
            "image" => match media::decode_image(f, path)? {
                Some(m) => (Body::Image(m), &["source"]),
                None => return Ok(opaque(kind.into_owned(), f)),
            },
            "document" => match media::decode_document(f, path)? {
                Some(m) => (Body::Document(m), &["source", "title", "context", "citations"]),
                None => return Ok(opaque(kind.into_owned(), f)),
            },
            other if is_server(other) => {
                let name = optional(f, path, "name")?.unwrap_or_default();
                let kind = server_kind(other, &name);
                return Ok(Block::new(Body::Server { kind, origin: Origin::Anthropic, raw: f.raw() }));
            }
            _ => return Ok(opaque(kind.into_owned(), f)),
        };
        self.unknown(f, path, known);
        Ok(Block { cache: if self.answer { None } else { cache(f, path)? }, ..Block::new(body) })
    }

    /// Keeps the members of a block that nobody read.
    fn unknown(&mut self, f: &Fields<'_>, path: &str, known: &[&str]) {
        if self.answer {
            return;
        }
        for (key, value) in &f.0 {
            let known = known.contains(&key.as_ref()) || matches!(key.as_ref(), "type" | "cache_control");
            if !known && !means_nothing(key, value.get()) {
                self.extra.push((format!("{path}.{key}"), Raw((*value).to_owned())));
            }
        }
    }

    fn text(&self, f: &Fields<'_>, path: &str) -> Result<Body, DecodeError> {
        let mut citations = Vec::new();
        if let Some(list) = f.get("citations") {
            let list: Vec<&serde_json::value::RawValue> =
                read(list).ok_or_else(|| wrong(path, "citations", "Input should be a list"))?;
            for (i, c) in list.iter().enumerate() {
                let c = citation::decode(c.get());
                let wrong = || wrong(path, &format!("citations.{i}"), "Input should be an object");
                citations.push(c.ok_or_else(wrong)?);
            }
        }
        Ok(Body::Text { text: needed(f, path, "text")?, citations, signature: None })
    }

    fn result(&mut self, f: &Fields<'_>, path: &str) -> Result<ToolResult, DecodeError> {
        let inner = f.get("content").map_or(Content::Absent, content);
        Ok(ToolResult {
            call_id: needed(f, path, "tool_use_id")?,
            name: None,
            content: self.content(inner, &format!("{path}.content"))?,
            is_error: flag(f, path, "is_error")?.unwrap_or(false),
            kind: CallKind::Function,
        })
    }
}

/// A member that says the default.
fn means_nothing(key: &str, value: &str) -> bool {
    let direct = || {
        // `{"type": "direct"}`: the model itself made the call, not a program of its.
        #[derive(Deserialize)]
        struct Caller {
            r#type: String,
        }
        read::<Caller>(value).is_some_and(|c| c.r#type == "direct")
    };
    value == "null" || (key == "caller" && direct())
}

/// A `tool_use` block.
pub(super) fn call(f: &Fields<'_>, path: &str) -> Result<ToolCall, DecodeError> {
    Ok(ToolCall {
        id: needed(f, path, "id")?,
        name: needed(f, path, "name")?,
        arguments: f.get("input").unwrap_or("{}").to_owned(),
        ..ToolCall::default()
    })
}

fn thought(f: &Fields<'_>, path: &str) -> Result<Body, DecodeError> {
    let signature = optional(f, path, "signature")?.filter(|s| !s.is_empty());
    Ok(Body::Thinking(Thinking {
        text: needed(f, path, "thinking")?,
        signature: signature.map(|s| Signature::unwrap(&s, Origin::Anthropic)),
        ..Thinking::default()
    }))
}

fn sealed(f: &Fields<'_>, path: &str) -> Result<Body, DecodeError> {
    let data = needed(f, path, "data")?;
    Ok(Body::Thinking(Thinking {
        signature: Some(Signature::unwrap(&data, Origin::Anthropic)),
        redacted: true,
        ..Thinking::default()
    }))
}

fn opaque(name: String, f: &Fields<'_>) -> Block {
    Block::new(Body::Opaque { origin: Origin::Anthropic, name, raw: f.raw() })
}

/// Is a block of this type part of a tool that Anthropic runs?
pub(super) fn is_server(kind: &str) -> bool {
    matches!(kind, "server_tool_use" | "mcp_tool_use")
        || (kind.ends_with("_tool_result") && kind != "tool_result")
}

/// Which tool a block of Anthropic's own tools is about: by its type, or the name of the tool called.
pub(super) fn server_kind(kind: &str, name: &str) -> ServerKind {
    let tool = if kind == "server_tool_use" { name } else { kind.strip_suffix("_tool_result").unwrap_or("") };
    match tool {
        "web_search" => ServerKind::WebSearch,
        "web_fetch" => ServerKind::WebFetch,
        "code_execution" | "bash_code_execution" | "text_editor_code_execution" => ServerKind::CodeExecution,
        _ => ServerKind::Other,
    }
}
