//! What is written.

use crate::codec::chat::thoughts::DetailOut;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A request.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RequestOut<'a> {
    pub(crate) model: &'a str,
    pub(crate) messages: Vec<MessageOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_choice: Option<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) web_search_options: Option<serde_json::Value>,
    /// Numbers, words and switches, in their order.
    #[serde(flatten)]
    pub(crate) settings: Fields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream_options: Option<StreamOptionsOut>,
}

/// Members whose names depend on the server.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a>(pub(crate) Vec<(&'static str, Field<'a>)>);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(k, v)| (k, v)))
    }
}

/// One of them.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Field<'a> {
    Bool(bool),
    Whole(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    Texts(Vec<&'a str>),
    Pairs(BTreeMap<&'a str, &'a str>),
    Raw(&'a RawValue),
    Format(FormatOut<'a>),
    Reasoning(ReasoningOut),
    Kind(KindOut),
}

/// `stream_options`.
#[derive(Debug, Serialize)]
pub(crate) struct StreamOptionsOut {
    pub(crate) include_usage: bool,
}

/// `response_format`.
#[derive(Debug, Serialize)]
pub(crate) struct FormatOut<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) json_schema: Option<SchemaOut<'a>>,
}

/// `response_format.json_schema`.
#[derive(Debug, Serialize)]
pub(crate) struct SchemaOut<'a> {
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a str>,
    pub(crate) schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) strict: Option<bool>,
}

/// OpenRouter's `reasoning`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ReasoningOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exclude: Option<bool>,
}

/// `{"type": …}`.
#[derive(Debug, Serialize)]
pub(crate) struct KindOut {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

/// A message.
#[derive(Debug, Default, Serialize)]
pub(crate) struct MessageOut<'a> {
    pub(crate) role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_call_id: Option<Cow<'a, str>>,
    pub(crate) content: Option<ContentOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audio: Option<AudioIdOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reasoning_details: Vec<DetailOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<CallOut<'a>>,
}

/// A sound of an earlier answer.
#[derive(Debug, Serialize)]
pub(crate) struct AudioIdOut<'a> {
    pub(crate) id: &'a str,
}

/// A content.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum ContentOut<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<PartOut<'a>>),
}

/// A part.
#[derive(Debug, Default, Serialize)]
pub(crate) struct PartOut<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image_url: Option<ImageOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) video_url: Option<ImageOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input_audio: Option<SoundOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<FileOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thinking: Option<Vec<PartOut<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<CacheOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prompt_cache_breakpoint: Option<BreakpointOut>,
}

impl<'a> PartOut<'a> {
    /// A text.
    pub(crate) fn text(text: Cow<'a, str>) -> Self {
        Self { kind: "text", text: Some(text), ..Self::default() }
    }
}

/// A picture or film.
#[derive(Debug, Serialize)]
pub(crate) struct ImageOut<'a> {
    pub(crate) url: Url<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<&'a str>,
}

/// An address, or the bytes as one.
#[derive(Debug)]
pub(crate) enum Url<'a> {
    Plain(&'a str),
    Data { mime: &'a str, data: &'a str },
}

impl Serialize for Url<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(url) => s.serialize_str(url),
            Self::Data { mime, data } => s.collect_str(&format_args!("data:{mime};base64,{data}")),
        }
    }
}

/// A sound.
#[derive(Debug, Serialize)]
pub(crate) struct SoundOut<'a> {
    pub(crate) data: &'a str,
    pub(crate) format: &'a str,
}

/// A file.
#[derive(Debug, Default, Serialize)]
pub(crate) struct FileOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_data: Option<Url<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_id: Option<&'a str>,
}

/// Anthropic's mark.
#[derive(Debug, Serialize)]
pub(crate) struct CacheOut {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<&'static str>,
}

/// OpenAI's mark.
#[derive(Debug, Serialize)]
pub(crate) struct BreakpointOut {
    pub(crate) mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<&'static str>,
}

/// A call.
#[derive(Debug, Default, Serialize)]
pub(crate) struct CallOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Cow<'a, str>>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function: Option<CallBodyOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) custom: Option<CallBodyOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extra_content: Option<SealsOut<'a>>,
}

/// What is called with what.
#[derive(Debug, Default, Serialize)]
pub(crate) struct CallBodyOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<&'a str>,
}

/// Gemini's `extra_content`.
#[derive(Debug, Serialize)]
pub(crate) struct SealsOut<'a> {
    google: SealOut<'a>,
}

#[derive(Debug, Serialize)]
struct SealOut<'a> {
    thought_signature: &'a str,
}

impl<'a> SealsOut<'a> {
    /// Around a signature.
    pub(crate) fn new(thought_signature: &'a str) -> Self {
        Self { google: SealOut { thought_signature } }
    }
}

/// A tool.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ToolOut<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function: Option<FunctionOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) custom: Option<CustomOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<CacheOut>,
}

/// A function.
#[derive(Debug, Serialize)]
pub(crate) struct FunctionOut<'a> {
    pub(crate) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) strict: Option<bool>,
}

/// A tool with free text.
#[derive(Debug, Serialize)]
pub(crate) struct CustomOut<'a> {
    pub(crate) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<serde_json::Value>,
}

/// `tool_choice`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum ChoiceOut<'a> {
    Word(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        function: Option<NameOut<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        custom: Option<NameOut<'a>>,
    },
    Allowed {
        #[serde(rename = "type")]
        kind: &'static str,
        allowed_tools: AllowedOut<'a>,
    },
}

impl<'a> ChoiceOut<'a> {
    /// Names a tool.
    pub(crate) fn named(name: &'a str, custom: bool) -> Self {
        let name = Some(NameOut { name });
        match custom {
            true => Self::Named { kind: "custom", function: None, custom: name },
            false => Self::Named { kind: "function", function: name, custom: None },
        }
    }
}

/// A name.
#[derive(Debug, Serialize)]
pub(crate) struct NameOut<'a> {
    pub(crate) name: &'a str,
}

/// Some of the tools.
#[derive(Debug, Serialize)]
pub(crate) struct AllowedOut<'a> {
    pub(crate) mode: &'static str,
    pub(crate) tools: Vec<ChoiceOut<'a>>,
}
