//! A stream for a Gemini client.
//!
//! Google's events have whole parts: calls are written when their arguments are complete. The `finishReason`s and the
//! usage come last.

use super::json::Json;
use super::{EncodeReply, error, grounding, reply, stop, tokens};
use crate::codec::StreamEncoder;
use crate::ir::block::{Block, Body};
use crate::ir::stream::{Delta, StreamEvent};
use crate::ir::{Stop, Tokens};
use bytes::BytesMut;
use std::collections::BTreeMap;

/// How a stream's pieces are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// `alt=sse`: server-sent events.
    #[default]
    Sse,
    /// Without it: one JSON array, element by element.
    Array,
}

/// Writes the stream.
#[derive(Debug)]
pub struct Encoder {
    x: EncodeReply,
    framing: Framing,
    id: String,
    json: Json,
    /// Elements written.
    written: u64,
    /// Blocks that are not told piece by piece, and texts with their sources.
    blocks: BTreeMap<(u32, u32), Held>,
    /// Signature of an empty thought, which may belong to a picture.
    seals: BTreeMap<u32, String>,
    stops: BTreeMap<u32, Stop>,
    tokens: Option<Tokens>,
    tier: Option<String>,
    over: bool,
}

#[derive(Debug)]
struct Held {
    block: Block,
    /// Its words have gone out already; they are kept for the offsets of its sources.
    told: bool,
}

impl Encoder {
    /// An encoder at the beginning of a stream.
    pub fn new(x: EncodeReply, framing: Framing) -> Self {
        Self {
            id: x.id.clone(),
            x,
            framing,
            json: Json::default(),
            written: 0,
            blocks: BTreeMap::new(),
            seals: BTreeMap::new(),
            stops: BTreeMap::new(),
            tokens: None,
            tier: None,
            over: false,
        }
    }

    /// One element: its members, then what every element has.
    fn emit(&mut self, out: &mut BytesMut, members: impl FnOnce(&mut Json)) {
        self.json.clear();
        self.json.object();
        members(&mut self.json);
        self.json.member("modelVersion", &self.x.model);
        self.json.member("responseId", &self.id);
        self.json.end_object();
        self.frame(out);
    }

    fn frame(&mut self, out: &mut BytesMut) {
        // Arguments are as the model wrote them, line ends included, which end a line of an event. Between JSON's
        // tokens they are as good as spaces, and inside of texts they cannot stand.
        if memchr::memchr2(b'\n', b'\r', &self.json.out).is_some() {
            self.json.out.iter_mut().filter(|b| matches!(b, b'\n' | b'\r')).for_each(|b| *b = b' ');
        }
        match self.framing {
            Framing::Sse => out.extend_from_slice(b"data: "),
            Framing::Array => out.extend_from_slice(if self.written == 0 { b"[" } else { b",\r\n" }),
        }
        out.extend_from_slice(&self.json.out);
        if self.framing == Framing::Sse {
            out.extend_from_slice(b"\r\n\r\n");
        }
        self.written += 1;
    }

    fn part(&mut self, choice: u32, out: &mut BytesMut, part: impl FnOnce(&mut Json)) {
        self.emit(out, |json| {
            json.key("candidates");
            json.array();
            json.object();
            json.key("content");
            json.object();
            json.key("parts");
            json.array();
            part(json);
            json.end_array();
            json.member("role", "model");
            json.end_object();
            json.member("index", &choice);
            json.end_object();
            json.end_array();
        });
    }

    fn words(&mut self, choice: u32, text: &str, thought: bool, seal: Option<&str>, out: &mut BytesMut) {
        self.part(choice, out, |json| {
            json.object();
            json.words("text", text);
            if thought {
                json.member("thought", &true);
            }
            json.maybe("thoughtSignature", seal);
            json.end_object();
        });
    }

    fn delta(&mut self, choice: u32, index: u32, delta: &Delta, out: &mut BytesMut) {
        let Some(held) = self.blocks.get_mut(&(choice, index)) else { return };
        match (&mut held.block.body, delta) {
            (Body::Text { text, .. }, Delta::Text(more)) => {
                text.push_str(more);
                held.told = true;
                self.words(choice, more, false, None, out);
            }
            (Body::Refusal(_), Delta::Text(more)) => {
                held.told = true;
                self.words(choice, more, false, None, out);
            }
            (Body::Text { .. }, Delta::Signature(s)) => {
                held.told = true;
                let seal = super::seal::for_client(s);
                self.words(choice, "", false, Some(&seal), out);
            }
            (Body::Text { citations, .. }, Delta::Citation(c)) => citations.push(c.clone()),
            (Body::Thinking(_), Delta::Thinking(more)) => {
                held.told = true;
                self.words(choice, more, true, None, out);
            }
            // The first part has begun with the block.
            (Body::Thinking(_), Delta::SummaryPart) if held.told => {
                self.words(choice, "\n\n", true, None, out);
            }
            (Body::Thinking(_), Delta::SummaryPart) => {}
            (Body::Thinking(t), Delta::Signature(s)) => {
                let seal = super::seal::of_thought(t.redacted, s);
                if std::mem::replace(&mut held.told, true) {
                    self.words(choice, "", true, Some(&seal), out);
                } else {
                    self.seals.insert(choice, seal);
                }
            }
            (Body::ToolCall(call), Delta::Arguments(more)) => call.arguments.push_str(more),
            (Body::ToolCall(call), Delta::Signature(s)) => call.signature = Some(s.clone()),
            (Body::Image(m) | Body::Audio(m) | Body::Video(m), Delta::Data(more)) => {
                if let crate::ir::Source::Base64(data) = &mut m.source {
                    data.push_str(more);
                }
            }
            // A transcript of a sound is not among what a Gemini answer has.
            _ => {}
        }
    }

