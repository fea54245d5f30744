//! Thoughts in chunks: as plain text while they come, and once more as entries with their proofs when each is complete.
//!
//! Whole entries in one chunk, because the SDKs' readers of streams treat a list that they do not know differently:
//! Python's joins what has the same `index`, npm's keeps the last list only. A thought in pieces would come back from
//! npm without its text, and the provider would refuse the next turn. Where plain text alone would not tell what begins
//! (a second thought, a part of a summary), an empty entry goes before it.

use super::wire::DeltaOut;
use super::{Encoder, Slot};
use crate::codec::chat::thoughts::{self, DetailOut, GAP, SUMMARY, TEXT};
use crate::ir::block::Thinking;
use crate::ir::signature::Signature;
use crate::ir::stream::Delta;
use bytes::BytesMut;
use std::borrow::Cow;

/// Bytes of a thought that are kept for its entries; longer ones are told by their plain text only.
const LONGEST: usize = 4 << 20;

/// A thought as far as it has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Thought {
    /// Some of it (or of the part) has been shown.
    shown: bool,
    /// What its entries will say.
    whole: Thinking,
    /// Bytes of it.
    size: usize,
    /// The numbers of its entries, as far as they are given out.
    entries: Vec<u32>,
}

impl Thought {
    /// One that begins.
    pub(super) fn new(redacted: bool) -> Self {
        Self { whole: Thinking { redacted, ..Thinking::default() }, ..Self::default() }
    }

    /// The next part of its summary begins; it will be entry `n`.
    pub(super) fn part(&mut self, n: u32) {
        self.shown = false;
        self.whole.summary.push(String::new());
        self.entries.push(n);
    }

    /// It has a summary.
    pub(super) fn sums_up(&self) -> bool {
        !self.whole.summary.is_empty()
    }

    /// Its proof.
    pub(super) fn proof(&mut self, s: &Signature) {
        self.whole.signature = Some(s.clone());
    }
}

impl Encoder {
    /// What of a thought came with its beginning.
    pub(super) fn whole_thought(&mut self, n: u32, index: u32, t: &Thinking, out: &mut BytesMut) {
        // (`redacted` was noted with its beginning.)
        let Thinking { text, summary, signature, redacted: _ } = t;
        self.more(n, index, &Delta::Thinking(text.clone()), out);
        for part in summary {
            self.more(n, index, &Delta::SummaryPart, out);
            self.more(n, index, &Delta::Thinking(part.clone()), out);
        }
        if let Some(s) = signature {
            self.more(n, index, &Delta::Signature(s.clone()), out);
        }
    }

    /// More of a thought.
    pub(super) fn thinking(&mut self, n: u32, at: usize, index: u32, text: &str, out: &mut BytesMut) {
        let c = &mut self.choices[at];
        let Some(Slot::Thinking(t)) = c.slots.get_mut(index as usize) else { return };
        let begins = !std::mem::replace(&mut t.shown, true);
        // Between two thoughts, or two parts of one, a client that shows the plain text sees an empty line.
        let gap = std::mem::replace(&mut c.thought, true) && begins;
        t.size = t.size.saturating_add(text.len());
        if t.size <= LONGEST {
            t.whole.summary.last_mut().unwrap_or(&mut t.whole.text).push_str(text);
        }
        let sums_up = t.sums_up();
        if begins && !sums_up {
            t.entries.push(c.details);
            c.details += 1;
        }
        let number = t.entries.last().copied().unwrap_or_default();
        if begins && (gap || sums_up) {
            let mut entry = DetailOut { kind: TEXT, index: number, ..DetailOut::default() };
            if sums_up {
                entry = DetailOut { kind: SUMMARY, summary: Some(""), ..entry };
            } else {
                entry.text = Some("");
            }
            let delta = DeltaOut {
                reasoning_content: gap.then_some(Cow::Borrowed(GAP)),
                reasoning_details: Some(vec![entry]),
                ..DeltaOut::default()
            };
            self.delta(n, delta, out);
        }
        let plain = Some(Cow::Borrowed(text));
        self.delta(n, DeltaOut { reasoning_content: plain, ..DeltaOut::default() }, out);
    }

    /// The entries of a thought that is complete.
    pub(super) fn thought(&mut self, n: u32, at: usize, thought: &Thought, out: &mut BytesMut) {
        if thought.size > LONGEST {
            return;
        }
        let mut entries = Vec::new();
        thoughts::write(&thought.whole, &mut entries);
        let empty = |e: &DetailOut<'_>| e.signature.is_none() && e.text.is_some_and(str::is_empty);
        entries.retain(|e| !empty(e));
        for (i, entry) in entries.iter_mut().enumerate() {
            entry.index = thought.entries.get(i).copied().unwrap_or_else(|| self.entry(at));
        }
        if !entries.is_empty() {
            self.delta(n, DeltaOut { reasoning_details: Some(entries), ..DeltaOut::default() }, out);
        }
    }
}
