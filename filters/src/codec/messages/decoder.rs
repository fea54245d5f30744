//! An upstream's stream, read: <https://platform.claude.com/docs/en/build-with-claude/streaming>.
//!
//! Blocks come one after the other, each from `content_block_start` to `content_block_stop`. Blocks of tools that
//! Anthropic runs, and blocks that nobody here knows, are gathered and go on whole, as the IR demands.

use super::blocks::{Reader, is_server};
use super::fields::{Fields, Key, Message, place, whole};
use super::tokens::Counter;
use super::write::{Json, null};
use super::{citation, reply, stop};
use crate::codec::{DecodeError, StreamDecoder};
use crate::dialect::fault::{self, UpstreamError};
use crate::ir::stream::Delta;
use crate::ir::{Block, Origin, Raw, Signature, StreamEvent, block::Body};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Reads a stream of `/v1/messages`.
#[derive(Debug, Default)]
pub struct Decoder {
    counter: Counter,
    open: Vec<Open>,
    /// Blocks begun so far: the IR's next index.
    next: u32,
    started: bool,
    ended: bool,
}

/// A block that is not yet complete.
#[derive(Debug)]
struct Open {
    /// Anthropic's index.
    index: u64,
    body: Unfinished,
}

#[derive(Debug)]
enum Unfinished {
    /// Goes on as it comes, under this index.
    Passing(u32),
    /// A tool call; `said`: some of its arguments have come. What stood in its start counts if nothing else comes.
    Call { at: u32, said: bool, whole: String },
    /// Is gathered: the members of its start, and the text of its `input`.
    Gathered { start: Vec<(String, Raw)>, input: String },
}

/// `content_block_delta`, the usual one.
#[derive(Deserialize)]
struct DeltaEvent<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    delta: DeltaBody<'a>,
}

#[derive(Deserialize)]
struct DeltaBody<'a> {
    #[serde(borrow)]
    r#type: Key<'a>,
    text: Option<String>,
    partial_json: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StartEvent<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    content_block: Fields<'a>,
}

#[derive(Deserialize)]
struct StopEvent {
    #[serde(default)]
    index: u64,
}

#[derive(Deserialize)]
struct MessageStart<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct MessageDelta<'a> {
    #[serde(borrow, default)]
    delta: Option<EndBody<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct EndBody<'a> {
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
    #[serde(borrow, default)]
    stop_details: Option<&'a RawValue>,
}

fn parse<'a, T: Deserialize<'a>>(name: &str, data: &'a [u8]) -> Result<T, DecodeError> {
    whole(data).map_err(|e| DecodeError::new(name, place(&e)))
}

impl StreamDecoder for Decoder {
    fn event(&mut self, name: &[u8], data: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), DecodeError> {
        match kind(name, data) {
            b"content_block_delta" => self.delta(data, out),
            b"content_block_start" => self.start_block(data, out),
            b"content_block_stop" => {
                let e: StopEvent = parse("content_block_stop", data)?;
                self.stop_block(e.index, out);
                Ok(())
            }
            b"message_start" => self.start(data, out),
            b"message_delta" => self.message_delta(data, out),
            b"message_stop" => {
                self.close_all(out);
                self.ended = true;
                out.push(StreamEvent::End);
                Ok(())
            }
            b"ping" => {
                out.push(StreamEvent::Ping);
                Ok(())
            }
            b"error" => {
                self.ended = true;
                out.push(StreamEvent::Error(error(data)));
                Ok(())
            }
            // "New event types may be added": https://platform.claude.com/docs/en/api/versioning
            _ => Ok(()),
        }
    }

    fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        if !self.ended {
            self.close_all(out);
        }
    }
}

/// What an event is: its name, or the `type` in its data where a server sends no names.
fn kind<'a>(name: &'a [u8], data: &'a [u8]) -> &'a [u8] {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        r#type: Key<'a>,
    }
    if !name.is_empty() && name != b"message" {
        return name;
    }
    match serde_json::from_slice::<Typed<'a>>(data) {
        Ok(Typed { r#type: Key(std::borrow::Cow::Borrowed(t)) }) => t.as_bytes(),
        _ => b"",
    }
}

fn error(data: &[u8]) -> UpstreamError {
    fault::describe(data).unwrap_or_else(|| UpstreamError {
        message: std::str::from_utf8(data).ok().map(str::to_owned),
        ..UpstreamError::default()
    })
}

