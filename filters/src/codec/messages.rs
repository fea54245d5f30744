//! Anthropic's Messages, as front and as upstream: `/v1/messages`, `/v1/messages/count_tokens`, and the same bodies on
//! Bedrock (InvokeModel) and Vertex (rawPredict). <https://platform.claude.com/docs/en/api/messages/create>
//!
//! Requests and answers are the same language here: an assistant's turn comes back as it was given out. Canonical
//! spellings: a single plain text is a string; `ttl: "5m"`, `is_error: false`, `strict: false`, `caller: direct` and
//! null are said by saying nothing; structured output is `output_config.format`.

mod blocks;
mod carrier;
mod citation;
mod decoder;
mod encode;
mod encoder;
mod extras;
mod fields;
mod media;
mod models;
mod platform;
mod reply;
mod request;
mod say;
mod stop;
mod thinking;
mod tokens;
mod tools;
mod turns;
mod write;

pub use decoder::Decoder;
pub use encode::{encode_count_tokens_request, encode_request};
pub use encoder::Encoder;
pub use models::Abilities;
pub use platform::{Platform, apply, splices};
pub use reply::{EncodeReply, decode_reply, encode_count_tokens_reply, encode_reply};
pub use request::{decode_count_tokens, decode_request};

/// What decides how a request is written beside what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestOptions {
    /// Where it goes.
    pub platform: Platform,
    /// `max_tokens`, which Anthropic demands, for clients that did not give it. A budget of thoughts comes on top if
    /// it would not fit in.
    pub default_max_tokens: u64,
    /// The client wrote it in this format: thinking, sampling and order go on as they were written, and the API
    /// judges them. Otherwise they are brought into a form that the model takes.
    pub own_front: bool,
    /// What the model accepts; None: judged by its name.
    pub abilities: Option<Abilities>,
    /// The client's `anthropic-beta`s, for Bedrock's body (elsewhere they are a header).
    pub betas: Vec<String>,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self {
            platform: Platform::Anthropic,
            // The most that every model since Claude 3 takes is 4 096; 8 192 since 3.5.
            default_max_tokens: 8_192,
            own_front: false,
            abilities: None,
            betas: Vec::new(),
        }
    }
}

/// Fields of a request of this dialect that change cost, speed or bookkeeping, never what was asked: a loss of one of
/// them is a hint ([`crate::ir::Loss::harmless`]), whatever the upstream. `context_management` clears what is old out
/// of the context to save tokens; without it everything stays there. `field`: as
/// [`crate::ir::Conversation::extra`] names it.
pub fn harmless(field: &str) -> bool {
    const TOP: [&str; 8] = [
        "anthropic_beta",
        "anthropic_version",
        "billing_policy",
        "cache_control",
        "context_management",
        "diagnostics",
        "speed",
        "user_profile_id",
    ];
    TOP.contains(&field)
}

#[cfg(test)]
mod tests;
