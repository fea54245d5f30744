//! A stream's events, put together to the whole answer. The law: what a provider streams and what it says at once
//! decode to the same [`Reply`].

use super::block::{Block, Body, Source};
use super::raw::Raw;
use super::reply::{Choice, Reply};
use super::stream::{Delta, StreamEvent};
use crate::dialect::fault::UpstreamError;

/// Puts a stream together.
#[derive(Clone, Debug, Default)]
pub struct Collector {
    reply: Reply,
    logprobs: Vec<Vec<serde_json::Value>>,
    error: Option<UpstreamError>,
    ended: bool,
}

impl Collector {
    /// Takes the next event.
    pub fn push(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Start { id, model, created } => {
                self.reply.id = id;
                self.reply.model = model;
                self.reply.created = created;
            }
            StreamEvent::BlockStart { choice, index, block } => {
                let content = &mut self.choice(choice).content;
                if content.len() <= index as usize {
                    content.resize_with(index as usize + 1, || Block::text(""));
                }
                content[index as usize] = block;
            }
            StreamEvent::BlockDelta { choice, index, delta } => {
                if let Some(block) = self.choice(choice).content.get_mut(index as usize) {
                    add(block, delta);
                }
            }
            StreamEvent::BlockStop { .. } | StreamEvent::Ping => {}
            StreamEvent::Logprobs { choice, content } => {
                self.choice(choice);
                let at = choice as usize;
                if self.logprobs.len() <= at {
                    self.logprobs.resize_with(at + 1, Vec::new);
                }
                if let serde_json::Value::Array(more) = content.value() {
                    self.logprobs[at].extend(more);
                }
            }
            StreamEvent::Stop { choice, stop } => self.choice(choice).stop = Some(stop),
            StreamEvent::Tokens(t) => self.reply.tokens = Some(t),
            StreamEvent::ServiceTier(t) => self.reply.service_tier = Some(t),
            StreamEvent::Blocked(stop) => self.reply.blocked = Some(stop),
            StreamEvent::Error(e) => self.error = Some(e),
            StreamEvent::End => self.ended = true,
        }
    }

    fn choice(&mut self, n: u32) -> &mut Choice {
        // OpenAI allows 128 answers; an index beyond that is nonsense and falls onto the last.
        let at = (n as usize).min(127);
        if self.reply.choices.len() <= at {
            self.reply.choices.resize_with(at + 1, Choice::default);
        }
        &mut self.reply.choices[at]
    }

    /// Did the stream come to its end?
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The answer, or the error that ended it.
    ///
    /// # Errors
    /// The provider's error event.
    pub fn finish(mut self) -> Result<Reply, UpstreamError> {
        if let Some(e) = self.error {
            return Err(e);
        }
        for (choice, probs) in self.reply.choices.iter_mut().zip(self.logprobs) {
            if !probs.is_empty() {
                choice.logprobs = Raw::of(&probs).ok();
            }
        }
        Ok(self.reply)
    }
}

/// Adds a delta to its block; one that does not fit the block's kind is the decoder's fault and changes nothing.
fn add(block: &mut Block, delta: Delta) {
    match (&mut block.body, delta) {
        (Body::Text { text, .. } | Body::Refusal(text), Delta::Text(more)) => text.push_str(&more),
        (Body::Text { citations, .. }, Delta::Citation(c)) => citations.push(c),
        (Body::Text { signature, .. }, Delta::Signature(s)) => *signature = Some(s),
        (Body::ToolCall(call), Delta::Arguments(more)) => call.arguments.push_str(&more),
        (Body::ToolCall(call), Delta::Signature(s)) => call.signature = Some(s),
        (Body::Thinking(t), Delta::Thinking(more)) => match t.summary.last_mut() {
            Some(part) => part.push_str(&more),
            None => t.text.push_str(&more),
        },
        (Body::Thinking(t), Delta::SummaryPart) => t.summary.push(String::new()),
        (Body::Thinking(t), Delta::Signature(s)) => t.signature = Some(s),
        (Body::Image(m) | Body::Audio(m) | Body::Video(m), Delta::Data(more)) => {
            if let Source::Base64(data) = &mut m.source {
                data.push_str(&more);
            }
        }
        (Body::Audio(m), Delta::Transcript(more)) => m.context.get_or_insert_default().push_str(&more),
        _ => {}
    }
}
