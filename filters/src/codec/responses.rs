//! OpenAI's Responses: as a front and as an upstream.
//! Source: the OpenAPI document of openai/openai-openapi, and the types of the official Python SDK 3.57.
//!
//! `POST /v1/responses`, whole or as server-sent events whose names are the `type` in their data. Two things of the
//! format have no place in a conversation and are this gateway's to do: names of tools in namespaces
//! ([`crate::codec::tool_names`]) and free-text tools ([`crate::codec::custom_tools`]).

mod annotation;
mod carry;
mod decode_input;
mod decode_reply;
mod decode_request;
mod decoder;
mod echo;
mod encode_items;
mod encode_reply;
mod encode_request;
mod encode_settings;
mod encoder;
mod event;
mod events;
mod input;
mod item;
mod json;
mod kept;
mod media;
mod object;
mod open;
mod output;
mod piece;
mod request_body;
mod tools;
mod websearch;

pub use decode_reply::decode_reply;
pub use decode_request::decode_request;
pub use decoder::Decoder;
pub use echo::Echo;
pub use encode_reply::encode_reply;
pub use encode_request::{RequestOptions, encode_request};
pub use encoder::Encoder;
pub use events::{Events, ends, event, state};
pub use kept::{PageQuery, Turn, at_once, continued, dereferenced, encode_queued, references};
pub use object::{EncodeReply, Kept};

/// Fields of a request of this dialect that change at most cost, bookkeeping or what is told beside the answer, never
/// the answer: a loss of one of them is a hint ([`crate::ir::Loss::harmless`]), whatever the upstream.
/// `field`: as [`crate::ir::Conversation::extra`] names it.
pub fn harmless(field: &str) -> bool {
    const TOP: [&str; 11] = [
        "client_metadata",
        "include",
        "stream_options",
        "prompt_cache_options",
        "user",
        "truncation",
        "reasoning.context",
        "context_management",
        "background_options",
        "image",
        "access_programs",
    ];
    // Inside items: bookkeeping of the server that made them.
    const INSIDE: [&str; 6] = [
        ".phase",
        ".caller",
        ".async",
        ".created_by",
        ".internal_chat_message_metadata_passthrough",
        ".prompt_cache_breakpoint",
    ];
    TOP.contains(&field) || (field.starts_with("input[") && INSIDE.iter().any(|end| field.ends_with(end)))
}

#[cfg(test)]
mod tests;
