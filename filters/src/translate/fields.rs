//! What the IR calls a setting, in the words of a front.

use crate::codec::Wire;
use std::borrow::Cow;

/// The client's own name for a field that an encoder reported. Fields of messages and tools come with the client's own
/// path already and stay.
pub(super) fn of_front(front: Wire, field: &str) -> Cow<'_, str> {
    // The name of a file among the contents of a message.
    if let Some(at) = field.strip_suffix(".name").filter(|at| at.contains(".content")) {
        return Cow::Owned(match front {
            Wire::Chat => format!("{at}.file.filename"),
            Wire::Responses => format!("{at}.filename"),
            Wire::Messages => format!("{at}.title"),
            Wire::Gemini | Wire::Converse => field.to_owned(),
        });
    }
    // How closely a picture is looked at.
    if let Some(at) = field.strip_suffix(".detail") {
        return match front {
            Wire::Chat => Cow::Owned(format!("{at}.image_url.detail")),
            Wire::Gemini => Cow::Owned(format!("{at}.mediaResolution")),
            _ => Cow::Borrowed(field),
        };
    }
    // The proof of a thought.
    if let (Wire::Responses, Some(at)) = (front, field.strip_suffix(".signature")) {
        return Cow::Owned(format!("{at}.encrypted_content"));
    }
    // A keyword of a schema.
    if let Some(keyword) = field.strip_prefix("format ") {
        return Cow::Owned(format!("{} {keyword}", of_front(front, "format")));
    }
    let own = match (front, field) {
        (Wire::Responses, "max_tokens") => "max_output_tokens",
        (Wire::Gemini, "max_tokens") => "generationConfig.maxOutputTokens",
        (Wire::Gemini, "temperature") => "generationConfig.temperature",
        (Wire::Gemini, "top_p") => "generationConfig.topP",
        (Wire::Gemini, "top_k") => "generationConfig.topK",
        (Wire::Messages, "stop") => "stop_sequences",
        (Wire::Gemini, "stop") => "generationConfig.stopSequences",
        (Wire::Gemini, "n") => "generationConfig.candidateCount",
        (Wire::Gemini, "seed") => "generationConfig.seed",
        (Wire::Responses, "logprobs") => "include",
        (Wire::Gemini, "logprobs") => "generationConfig.responseLogprobs",
        (Wire::Gemini, "top_logprobs") => "generationConfig.logprobs",
        (Wire::Gemini, "presence_penalty") => "generationConfig.presencePenalty",
        (Wire::Gemini, "frequency_penalty") => "generationConfig.frequencyPenalty",
        (Wire::Chat, "reasoning") => "reasoning_effort",
        (Wire::Messages, "reasoning") => "thinking",
        (Wire::Gemini, "reasoning") => "generationConfig.thinkingConfig",
        (Wire::Messages, "reasoning.summary") => "thinking.display",
        (Wire::Gemini, "reasoning.summary") => "generationConfig.thinkingConfig.includeThoughts",
        (Wire::Chat, "format") => "response_format",
        (Wire::Responses, "format") => "text.format",
        (Wire::Messages, "format") => "output_config.format",
        (Wire::Gemini, "format") => "generationConfig.responseSchema",
        (Wire::Responses, "verbosity") => "text.verbosity",
        (Wire::Chat | Wire::Responses, "parallel_tools") => "parallel_tool_calls",
        (Wire::Messages, "parallel_tools") => "tool_choice.disable_parallel_tool_use",
        (Wire::Messages, "user") => "metadata.user_id",
        (Wire::Gemini, "metadata") => "labels",
        (Wire::Gemini, "service_tier") => "serviceTier",
        (Wire::Chat | Wire::Responses, "cache_key") => "prompt_cache_key",
        (Wire::Chat | Wire::Responses, "cache_retention") => "prompt_cache_retention",
        (Wire::Gemini, "modalities") => "generationConfig.responseModalities",
        (Wire::Gemini, "input") => "content",
        (Wire::Gemini, "dimensions") => "outputDimensionality",
        (Wire::Gemini, "input_type") => "taskType",
        (Wire::Gemini, "tool_choice") => "toolConfig",
        (Wire::Responses, "previous_response") => "previous_response_id",
        (Wire::Responses, "encrypted_reasoning") => "include",
        _ => return Cow::Borrowed(field),
    };
    Cow::Borrowed(own)
}

#[cfg(test)]
mod tests;
