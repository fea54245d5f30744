//! A provider's stream.
//!
//! Texts, refusals, thoughts and calls come piece by piece; server tools and items that are unknown here come whole,
//! with their `output_item.done`. What a server does not stream (some imitations send items only when they are done,
//! or only the final object) is taken from the events that say it whole.

mod items;

use super::decode_reply::{self, Response, failure, stop_of};
use super::json::{Str, object, parse};
use super::{annotation, media};
use crate::codec::{DecodeError, StreamDecoder};
use crate::ir::block::Body;
use crate::ir::stream::{Delta, StreamEvent};
use crate::ir::{Block, Signature};
use serde_json::value::RawValue;

object! {
    /// Any event. Members have different types in different events: all stay raw until the type is known.
    Event {
        kind "type": Str<'de>,
        sequence_number "sequence_number": &'de RawValue,
        item_id "item_id": &'de RawValue,
        obfuscation "obfuscation": &'de RawValue,
        output_index "output_index": &'de RawValue,
        content_index "content_index": &'de RawValue,
        delta "delta": &'de RawValue,
        logprobs "logprobs": &'de RawValue,
        text "text": &'de RawValue,
        refusal "refusal": &'de RawValue,
        arguments "arguments": &'de RawValue,
        input "input": &'de RawValue,
        part "part": &'de RawValue,
        item "item": &'de RawValue,
        annotation "annotation": &'de RawValue,
        response "response": &'de RawValue,
    }
}

/// A block that has begun.
#[derive(Debug)]
struct Slot {
    output: u64,
    content: u64,
    index: u32,
    /// Bytes of its text or arguments that have come.
    sent: usize,
    /// Citations of a text, or parts of a summary.
    parts: usize,
    logprobs: bool,
    thought: bool,
    open: bool,
}

/// Reads a Responses stream.
#[derive(Debug, Default)]
pub struct Decoder {
    started: bool,
    ended: bool,
    slots: Vec<Slot>,
    next: u32,
    called: bool,
    refused: bool,
    /// Signatures of calls that have not begun yet, and indices of those that have.
    signatures: Vec<(String, Signature)>,
    calls: Vec<(String, u32)>,
    /// Items that come whole and run side by side: those begun and not done, and those done before an earlier one.
    running: Vec<u64>,
    held: Vec<(u64, Block)>,
    /// Place of another vendor's web search: the call behind it is its shadow (see [`Turn`]).
    search: Option<u64>,
    /// The last text.
    text: Option<u32>,
    /// Items that are no block of their own.
    carried: Vec<u64>,
}

type Out<'o> = &'o mut Vec<StreamEvent>;

fn delta(index: u32, delta: Delta) -> StreamEvent {
    StreamEvent::BlockDelta { choice: 0, index, delta }
}

fn number(value: Option<&RawValue>) -> u64 {
    value.and_then(|v| v.get().parse().ok()).unwrap_or_default()
}

fn string(value: Option<&RawValue>) -> String {
    value.and_then(|v| serde_json::from_str(v.get()).ok()).unwrap_or_default()
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    fn slot(&self, output: u64, content: u64) -> Option<usize> {
        self.slots.iter().rposition(|s| s.output == output && s.content == content)
    }

    /// Begins a block.
    fn start(&mut self, output: u64, content: u64, block: Block, out: Out<'_>) -> usize {
        // Something streams: what is done by now goes before it.
        self.release(u64::MAX, out);
        let index = self.next;
        self.next += 1;
        match &block.body {
            Body::ToolCall(call) => {
                self.called = true;
                self.calls.push((call.id.clone(), index));
            }
            Body::Refusal(_) => self.refused = true,
            Body::Text { .. } => self.text = Some(index),
            _ => {}
        }
        let thought = matches!(block.body, Body::Thinking(_));
        out.push(StreamEvent::BlockStart { choice: 0, index, block });
        let slot = Slot { output, content, index, sent: 0, parts: 0, logprobs: false, thought, open: true };
        self.slots.push(slot);
        self.slots.len() - 1
    }

    /// A block that comes whole. Server tools that run side by side end in any order; told is the output's.
    fn whole(&mut self, output: u64, mut block: Block, out: Out<'_>) {
        block.at = Default::default();
        self.running.retain(|o| *o != output);
        self.held.push((output, block));
        self.release(self.running.iter().min().copied().unwrap_or(u64::MAX), out);
    }

    /// Tells the blocks held that stand before `until`.
    fn release(&mut self, until: u64, out: Out<'_>) {
        if self.held.is_empty() {
            return;
        }
        let (mut ready, rest): (Vec<_>, Vec<_>) = self.held.drain(..).partition(|(o, _)| *o < until);
        self.held = rest;
        ready.sort_by_key(|(o, _)| *o);
        for (output, block) in ready {
            let at = self.start(output, u64::MAX, block, out);
            self.stop(at, out);
        }
    }

    fn stop(&mut self, at: usize, out: Out<'_>) {
        if let Some(slot) = self.slots.get_mut(at).filter(|s| s.open) {
            slot.open = false;
            out.push(StreamEvent::BlockStop { choice: 0, index: slot.index });
        }
    }

    fn more(&mut self, at: usize, text: String, wrap: fn(String) -> Delta, out: Out<'_>) {
        if let Some(slot) = self.slots.get_mut(at).filter(|s| s.open)
            && !text.is_empty()
        {
            slot.sent += text.len();
            out.push(delta(slot.index, wrap(text)));
        }
    }

    /// The whole text is known: what has not come yet.
    fn rest(&mut self, at: usize, whole: &str, wrap: fn(String) -> Delta, out: Out<'_>) {
        let sent = self.slots.get(at).map_or(0, |s| s.sent);
        if let Some(rest) = whole.get(sent..) {
            self.more(at, rest.to_owned(), wrap, out);
        }
    }

    fn begin(&mut self, r: &Response<'_>, out: Out<'_>) {
        if !std::mem::replace(&mut self.started, true) {
            let text = |s: &Option<Str<'_>>| s.as_deref().unwrap_or_default().to_owned();
            out.push(StreamEvent::Start {
                id: text(&r.id),
                model: text(&r.model),
                created: r.created_at.map(|t| t as i64),
            });
        }
    }

    fn end(&mut self, r: &Response<'_>, out: Out<'_>) -> Result<(), DecodeError> {
        self.begin(r, out);
        self.release(u64::MAX, out);
        for (i, item) in (0..).zip(r.output.iter().flatten()) {
            if !self.slots.iter().any(|s| s.output == i) && !self.carried.contains(&i) {
                self.item_done(i, item, out)?;
            }
        }
        self.close(out);
        if let Some(tier) = r.service_tier.as_deref() {
            out.push(StreamEvent::ServiceTier(tier.to_owned()));
        }
        if let Some(tokens) = r.usage.as_ref().and_then(decode_reply::tokens) {
            out.push(StreamEvent::Tokens(tokens));
        }
        let why = r.incomplete_details.as_ref().and_then(|i| i.reason.as_deref());
        if let Some(stop) = stop_of(r.status.as_deref(), why, self.called, self.refused) {
            out.push(StreamEvent::Stop { choice: 0, stop });
        }
        self.ended = true;
        out.push(StreamEvent::End);
        Ok(())
    }

    fn close(&mut self, out: Out<'_>) {
        self.release(u64::MAX, out);
        for at in 0..self.slots.len() {
            self.stop(at, out);
        }
    }
}

