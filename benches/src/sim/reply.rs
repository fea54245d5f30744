//! What the simulated model answers, before a dialect gives it its shape.
//!
//! **Output tokens**: the tokens of the text that is sent, plus 4 bytes a token for names and arguments of tool
//! calls, plus the reasoning tokens that were asked for.

use crate::sim::directive::Behaviour;
use crate::sim::prompt::{Ask, Tally, last_user_text};
use crate::sim::schema;
use crate::sim::text::Text;
use serde_json::Value;
use serde_json::value::RawValue;

/// Length of an answer where nobody says otherwise.
const TOKENS: u32 = 16;
/// Thinking tokens where a client enabled thinking and nobody says how many.
const THINKING: u32 = 8;

/// Token counts, each kind once: `cached` and `cache_write` are part of `input`, `reasoning` is part of `output`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) input: u32,
    pub(crate) cached: u32,
    pub(crate) cache_write: u32,
    pub(crate) output: u32,
    pub(crate) reasoning: u32,
}

/// A call of one of the client's tools.
#[derive(Clone, Debug)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    /// JSON.
    pub(crate) arguments: String,
}

impl ToolCall {
    /// The arguments in pieces, as they are streamed.
    pub(crate) fn pieces(&self) -> Text {
        Text::of(&self.arguments)
    }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) thinking: Text,
    pub(crate) text: Text,
    pub(crate) calls: Vec<ToolCall>,
    /// The client's limit cut the answer.
    pub(crate) truncated: bool,
    pub(crate) usage: Usage,
}

impl Reply {
    /// Decides on the answer.
    pub(crate) fn to(ask: &Ask<'_>, tally: &Tally, behaviour: &Behaviour) -> Self {
        let thinks = matches!(kind(ask.thinking).as_deref(), Some("enabled" | "adaptive"))
            || asks_for_sealed_reasoning(ask);
        let reasoning = behaviour.reasoning.unwrap_or(if thinks { THINKING } else { 0 });
        let calls = tool_calls(ask, tally);
        let mut reply = Self { thinking: Text::words(reasoning, false), calls, ..Self::default() };
        if reply.calls.is_empty() {
            reply.text = text(ask, behaviour);
        }
        if let Some(limit) = ask.limit() {
            // reasoning is spent first
            reply.truncated = reply.thinking.truncate(limit);
            reply.truncated |= reply.text.truncate(limit - reply.thinking.len());
        }
        let call_bytes: usize = reply.calls.iter().map(|c| c.name.len() + c.arguments.len()).sum();
        let input = tally.tokens();
        let cached = behaviour.cached.min(input);
        reply.usage = Usage {
            input,
            cached,
            cache_write: behaviour.cache_write.min(input - cached),
            output: reply.text.len() + call_bytes.div_ceil(4) as u32 + reply.thinking.len(),
            reasoning: reply.thinking.len(),
        };
        reply
    }
}

fn text(ask: &Ask<'_>, behaviour: &Behaviour) -> Text {
    if behaviour.echo {
        return Text::of(&last_user_text(ask));
    }
    if let Some(schema) = wanted_schema(ask) {
        return Text::of(&schema::example(&schema).to_string());
    }
    if behaviour.stamp {
        return Text::stamps(behaviour.tokens.unwrap_or(TOKENS));
    }
    match behaviour.bytes {
        Some(bytes) => Text::bytes(bytes),
        None => Text::words(behaviour.tokens.unwrap_or(TOKENS), behaviour.unicode),
    }
}

/// A Responses client that wants to have reasoning sealed wants reasoning.
fn asks_for_sealed_reasoning(ask: &Ask<'_>) -> bool {
    let is_off = |raw: &RawValue| ["\"none\"", "\"minimal\""].iter().any(|word| raw.get().contains(word));
    ask.include.is_some_and(|raw| raw.get().contains("reasoning.encrypted_content"))
        && !ask.reasoning.is_some_and(is_off)
}

/// The schema of a structured answer, wherever the dialect keeps it.
fn wanted_schema(ask: &Ask<'_>) -> Option<Value> {
    let parse = |raw: Option<&RawValue>| serde_json::from_str::<Value>(raw?.get()).ok();
    let format = parse(ask.response_format)
        .or_else(|| parse(ask.text)?.get("format").cloned())
        .or_else(|| parse(ask.output_config)?.get("format").cloned())
        .or_else(|| parse(ask.output_format))?;
    match format.get("type")?.as_str()? {
        "json_schema" => {
            let schema = format.get("schema").or_else(|| format.get("json_schema")?.get("schema"));
            Some(schema.cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new())))
        }
        "json_object" => Some(serde_json::json!({"type": "object"})),
        _ => None,
    }
}

fn kind(raw: Option<&RawValue>) -> Option<String> {
    let value: Value = serde_json::from_str(raw?.get()).ok()?;
    Some(value.get("type")?.as_str()?.to_owned())
}

