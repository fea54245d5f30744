//! Gemini's `generateContent`, as a front and as an upstream, of the Gemini API and of Vertex AI.
//!
//! Source: <https://ai.google.dev/api/generate-content>, <https://ai.google.dev/api/caching#Content>,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse>, and the models
//! of Google's SDK `google-genai`.
//!
//! What the engine must know, because it is not in the bodies:
//! - The model, and whether it is a stream, stand in the path: `…/models/MODEL:generateContent`,
//!   `:streamGenerateContent`, `:countTokens`, `:embedContent`, `:batchEmbedContents`; Vertex has
//!   `…/publishers/google/models/MODEL:…` and `:predict` for embeddings.
//! - `:streamGenerateContent` answers a JSON array unless the query says `alt=sse` ([`Framing`]). As an upstream always
//!   ask for `alt=sse`.
//! - Vertex takes the service tier in a header (`X-Vertex-AI-LLM-Shared-Request-Type: flex`), the Gemini API in the body.
//!
//! Google accepts `camelCase` and `snake_case` names of every field, one value instead of an array of one, and numbers
//! in strings; so does this decoder.

mod call_ids;
mod contents;
mod count;
mod embed;
mod encode;
mod error;
mod functions;
mod grounding;
mod json;
mod lenient;
mod media;
mod model;
mod part;
mod partial;
mod reply;
mod request;
mod schema;
mod seal;
mod settings;
mod speak;
mod stop;
mod stream;
mod thinking;
mod thoughts;
mod tokens;
mod wire;

pub use call_ids::{
    MAX_CALL_ID, embed_event, embed_reply, embed_signature, extract_conversation, extract_signature,
};
pub use count::{decode_count_reply, decode_count_request, encode_count_reply, encode_count_request};
pub use embed::{
    EmbedReply, EmbedRequest, decode_embed_reply, decode_embed_request, encode_embed_content,
    encode_embed_reply, encode_embed_request,
};
pub use encode::encode_request;
pub use error::{Failure, encode_error, encode_field_error, encode_stream_error, parse_error, words};
pub use functions::harmless;
pub use reply::{decode_reply, encode_reply};
pub use request::decode_request;
pub use schema::{from_json_schema, to_json_schema};
pub use speak::{Encoder, Framing};
pub use stream::Decoder;
pub use tokens::decode_usage;

/// Which of Google's two services the upstream is. Their bodies differ in a few fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Platform {
    /// `generativelanguage.googleapis.com`: `serviceTier` in the body, no labels, files of its Files API.
    #[default]
    GeminiApi,
    /// Vertex AI: labels, display names, `gs://` files; no server-side tool parts in the history.
    Vertex,
}

/// How to write a request for an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The service.
    pub platform: Platform,
    /// Schemas go as JSON Schema (`parametersJsonSchema`, `responseJsonSchema`). Else they are converted to Gemini's
    /// own subset of OpenAPI schemas, and what that cannot say is a loss.
    pub json_schema: bool,
    /// Calls and results carry ids. Both services know them; older servers refuse them.
    pub call_ids: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { platform: Platform::GeminiApi, json_schema: true, call_ids: true }
    }
}

impl Options {
    /// The usual options for a service.
    pub fn of(platform: Platform) -> Self {
        Self { platform, ..Self::default() }
    }
}

/// What an answer to a client is told beside the model's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodeReply {
    /// The model as the client asked for it: `modelVersion`.
    pub model: String,
    /// `responseId` where the upstream gave no id.
    pub id: String,
}
