//! What a stream has begun and not ended.

use super::event::Event;
use super::output::{OutItem, Part};
use super::piece::Place;
use crate::ir::block::{CallKind, Citation, Thinking, ToolCall};
use crate::ir::{Raw, Signature};
use serde_json::value::RawValue;

/// An open block.
#[derive(Debug)]
pub(super) enum Open {
    /// A part of the message at this index of the output.
    Text {
        message: usize,
        part: usize,
    },
    Call(Call),
    Thought(Thought),
    /// An image, which is told when it is whole.
    Image(String),
    Nothing,
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) at: usize,
    pub(super) id: String,
    pub(super) call: ToolCall,
    /// Of its arguments.
    pub(super) place: Place,
    /// A signature that came after the call had begun.
    pub(super) late: Option<Signature>,
}

impl Call {
    pub(super) fn item(&self, status: &'static str) -> OutItem<'_> {
        let ToolCall { id: call_id, name, namespace, arguments, kind, signature: _ } = &self.call;
        let (id, namespace) = (self.id.as_str(), namespace.as_deref());
        match kind {
            CallKind::Function => OutItem::FunctionCall { id, status, arguments, call_id, name, namespace },
            CallKind::Custom => {
                OutItem::CustomToolCall { id, status, call_id, input: arguments, name, namespace }
            }
        }
    }
}

/// A thought: the parts of its summary as they come, the rest as the IR has it.
#[derive(Debug)]
pub(super) struct Thought {
    pub(super) at: usize,
    pub(super) id: String,
    pub(super) parts: Vec<String>,
    /// Of the newest part.
    pub(super) place: Place,
    pub(super) thinking: Thinking,
}

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) at: usize,
    pub(super) id: String,
    pub(super) parts: Vec<Text>,
    /// No more parts come.
    pub(super) sealed: bool,
}

/// A part of a message.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) refusal: bool,
    pub(super) place: Place,
    pub(super) text: String,
    pub(super) annotations: Vec<Raw>,
    /// Citations that cover the whole text.
    pub(super) held: Vec<Citation>,
    pub(super) logprobs: Vec<Box<RawValue>>,
    pub(super) signature: Option<Signature>,
    pub(super) open: bool,
}

impl Text {
    pub(super) fn new(refusal: bool, place: Place) -> Self {
        Self {
            refusal,
            place,
            text: String::new(),
            annotations: Vec::new(),
            held: Vec::new(),
            logprobs: Vec::new(),
            signature: None,
            open: true,
        }
    }

    pub(super) fn part(&self) -> Part<'_> {
        match self.refusal {
            true => Part::Refusal { refusal: &self.text },
            false => Part::OutputText {
                text: &self.text,
                annotations: &self.annotations,
                logprobs: &self.logprobs,
            },
        }
    }
}

impl Message {
    /// The event that tells the newest annotation of a part.
    pub(super) fn annotated(&self, part: usize, sequence_number: u64) -> Event<'_> {
        let annotations = &self.parts[part].annotations;
        Event {
            r#type: "response.output_text.annotation.added",
            sequence_number,
            item_id: Some(&self.id),
            content_index: Some(part),
            annotation_index: Some(annotations.len().saturating_sub(1)),
            annotation: annotations.last(),
            ..Event::at(self.at)
        }
    }

    /// The two events that end a part.
    pub(super) fn part_done(&self, part: usize, sequence_number: u64) -> [Event<'_>; 2] {
        let text = &self.parts[part];
        let event = |r#type, sequence_number| Event {
            r#type,
            sequence_number,
            item_id: Some(&self.id),
            content_index: Some(part),
            ..Event::at(self.at)
        };
        let words = match text.refusal {
            true => Event { refusal: Some(&text.text), ..event("response.refusal.done", sequence_number) },
            false => Event {
                text: Some(&text.text),
                logprobs: Some(&text.logprobs),
                ..event("response.output_text.done", sequence_number)
            },
        };
        let whole =
            Event { part: Some(text.part()), ..event("response.content_part.done", sequence_number + 1) };
        [words, whole]
    }
}
