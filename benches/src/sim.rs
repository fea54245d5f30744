//! An upstream simulator: speaks OpenAI's and Anthropic's APIs in the shapes that the real providers use, JSON and
//! SSE, over HTTP/1.1 and h2c, fast enough that it is not what a benchmark measures.
//!
//! What an answer looks like (how long it takes, how many tokens it has, whether it fails and how) is said by
//! *directives* in the model name, in `x-sim-*` headers, or by flags; see [`directive`] for the grammar. Prompts
//! may hold *triggers* (`[tool]`), see `prompt`.
//!
//! Counting is honest and by one rule: **4 bytes of text are 1 token**, rounded up; see `prompt` for which bytes
//! count as input, and `reply` for output, which is what was really sent.
//!
//! One request's way: `server` (socket, protocol) → `call` (record, authenticate, decide the fate) → a dialect's
//! module (a whole body or a `script::Script` of events) → `body` (plays the script in time, notices that the
//! client left).

mod anthropic;
mod bedrock;
mod body;
mod call;
mod control;
pub mod directive;
mod endpoint;
mod fault;
mod gemini;
mod ids;
mod memory;
mod multipart;
mod neutral;
mod openai;
mod platform;
mod prompt;
mod reply;
mod rerank;
mod schema;
mod script;
mod seal;
mod server;
mod stats;
mod strict;
mod text;

pub use server::{Sim, SimOptions};
