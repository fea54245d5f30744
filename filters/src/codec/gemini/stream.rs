//! Google's streams, and whole answers, which are streams of one event.

use super::lenient::{self, Str};
use super::part::{self, Meaning};
use super::wire::{Candidate, FunctionCall, Part, Response};
use super::{error, grounding, partial, stop, tokens};
use crate::codec::{DecodeError, StreamDecoder};
use crate::ir::block::{Block, Body, Thinking, ToolCall};
use crate::ir::stream::{Delta, StreamEvent};
use crate::ir::{Raw, Signature};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Gemini allows 8 answers; more than OpenAI's 128 is nonsense.
const MAX_CHOICES: usize = 128;

/// Reads a stream (`alt=sse`). Google's streams have no borders between blocks and no end of their own: both are made
/// here; the end is that every answer has its `finishReason` (or the prompt is blocked).
#[derive(Debug, Default)]
pub struct Decoder {
    started: bool,
    over: bool,
    blocked: bool,
    choices: Vec<Choice>,
    /// What ids of calls are made from.
    id: String,
    tokens: Option<crate::ir::Tokens>,
    tier: Option<String>,
}

#[derive(Debug, Default)]
struct Choice {
    /// The open block.
    open: Option<Open>,
    /// Blocks begun.
    blocks: u32,
    calls: u32,
    /// All text blocks so far, for citations.
    said: Vec<grounding::Said>,
    /// What was found, to be told when all is said.
    grounding: Vec<Raw>,
    /// Arguments of the open call that come in pieces.
    pieces: Option<Value>,
    stopped: bool,
}

#[derive(Debug)]
struct Open {
    index: u32,
    kind: Kind,
    /// It has its signature: what follows is another block.
    sealed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thought,
    /// A call whose arguments come in pieces.
    Call,
}

