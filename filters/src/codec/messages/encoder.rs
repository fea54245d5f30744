//! A stream for the client, written: <https://platform.claude.com/docs/en/build-with-claude/streaming>.

use super::reply::{self, EncodeReply};
use super::write::{Json, Object};
use super::{carrier, citation, say, stop, tokens};
use crate::codec::StreamEncoder;
use crate::dialect::fault::UpstreamError;
use crate::ir::block::{CallKind, Thinking, ToolCall};
use crate::ir::stream::Delta;
use crate::ir::{Block, Origin, Raw, Signature, Stop, StreamEvent, Tokens, block::Body};
use bytes::BytesMut;

/// Writes a stream of `/v1/messages`.
#[derive(Debug, Default)]
pub struct Encoder {
    reply: EncodeReply,
    /// Begun, but not yet told: whatever comes next may be the input's tokens, which belong into `message_start`.
    held: Option<String>,
    told: bool,
    tokens: Option<Tokens>,
    tier: Option<String>,
    stop: Option<Stop>,
    refused: bool,
    /// What became of the IR's blocks, by their index.
    blocks: Vec<Shown>,
    /// Anthropic's next index.
    next: u64,
    /// Texts begun so far.
    texts: usize,
    /// Signatures of texts, told only if something follows: an answer must not end with a block that says nothing, since
    /// clients (Claude Code) take the last one for what was said. Google does without those of an answer's last text.
    /// <https://ai.google.dev/gemini-api/docs/thought-signatures>
    carried: Vec<String>,
}

/// How a block is told.
#[derive(Debug, Default)]
enum Shown {
    /// Not at all.
    #[default]
    Not,
    /// Under this index, piece by piece.
    Text { at: u64, nth: usize, signature: Option<Signature> },
    /// A text of which nothing has come: nothing is told before its first piece.
    Silent(Option<Signature>),
    /// A thought; `any`: some of it has come (a new part of a summary is set apart from the one before).
    Thought { at: u64, any: bool, signed: bool },
    /// A thought that is sealed in the signature that has not come yet.
    Sealed,
    /// A tool call; `signature`: came too late to be told before it.
    Call { at: u64, id: String, signature: Option<Signature> },
    /// A call with free text, which must become an object.
    Free { at: u64, text: String },
    /// Told whole.
    Whole(u64),
}

/// Appends one event. (The name is said twice, as Anthropic does.)
fn emit(out: &mut BytesMut, name: &str, f: impl FnOnce(&mut Object<'_, &mut BytesMut>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    Json::append(out).object(|o| {
        o.str("type", name);
        f(o);
    });
    out.extend_from_slice(b"\n\n");
}

/// Appends a `content_block_delta` with one text in it. This is nearly all of a stream: what never changes is not
/// built anew. `kind` and `key` need no escapes.
fn delta(out: &mut BytesMut, at: u64, kind: &'static str, key: &'static str, text: &str) {
    out.reserve(text.len() + 160);
    out.extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
    Json::append(out).number(at);
    for part in [",\"delta\":{\"type\":\"", kind, "\",\"", key, "\":"] {
        out.extend_from_slice(part.as_bytes());
    }
    Json::append(out).string(text);
    out.extend_from_slice(b"}}\n\n");
}

fn stop_event(out: &mut BytesMut, at: u64) {
    emit(out, "content_block_stop", |o| o.number("index", at));
}

impl StreamEncoder for Encoder {
    fn event(&mut self, event: &StreamEvent, out: &mut BytesMut) {
        // What waits for the input's tokens waits no longer.
        if !matches!(event, StreamEvent::Start { .. } | StreamEvent::Tokens(_) | StreamEvent::ServiceTier(_))
        {
            self.tell_start(out);
        }
        match event {
            StreamEvent::Start { id, model: _, created: _ } => self.held = Some(id.clone()),
            StreamEvent::Tokens(t) => self.tokens = Some(*t),
            StreamEvent::ServiceTier(t) => self.tier = Some(t.clone()),
            StreamEvent::Ping => emit(out, "ping", |_| {}),
            // One answer only.
            StreamEvent::BlockStart { choice: 0, index, block } => self.begin(*index, block, out),
            StreamEvent::BlockDelta { choice: 0, index, delta } => self.more(*index, delta, out),
            StreamEvent::BlockStop { choice: 0, index } => self.end(*index, out),
            StreamEvent::Stop { choice: 0, stop } => self.stop = Some(stop.clone()),
            StreamEvent::Blocked(stop) => self.stop = Some(reply::refusal(stop.clone())),
            StreamEvent::Error(e) => error(out, e),
            StreamEvent::End => self.finish(out),
            StreamEvent::BlockStart { .. }
            | StreamEvent::BlockDelta { .. }
            | StreamEvent::BlockStop { .. }
            | StreamEvent::Stop { .. }
            | StreamEvent::Logprobs { .. } => {}
        }
    }
}

