//! One of the answers of a stream. The format has no borders between blocks: they are where the kind changes.

use super::super::decode::Extra;
use super::super::decode::message::citation;
use super::super::decode::part::{self, Decoded};
use super::super::json::StrOr;
use super::super::reply::encode::count;
use super::super::reply::{self, Contents};
use super::super::thoughts::{self, Fit, Last, Said};
use super::super::wire::{Annotation, Detail, Part};
use super::calls::Calls;
use super::{AudioDelta, Delta as Wire};
use crate::codec::DecodeError;
use crate::ir::block::{Block, Body, Media, Source, Thinking};
use crate::ir::signature::{Origin, Signature};
use crate::ir::stream::{Delta, StreamEvent};

/// The block that more would be added to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    None,
    Text(u32),
    Refusal(u32),
    Audio(u32),
    Thinking {
        index: u32,
        signed: bool,
    },
}

/// An answer on its way.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) n: u32,
    next: u32,
    open: Open,
    last: Last,
    /// What came as plain text of the thought that is open: by entry, where these are numbered.
    plain: Vec<(Option<i64>, String)>,
    /// It was told once more, whole.
    whole: bool,
    calls: Calls,
    /// Proofs that wait for the call they belong to.
    seals: Vec<(String, Signature)>,
    /// A proof of the whole message.
    seal: Option<Signature>,
    /// Characters of all text, and of the text before the block.
    chars: u32,
    before: u32,
    refused: bool,
    finish: Option<(String, Option<String>)>,
}

impl Choice {
    /// The `n`th.
    pub(super) fn new(n: u32) -> Self {
        Self { n, ..Self::default() }
    }

    /// Takes what is new.
    pub(super) fn delta(
        &mut self,
        d: Wire<'_>,
        id: &str,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), DecodeError> {
        let details = d.reasoning_details.0.unwrap_or_default();
        let full = |t: &Option<String>| t.as_deref().is_some_and(|t| !t.is_empty());
        let told = details.iter().any(|d| full(&d.text) || full(&d.summary));
        let opens = details.iter().any(thoughts::opens);
        let plain = d.reasoning_content.filter(|t| !t.is_empty());
        let plain = plain.or_else(|| d.reasoning.0.map(|r| r.0.into_owned()).filter(|t| !t.is_empty()));
        if let Some(text) = plain.filter(|text| !(told || opens && text == thoughts::GAP)) {
            self.thought(text, out);
        }
        for mut d in details {
            if thoughts::opens(&d) && !self.last.is_at(&d) {
                self.opened(&d, out);
                continue;
            }
            // Some servers stream the plain text, and then repeat it whole in an entry.
            if self.repeats(&d) {
                self.whole = true;
                d.text = None;
                if d.signature.is_none() {
                    continue;
                }
            }
            self.detail(d, out);
        }
        match d.content {
            None => {}
            Some(StrOr::Str(text)) => self.text(text.into_owned(), out),
            Some(StrOr::Other(parts)) => self.parts(parts, out),
        }
        if let Some(text) = d.refusal.filter(|t| !t.is_empty()) {
            self.refusal(text, out);
        }
        if let Some(audio) = d.audio {
            self.audio(*audio, out);
        }
        self.parts(d.images.0.unwrap_or_default(), out);
        self.annotations(d.annotations.0.unwrap_or_default(), out);
        if let Some(s) = d.extra_content.0.and_then(|s| s.signature()) {
            self.seal = Some(Signature::unwrap(&s, Origin::Google));
        }
        for call in d.tool_calls.into_iter().flatten() {
            self.end_open(out);
            self.calls.delta(call, self.n, id, &mut self.next, &mut self.seals, &mut self.seal, out)?;
        }
        if let Some(f) = d.function_call {
            self.end_open(out);
            self.calls.old(*f, self.n, id, &mut self.next, out)?;
        }
        if self.calls.sign_first(self.n, &self.seal, out) {
            self.seal = None;
        }
        Ok(())
    }

    fn start(&mut self, body: Body, out: &mut Vec<StreamEvent>) -> u32 {
        self.end_open(out);
        self.calls.end_complete(self.n, out);
        let index = self.next;
        self.next += 1;
        out.push(StreamEvent::BlockStart { choice: self.n, index, block: Block::new(body) });
        index
    }

    fn more(&self, index: u32, delta: Delta, out: &mut Vec<StreamEvent>) {
        out.push(StreamEvent::BlockDelta { choice: self.n, index, delta });
    }

