//! Thoughts in chunks: as plain text, and as entries with their proofs.

use super::wire::DeltaOut;
use super::{Encoder, Slot};
use crate::codec::chat::thoughts::{DetailOut, SEALED, SUMMARY, TEXT, format_of};
use crate::ir::block::Thinking;
use crate::ir::signature::{Origin, Signature};
use crate::ir::stream::Delta;
use bytes::BytesMut;
use std::borrow::Cow;

/// How far a thought is told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Thought {
    /// The entry that is being written.
    pub(super) detail: u32,
    /// Parts of its summary that have begun.
    pub(super) parts: u32,
    /// Some of it (or of the part) has been shown.
    pub(super) shown: bool,
    /// It has text that is no summary.
    pub(super) text: bool,
    /// It is only its seal.
    pub(super) redacted: bool,
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
        // Between two thoughts, or two parts of one, a client that shows the plain text sees an empty line.
        let gap = c.thought && !t.shown;
        c.thought = true;
        t.shown = true;
        t.text |= t.parts == 0;
        let mut entry = DetailOut { kind: TEXT, index: t.detail, ..DetailOut::default() };
        if t.parts > 0 {
            entry.kind = SUMMARY;
            entry.summary = Some(text);
        } else {
            entry.text = Some(text);
        }
        let plain = if gap { Cow::Owned(format!("\n\n{text}")) } else { Cow::Borrowed(text) };
        let delta = DeltaOut {
            reasoning_content: Some(plain),
            reasoning_details: Some([entry]),
            ..DeltaOut::default()
        };
        self.delta(n, delta, out);
    }

    /// The proof of a thought: a member of its text's entry, or an entry of its own (see
    /// [`crate::codec::chat::thoughts::sealed_apart`]).
    pub(super) fn proof(&mut self, n: u32, at: usize, index: u32, s: &Signature, out: &mut BytesMut) {
        let Some(Slot::Thinking(t)) = self.choices[at].slots.get(index as usize) else { return };
        let Thought { detail, parts, shown: _, text, redacted } = *t;
        let (id, format) = (s.id.as_deref(), Some(format_of(s.origin)));
        let entry = if redacted || parts > 0 || s.origin == Origin::OpenAi && !text {
            let index = if parts > 0 { self.entry(at) } else { detail };
            DetailOut { kind: SEALED, data: Some(&s.value), id, format, index, ..DetailOut::default() }
        } else {
            let signature = Some(s.value.as_str());
            DetailOut { kind: TEXT, signature, id, format, index: detail, ..DetailOut::default() }
        };
        self.delta(n, DeltaOut { reasoning_details: Some([entry]), ..DeltaOut::default() }, out);
    }
}