    /// A picture takes the signature that waits; before anything else it is told by itself.
    fn unseal(&mut self, choice: u32, next: Option<&Block>, out: &mut BytesMut) {
        let media = next.is_some_and(|b| super::media::of(&b.body).is_some());
        if !media && let Some(seal) = self.seals.remove(&choice) {
            self.words(choice, "", true, Some(&seal), out);
        }
    }

    fn stop_block(&mut self, choice: u32, index: u32, out: &mut BytesMut) {
        let Some(held) = self.blocks.get(&(choice, index)) else { return };
        if held.told || matches!(held.block.body, Body::Text { .. } | Body::Thinking(_) | Body::Refusal(_)) {
            return;
        }
        let Some(held) = self.blocks.remove(&(choice, index)) else { return };
        let seal = self.seals.remove(&choice);
        // A block of another provider's own has no words here.
        let mut probe = Json::default();
        let _ = reply::part(&mut probe, &held.block, false, seal);
        if !probe.out.is_empty() {
            self.part(choice, out, |json| json.written(&probe.out));
        }
    }

    /// The last element.
    fn last(&mut self, out: &mut BytesMut) {
        let choices: Vec<u32> = self.seals.keys().copied().collect();
        choices.into_iter().for_each(|c| self.unseal(c, None, out));
        let stops = std::mem::take(&mut self.stops);
        let blocks = std::mem::take(&mut self.blocks);
        let (tokens, tier) = (self.tokens.take(), self.tier.take());
        if stops.is_empty() && tokens.is_none() {
            return;
        }
        self.emit(out, |json| {
            if !stops.is_empty() {
                json.key("candidates");
                json.array();
                for (choice, stop) in &stops {
                    json.object();
                    json.key("content");
                    json.object();
                    json.key("parts");
                    json.array();
                    json.object();
                    json.member("text", "");
                    json.end_object();
                    json.end_array();
                    json.member("role", "model");
                    json.end_object();
                    json.member("finishReason", stop::word(stop));
                    json.maybe("finishMessage", stop.detail.as_ref());
                    json.member("index", choice);
                    let texts: Vec<_> = blocks
                        .range((*choice, 0)..=(*choice, u32::MAX))
                        .filter_map(|(_, h)| match &h.block.body {
                            // All texts of a stream count as one part.
                            Body::Text { text, citations, .. } => {
                                Some((0, text.as_str(), citations.as_slice()))
                            }
                            _ => None,
                        })
                        .collect();
                    grounding::write(json, &texts);
                    json.end_object();
                }
                json.end_array();
            }
            if let Some(t) = &tokens {
                tokens::write(json, t, tier.as_deref());
            }
        });
    }
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: &StreamEvent, out: &mut BytesMut) {
        if self.over {
            return;
        }
        match event {
            // The model told is the one that the client asked for.
            StreamEvent::Start { id, model: _, created: _ } => {
                if !id.is_empty() {
                    self.id.clone_from(id);
                }
            }
            StreamEvent::BlockStart { choice, index, block } => {
                self.unseal(*choice, Some(block), out);
                // What comes with the start, for decoders that do not wait with it.
                let mut block = block.clone();
                let begun = match &mut block.body {
                    Body::Text { text, .. } | Body::Refusal(text) => Delta::Text(std::mem::take(text)),
                    Body::Thinking(t) => Delta::Thinking(std::mem::take(&mut t.text)),
                    _ => Delta::Text(String::new()),
                };
                // A thought that is sealed as a whole has nothing else.
                let sealed = match &mut block.body {
                    Body::Thinking(t) => t.signature.take().map(Delta::Signature),
                    _ => None,
                };
                self.blocks.insert((*choice, *index), Held { block, told: false });
                match &begun {
                    Delta::Text(t) | Delta::Thinking(t) if t.is_empty() => {}
                    begun => self.delta(*choice, *index, begun, out),
                }
                if let Some(sealed) = sealed {
                    self.delta(*choice, *index, &sealed, out);
                }
            }
            StreamEvent::BlockDelta { choice, index, delta } => self.delta(*choice, *index, delta, out),
            StreamEvent::BlockStop { choice, index } => self.stop_block(*choice, *index, out),
            StreamEvent::Logprobs { choice, content } => self.emit(out, |json| {
                json.key("candidates");
                json.array();
                json.object();
                json.member("index", choice);
                reply::write_logprobs(json, content);
                json.end_object();
                json.end_array();
            }),
            StreamEvent::Stop { choice, stop } => {
                self.stops.insert(*choice, stop.clone());
            }
            StreamEvent::Tokens(t) => self.tokens = Some(*t),
            StreamEvent::ServiceTier(t) => self.tier = Some(t.clone()),
            StreamEvent::Blocked(stop) => self.emit(out, |json| reply::feedback(json, stop)),
            // Google's streams have nothing of the kind, and its SDKs read no comments.
            StreamEvent::Ping => {}
            StreamEvent::Error(e) => {
                self.over = true;
                let message = e.message.as_deref().unwrap_or("The provider failed.");
                self.json.clear();
                let body = error::encode_error(error::kind_of(e), message, e.detail_code.as_deref(), None);
                self.json.out.extend_from_slice(&body);
                self.frame(out);
                self.end_array(out);
            }
            StreamEvent::End => {
                self.last(out);
                self.over = true;
                self.end_array(out);
            }
        }
    }
}

impl Encoder {
    fn end_array(&mut self, out: &mut BytesMut) {
        if self.framing == Framing::Array {
            out.extend_from_slice(if self.written == 0 { b"[]" } else { b"]" });
        }
    }
}