/// Calls asked for by triggers or forced by `tool_choice`, as far as the request has tools at all.
fn tool_calls(ask: &Ask<'_>, tally: &Tally) -> Vec<ToolCall> {
    let forced = ask.tool_choice.and_then(|raw| forced(raw.get()));
    if tally.triggers.is_empty() && forced.is_none() {
        return Vec::new();
    }
    let Some(tools) = ask.tools.and_then(|raw| serde_json::from_str::<Vec<Value>>(raw.get()).ok()) else {
        return Vec::new();
    };
    let wishes =
        if tally.triggers.is_empty() { vec![forced.unwrap_or_default()] } else { tally.triggers.clone() };
    wishes.iter().filter_map(|wish| call(wish, &tools)).collect()
}

/// `Some("")`: any tool must be called; `Some(name)`: this one.
fn forced(raw: &str) -> Option<String> {
    match serde_json::from_str::<Value>(raw).ok()? {
        Value::String(choice) => (choice == "required").then(String::new),
        choice => match choice.get("type")?.as_str()? {
            "any" => Some(String::new()),
            "tool" => Some(choice.get("name")?.as_str()?.to_owned()),
            "function" => {
                let name = choice.get("name").or_else(|| choice.get("function")?.get("name"))?;
                Some(name.as_str()?.to_owned())
            }
            _ => None,
        },
    }
}

fn call(wish: &str, tools: &[Value]) -> Option<ToolCall> {
    let (name, arguments) = wish.split_once(' ').unwrap_or((wish, ""));
    let functions: Vec<&Value> = tools.iter().filter_map(function).collect();
    let named = |f: &&&Value| f.get("name").and_then(Value::as_str) == Some(name);
    let tool = if name.is_empty() { functions.first() } else { functions.iter().find(named) }?;
    let schema = ["parameters", "input_schema"].iter().find_map(|k| tool.get(k));
    let arguments = match (arguments, schema) {
        ("", Some(schema)) => schema::example(schema).to_string(),
        ("", None) => "{}".to_owned(),
        (given, _) => given.to_owned(),
    };
    Some(ToolCall { name: tool.get("name")?.as_str()?.to_owned(), arguments })
}

/// The part of a tool that has a name: tools of the provider's own (web search, …) are not called.
fn function(tool: &Value) -> Option<&Value> {
    match tool.get("type").and_then(Value::as_str) {
        Some("function") => Some(tool.get("function").unwrap_or(tool)),
        // Anthropic's own tools have no type or `custom`; `custom` without a schema is OpenAI's free-text tool
        None => Some(tool),
        Some("custom") if tool.get("input_schema").is_some() => Some(tool),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(body: &str, directives: &str) -> Reply {
        let ask = Ask::parse(body.as_bytes()).unwrap();
        let tally = ask.tally();
        Reply::to(&ask, &tally, &directives.parse().unwrap())
    }

    #[test]
    fn limits_cut_and_count() {
        let r = reply(
            r#"{"messages":[{"role":"user","content":"12345678"}],"max_tokens":10}"#,
            "tokens=20;reasoning=4;cached=1",
        );
        assert!(r.truncated);
        assert_eq!((r.usage.output, r.usage.reasoning, r.text.len()), (10, 4, 6));
        assert_eq!((r.usage.input, r.usage.cached), (2, 1));
    }

    #[test]
    fn tools_of_all_dialects() {
        let chat = r#"{"messages":[{"role":"user","content":"[tool]"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","required":["a"],"properties":{"a":{"type":"integer"}}}}}]}"#;
        let r = reply(chat, "");
        assert_eq!((r.calls[0].name.as_str(), r.calls[0].arguments.as_str()), ("f", r#"{"a":1}"#));
        let messages = r#"{"messages":[{"role":"user","content":"[tool:g {\"x\":2}] [tool:g]"}],"tools":[{"type":"web_search_20250305","name":"w"},{"name":"f"},{"name":"g","input_schema":{"type":"object"}}]}"#;
        let r = reply(messages, "");
        assert_eq!(r.calls.iter().map(|c| c.arguments.as_str()).collect::<Vec<_>>(), [r#"{"x":2}"#, "{}"]);
        assert!(r.text.string.is_empty());
        let forced = r#"{"input":"hi","tool_choice":"required","tools":[{"type":"function","name":"f"}]}"#;
        assert_eq!(reply(forced, "").calls.len(), 1);
    }

    #[test]
    fn structured_answers() {
        let body = r#"{"input":"hi","text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object","required":["ok"],"properties":{"ok":{"type":"boolean"}}}}}}"#;
        assert_eq!(reply(body, "").text.string, r#"{"ok":true}"#);
        assert_eq!(reply(r#"{"messages":[{"role":"user","content":"héy"}]}"#, "echo").text.string, "héy");
    }
}
