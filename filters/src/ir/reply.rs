//! A whole answer.

use super::block::Block;
use super::raw::Raw;
pub use sallyport_schema::call::Usage;

/// Why the model stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// It was done.
    #[default]
    End,
    /// `max_tokens`.
    MaxTokens,
    /// The model's context is full.
    ContextFull,
    /// A stop text.
    StopSequence,
    /// It waits for tools.
    ToolUse,
    /// It declines, or the provider's safety system cut the answer.
    Refusal,
    /// The provider's filter blocked the answer (Azure's and OpenAI's `content_filter`, Gemini's `SAFETY`,
    /// `PROHIBITED_CONTENT`, …; Bedrock's guardrail).
    ContentFilter,
    /// A long turn is paused; send it back to go on (Anthropic).
    Pause,
    /// The model wrote a tool call that cannot be read (Gemini's `MALFORMED_FUNCTION_CALL`).
    BadToolCall,
    /// Something that has no name here.
    Other,
}

/// Why, in full.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stop {
    /// The kind.
    pub reason: StopReason,
    /// Which stop text it was, where the provider says it.
    pub sequence: Option<String>,
    /// The provider's own word, where `reason` alone would lose it (`RECITATION`, `PROHIBITED_CONTENT`).
    pub word: Option<String>,
    /// The provider's explanation.
    pub detail: Option<String>,
}

/// Log-probabilities of tokens, in OpenAI's Chat shape (`[{token, logprob, bytes, top_logprobs}]`).
pub type Logprobs = Raw;

/// One of the answers asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// In the order of the dialect.
    pub content: Vec<Block>,
    /// Why it ended; None: the provider did not say (a stream that was cut).
    pub stop: Option<Stop>,
    /// Where asked for.
    pub logprobs: Option<Logprobs>,
}

/// Token counts. Audio parts beside what the call log keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// What is logged and priced. `input` includes cached and written parts; `output` includes reasoning.
    pub usage: Usage,
    /// Of the input, sound.
    pub audio_input: u64,
    /// Of the output, sound.
    pub audio_output: u64,
    /// The gateway counted, not the provider.
    pub estimated: bool,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The provider's id of it.
    pub id: String,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// Unix seconds, where the provider says it.
    pub created: Option<i64>,
    /// The answers (one, unless `n` asked for more). Empty: the prompt itself was blocked; see `blocked`.
    pub choices: Vec<Choice>,
    /// Tokens, where the provider says them.
    pub tokens: Option<Tokens>,
    /// The service tier that served it, in the provider's word.
    pub service_tier: Option<String>,
    /// The prompt was blocked before any answer (Gemini's `promptFeedback`): why.
    pub blocked: Option<Stop>,
}
