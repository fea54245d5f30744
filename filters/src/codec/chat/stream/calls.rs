//! The tool calls of one answer, put together from deltas that servers write in many ways: without `index` (Gemini),
//! all under index 0 but with ids of their own (Gemini, old Ollama), without ids (Gemini), whole in one chunk
//! (Ollama, Mistral), with the name repeated in every chunk.

use super::super::decode::message::arguments;
use super::super::reply::made_id;
use super::super::wire::{Call, CallBody, Seals};
use crate::codec::DecodeError;
use crate::ir::block::{Block, Body, CallKind, ToolCall};
use crate::ir::signature::{Origin, Signature};
use crate::ir::stream::{Delta, StreamEvent};

/// All calls, in the order of their beginnings.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<One>);

#[derive(Debug, Default)]
struct One {
    index: Option<u32>,
    id: String,
    name: String,
    kind: CallKind,
    /// Its block, once the name is known.
    block: Option<u32>,
    ended: bool,
    signed: bool,
    scan: Scan,
    /// Arguments that came before the name.
    held: String,
}

/// Is a JSON text complete?
#[derive(Debug, Default)]
struct Scan {
    depth: u32,
    begun: bool,
    in_string: bool,
    escape: bool,
}

impl Scan {
    fn push(&mut self, text: &str) {
        for c in text.bytes() {
            match c {
                _ if self.escape => self.escape = false,
                b'\\' if self.in_string => self.escape = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => (self.depth, self.begun) = (self.depth.saturating_add(1), true),
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn complete(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_string
    }
}

impl One {
    /// Nothing can follow: its JSON is complete, or it is free text that another block follows.
    fn complete(&self) -> bool {
        self.kind == CallKind::Custom || self.scan.complete()
    }

    fn end(&mut self, choice: u32, out: &mut Vec<StreamEvent>) {
        if let (Some(index), false) = (self.block, self.ended) {
            self.ended = true;
            out.push(StreamEvent::BlockStop { choice, index });
        }
    }
}

impl Calls {
    /// Takes a delta.
    #[allow(clippy::too_many_arguments, reason = "the parts of the answer that a call touches")]
    pub(super) fn delta(
        &mut self,
        call: Call<'_>,
        choice: u32,
        reply: &str,
        next: &mut u32,
        seals: &mut Vec<(String, Signature)>,
        seal: &mut Option<Signature>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), DecodeError> {
        let custom = call.custom.is_some() || call.kind.as_ref().is_some_and(|k| k.0 == "custom");
        let body = call.custom.or(call.function).unwrap_or_default();
        let id = call.id.filter(|id| !id.is_empty());
        let name = body.name.filter(|n| !n.is_empty());
        let at = self.slot(call.index, id.as_deref(), name.as_deref());
        let (at, new) = match at {
            Some(at) => (at, false),
            None => {
                let kind = if custom { CallKind::Custom } else { CallKind::Function };
                self.end_complete(choice, out);
                self.0.push(One { index: call.index, kind, ..One::default() });
                (self.0.len() - 1, true)
            }
        };
        let first = at == 0;
        let one = &mut self.0[at];
        if let Some(id) = id.filter(|_| one.id.is_empty()) {
            one.id = id;
        }
        if let Some(name) = name.filter(|_| one.name.is_empty()) {
            one.name = name;
        }
        let own = call.extra_content.and_then(|e| e.0).and_then(Seals::signature);
        let mut signature = own.map(|s| Signature::unwrap(&s, Origin::Google));
        if signature.is_none()
            && let Some(i) = seals.iter().position(|(id, _)| *id == one.id)
        {
            signature = Some(seals.swap_remove(i).1);
        }
        if signature.is_none() && first && new {
            signature = seal.take();
        }
        let text = body.input.or(body.arguments.map(arguments)).unwrap_or_default();
        self.add(at, text, signature, choice, reply, next, out)
    }

    /// Takes a delta of the old `function_call`: there is only one.
    pub(super) fn old(
        &mut self,
        f: CallBody<'_>,
        choice: u32,
        reply: &str,
        next: &mut u32,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), DecodeError> {
        if self.0.is_empty() {
            self.0.push(One::default());
        }
        if let (Some(name), true) = (f.name, self.0[0].name.is_empty()) {
            self.0[0].name = name;
        }
        let text = f.arguments.map(arguments).unwrap_or_default();
        self.add(0, text, None, choice, reply, next, out)
    }

    /// The call that a delta goes on with; None: a new one.
    fn slot(&self, index: Option<u32>, id: Option<&str>, name: Option<&str>) -> Option<usize> {
        let fits = |one: &One| {
            let same_id = id.is_none_or(|id| one.id.is_empty() || one.id == id);
            let same_name = name.is_none_or(|n| one.name.is_empty() || one.name == n);
            // Without an id a name begins a call, unless it repeats the name of one that is not complete.
            let goes_on = name.is_none() || id.is_some() || one.name.is_empty() || !one.scan.complete();
            same_id && same_name && goes_on
        };
        match index {
            Some(_) => self.0.iter().rposition(|o| o.index == index).filter(|at| fits(&self.0[*at])),
            None => match id {
                Some(id) => self.0.iter().position(|o| o.id == id),
                None => self.0.len().checked_sub(1).filter(|at| name.is_none() || fits(&self.0[*at])),
            },
        }
    }

    #[allow(clippy::too_many_arguments, reason = "as above")]
    fn add(
        &mut self,
        at: usize,
        text: String,
        signature: Option<Signature>,
        choice: u32,
        reply: &str,
        next: &mut u32,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), DecodeError> {
        let one = &mut self.0[at];
        one.scan.push(&text);
        one.signed |= signature.is_some();
        match one.block {
            None if one.name.is_empty() => one.held.push_str(&text),
            None => {
                let text = std::mem::take(&mut one.held) + &text;
                begin(one, at, signature, choice, reply, next, out);
                more(one, text, choice, out);
            }
            Some(index) => {
                if one.ended {
                    // Two calls were written at once after the first one seemed complete: nobody does.
                    return match text.trim().is_empty() {
                        true => Ok(()),
                        false => Err(DecodeError::new(
                            format!("choices[{choice}].delta.tool_calls[{at}]"),
                            "arguments after the call's end",
                        )),
                    };
                }
                more(one, text, choice, out);
                if let Some(s) = signature {
                    out.push(StreamEvent::BlockDelta { choice, index, delta: Delta::Signature(s) });
                }
            }
        }
        Ok(())
    }

    /// Is there a call of that id?
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|o| o.id == id)
    }

    /// Is there any?
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Gives a call its proof; false: it is not there (yet).
    pub(super) fn sign(&mut self, choice: u32, id: &str, s: &Signature, out: &mut Vec<StreamEvent>) -> bool {
        let Some(one) = self.0.iter_mut().find(|o| o.id == id && !id.is_empty()) else { return false };
        match one.block {
            // Proofs come twice from servers that speak both dialects.
            Some(index) if !one.ended && !one.signed => {
                one.signed = true;
                out.push(StreamEvent::BlockDelta { choice, index, delta: Delta::Signature(s.clone()) });
                true
            }
            Some(_) => true,
            None => false,
        }
    }

    /// Gives the message's proof to the first call, if it can still take it.
    pub(super) fn sign_first(
        &mut self,
        choice: u32,
        seal: &Option<Signature>,
        out: &mut Vec<StreamEvent>,
    ) -> bool {
        match (self.0.first().map(|o| o.id.clone()), seal) {
            (Some(id), Some(s)) => self.sign(choice, &id, s, out),
            _ => false,
        }
    }

    /// Ends those that are complete.
    pub(super) fn end_complete(&mut self, choice: u32, out: &mut Vec<StreamEvent>) {
        for one in self.0.iter_mut().filter(|o| o.complete()) {
            one.end(choice, out);
        }
    }

    /// Ends all.
    pub(super) fn end(&mut self, choice: u32, reply: &str, next: &mut u32, out: &mut Vec<StreamEvent>) {
        for (at, one) in self.0.iter_mut().enumerate() {
            if one.block.is_none() {
                // A call that was never named: the client must see that something went wrong.
                let text = std::mem::take(&mut one.held);
                begin(one, at, None, choice, reply, next, out);
                more(one, text, choice, out);
            }
            one.end(choice, out);
        }
    }
}

fn begin(
    one: &mut One,
    at: usize,
    signature: Option<Signature>,
    choice: u32,
    reply: &str,
    next: &mut u32,
    out: &mut Vec<StreamEvent>,
) {
    let index = *next;
    *next += 1;
    one.block = Some(index);
    if one.id.is_empty() {
        one.id = made_id(reply, choice as usize, at);
    }
    let call = ToolCall {
        id: one.id.clone(),
        name: one.name.clone(),
        kind: one.kind,
        signature,
        ..ToolCall::default()
    };
    out.push(StreamEvent::BlockStart { choice, index, block: Block::new(Body::ToolCall(call)) });
}

fn more(one: &One, text: String, choice: u32, out: &mut Vec<StreamEvent>) {
    if let (Some(index), false) = (one.block, text.is_empty()) {
        out.push(StreamEvent::BlockDelta { choice, index, delta: Delta::Arguments(text) });
    }
}
