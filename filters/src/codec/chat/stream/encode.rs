//! Streams: events to chunks.

mod thought;
mod wire;

use super::super::encode::tools::flat_name;
use super::super::encode::wire::{CallBodyOut, CallOut, SealsOut};
use super::super::reply::encode::{AnnotationOut, EncodeReply, LogprobsOut, count, finish, image};
use super::super::thoughts::DetailOut;
use super::super::usage::UsageOut;
use crate::codec::{StreamEncoder, out, text, tiers};
use crate::dialect::fault::UpstreamError;
use crate::ir::block::{Block, Body, CallKind, Source, ToolCall};
use crate::ir::reply::{Stop, StopReason, Tokens};
use crate::ir::signature::{Origin, Signature};
use crate::ir::stream::{Delta, StreamEvent};
use bytes::BytesMut;
use std::borrow::Cow;
use thought::Thought;
use wire::{AudioOut, ChoiceOut, DeltaOut, ErrorBody, ErrorOut, HeadOut};

/// Writes a stream for the client.
#[derive(Debug)]
pub struct Encoder {
    x: EncodeReply,
    /// What every chunk begins with, up to `choices`; empty: not begun.
    head: Vec<u8>,
    id: String,
    created: i64,
    tier: Option<String>,
    /// One chunk's choice.
    scratch: Vec<u8>,
    choices: Vec<Choice>,
    tokens: Option<Tokens>,
}

/// One of the answers.
#[derive(Debug, Default)]
struct Choice {
    /// The first chunk is out.
    begun: bool,
    slots: Vec<Slot>,
    calls: u32,
    details: u32,
    chars: u32,
    refused: bool,
    /// Some thought has been shown.
    thought: bool,
}

/// A block.
#[derive(Debug, Default)]
enum Slot {
    #[default]
    Untold,
    /// Where its text begins.
    Text(u32),
    Refusal,
    Call {
        n: u32,
        id: String,
        kind: CallKind,
    },
    Thinking(Thought),
    Audio,
}

impl Encoder {
    /// For the answer to a request.
    pub fn new(x: EncodeReply) -> Self {
        let (id, created) = (x.id.clone(), x.created);
        Self {
            x,
            head: Vec::new(),
            id,
            created,
            tier: None,
            scratch: Vec::new(),
            choices: Vec::new(),
            tokens: None,
        }
    }

    /// Writes the common beginning anew.
    fn set_head(&mut self) {
        let head = HeadOut {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.x.model,
            service_tier: self.tier.as_deref(),
        };
        self.head.clear();
        self.head.extend_from_slice(b"data: ");
        // A struct of strings always serialises.
        let _ = serde_json::to_writer(&mut self.head, &head);
        self.head.pop();
        self.head.extend_from_slice(b",\"choices\":[");
    }

    /// Writes a chunk with one choice.
    fn chunk(&mut self, choice: &ChoiceOut<'_>, out: &mut BytesMut) {
        self.scratch.clear();
        out::write(choice, &mut self.scratch);
        let tail = self.tail();
        out.reserve(self.head.len() + self.scratch.len() + tail.len());
        out.extend_from_slice(&self.head);
        out.extend_from_slice(&self.scratch);
        out.extend_from_slice(tail);
    }