impl StreamDecoder for Decoder {
    fn event(&mut self, _: &[u8], data: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), DecodeError> {
        if self.over || data.trim_ascii().is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let response: Response<'_> = lenient::read(data)?;
        self.take(response, out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        if self.over {
            return;
        }
        self.over = true;
        for (n, c) in self.choices.iter_mut().enumerate() {
            c.close(n as u32, out);
        }
        let whole = self.blocked || !self.choices.is_empty() && self.choices.iter().all(|c| c.stopped);
        if whole && self.started {
            out.push(StreamEvent::End);
        }
    }
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn take(&mut self, r: Response<'_>, out: &mut Vec<StreamEvent>) {
        let Response { candidates, feedback, usage, model, id, created, error, other: _ } = r;
        if let Some(e) = error {
            self.over = true;
            out.push(StreamEvent::Error(error::upstream(e.get())));
            return;
        }
        if !self.started {
            self.started = true;
            self.id = id.as_ref().map_or_else(|| uuid::Uuid::new_v4().to_string(), |i| i.as_str().to_owned());
            out.push(StreamEvent::Start {
                id: id.map(Str::own).unwrap_or_default(),
                model: model.map(Str::own).unwrap_or_default(),
                created: created.and_then(|c| seconds(c.as_str())),
            });
        }
        if let Some(f) = feedback
            && let Some(reason) = &f.reason
            && !self.blocked
        {
            self.blocked = true;
            out.push(StreamEvent::Blocked(stop::blocked(
                reason.as_str(),
                f.message.as_ref().map(Str::as_str),
            )));
        }
        for (place, candidate) in candidates.unwrap_or_default().0.into_iter().enumerate() {
            self.candidate(place, candidate, out);
        }
        let Some(u) = usage else { return };
        if let Some(t) = tokens::read(&u)
            && self.tokens != Some(t)
        {
            self.tokens = Some(t);
            out.push(StreamEvent::Tokens(t));
        }
        if let Some(tier) = tokens::tier(&u)
            && self.tier.as_ref() != Some(&tier)
        {
            self.tier = Some(tier.clone());
            out.push(StreamEvent::ServiceTier(tier));
        }
    }

    fn candidate(&mut self, place: usize, candidate: Candidate<'_>, out: &mut Vec<StreamEvent>) {
        let Candidate { index, content, reason, message, citations, grounding, logprobs, other: _ } =
            candidate;
        let n = index.map_or(place, |i| usize::try_from(i.0).unwrap_or(place)).min(MAX_CHOICES - 1);
        if self.choices.len() <= n {
            self.choices.resize_with(n + 1, Choice::default);
        }
        let (choice, id, n) = (&mut self.choices[n], self.id.as_str(), n as u32);
        for part in content.and_then(|c| c.parts).unwrap_or_default().0 {
            choice.part(n, part, id, out);
        }
        // Empty in all but the last events.
        if let Some(g) = grounding.filter(|g| g.get().len() > 2) {
            choice.grounding.push(Raw(g.to_owned()));
        }
        if let Some(c) = citations {
            let found = grounding::read_recited(&c, &choice.said);
            choice.cite(n, found, out);
        }
        if let Some(content) = logprobs.as_ref().and_then(super::reply::logprobs) {
            out.push(StreamEvent::Logprobs { choice: n, content });
        }
        if let Some(reason) = reason
            && !choice.stopped
        {
            let found = grounding::read(&choice.grounding, &choice.said);
            choice.cite(n, found, out);
            choice.close(n, out);
            choice.stopped = true;
            let message = message.as_ref().map(Str::as_str);
            out.push(StreamEvent::Stop {
                choice: n,
                stop: stop::read(reason.as_str(), message, choice.calls > 0),
            });
        }
    }
}

impl Choice {
    fn part(&mut self, n: u32, part: Part<'_>, id: &str, out: &mut Vec<StreamEvent>) {
        // Fields of an answer's part without a name here are tolerated.
        let part::Read { meaning, signature, rest: _ } = part::read(part);
        match meaning {
            Meaning::Text { text, thought } => {
                let kind = if thought { Kind::Thought } else { Kind::Text };
                self.words(n, kind, text, signature, out);
            }
            Meaning::Call(call) => self.call(n, call, signature, id, out),
            Meaning::Response(response) => {
                let name = response.name.as_ref().map_or("", Str::as_str).to_owned();
                self.whole(n, vec![Block::new(Body::ToolResult(part::result(response, name)))], out);
            }
            Meaning::Whole(body) => self.whole(n, part::signed(signature, body), out),
        }
    }

    fn words(
        &mut self,
        n: u32,
        kind: Kind,
        text: Str<'_>,
        signature: Option<Signature>,
        out: &mut Vec<StreamEvent>,
    ) {
        if text.as_str().is_empty() && signature.is_none() {
            return;
        }
        // A signature in an empty part belongs to what was said before it.
        let late = text.as_str().is_empty() && self.open.as_ref().is_some_and(|o| o.kind != Kind::Call);
        if !self.open.as_ref().is_some_and(|o| !o.sealed && (o.kind == kind || late)) {
            self.close(n, out);
            self.begin(n, kind, part::words(String::new(), kind == Kind::Thought, None), out);
        }
        let Some(open) = &mut self.open else { return };
        let index = open.index;
        open.sealed |= signature.is_some();
        if open.kind == Kind::Text
            && let Some((_, said)) = self.said.last_mut()
        {
            said.push_str(text.as_str());
        }
        if !text.as_str().is_empty() {
            let text = text.own();
            let delta = if open.kind == Kind::Thought { Delta::Thinking(text) } else { Delta::Text(text) };
            out.push(StreamEvent::BlockDelta { choice: n, index, delta });
        }
        if let Some(s) = signature {
            out.push(StreamEvent::BlockDelta { choice: n, index, delta: Delta::Signature(s) });
        }
    }

    fn begin(&mut self, n: u32, kind: Kind, block: Block, out: &mut Vec<StreamEvent>) {
        let index = self.blocks;
        self.blocks += 1;
        if kind == Kind::Text {
            self.said.push((index, String::new()));
        }
        self.open = Some(Open { index, kind, sealed: false });
        out.push(StreamEvent::BlockStart { choice: n, index, block });
    }

