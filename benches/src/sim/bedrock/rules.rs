//! What a conversation must be like, beside its types.

use crate::sim::call::Turn;
use crate::sim::fault::Fault;
use crate::sim::neutral::{list, text};
use crate::sim::schema::rules::closed;
use crate::sim::seal;
use crate::sim::stats::lock;
use serde_json::Value;
use std::collections::HashSet;

/// Checks it.
pub(super) fn check(turn: &Turn<'_>, body: &Value) -> Result<(), Fault> {
    let refuse = |message: String| Err(Fault::new(400, message));
    schemas(body)?;
    let messages: Vec<&Value> = list(body, "messages").iter().collect();
    if messages.first().is_none_or(|m| text(m, "role") != "user") {
        return refuse(
            "A conversation must start with a user message. Try again with a conversation that starts with a user \
             message."
                .to_owned(),
        );
    }
    let has_tools = body.get("toolConfig").is_some_and(|t| !list(t, "tools").is_empty());
    for (n, message) in messages.iter().enumerate() {
        let before = n.checked_sub(1).and_then(|b| messages.get(b));
        if before.is_some_and(|b| text(b, "role") == text(message, "role")) {
            return refuse(
                "A conversation must alternate between user and assistant roles. Make sure the conversation \
                 alternates between user and assistant roles and try again."
                    .to_owned(),
            );
        }
        let content = list(message, "content");
        if content.is_empty() {
            return refuse(format!(
                "The content field in the Message object at messages.{n} is empty. Add a \
                ContentBlock object to the content field and try again."
            ));
        }
        for (b, block) in content.iter().enumerate() {
            if block.get("text").and_then(Value::as_str).is_some_and(|t| t.trim().is_empty()) {
                return refuse(format!(
                    "The text field in the ContentBlock object at messages.{n}.content.{b} is \
                    blank. Add text to the text field, and try again."
                ));
            }
            if !has_tools && (block.get("toolUse").is_some() || block.get("toolResult").is_some()) {
                return refuse(
                    "The toolConfig field must be defined when using toolUse and toolResult content \
                    blocks."
                        .to_owned(),
                );
            }
        }
        signatures(n, content)?;
        let asked = before.map(|b| ids(b, "toolUse", "toolUseId")).unwrap_or_default();
        let given = ids(message, "toolResult", "toolUseId");
        let missing: Vec<&str> = asked.iter().filter(|id| !given.contains(*id)).copied().collect();
        if !missing.is_empty() {
            return refuse(format!(
                "Expected toolResult blocks at messages.{n}.content for the following Ids: {}",
                missing.join(", ")
            ));
        }
        if given.iter().any(|id| !asked.contains(id)) {
            return refuse(format!(
                "The number of toolResult blocks at messages.{n}.content exceeds the number of \
                toolUse blocks of previous turn."
            ));
        }
    }
    if messages.last().is_some_and(|m| !ids(m, "toolUse", "toolUseId").is_empty()) {
        return refuse(format!("Expected toolResult blocks at messages.{}.content", messages.len()));
    }
    thoughts(turn, &messages)
}

/// What answers and strict tools are held to.
fn schemas(body: &Value) -> Result<(), Fault> {
    let answer = body.pointer("/outputConfig/textFormat/structure/jsonSchema/schema").and_then(Value::as_str);
    let answer = answer.and_then(|s| serde_json::from_str::<Value>(s).ok()).and_then(|s| closed(&s));
    let tools = body.pointer("/toolConfig/tools").and_then(Value::as_array).into_iter().flatten();
    let strict = tools.filter_map(|t| t.get("toolSpec")).filter(|t| t["strict"] == true);
    let wrong = answer.or_else(|| strict.into_iter().find_map(|t| closed(&t["inputSchema"]["json"])));
    let refuse = |why| Fault::new(400, format!("The model returned the following errors: {why}"));
    wrong.map_or(Ok(()), |why| Err(refuse(why)))
}

fn ids<'v>(message: &'v Value, kind: &str, id: &str) -> HashSet<&'v str> {
    list(message, "content").iter().filter_map(|b| b.get(kind)).map(|b| text(b, id)).collect()
}

/// Sealed thoughts come back as they were given out.
fn signatures(n: usize, content: &[Value]) -> Result<(), Fault> {
    for (b, block) in content.iter().enumerate() {
        let Some(thought) = block.get("reasoningContent") else { continue };
        let redacted = thought.get("redactedContent").and_then(Value::as_str);
        let holds = match (thought.get("reasoningText"), redacted) {
            (_, Some(data)) => seal::REDACTED.holds(data, ""),
            (Some(told), None) => seal::THINKING.holds(text(told, "signature"), text(told, "text")),
            (None, None) => false,
        };
        if !holds {
            return Err(Fault::new(
                400,
                format!(
                    "The model returned the following errors: messages.{n}.content.{b}: Invalid `signature` in `thinking` \
                 block"
                ),
            ));
        }
    }
    Ok(())
}

/// A call behind a thought comes back behind it.
fn thoughts(turn: &Turn<'_>, messages: &[&Value]) -> Result<(), Fault> {
    let spoke = messages
        .iter()
        .rposition(|m| text(m, "role") == "user" && ids(m, "toolResult", "toolUseId").is_empty());
    let memory = lock(&turn.state.memory);
    for (n, message) in messages.iter().enumerate().skip(spoke.map_or(0, |at| at + 1)) {
        let known = ids(message, "toolUse", "toolUseId").iter().any(|id| memory.has(id));
        let thinks = list(message, "content").iter().any(|b| b.get("reasoningContent").is_some());
        if known && !thinks && !turn.behaviour.forgetful {
            return Err(Fault::new(
                400,
                format!(
                    "The model returned the following errors: messages.{n}.content.0.type: Expected `thinking` or \
                 `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must \
                 start with a thinking block."
                ),
            ));
        }
    }
    Ok(())
}
