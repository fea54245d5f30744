//! `finishReason`. <https://ai.google.dev/api/generate-content#FinishReason>

use crate::ir::{Stop, StopReason};

/// Filters of Google's that cut an answer, beside the usual one (`SAFETY`).
const FILTERS: [&str; 9] = [
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
    "JAILBREAK",
];

/// Other reasons.
const OTHERS: [&str; 11] = [
    "LANGUAGE",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
    "CONTINUATION",
    "FINISH_REASON_UNSPECIFIED",
];

/// Reads it. `called`: the answer has calls of the client's functions, for which Google has no reason of its own.
pub(super) fn read(word: &str, message: Option<&str>, called: bool) -> Stop {
    let (reason, keep) = match word {
        "STOP" if called => (StopReason::ToolUse, false),
        "STOP" => (StopReason::End, false),
        "MAX_TOKENS" => (StopReason::MaxTokens, false),
        "SAFETY" => (StopReason::ContentFilter, false),
        "MALFORMED_FUNCTION_CALL" => (StopReason::BadToolCall, false),
        "UNEXPECTED_TOOL_CALL" => (StopReason::BadToolCall, true),
        "OTHER" => (StopReason::Other, false),
        w if FILTERS.contains(&w) => (StopReason::ContentFilter, true),
        _ => (StopReason::Other, true),
    };
    Stop {
        reason,
        sequence: None,
        word: keep.then(|| word.to_owned()),
        detail: message.filter(|m| !m.is_empty()).map(str::to_owned),
    }
}

/// The word.
pub(super) fn word(stop: &Stop) -> &str {
    // Which stop text it was, Google never says.
    let Stop { reason, sequence: _, word, detail: _ } = stop;
    if let Some(w) = word.as_deref().filter(|w| FILTERS.contains(w) || OTHERS.contains(w)) {
        return w;
    }
    match reason {
        // Google says `STOP` also where it waits for functions.
        StopReason::End | StopReason::ToolUse | StopReason::StopSequence | StopReason::Pause => "STOP",
        StopReason::MaxTokens | StopReason::ContextFull => "MAX_TOKENS",
        StopReason::Refusal | StopReason::ContentFilter => "SAFETY",
        StopReason::BadToolCall => "MALFORMED_FUNCTION_CALL",
        StopReason::Other => "OTHER",
    }
}

/// Reads `promptFeedback.blockReason`: the prompt was blocked.
pub(super) fn blocked(word: &str, message: Option<&str>) -> Stop {
    Stop {
        reason: StopReason::ContentFilter,
        sequence: None,
        word: (word != "SAFETY").then(|| word.to_owned()),
        detail: message.filter(|m| !m.is_empty()).map(str::to_owned),
    }
}

/// The word for `blockReason`.
pub(super) fn block_word(stop: &Stop) -> &str {
    const WORDS: [&str; 6] =
        ["OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"];
    stop.word.as_deref().filter(|w| WORDS.contains(w)).unwrap_or("SAFETY")
}
