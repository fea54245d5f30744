//! Tools that the model may use.

use super::block::{CacheTtl, ServerKind};
use super::loss::Spot;
use super::raw::Raw;
use super::signature::Origin;

/// What a tool is.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolBody {
    /// The client runs it; the arguments are a JSON object.
    Function {
        /// JSON Schema of the arguments.
        parameters: Option<Raw>,
        /// The arguments must fit the schema exactly.
        strict: Option<bool>,
    },
    /// The client runs it; the argument is free text (OpenAI's `custom`).
    Custom {
        /// OpenAI's grammar for it.
        format: Option<Raw>,
    },
    /// The provider runs it.
    Server {
        /// What it does.
        kind: ServerKind,
        /// Whose words.
        origin: Origin,
        /// The tool as the client wrote it.
        raw: Raw,
    },
    /// Tools under one name (OpenAI Responses' `namespace`, which Codex sends).
    Namespace(Vec<Tool>),
}

/// One tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name; for server tools the type (`web_search`).
    pub name: String,
    /// For the model.
    pub description: Option<String>,
    /// What it is.
    pub body: ToolBody,
    /// A prompt cache should keep everything up to here.
    pub cache: Option<CacheTtl>,
    /// Fields that have no name here (`defer_loading`, `allowed_callers`, …): name and value.
    pub extra: Vec<(String, Raw)>,
    /// Where it stood.
    pub at: Spot,
}

/// Must the model use a tool?
#[derive(Clone, Debug, PartialEq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one (a function or custom tool by name).
    Named(String),
    /// Some of them only (OpenAI's `allowed_tools`, Gemini's `allowedFunctionNames`).
    Allowed {
        /// Their names.
        names: Vec<String>,
        /// At least one of them must be used.
        required: bool,
    },
    /// A server tool (`{"type":"web_search"}`): its type.
    Server(String),
}
