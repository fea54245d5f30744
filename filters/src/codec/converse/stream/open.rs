//! A block of the stream that has begun.

use super::super::media::What;
use super::super::model::Model;
use super::super::{citation, reply};
use crate::ir::block::{Body, Thinking, ToolCall};
use crate::ir::stream::Delta;
use crate::ir::{Block, Raw, Signature, StreamEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What kind of block, and what is held of it.
#[derive(Debug)]
pub(super) enum Open {
    /// Nothing of it has come.
    Nothing,
    Text(u32),
    /// Its index, and whether an argument has come.
    Call(u32, bool),
    /// A thought; its signature is told when it is whole.
    Thought(u32, String),
    /// A sealed thought, told when it is whole.
    Redacted(String),
    Image(u32),
    /// A tool that Bedrock runs, told when it is whole.
    Server(ServerUse, String),
    Result(ServerResult),
    /// Told as it began.
    Opaque,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServerUse {
    tool_use_id: String,
    name: String,
    #[serde(skip_deserializing)]
    input: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServerResult {
    tool_use_id: String,
    #[serde(skip_deserializing)]
    content: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    tool_use: Option<ServerUse>,
    tool_result: Option<ServerResult>,
    image: Option<ImageStart>,
}

#[derive(Deserialize)]
struct ImageStart {
    format: String,
}

/// A whole block of a server tool, as it stands in a whole answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Whole<'a> {
    ToolUse(&'a ServerUse),
    ToolResult(&'a ServerResult),
}

fn start(body: Body, next: &mut u32, out: &mut Vec<StreamEvent>) -> u32 {
    let index = *next;
    *next += 1;
    out.push(StreamEvent::BlockStart { choice: 0, index, block: Block::new(body) });
    index
}

fn delta(index: u32, delta: Delta, out: &mut Vec<StreamEvent>) {
    out.push(StreamEvent::BlockDelta { choice: 0, index, delta });
}

fn stop(index: u32, out: &mut Vec<StreamEvent>) {
    out.push(StreamEvent::BlockStop { choice: 0, index });
}

fn whole(body: Body, next: &mut u32, out: &mut Vec<StreamEvent>) {
    let index = start(body, next, out);
    stop(index, out);
}

impl Open {
    /// From the `start` of a `contentBlockStart`.
    pub(super) fn begin(
        raw: &RawValue,
        next: &mut u32,
        out: &mut Vec<StreamEvent>,
    ) -> Result<Self, serde_json::Error> {
        let s: Start = serde_json::from_str(raw.get())?;
        Ok(if let Some(call) = s.tool_use {
            if call.r#type.as_deref() == Some("server_tool_use") {
                return Ok(Self::Server(call, String::new()));
            }
            let call = ToolCall { id: call.tool_use_id, name: call.name, ..ToolCall::default() };
            Self::Call(start(Body::ToolCall(call), next, out), false)
        } else if let Some(result) = s.tool_result {
            Self::Result(result)
        } else if let Some(image) = s.image {
            let medium = reply::empty_medium(What::Image, &image.format);
            Self::Image(start(Body::Image(medium), next, out))
        } else if raw.get().trim_start_matches(['{', ' ']).starts_with('}') {
            // A text says `"start": {}` where it says anything.
            Self::Nothing
        } else {
            whole(reply::opaque(raw), next, out);
            Self::Opaque
        })
    }

    pub(super) fn text(&mut self, text: String, next: &mut u32, out: &mut Vec<StreamEvent>) {
        if let Some(index) = self.as_text(next, out) {
            delta(index, Delta::Text(text), out);
        }
    }

    pub(super) fn citation(&mut self, raw: &RawValue, next: &mut u32, out: &mut Vec<StreamEvent>) {
        if let Some(index) = self.as_text(next, out) {
            delta(index, Delta::Citation(citation::decode(raw)), out);
        }
    }

    fn as_text(&mut self, next: &mut u32, out: &mut Vec<StreamEvent>) -> Option<u32> {
        if matches!(self, Self::Nothing) {
            let body = Body::Text { text: String::new(), citations: Vec::new(), signature: None };
            *self = Self::Text(start(body, next, out));
        }
        if let Self::Text(index) = self { Some(*index) } else { None }
    }

    pub(super) fn thought(&mut self, text: String, next: &mut u32, out: &mut Vec<StreamEvent>) {
        if let Some((index, _)) = self.as_thought(next, out) {
            delta(index, Delta::Thinking(text), out);
        }
    }

    pub(super) fn signature(&mut self, more: &str, next: &mut u32, out: &mut Vec<StreamEvent>) {
        if let Some((_, signature)) = self.as_thought(next, out) {
            signature.push_str(more);
        }
    }

    fn as_thought(&mut self, next: &mut u32, out: &mut Vec<StreamEvent>) -> Option<(u32, &mut String)> {
        if matches!(self, Self::Nothing) {
            *self = Self::Thought(start(Body::Thinking(Thinking::default()), next, out), String::new());
        }
        if let Self::Thought(index, signature) = self { Some((*index, signature)) } else { None }
    }

    pub(super) fn redacted(&mut self, blob: &str) {
        match self {
            Self::Nothing => *self = Self::Redacted(blob.to_owned()),
            Self::Redacted(held) => held.push_str(blob),
            _ => {}
        }
    }

    pub(super) fn arguments(&mut self, more: String, out: &mut Vec<StreamEvent>) {
        match self {
            Self::Call(index, some) if !more.is_empty() => {
                *some = true;
                delta(*index, Delta::Arguments(more), out);
            }
            Self::Server(_, held) => held.push_str(&more),
            _ => {}
        }
    }

    pub(super) fn results(&mut self, more: &[&RawValue]) {
        if let Self::Result(r) = self {
            r.content.extend(more.iter().map(|m| (*m).to_owned()));
        }
    }

    pub(super) fn bytes(&mut self, bytes: String, out: &mut Vec<StreamEvent>) {
        if let Self::Image(index) = self {
            delta(*index, Delta::Data(bytes), out);
        }
    }

    /// It is complete: tells what was held.
    pub(super) fn close(self, model: Model, next: &mut u32, out: &mut Vec<StreamEvent>) {
        match self {
            Self::Nothing | Self::Opaque => {}
            Self::Text(index) | Self::Image(index) => stop(index, out),
            Self::Call(index, some) => {
                // A call without arguments streams none; a whole answer says `{}`.
                if !some {
                    delta(index, Delta::Arguments("{}".to_owned()), out);
                }
                stop(index, out);
            }
            Self::Thought(index, signature) => {
                if !signature.is_empty() {
                    delta(index, Delta::Signature(Signature::new(reply::signer(model), signature)), out);
                }
                stop(index, out);
            }
            Self::Redacted(blob) => whole(Body::Thinking(reply::redacted(&blob, model)), next, out),
            Self::Server(mut call, input) => {
                // Anything is valid JSON as a string.
                call.input = RawValue::from_string(input.clone())
                    .or_else(|_| serde_json::value::to_raw_value(&input))
                    .ok();
                if let Ok(raw) = Raw::of(&Whole::ToolUse(&call)) {
                    whole(reply::server(&call.name, raw), next, out);
                }
            }
            Self::Result(result) => {
                if let Ok(raw) = Raw::of(&Whole::ToolResult(&result)) {
                    whole(reply::server(result.r#type.as_deref().unwrap_or_default(), raw), next, out);
                }
            }
        }
    }
}
