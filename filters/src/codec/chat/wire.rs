//! The shapes of requests and messages on the wire.

use super::json::{Maybe, Str, StrOr, object};
use serde::Deserialize;
use serde_json::value::RawValue;

object! {
    /// A request.
    struct Request<'a> {
        model "model": Str<'a>,
        messages "messages": Vec<Message<'a>>,
        tools "tools": Vec<Tool<'a>>,
        tool_choice "tool_choice": StrOr<'a, Choice<'a>>,
        functions "functions": Vec<Function<'a>>,
        function_call "function_call": StrOr<'a, Choice<'a>>,
        max_tokens "max_tokens": u64,
        max_completion_tokens "max_completion_tokens": u64,
        temperature "temperature": f64,
        top_p "top_p": f64,
        top_k "top_k": i64,
        stop "stop": StrOr<'a, Vec<String>>,
        n "n": u32,
        seed "seed": i64,
        logprobs "logprobs": bool,
        top_logprobs "top_logprobs": u32,
        presence_penalty "presence_penalty": f64,
        frequency_penalty "frequency_penalty": f64,
        logit_bias "logit_bias": &'a RawValue,
        reasoning_effort "reasoning_effort": Str<'a>,
        reasoning "reasoning": Reasoning<'a>,
        thinking "thinking": Switch<'a>,
        include_reasoning "include_reasoning": bool,
        response_format "response_format": Format<'a>,
        verbosity "verbosity": String,
        parallel_tool_calls "parallel_tool_calls": bool,
        service_tier "service_tier": String,
        user "user": String,
        safety_identifier "safety_identifier": String,
        metadata "metadata": Pairs,
        prompt_cache_key "prompt_cache_key": String,
        prompt_cache_retention "prompt_cache_retention": String,
        stream "stream": bool,
        stream_options "stream_options": StreamOptions<'a>,
        modalities "modalities": Vec<String>,
        audio "audio": &'a RawValue,
        store "store": bool,
        web_search_options "web_search_options": WebSearch<'a>,
    }
}

object! {
    /// OpenRouter's `reasoning`.
    struct Reasoning<'a> {
        effort "effort": Str<'a>,
        max_tokens "max_tokens": u32,
        enabled "enabled": bool,
        exclude "exclude": bool,
        summary "summary": String,
    }
}

object! {
    /// `thinking` of DeepSeek and GLM, and Anthropic's in Chat's clothes.
    struct Switch<'a> {
        kind "type": Str<'a>,
        budget_tokens "budget_tokens": u32,
    }
}

object! {
    /// `response_format`.
    struct Format<'a> {
        kind "type": Str<'a>,
        json_schema "json_schema": Schema<'a>,
    }
}

object! {
    /// `response_format.json_schema`.
    struct Schema<'a> {
        name "name": String,
        description "description": String,
        schema "schema": &'a RawValue,
        strict "strict": bool,
    }
}

object! {
    /// `stream_options`.
    struct StreamOptions<'a> {
        include_usage "include_usage": bool,
    }
}

object! {
    /// `web_search_options`.
    struct WebSearch<'a> {
        search_context_size "search_context_size": Str<'a>,
        user_location "user_location": Location<'a>,
    }
}

object! {
    /// `web_search_options.user_location`.
    struct Location<'a> {
        kind "type": Str<'a>,
        approximate "approximate": &'a RawValue,
    }
}

object! {
    /// A tool; `name` and what follows stand here where a client writes Responses' flat form.
    struct Tool<'a> {
        kind "type": Str<'a>,
        function "function": Function<'a>,
        custom "custom": CustomTool<'a>,
        name "name": String,
        description "description": String,
        parameters "parameters": &'a RawValue,
        strict "strict": bool,
        cache_control "cache_control": CacheControl<'a>,
    }
}

object! {
    /// A function: as a tool, or in the old `functions`.
    struct Function<'a> {
        name "name": String,
        description "description": String,
        parameters "parameters": &'a RawValue,
        strict "strict": bool,
    }
}

object! {
    /// A tool with free text.
    struct CustomTool<'a> {
        name "name": String,
        description "description": String,
        format "format": &'a RawValue,
    }
}

object! {
    /// `tool_choice` with members, and the old `function_call`.
    struct Choice<'a> {
        kind "type": Str<'a>,
        function "function": Named<'a>,
        custom "custom": Named<'a>,
        allowed_tools "allowed_tools": Allowed<'a>,
        name "name": String,
    }
}

object! {
    /// Names a tool.
    struct Named<'a> {
        name "name": String,
    }
}

