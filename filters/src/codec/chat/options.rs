//! What one Chat server takes and another refuses.

/// How a server wants thoughts of earlier turns back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thoughts {
    /// Not at all (OpenAI: they stay with the provider).
    Omit,
    /// As `reasoning_content` (DeepSeek, SGLang, llama.cpp, Kimi, GLM).
    Content,
    /// As `reasoning_content` and, under its newer name, as `reasoning`: vLLM since 0.16 and Ollama read that alone.
    /// Hosted services that check every field refuse it.
    /// <https://docs.vllm.ai/en/stable/features/reasoning_outputs/>
    Both,
    /// As `reasoning` alone.
    Reasoning,
    /// As `reasoning_details` with their proofs, and `reasoning` (OpenRouter).
    Details,
    /// As `thinking` parts of the content (Mistral).
    Parts,
}

/// How a server is told how hard to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningWords {
    /// `reasoning_effort` (OpenAI, Groq, Ollama, vLLM, Mistral).
    Effort,
    /// `reasoning: {effort | max_tokens, enabled, exclude}` (OpenRouter).
    Object,
    /// `thinking: {type}` (DeepSeek, GLM, Kimi).
    Switch,
    /// Not at all.
    None,
}

/// How a server is told where a prompt cache ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheWords {
    /// It caches by itself or not at all.
    None,
    /// `prompt_cache_breakpoint` (OpenAI since gpt-5.6; older models refuse it).
    Breakpoint,
    /// Anthropic's `cache_control` (OpenRouter).
    Control,
}

/// What a server speaks beyond the common core. Start from one of the presets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatOptions {
    /// Name of the limit: `max_completion_tokens` (else `max_tokens`).
    pub max_completion_tokens: bool,
    /// Knows the role `developer` (else it is told as `system`).
    pub developer: bool,
    /// Knows what belongs to an OpenAI account: `store`, `metadata`, `prompt_cache_key`, `prompt_cache_retention`,
    /// `verbosity`.
    pub account: bool,
    /// Takes `service_tier`.
    pub service_tier: bool,
    /// Takes `user`.
    pub user: bool,
    /// Takes `top_k`.
    pub top_k: bool,
    /// Takes `logprobs`, `top_logprobs`, `logit_bias`.
    pub logprobs: bool,
    /// Name of the seed.
    pub seed: &'static str,
    /// Word for "use at least one tool".
    pub required: &'static str,
    /// Thoughts of earlier turns.
    pub thoughts: Thoughts,
    /// Effort.
    pub reasoning: ReasoningWords,
    /// Takes a schema for the answer (else only "some JSON").
    pub schema: bool,
    /// Takes tools with free text (`custom`) and `allowed_tools`.
    pub custom_tools: bool,
    /// Takes `file` parts.
    pub files: bool,
    /// Fetches the address in a `file` part itself.
    pub file_urls: bool,
    /// Takes `video_url` parts.
    pub video: bool,
    /// Takes pictures and files in a tool's message (else they follow in a user's message).
    pub tool_media: bool,
    /// Takes `web_search_options`.
    pub web_search: bool,
    /// Marks of prompt caches.
    pub cache: CacheWords,
    /// Accepts only tool call ids of nine letters and digits.
    pub short_ids: bool,
    /// Accepts tool call ids of more than 40 characters.
    pub long_ids: bool,
    /// Knows `parallel_tool_calls`.
    pub parallel: bool,
    /// Wants to be asked for usage in streams (else it refuses the question, and tells anyway).
    pub stream_options: bool,
    /// Takes texts only as one string, not as parts.
    pub flat_text: bool,
    /// Takes instructions anywhere (else only at the beginning, as one message: the templates of many open models
    /// refuse others).
    pub system_anywhere: bool,
    /// Lets a user's message follow a tool's (else what the user says there stands in the tool's message).
    pub user_after_tool: bool,
    /// Wants Gemini's signatures back on tool calls, as `extra_content`.
    pub call_signatures: bool,
}

