//! Thinking, effort, sampling and `max_tokens`, which depend on each other:
//! <https://platform.claude.com/docs/en/build-with-claude/thinking>, `…/extended-thinking`, `…/adaptive-thinking`.
//!
//! A conversation that was written in this format is sent as it was written: the API judges it. One from another
//! dialect is brought into the form that the model takes, by the published rules:
//! - a budget is at least 1 024 and less than `max_tokens`;
//! - manual thinking excludes a forced tool choice, adaptive thinking does not;
//! - with manual thinking, the assistant's turn that the last tool results answer must begin with a thinking block
//!   ("To avoid this requirement, disable `thinking`"): where the client did not give one back, or gave back another
//!   provider's, thinking is off for this turn; adaptive thinking has no such rule;
//! - neither kind allows `temperature` or `top_k`, nor a `top_p` below 0.95.

use super::RequestOptions;
use super::models::Abilities;
use super::turns::Turn;
use crate::ir::block::Body;
use crate::ir::settings::{Effort, Reasoning};
use crate::ir::{Losses, Role, Settings, ToolChoice};

/// What losses are named.
const FIELD: &str = "reasoning";

/// The least budget.
const LEAST: u32 = 1_024;

/// `thinking`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Not said.
    Unsaid,
    /// `disabled`.
    Off,
    /// `enabled`.
    Budget(u32),
    /// `adaptive`.
    Adaptive,
}

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// `thinking`.
    pub(super) mode: Mode,
    /// `thinking.display`.
    pub(super) display: Option<String>,
    /// `output_config.effort`.
    pub(super) effort: Option<&'static str>,
    /// `max_tokens`.
    pub(super) max_tokens: u64,
    /// `temperature`.
    pub(super) temperature: Option<f64>,
    /// `top_p`.
    pub(super) top_p: Option<f64>,
    /// `top_k`.
    pub(super) top_k: Option<u64>,
}

