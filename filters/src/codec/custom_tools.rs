//! Free-text tools (OpenAI's `custom`; Codex' `apply_patch` and `exec`) for providers that have functions only.
//!
//! [`wrap`] makes each a function with one string argument, `input`, in the list of tools and in earlier turns.
//! [`CustomTools::unwrap_reply`] and [`Unwrapper`] take the text out of the arguments again: whole, or piece by piece
//! as the model writes them.
//!
//! With [`crate::codec::tool_names`]: first `wrap`, then `flatten`; on the way back first `restore`, then unwrap.
//!
//! Laws: after `wrap` nothing custom is left; what a model calls with `{"input":TEXT}` reaches the client as TEXT,
//! wherever the pieces of the stream are cut; calls of other tools pass untouched.

mod text;

use crate::ir::block::{Body, CallKind, ToolCall};
use crate::ir::stream::{Delta, StreamEvent};
use crate::ir::tool::{Tool, ToolBody};
use crate::ir::{Conversation, Losses, Raw, Reply};
use std::collections::{BTreeMap, HashSet};
use text::InputText;

/// The free-text tools of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomTools {
    /// Namespace and name.
    names: HashSet<(Option<String>, String)>,
}

/// The schema of the one argument.
const SCHEMA: &str = r#"{"type":"object","properties":{"input":{"type":"string","description":"The tool's input, as free text."}},"required":["input"],"additionalProperties":false}"#;

/// Makes functions of a conversation's free-text tools. A grammar cannot be enforced by a function: it is told to the
/// model with the tool's description, and reported as a hint.
pub fn wrap(c: &mut Conversation, losses: &mut Losses) -> CustomTools {
    let mut custom = CustomTools::default();
    for tool in &mut c.tools {
        let namespace = tool.name.clone();
        match &mut tool.body {
            ToolBody::Namespace(inner) => {
                inner.iter_mut().for_each(|t| custom.tool(t, Some(&namespace), losses));
            }
            _ => custom.tool(tool, None, losses),
        }
    }
    for block in c.messages.iter_mut().flat_map(|m| &mut m.content) {
        match &mut block.body {
            Body::ToolCall(call) if call.kind == CallKind::Custom => {
                call.kind = CallKind::Function;
                call.arguments = serde_json::json!({ "input": call.arguments }).to_string();
            }
            Body::ToolResult(result) => result.kind = CallKind::Function,
            _ => {}
        }
    }
    custom
}

impl CustomTools {
    fn tool(&mut self, tool: &mut Tool, namespace: Option<&str>, losses: &mut Losses) {
        let ToolBody::Custom { format } = &mut tool.body else { return };
        let grammar = format.take().and_then(|f| grammar(&f));
        if let Some(grammar) = grammar {
            losses.hint(
                if tool.at.0.is_empty() {
                    "tools.format".to_owned()
                } else {
                    format!("{}.format", tool.at.0)
                },
                "the provider cannot hold a tool's text to a grammar; the model is told it instead",
            );
            let about = tool.description.get_or_insert_default();
            if !about.is_empty() {
                about.push_str("\n\n");
            }
            about.push_str(&grammar);
        }
        let parameters = Raw::parse(SCHEMA).ok();
        tool.body = ToolBody::Function { parameters, strict: None };
        self.names.insert((namespace.map(str::to_owned), tool.name.clone()));
    }

    /// Is there nothing to unwrap?
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    fn has(&self, call: &ToolCall) -> bool {
        call.kind == CallKind::Function
            && self.names.iter().any(|(ns, name)| *name == call.name && *ns == call.namespace)
    }

    /// Takes the texts out of an answer's calls, which must bear the client's names.
    pub fn unwrap_reply(&self, reply: &mut Reply) {
        for block in reply.choices.iter_mut().flat_map(|c| &mut c.content) {
            if let Body::ToolCall(call) = &mut block.body
                && self.has(call)
            {
                call.kind = CallKind::Custom;
                let mut text = InputText::default();
                let mut all = text.push(&call.arguments);
                all.push_str(&text.finish());
                call.arguments = all;
            }
        }
    }

    /// For a stream.
    pub fn unwrapper(self) -> Unwrapper {
        Unwrapper { custom: self, open: BTreeMap::new() }
    }
}

/// Takes texts out of a stream's calls.
#[derive(Clone, Debug, Default)]
pub struct Unwrapper {
    custom: CustomTools,
    open: BTreeMap<(u32, u32), InputText>,
}

impl Unwrapper {
    /// Passes an event on: as one, as two (the rest of a text, and its end), or as none (a piece of the wrapping).
    pub fn event(&mut self, mut event: StreamEvent, out: &mut Vec<StreamEvent>) {
        match &mut event {
            StreamEvent::BlockStart { choice, index, block } => {
                if let Body::ToolCall(call) = &mut block.body
                    && self.custom.has(call)
                {
                    call.kind = CallKind::Custom;
                    let mut text = InputText::default();
                    call.arguments = text.push(&call.arguments);
                    self.open.insert((*choice, *index), text);
                }
            }
            StreamEvent::BlockDelta { choice, index, delta: Delta::Arguments(more) } => {
                if let Some(text) = self.open.get_mut(&(*choice, *index)) {
                    *more = text.push(more);
                    if more.is_empty() {
                        return;
                    }
                }
            }
            StreamEvent::BlockStop { choice, index } => {
                if let Some(text) = self.open.remove(&(*choice, *index)) {
                    let rest = text.finish();
                    if !rest.is_empty() {
                        let delta = Delta::Arguments(rest);
                        out.push(StreamEvent::BlockDelta { choice: *choice, index: *index, delta });
                    }
                }
            }
            _ => {}
        }
        out.push(event);
    }
}

/// What to tell the model of `format`: `{"type":"grammar","syntax":"lark"|"regex","definition":"…"}`.
fn grammar(format: &Raw) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Format {
        syntax: Option<String>,
        definition: Option<String>,
        /// Chat puts the two inside.
        grammar: Option<Box<Format>>,
    }
    let f: Format = serde_json::from_str(format.text()).ok()?;
    let f = f
        .grammar
        .map_or_else(|| Format { syntax: f.syntax, definition: f.definition, grammar: None }, |inner| *inner);
    let syntax = f.syntax.as_deref().unwrap_or("lark");
    Some(format!("The input must follow this {syntax} grammar exactly:\n{}", f.definition?))
}

#[cfg(test)]
mod tests;