    fn close(&mut self, n: u32, out: &mut Vec<StreamEvent>) {
        let Some(Open { index, .. }) = self.open.take() else { return };
        if let Some(pieces) = self.pieces.take() {
            let text = if pieces.is_null() { "{}".to_owned() } else { pieces.to_string() };
            out.push(StreamEvent::BlockDelta { choice: n, index, delta: Delta::Arguments(text) });
        }
        out.push(StreamEvent::BlockStop { choice: n, index });
    }

    fn whole(&mut self, n: u32, blocks: Vec<Block>, out: &mut Vec<StreamEvent>) {
        self.close(n, out);
        for mut block in blocks {
            // Texts of blocks that begin come as deltas; so does the signature of a picture.
            let mut delta = None;
            if let Body::Thinking(Thinking { signature, .. }) = &mut block.body {
                delta = signature.take();
            }
            self.begin(n, Kind::Thought, block, out);
            if let (Some(s), Some(open)) = (delta, &self.open) {
                let delta = Delta::Signature(s);
                out.push(StreamEvent::BlockDelta { choice: n, index: open.index, delta });
            }
            self.close(n, out);
        }
    }

    fn call(
        &mut self,
        n: u32,
        call: FunctionCall<'_>,
        signature: Option<Signature>,
        id: &str,
        out: &mut Vec<StreamEvent>,
    ) {
        let FunctionCall { id: own, name, args, partial, will_continue, other: _ } = call;
        let name = name.map(Str::own).unwrap_or_default();
        let more = will_continue == Some(true);
        let goes_on = name.is_empty() && self.pieces.is_some();
        if !goes_on {
            self.close(n, out);
            if name.is_empty() && args.is_none() {
                return;
            }
            let own = own.map(Str::own).filter(|i| !i.is_empty());
            let call_id = own.unwrap_or_else(|| made_id(id, n, self.calls));
            self.calls += 1;
            let call = ToolCall { id: call_id, name, signature, ..ToolCall::default() };
            self.begin(n, Kind::Call, Block::new(Body::ToolCall(call)), out);
            if more || partial.is_some() {
                self.pieces = Some(args.and_then(|a| serde_json::from_str(a.get()).ok()).unwrap_or_default());
            } else if let Some(open) = &self.open {
                let delta = Delta::Arguments(part::arguments(args));
                out.push(StreamEvent::BlockDelta { choice: n, index: open.index, delta });
            }
        }
        if let Some(pieces) = &mut self.pieces {
            partial.iter().flat_map(|p| &p.0).for_each(|p| partial::put(pieces, p));
        }
        if !more {
            self.close(n, out);
        }
    }

    /// Citations go to their block while it is open, else to the one that is, without saying which words.
    fn cite(&mut self, n: u32, found: Vec<(u32, crate::ir::block::Citation)>, out: &mut Vec<StreamEvent>) {
        if found.is_empty() {
            return;
        }
        if !self.open.as_ref().is_some_and(|o| o.kind == Kind::Text) {
            // Nothing more comes of the text that they belong to.
            self.close(n, out);
            self.begin(n, Kind::Text, Block::text(""), out);
        }
        let Some(index) = self.open.as_ref().map(|o| o.index) else { return };
        for (block, mut citation) in found {
            citation.range = citation.range.filter(|_| block == index);
            out.push(StreamEvent::BlockDelta { choice: n, index, delta: Delta::Citation(citation) });
        }
    }
}

/// An id for a call that came without one: the same for the stream and the whole answer, another for each answer.
/// Short enough for every dialect (OpenAI's Chat allows 40 characters).
fn made_id(answer: &str, choice: u32, call: u32) -> String {
    let mut hash = Sha256::new();
    hash.update(answer.as_bytes());
    hash.update(choice.to_be_bytes());
    hash.update(call.to_be_bytes());
    ["call_", &hex::encode(&hash.finalize()[..12])].concat()
}

/// Unix seconds of an RFC 3339 time.
fn seconds(text: &str) -> Option<i64> {
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(text, format).ok().map(time::OffsetDateTime::unix_timestamp)
}