/// Decides.
pub(super) fn plan(
    s: &Settings,
    choice: Option<&ToolChoice>,
    turns: &[Turn<'_>],
    abilities: Abilities,
    options: &RequestOptions,
    losses: &mut Losses,
) -> Plan {
    let r = s.reasoning.clone().unwrap_or_default();
    let own = options.own_front;
    let mut mode = mode(&r, abilities, own);
    if !own {
        mode = allowed(mode, s.max_tokens, choice, turns, losses);
        mode = sayable(mode, abilities, losses);
    }
    let max_tokens = match (s.max_tokens, mode) {
        (Some(n), _) => n,
        (None, Mode::Budget(b)) if u64::from(b) >= options.default_max_tokens => {
            options.default_max_tokens + u64::from(b)
        }
        (None, _) => options.default_max_tokens,
    };
    let mut plan = Plan {
        mode,
        display: display(&r, mode),
        effort: effort(&r, mode, abilities, own),
        max_tokens,
        temperature: s.temperature,
        top_p: s.top_p,
        top_k: s.top_k,
    };
    if !own {
        sampling(&mut plan, abilities, losses);
    }
    plan
}

/// The kind of thinking that the client asked for, in a form that the model takes.
fn mode(r: &Reasoning, a: Abilities, own: bool) -> Mode {
    let Reasoning { enabled, adaptive, effort, budget, summary: _ } = r;
    // Written in this format, effort alone does not switch thinking on: it governs all of the answer.
    let asked = *enabled == Some(true) || *adaptive || budget.is_some() || (effort.is_some() && !own);
    if *enabled == Some(false) || *budget == Some(0) || (*effort == Some(Effort::None) && budget.is_none()) {
        return Mode::Off;
    }
    if !asked {
        return Mode::Unsaid;
    }
    if own {
        return match budget {
            Some(b) if !adaptive => Mode::Budget(*b),
            _ => Mode::Adaptive,
        };
    }
    match budget {
        Some(b) if a.budget && !adaptive => Mode::Budget((*b).max(LEAST)),
        _ if a.adaptive => Mode::Adaptive,
        _ => Mode::Budget(budget.unwrap_or_else(|| effort.unwrap_or(Effort::Medium).budget()).max(LEAST)),
    }
}

/// Leaves `thinking` out where the model has no word for it.
fn sayable(mode: Mode, a: Abilities, losses: &mut Losses) -> Mode {
    match mode {
        Mode::Off if !a.off => {
            if a.always {
                losses.hint(FIELD, "the model cannot but think");
            }
            Mode::Unsaid
        }
        Mode::Budget(_) if !a.budget => {
            losses.hint(FIELD, "the model does not think");
            Mode::Unsaid
        }
        _ => mode,
    }
}

/// Switches manual thinking off, or its budget down, where the API would refuse it.
fn allowed(
    mode: Mode,
    max_tokens: Option<u64>,
    choice: Option<&ToolChoice>,
    turns: &[Turn<'_>],
    losses: &mut Losses,
) -> Mode {
    let Mode::Budget(budget) = mode else { return mode };
    let forced = match choice {
        Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Server(_)) => true,
        Some(ToolChoice::Allowed { required, .. }) => *required,
        Some(ToolChoice::Auto | ToolChoice::None) | None => false,
    };
    // How hard to think is a hint: the question is the same.
    if forced {
        losses.hint(FIELD, "the model does not think when it must use a tool");
        return Mode::Off;
    }
    if must_not_think(turns) {
        losses.hint(FIELD, "the turn that goes on here was begun without a thought of this model's");
        return Mode::Off;
    }
    match max_tokens {
        Some(max) if max <= u64::from(LEAST) => {
            losses.hint(FIELD, "max_tokens leaves no room for thoughts");
            Mode::Off
        }
        Some(max) if u64::from(budget) >= max => {
            losses.hint(FIELD, "the budget was cut to fit into max_tokens");
            Mode::Budget(u32::try_from(max / 2).unwrap_or(budget).max(LEAST))
        }
        _ => mode,
    }
}

/// Does the conversation end in a turn of the assistant's, answered by tool results or not, that begins without a
/// thought?
fn must_not_think(turns: &[Turn<'_>]) -> bool {
    let mut open = turns.iter().rev();
    let last = match open.next() {
        Some(t) if t.role == Role::Assistant => Some(t),
        Some(t)
            if t.role == Role::User
                && matches!(t.blocks.first().map(|b| &b.body), Some(Body::ToolResult(_))) =>
        {
            open.find(|t| t.role == Role::Assistant)
        }
        _ => None,
    };
    last.is_some_and(|t| !matches!(t.blocks.first().map(|b| &b.body), Some(Body::Thinking(_))))
}

/// OpenAI's kinds of summary are all `summarized`; what is Anthropic's own stays.
fn display(r: &Reasoning, mode: Mode) -> Option<String> {
    if !matches!(mode, Mode::Budget(_) | Mode::Adaptive) {
        return None;
    }
    r.summary.as_deref().map(|s| match s {
        "auto" | "concise" | "detailed" => "summarized".to_owned(),
        other => other.to_owned(),
    })
}

fn effort(r: &Reasoning, mode: Mode, a: Abilities, own: bool) -> Option<&'static str> {
    let asked = match (r.effort, r.budget) {
        (Some(e), _) => e,
        // A budget for a model that takes none.
        (None, Some(b)) if mode == Mode::Adaptive && !own => Effort::of_budget(b),
        _ => return None,
    };
    if own {
        return Some(asked.word());
    }
    if !a.effort || mode == Mode::Off {
        return None;
    }
    Some(match asked {
        Effort::None => return None,
        Effort::Minimal => Effort::Low.word(),
        Effort::XHigh if !a.xhigh => Effort::High.word(),
        Effort::Max if !a.adaptive => Effort::High.word(),
        e => e.word(),
    })
}

/// Leaves out what the model, or its thinking, does not take.
fn sampling(p: &mut Plan, a: Abilities, losses: &mut Losses) {
    // The defaults are always accepted, and said by saying nothing.
    p.temperature = p.temperature.filter(|t| *t != 1.0);
    p.top_p = p.top_p.filter(|t| *t != 1.0);
    p.top_k = p.top_k.filter(|k| *k != 0);
    let thinks = matches!(p.mode, Mode::Budget(_) | Mode::Adaptive);
    let why = match (a.sampling, thinks) {
        (false, _) => "the model takes no settings of sampling",
        (_, true) => "the model takes no settings of sampling while it thinks",
        (true, false) => {
            if p.temperature.is_some_and(|t| t > 1.0) {
                losses.add("temperature", "the model takes at most 1; it gets 1");
                p.temperature = None;
            }
            if !a.both && p.temperature.is_some() && p.top_p.take().is_some() {
                losses.add("top_p", "the model takes only one of temperature and top_p");
            }
            return;
        }
    };
    if p.temperature.take().is_some() {
        losses.add("temperature", why);
    }
    if p.top_k.take().is_some() {
        losses.add("top_k", why);
    }
    if p.top_p.is_some_and(|t| !a.sampling || t < 0.95) {
        p.top_p = None;
        losses.add("top_p", why);
    }
}
