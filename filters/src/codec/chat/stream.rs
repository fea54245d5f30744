//! Streams: chunks to events.

mod calls;
mod choice;
pub(super) mod encode;
mod envelope;

use super::json::{Maybe, Str, StrOr};
use super::reply::Logprobs;
use super::usage::UsageIn;
use super::wire::{Annotation, Call, CallBody, Detail, Part, Seals};
use crate::codec::{DecodeError, StreamDecoder};
use crate::dialect::fault::{UpstreamError, describe};
use crate::ir::raw::Raw;
use crate::ir::reply::Tokens;
use crate::ir::stream::StreamEvent;
use choice::Choice;
use envelope::Envelope;
use serde::Deserialize;
use serde_json::value::RawValue;

/// OpenAI's limit of `n`.
const MAX_CHOICES: u32 = 128;

/// A chunk. Members that are not known are passed over. What few chunks have is boxed: a stream is nearly all chunks
/// with a few words, and moving what they do not have cost more than reading what they do.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Chunk<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    model: Option<Str<'a>>,
    created: Option<f64>,
    #[serde(borrow)]
    choices: Option<Vec<ChunkChoice<'a>>>,
    usage: Option<Box<UsageIn>>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// Groq says the usage here.
    x_groq: Option<Box<Groq>>,
}

#[derive(Deserialize)]
struct Groq {
    usage: Option<Box<UsageIn>>,
}

#[derive(Deserialize)]
struct ChunkChoice<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Str<'a>>,
    /// vLLM: the stop text.
    #[serde(borrow, default)]
    stop_reason: Maybe<Str<'a>>,
    #[serde(borrow)]
    logprobs: Option<Box<Logprobs<'a>>>,
    /// Kimi says it here.
    usage: Option<Box<UsageIn>>,
}

/// What is new.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<StrOr<'a, Vec<Part<'a>>>>,
    reasoning_content: Option<String>,
    #[serde(borrow)]
    reasoning: Maybe<Str<'a>>,
    reasoning_details: Maybe<Vec<Detail>>,
    refusal: Option<String>,
    #[serde(borrow)]
    audio: Option<Box<AudioDelta<'a>>>,
    #[serde(borrow)]
    images: Maybe<Vec<Part<'a>>>,
    annotations: Maybe<Vec<Annotation>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    function_call: Option<Box<CallBody<'a>>>,
    extra_content: Maybe<Box<Seals>>,
}

#[derive(Deserialize)]
struct AudioDelta<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    data: Option<String>,
    transcript: Option<String>,
}

/// Reads a stream.
#[derive(Debug, Default)]
pub struct Decoder {
    started: bool,
    id: String,
    choices: Vec<Choice>,
    tokens: Option<Tokens>,
    /// The service tier, as JSON.
    tier: String,
    done: bool,
    envelope: Envelope,
}

impl Decoder {
    /// At the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    fn chunk(&mut self, data: &str, out: &mut Vec<StreamEvent>) -> Result<(), DecodeError> {
        let mut scratch = String::new();
        let chunk = match self.envelope.open(data, &mut scratch) {
            Some(chunk) => chunk,
            None => {
                let chunk: Chunk<'_> =
                    serde_json::from_str(data).map_err(|e| DecodeError::new("", format!("no chunk: {e}")))?;
                if self.started {
                    self.envelope.learn(data, &chunk);
                }
                chunk
            }
        };
        let failed = chunk.error.is_some_and(|e| e.get() != "null");
        if failed || chunk.choices.is_none() && describe(data.as_bytes()).is_some() {
            let nothing = || UpstreamError { message: Some(data.to_owned()), ..UpstreamError::default() };
            out.push(StreamEvent::Error(describe(data.as_bytes()).unwrap_or_else(nothing)));
            self.done = true;
            return Ok(());
        }
        let choices = chunk.choices.unwrap_or_default();
        let id = chunk.id.as_ref().map_or("", |s| s.0.as_ref());
        let mut usage = chunk.usage.or(chunk.x_groq.and_then(|g| g.usage)).and_then(|u| u.tokens());
        // Azure begins with a chunk that names nothing (what its filters think of the prompt).
        let named = !choices.is_empty() || !id.is_empty() || usage.is_some();
        if named && !self.started {
            self.started = true;
            self.id = id.to_owned();
            let model = chunk.model.map(|m| m.0.into_owned()).unwrap_or_default();
            let created = chunk.created.map(|c| c as i64);
            out.push(StreamEvent::Start { id: self.id.clone(), model, created });
        }
        // Said with every chunk, and always the same.
        if let Some(tier) = chunk.service_tier.map(RawValue::get)
            && self.started
            && self.tier != tier
            && let Ok(word) = serde_json::from_str(tier)
        {
            tier.clone_into(&mut self.tier);
            out.push(StreamEvent::ServiceTier(word));
        }
        for c in choices {
            let n = c.index.unwrap_or_default();
            if n >= MAX_CHOICES {
                return Err(DecodeError::new("choices.index", "larger than any provider allows"));
            }
            while self.choices.len() <= n as usize {
                let n = u32::try_from(self.choices.len()).unwrap_or(u32::MAX);
                self.choices.push(Choice::new(n));
            }
            let choice = &mut self.choices[n as usize];
            if let Some(delta) = c.delta {
                choice.delta(delta, &self.id, out)?;
            }
            if let Some(raw) = c.logprobs.as_ref().and_then(|l| l.tokens()) {
                out.push(StreamEvent::Logprobs { choice: n, content: Raw(raw.to_owned()) });
            }
            if let Some(word) = c.finish_reason {
                choice.finished(word.0.into_owned(), c.stop_reason.0.map(|s| s.0.into_owned()), out);
            }
            usage = usage.or(c.usage.and_then(|u| u.tokens()));
        }
        // Some servers (vLLM's continuous_usage_stats, xAI) say it with every chunk.
        if let Some(tokens) = usage.filter(|t| self.tokens.as_ref() != Some(t)) {
            self.tokens = Some(tokens);
            out.push(StreamEvent::Tokens(tokens));
        }
        Ok(())
    }

    /// The end: `whole` unless it was cut.
    fn end(&mut self, whole: bool, out: &mut Vec<StreamEvent>) {
        self.done = true;
        for choice in &mut self.choices {
            choice.close(&self.id, out);
            choice.stop(whole, out);
        }
        if whole {
            if !self.started {
                out.push(StreamEvent::Start { id: String::new(), model: String::new(), created: None });
            }
            out.push(StreamEvent::End);
        }
    }
}

impl StreamDecoder for Decoder {
    fn event(&mut self, _: &[u8], data: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), DecodeError> {
        if self.done {
            return Ok(());
        }
        match data.trim_ascii() {
            b"" => Ok(()),
            b"[DONE]" => {
                self.end(true, out);
                Ok(())
            }
            data => {
                let text = std::str::from_utf8(data).map_err(|_| DecodeError::new("", "not UTF-8"))?;
                self.chunk(text, out)
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        if !self.done {
            // Some servers leave out `[DONE]`; every answer has said why it stopped then.
            let whole = !self.choices.is_empty() && self.choices.iter().all(Choice::has_finished);
            self.end(whole, out);
        }
    }
}
