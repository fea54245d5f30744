//! OpenAI's API.

mod audio;
pub(crate) mod azure;
mod chat;
mod completions;
mod embeddings;
mod images;
mod models;
mod moderations;
mod responses;
mod rules;
pub(crate) mod store;

pub(crate) use embeddings::vector;

use crate::sim::call::{Answer, Turn};
use crate::sim::endpoint::Endpoint;
use crate::sim::fault::{Dialect, Fault};
use crate::sim::reply::Usage;
use crate::sim::rerank;
use serde::Serialize;
use serde_json::value::RawValue;

/// Answers any call of this dialect.
pub(crate) fn answer(turn: Turn<'_>) -> Result<Answer, Fault> {
    match turn.endpoint {
        Endpoint::Chat => chat::answer(turn),
        Endpoint::Completions => completions::answer(turn),
        Endpoint::Responses => responses::create(turn),
        Endpoint::ResponsesCompact => responses::compact(turn),
        Endpoint::ResponsesInputTokens => Ok(responses::input_tokens(&turn)),
        Endpoint::ResponseGet => store::get(&turn),
        Endpoint::ResponseDelete => store::delete(&turn),
        Endpoint::ResponseCancel => store::cancel(&turn),
        Endpoint::ResponseInputItems => store::input_items(&turn),
        Endpoint::Embeddings => embeddings::answer(&turn),
        Endpoint::Rerank => rerank::cohere(&turn),
        Endpoint::Moderations => moderations::answer(turn),
        Endpoint::ImageGenerations => images::generate(&turn),
        Endpoint::ImageEdits => images::edit(&turn),
        Endpoint::Speech => audio::speech(&turn),
        Endpoint::Transcriptions => audio::transcribe(turn),
        Endpoint::Models => Ok(models::list(&turn)),
        Endpoint::Model => Ok(models::get(&turn)),
        _ => Err(Fault::new(404, "Invalid URL")),
    }
}

/// A field that must be there.
fn required<'a>(field: Option<&'a RawValue>, name: &'static str) -> Result<&'a RawValue, Fault> {
    field.ok_or_else(|| Fault::missing(Dialect::OpenAi, name))
}

/// `usage` of chat completions and completions.
#[derive(Clone, Copy, Debug, Serialize)]
struct ChatUsage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct PromptDetails {
    cached_tokens: u32,
    audio_tokens: u32,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u32,
    audio_tokens: u32,
    accepted_prediction_tokens: u32,
    rejected_prediction_tokens: u32,
}

impl From<Usage> for ChatUsage {
    fn from(u: Usage) -> Self {
        Self {
            prompt_tokens: u.input,
            completion_tokens: u.output,
            total_tokens: u.input + u.output,
            prompt_tokens_details: PromptDetails { cached_tokens: u.cached, audio_tokens: 0 },
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: u.reasoning,
                audio_tokens: 0,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }
}
