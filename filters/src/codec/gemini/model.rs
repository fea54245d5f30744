//! What a model's name says of what it can do.

/// Facts from a name such as `gemini-2.5-flash`, with or without a path before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    gemini: bool,
    /// Major and minor; None where the name has none (`gemini-flash-latest`, a tuned endpoint's number).
    version: Option<(u32, u32)>,
    /// A `pro` model: thinking cannot be switched off.
    pub(super) pro: bool,
    /// A `flash-lite` model.
    pub(super) lite: bool,
    gemma: bool,
}

impl Model {
    pub(super) fn of(name: &str) -> Self {
        let name = name.rsplit('/').next().unwrap_or(name);
        let version = name.split_once("gemini-").and_then(|(_, rest)| {
            let number = rest.split('-').next()?;
            let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
        Self {
            gemini: name.contains("gemini"),
            version,
            pro: name.contains("-pro"),
            lite: name.contains("lite"),
            gemma: name.contains("gemma"),
        }
    }

    /// Can it think? (Not Gemma's older ones, not Gemini up to 2.0.)
    pub(super) fn thinks(self) -> bool {
        !self.gemma && self.version.is_none_or(|v| v >= (2, 5))
    }

    /// Does it want `thinkingLevel` (from Gemini 3 on) rather than `thinkingBudget`?
    pub(super) fn wants_level(self) -> bool {
        self.version.is_some_and(|v| v >= (3, 0))
    }

    /// Does it know the level `MINIMAL`? Flash up to 3.6 and Flash-Lite do; Pro, and Flash from 3.7 on, answer 400 to it.
    /// <https://ai.google.dev/gemini-api/docs/generate-content/thinking#thinking-levels>
    pub(super) fn minimal(self) -> bool {
        !self.pro && self.version.is_some_and(|v| v < (3, 7) || self.lite && v < (4, 0))
    }

    /// Gemini 3.0 Pro knows only `LOW` and `HIGH`.
    pub(super) fn low_or_high(self) -> bool {
        self.pro && self.version == Some((3, 0))
    }

    /// Gemini 2.5: the least and the largest budget of thought, in tokens; 0 (off) is allowed apart from it except for
    /// Pro. <https://ai.google.dev/gemini-api/docs/thinking#set-budget>
    pub(super) fn budgets(self) -> Option<(u32, u32)> {
        (self.version == Some((2, 5))).then_some(match (self.pro, self.lite) {
            (true, _) => (128, 32_768),
            (_, true) => (512, 24_576),
            _ => (1, 24_576),
        })
    }

    /// Does it refuse a function call in the history that has no `thoughtSignature`, see images inside function
    /// responses, and take a resolution for each picture? All came with Gemini 3; a name without a version
    /// (`gemini-flash-latest`) is a newer one.
    pub(super) fn third(self) -> bool {
        self.gemini && self.version.is_none_or(|v| v >= (3, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let m = Model::of("publishers/google/models/gemini-2.5-pro");
        assert!(m.thinks() && !m.wants_level() && !m.third() && m.budgets() == Some((128, 32_768)));
        let m = Model::of("gemini-3.1-flash-lite-preview");
        assert!(m.thinks() && m.wants_level() && m.third() && m.budgets().is_none() && !m.low_or_high());
        assert!(Model::of("gemini-3-pro-preview").low_or_high());
        assert!(!Model::of("gemini-2.0-flash").thinks() && !Model::of("gemma-3-27b-it").thinks());
        for (name, knows) in [
            ("gemini-3-flash-preview", true),
            ("gemini-3.6-flash", true),
            ("gemini-3.7-flash", false),
            ("publishers/google/models/gemini-3.8-flash", false),
            ("gemini-3.5-flash-lite", true),
            ("gemini-3.1-pro-preview", false),
            ("gemini-4-argon", false),
        ] {
            assert_eq!(Model::of(name).minimal(), knows, "{name}");
        }
        let m = Model::of("gemini-flash-latest");
        assert!(m.thinks() && !m.wants_level() && m.third());
        assert!(!Model::of("1234567890").third());
    }
}
