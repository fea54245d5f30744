//! Messages: texts and refusals.

use super::super::event::{Event, write};
use super::super::object::Status;
use super::super::open::{Message, Open, Text};
use super::super::output::{OutItem, Part};
use super::super::piece::{self, Place};
use super::super::{annotation, carry};
use super::Encoder;
use crate::ir::block::Citation;
use crate::ir::{Origin, Raw};
use bytes::BytesMut;
use serde_json::value::RawValue;

impl Encoder {
    /// Something that is no text begins: the message before it ends as soon as its parts do.
    pub(super) fn seal(&mut self, out: &mut BytesMut) {
        if let Some(m) = self.messages.last_mut() {
            m.sealed = true;
        }
        self.end_messages(Status::Completed, out);
    }

    pub(super) fn end_messages(&mut self, status: Status, out: &mut BytesMut) {
        while let Some(i) = self.messages.iter().position(|m| m.sealed && m.parts.iter().all(|p| !p.open)) {
            let m = self.messages.remove(i);
            let parts: Vec<Part<'_>> = m.parts.iter().map(Text::part).collect();
            let item =
                OutItem::Message { id: &m.id, status: status.word(), role: "assistant", content: &parts };
            self.done(m.at, &item, out);
        }
    }

    /// A part of a message begins, and the message if there is none.
    pub(super) fn text_start(&mut self, refusal: bool, out: &mut BytesMut) -> Open {
        if self.messages.last().is_none_or(|m| m.sealed) {
            let (at, id) = self.place("msg");
            let content = &[];
            let item = OutItem::Message { id: &id, status: "in_progress", role: "assistant", content };
            self.added(at, &item, out);
            self.messages.push(Message { at, id, parts: Vec::new(), sealed: false });
        }
        let Some(m) = self.messages.last_mut() else { return Open::Nothing };
        let (at, part) = (m.at, m.parts.len());
        let text = Text::new(refusal, Place::new(&m.id, at, Some(("content_index", part))));
        let event = Event {
            r#type: "response.content_part.added",
            item_id: Some(&m.id),
            content_index: Some(part),
            part: Some(text.part()),
            sequence_number: self.sequence,
            ..Event::at(at)
        };
        if !self.quiet {
            write(&event, out);
            self.sequence += 1;
        }
        m.parts.push(text);
        Open::Text { message: at, part }
    }

    /// The message and part of an open text.
    pub(super) fn part_of(&mut self, index: u32) -> Option<(&mut Message, usize)> {
        let Some(Open::Text { message, part }) = self.find(index) else { return None };
        let (at, part) = (*message, *part);
        self.messages.iter_mut().rev().find(|m| m.at == at).map(|m| (m, part))
    }

    pub(super) fn text(&mut self, index: u32, more: &str, out: &mut BytesMut) {
        let (quiet, sequence_number) = (self.quiet, self.sequence);
        let Some((m, part)) = self.part_of(index).filter(|_| !more.is_empty()) else { return };
        let text = &mut m.parts[part];
        text.text.push_str(more);
        if quiet {
            return;
        }
        let kind = if text.refusal { piece::REFUSAL } else { piece::TEXT };
        piece::write(kind, sequence_number, &text.place, more, out);
        self.sequence += 1;
    }

    pub(super) fn citation(&mut self, index: u32, c: &Citation, out: &mut BytesMut) {
        let (quiet, sequence_number) = (self.quiet, self.sequence);
        let Some((m, part)) = self.part_of(index) else { return };
        let text = &mut m.parts[part];
        // What covers the whole text can be said when the text is whole.
        if c.range.is_none() && !matches!(c.raw, Some((Origin::OpenAi, _))) {
            text.held.push(c.clone());
            return;
        }
        let Some(raw) = annotation::encode(c, text.text.chars().count()) else { return };
        text.annotations.push(raw);
        if !quiet {
            write(&m.annotated(part, sequence_number), out);
            self.sequence += 1;
        }
    }

    pub(super) fn text_stop(&mut self, message: usize, part: usize, out: &mut BytesMut) {
        let Some(m) = self.messages.iter_mut().rev().find(|m| m.at == message) else { return };
        let quiet = self.quiet;
        for c in std::mem::take(&mut m.parts[part].held) {
            let text = &mut m.parts[part];
            if let Some(raw) = annotation::encode(&c, text.text.chars().count()) {
                text.annotations.push(raw);
                if !quiet {
                    write(&m.annotated(part, self.sequence), out);
                    self.sequence += 1;
                }
            }
        }
        m.parts[part].open = false;
        if !quiet {
            for event in m.part_done(part, self.sequence) {
                write(&event, out);
                self.sequence += 1;
            }
        }
        if let Some(s) = m.parts[part].signature.clone() {
            self.seal(out);
            self.carrier(&carry::of_text(&s), out);
        } else {
            self.end_messages(Status::Completed, out);
        }
    }

    pub(super) fn logprobs(&mut self, list: &Raw) {
        let last =
            self.open.iter().rev().find_map(|(i, open)| matches!(open, Open::Text { .. }).then_some(*i));
        let Ok(list) = serde_json::from_str::<Vec<Box<RawValue>>>(list.text()) else { return };
        if let Some((m, part)) = last.and_then(|i| self.part_of(i)) {
            m.parts[part].logprobs.extend(list);
        } else if let Some(part) = self.messages.last_mut().and_then(|m| m.parts.last_mut()) {
            // They came after their text's end: at least the message's end tells them.
            part.logprobs.extend(list);
        }
    }
}
