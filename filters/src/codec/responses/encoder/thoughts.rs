//! Thoughts: summaries of reasoning items.

use super::super::event::{Event, write};
use super::super::open::Open;
use super::super::output::SummaryPart;
use super::super::piece::{self, Place};
use super::Encoder;
use bytes::BytesMut;

impl Encoder {
    /// A part of a summary begins; the one before it ends.
    pub(super) fn summary_part(&mut self, index: u32, out: &mut BytesMut) {
        self.summary_done(index, out);
        let (quiet, sequence_number) = (self.quiet, self.sequence);
        let Some(Open::Thought(t)) = self.find(index) else { return };
        let event = Event {
            r#type: "response.reasoning_summary_part.added",
            sequence_number,
            item_id: Some(&t.id),
            summary_index: Some(t.parts.len()),
            summary: Some(SummaryPart::new("")),
            ..Event::at(t.at)
        };
        if !quiet {
            write(&event, out);
            self.sequence += 1;
        }
        if let Some(Open::Thought(t)) = self.find(index) {
            t.place = Place::new(&t.id, t.at, Some(("summary_index", t.parts.len())));
            t.parts.push(String::new());
        }
    }

    pub(super) fn summary_done(&mut self, index: u32, out: &mut BytesMut) {
        let (quiet, sequence_number) = (self.quiet, self.sequence);
        let Some(Open::Thought(t)) = self.find(index) else { return };
        let Some(text) = t.parts.last().filter(|_| !quiet) else { return };
        let event = Event {
            r#type: "response.reasoning_summary_text.done",
            sequence_number,
            item_id: Some(&t.id),
            summary_index: Some(t.parts.len() - 1),
            text: Some(text),
            ..Event::at(t.at)
        };
        write(&event, out);
        let event = Event {
            r#type: "response.reasoning_summary_part.done",
            sequence_number: sequence_number + 1,
            text: None,
            summary: Some(SummaryPart::new(text)),
            ..event
        };
        write(&event, out);
        self.sequence += 2;
    }

    pub(super) fn thought(&mut self, index: u32, more: &str, out: &mut BytesMut) {
        if more.is_empty() {
            return;
        }
        if matches!(self.find(index), Some(Open::Thought(t)) if t.parts.is_empty()) {
            self.summary_part(index, out);
        }
        let (quiet, sequence_number) = (self.quiet, self.sequence);
        let Some(Open::Thought(t)) = self.find(index) else { return };
        let Some(last) = t.parts.last_mut() else { return };
        last.push_str(more);
        if !quiet {
            piece::write(piece::SUMMARY, sequence_number, &t.place, more, out);
            self.sequence += 1;
        }
    }
}
