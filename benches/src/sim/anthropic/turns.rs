//! What a conversation must be like, beside its types: whose turn it is, calls and their results, thoughts.
//! <https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use>

use super::rules::is_word;
use crate::sim::call::Turn;
use crate::sim::fault::Fault;
use crate::sim::neutral::text;
use crate::sim::seal;
use crate::sim::stats::lock;
use serde_json::Value;
use std::collections::HashSet;

/// Messages of one role in a row, which the API takes for one turn.
struct Said<'v> {
    /// Number of its first message.
    number: usize,
    role: &'v str,
    blocks: Vec<&'v Value>,
}

impl<'v> Said<'v> {
    fn ids(&self, kind: &str, id: &str) -> Vec<&'v str> {
        self.blocks.iter().filter(|b| text(b, "type") == kind).map(|b| text(b, id)).collect()
    }
}

/// Checks it.
pub(super) fn check(turn: &Turn<'_>, body: &Value) -> Result<(), Fault> {
    let said = said(body)?;
    if said.first().is_some_and(|s| s.role == "assistant") {
        return refuse("messages: first message must use the \"user\" role".to_owned());
    }
    let mut known = HashSet::new();
    for (n, turn) in said.iter().enumerate() {
        signatures(turn)?;
        let calls = turn.ids("tool_use", "id");
        if let Some(bad) = calls.iter().find(|id| !is_word(id, usize::MAX)) {
            return refuse(format!(
                "messages.{}.content.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$', not '{bad}'",
                turn.number
            ));
        }
        if !calls.iter().all(|id| known.insert(*id)) {
            return refuse(format!("messages.{}.content: `tool_use` ids must be unique", turn.number));
        }
        let before = n.checked_sub(1).and_then(|b| said.get(b)).map(|b| b.ids("tool_use", "id"));
        results(turn, &before.unwrap_or_default())?;
        if n + 1 == said.len() && !calls.is_empty() {
            return refuse(unanswered(turn.number, &calls));
        }
    }
    thoughts(turn, body, &said)
}

fn refuse(message: String) -> Result<(), Fault> {
    Err(Fault::new(400, message))
}

fn said(body: &Value) -> Result<Vec<Said<'_>>, Fault> {
    let mut all: Vec<Said<'_>> = Vec::new();
    for (number, message) in body["messages"].as_array().into_iter().flatten().enumerate() {
        let role = text(message, "role");
        let content = &message["content"];
        let blocks: Vec<&Value> = match content {
            Value::Array(blocks) => blocks.iter().collect(),
            other => vec![other],
        };
        let is_last = number + 1 == body["messages"].as_array().map_or(0, Vec::len);
        let is_empty = blocks.is_empty() || content.as_str().is_some_and(str::is_empty);
        if is_empty && !(is_last && role == "assistant") {
            let message = format!("messages.{number}: {role} messages must have non-empty content");
            return Err(Fault::new(400, message));
        }
        if blocks.iter().any(|b| text(b, "type") == "text" && text(b, "text").is_empty()) {
            return Err(Fault::new(400, "messages: text content blocks must be non-empty"));
        }
        match all.last_mut() {
            // instructions between turns are none
            _ if role == "system" => {}
            Some(last) if last.role == role => last.blocks.extend(blocks),
            _ => all.push(Said { number, role, blocks }),
        }
    }
    Ok(all)
}

/// Each call has its result in the next turn, before anything else there.
fn results(turn: &Said<'_>, asked: &[&str]) -> Result<(), Fault> {
    let given = turn.ids("tool_result", "tool_use_id");
    if let Some(stranger) = given.iter().find(|id| !asked.contains(id)) {
        return refuse(format!(
            "messages.{}.content: unexpected `tool_use_id` found in `tool_result` blocks: {stranger}. Each \
             `tool_result` block must have a corresponding `tool_use` block in the previous message.",
            turn.number
        ));
    }
    let missing: Vec<&str> = asked.iter().filter(|id| !given.contains(id)).copied().collect();
    let behind = turn.blocks.iter().skip_while(|b| text(b, "type") == "tool_result");
    let late = behind.filter(|b| text(b, "type") == "tool_result").count();
    if !missing.is_empty() || late > 0 {
        let ids = if missing.is_empty() { asked } else { &missing };
        return refuse(unanswered(turn.number.saturating_sub(1), ids));
    }
    Ok(())
}

fn unanswered(number: usize, ids: &[&str]) -> String {
    format!(
        "messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
         `tool_use` block must have a corresponding `tool_result` block in the next message.",
        ids.join(", ")
    )
}

/// Thoughts come back as they were given out.
fn signatures(turn: &Said<'_>) -> Result<(), Fault> {
    for (b, block) in turn.blocks.iter().enumerate() {
        let (kind, holds) = match text(block, "type") {
            "thinking" => {
                ("signature", seal::THINKING.holds(text(block, "signature"), text(block, "thinking")))
            }
            "redacted_thinking" => ("data", seal::REDACTED.holds(text(block, "data"), "")),
            _ => continue,
        };
        if !holds {
            let block = text(block, "type");
            return refuse(format!(
                "messages.{}.content.{b}: Invalid `{kind}` in `{block}` block",
                turn.number
            ));
        }
    }
    Ok(())
}

/// While tools are at work, a turn with calls begins with its thoughts: always where the client enabled thinking, else
/// if the calls came behind some.
fn thoughts(turn: &Turn<'_>, body: &Value, said: &[Said<'_>]) -> Result<(), Fault> {
    let mode = text(&body["thinking"], "type");
    if mode == "disabled" {
        return Ok(());
    }
    let spoke = said.iter().rposition(|s| s.role == "user" && s.ids("tool_result", "tool_use_id").is_empty());
    let memory = lock(&turn.state.memory);
    for said in said.iter().skip(spoke.map_or(0, |at| at + 1)).filter(|s| s.role == "assistant") {
        let calls = said.ids("tool_use", "id");
        let first = said.blocks.first().map_or("", |b| text(b, "type"));
        let bare = !matches!(first, "thinking" | "redacted_thinking");
        let known = calls.iter().any(|id| memory.has(id)) && !turn.behaviour.forgetful;
        if bare && !calls.is_empty() && (mode == "enabled" || known) {
            return refuse(format!(
                "messages.{}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When \
                 `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the \
                 lastmost set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from \
                 previous turns. To avoid this requirement, disable `thinking`. Please consult our documentation at \
                 https://docs.claude.com/en/docs/build-with-claude/extended-thinking",
                said.number
            ));
        }
    }
    Ok(())
}
