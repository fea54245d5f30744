//! Codecs: each wire format to and from the conversation IR ([`crate::ir`]). Sans-I/O, incremental, fuzzed.
//!
//! A format is one folder: `request.rs` (decode, encode), `reply.rs` (decode, encode), `stream.rs` (decoder, encoder).
//! Formats that are upstreams only (Bedrock's Converse) lack what only a front needs.

pub mod chat;
pub mod converse;
pub mod custom_tools;
pub mod embeddings;
pub mod eventstream;
pub mod gemini;
pub mod messages;
mod out;
pub mod rerank;
pub mod responses;
pub(crate) mod text;
mod tiers;
pub mod tool_names;

use crate::ir::stream::StreamEvent;
use bytes::BytesMut;

/// Bytes that a request's body has room for at first: an agent's is moved once or twice while it grows.
const ROOM: usize = 16 * 1024;

/// A wire format of model calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wire {
    /// OpenAI's Chat Completions, and whatever is compatible with it.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
    /// Gemini's generateContent.
    Gemini,
    /// AWS Bedrock's Converse.
    Converse,
}

/// Why bytes could not be read as a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct DecodeError {
    /// The field that is wrong, in the format's notation; empty: the whole.
    pub field: String,
    /// What is wrong with it, for the client.
    pub why: String,
}

impl DecodeError {
    /// An error about a field.
    pub fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

/// Does the beginning of a tool's output say that it failed? (In formats that have no other place for it.)
fn says_error(output: &str) -> bool {
    let start: String = output.chars().take(60).collect();
    start.to_ascii_lowercase().contains("error")
}

/// Reads a format's stream, one whole SSE event (or AWS frame) after the other.
pub trait StreamDecoder: Send + std::fmt::Debug {
    /// Takes an event: its `event:` name (may be empty) and its data; appends what it means to `out`.
    ///
    /// # Errors
    /// Data that is not the format's.
    fn event(&mut self, name: &[u8], data: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), DecodeError>;

    /// The stream is at its end: appends what is still open (a format without an end of its own ends here; one that
    /// was cut short gets no `End`).
    fn finish(&mut self, out: &mut Vec<StreamEvent>);
}

/// Writes a format's stream.
pub trait StreamEncoder: Send + std::fmt::Debug {
    /// Appends the bytes that say `event`: none, one or several whole events.
    fn event(&mut self, event: &StreamEvent, out: &mut BytesMut);

    /// The number of the next event, in formats that number them, for whoever must add one.
    fn next_sequence(&self) -> u64 {
        0
    }

    /// The whole answer, once, after its end, in formats whose stream ends with it and where it is kept.
    fn take_object(&mut self) -> Option<Vec<u8>> {
        None
    }
}
