//! `thinkingConfig`: a level (Gemini 3) or a budget in tokens (Gemini 2.5), and whether thoughts are shown.
//! <https://ai.google.dev/gemini-api/docs/thinking>

use super::json::Json;
use super::model::Model;
use super::wire::Thinking;
use crate::codec::DecodeError;
use crate::ir::Losses;
use crate::ir::settings::{Effort, Reasoning};

/// Reads it.
pub(super) fn read(t: &Thinking<'_>) -> Result<Reasoning, DecodeError> {
    let mut r = Reasoning::default();
    match t.budget.map(|b| b.0) {
        None => {}
        Some(-1) => r.adaptive = true,
        Some(n) => {
            r.budget = Some(u32::try_from(n).map_err(|_| {
                DecodeError::new(
                    "generationConfig.thinkingConfig.thinkingBudget",
                    "must be -1 (the model decides), 0 (off) or a number of tokens",
                )
            })?);
            if n == 0 {
                r.enabled = Some(false);
            }
        }
    }
    if let Some(level) = &t.level {
        let level = level.as_str().to_ascii_lowercase();
        if level != "thinking_level_unspecified" {
            r.effort = Some(Effort::parse(&level).ok_or_else(|| {
                DecodeError::new(
                    "generationConfig.thinkingConfig.thinkingLevel",
                    "must be MINIMAL, LOW, MEDIUM or HIGH",
                )
            })?);
        }
    }
    r.summary = t.include.map(|yes| if yes { "auto" } else { "omitted" }.to_owned());
    Ok(r)
}

/// Writes it as the model wants it.
pub(super) fn write(json: &mut Json, r: &Reasoning, model: Model, losses: &mut Losses) {
    let Reasoning { enabled, adaptive, effort, budget, summary } = r;
    let off = *enabled == Some(false) || *budget == Some(0) || *effort == Some(Effort::None);
    if !model.thinks() {
        if !off {
            losses.add("reasoning", "the model cannot think");
        }
        return;
    }
    json.key("thinkingConfig");
    json.object();
    if off {
        switch_off(json, model, losses);
    } else if let (true, Some(effort)) = (model.wants_level(), effort) {
        json.member("thinkingLevel", level(*effort, model, losses));
    } else if let Some(budget) = budget.or_else(|| effort.filter(|_| !adaptive).map(Effort::budget)) {
        json.member("thinkingBudget", &within(budget, model, losses));
    } else if *adaptive {
        // What Gemini 3 does anyway; its effort in words is said above.
        json.member("thinkingBudget", &-1);
    }
    let shown = match summary.as_deref() {
        Some("omitted" | "none") => Some(false),
        Some(_) => Some(true),
        // Who switches thinking on in so many words (Anthropic's `thinking`) expects to see it.
        None => (*enabled == Some(true)).then_some(true),
    };
    json.maybe("includeThoughts", shown);
    json.end_object();
}

fn switch_off(json: &mut Json, model: Model, losses: &mut Losses) {
    const REASON: &str = "the model cannot stop thinking: it thinks as little as it can";
    if model.wants_level() {
        losses.hint("reasoning", REASON);
        json.member("thinkingLevel", if model.minimal() { "MINIMAL" } else { "LOW" });
    } else if let (true, Some((least, _))) = (model.pro, model.budgets()) {
        losses.hint("reasoning", REASON);
        json.member("thinkingBudget", &least);
    } else {
        json.member("thinkingBudget", &0);
    }
}

/// The level; not all have `MINIMAL`, Gemini 3.0 Pro no `MEDIUM` either, and more than `HIGH` few models have.
fn level(effort: Effort, model: Model, losses: &mut Losses) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal if model.minimal() => "MINIMAL",
        Effort::None | Effort::Minimal | Effort::Low => "LOW",
        Effort::Medium if !model.low_or_high() => "MEDIUM",
        Effort::Medium | Effort::High => "HIGH",
        Effort::XHigh | Effort::Max => {
            losses.hint("reasoning", "the model's highest effort is `high`");
            "HIGH"
        }
    }
}

fn within(budget: u32, model: Model, losses: &mut Losses) -> u32 {
    let Some((least, most)) = model.budgets() else { return budget };
    let fit = budget.clamp(least, most);
    if fit != budget {
        losses.hint("reasoning", "outside of what the model allows: the nearest allowed is used");
    }
    fit
}
