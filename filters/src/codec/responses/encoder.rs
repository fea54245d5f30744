//! A stream for a client, in full: every event that OpenAI's own server sends, in its order.
//! Source: <https://platform.openai.com/docs/api-reference/responses-streaming> and the event types of the official
//! SDK.
//!
//! Neighbouring texts are parts of one message. A message ends when something else begins, or with the answer: only
//! then it is known whether it was cut short.

mod blocks;
mod texts;
mod thoughts;

use super::event::{Event, write};
use super::object;
use super::object::{EncodeReply, Facts, Failure, Object, Status};
use super::open::{Message, Open};
use super::output::OutItem;
use crate::codec::StreamEncoder;
use crate::codec::tiers;
use crate::dialect::fault::UpstreamError;
use crate::ir::stream::{Delta, StreamEvent};
use crate::ir::{Stop, StopReason, Tokens};
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

/// Events that a client of the background is told before anybody was asked: `response.created`, `response.queued`.
const TOLD: u64 = 2;

fn in_background(x: &EncodeReply) -> bool {
    x.kept.as_ref().is_some_and(|k| k.background)
}

impl Encoder {
    /// An encoder at the beginning of a stream.
    pub fn new(x: EncodeReply) -> Self {
        let created = x.created;
        let told = if in_background(&x) { TOLD } else { 0 };
        Self {
            x,
            id: String::new(),
            created,
            suffix: String::new(),
            sequence: told,
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
        let id = match &self.x.kept {
            Some(kept) => &kept.id,
            None if id.is_empty() => &self.x.id,
            None => id,
        };
        let plain: String =
            id.strip_prefix("resp_").unwrap_or(id).chars().filter(char::is_ascii_alphanumeric).collect();
        self.id = if id.starts_with("resp_") { id.to_owned() } else { format!("resp_{plain}") };
        self.suffix = plain;
        self.created = created.unwrap_or(self.created);
        if !in_background(&self.x) {
            self.state("response.created", Status::InProgress, None, out);
        }
        self.state("response.in_progress", Status::InProgress, None, out);
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
        if self.quiet || (self.x.kept.is_some() && !matches!(status, Status::InProgress)) {
            // Strings, numbers and raw JSON always serialise.
            self.last = serde_json::to_vec(&object).unwrap_or_default();
        }
        if self.quiet {
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
    fn next_sequence(&self) -> u64 {
        self.sequence
    }

    fn take_object(&mut self) -> Option<Vec<u8>> {
        (self.ended && !self.last.is_empty()).then(|| std::mem::take(&mut self.last))
    }

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
            StreamEvent::ServiceTier(t) => self.tier = tiers::openai(t).map(str::to_owned),
            _ => {}
        }
    }
}
