//! Items and their parts: how each kind begins, goes on and ends.

use super::super::item::{Item, Turn};
use super::super::json::parse;
use super::super::{annotation, media};
use super::{Decoder, Event, Out, delta, number};
use crate::codec::DecodeError;
use crate::ir::block::{Body, ServerKind, Thinking};
use crate::ir::stream::{Delta, StreamEvent};
use crate::ir::{Block, Origin, Raw};
use serde_json::value::RawValue;

impl Decoder {
    /// The slot of a message's part, begun if it has not been.
    pub(super) fn part(&mut self, e: &Event<'_>, refusal: bool, out: Out<'_>) -> usize {
        let (output, content) = (number(e.output_index), number(e.content_index));
        self.part_at(output, content, refusal, out)
    }

    pub(super) fn part_at(&mut self, output: u64, content: u64, refusal: bool, out: Out<'_>) -> usize {
        match self.slot(output, content) {
            Some(at) => at,
            None if refusal => self.start(output, content, Block::new(Body::Refusal(String::new())), out),
            None => self.start(output, content, Block::text(""), out),
        }
    }

    pub(super) fn logprobs(&mut self, at: usize, list: Option<&RawValue>, out: Out<'_>) {
        let Some(list) = list.filter(|l| l.get().len() > 2) else { return };
        if let Some(slot) = self.slots.get_mut(at) {
            slot.logprobs = true;
            out.push(StreamEvent::Logprobs { choice: 0, content: Raw(list.to_owned()) });
        }
    }

    /// A part of a message, whole: what has not come yet, and its end.
    pub(super) fn part_done(&mut self, output: u64, content: u64, text: &RawValue, out: Out<'_>) {
        let Ok(part) = serde_json::from_str::<media::Part<'_>>(text.get()) else { return };
        let refusal = match part.kind.as_deref() {
            Some("output_text" | "text") => false,
            Some("refusal") => true,
            _ => return,
        };
        let at = self.part_at(output, content, refusal, out);
        if !self.slots[at].open {
            return;
        }
        let words = if refusal { part.refusal } else { part.text };
        self.rest(at, &words.unwrap_or_default(), Delta::Text, out);
        let index = self.slots[at].index;
        let come = self.slots[at].parts;
        for a in part.annotations.iter().flatten().skip(come) {
            out.push(delta(index, Delta::Citation(annotation::decode(a))));
        }
        if !self.slots[at].logprobs {
            self.logprobs(at, part.logprobs, out);
        }
        self.stop(at, out);
    }

    /// The slot of a thought, begun if it has not been.
    pub(super) fn thought(&mut self, e: &Event<'_>, out: Out<'_>) -> usize {
        let output = number(e.output_index);
        match self.slots.iter().rposition(|s| s.output == output && s.thought) {
            Some(at) => at,
            None => self.start(output, 0, Block::new(Body::Thinking(Thinking::default())), out),
        }
    }

    /// A summary part begins.
    pub(super) fn summary_part(&mut self, at: usize, out: Out<'_>) {
        let slot = &mut self.slots[at];
        slot.parts += 1;
        out.push(delta(slot.index, Delta::SummaryPart));
    }

    pub(super) fn item_added(&mut self, e: &Event<'_>, out: Out<'_>) -> Result<(), DecodeError> {
        let Some(text) = e.item else { return Ok(()) };
        let item: Item<'_> = parse(text.get(), "item")?;
        // Thoughts begin with their first words: until then they may turn out to be something else.
        if matches!(item.kind(), "function_call" | "custom_tool_call") {
            let mut turn = Turn::default();
            turn.item(item, || text, "item")?;
            for block in turn.blocks {
                self.call(number(e.output_index), block, out);
            }
        } else if !matches!(item.kind(), "message" | "reasoning") {
            self.running.push(number(e.output_index));
        }
        Ok(())
    }

    /// A call begins.
    pub(super) fn call(&mut self, output: u64, mut block: Block, out: Out<'_>) -> usize {
        let mut arguments = String::new();
        block.at = Default::default();
        if let Body::ToolCall(call) = &mut block.body {
            arguments = std::mem::take(&mut call.arguments);
            if let Some(i) = self.signatures.iter().position(|(id, _)| *id == call.id) {
                call.signature = Some(self.signatures.swap_remove(i).1);
            }
        }
        let at = self.start(output, 0, block, out);
        self.more(at, arguments, Delta::Arguments, out);
        at
    }

    pub(super) fn item_done(
        &mut self,
        output: u64,
        text: &RawValue,
        out: Out<'_>,
    ) -> Result<(), DecodeError> {
        let item: Item<'_> = parse(text.get(), "item")?;
        if item.kind() == "message" {
            let parts: Vec<&RawValue> =
                item.content.and_then(|c| serde_json::from_str(c.get()).ok()).unwrap_or_default();
            for (i, part) in parts.into_iter().enumerate() {
                self.part_done(output, i as u64, part, out);
            }
            return Ok(());
        }
        let mut turn = Turn::default();
        turn.item(item, || text, "item")?;
        if turn.blocks.is_empty() {
            self.carried.push(output);
        }
        if let (Some(index), Some(signature)) = (self.text, turn.text_signature) {
            out.push(delta(index, Delta::Signature(signature)));
        }
        for (id, signature) in turn.signatures {
            match self.calls.iter().find(|(call, _)| *call == id) {
                Some((_, index)) => out.push(delta(*index, Delta::Signature(signature))),
                None => self.signatures.push((id, signature)),
            }
        }
        for block in turn.blocks {
            match &block.body {
                Body::ToolCall(call) => {
                    let arguments = call.arguments.clone();
                    let at = self.slot(output, 0).unwrap_or_else(|| self.call(output, block, out));
                    self.rest(at, &arguments, Delta::Arguments, out);
                    self.stop(at, out);
                }
                Body::Thinking(t) => {
                    let found = self.slots.iter().rposition(|s| s.output == output && s.thought);
                    let at = match found {
                        Some(at) => at,
                        None => {
                            let at = self.start(
                                output,
                                0,
                                Block::new(Body::Thinking(Thinking {
                                    redacted: t.redacted,
                                    ..Thinking::default()
                                })),
                                out,
                            );
                            self.more(at, t.text.clone(), Delta::Thinking, out);
                            at
                        }
                    };
                    let come = self.slots[at].parts;
                    for part in t.summary.iter().skip(come) {
                        self.summary_part(at, out);
                        self.more(at, part.clone(), Delta::Thinking, out);
                    }
                    if let Some(s) = &t.signature
                        && self.slots[at].open
                    {
                        out.push(delta(self.slots[at].index, Delta::Signature(s.clone())));
                    }
                    self.stop(at, out);
                }
                Body::Server { kind: ServerKind::WebSearch, origin: Origin::OpenAi, .. }
                    if self.search.is_some_and(|s| s + 1 == output) =>
                {
                    self.running.retain(|o| *o != output);
                    self.carried.push(output);
                }
                Body::Server { kind: ServerKind::WebSearch, origin, .. } => {
                    self.search = (*origin != Origin::OpenAi).then_some(output);
                    self.whole(output, block, out);
                }
                _ => self.whole(output, block, out),
            }
        }
        Ok(())
    }
}
