//! A stream for a client, in full: every event that OpenAI's own server sends, in its order.
//! Source: <https://platform.openai.com/docs/api-reference/responses-streaming> and the event types of the official
//! SDK.
//!
//! Neighbouring texts are parts of one message. A message ends when something else begins, or with the answer: only
//! then it is known whether it was cut short.

use super::event::{Event, write};
use super::object::{EncodeReply, Facts, Failure, Object, OutItem, Part, Status, SummaryPart};
use super::open::{Call, Message, Open, Text, Thought};
use super::{annotation, carry, item, object, websearch};
use crate::codec::StreamEncoder;
use crate::dialect::fault::UpstreamError;
use crate::ir::block::{Body, CallKind, ServerKind, Source};
use crate::ir::stream::{Delta, StreamEvent};
use crate::ir::{Block, Origin, Raw, Stop, StopReason, Tokens};
use bytes::BytesMut;
use serde_json::value::RawValue;

/// Writes a Responses stream.
#[derive(Debug)]
pub struct Encoder {
    x: EncodeReply,
    id: String,
    created: i64,
    /// What makes ids of items unique.
    suffix: String,
    sequence: u64,
    started: bool,
    ended: bool,
    /// No events are wanted, only the object at the end.
    quiet: bool,
    /// Finished items by their index; those not finished yet are null.
    items: Vec<Box<RawValue>>,
    messages: Vec<Message>,
    open: Vec<(u32, Open)>,
    refused: bool,
    stop: Option<Stop>,
    tokens: Option<Tokens>,
    tier: Option<String>,
    /// The object, once it is complete.
    last: Vec<u8>,
}

impl Encoder {
    /// An encoder at the beginning of a stream.
    pub fn new(x: EncodeReply) -> Self {
        let created = x.created;
        Self {
            x,
            id: String::new(),
            created,
            suffix: String::new(),
            sequence: 0,
            started: false,
            ended: false,
            quiet: false,
            items: Vec::new(),
            messages: Vec::new(),
            open: Vec::new(),
            refused: false,
            stop: None,
            tokens: None,
            tier: None,
            last: Vec::new(),
        }
    }

    /// One that writes nothing: see [`Encoder::object`].
    pub(super) fn quiet(x: EncodeReply) -> Self {
        Self { quiet: true, ..Self::new(x) }
    }

    /// The whole answer, after its end.
    pub(super) fn object(self) -> Vec<u8> {
        self.last
    }

    /// The `sequence_number` of the next event, for whoever must add one.
    pub fn next_sequence(&self) -> u64 {
        self.sequence
    }

    fn emit(&mut self, mut event: Event<'_>, out: &mut BytesMut) {
        if !self.quiet {
            event.sequence_number = self.sequence;
            self.sequence += 1;
            write(&event, out);
        }
    }

