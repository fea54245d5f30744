//! The service tier of an answer in the words of other dialects. SDKs know a closed list of them.

/// In OpenAI's words; None: it has none for it.
/// <https://platform.openai.com/docs/api-reference/chat/object#chat/object-service_tier>
pub(crate) fn openai(tier: &str) -> Option<&str> {
    match tier {
        "auto" | "default" | "flex" | "scale" | "priority" => Some(tier),
        // Anthropic, Google; Groq.
        "standard" | "on_demand" => Some("default"),
        _ => None,
    }
}

/// In Google's words; None: it has none for it.
/// <https://ai.google.dev/api/generate-content#UsageMetadata>
pub(crate) fn google(tier: &str) -> Option<&str> {
    match tier {
        "standard" | "flex" | "priority" => Some(tier),
        "default" | "on_demand" => Some("standard"),
        _ => None,
    }
}
