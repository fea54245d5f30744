//! Thoughts in a format that has no place for them: `reasoning_details`, as OpenRouter defined them.
//!
//! One thought is one or several entries: `reasoning.text` (with `signature`), `reasoning.summary` for each part of a
//! summary, `reasoning.encrypted` for a sealed one. `format` says whose the proof is; `id` ties the parts of a summary
//! to its sealed original, and a sealed entry whose `id` is that of a tool call is the call's own signature (Gemini).

use super::wire::Detail;
use crate::ir::block::Thinking;
use crate::ir::signature::{Origin, Signature};
use serde::Serialize;

/// OpenRouter's word for whose thought it is.
pub(super) const fn format_of(origin: Origin) -> &'static str {
    match origin {
        Origin::Anthropic => "anthropic-claude-v1",
        Origin::OpenAi => "openai-responses-v1",
        Origin::Google => "google-gemini-v1",
        Origin::Other => "unknown",
    }
}

fn origin_of(format: Option<&str>) -> Origin {
    match format {
        Some(f) if f.starts_with("anthropic") => Origin::Anthropic,
        Some(f) if f.starts_with("openai") || f.starts_with("azure-openai") => Origin::OpenAi,
        Some(f) if f.starts_with("google") => Origin::Google,
        _ => Origin::Other,
    }
}

/// One entry, to be written.
#[derive(Debug, Default, Serialize)]
pub(super) struct DetailOut<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<&'static str>,
    pub(super) index: u32,
}

/// Between thoughts in the plain text.
pub(super) const GAP: &str = "\n\n";
/// `reasoning.text`.
pub(super) const TEXT: &str = "reasoning.text";
/// `reasoning.summary`.
pub(super) const SUMMARY: &str = "reasoning.summary";
/// `reasoning.encrypted`.
pub(super) const SEALED: &str = "reasoning.encrypted";

impl<'a> DetailOut<'a> {
    /// A sealed entry.
    pub(super) fn sealed(signature: &'a Signature, id: Option<&'a str>, index: u32) -> Self {
        let format = Some(format_of(signature.origin));
        Self { kind: SEALED, data: Some(&signature.value), id, format, index, ..Self::default() }
    }
}

/// Is the proof of this thought an entry of its own, not a member of its text?
pub(super) fn sealed_apart(t: &Thinking) -> bool {
    let openai = t.signature.as_ref().is_some_and(|s| s.origin == Origin::OpenAi);
    t.redacted || !t.summary.is_empty() || openai && t.text.is_empty()
}

/// Writes a thought.
pub(super) fn write<'a>(t: &'a Thinking, out: &mut Vec<DetailOut<'a>>) {
    let next = |out: &Vec<_>| u32::try_from(out.len()).unwrap_or(u32::MAX);
    let id = t.signature.as_ref().and_then(|s| s.id.as_deref());
    let format = t.signature.as_ref().map(|s| format_of(s.origin));
    for part in &t.summary {
        let index = next(out);
        out.push(DetailOut { kind: SUMMARY, summary: Some(part), id, format, index, ..DetailOut::default() });
    }
    match &t.signature {
        Some(s) if sealed_apart(t) => out.push(DetailOut::sealed(s, id, next(out))),
        s if t.summary.is_empty() => out.push(DetailOut {
            kind: TEXT,
            text: Some(&t.text),
            signature: s.as_ref().map(|s| s.value.as_str()),
            id,
            format,
            index: next(out),
            ..DetailOut::default()
        }),
        _ => {}
    }
}

/// All that can be read of a thought, for `reasoning_content`.
pub(super) fn readable(t: &Thinking) -> impl Iterator<Item = &str> {
    std::iter::once(t.text.as_str()).chain(t.summary.iter().map(String::as_str)).filter(|s| !s.is_empty())
}

/// What an entry says, apart from what it belongs to.
#[derive(Debug)]
pub(super) enum Said {
    /// Some text, and perhaps the proof.
    Text(String, Option<Signature>),
    /// (Some of) a part of a summary.
    Summary(String),
    /// A sealed thought, or the proof of a summary.
    Sealed(Signature),
}

/// Reads an entry; None: a kind that has no name here.
pub(super) fn said(d: Detail) -> Option<Said> {
    let origin = origin_of(d.format.as_deref());
    let proof = |value: String| {
        let mut s = Signature::unwrap(&value, origin);
        // Anthropic's thoughts have no ids: what stands there is OpenRouter's own numbering.
        if s.id.is_none() && s.origin != Origin::Anthropic {
            s.id = d.id.clone();
        }
        s
    };
    match d.kind.as_str() {
        TEXT => {
            Some(Said::Text(d.text.unwrap_or_default(), d.signature.filter(|s| !s.is_empty()).map(proof)))
        }
        SUMMARY => Some(Said::Summary(d.summary.unwrap_or_default())),
        SEALED => d.data.filter(|s| !s.is_empty()).map(proof).map(Said::Sealed),
        _ => None,
    }
}

