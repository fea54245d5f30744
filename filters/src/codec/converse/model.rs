//! What a model is, from its Bedrock id: Converse is one format, but thinking, `top_k` and caches are said in each
//! family's own fields.

use crate::codec::messages::Abilities;

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
    /// Of Claude: what it accepts.
    pub claude: Abilities,
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
        let claude = if family == Family::Claude { Abilities::of(name) } else { Abilities::default() };
        Self { family, claude }
    }

    /// Claude, or possibly so.
    pub(super) fn may_be_claude(self) -> bool {
        matches!(self.family, Family::Claude | Family::Unknown)
    }

    /// Claude of 4.7 or later: efforts beyond `high`, no budget, no settings of sampling.
    pub(super) fn newest(self) -> bool {
        self.claude.xhigh
    }

    /// Claude that takes only one of temperature and top_p.
    pub(super) fn one_of_sampling(self) -> bool {
        self.family == Family::Claude && !self.claude.both
    }

    /// Prompt caches are known with Claude and Nova; elsewhere a `cachePoint` is an error.
    /// <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>
    pub(super) fn caches(self) -> bool {
        matches!(self.family, Family::Claude | Family::Nova | Family::Nova2 | Family::Unknown)
    }
}