impl Encoder {
    /// An encoder for one stream.
    pub fn new(reply: EncodeReply) -> Self {
        Self { reply, ..Self::default() }
    }

    fn tell_start(&mut self, out: &mut BytesMut) {
        let Some(id) = self.held.take() else { return };
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        emit(out, "message_start", |o| {
            o.object("message", |m| {
                m.str("id", if id.is_empty() { &self.reply.id } else { &id });
                m.str("type", "message");
                m.str("role", "assistant");
                m.str("model", &self.reply.model);
                m.raw("content", "[]");
                stop::write(m, None, false);
                tokens::write(m, self.tokens.as_ref(), self.tier.as_deref(), false);
            });
        });
        // Told; one that comes later goes into `message_delta`.
        self.tier = None;
    }

    fn finish(&mut self, out: &mut BytesMut) {
        for index in 0..self.blocks.len() {
            self.end(u32::try_from(index).unwrap_or(u32::MAX), out);
        }
        let Self { tokens, tier, stop, refused, .. } = self;
        emit(out, "message_delta", |o| {
            o.object("delta", |d| stop::write(d, stop.as_ref(), *refused));
            tokens::write(o, tokens.as_ref(), tier.as_deref(), true);
        });
        emit(out, "message_stop", |_| {});
    }

    /// The next index.
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Appends `content_block_start`, and takes an index for it.
    fn start(&mut self, out: &mut BytesMut, f: impl FnOnce(&mut Object<'_, &mut BytesMut>)) -> u64 {
        self.carry_all(out);
        let at = self.next();
        emit(out, "content_block_start", |o| {
            o.number("index", at);
            o.object("content_block", f);
        });
        at
    }

    fn carry_all(&mut self, out: &mut BytesMut) {
        for signature in std::mem::take(&mut self.carried) {
            self.carry(out, &signature);
        }
    }

    /// A whole block that holds nothing but a signature that belongs to another one.
    fn carry(&mut self, out: &mut BytesMut, signature: &str) {
        let at = self.next();
        emit(out, "content_block_start", |o| {
            o.number("index", at);
            reply::carry(o.key("content_block"), "");
        });
        delta(out, at, "signature_delta", "signature", signature);
        stop_event(out, at);
    }

    fn begin_text(&mut self, signature: Option<Signature>, out: &mut BytesMut) -> Shown {
        let at = self.start(out, |b| {
            b.str("type", "text");
            b.str("text", "");
        });
        self.texts += 1;
        Shown::Text { at, nth: self.texts - 1, signature }
    }

    fn begin(&mut self, index: u32, block: &Block, out: &mut BytesMut) {
        // An index beyond all reason would only cost memory.
        let slot = index as usize;
        if slot > self.blocks.len() + 10_000 {
            return;
        }
        let shown = match &block.body {
            Body::Text { text, citations, signature } => {
                if text.is_empty() && citations.is_empty() {
                    Shown::Silent(signature.clone())
                } else {
                    let shown = self.begin_text(signature.clone(), out);
                    if let Shown::Text { at, .. } = shown {
                        if !text.is_empty() {
                            delta(out, at, "text_delta", "text", text);
                        }
                        citations.iter().for_each(|c| cite(out, at, c));
                    }
                    shown
                }
            }
            Body::Refusal(text) => {
                self.refused = true;
                if text.is_empty() {
                    Shown::Silent(None)
                } else {
                    let shown = self.begin_text(None, out);
                    if let Shown::Text { at, .. } = shown {
                        delta(out, at, "text_delta", "text", text);
                    }
                    shown
                }
            }
            Body::Thinking(t) => self.begin_thought(t, out),
            Body::ToolCall(call) => self.begin_call(call, out),
            Body::Server { origin: Origin::Anthropic, raw, .. }
            | Body::Opaque { origin: Origin::Anthropic, raw, .. } => self.begin_whole(raw, out),
            // No words for them here; see `reply::said`.
            Body::Server { .. }
            | Body::Opaque { .. }
            | Body::ToolResult(_)
            | Body::Image(_)
            | Body::Document(_)
            | Body::Audio(_)
            | Body::Video(_) => Shown::Not,
        };
        if self.blocks.len() <= slot {
            self.blocks.resize_with(slot + 1, Shown::default);
        }
        self.blocks[slot] = shown;
    }

    fn begin_thought(&mut self, t: &Thinking, out: &mut BytesMut) -> Shown {
        let Thinking { text, summary, signature, redacted } = t;
        if *redacted {
            let Some(signature) = signature else { return Shown::Sealed };
            return Shown::Whole(self.seal(signature, out));
        }
        let at = self.start(out, |b| {
            b.str("type", "thinking");
            b.str("thinking", "");
            b.str("signature", "");
        });
        let text = if summary.is_empty() { text.clone() } else { summary.join("\n\n") };
        if !text.is_empty() {
            delta(out, at, "thinking_delta", "thinking", &text);
        }
        if let Some(s) = signature {
            delta(out, at, "signature_delta", "signature", &s.wrap(Origin::Anthropic));
        }
        Shown::Thought { at, any: !text.is_empty(), signed: signature.is_some() }
    }

    fn seal(&mut self, signature: &Signature, out: &mut BytesMut) -> u64 {
        self.start(out, |b| {
            b.str("type", "redacted_thinking");
            b.str("data", &signature.wrap(Origin::Anthropic));
        })
    }

    fn begin_call(&mut self, call: &ToolCall, out: &mut BytesMut) -> Shown {
        let ToolCall { id, name, namespace: _, arguments, kind, signature } = call;
        self.carry_all(out);
        if let Some(s) = signature {
            self.carry(out, &carrier::of_call(s, id));
        }
        let at = self.start(out, |b| {
            b.str("type", "tool_use");
            b.str("id", id);
            b.str("name", name);
            b.raw("input", "{}");
        });
        if *kind == CallKind::Custom {
            return Shown::Free { at, text: arguments.clone() };
        }
        if !arguments.is_empty() {
            delta(out, at, "input_json_delta", "partial_json", arguments);
        }
        Shown::Call { at, id: id.clone(), signature: None }
    }

    /// A block that came whole. Clients expect the `input` of a call as deltas, also of calls that the provider makes.
    fn begin_whole(&mut self, raw: &Raw, out: &mut BytesMut) -> Shown {
        let fields: super::fields::Fields<'_> = serde_json::from_str(raw.text()).unwrap_or_default();
        let input = fields.get("input").filter(|_| fields.get("name").is_some());
        let at = self.start(out, |b| {
            for (key, value) in &fields.0 {
                b.raw(key, if key == "input" && input.is_some() { "{}" } else { value.get() });
            }
        });
        if let Some(input) = input {
            delta(out, at, "input_json_delta", "partial_json", input);
        }
        Shown::Whole(at)
    }

    fn more(&mut self, index: u32, more: &Delta, out: &mut BytesMut) {
        // An empty piece says nothing.
        if matches!(more, Delta::Text(t) | Delta::Thinking(t) | Delta::Arguments(t) if t.is_empty()) {
            return;
        }
        let Some(slot) = self.blocks.get_mut(index as usize) else { return };
        match (&mut *slot, more) {
            (Shown::Text { at, .. }, Delta::Text(text)) => delta(out, *at, "text_delta", "text", text),
            (Shown::Text { at, .. }, Delta::Citation(c)) => cite(out, *at, c),
            (Shown::Text { signature, .. } | Shown::Silent(signature), Delta::Signature(s)) => {
                *signature = Some(s.clone());
            }
            (Shown::Silent(signature), Delta::Text(_) | Delta::Citation(_)) => {
                let signature = signature.take();
                let shown = self.begin_text(signature, out);
                if let Some(slot) = self.blocks.get_mut(index as usize) {
                    *slot = shown;
                }
                self.more(index, more, out);
            }
            (Shown::Thought { at, any, .. }, Delta::Thinking(text)) => {
                *any = true;
                delta(out, *at, "thinking_delta", "thinking", text);
            }
            (Shown::Thought { at, any: true, .. }, Delta::SummaryPart) => {
                delta(out, *at, "thinking_delta", "thinking", "\n\n");
            }
            // Clients replace or append: told once.
            (Shown::Thought { at, signed: signed @ false, .. }, Delta::Signature(s)) => {
                *signed = true;
                delta(out, *at, "signature_delta", "signature", &s.wrap(Origin::Anthropic));
            }
            (Shown::Sealed, Delta::Signature(s)) => {
                let at = self.seal(s, out);
                if let Some(slot) = self.blocks.get_mut(index as usize) {
                    *slot = Shown::Whole(at);
                }
            }
            (Shown::Call { at, .. }, Delta::Arguments(json)) => {
                delta(out, *at, "input_json_delta", "partial_json", json);
            }
            (Shown::Call { signature, .. }, Delta::Signature(s)) => *signature = Some(s.clone()),
            (Shown::Free { text, .. }, Delta::Arguments(more)) => text.push_str(more),
            _ => {}
        }
    }

    fn end(&mut self, index: u32, out: &mut BytesMut) {
        let Some(slot) = self.blocks.get_mut(index as usize) else { return };
        match std::mem::take(slot) {
            Shown::Not | Shown::Sealed | Shown::Silent(None) => {}
            Shown::Silent(Some(s)) => self.carried.push(carrier::of_text(&s, None)),
            Shown::Text { at, nth, signature } => {
                stop_event(out, at);
                self.carried.extend(signature.map(|s| carrier::of_text(&s, Some(nth))));
            }
            Shown::Call { at, id, signature } => {
                stop_event(out, at);
                if let Some(s) = signature {
                    self.carry(out, &carrier::of_call(&s, &id));
                }
            }
            Shown::Free { at, text } => {
                let json = say::input(&text, CallKind::Custom);
                delta(out, at, "input_json_delta", "partial_json", &json);
                stop_event(out, at);
            }
            Shown::Thought { at, .. } | Shown::Whole(at) => stop_event(out, at),
        }
    }
}

fn cite(out: &mut BytesMut, at: u64, c: &crate::ir::block::Citation) {
    if !citation::can_say(c) {
        return;
    }
    emit(out, "content_block_delta", |o| {
        o.number("index", at);
        o.object("delta", |d| {
            d.str("type", "citations_delta");
            citation::write(d.key("citation"), c);
        });
    });
}

/// An error of the upstream's in mid-stream, in Anthropic's words.
fn error(out: &mut BytesMut, e: &UpstreamError) {
    let UpstreamError { kind, code, detail_code: _, message } = e;
    let word = [kind, code].into_iter().flatten().find_map(|w| error_type(w)).unwrap_or("api_error");
    emit(out, "error", |o| {
        o.object("error", |o| {
            o.str("type", word);
            o.str("message", message.as_deref().unwrap_or("The provider failed while it was answering."));
        });
    });
}

/// <https://platform.claude.com/docs/en/api/errors>; other providers' words for the same.
fn error_type(word: &str) -> Option<&'static str> {
    Some(match word {
        "overloaded_error"
        | "server_overloaded"
        | "overloaded"
        | "UNAVAILABLE"
        | "serviceUnavailableException" => "overloaded_error",
        "rate_limit_error" | "rate_limit_exceeded" | "RESOURCE_EXHAUSTED" | "throttlingException" => {
            "rate_limit_error"
        }
        "invalid_request_error" | "INVALID_ARGUMENT" | "validationException" => "invalid_request_error",
        "timeout_error" | "DEADLINE_EXCEEDED" | "modelTimeoutException" => "timeout_error",
        "request_too_large" => "request_too_large",
        "api_error" => "api_error",
        _ => return None,
    })
}