impl ChatOptions {
    /// OpenAI.
    pub const fn openai() -> Self {
        Self {
            max_completion_tokens: true,
            developer: true,
            account: true,
            service_tier: true,
            user: true,
            top_k: false,
            logprobs: true,
            seed: "seed",
            required: "required",
            thoughts: Thoughts::Omit,
            reasoning: ReasoningWords::Effort,
            schema: true,
            custom_tools: true,
            files: true,
            file_urls: false,
            video: false,
            tool_media: false,
            web_search: true,
            cache: CacheWords::None,
            short_ids: false,
            long_ids: false,
            parallel: true,
            stream_options: true,
            flat_text: false,
            system_anywhere: true,
            user_after_tool: true,
            call_signatures: false,
        }
    }

    /// A server of open models: vLLM, SGLang, Ollama, llama.cpp, and whatever is not known better.
    pub const fn compatible() -> Self {
        Self {
            max_completion_tokens: false,
            developer: false,
            account: false,
            service_tier: false,
            top_k: true,
            thoughts: Thoughts::Content,
            custom_tools: false,
            files: false,
            video: true,
            web_search: false,
            long_ids: true,
            system_anywhere: false,
            ..Self::openai()
        }
    }

    /// Azure's dated API, which answers 400 to every field that it does not know ("Unknown parameter: 'store'").
    /// `version`: one from before the Responses API (2025-03-01-preview), as in `2024-10-21`.
    /// <https://learn.microsoft.com/azure/ai-services/openai/api-version-deprecation>,
    /// `createChatCompletionRequest` in
    /// <https://github.com/Azure/azure-rest-api-specs/tree/main/specification/cognitiveservices/data-plane/AzureOpenAI/inference>
    pub fn azure(version: &str) -> Self {
        // With o1-preview came the new limit, the switch for parallel calls and usage in streams; with o1 the effort
        // and the role `developer`.
        let (preview, o1) = (version >= "2024-09-01", version >= "2024-12-01");
        Self {
            max_completion_tokens: preview,
            parallel: preview,
            stream_options: preview,
            developer: o1,
            reasoning: if o1 { ReasoningWords::Effort } else { ReasoningWords::None },
            account: false,
            service_tier: false,
            custom_tools: false,
            files: false,
            web_search: false,
            ..Self::openai()
        }
    }

    /// Mistral: refuses every field that it does not know.
    pub const fn mistral() -> Self {
        Self {
            user: false,
            top_k: false,
            logprobs: false,
            seed: "random_seed",
            required: "any",
            thoughts: Thoughts::Parts,
            video: false,
            tool_media: true,
            short_ids: true,
            stream_options: false,
            user_after_tool: false,
            ..Self::compatible()
        }
    }

    /// DeepSeek. (With tools it wants its thoughts back, and refuses a turn with calls that has none.)
    pub const fn deepseek() -> Self {
        Self {
            top_k: false,
            reasoning: ReasoningWords::Switch,
            schema: false,
            video: false,
            flat_text: true,
            system_anywhere: true,
            ..Self::compatible()
        }
    }

    /// Groq.
    pub const fn groq() -> Self {
        Self {
            max_completion_tokens: true,
            service_tier: true,
            top_k: false,
            thoughts: Thoughts::Omit,
            video: false,
            system_anywhere: true,
            ..Self::compatible()
        }
    }

    /// Gemini's OpenAI endpoint.
    pub const fn gemini() -> Self {
        Self {
            top_k: false,
            logprobs: false,
            thoughts: Thoughts::Omit,
            video: false,
            call_signatures: true,
            system_anywhere: true,
            ..Self::compatible()
        }
    }

    /// OpenRouter.
    pub const fn openrouter() -> Self {
        Self {
            thoughts: Thoughts::Details,
            reasoning: ReasoningWords::Object,
            files: true,
            file_urls: true,
            tool_media: true,
            web_search: true,
            cache: CacheWords::Control,
            system_anywhere: true,
            ..Self::compatible()
        }
    }
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self::openai()
    }
}
