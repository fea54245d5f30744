//! Why an answer ended: <https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons>.

use super::fields::read;
use super::write::{Object, Sink};
use crate::ir::{Stop, StopReason};
use serde::Deserialize;

/// Named categories of `stop_details`.
const CATEGORIES: [&str; 5] = ["cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms"];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    category: Option<String>,
    explanation: Option<String>,
}

/// From `stop_reason`, `stop_sequence` and the JSON of `stop_details`.
pub(super) fn decode(reason: &str, sequence: Option<String>, details: Option<&str>) -> Stop {
    let details: Details = details.and_then(read).unwrap_or_default();
    let (reason, word) = match reason {
        "end_turn" => (StopReason::End, None),
        "max_tokens" => (StopReason::MaxTokens, None),
        "stop_sequence" => (StopReason::StopSequence, None),
        "tool_use" => (StopReason::ToolUse, None),
        "pause_turn" => (StopReason::Pause, None),
        "refusal" => (StopReason::Refusal, details.category),
        "model_context_window_exceeded" => (StopReason::ContextFull, None),
        other => (StopReason::Other, Some(other.to_owned())),
    };
    Stop { reason, sequence, word, detail: details.explanation }
}

/// Writes `stop_reason`, `stop_sequence` and, for refusals, `stop_details`. `refused`: the answer holds a refusal.
pub(super) fn write<B: Sink>(o: &mut Object<'_, B>, stop: Option<&Stop>, refused: bool) {
    let Some(Stop { reason, sequence, word, detail }) = stop else {
        o.raw("stop_reason", "null");
        o.raw("stop_sequence", "null");
        return;
    };
    let said = match reason {
        StopReason::End if refused => "refusal",
        StopReason::End | StopReason::BadToolCall => "end_turn",
        StopReason::MaxTokens => "max_tokens",
        StopReason::ContextFull => "model_context_window_exceeded",
        StopReason::StopSequence => "stop_sequence",
        StopReason::ToolUse => "tool_use",
        StopReason::Refusal | StopReason::ContentFilter => "refusal",
        StopReason::Pause => "pause_turn",
        StopReason::Other if word.as_deref() == Some("compaction") => "compaction",
        StopReason::Other => "end_turn",
    };
    o.str("stop_reason", said);
    match sequence {
        Some(s) if *reason == StopReason::StopSequence => o.str("stop_sequence", s),
        _ => o.raw("stop_sequence", "null"),
    }
    if said != "refusal" || (word.is_none() && detail.is_none()) {
        return;
    }
    o.object("stop_details", |d| {
        d.str("type", "refusal");
        let named = word.as_deref().filter(|w| CATEGORIES.contains(w));
        match named {
            Some(w) => d.str("category", w),
            None => d.raw("category", "null"),
        }
        // Another provider's word (`SAFETY`) is better than none.
        match detail.as_deref().or(word.as_deref().filter(|_| named.is_none())) {
            Some(text) => d.str("explanation", text),
            None => d.raw("explanation", "null"),
        }
    });
}
