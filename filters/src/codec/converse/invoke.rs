//! Claude's own format on Bedrock: InvokeModel and InvokeModelWithResponseStream.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html>
//!
//! A request is Anthropic's without `model` and `stream` (both are in the path), with `anthropic_version` and with the
//! betas of the client's header as `anthropic_beta`. A whole answer is Anthropic's. A stream is frames of the type `chunk` whose payload is `{"bytes": base64}` of one of
//! Anthropic's events: unwrapped, a client of Anthropic's reads them as Anthropic would have written them.

use super::error;
use crate::codec::DecodeError;
use crate::codec::eventstream::{Frame, Kind};
use crate::dialect::fault::UpstreamError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, BytesMut};
use serde::Deserialize;
use std::borrow::Cow;

/// What a frame is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwrapped {
    /// An event: it has been appended.
    Event,
    /// The provider failed in mid-stream.
    Error(UpstreamError),
    /// Nothing for the client.
    Nothing,
}

/// Unwraps frames.
#[derive(Debug, Default)]
pub struct Unwrapper {
    /// The event's JSON.
    json: Vec<u8>,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
}

impl Unwrapper {
    /// Appends the event of a frame as `event: …\ndata: …\n\n`, its JSON byte for byte.
    ///
    /// # Errors
    /// A chunk that holds no event.
    pub fn frame(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<Unwrapped, DecodeError> {
        match frame.kind() {
            Kind::Event("chunk") => {
                let (name, json) = self.chunk(&frame.payload)?;
                // A line feed would end the line; JSON has none that matters.
                let lines = || json.split(|c| *c == b'\n' || *c == b'\r').filter(|l| !l.is_empty());
                out.reserve(name.len() + json.len() + 17);
                out.put_slice(b"event: ");
                out.put_slice(name.as_bytes());
                for line in lines() {
                    out.put_slice(b"\ndata: ");
                    out.put_slice(line);
                }
                out.put_slice(b"\n\n");
                Ok(Unwrapped::Event)
            }
            Kind::Exception(name) => Ok(Unwrapped::Error(error::exception(name, &frame.payload))),
            Kind::Error { code, message } => Ok(Unwrapped::Error(UpstreamError {
                kind: Some(code.to_owned()),
                message: Some(message.to_owned()),
                ..UpstreamError::default()
            })),
            Kind::Event(_) | Kind::Other => Ok(Unwrapped::Nothing),
        }
    }

    /// The event in a chunk: its name and its JSON.
    ///
    /// # Errors
    /// A payload that holds no event.
    pub fn chunk(&mut self, payload: &[u8]) -> Result<(Cow<'_, str>, &[u8]), DecodeError> {
        let chunk: Chunk<'_> =
            serde_json::from_slice(payload).map_err(|e| DecodeError::new("chunk", e.to_string()))?;
        self.json.clear();
        STANDARD
            .decode_vec(chunk.bytes.as_bytes(), &mut self.json)
            .map_err(|e| DecodeError::new("chunk.bytes", e.to_string()))?;
        let typed: Typed<'_> =
            serde_json::from_slice(&self.json).map_err(|e| DecodeError::new("chunk.bytes", e.to_string()))?;
        // It becomes a line of its own.
        if typed.r#type.contains(['\n', '\r']) {
            return Err(DecodeError::new("chunk.bytes", "the event's type is no name"));
        }
        Ok((typed.r#type, &self.json))
    }
}

/// Wraps an event as Bedrock does: the payload of a `chunk` frame (for simulators and tests).
pub fn wrap(json: &[u8]) -> Vec<u8> {
    format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(json)).into_bytes()
}