impl Decoder {
    /// A decoder for one stream.
    pub fn new() -> Self {
        Self::default()
    }

    fn start(&mut self, data: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), DecodeError> {
        let e: MessageStart<'_> = parse("message_start", data)?;
        if self.started {
            return Ok(());
        }
        self.started = true;
        let text = |key: &str| super::blocks::optional(&e.message.fields, "message", key);
        let (id, model) = (text("id")?.unwrap_or_default(), text("model")?.unwrap_or_default());
        // First, so that what opens the client's stream can say it: its SDK reads it there.
        out.extend(e.message.fields.get("usage").and_then(reply::tier).map(StreamEvent::ServiceTier));
        out.push(StreamEvent::Start { id, model, created: None });
        out.extend(self.counter.event(b"message_start", data).map(StreamEvent::Tokens));
        Ok(())
    }

    fn message_delta(&mut self, data: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), DecodeError> {
        let e: MessageDelta<'_> = parse("message_delta", data)?;
        self.close_all(out);
        if let Some(EndBody { stop_reason: Some(reason), stop_sequence, stop_details }) = e.delta {
            let details = stop_details.map(RawValue::get);
            let stop = stop::decode(&reason, stop_sequence, details);
            out.push(StreamEvent::Stop { choice: 0, stop });
        }
        if let Some(usage) = e.usage {
            out.extend(reply::tier(usage.get()).map(StreamEvent::ServiceTier));
            out.extend(self.counter.event(b"message_delta", data).map(StreamEvent::Tokens));
        }
        Ok(())
    }

    fn start_block(&mut self, data: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), DecodeError> {
        const PATH: &str = "content_block";
        let e: StartEvent<'_> = parse("content_block_start", data)?;
        // An index that is open already: its stop got lost.
        self.stop_block(e.index, out);
        let f = &e.content_block;
        let kind = super::blocks::needed(f, PATH, "type")?;
        let gathered = is_server(&kind)
            || !matches!(kind.as_str(), "text" | "tool_use" | "thinking" | "redacted_thinking");
        if gathered {
            let start = f.0.iter().map(|(k, v)| (k.clone().into_owned(), Raw((*v).to_owned()))).collect();
            let body = Unfinished::Gathered { start, input: String::new() };
            self.open.push(Open { index: e.index, body });
            return Ok(());
        }
        let mut block = Reader { answer: true, ..Reader::default() }.block(f, PATH)?;
        let at = self.next;
        self.next += 1;
        let mut more = Vec::new();
        let body = match &mut block.body {
            Body::ToolCall(call) => {
                Unfinished::Call { at, said: false, whole: std::mem::take(&mut call.arguments) }
            }
            // Servers that imitate Anthropic put the first piece into the start.
            Body::Text { text, citations, .. } => {
                more.extend(Some(std::mem::take(text)).filter(|t| !t.is_empty()).map(Delta::Text));
                more.extend(citations.drain(..).map(Delta::Citation));
                Unfinished::Passing(at)
            }
            Body::Thinking(t) if !t.redacted => {
                more.extend(Some(std::mem::take(&mut t.text)).filter(|t| !t.is_empty()).map(Delta::Thinking));
                more.extend(t.signature.take().map(Delta::Signature));
                Unfinished::Passing(at)
            }
            _ => Unfinished::Passing(at),
        };
        self.open.push(Open { index: e.index, body });
        out.push(StreamEvent::BlockStart { choice: 0, index: at, block });
        out.extend(more.into_iter().map(|delta| StreamEvent::BlockDelta { choice: 0, index: at, delta }));
        Ok(())
    }

