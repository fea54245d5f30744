//! The same body on Bedrock and Vertex. A client's own body is not written anew but spliced: bytes that say thoughts
//! and cached prompts stay as they are.
//!
//! - Bedrock's InvokeModel: `anthropic_version: "bedrock-2023-05-31"`, no `model` (it is in the path), no `stream`
//!   (the path says it), the betas of the header `anthropic-beta` as `anthropic_beta`.
//!   <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html>
//! - Vertex's rawPredict: `anthropic_version: "vertex-2023-10-16"`, no `model`; `stream` stays, and so do the betas
//!   in their header. <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude>
//!   Counting tokens goes to one path for all models (`…/models/count-tokens:rawPredict`), so there `model` stays.

use crate::body::Splice;
use crate::body::json::{self, Kind, Member, Visit};
use crate::codec::DecodeError;
use bytes::Bytes;
use std::ops::Range;

/// Where a Messages body goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Anthropic's API, and whatever speaks it at `/v1/messages`.
    #[default]
    Anthropic,
    /// Bedrock's InvokeModel and InvokeModelWithResponseStream.
    Bedrock,
    /// Vertex's rawPredict and streamRawPredict.
    Vertex,
}

impl Platform {
    /// What the body says as `anthropic_version`; None: the header says it.
    ///
    /// These are the platforms' names of API version `2023-06-01`. A client's `2026-10-21` may be answered by it: that
    /// one only takes away inputs, and Bedrock has it for newer models only.
    /// <https://platform.claude.com/docs/en/api/migration-2026-10-21>
    pub const fn version(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => None,
            Self::Bedrock => Some("bedrock-2023-05-31"),
            Self::Vertex => Some("vertex-2023-10-16"),
        }
    }

    /// Does the body name the model? `count`: it asks to count tokens.
    pub(super) fn names_model(self, count: bool) -> bool {
        self == Self::Anthropic || (self == Self::Vertex && count)
    }
}

#[derive(Default)]
struct Top(Vec<Member>);

impl Visit for Top {
    fn descend(&mut self, _: &str, _: bool) -> bool {
        false
    }
    fn member(&mut self, member: Member) {
        self.0.push(member);
    }
}

/// The splices that make a client's verbatim Messages body one for `platform`, in the order of their places; none of
/// them overlaps another. `betas`: the values of the client's header `anthropic-beta`, split at the commas. `count`: it
/// asks to count tokens.
///
/// # Errors
/// The body is no JSON object.
pub fn splices(
    body: &[u8],
    platform: Platform,
    betas: &[&str],
    count: bool,
) -> Result<Vec<Splice>, DecodeError> {
    let Some(version) = platform.version() else { return Ok(Vec::new()) };
    let text =
        std::str::from_utf8(body).map_err(|_| DecodeError::new("", "The request body is not valid UTF-8"))?;
    let mut top = Top::default();
    let object = json::scan(text, &mut top)
        .map_err(|e| DecodeError::new("", format!("The request body is not a JSON object: {e}")))?;
    let members = top.0;
    let key = |m: &Member| {
        let quoted = &text[m.key.start - 1..=m.key.end];
        serde_json::from_str::<String>(quoted).unwrap_or_default()
    };
    let names: Vec<String> = members.iter().map(key).collect();
    let bedrock = platform == Platform::Bedrock;
    let named = platform.names_model(count);
    let goes = |name: &str| (name == "model" && !named) || (bedrock && name == "stream");
    let betas: Vec<&str> = betas.iter().map(|b| b.trim()).filter(|b| !b.is_empty()).collect();

    let mut first = Vec::new();
    let mut out = Vec::new();
    match members.iter().zip(&names).find(|(_, n)| *n == "anthropic_version") {
        // A client of another platform's SDK: its version is replaced.
        Some((m, _)) => out.push((m.value.clone(), quoted(version))),
        None => first.push(format!("\"anthropic_version\":\"{version}\"")),
    }
    if bedrock && !betas.is_empty() {
        match members.iter().zip(&names).find(|(_, n)| *n == "anthropic_beta") {
            Some((m, _)) => out.extend(more_betas(text, m, &betas)),
            None => first.push(format!("\"anthropic_beta\":{}", list(&betas))),
        }
    }
    out.extend(removals(&members, |i| goes(&names[i])));
    if !first.is_empty() {
        let mut new = first.join(",");
        if names.iter().any(|n| !goes(n)) {
            new.push(',');
        }
        let at = object.open + 1;
        out.push((at..at, Bytes::from(new)));
    }
    out.sort_by_key(|(range, _)| (range.start, range.end));
    Ok(out)
}

/// The body that the splices make.
pub fn apply(body: &[u8], splices: &[Splice]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 128);
    let mut at = 0;
    for (range, new) in splices {
        // Splices that do not belong to this body change nothing rather than panic.
        out.extend_from_slice(body.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(new);
        at = range.end;
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out
}

fn quoted(text: &str) -> Bytes {
    serde_json::to_vec(text).unwrap_or_default().into()
}

fn list(betas: &[&str]) -> String {
    serde_json::to_string(betas).unwrap_or_else(|_| "[]".into())
}

/// The header's betas into the body's list, without those that are there.
fn more_betas(text: &str, m: &Member, betas: &[&str]) -> Option<Splice> {
    let there: Vec<String> = serde_json::from_str(&text[m.value.clone()]).unwrap_or_default();
    let new: Vec<&str> = betas.iter().copied().filter(|b| !there.iter().any(|t| t == b)).collect();
    if new.is_empty() {
        return None;
    }
    let all: Vec<&str> = there.iter().map(String::as_str).chain(new).collect();
    // Only a list is kept; null, or nonsense, is replaced by it.
    debug_assert!(m.kind == Kind::Array || there.is_empty());
    Some((m.value.clone(), list(&all).into()))
}

/// Takes members out, each run of them with the commas that belong to it.
fn removals(members: &[Member], goes: impl Fn(usize) -> bool) -> Vec<Splice> {
    let mut out = Vec::new();
    let mut i = 0;
    while i < members.len() {
        if !goes(i) {
            i += 1;
            continue;
        }
        let first = i;
        while i < members.len() && goes(i) {
            i += 1;
        }
        // The key's span has no quotes: one more before it.
        let start = |m: &Member| m.key.start - 1;
        let range: Range<usize> = match members.get(i) {
            Some(next) => start(&members[first])..start(next),
            None => {
                let from = if first == 0 { start(&members[0]) } else { members[first - 1].value.end };
                from..members[i - 1].value.end
            }
        };
        out.push((range, Bytes::new()));
    }
    out
}
