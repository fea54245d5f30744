//! The content of messages: typed blocks.

use super::loss::Spot;
use super::raw::Raw;
use super::signature::{Origin, Signature};

/// Where the bytes of an image, document, sound or film are.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Base64 text, as it came (never decoded: it only passes).
    Base64(String),
    /// An address that the provider fetches.
    Url(String),
    /// A file that the client stored at the provider: means nothing elsewhere.
    File {
        /// Whose file store.
        origin: Origin,
        /// Its id or address there.
        id: String,
    },
    /// Plain text (Anthropic's `text` document source).
    Text(String),
}

/// An image, a document, a sound or a film.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// MIME type, where it is known (`image/png`, `application/pdf`, `audio/wav`).
    pub mime: Option<String>,
    /// The bytes.
    pub source: Source,
    /// File name or title.
    pub name: Option<String>,
    /// OpenAI's `detail`, Gemini's `mediaResolution` in OpenAI's words: `low`, `high`, `auto`, …
    pub detail: Option<String>,
    /// Anthropic's `context` of a document.
    pub context: Option<String>,
    /// Anthropic's `citations.enabled` of a document.
    pub citations: bool,
}

/// How long a prompt cache should keep what ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheTtl {
    /// The provider's default (5 minutes at Anthropic).
    Default,
    /// One hour.
    Hour,
}

/// How a tool's arguments look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallKind {
    /// A JSON object.
    #[default]
    Function,
    /// Free text (OpenAI's `custom` tools).
    Custom,
}

/// The model calls a tool of the client's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolCall {
    /// The id that the result names. Made by the decoder where the dialect has none (Gemini).
    pub id: String,
    /// The tool.
    pub name: String,
    /// Namespace of the tool (OpenAI Responses), if any.
    pub namespace: Option<String>,
    /// JSON text as the model wrote it (it may be broken), or free text.
    pub arguments: String,
    /// Which of the two.
    pub kind: CallKind,
    /// Gemini's `thoughtSignature` on the call.
    pub signature: Option<Signature>,
}

/// What a tool of the client's gave back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// [`ToolCall::id`].
    pub call_id: String,
    /// The tool, where the dialect says it (Gemini), else None: encoders that need it look up the call.
    pub name: Option<String>,
    /// Texts, images, documents.
    pub content: Vec<Block>,
    /// It failed.
    pub is_error: bool,
    /// Function or custom.
    pub kind: CallKind,
}

/// A thought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thinking {
    /// The thought, or its summary, as it may be shown; empty if it is sealed or omitted.
    pub text: String,
    /// It is a summary in several parts (OpenAI's reasoning items): the parts; `text` is then empty.
    pub summary: Vec<String>,
    /// The provider's proof or sealed original.
    pub signature: Option<Signature>,
    /// The whole thought is sealed in `signature` (Anthropic's `redacted_thinking`).
    pub redacted: bool,
}

/// A source of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Citation {
    /// Address, for pages.
    pub url: Option<String>,
    /// Title of page or document.
    pub title: Option<String>,
    /// Quoted words.
    pub cited_text: Option<String>,
    /// Character range of the block's text that it supports (start, end), where the dialect says it.
    pub range: Option<(u32, u32)>,
    /// The citation as its provider wrote it, for the same provider and for fields that have no name here.
    pub raw: Option<(Origin, Raw)>,
}

/// A tool that the provider runs itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// Searching the web.
    WebSearch,
    /// Fetching a page.
    WebFetch,
    /// Running code.
    CodeExecution,
    /// Something only one provider has.
    Other,
}

/// One piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Its sources.
        citations: Vec<Citation>,
        /// Gemini signs texts too.
        signature: Option<Signature>,
    },
    /// A picture.
    Image(Media),
    /// A PDF, a text file.
    Document(Media),
    /// A sound.
    Audio(Media),
    /// A film.
    Video(Media),
    /// A call of a client's tool (assistant only).
    ToolCall(ToolCall),
    /// Its result (user only).
    ToolResult(ToolResult),
    /// A thought (assistant only).
    Thinking(Thinking),
    /// The model declines (assistant only; OpenAI's `refusal` parts).
    Refusal(String),
    /// A tool that the provider ran, call or result, as the provider wrote it.
    Server {
        /// What tool.
        kind: ServerKind,
        /// Whose words.
        origin: Origin,
        /// The block or item.
        raw: Raw,
    },
    /// Something that only one provider understands.
    Opaque {
        /// Which.
        origin: Origin,
        /// Its name there (`type`), for the error message.
        name: String,
        /// The block or item.
        raw: Raw,
    },
}

/// A piece of a message, with what hangs on every piece.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What it is.
    pub body: Body,
    /// A prompt cache should keep everything up to here.
    pub cache: Option<CacheTtl>,
    /// Where it stood.
    pub at: Spot,
}

impl Block {
    /// A block without anything hanging on it.
    pub fn new(body: Body) -> Self {
        Self { body, cache: None, at: Spot::default() }
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Body::Text { text: text.into(), citations: Vec::new(), signature: None })
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.body {
            Body::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The same, standing at `spot`.
    #[must_use]
    pub fn at(mut self, spot: Spot) -> Self {
        self.at = spot;
        self
    }
}
