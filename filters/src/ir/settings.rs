//! How the model is to answer.

use super::raw::Raw;

/// How hard to think, in words. From least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as the model can.
    Minimal,
    /// A little.
    Low,
    /// The usual.
    Medium,
    /// Much.
    High,
    /// Very much.
    XHigh,
    /// All it has.
    Max,
}

impl Effort {
    /// The word that OpenAI and Anthropic use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// From the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max]
            .into_iter()
            .find(|e| e.word() == word)
    }

    /// Tokens of thought for providers that want a budget. The steps are those that OpenRouter and LiteLLM use
    /// (1 024 is Anthropic's least).
    pub const fn budget(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Minimal | Self::Low => 1_024,
            Self::Medium => 4_096,
            Self::High => 16_384,
            Self::XHigh => 24_576,
            Self::Max => 32_000,
        }
    }

    /// The word for a budget: the least whose budget is not below it.
    pub fn of_budget(tokens: u32) -> Self {
        match tokens {
            0 => Self::None,
            1..=1_024 => Self::Low,
            1_025..=8_192 => Self::Medium,
            _ => Self::High,
        }
    }
}

/// What the client asks of the model's thinking.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reasoning {
    /// On or off, where the client says so apart from effort and budget.
    pub enabled: Option<bool>,
    /// The model decides how much (Anthropic's `adaptive`, Gemini's budget −1).
    pub adaptive: bool,
    /// In words.
    pub effort: Option<Effort>,
    /// In tokens.
    pub budget: Option<u32>,
    /// Shown: `Some("auto"|"concise"|"detailed")` OpenAI's `summary`; Anthropic's `display` and Gemini's
    /// `includeThoughts: true` are `auto`; `Some("omitted")`: sealed only. None: the dialect's default.
    pub summary: Option<String>,
}

/// How the answer's text must look.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// Free text (said explicitly).
    Text,
    /// Some JSON.
    JsonObject,
    /// JSON by a schema.
    JsonSchema {
        /// OpenAI wants a name; others have none.
        name: Option<String>,
        /// For the model.
        description: Option<String>,
        /// The schema.
        schema: Raw,
        /// Exactly.
        strict: Option<bool>,
    },
}

/// All settings; None: the client said nothing. Each encoder must look at every field: say it, or report a loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Most tokens of the answer, thoughts included.
    pub max_tokens: Option<u64>,
    /// 0–2 (OpenAI, Gemini) or 0–1 (Anthropic): passed as it is.
    pub temperature: Option<f64>,
    /// Nucleus.
    pub top_p: Option<f64>,
    /// Most likely tokens considered.
    pub top_k: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Answers wanted.
    pub n: Option<u32>,
    /// For repeatable answers.
    pub seed: Option<i64>,
    /// Log-probabilities of the answer's tokens.
    pub logprobs: Option<bool>,
    /// And of so many alternatives at each place.
    pub top_logprobs: Option<u32>,
    /// −2…2.
    pub presence_penalty: Option<f64>,
    /// −2…2.
    pub frequency_penalty: Option<f64>,
    /// OpenAI's token biases.
    pub logit_bias: Option<Raw>,
    /// Thinking.
    pub reasoning: Option<Reasoning>,
    /// Form of the answer.
    pub format: Option<Format>,
    /// OpenAI's `verbosity`.
    pub verbosity: Option<String>,
    /// May several tools be called at once?
    pub parallel_tools: Option<bool>,
    /// `auto`, `default`, `flex`, `priority`, `standard_only`: as the client wrote it.
    pub service_tier: Option<String>,
    /// Who the end user is: OpenAI's `user`/`safety_identifier`, Anthropic's `metadata.user_id`.
    pub user: Option<String>,
    /// OpenAI's `metadata` map, Bedrock's `requestMetadata`.
    pub metadata: Vec<(String, String)>,
    /// OpenAI's `prompt_cache_key`.
    pub cache_key: Option<String>,
    /// OpenAI's `prompt_cache_retention` (`in-memory`, `24h`).
    pub cache_retention: Option<String>,
    /// Is the answer to be an event stream?
    pub stream: bool,
    /// Did the client ask for usage in the stream (Chat only; every other dialect always has it)?
    pub stream_usage: bool,
    /// Kinds of output wanted beside text (`audio`, `image`), in OpenAI's words.
    pub modalities: Vec<String>,
    /// Voice and format of audio output.
    pub audio: Option<Raw>,
    /// OpenAI's Responses: keep the answer at the provider?
    pub store: Option<bool>,
    /// OpenAI's Responses: the answer that this one continues.
    pub previous_response: Option<String>,
    /// OpenAI's Responses: answer later.
    pub background: Option<bool>,
    /// OpenAI's Responses: wants `reasoning.encrypted_content` in the answer.
    pub encrypted_reasoning: bool,
}