    fn start(&mut self, id: &str, created: Option<i64>, out: &mut BytesMut) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let id = if id.is_empty() { &self.x.id } else { id };
        let plain: String =
            id.strip_prefix("resp_").unwrap_or(id).chars().filter(char::is_ascii_alphanumeric).collect();
        self.id = if id.starts_with("resp_") { id.to_owned() } else { format!("resp_{plain}") };
        self.suffix = plain;
        self.created = created.unwrap_or(self.created);
        for kind in ["response.created", "response.in_progress"] {
            self.state(kind, Status::InProgress, None, out);
        }
    }

    /// An event with the whole object.
    fn state(&mut self, kind: &'static str, status: Status, error: Option<Failure<'_>>, out: &mut BytesMut) {
        let object = Object::new(
            &self.x,
            Facts {
                id: &self.id,
                created: self.created,
                status,
                error,
                output: &self.items,
                tokens: self.tokens.as_ref(),
                tier: self.tier.as_deref(),
            },
        );
        if self.quiet {
            // Strings, numbers and raw JSON always serialise.
            self.last = serde_json::to_vec(&object).unwrap_or_default();
            return;
        }
        let response = Some(object);
        write(&Event { r#type: kind, sequence_number: self.sequence, response, ..Event::default() }, out);
        self.sequence += 1;
    }

    /// A place in the output, and an id for what stands there.
    fn place(&mut self, prefix: &str) -> (usize, String) {
        let at = self.items.len();
        self.items.push(RawValue::NULL.to_owned());
        (at, format!("{prefix}_{}{at:02x}", self.suffix))
    }

    fn added(&mut self, at: usize, item: &OutItem<'_>, out: &mut BytesMut) {
        if !self.quiet
            && let Ok(raw) = serde_json::value::to_raw_value(item)
        {
            let event = Event { r#type: "response.output_item.added", ..Event::at(at) };
            self.emit(Event { item: Some(&raw), ..event }, out);
        }
    }

    fn done(&mut self, at: usize, item: &OutItem<'_>, out: &mut BytesMut) {
        if let Ok(raw) = serde_json::value::to_raw_value(item) {
            self.done_raw(at, raw, out);
        }
    }

    fn done_raw(&mut self, at: usize, raw: Box<RawValue>, out: &mut BytesMut) {
        let event = Event { r#type: "response.output_item.done", ..Event::at(at) };
        self.emit(Event { item: Some(&raw), ..event }, out);
        self.items[at] = raw;
    }

    /// An item that begins and ends at once.
    fn whole(&mut self, at: usize, item: &OutItem<'_>, out: &mut BytesMut) {
        self.added(at, item, out);
        self.done(at, item, out);
    }

    /// A reasoning item that only carries something.
    fn carrier(&mut self, sealed: &str, out: &mut BytesMut) {
        let (at, id) = self.place("rs");
        let item = OutItem::Reasoning { id: &id, summary: Vec::new(), encrypted_content: Some(sealed) };
        self.whole(at, &item, out);
    }

    /// Something that is no text begins: the message before it ends as soon as its parts do.
    fn seal(&mut self, out: &mut BytesMut) {
        if let Some(m) = self.messages.last_mut() {
            m.sealed = true;
        }
        self.end_messages(Status::Completed, out);
    }

    fn end_messages(&mut self, status: Status, out: &mut BytesMut) {
        while let Some(i) = self.messages.iter().position(|m| m.sealed && m.parts.iter().all(|p| !p.open)) {
            let m = self.messages.remove(i);
            let parts: Vec<Part<'_>> = m.parts.iter().map(Text::part).collect();
            let item =
                OutItem::Message { id: &m.id, status: status.word(), role: "assistant", content: &parts };
            self.done(m.at, &item, out);
        }
    }

    fn block_start(&mut self, index: u32, block: &Block, out: &mut BytesMut) {
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
                let mut call = Call { at, id, call: call.clone(), late: None };
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
                self.open.push((index, Open::Thought(Thought { at, id, parts: Vec::new(), thinking: t })));
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
                    let action = object::Action { r#type: "search", query: &query };
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
    fn own(&mut self, raw: &Raw, out: &mut BytesMut) {
        self.seal(out);
        let (at, _) = self.place("item");
        let event = Event { r#type: "response.output_item.added", ..Event::at(at) };
        self.emit(Event { item: Some(&raw.0), ..event }, out);
        self.done_raw(at, raw.0.clone(), out);
    }

    /// A part of a message begins, and the message if there is none.
    fn text_start(&mut self, refusal: bool, out: &mut BytesMut) -> Open {
        if self.messages.last().is_none_or(|m| m.sealed) {
            let (at, id) = self.place("msg");
            let content = &[];
            let item = OutItem::Message { id: &id, status: "in_progress", role: "assistant", content };
            self.added(at, &item, out);
            self.messages.push(Message { at, id, parts: Vec::new(), sealed: false });
        }
        let text = Text::new(refusal);
        let Some(m) = self.messages.last_mut() else { return Open::Nothing };
        let (at, part) = (m.at, m.parts.len());
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

    fn find(&mut self, index: u32) -> Option<&mut Open> {
        self.open.iter_mut().rev().find(|(i, _)| *i == index).map(|(_, open)| open)
    }

    /// The message and part of an open text.
    fn part_of(&mut self, index: u32) -> Option<(&mut Message, usize)> {
        let Some(Open::Text { message, part }) = self.find(index) else { return None };
        let (at, part) = (*message, *part);
        self.messages.iter_mut().rev().find(|m| m.at == at).map(|m| (m, part))
    }

    fn text(&mut self, index: u32, more: &str, out: &mut BytesMut) {
        let (quiet, sequence_number) = (self.quiet, self.sequence);
        let Some((m, part)) = self.part_of(index).filter(|_| !more.is_empty()) else { return };
        m.parts[part].text.push_str(more);
        if quiet {
            return;
        }
        let refusal = m.parts[part].refusal;
        let event = Event {
            r#type: if refusal { "response.refusal.delta" } else { "response.output_text.delta" },
            sequence_number,
            item_id: Some(&m.id),
            content_index: Some(part),
            delta: Some(more),
            logprobs: (!refusal).then_some(&[]),
            ..Event::at(m.at)
        };
        write(&event, out);
        self.sequence += 1;
    }

    fn citation(&mut self, index: u32, c: &crate::ir::block::Citation, out: &mut BytesMut) {
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

    fn signature(&mut self, index: u32, s: &crate::ir::Signature) {
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

    fn arguments(&mut self, index: u32, more: &str, out: &mut BytesMut) {
        let (quiet, sequence_number) = (self.quiet, self.sequence);
        let Some(Open::Call(call)) = self.find(index).filter(|_| !more.is_empty()) else { return };
        call.call.arguments.push_str(more);
        if !quiet {
            let r#type = match call.call.kind {
                CallKind::Function => "response.function_call_arguments.delta",
                CallKind::Custom => "response.custom_tool_call_input.delta",
            };
            let item_id = Some(call.id.as_str());
            write(&Event { r#type, sequence_number, item_id, delta: Some(more), ..Event::at(call.at) }, out);
            self.sequence += 1;
        }
    }

    /// A part of a summary begins; the one before it ends.
    fn summary_part(&mut self, index: u32, out: &mut BytesMut) {
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
            t.parts.push(String::new());
        }
    }

    fn summary_done(&mut self, index: u32, out: &mut BytesMut) {
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

    fn thought(&mut self, index: u32, more: &str, out: &mut BytesMut) {
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
            let event = Event {
                r#type: "response.reasoning_summary_text.delta",
                sequence_number,
                item_id: Some(&t.id),
                summary_index: Some(t.parts.len() - 1),
                delta: Some(more),
                ..Event::at(t.at)
            };
            write(&event, out);
            self.sequence += 1;
        }
    }

    fn block_stop(&mut self, index: u32, out: &mut BytesMut) {
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

    fn text_stop(&mut self, message: usize, part: usize, out: &mut BytesMut) {
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

    fn logprobs(&mut self, list: &Raw) {
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

    /// Ends whatever is open.
    fn close(&mut self, status: Status, out: &mut BytesMut) {
        while let Some((index, _)) = self.open.first() {
            let index = *index;
            self.block_stop(index, out);
        }
        self.messages.iter_mut().for_each(|m| m.sealed = true);
        let status = if matches!(status, Status::Completed) { status } else { Status::Incomplete("") };
        self.end_messages(status, out);
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.start("", None, out);
        let status = Status::of(self.stop.as_ref(), self.refused);
        self.close(status, out);
        self.ended = true;
        match status {
            Status::Incomplete(_) => self.state("response.incomplete", status, None, out),
            Status::Failed => {
                let why = self.stop.take().and_then(|s| s.detail);
                let message = why.as_deref().unwrap_or("The model wrote a tool call that cannot be read.");
                let error = Some(Failure { code: "server_error", message });
                self.state("response.failed", status, error, out);
            }
            _ => self.state("response.completed", status, None, out),
        }
    }

    /// OpenAI's server says it twice: as an `error`, from which SDKs raise, and as a failed response, which is what
    /// Codex reads.
    fn fail(&mut self, e: &UpstreamError, out: &mut BytesMut) {
        self.start("", None, out);
        self.close(Status::Failed, out);
        self.ended = true;
        let code = object::code(e);
        let message = e.message.as_deref().unwrap_or("The provider failed in mid-stream.");
        let kind = e.kind.as_deref().unwrap_or("server_error");
        self.emit(Event::error(kind, code, message), out);
        self.state("response.failed", Status::Failed, Some(Failure { code, message }), out);
    }
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: &StreamEvent, out: &mut BytesMut) {
        if self.ended {
            return;
        }
        match event {
            StreamEvent::Start { id, model: _, created } => self.start(id, *created, out),
            StreamEvent::Ping => {
                if !self.quiet {
                    out.extend_from_slice(b": keep-alive\n\n");
                }
            }
            StreamEvent::Error(e) => self.fail(e, out),
            StreamEvent::End => self.end(out),
            other => {
                self.start("", None, out);
                self.inside(other, out);
            }
        }
    }
}

impl Encoder {
    /// Events between the first and the last. This format has one answer: others are not asked for.
    fn inside(&mut self, event: &StreamEvent, out: &mut BytesMut) {
        match event {
            StreamEvent::BlockStart { choice: 0, index, block } => self.block_start(*index, block, out),
            StreamEvent::BlockDelta { choice: 0, index, delta } => match delta {
                Delta::Text(more) => self.text(*index, more, out),
                Delta::Arguments(more) => self.arguments(*index, more, out),
                Delta::Thinking(more) => self.thought(*index, more, out),
                Delta::SummaryPart => self.summary_part(*index, out),
                Delta::Citation(c) => self.citation(*index, c, out),
                Delta::Signature(s) => self.signature(*index, s),
                Delta::Data(more) => {
                    if let Some(Open::Image(data)) = self.find(*index) {
                        data.push_str(more);
                    }
                }
                Delta::Transcript(_) => {}
            },
            StreamEvent::BlockStop { choice: 0, index } => self.block_stop(*index, out),
            StreamEvent::Logprobs { choice: 0, content } => self.logprobs(content),
            StreamEvent::Stop { choice: 0, stop } => self.stop = Some(stop.clone()),
            StreamEvent::Blocked(stop) => {
                let reason = StopReason::ContentFilter;
                self.stop = Some(Stop { reason, ..stop.clone() });
            }
            StreamEvent::Tokens(t) => self.tokens = Some(*t),
            StreamEvent::ServiceTier(t) => self.tier = Some(t.clone()),
            _ => {}
        }
    }
}
