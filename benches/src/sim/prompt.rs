//! What the simulator reads out of a request's body, in one pass and almost without allocation.
//!
//! **Input tokens**: the bytes of all string values (unescaped) that stand under the keys `content`, `text`,
//! `input`, `output`, `arguments`, `thinking`, `query` anywhere in `messages`, `input`, `prompt`, `system` or
//! `instructions`, and of all keys and string values in `tools`; divided by 4, rounded up. Images, files and other
//! base64 data do not count.
//!
//! **Triggers** in what the user said since the model's last turn (not in what carries a tool's result):
//! `[tool]` calls the first tool with arguments made from its schema; `[tool:NAME]` calls that tool;
//! `[tool:NAME {"a":1}]` with these arguments. Several triggers make several parallel calls.

mod tally;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use tally::Counts;
pub(crate) use tally::Tally;

/// The fields of the supported APIs that decide what the answer looks like. What is not here is ignored, as the
/// simulator is no validator.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ask<'a> {
    #[serde(borrow)]
    pub(crate) model: Option<Cow<'a, str>>,
    pub(crate) stream: Option<bool>,
    pub(crate) stream_options: Option<StreamOptions>,
    pub(crate) n: Option<u32>,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) max_completion_tokens: Option<u32>,
    pub(crate) max_output_tokens: Option<u32>,
    #[serde(borrow)]
    pub(crate) messages: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) system: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) instructions: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) tools: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) response_format: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) output_config: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) output_format: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) include: Option<&'a RawValue>,
}

/// `stream_options` of chat completions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: Option<bool>,
}

impl<'a> Ask<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    pub(crate) fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    pub(crate) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|o| o.include_usage).unwrap_or(false)
    }

    /// The bound on the answer's length, by whichever name the API has for it.
    pub(crate) fn limit(&self) -> Option<u32> {
        self.max_completion_tokens.or(self.max_output_tokens).or(self.max_tokens)
    }

    /// Reads the conversation.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for part in [self.system, self.instructions, self.prompt].into_iter().flatten() {
            tally.read(part, Counts::Yes);
        }
        tally.triggers.clear(); // they are the user's to pull
        for conversation in [self.messages, self.input].into_iter().flatten() {
            tally.converse(conversation);
        }
        if let Some(tools) = self.tools {
            let triggers = std::mem::take(&mut tally.triggers);
            tally.read(tools, Counts::Everything);
            tally.triggers = triggers;
        }
        tally
    }
}

/// The text behind the model's last turn, the user's and that of tools' results, for `echo`.
pub(crate) fn last_user_text(ask: &Ask<'_>) -> String {
    let Some(raw) = ask.messages.or(ask.input).or(ask.prompt) else { return String::new() };
    let Ok(value) = serde_json::from_str::<Value>(raw.get()) else { return String::new() };
    let Some(turns) = value.as_array() else { return text_of(&value) };
    // a prefilled answer at the end is no turn of its own
    let end = turns.iter().rposition(|t| !is_models(t)).map_or(0, |at| at + 1);
    let start = turns[..end].iter().rposition(is_models).map_or(0, |at| at + 1);
    turns[start..end]
        .iter()
        .filter(|t| !matches!(field(t, "role"), "system" | "developer"))
        .map(text_of)
        .collect()
}

fn field<'v>(turn: &'v Value, name: &str) -> &'v str {
    turn.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn is_models(turn: &Value) -> bool {
    field(turn, "role") == "assistant"
        || matches!(field(turn, "type"), "reasoning" | "function_call" | "custom_tool_call")
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Array(parts) => parts.iter().map(text_of).collect(),
        Value::Object(o) => {
            ["content", "output", "text"].iter().find_map(|k| o.get(*k)).map(text_of).unwrap_or_default()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echo_takes_the_last_user_text() {
        let body = r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]}]}"#;
        assert_eq!(last_user_text(&Ask::parse(body.as_bytes()).unwrap()), "cd");
        let looped = r#"{"input":[{"role":"user","content":"a"},{"type":"function_call","name":"f","arguments":"{}"},{"type":"function_call_output","output":"b"},{"type":"function_call_output","output":[{"type":"input_text","text":"c"}]},{"role":"developer","content":"d"}]}"#;
        assert_eq!(last_user_text(&Ask::parse(looped.as_bytes()).unwrap()), "bc", "results of tools too");
    }
}
