//! What a model is, from its Bedrock id: Converse is one format, but thinking, `top_k` and caches are said in each
//! family's own fields.

/// Who made a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// Anthropic's Claude.
    Claude,
    /// Amazon's Nova, first generation.
    Nova,
    /// Amazon's Nova 2.
    Nova2,
    /// Mistral, Pixtral, …
    Mistral,
    /// Cohere's Command.
    Cohere,
    /// Meta's Llama.
    Llama,
    /// DeepSeek.
    DeepSeek,
    /// OpenAI's open models.
    OpenAi,
    /// Qwen.
    Qwen,
    /// Somebody else, who is known to be none of the above.
    Other,
    /// The id does not say (an application inference profile, a provisioned or imported model).
    #[default]
    Unknown,
}

/// A model of Bedrock's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// Who made it.
    pub family: Family,
    /// Claude's version, where the id says it: (4, 5). None is taken for the newest.
    pub version: Option<(u16, u16)>,
    /// It cannot but think (Claude Fable and Mythos).
    pub always_thinks: bool,
}

impl Model {
    /// Reads an id: `anthropic.claude-sonnet-4-5-20250929-v1:0`, the same with a region before it (`us.`, `eu.`,
    /// `global.`), or the ARN of a foundation model or a system-defined inference profile.
    pub fn of(id: &str) -> Self {
        let name = id.rsplit('/').next().unwrap_or(id);
        let families = [
            ("anthropic.", Family::Claude),
            ("amazon.nova-2", Family::Nova2),
            ("amazon.nova", Family::Nova),
            ("mistral.", Family::Mistral),
            ("cohere.", Family::Cohere),
            ("meta.", Family::Llama),
            ("deepseek.", Family::DeepSeek),
            ("openai.", Family::OpenAi),
            ("qwen.", Family::Qwen),
        ];
        let family = families.iter().find(|(n, _)| name.contains(n)).map(|(_, f)| *f);
        // `vendor.model` of a vendor that is not listed; ids of profiles and imported models have no dot.
        let named = if name.contains('.') { Family::Other } else { Family::Unknown };
        let family = family.unwrap_or(named);
        let version = if family == Family::Claude { claude_version(name) } else { None };
        let always_thinks = name.contains("fable") || name.contains("mythos");
        Self { family, version, always_thinks }
    }

    /// A model of a family, where nothing more is known of it.
    pub const fn family(family: Family) -> Self {
        Self { family, version: None, always_thinks: false }
    }

    /// Claude, or possibly so.
    pub(super) fn may_be_claude(self) -> bool {
        matches!(self.family, Family::Claude | Family::Unknown)
    }

    /// Is it Claude of this version or a later one? A version that is not said is the newest.
    fn claude_from(self, version: (u16, u16)) -> bool {
        self.family == Family::Claude && self.version.is_none_or(|v| v >= version)
    }

    /// Claude takes a thinking budget from 3.7 to 4.6; what comes after decides itself (see [`Model::adaptive`]).
    /// <https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking>, as the other rules here.
    pub(super) fn budget(self) -> bool {
        self.claude_from((3, 7)) && !self.newest()
    }

    /// Claude decides how much to think, from 4.6 on.
    pub(super) fn adaptive(self) -> bool {
        self.claude_from((4, 6))
    }

    /// Claude of 4.7 or later: efforts beyond `high`, no budget, no settings of sampling.
    pub(super) fn newest(self) -> bool {
        self.claude_from((4, 7))
    }

    /// Claude that has a word for not thinking, and may need it.
    pub(super) fn turns_off(self) -> bool {
        self.adaptive() && !self.always_thinks && self.version != Some((4, 7))
    }

    /// Claude that takes only one of temperature and top_p, from 4.1 on.
    pub(super) fn one_of_sampling(self) -> bool {
        self.claude_from((4, 1))
    }

    /// Claude that takes instructions inside the conversation, after a user's turn: from 4.8 on, but not Sonnet 5.
    pub(super) fn system_anywhere(self) -> bool {
        self.version.is_some() && self.claude_from((4, 8)) && self.version != Some((5, 0))
    }

    /// Prompt caches are known with Claude and Nova; elsewhere a `cachePoint` is an error.
    /// <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>
    pub(super) fn caches(self) -> bool {
        matches!(self.family, Family::Claude | Family::Nova | Family::Nova2 | Family::Unknown)
    }
}

/// `claude-3-7-sonnet-…` is 3.7, `claude-sonnet-4-5-…` 4.5, `claude-opus-4-20250514-…` 4.0, `claude-v2` 2.0.
fn claude_version(name: &str) -> Option<(u16, u16)> {
    let rest = name.split_once("claude-")?.1;
    let small = |p: &str| p.trim_start_matches('v').parse::<u16>().ok().filter(|n| *n < 1000);
    let mut parts = rest.split(['-', ':', '.']).skip_while(|p| small(p).is_none());
    let major = small(parts.next()?)?;
    let minor = parts.next().filter(|p| !p.starts_with('v')).and_then(small).unwrap_or(0);
    Some((major, minor))
}
