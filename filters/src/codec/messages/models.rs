//! What a Claude model's API accepts, by its name. Anthropic changes the rules of thinking and sampling from model to
//! model; a request that was written for another dialect must be brought into the form that this model takes.
//!
//! Published at <https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking>,
//! `…/thinking-tool-workflows`, `…/effort`, `…/mid-conversation-system-messages` and in the migration guides:
//! - manual thinking (`enabled` with a budget): 3.7 up to 4.6, no newer one;
//! - `disabled`: not Opus 4.7, which thinks only if asked to, nor Fable and Mythos, which always think;
//! - adaptive thinking: from Opus 4.6 and Sonnet 4.6 on;
//! - effort: Opus 4.5 and from 4.6 on; `xhigh` from 4.7 on, `max` from 4.6 on;
//! - no `temperature`, `top_p`, `top_k`: from 4.7 on;
//! - not both of `temperature` and `top_p`: from 4.1 on;
//! - `role: "system"` inside the conversation: from Opus 4.8 on, but not Sonnet 5.

/// What a model takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// `thinking: {"type": "enabled", "budget_tokens": …}`.
    pub budget: bool,
    /// `thinking: {"type": "adaptive"}`.
    pub adaptive: bool,
    /// `thinking: {"type": "disabled"}`.
    pub off: bool,
    /// It cannot but think.
    pub always: bool,
    /// `output_config.effort`.
    pub effort: bool,
    /// The efforts `xhigh` and `max`.
    pub xhigh: bool,
    /// `temperature`, `top_p`, `top_k` other than their defaults.
    pub sampling: bool,
    /// `temperature` and `top_p` together.
    pub both: bool,
    /// `role: "system"` after a user's turn.
    pub system_anywhere: bool,
}

impl Abilities {
    /// By the provider's name of the model: `claude-sonnet-4-5-20250929`, `eu.anthropic.claude-opus-4-6-v1`,
    /// `claude-3-7-sonnet@20250219`. A name that says no version is taken for the newest kind.
    pub fn of(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        let said = version(&model);
        let version = said.unwrap_or((99, 0));
        let opus = model.contains("opus");
        let always = model.contains("fable") || model.contains("mythos");
        Self {
            budget: ((3, 7)..=(4, 6)).contains(&version),
            adaptive: version >= (4, 6),
            off: version >= (3, 7) && !always && !(opus && version == (4, 7)),
            always,
            effort: version >= (4, 6) || (opus && version >= (4, 5)),
            xhigh: version >= (4, 7),
            sampling: version <= (4, 6),
            both: version < (4, 1),
            // Where it is not known, nothing is lost without it.
            system_anywhere: said.is_some_and(|v| v >= (4, 8))
                && !(model.contains("sonnet") && version == (5, 0)),
        }
    }
}

/// Major and minor version: the first run of one or two small numbers after `claude`.
fn version(model: &str) -> Option<(u32, u32)> {
    let rest = &model[model.find("claude")? + "claude".len()..];
    // `claude-v2:1` is the only kind with a letter.
    let rest = rest.strip_prefix("-v").unwrap_or(rest);
    let mut numbers = rest.split(['-', '.', '@', ':', '_']).map(|p| {
        // A date or a build is no version, nor is Bedrock's `v1`.
        p.parse::<u32>().ok().filter(|n| *n < 100)
    });
    let major = numbers.find_map(|n| n)?;
    Some((major, numbers.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_all_spellings() {
        for (name, want) in [
            ("claude-sonnet-4-5-20250929", Some((4, 5))),
            ("eu.anthropic.claude-opus-4-6-v1", Some((4, 6))),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", Some((3, 7))),
            ("claude-3-7-sonnet@20250219", Some((3, 7))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-sonnet-4@20250514", Some((4, 0))),
            ("claude-opus-4.8", Some((4, 8))),
            ("anthropic.claude-v2:1", Some((2, 1))),
            ("anthropic.claude-v2", Some((2, 0))),
            ("anthropic.claude-3-haiku-20240307-v1:0", Some((3, 0))),
            ("us.anthropic.claude-sonnet-4-6", Some((4, 6))),
            ("claude-fable-5", Some((5, 0))),
            ("claude-haiku-5-5", Some((5, 5))),
            ("claude-mythos-preview", None),
            ("my-model", None),
        ] {
            assert_eq!(version(name), want, "{name}");
        }
        let old = Abilities::of("claude-sonnet-4-5");
        assert!(old.budget && !old.adaptive && !old.effort && old.sampling && !old.both);
        let new = Abilities::of("claude-opus-4-8");
        assert!(!new.budget && new.adaptive && new.effort && !new.sampling && new.system_anywhere);
        assert!(!Abilities::of("claude-sonnet-5").system_anywhere);
        assert!(!Abilities::of("claude-3-5-haiku-latest").budget && !Abilities::of("claude-fable-5").off);
        assert!(!Abilities::of("claude-mythos-preview").system_anywhere);
        assert!(Abilities::of("claude-opus-4-5").effort && Abilities::of("claude-opus-4-6").budget);
    }
}