    /// Writes a chunk with more of a text: nearly all of a stream. What never changes is not built anew.
    fn words(&self, n: u32, text: &str, out: &mut BytesMut) {
        out.reserve(self.head.len() + text.len() + 128);
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":");
        out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
        out.extend_from_slice(b",\"delta\":{\"content\":");
        text::quote(text, out);
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":null}");
        out.extend_from_slice(self.tail());
    }

    /// What every chunk ends with.
    fn tail(&self) -> &'static [u8] {
        if self.x.include_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" }
    }

    fn delta(&mut self, n: u32, delta: DeltaOut<'_>, out: &mut BytesMut) {
        self.chunk(&ChoiceOut { index: n, delta, logprobs: None, finish_reason: None }, out);
    }

    /// The state of a choice, after its first chunk.
    fn choice(&mut self, n: u32, out: &mut BytesMut) -> usize {
        // The collector's bound: no provider gives more.
        let at = n.min(127) as usize;
        if self.head.is_empty() {
            self.set_head();
        }
        while self.choices.len() <= at {
            self.choices.push(Choice::default());
        }
        if !std::mem::replace(&mut self.choices[at].begun, true) {
            let first = DeltaOut {
                role: Some("assistant"),
                content: Some(Cow::Borrowed("")),
                refusal: Some(None),
                ..DeltaOut::default()
            };
            self.delta(n, first, out);
        }
        at
    }

    fn start(&mut self, n: u32, index: u32, block: &Block, out: &mut BytesMut) {
        let at = self.choice(n, out);
        let slot = match &block.body {
            Body::Text { .. } => Slot::Text(self.choices[at].chars),
            Body::Refusal(_) => Slot::Refusal,
            Body::ToolCall(call) => {
                let c = &mut self.choices[at];
                c.calls += 1;
                Slot::Call { n: c.calls - 1, id: call.id.clone(), kind: call.kind }
            }
            Body::Thinking(t) => Slot::Thinking(Thought::new(t.redacted)),
            Body::Audio(_) => Slot::Audio,
            _ => Slot::Untold,
        };
        let slots = &mut self.choices[at].slots;
        // Indices count up one by one; one far beyond is a decoder's fault.
        if index as usize > slots.len() + 1024 {
            return;
        }
        while slots.len() <= index as usize {
            slots.push(Slot::Untold);
        }
        slots[index as usize] = slot;
        match &block.body {
            Body::Text { text, citations, signature } => {
                self.more(n, index, &Delta::Text(text.clone()), out);
                for c in citations {
                    self.more(n, index, &Delta::Citation(c.clone()), out);
                }
                if let Some(s) = signature {
                    self.more(n, index, &Delta::Signature(s.clone()), out);
                }
            }
            Body::Refusal(text) => self.more(n, index, &Delta::Text(text.clone()), out),
            Body::ToolCall(call) => self.call(n, at, call, out),
            Body::Thinking(t) => self.whole_thought(n, index, t, out),
            Body::Image(m) => {
                if let Some(p) = image(m) {
                    self.delta(n, DeltaOut { images: Some([p]), ..DeltaOut::default() }, out);
                }
            }
            Body::Audio(m) => {
                let id = m.name.clone().unwrap_or_else(|| self.id.clone());
                self.sound(n, AudioOut { id: Some(&id), ..AudioOut::default() }, out);
                if let Source::Base64(data) = &m.source
                    && !data.is_empty()
                {
                    self.more(n, index, &Delta::Data(data.clone()), out);
                }
                if let Some(words) = &m.context {
                    self.more(n, index, &Delta::Transcript(words.clone()), out);
                }
            }
            Body::Document(_)
            | Body::Video(_)
            | Body::ToolResult(_)
            | Body::Server { .. }
            | Body::Opaque { .. } => {}
        }
    }

    /// The number of the next entry among the thoughts.
    fn entry(&mut self, at: usize) -> u32 {
        let c = &mut self.choices[at];
        c.details += 1;
        c.details - 1
    }

    fn call(&mut self, n: u32, at: usize, call: &ToolCall, out: &mut BytesMut) {
        let ToolCall { id, name, namespace, arguments, kind, signature } = call;
        let name = Some(flat_name(namespace.as_deref(), name));
        let number = self.choices[at].calls - 1;
        if self.x.function_call {
            // The old form knows one call only.
            if number == 0 {
                let body = CallBodyOut { name, arguments: Some(arguments), input: None };
                self.delta(n, DeltaOut { function_call: Some(body), ..DeltaOut::default() }, out);
            }
            return;
        }
        let google = signature.as_ref().filter(|s| s.origin == Origin::Google);
        let mut said = CallOut {
            index: Some(number),
            id: Some(Cow::Borrowed(id)),
            extra_content: google.map(|s| SealsOut::new(&s.value)),
            ..CallOut::default()
        };
        match kind {
            CallKind::Function => {
                said.kind = Some("function");
                said.function = Some(CallBodyOut { name, arguments: Some(arguments), input: None });
            }
            CallKind::Custom => {
                said.kind = Some("custom");
                said.custom = Some(CallBodyOut { name, arguments: None, input: Some(arguments) });
            }
        }
        self.delta(n, DeltaOut { tool_calls: Some([said]), ..DeltaOut::default() }, out);
        if let Some(s) = signature {
            self.sealed(n, at, s, Some(id), out);
        }
    }

    fn sealed(&mut self, n: u32, at: usize, s: &Signature, id: Option<&str>, out: &mut BytesMut) {
        let entry = DetailOut::sealed(s, id, self.entry(at));
        self.delta(n, DeltaOut { reasoning_details: Some(vec![entry]), ..DeltaOut::default() }, out);
    }

    fn more(&mut self, n: u32, index: u32, delta: &Delta, out: &mut BytesMut) {
        let at = self.choice(n, out);
        let c = &mut self.choices[at];
        let Some(slot) = c.slots.get_mut(index as usize) else { return };
        match (slot, delta) {
            (Slot::Text(_) | Slot::Refusal, Delta::Text(text)) if text.is_empty() => {}
            (Slot::Text(_), Delta::Text(text)) => {
                c.chars = c.chars.saturating_add(count(text));
                self.words(n, text, out);
            }
            (Slot::Refusal, Delta::Text(text)) => {
                c.refused = true;
                self.delta(n, DeltaOut { refusal: Some(Some(text)), ..DeltaOut::default() }, out);
            }
            (Slot::Text(start), Delta::Citation(citation)) => {
                let block = (*start, c.chars);
                if let Some(a) = AnnotationOut::new(citation, block) {
                    self.delta(n, DeltaOut { annotations: Some([a]), ..DeltaOut::default() }, out);
                }
            }
            (Slot::Text(_), Delta::Signature(s)) if s.origin == Origin::Google => {
                let seal = Some(SealsOut::new(&s.value));
                self.delta(n, DeltaOut { extra_content: seal, ..DeltaOut::default() }, out);
            }
            (Slot::Call { n: number, kind, .. }, Delta::Arguments(text)) => {
                let (number, kind) = (*number, *kind);
                self.arguments(n, number, kind, text, out);
            }
            (Slot::Call { n: number, id, .. }, Delta::Signature(s)) if !self.x.function_call => {
                let (number, id) = (*number, id.clone());
                if s.origin == Origin::Google {
                    let seal = Some(SealsOut::new(&s.value));
                    let call = CallOut { index: Some(number), extra_content: seal, ..CallOut::default() };
                    self.delta(n, DeltaOut { tool_calls: Some([call]), ..DeltaOut::default() }, out);
                }
                self.sealed(n, at, s, Some(&id), out);
            }
            (Slot::Thinking(_), Delta::Thinking(text)) if text.is_empty() => {}
            (Slot::Thinking(_), Delta::Thinking(text)) => self.thinking(n, at, index, text, out),
            (Slot::Thinking(t), Delta::SummaryPart) => {
                t.part(c.details);
                c.details += 1;
            }
            (Slot::Thinking(t), Delta::Signature(s)) => t.proof(s),
            (Slot::Audio, Delta::Data(data)) => {
                self.sound(n, AudioOut { data: Some(data), ..AudioOut::default() }, out);
            }
            (Slot::Audio, Delta::Transcript(words)) => {
                self.sound(n, AudioOut { transcript: Some(words), ..AudioOut::default() }, out);
            }
            _ => {}
        }
    }

    fn sound(&mut self, n: u32, audio: AudioOut<'_>, out: &mut BytesMut) {
        self.delta(n, DeltaOut { audio: Some(audio), ..DeltaOut::default() }, out);
    }

    /// The last piece of a sound says when it expires: other providers keep none, so when it is made. A thought is told
    /// once more, whole.
    fn close(&mut self, n: u32, index: u32, out: &mut BytesMut) {
        let at = n.min(127) as usize;
        let slot = self.choices.get_mut(at).and_then(|c| c.slots.get_mut(index as usize));
        match slot.map(std::mem::take) {
            Some(Slot::Audio) => {
                let expires_at = Some(self.created);
                self.sound(n, AudioOut { expires_at, ..AudioOut::default() }, out);
            }
            Some(Slot::Thinking(thought)) => self.thought(n, at, &thought, out),
            // Sources and proofs may still come.
            Some(open) => {
                if let Some(slot) = self.choices.get_mut(at).and_then(|c| c.slots.get_mut(index as usize)) {
                    *slot = open;
                }
            }
            None => {}
        }
    }

    fn arguments(&mut self, n: u32, number: u32, kind: CallKind, text: &str, out: &mut BytesMut) {
        let delta = match (self.x.function_call, kind) {
            (true, _) if number > 0 => return,
            (true, _) => {
                let body = CallBodyOut { arguments: Some(text), ..CallBodyOut::default() };
                DeltaOut { function_call: Some(body), ..DeltaOut::default() }
            }
            (false, CallKind::Function) => {
                let body = CallBodyOut { arguments: Some(text), ..CallBodyOut::default() };
                let call = CallOut { index: Some(number), function: Some(body), ..CallOut::default() };
                DeltaOut { tool_calls: Some([call]), ..DeltaOut::default() }
            }
            (false, CallKind::Custom) => {
                let body = CallBodyOut { input: Some(text), ..CallBodyOut::default() };
                let call = CallOut { index: Some(number), custom: Some(body), ..CallOut::default() };
                DeltaOut { tool_calls: Some([call]), ..DeltaOut::default() }
            }
        };
        self.delta(n, delta, out);
    }

    fn stop(&mut self, n: u32, stop: &Stop, out: &mut BytesMut) {
        let at = self.choice(n, out);
        let word = finish(Some(stop), self.choices[at].refused, self.x.function_call);
        let delta = DeltaOut::default();
        self.chunk(&ChoiceOut { index: n, delta, logprobs: None, finish_reason: Some(word) }, out);
    }

    fn end(&mut self, out: &mut BytesMut) {
        if let (true, Some(tokens)) = (self.x.include_usage, self.tokens) {
            if self.head.is_empty() {
                self.set_head();
            }
            self.scratch.clear();
            let _ = serde_json::to_writer(&mut self.scratch, &UsageOut::from(&tokens));
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],\"usage\":");
            out.extend_from_slice(&self.scratch);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn error(&mut self, e: &UpstreamError, out: &mut BytesMut) {
        let error = ErrorBody {
            message: e.message.as_deref().unwrap_or("The provider failed in the middle of its answer."),
            kind: e.kind.as_deref().unwrap_or("server_error"),
            param: None,
            code: e.code.as_deref().or(e.detail_code.as_deref()),
        };
        self.scratch.clear();
        let _ = serde_json::to_writer(&mut self.scratch, &ErrorOut { error });
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&self.scratch);
        out.extend_from_slice(b"\n\n");
    }
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: &StreamEvent, out: &mut BytesMut) {
        match event {
            StreamEvent::Start { id, model: _, created } => {
                if !id.is_empty() {
                    self.id.clone_from(id);
                }
                self.created = created.unwrap_or(self.x.created);
                self.set_head();
                self.choice(0, out);
            }
            StreamEvent::BlockStart { choice, index, block } => self.start(*choice, *index, block, out),
            StreamEvent::BlockDelta { choice, index, delta } => self.more(*choice, *index, delta, out),
            StreamEvent::BlockStop { choice, index } => self.close(*choice, *index, out),
            StreamEvent::Logprobs { choice, content } => {
                self.choice(*choice, out);
                let logprobs = Some(LogprobsOut { content: &content.0, refusal: None });
                let delta = DeltaOut::default();
                self.chunk(&ChoiceOut { index: *choice, delta, logprobs, finish_reason: None }, out);
            }
            StreamEvent::Stop { choice, stop } => self.stop(*choice, stop, out),
            StreamEvent::Tokens(tokens) => self.tokens = Some(*tokens),
            StreamEvent::ServiceTier(tier) => {
                self.tier = tiers::openai(tier).map(str::to_owned);
                self.set_head();
            }
            // The format has no blocked prompt: an answer that was filtered wholly is its nearest.
            StreamEvent::Blocked(stop) => {
                let stop = Stop { reason: StopReason::ContentFilter, ..stop.clone() };
                self.stop(0, &stop, out);
            }
            StreamEvent::Ping => out.extend_from_slice(b": ping\n\n"),
            StreamEvent::Error(e) => self.error(e, out),
            StreamEvent::End => self.end(out),
        }
    }
}