object! {
    /// Some of the tools.
    struct Allowed<'a> {
        mode "mode": Str<'a>,
        tools "tools": Vec<Choice<'a>>,
    }
}

object! {
    /// A message of a request or an answer.
    struct Message<'a> {
        role "role": Str<'a>,
        content "content": StrOr<'a, Vec<Part<'a>>>,
        name "name": String,
        refusal "refusal": String,
        audio "audio": Audio<'a>,
        tool_calls "tool_calls": Vec<Call<'a>>,
        tool_call_id "tool_call_id": String,
        function_call "function_call": CallBody<'a>,
        reasoning_content "reasoning_content": Maybe<Str<'a>>,
        reasoning "reasoning": Maybe<Str<'a>>,
        reasoning_details "reasoning_details": Maybe<Vec<Detail>>,
        annotations "annotations": Maybe<Vec<Annotation>>,
        images "images": Maybe<Vec<Part<'a>>>,
        extra_content "extra_content": Maybe<Seals>,
        cache_control "cache_control": CacheControl<'a>,
    }
}

object! {
    /// A part of a content.
    struct Part<'a> {
        kind "type": Str<'a>,
        text "text": String,
        refusal "refusal": String,
        image_url "image_url": StrOr<'a, ImageUrl<'a>>,
        video_url "video_url": StrOr<'a, ImageUrl<'a>>,
        input_audio "input_audio": InputAudio<'a>,
        file "file": File<'a>,
        thinking "thinking": StrOr<'a, Vec<Part<'a>>>,
        cache_control "cache_control": CacheControl<'a>,
        prompt_cache_breakpoint "prompt_cache_breakpoint": CacheControl<'a>,
    }
}

object! {
    /// A picture or film.
    struct ImageUrl<'a> {
        url "url": Str<'a>,
        detail "detail": String,
    }
}

object! {
    /// A sound.
    struct InputAudio<'a> {
        data "data": String,
        format "format": Str<'a>,
    }
}

object! {
    /// A file.
    struct File<'a> {
        file_data "file_data": Str<'a>,
        file_id "file_id": String,
        filename "filename": String,
    }
}

object! {
    /// Anthropic's mark of a prompt cache, and OpenAI's.
    struct CacheControl<'a> {
        kind "type": Str<'a>,
        mode "mode": Str<'a>,
        ttl "ttl": Str<'a>,
    }
}

object! {
    /// A call of a tool.
    struct Call<'a> {
        index "index": u32,
        id "id": String,
        kind "type": Str<'a>,
        function "function": CallBody<'a>,
        custom "custom": CallBody<'a>,
        extra_content "extra_content": Maybe<Seals>,
    }
}

object! {
    /// What is called with what. (Some servers give the arguments as JSON instead of as its text.)
    struct CallBody<'a> {
        name "name": String,
        arguments "arguments": StrOr<'a, serde_json::Value>,
        input "input": String,
    }
}

object! {
    /// A sound of the model's: only its id in requests.
    struct Audio<'a> {
        id "id": String,
        data "data": String,
        transcript "transcript": String,
        expires_at "expires_at": &'a RawValue,
    }
}

/// A piece of OpenRouter's `reasoning_details`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Detail {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) text: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) data: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) id: Option<String>,
    pub(super) format: Option<String>,
    pub(super) index: Option<i64>,
}

/// A source.
#[derive(Debug, Deserialize)]
pub(super) struct Annotation {
    pub(super) url_citation: Option<UrlCitation>,
}

/// A page as a source.
#[derive(Debug, Deserialize)]
pub(super) struct UrlCitation {
    pub(super) start_index: Option<u32>,
    pub(super) end_index: Option<u32>,
    pub(super) url: Option<String>,
    pub(super) title: Option<String>,
    /// OpenRouter's: what the page says.
    pub(super) content: Option<String>,
}

/// Gemini's `extra_content`, on calls and on messages.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Seals {
    google: Option<Seal>,
    vertex: Option<Seal>,
}

#[derive(Debug, Deserialize)]
struct Seal {
    thought_signature: Option<String>,
}

impl Seals {
    /// The signature.
    pub(super) fn signature(self) -> Option<String> {
        self.google.or(self.vertex).and_then(|s| s.thought_signature)
    }
}

/// `metadata`, in the order that it came in.
#[derive(Debug, Default)]
pub(super) struct Pairs(pub(super) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> serde::de::Visitor<'de> for V {
            type Value = Pairs;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut out = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    out.push(entry);
                }
                Ok(Pairs(out))
            }
        }
        d.deserialize_map(V)
    }
}
