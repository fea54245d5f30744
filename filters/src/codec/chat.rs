//! OpenAI's Chat Completions, and what servers that imitate it do differently (vLLM, Ollama, Mistral, DeepSeek, Groq,
//! OpenRouter, Gemini's OpenAI endpoint, Azure).
//!
//! Source of the shapes: OpenAI's OpenAPI document as its Python SDK carries it (`openai.types.chat`),
//! <https://platform.openai.com/docs/api-reference/chat>. Thoughts have no place in OpenAI's own format; they are told
//! as `reasoning_content` (DeepSeek's and vLLM's field, which clients show) and `reasoning_details` (OpenRouter's,
//! which carries the proofs: <https://openrouter.ai/docs/use-cases/reasoning-tokens>), and read from both again. A
//! client that gives back neither can go on talking, but the thoughts are gone.
//!
//! An assistant's turn has no order in this format. Canonical: thoughts, texts, refusal, sound, pictures, tool calls.

mod decode;
mod encode;
mod json;
mod options;
mod reply;
mod stream;
mod thoughts;
mod usage;
mod wire;

pub use decode::decode_request;
pub use encode::encode_request;
pub use encode::tools::restore_namespace;
pub use options::{CacheWords, ChatOptions, ReasoningWords, Thoughts};
pub use reply::decode_reply;
pub use reply::encode::{EncodeReply, encode_reply};
pub use stream::Decoder;
pub use stream::encode::Encoder;

#[cfg(test)]
mod tests;
