//! ConverseStream: the answer as frames.
//!
//! Order: `messageStart`; for each block `contentBlockStart` (calls, images and tools' results only), its
//! `contentBlockDelta`s and `contentBlockStop`; `messageStop`; `metadata` with the tokens. Texts and thoughts begin
//! with their first delta. An exception ends the stream. Every payload has a padding `p` of random length.

mod open;

use super::error;
use super::model::Model;
use super::reply::{self, Fields, Place, Tier};
use super::usage::TokenUsage;
use crate::codec::eventstream::{Frame, Kind};
use crate::codec::{DecodeError, StreamDecoder};
use crate::dialect::fault::UpstreamError;
use crate::ir::StreamEvent;
use open::Open;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Reads ConverseStream.
#[derive(Debug, Default)]
pub struct Decoder {
    id: String,
    asked: String,
    model: Model,
    started: bool,
    stopped: bool,
    metered: bool,
    ended: bool,
    /// Blocks begun and not ended, by Converse's index.
    open: BTreeMap<u64, Open>,
    /// The IR's index of the next block.
    next: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    content_block_index: u64,
    #[serde(borrow)]
    start: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeltaIn<'a> {
    content_block_index: u64,
    #[serde(borrow)]
    delta: More<'a>,
}

/// `ContentBlockDelta`: one of these.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct More<'a> {
    text: Option<String>,
    tool_use: Option<Input>,
    reasoning_content: Option<Thought>,
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_result: Option<Vec<&'a RawValue>>,
    image: Option<ImageDelta>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    input: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thought {
    text: Option<String>,
    signature: Option<String>,
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
struct ImageDelta {
    source: Option<Place>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StopIn {
    content_block_index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop {
    stop_reason: String,
    additional_model_response_fields: Option<Fields>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    usage: Option<TokenUsage>,
    service_tier: Option<Tier>,
}

impl Decoder {
    /// A decoder for a model's answer: its id at the provider, and the id of the answer (the header
    /// `x-amzn-requestid`), which no event says.
    pub fn new(model: &str, id: impl Into<String>) -> Self {
        Self { id: id.into(), asked: model.to_owned(), model: Model::of(model), ..Self::default() }
    }

    /// The same where the model's id does not say what it is.
    #[must_use]
    pub fn of(mut self, model: Model) -> Self {
        self.model = model;
        self
    }

    /// Takes a frame.
    ///
    /// # Errors
    /// Data that is not the format's.
    pub fn frame(&mut self, frame: &Frame, out: &mut Vec<StreamEvent>) -> Result<(), DecodeError> {
        match frame.kind() {
            Kind::Event(name) | Kind::Exception(name) => self.event(name.as_bytes(), &frame.payload, out),
            Kind::Error { code, message } => {
                self.fail(
                    UpstreamError {
                        kind: Some(code.to_owned()),
                        message: Some(message.to_owned()),
                        ..UpstreamError::default()
                    },
                    out,
                );
                Ok(())
            }
            Kind::Other => Ok(()),
        }
    }

    fn fail(&mut self, e: UpstreamError, out: &mut Vec<StreamEvent>) {
        self.ended = true;
        out.push(StreamEvent::Error(e));
    }

    fn begin(&mut self, out: &mut Vec<StreamEvent>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(StreamEvent::Start {
                id: std::mem::take(&mut self.id),
                model: std::mem::take(&mut self.asked),
                created: None,
            });
        }
    }

    fn delta(&mut self, d: DeltaIn<'_>, out: &mut Vec<StreamEvent>) {
        let (at, more) = (d.content_block_index, d.delta);
        let Self { open, next, .. } = self;
        let block = open.entry(at).or_insert(Open::Nothing);
        if let Some(text) = more.text {
            block.text(text, next, out);
        }
        if let Some(c) = more.citation {
            block.citation(c, next, out);
        }
        if let Some(t) = more.reasoning_content {
            if let Some(text) = t.text {
                block.thought(text, next, out);
            }
            if let Some(s) = t.signature {
                block.signature(&s, next, out);
            }
            if let Some(blob) = t.redacted_content {
                block.redacted(&blob);
            }
        }
        if let Some(t) = more.tool_use {
            block.arguments(t.input, out);
        }
        if let Some(results) = more.tool_result {
            block.results(&results);
        }
        if let Some(bytes) = more.image.and_then(|i| i.source).and_then(|s| s.bytes) {
            block.bytes(bytes, out);
        }
    }

    fn close_all(&mut self, out: &mut Vec<StreamEvent>) {
        for (_, block) in std::mem::take(&mut self.open) {
            block.close(self.model, &mut self.next, out);
        }
    }

    fn end(&mut self, out: &mut Vec<StreamEvent>) {
        if !std::mem::replace(&mut self.ended, true) {
            out.push(StreamEvent::End);
        }
    }
}

impl StreamDecoder for Decoder {
    /// `name`: the frame's `:event-type` or `:exception-type`.
    fn event(&mut self, name: &[u8], data: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), DecodeError> {
        if self.ended {
            return Ok(());
        }
        match name {
            b"messageStart" => self.begin(out),
            b"contentBlockStart" => {
                self.begin(out);
                let e: Start<'_> = read(name, data)?;
                if let Some(start) = e.start {
                    let block = Open::begin(start, &mut self.next, out).map_err(|e| wrong(name, &e))?;
                    if let Some(old) = self.open.insert(e.content_block_index, block) {
                        old.close(self.model, &mut self.next, out);
                    }
                }
            }
            b"contentBlockDelta" => {
                self.begin(out);
                self.delta(read(name, data)?, out);
            }
            b"contentBlockStop" => {
                let e: StopIn = read(name, data)?;
                if let Some(block) = self.open.remove(&e.content_block_index) {
                    block.close(self.model, &mut self.next, out);
                }
            }
            b"messageStop" => {
                self.begin(out);
                let e: MessageStop = read(name, data)?;
                self.close_all(out);
                let sequence = e.additional_model_response_fields.and_then(Fields::sequence);
                out.push(StreamEvent::Stop { choice: 0, stop: reply::stop(&e.stop_reason, sequence) });
                self.stopped = true;
            }
            b"metadata" => {
                self.begin(out);
                let e: Metadata = read(name, data)?;
                if let Some(usage) = e.usage {
                    out.push(StreamEvent::Tokens(usage.tokens()));
                }
                if let Some(tier) = e.service_tier {
                    out.push(StreamEvent::ServiceTier(tier.r#type));
                }
                self.metered = true;
            }
            name if name.ends_with(b"Exception") => {
                let word = String::from_utf8_lossy(name);
                self.fail(error::exception(&word, data), out);
            }
            // An event that came after this was written.
            _ => {}
        }
        if self.stopped && self.metered {
            self.end(out);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        if self.ended {
            return;
        }
        self.close_all(out);
        if self.stopped {
            self.end(out);
        }
    }
}

fn read<'a, T: Deserialize<'a>>(name: &[u8], data: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(data).map_err(|e| wrong(name, &e))
}

fn wrong(name: &[u8], e: &serde_json::Error) -> DecodeError {
    DecodeError::new(String::from_utf8_lossy(name), e.to_string())
}