/// An entry that only says what begins.
pub(super) fn opens(d: &Detail) -> bool {
    let words = if d.kind == SUMMARY { &d.summary } else { &d.text };
    d.index.is_some() && d.signature.is_none() && words.as_deref() == Some("")
}

/// What the entry before was.
#[derive(Clone, Debug, Default)]
pub(super) struct Last {
    kind: Option<bool>,
    index: Option<i64>,
    id: Option<String>,
    format: Option<String>,
}

/// What an entry does to the thought before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It begins a new one.
    New,
    /// It goes on with it (same part).
    Same,
    /// It is the next part of its summary.
    NextPart,
}

impl Last {
    /// After some text that came without entries.
    pub(super) fn plain() -> Self {
        Self { kind: Some(false), ..Self::default() }
    }

    /// After an entry that only said what begins.
    pub(super) fn opened(d: &Detail) -> Self {
        Self { kind: Some(d.kind == SUMMARY), index: d.index, id: d.id.clone(), format: d.format.clone() }
    }

    /// Has it the number of this one? Then it is the same, and some servers send it empty in between.
    pub(super) fn is_at(&self, d: &Detail) -> bool {
        self.index.is_some() && self.index == d.index
    }

    /// It was (a part of) a summary.
    pub(super) fn sums_up(&self) -> bool {
        self.kind == Some(true)
    }

    /// Compares an entry with the one before. `signed`: the thought before has its proof already.
    pub(super) fn fit(&mut self, d: &mut Detail, signed: bool) -> Fit {
        // MiniMax writes no kind.
        if d.kind.is_empty() && d.text.is_some() {
            d.kind = TEXT.to_owned();
        }
        let summary = match d.kind.as_str() {
            TEXT => Some(false),
            SUMMARY => Some(true),
            _ => None,
        };
        let same_index = d.index.is_some() && d.index == self.index;
        let unnumbered = d.index.is_none() || self.index.is_none();
        let no_text = d.text.as_deref().is_none_or(str::is_empty);
        let same_id = d.id.is_none() || self.id.is_none() || d.id == self.id;
        let fit = match (self.kind, summary) {
            (None, _) => Fit::New,
            _ if signed => Fit::New,
            (Some(false), Some(false)) if same_index || unnumbered && no_text => Fit::Same,
            (Some(true), Some(true)) if same_index => Fit::Same,
            (Some(true), Some(true)) if same_id => Fit::NextPart,
            (Some(true), None) if same_id => Fit::Same,
            _ => Fit::New,
        };
        // The piece with the proof may say no more whose it is.
        if fit != Fit::New && d.format.is_none() {
            d.format = self.format.take();
        }
        *self = Self { kind: summary, index: d.index, id: d.id.clone(), format: d.format.clone() };
        fit
    }
}

/// Reads a whole list. Sealed entries that belong to one of `calls` (ids) come back apart.
pub(super) fn read(
    details: Vec<Detail>,
    is_call: impl Fn(&str) -> bool,
) -> (Vec<Thinking>, Vec<(String, Signature)>) {
    let (mut thoughts, mut seals) = (Vec::<Thinking>::new(), Vec::new());
    let mut last = Last::default();
    for mut d in details {
        if d.kind == SEALED && d.id.as_deref().is_some_and(&is_call) {
            if let (Some(id), Some(Said::Sealed(s))) = (d.id.clone(), said(d)) {
                seals.push((id, Signature { id: None, ..s }));
            }
            continue;
        }
        let fit = last.fit(&mut d, thoughts.last().is_some_and(|t| t.signature.is_some()));
        let Some(said) = said(d) else { continue };
        let new = fit == Fit::New;
        if new {
            thoughts.push(Thinking::default());
        }
        let Some(thought) = thoughts.last_mut() else { continue };
        match said {
            Said::Text(text, proof) => {
                thought.text.push_str(&text);
                thought.signature = proof.or(thought.signature.take());
            }
            Said::Summary(text) => match thought.summary.last_mut() {
                Some(part) if fit == Fit::Same => part.push_str(&text),
                _ => thought.summary.push(text),
            },
            Said::Sealed(s) => {
                thought.redacted = new && s.origin == Origin::Anthropic;
                thought.signature = Some(s);
            }
        }
    }
    (thoughts, seals)
}
