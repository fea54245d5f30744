//! A request to a model.

use super::block::Block;
use super::loss::Spot;
use super::raw::Raw;
use super::settings::Settings;
use super::tool::{Tool, ToolChoice};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions of whoever runs the application. May stand anywhere; at the beginning it is what other dialects
    /// call `system` (Anthropic), `instructions` (Responses), `systemInstruction` (Gemini).
    System,
    /// OpenAI's newer name for the same; kept apart so that a way through OpenAI's dialects changes nothing.
    Developer,
    /// The user, and the results of tools.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// System or developer?
    pub const fn instructs(self) -> bool {
        matches!(self, Self::System | Self::Developer)
    }
}

/// One turn. Canonical form: tool results are blocks of a user message, before its other blocks; neighbours of one
/// role are kept apart as the client wrote them, except that runs of tool results (and the user text right behind
/// them in dialects where a turn is one message) form one user message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who.
    pub role: Role,
    /// What.
    pub content: Vec<Block>,
    /// OpenAI's `name` of a participant.
    pub name: Option<String>,
    /// Where it stood.
    pub at: Spot,
}

impl Message {
    /// A message.
    pub fn new(role: Role, content: Vec<Block>) -> Self {
        Self { role, content, name: None, at: Spot::default() }
    }
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// The model as the client asked for it; the encoder is told the provider's name for it.
    pub model: String,
    /// All turns, instructions included.
    pub messages: Vec<Message>,
    /// Tools.
    pub tools: Vec<Tool>,
    /// Must they be used?
    pub tool_choice: Option<ToolChoice>,
    /// The rest.
    pub settings: Settings,
    /// Fields of the client's that have no name here: path and value. Every encoder reports them as losses (but see
    /// [`crate::ir::loss::Loss::harmless`]).
    pub extra: Vec<(String, Raw)>,
}

impl Conversation {
    /// The name of the tool that a call id belongs to.
    pub fn tool_of_call(&self, id: &str) -> Option<&str> {
        self.messages.iter().rev().flat_map(|m| &m.content).find_map(|b| match &b.body {
            super::block::Body::ToolCall(c) if c.id == id => Some(c.name.as_str()),
            _ => None,
        })
    }
}