impl StreamDecoder for Decoder {
    fn event(&mut self, name: &[u8], data: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), DecodeError> {
        // Some imitations end like Chat does.
        if self.ended || data == b"[DONE]" || data.is_empty() {
            return Ok(());
        }
        let text = std::str::from_utf8(data).map_err(|_| DecodeError::new("", "An event is not UTF-8."))?;
        let e: Event<'_> = parse(text, "")?;
        let kind = match &e.kind {
            Some(kind) => &**kind,
            None => std::str::from_utf8(name).unwrap_or_default(),
        };
        match kind {
            "response.output_text.delta" => {
                let at = self.part(&e, false, out);
                self.more(at, string(e.delta), Delta::Text, out);
                self.logprobs(at, e.logprobs, out);
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                if let Some(at) = self.slot(number(e.output_index), 0) {
                    self.more(at, string(e.delta), Delta::Arguments, out);
                }
            }
            "response.reasoning_summary_text.delta" => {
                let at = self.thought(&e, out);
                if self.slots[at].parts == 0 {
                    self.summary_part(at, out);
                }
                self.more(at, string(e.delta), Delta::Thinking, out);
            }
            "response.reasoning_text.delta" => {
                let at = self.thought(&e, out);
                // Words after a summary would become part of it.
                if self.slots[at].parts == 0 {
                    self.more(at, string(e.delta), Delta::Thinking, out);
                }
            }
            "response.reasoning_summary_part.added" => {
                let at = self.thought(&e, out);
                self.summary_part(at, out);
            }
            "response.refusal.delta" => {
                let at = self.part(&e, true, out);
                self.more(at, string(e.delta), Delta::Text, out);
            }
            "response.content_part.added" => {
                let part: Option<media::Part<'_>> = e.part.and_then(|p| serde_json::from_str(p.get()).ok());
                match part.as_ref().and_then(|p| p.kind.as_deref()) {
                    Some("output_text" | "text") => drop(self.part(&e, false, out)),
                    Some("refusal") => drop(self.part(&e, true, out)),
                    _ => {}
                }
            }
            "response.output_text.done" => {
                let at = self.part(&e, false, out);
                self.rest(at, &string(e.text), Delta::Text, out);
            }
            "response.refusal.done" => {
                let at = self.part(&e, true, out);
                self.rest(at, &string(e.refusal), Delta::Text, out);
            }
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                if let Some(at) = self.slot(number(e.output_index), 0) {
                    self.rest(at, &string(e.arguments.or(e.input)), Delta::Arguments, out);
                }
            }
            "response.output_text.annotation.added" => {
                let at = self.part(&e, false, out);
                if let Some(a) = e.annotation.filter(|_| self.slots[at].open) {
                    self.slots[at].parts += 1;
                    out.push(delta(self.slots[at].index, Delta::Citation(annotation::decode(a))));
                }
            }
            "response.content_part.done" => {
                if let Some(part) = e.part {
                    self.part_done(number(e.output_index), number(e.content_index), part, out);
                }
            }
            "response.output_item.added" => self.item_added(&e, out)?,
            "response.output_item.done" => {
                if let Some(item) = e.item {
                    self.item_done(number(e.output_index), item, out)?;
                }
            }
            "response.created" | "response.in_progress" | "response.queued" => {
                let r: Response<'_> = parse(e.response.map_or("{}", RawValue::get), "response")?;
                self.begin(&r, out);
            }
            "response.completed" | "response.incomplete" | "response.cancelled" => {
                let r: Response<'_> = parse(e.response.map_or("{}", RawValue::get), "response")?;
                self.end(&r, out)?;
            }
            "response.failed" | "error" => {
                self.ended = true;
                out.push(StreamEvent::Error(failure(data)));
            }
            // Progress of server tools, whose items come whole; events that are newer than this.
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        if !self.ended {
            self.close(out);
        }
    }
}
