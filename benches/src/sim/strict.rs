//! Is a body what the provider's API takes? Checked against the request types of the official SDKs (`shapes/*.json`,
//! written by `shapes/make.py`, which also tells their notation): members that do not exist, members that are missing,
//! values of another type or not among those that are allowed.
//!
//! The real APIs differ in how much they check; the simulator always checks everything, because a gateway that sends
//! what no SDK could send translates wrongly. `strict=0` turns it off.

mod shape;
mod walk;

use serde_json::Value;
use shape::Shapes;
use std::sync::LazyLock;
use walk::Walk;

static ANTHROPIC: LazyLock<Shapes> =
    LazyLock::new(|| Shapes::read(include_str!("../../shapes/anthropic.json")));
static OPENAI: LazyLock<Shapes> = LazyLock::new(|| Shapes::read(include_str!("../../shapes/openai.json")));
static GEMINI: LazyLock<Shapes> = LazyLock::new(|| Shapes::read(include_str!("../../shapes/gemini.json")));
static BEDROCK: LazyLock<Shapes> = LazyLock::new(|| Shapes::read(include_str!("../../shapes/bedrock.json")));

/// A kind of body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Messages,
    CountTokens,
    /// The same with an `anthropic-beta` header.
    BetaMessages,
    BetaCountTokens,
    Chat,
    Responses,
    Generate,
    GeminiCount,
    Embed,
    BatchEmbed,
    Converse,
    ConverseStream,
    BedrockCount,
}

/// A step to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// There is no such member.
    Unknown,
    /// The member must be there.
    Missing,
    /// It should be this instead.
    Type(&'static str),
    /// It should be one of these words.
    Word(String, Vec<String>),
    /// Exactly one member of a union must be there, not so many.
    Members(usize),
}

/// The first mistake in a body, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) path: Vec<Step>,
    pub(crate) what: What,
}

impl Wrong {
    /// The name of the last member on the way.
    pub(crate) fn name(&self) -> &str {
        let key = |step: &Step| matches!(step, Step::Key(_));
        match self.path.iter().rev().find(|s| key(s)) {
            Some(Step::Key(name)) => name,
            _ => "",
        }
    }

    /// `messages.0.content`.
    pub(crate) fn dotted(&self) -> String {
        joined(&self.path, |i| format!(".{i}"))
    }

    /// `messages[0].content`.
    pub(crate) fn bracketed(&self) -> String {
        joined(&self.path, |i| format!("[{i}]"))
    }

    /// The same of the object that the member is in.
    pub(crate) fn parent_bracketed(&self) -> String {
        joined(&self.path[..self.path.len().saturating_sub(1)], |i| format!("[{i}]"))
    }

    /// `messages.1.member.content`: lists begin with 1.
    pub(crate) fn smithy(&self) -> String {
        joined(&self.path, |i| format!(".{}.member", i + 1))
    }
}

fn joined(path: &[Step], index: impl Fn(usize) -> String) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
            Step::Index(i) => out.push_str(&index(*i)),
        }
    }
    out
}

/// Checks a body.
pub(crate) fn check(body: Body, value: &Value) -> Result<(), Wrong> {
    let (shapes, root): (&Shapes, &str) = match body {
        Body::Messages => (&ANTHROPIC, "messages"),
        Body::CountTokens => (&ANTHROPIC, "count_tokens"),
        Body::BetaMessages => (&ANTHROPIC, "beta_messages"),
        Body::BetaCountTokens => (&ANTHROPIC, "beta_count_tokens"),
        Body::Chat => (&OPENAI, "chat"),
        Body::Responses => (&OPENAI, "responses"),
        Body::Generate => (&GEMINI, "generate"),
        Body::GeminiCount => (&GEMINI, "count"),
        Body::Embed => (&GEMINI, "embed"),
        Body::BatchEmbed => (&GEMINI, "batch_embed"),
        Body::Converse => (&BEDROCK, "converse"),
        Body::ConverseStream => (&BEDROCK, "converse_stream"),
        Body::BedrockCount => (&BEDROCK, "count"),
    };
    Walk::new(shapes).root(root, value)
}

#[cfg(test)]
mod tests;
