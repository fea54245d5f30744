//! Blocks: how each kind begins and ends.

use super::super::event::Event;
use super::super::open::{Call, Open, Thought};
use super::super::output::{Action, OutItem, SummaryPart};
use super::super::piece::{self, Place};
use super::super::{carry, item, websearch};
use super::Encoder;
use crate::ir::block::{Body, CallKind, ServerKind, Source};
use crate::ir::{Block, Origin, Raw, Signature};
use bytes::BytesMut;

impl Encoder {
    /// A reasoning item that only carries something.
    pub(super) fn carrier(&mut self, sealed: &str, out: &mut BytesMut) {
        let (at, id) = self.place("rs");
        let item = OutItem::Reasoning { id: &id, summary: Vec::new(), encrypted_content: Some(sealed) };
        self.whole(at, &item, out);
    }

    pub(super) fn block_start(&mut self, index: u32, block: &Block, out: &mut BytesMut) {
        match &block.body {
            Body::Text { text, citations, signature } => {
                let open = self.text_start(false, out);
                self.open.push((index, open));
                self.text(index, text, out);
                citations.iter().for_each(|c| self.citation(index, c, out));
                if let Some(s) = signature {
                    self.signature(index, s);
                }
            }
            Body::Refusal(text) => {
                self.refused = true;
                let open = self.text_start(true, out);
                self.open.push((index, open));
                self.text(index, text, out);
            }
            Body::ToolCall(call) => {
                self.seal(out);
                if let Some(sealed) = carry::of_call(call) {
                    self.carrier(&sealed, out);
                }
                let custom = call.kind == CallKind::Custom;
                let (at, id) = self.place(if custom { "ctc" } else { "fc" });
                let place = Place::new(&id, at, None);
                let mut call = Call { at, id, call: call.clone(), place, late: None };
                let arguments = std::mem::take(&mut call.call.arguments);
                self.added(at, &call.item("in_progress"), out);
                self.open.push((index, Open::Call(call)));
                self.arguments(index, &arguments, out);
            }
            Body::Thinking(t) => {
                self.seal(out);
                let (at, id) = self.place("rs");
                let mut t = t.clone();
                let text = std::mem::take(&mut t.text);
                let summary = std::mem::take(&mut t.summary);
                self.added(
                    at,
                    &OutItem::Reasoning { id: &id, summary: Vec::new(), encrypted_content: None },
                    out,
                );
                let place = Place::new(&id, at, Some(("summary_index", 0)));
                let thought = Thought { at, id, parts: Vec::new(), place, thinking: t };
                self.open.push((index, Open::Thought(thought)));
                self.thought(index, &text, out);
                for part in &summary {
                    self.summary_part(index, out);
                    self.thought(index, part, out);
                }
            }
            Body::Server { origin: Origin::OpenAi, raw, .. } => self.own(raw, out),
            Body::Opaque { origin: Origin::OpenAi, name, raw } if name.starts_with(item::ITEM) => {
                self.own(raw, out);
            }
            Body::Server { kind, raw, .. } => {
                self.seal(out);
                if let Some(sealed) = carry::of_block(&block.body) {
                    self.carrier(&sealed, out);
                }
                // What the client can show; it is left out again when it comes back.
                if *kind == ServerKind::WebSearch
                    && let Some(query) = websearch::query(raw)
                {
                    let (at, id) = self.place("ws");
                    let action = Action { r#type: "search", query: &query };
                    self.whole(at, &OutItem::WebSearchCall { id: &id, status: "completed", action }, out);
                }
            }
            Body::Opaque { .. } => {
                if let Some(sealed) = carry::of_block(&block.body) {
                    self.seal(out);
                    self.carrier(&sealed, out);
                }
            }
            Body::Image(m) => {
                if let Source::Base64(data) = &m.source {
                    self.open.push((index, Open::Image(data.clone())));
                }
            }
            // An answer of this format has no words for these.
            Body::Document(_) | Body::Audio(_) | Body::Video(_) | Body::ToolResult(_) => {}
        }
    }

    /// An item as OpenAI wrote it.
    pub(super) fn own(&mut self, raw: &Raw, out: &mut BytesMut) {
        self.seal(out);
        let (at, _) = self.place("item");
        let event = Event { r#type: "response.output_item.added", ..Event::at(at) };
        self.emit(Event { item: Some(&raw.0), ..event }, out);
        self.done_raw(at, raw.0.clone(), out);
    }

    pub(super) fn find(&mut self, index: u32) -> Option<&mut Open> {
        self.open.iter_mut().rev().find(|(i, _)| *i == index).map(|(_, open)| open)
    }

    pub(super) fn signature(&mut self, index: u32, s: &Signature) {
        if let Some((m, part)) = self.part_of(index) {
            m.parts[part].signature = Some(s.clone());
            return;
        }
        match self.find(index) {
            Some(Open::Thought(t)) => t.thinking.signature = Some(s.clone()),
            Some(Open::Call(c)) => c.late = Some(s.clone()),
            _ => {}
        }
    }

    pub(super) fn arguments(&mut self, index: u32, more: &str, out: &mut BytesMut) {
        let (quiet, sequence_number) = (self.quiet, self.sequence);
        let Some(Open::Call(call)) = self.find(index).filter(|_| !more.is_empty()) else { return };
        call.call.arguments.push_str(more);
        if !quiet {
            let kind = match call.call.kind {
                CallKind::Function => piece::ARGUMENTS,
                CallKind::Custom => piece::INPUT,
            };
            piece::write(kind, sequence_number, &call.place, more, out);
            self.sequence += 1;
        }
    }

    pub(super) fn block_stop(&mut self, index: u32, out: &mut BytesMut) {
        if matches!(self.find(index), Some(Open::Thought(_))) {
            self.summary_done(index, out);
        }
        let Some(i) = self.open.iter().rposition(|(n, _)| *n == index) else { return };
        match self.open.remove(i).1 {
            Open::Text { message, part } => self.text_stop(message, part, out),
            Open::Call(call) => {
                let (r#type, arguments, input) = match call.call.kind {
                    CallKind::Function => {
                        ("response.function_call_arguments.done", Some(&*call.call.arguments), None)
                    }
                    CallKind::Custom => {
                        ("response.custom_tool_call_input.done", None, Some(&*call.call.arguments))
                    }
                };
                let name = arguments.map(|_| &*call.call.name);
                let item_id = Some(&*call.id);
                self.emit(Event { r#type, item_id, arguments, input, name, ..Event::at(call.at) }, out);
                self.done(call.at, &call.item("completed"), out);
                if let Some(signature) = &call.late {
                    let mut signed = call.call.clone();
                    signed.signature = Some(signature.clone());
                    if let Some(sealed) = carry::of_call(&signed) {
                        self.carrier(&sealed, out);
                    }
                }
            }
            Open::Thought(t) => {
                let sealed = carry::thinking(&t.thinking);
                let own = t.thinking.signature.as_ref().filter(|s| s.origin == Origin::OpenAi);
                let item = OutItem::Reasoning {
                    // OpenAI knows its own by their ids.
                    id: own.and_then(|s| s.id.as_deref()).unwrap_or(&t.id),
                    summary: t.parts.iter().map(|p| SummaryPart::new(p)).collect(),
                    encrypted_content: sealed.as_deref(),
                };
                self.done(t.at, &item, out);
            }
            Open::Image(data) => {
                self.seal(out);
                let (at, id) = self.place("ig");
                let item = OutItem::ImageGenerationCall { id: &id, status: "completed", result: &data };
                self.whole(at, &item, out);
            }
            Open::Nothing => {}
        }
    }
}