    /// Ends the block that is open, calls apart.
    fn end_open(&mut self, out: &mut Vec<StreamEvent>) {
        let index = match std::mem::take(&mut self.open) {
            Open::None => return,
            Open::Text(i) | Open::Refusal(i) | Open::Audio(i) | Open::Thinking { index: i, .. } => i,
        };
        self.last = Last::default();
        self.plain.clear();
        self.whole = false;
        out.push(StreamEvent::BlockStop { choice: self.n, index });
    }

    fn text(&mut self, text: String, out: &mut Vec<StreamEvent>) {
        if text.is_empty() {
            return;
        }
        let index = self.text_block(out);
        self.chars = self.chars.saturating_add(count(&text));
        self.more(index, Delta::Text(text), out);
    }

    fn text_block(&mut self, out: &mut Vec<StreamEvent>) -> u32 {
        if let Open::Text(index) = self.open {
            return index;
        }
        let index = self.start(part::text(String::new()), out);
        self.before = self.chars;
        self.open = Open::Text(index);
        index
    }

    fn refusal(&mut self, text: String, out: &mut Vec<StreamEvent>) {
        self.refused = true;
        let index = match self.open {
            Open::Refusal(index) => index,
            _ => self.start(Body::Refusal(String::new()), out),
        };
        self.open = Open::Refusal(index);
        self.more(index, Delta::Text(text), out);
    }

    fn audio(&mut self, a: AudioDelta<'_>, out: &mut Vec<StreamEvent>) {
        let index = match self.open {
            Open::Audio(index) => index,
            // The last piece says only when it expires.
            _ if a.id.is_none() && a.data.is_none() && a.transcript.is_none() => return,
            _ => {
                let media = Media {
                    mime: None,
                    source: Source::Base64(String::new()),
                    name: a.id.map(|id| id.0.into_owned()),
                    detail: None,
                    context: None,
                    citations: false,
                };
                self.start(Body::Audio(media), out)
            }
        };
        self.open = Open::Audio(index);
        if let Some(data) = a.data {
            self.more(index, Delta::Data(data), out);
        }
        if let Some(words) = a.transcript {
            self.more(index, Delta::Transcript(words), out);
        }
    }

    /// Mistral's contents, and OpenRouter's pictures.
    fn parts(&mut self, parts: Vec<Part<'_>>, out: &mut Vec<StreamEvent>) {
        for p in parts {
            let Ok(Decoded::Block(b)) = part::decode(p, "", &mut Extra::default()) else { continue };
            match b.body {
                Body::Text { text, .. } => self.text(text, out),
                Body::Thinking(t) => self.thought(t.text, out),
                Body::Refusal(text) => self.refusal(text, out),
                body => {
                    let index = self.start(body, out);
                    out.push(StreamEvent::BlockStop { choice: self.n, index });
                }
            }
        }
    }

    fn annotations(&mut self, all: Vec<Annotation>, out: &mut Vec<StreamEvent>) {
        for mut c in all.into_iter().filter_map(citation) {
            let index = self.text_block(out);
            let before = self.before;
            c.range = c.range.map(|(a, b)| (a.saturating_sub(before), b.saturating_sub(before)));
            self.more(index, Delta::Citation(c), out);
        }
    }

    /// A thought that comes as text only.
    fn thought(&mut self, text: String, out: &mut Vec<StreamEvent>) {
        if text.is_empty() {
            return;
        }
        let index = match self.open {
            Open::Thinking { index, signed: false } if !self.whole => index,
            _ => self.new_thought(out),
        };
        match self.plain.last_mut() {
            Some((_, plain)) => plain.push_str(&text),
            None => {
                self.last = Last::plain();
                self.plain.push((None, text.clone()));
            }
        }
        self.more(index, Delta::Thinking(text), out);
    }

    fn new_thought(&mut self, out: &mut Vec<StreamEvent>) -> u32 {
        let index = self.start(Body::Thinking(Thinking::default()), out);
        self.open = Open::Thinking { index, signed: false };
        index
    }

    /// An entry begins, whose words will come as plain text.
    fn opened(&mut self, d: &Detail, out: &mut Vec<StreamEvent>) {
        let summary = d.kind == thoughts::SUMMARY;
        let index = match self.open {
            // The next part.
            Open::Thinking { index, signed: false } if summary && self.last.sums_up() && !self.whole => index,
            _ => self.new_thought(out),
        };
        if summary {
            self.more(index, Delta::SummaryPart, out);
        }
        self.last = Last::opened(d);
        self.plain.push((d.index, String::new()));
    }

