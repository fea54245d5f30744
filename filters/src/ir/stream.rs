//! Pieces of a streamed answer.
//!
//! Order, for every decoder: one [`StreamEvent::Start`] first (at most a `ServiceTier` before it); blocks of a choice
//! one after the other or interleaved, each from `BlockStart` to `BlockStop` under an index that counts from 0 within
//! its choice, in the order of their starts; a `Stop` a choice; `Tokens` whenever the provider says them (each replaces the one before; the last one
//! comes before `End`); one `End` last. A decoder whose dialect has no such borders (Chat, Gemini) makes them.
//! An `Error` may come at any time and ends the stream.

use super::block::{Block, Citation};
use super::raw::Raw;
use super::reply::{Stop, Tokens};
use super::signature::Signature;
use crate::dialect::fault::UpstreamError;

/// More of a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// Text of a text block or a refusal.
    Text(String),
    /// A source of a text block.
    Citation(Citation),
    /// Tool arguments: the next characters of the JSON (or free) text.
    Arguments(String),
    /// Thought.
    Thinking(String),
    /// The next part of a thought's summary begins (OpenAI's reasoning items; the first part has begun with the
    /// first `Thinking` delta unless this came before).
    SummaryPart,
    /// The proof of a thought, text or call: whole, never in pieces.
    Signature(Signature),
    /// Base64 of an image or sound: the next piece.
    Data(String),
    /// Words of a sound.
    Transcript(String),
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// The answer begins.
    Start {
        /// The provider's id of it.
        id: String,
        /// The model that answers.
        model: String,
        /// Unix seconds, where the provider says it.
        created: Option<i64>,
    },
    /// A block begins. Texts, thoughts, refusals and arguments are empty here and come as deltas; blocks that come
    /// whole (server tools, opaque ones, images) are complete.
    BlockStart {
        /// Which of the `n` answers.
        choice: u32,
        /// Which block of it.
        index: u32,
        /// What it is.
        block: Block,
    },
    /// More of it.
    BlockDelta {
        /// Which of the `n` answers.
        choice: u32,
        /// Which block of it.
        index: u32,
        /// What comes.
        delta: Delta,
    },
    /// It is complete.
    BlockStop {
        /// Which of the `n` answers.
        choice: u32,
        /// Which block of it.
        index: u32,
    },
    /// Log-probabilities of the tokens that came since the last time.
    Logprobs {
        /// Which of the `n` answers.
        choice: u32,
        /// OpenAI's Chat shape: an array.
        content: Raw,
    },
    /// One answer is complete.
    Stop {
        /// Which of the `n` answers.
        choice: u32,
        /// Why.
        stop: Stop,
    },
    /// Tokens so far; replaces what was said before.
    Tokens(Tokens),
    /// The service tier that serves it.
    ServiceTier(String),
    /// The prompt was blocked: no answer comes.
    Blocked(Stop),
    /// Keeps the connection alive.
    Ping,
    /// The provider failed in mid-stream.
    Error(UpstreamError),
    /// The answer is complete.
    End,
}