    fn delta(&mut self, data: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), DecodeError> {
        let e: DeltaEvent<'_> = parse("content_block_delta", data)?;
        let Some(open) = self.open.iter_mut().find(|o| o.index == e.index) else {
            return Err(DecodeError::new("index", "a piece of a block that has not begun"));
        };
        let d = e.delta;
        let (index, delta) = match (&mut open.body, d.r#type.0.as_ref()) {
            (Unfinished::Gathered { input, .. }, "input_json_delta") => {
                input.push_str(d.partial_json.as_deref().unwrap_or_default());
                return Ok(());
            }
            (Unfinished::Gathered { start, .. }, _) => return gather(start, data),
            (Unfinished::Call { at, said, .. }, "input_json_delta") => {
                let Some(json) = d.partial_json.filter(|j| !j.is_empty()) else { return Ok(()) };
                *said = true;
                (*at, Delta::Arguments(json))
            }
            (Unfinished::Passing(at), "text_delta") => (*at, Delta::Text(d.text.unwrap_or_default())),
            (Unfinished::Passing(at), "thinking_delta") => {
                // Empty ones only count tokens (`estimated_tokens`).
                let Some(text) = d.thinking.filter(|t| !t.is_empty()) else { return Ok(()) };
                (*at, Delta::Thinking(text))
            }
            (Unfinished::Passing(at), "signature_delta") => {
                let Some(text) = d.signature.filter(|t| !t.is_empty()) else { return Ok(()) };
                (*at, Delta::Signature(Signature::unwrap(&text, Origin::Anthropic)))
            }
            (Unfinished::Passing(at), "citations_delta") => {
                let c = d.citation.and_then(|c| citation::decode(c.get()));
                let c = c.ok_or_else(|| DecodeError::new("delta.citation", "Input should be an object"))?;
                (*at, Delta::Citation(c))
            }
            // "Unknown event types should be handled gracefully"; the same for kinds of delta.
            _ => return Ok(()),
        };
        out.push(StreamEvent::BlockDelta { choice: 0, index, delta });
        Ok(())
    }

    fn stop_block(&mut self, index: u64, out: &mut Vec<StreamEvent>) {
        let Some(at) = self.open.iter().position(|o| o.index == index) else { return };
        let open = self.open.remove(at);
        self.close(open, out);
    }

    fn close_all(&mut self, out: &mut Vec<StreamEvent>) {
        for open in std::mem::take(&mut self.open) {
            self.close(open, out);
        }
    }

    fn close(&mut self, open: Open, out: &mut Vec<StreamEvent>) {
        let index = match open.body {
            Unfinished::Passing(at) => at,
            Unfinished::Call { at, said, whole } => {
                if !said {
                    let delta = Delta::Arguments(whole);
                    out.push(StreamEvent::BlockDelta { choice: 0, index: at, delta });
                }
                at
            }
            Unfinished::Gathered { start, input } => {
                let Some(block) = gathered(start, &input) else { return };
                let at = self.next;
                self.next += 1;
                out.push(StreamEvent::BlockStart { choice: 0, index: at, block });
                at
            }
        };
        out.push(StreamEvent::BlockStop { choice: 0, index });
    }
}

/// Adds an unknown kind of delta to a gathered block (`compaction_delta`): texts go on, all else is replaced.
fn gather(start: &mut Vec<(String, Raw)>, data: &[u8]) -> Result<(), DecodeError> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        delta: Fields<'a>,
    }
    let e: Event<'_> = parse("content_block_delta", data)?;
    for (key, value) in e.delta.0.iter().filter(|(k, v)| k != "type" && v.get() != "null") {
        let new = Raw((*value).to_owned());
        match start.iter_mut().find(|(k, _)| k == key.as_ref()) {
            Some((_, old)) => {
                let texts =
                    (serde_json::from_str::<String>(old.text()), serde_json::from_str::<String>(new.text()));
                *old = match texts {
                    (Ok(a), Ok(b)) => Raw::of(&(a + &b)).unwrap_or(new),
                    _ => new,
                };
            }
            None => start.push((key.clone().into_owned(), new)),
        }
    }
    Ok(())
}

/// A gathered block, complete.
fn gathered(mut start: Vec<(String, Raw)>, input: &str) -> Option<Block> {
    if !input.trim().is_empty() {
        // Cut short in the middle of its input, a call of the provider's own means nothing.
        let input = Raw::parse(input).ok()?;
        match start.iter_mut().find(|(k, _)| k == "input") {
            Some((_, old)) => *old = input,
            None => start.push(("input".to_owned(), input)),
        }
    }
    let mut json = Json::with_capacity(256);
    json.object(|o| {
        for (key, value) in &start {
            o.raw(key, value.text());
        }
    });
    let raw = json.into_raw();
    if raw == null() {
        return None;
    }
    let f: Fields<'_> = serde_json::from_str(raw.text()).ok()?;
    Reader { answer: true, ..Reader::default() }.block(&f, "content_block").ok()
}