    /// Are these the words that came as plain text?
    fn repeats(&self, d: &Detail) -> bool {
        let words = if d.kind == thoughts::SUMMARY { &d.summary } else { &d.text };
        words.as_deref().is_some_and(|words| {
            let same = |(n, plain): &(Option<i64>, String)| (n.is_none() || *n == d.index) && plain == words;
            !words.is_empty() && self.plain.iter().any(same)
        })
    }

    /// A piece of a thought with what belongs to it.
    fn detail(&mut self, mut d: Detail, out: &mut Vec<StreamEvent>) {
        let signed = matches!(self.open, Open::Thinking { signed: true, .. });
        let id = d.id.clone();
        let whole_of_call = d.kind == thoughts::SEALED
            && id.as_deref().is_some_and(|id| {
                self.calls.has(id) || d.format.as_deref().is_some_and(|f| f.starts_with("google"))
            });
        if whole_of_call {
            if let (Some(id), Some(Said::Sealed(s))) = (id, thoughts::said(d)) {
                let s = Signature { id: None, ..s };
                if !self.calls.sign(self.n, &id, &s, out) {
                    self.seals.push((id, s));
                }
            }
            return;
        }
        let mut last = std::mem::take(&mut self.last);
        let fit = last.fit(&mut d, signed);
        let Some(said) = thoughts::said(d) else { return };
        let open = match (fit, self.open) {
            (Fit::Same | Fit::NextPart, Open::Thinking { index, .. }) => Some(index),
            _ => None,
        };
        if let (Said::Sealed(s), None) = (&said, open) {
            let sealed = Thinking {
                redacted: s.origin == Origin::Anthropic,
                signature: Some(s.clone()),
                ..Thinking::default()
            };
            let index = self.start(Body::Thinking(sealed), out);
            self.open = Open::Thinking { index, signed: true };
            self.last = last;
            return;
        }
        let index = open.unwrap_or_else(|| self.start(Body::Thinking(Thinking::default()), out));
        self.last = last;
        let mut signed = false;
        match said {
            Said::Text(text, proof) => {
                if !text.is_empty() {
                    self.more(index, Delta::Thinking(text), out);
                }
                if let Some(s) = proof {
                    signed = true;
                    self.more(index, Delta::Signature(s), out);
                }
            }
            Said::Summary(text) => {
                if open.is_none() || fit == Fit::NextPart {
                    self.more(index, Delta::SummaryPart, out);
                }
                self.more(index, Delta::Thinking(text), out);
            }
            Said::Sealed(s) => {
                signed = true;
                self.more(index, Delta::Signature(s), out);
            }
        }
        self.open = Open::Thinking { index, signed };
    }

    /// The answer has said why it stopped.
    pub(super) fn finished(&mut self, word: String, sequence: Option<String>, out: &mut Vec<StreamEvent>) {
        // Sources and proofs may follow: what is open stays so until the end, but calls are complete.
        if word == "tool_calls" {
            self.end_open(out);
            self.calls.end_complete(self.n, out);
        }
        // Some servers say it twice, the second time as `stop`.
        if self.finish.is_none() {
            self.finish = Some((word, sequence));
        }
    }

    /// Has it?
    pub(super) fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Ends all blocks.
    pub(super) fn close(&mut self, id: &str, out: &mut Vec<StreamEvent>) {
        if let Some(s) = self.seal.take() {
            if let Open::Text(index) = self.open {
                self.more(index, Delta::Signature(s), out);
            } else if self.chars > 0 {
                let signed = Body::Text { text: String::new(), citations: Vec::new(), signature: Some(s) };
                let index = self.start(signed, out);
                self.open = Open::Text(index);
            }
        }
        self.end_open(out);
        self.calls.end(self.n, id, &mut self.next, out);
        for (id, mut s) in std::mem::take(&mut self.seals) {
            // It was no call's after all.
            s.id = Some(id);
            let sealed = Thinking { signature: Some(s), ..Thinking::default() };
            let index = self.start(Body::Thinking(sealed), out);
            out.push(StreamEvent::BlockStop { choice: self.n, index });
        }
    }

    /// Says why it stopped; of a stream that was cut only what was said.
    pub(super) fn stop(&mut self, whole: bool, out: &mut Vec<StreamEvent>) {
        let finish = self.finish.take();
        if finish.is_none() && !whole {
            return;
        }
        let (word, sequence) = finish.unzip();
        let has = Contents { calls: self.calls.any(), refusal: self.refused };
        let stop = reply::stop(word.as_deref(), sequence.flatten().as_deref(), has);
        out.push(StreamEvent::Stop { choice: self.n, stop });
    }
}
