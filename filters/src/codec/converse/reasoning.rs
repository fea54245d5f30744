//! Thinking: every family has its own field for it, all of them in `additionalModelRequestFields`.
//!
//! - Claude: `thinking` and `output_config.effort`
//!   <https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html>
//! - Nova 2: `reasoningConfig` <https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html>
//! - OpenAI's open models: `reasoning_effort`; Qwen: `reasoning_config`; DeepSeek R1 always thinks.

use super::additional::Additional;
use super::model::{Family, Model};
use crate::ir::block::Body;
use crate::ir::settings::{Effort, Reasoning};
use crate::ir::{Conversation, Losses, Message, Origin, Role};
use serde_json::json;

/// What losses are named. All of them are hints: how hard the model thinks, the question is the same.
const FIELD: &str = "reasoning";

/// The least budget that Claude takes, in tokens.
const LEAST: u32 = 1_024;

/// Says what the client asks of thinking. Gives whether Claude will think, which forbids other settings.
pub(super) fn write(
    c: &Conversation,
    model: Model,
    forced_tool: bool,
    additional: &mut Additional,
    losses: &mut Losses,
) -> bool {
    // Somebody has set it in the family's own words: the configuration, or the client beside its dialect.
    const OWN: [&str; 4] = ["thinking", "reasoningConfig", "reasoning_effort", "reasoning_config"];
    let own = OWN.iter().any(|f| additional.has(f));
    let Some(r) = &c.settings.reasoning else { return false };
    if own {
        losses.hint(FIELD, "additionalModelRequestFields say it already");
        return false;
    }
    let Reasoning { enabled, adaptive, effort, budget, summary: _ } = r;
    let off = *enabled == Some(false) || *effort == Some(Effort::None) || (*budget == Some(0) && !adaptive);
    // Only a wish for how thoughts are shown: nothing to turn on.
    let silent = enabled.is_none() && !adaptive && effort.is_none() && budget.is_none();
    let wanted = effort.or_else(|| budget.map(Effort::of_budget)).unwrap_or(Effort::Medium);
    match model.family {
        _ if silent => false,
        Family::Claude | Family::Unknown if off => {
            // Models from 4.6 on may think unless told not to.
            if model.claude.always {
                losses.hint(FIELD, "the model cannot but think");
            } else if model.claude.adaptive && model.claude.off {
                additional.set("thinking", &json!({"type": "disabled"}));
            }
            false
        }
        Family::Claude => claude(c, r, model, forced_tool, additional, losses),
        Family::Nova2 => {
            nova(c, if off { None } else { Some(wanted) }, additional, losses);
            false
        }
        Family::OpenAi => {
            // They cannot be told not to think.
            if off {
                losses.hint(FIELD, "this model always thinks; it is told to think little");
            }
            let word = if off { "low" } else { three(wanted) };
            additional.set("reasoning_effort", &word);
            false
        }
        // Thinks only if told to.
        Family::Qwen if off => false,
        Family::Qwen => {
            additional.set("reasoning_config", &if wanted <= Effort::Low { "low" } else { "high" });
            false
        }
        Family::DeepSeek => {
            losses.hint(FIELD, "how much this model thinks cannot be set");
            false
        }
        _ if off => false,
        Family::Unknown => {
            losses
                .add("reasoning", "what kind of model this is cannot be known, nor how its thinking is set");
            false
        }
        _ => {
            losses.hint(FIELD, "this model does not think");
            false
        }
    }
}

/// `low`, `medium` or `high`.
fn three(e: Effort) -> &'static str {
    match e {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    }
}

/// `high` forbids temperature, topP and maxTokens: where the client set one of them, it is `medium`.
fn nova(c: &Conversation, wanted: Option<Effort>, additional: &mut Additional, losses: &mut Losses) {
    let Some(wanted) = wanted else {
        return additional.set("reasoningConfig", &json!({"type": "disabled"}));
    };
    let s = &c.settings;
    let bound = s.temperature.is_some() || s.top_p.is_some() || s.max_tokens.is_some();
    let mut word = three(wanted);
    if word == "high" && bound {
        losses.hint(
            "reasoning",
            "Nova thinks hard only without temperature, top_p and max_tokens; said as medium",
        );
        word = "medium";
    }
    additional.set("reasoningConfig", &json!({"type": "enabled", "maxReasoningEffort": word}));
}

fn claude(
    c: &Conversation,
    r: &Reasoning,
    model: Model,
    forced_tool: bool,
    additional: &mut Additional,
    losses: &mut Losses,
) -> bool {
    if model.claude.adaptive && (!model.claude.budget || r.adaptive || r.budget.is_none()) {
        let mut thinking = json!({"type": "adaptive"});
        match r.summary.as_deref() {
            Some("omitted") => thinking["display"] = json!("omitted"),
            // Before 4.7 thoughts are shown unless told otherwise.
            Some(_) if model.newest() => thinking["display"] = json!("summarized"),
            _ => {}
        }
        additional.set("thinking", &thinking);
        if let Some(effort) = r.effort.or_else(|| r.budget.map(Effort::of_budget)) {
            additional.set("output_config", &json!({"effort": claude_effort(effort, model.newest())}));
        }
        return true;
    }
    // What follows binds only thinking by a budget.
    if !model.claude.budget {
        losses.hint(FIELD, "this model does not think");
        return false;
    }
    if forced_tool {
        losses.hint(FIELD, "the model does not think when it must use a tool");
        return false;
    }
    if unsigned_turn(c) {
        losses.hint(FIELD, "the turn that goes on here was begun without a thought of this model's");
        return false;
    }
    let mut budget = r.budget.or(r.effort.map(Effort::budget)).unwrap_or(Effort::Medium.budget()).max(LEAST);
    if let Some(max) = c.settings.max_tokens {
        if max <= u64::from(LEAST) {
            losses.hint(FIELD, "max_tokens leaves no room for thoughts");
            return false;
        }
        // Room for the answer: the share that OpenRouter leaves at high effort.
        if u64::from(budget) >= max || (r.budget.is_none() && u64::from(budget) > max / 5 * 4) {
            budget = u32::try_from(max / 5 * 4).unwrap_or(budget).max(LEAST);
            if r.budget.is_some() {
                losses.hint(FIELD, "the budget must be smaller than max_tokens; it is made so");
            }
        }
    }
    if r.summary.as_deref() == Some("omitted") {
        losses.hint("reasoning.summary", "thoughts by a budget are always shown here");
    }
    additional.set("thinking", &json!({"type": "enabled", "budget_tokens": budget}));
    true
}

fn claude_effort(e: Effort, newest: bool) -> &'static str {
    match e {
        Effort::None | Effort::Minimal => "low",
        Effort::XHigh if !newest => "high",
        e => e.word(),
    }
}

/// A tool loop is under way, and the model's turn that began it does not begin with a signed thought: Claude with a
/// thinking budget refuses that ("Expected `thinking` or `redacted_thinking`, but found `tool_use`"). Later calls of
/// the same loop come without one.
fn unsigned_turn(c: &Conversation) -> bool {
    let results = |m: &Message| m.content.iter().any(|b| matches!(b.body, Body::ToolResult(_)));
    let turns = || c.messages.iter().rev().filter(|m| !m.role.instructs());
    // Also where the client has begun the answer itself.
    if !turns().next().is_some_and(|m| m.role == Role::Assistant || results(m)) {
        return false;
    }
    let looped = turns().take_while(|m| m.role == Role::Assistant || results(m));
    let began = looped.filter(|m| m.role == Role::Assistant).last();
    !began.and_then(|m| m.content.first()).is_some_and(|b| match &b.body {
        Body::Thinking(t) => t.signature.as_ref().is_some_and(|s| s.origin == Origin::Anthropic),
        _ => false,
    })
}
