//! Parts to blocks, for requests and answers alike.

use super::lenient::Str;
use super::wire::{FunctionResponse, Part};
use super::{media, seal};
use crate::ir::block::{Block, Body, CallKind, ServerKind, ToolResult};
use crate::ir::{Origin, Raw, Signature};
use serde_json::value::RawValue;

/// A field that has no name in the IR: where under the part, and its value.
pub(super) type Rest<'a> = (String, &'a RawValue);

/// What a part is.
#[derive(Debug)]
pub(super) enum Meaning<'a> {
    /// Words, thought or spoken.
    Text { text: Str<'a>, thought: bool },
    /// A call. `partial`: its arguments come in pieces.
    Call(super::wire::FunctionCall<'a>),
    /// A result.
    Response(FunctionResponse<'a>),
    /// A block that comes whole.
    Whole(Body),
}

/// A part, understood.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) meaning: Meaning<'a>,
    pub(super) signature: Option<Signature>,
    pub(super) rest: Vec<Rest<'a>>,
}

/// Understands a part.
pub(super) fn read(part: Part<'_>) -> Read<'_> {
    let Part {
        text,
        thought,
        signature,
        inline,
        file,
        call,
        response,
        code,
        code_result,
        tool_call,
        tool_response,
        resolution,
        other,
    } = part;
    let sealed = signature.as_ref().and_then(|s| seal::read(s.as_str()));
    let mut rest: Vec<Rest<'_>> = other.into_iter().map(|(k, v)| (k.into_owned(), v)).collect();
    let server = |kind, name: &str, raw: &RawValue| {
        // The whole part, its signature included: it must go back as it came.
        let raw = whole(name, raw, signature.as_ref().map(Str::as_str), thought);
        Meaning::Whole(Body::Server { kind, origin: Origin::Google, raw })
    };
    let meaning = if let Some(call) = call {
        Meaning::Call(call)
    } else if let Some(mut response) = response {
        rest.extend(response.other.drain(..).map(|(k, v)| (format!("functionResponse.{k}"), v)));
        Meaning::Response(response)
    } else if let Some(blob) = inline {
        Meaning::Whole(media::inline(blob, resolution.as_ref()))
    } else if let Some(file) = file {
        Meaning::Whole(media::file(file, resolution.as_ref()))
    } else if let Some(raw) = code {
        return Read::whole(server(ServerKind::CodeExecution, "executableCode", raw), rest);
    } else if let Some(raw) = code_result {
        return Read::whole(server(ServerKind::CodeExecution, "codeExecutionResult", raw), rest);
    } else if let Some(raw) = tool_call {
        return Read::whole(server(kind_of(raw), "toolCall", raw), rest);
    } else if let Some(raw) = tool_response {
        return Read::whole(server(kind_of(raw), "toolResponse", raw), rest);
    } else if text.is_none() && signature.is_none() && thought != Some(true) && !rest.is_empty() {
        let (name, raw) = rest.swap_remove(0);
        let raw = whole(&name, raw, None, None);
        Meaning::Whole(Body::Opaque { origin: Origin::Google, name, raw })
    } else {
        Meaning::Text { text: text.unwrap_or_default(), thought: thought.unwrap_or(false) }
    };
    Read { meaning, signature: sealed, rest }
}

impl<'a> Read<'a> {
    fn whole(meaning: Meaning<'a>, rest: Vec<Rest<'a>>) -> Self {
        Self { meaning, signature: None, rest }
    }
}

/// `{"name":raw,"thoughtSignature":…}` as a value that is carried.
fn whole(name: &str, raw: &RawValue, signature: Option<&str>, thought: Option<bool>) -> Raw {
    let mut json = super::json::Json::default();
    json.object();
    json.raw_member(name, raw.get());
    json.maybe("thought", thought);
    json.maybe("thoughtSignature", signature);
    json.end_object();
    json.into_raw().unwrap_or_else(|| Raw(raw.to_owned()))
}

/// Which of Google's tools ran.
fn kind_of(raw: &RawValue) -> ServerKind {
    super::lenient::wire! {
        Kind<'a> { kind: Str<'a> = "toolType" | "tool_type" }
    }
    let kind = serde_json::from_str::<Kind<'_>>(raw.get()).ok().and_then(|k| k.kind);
    match kind.as_ref().map(Str::as_str) {
        Some("GOOGLE_SEARCH_WEB") => ServerKind::WebSearch,
        Some("URL_CONTEXT") => ServerKind::WebFetch,
        _ => ServerKind::Other,
    }
}

/// The text of arguments.
pub(super) fn arguments(args: Option<&RawValue>) -> String {
    args.map_or("{}", RawValue::get).to_owned()
}

/// A thought or a text with its signature.
pub(super) fn words(text: String, thought: bool, signature: Option<Signature>) -> Block {
    Block::new(if thought {
        Body::Thinking(seal::thought(text, signature))
    } else {
        Body::Text { text, citations: Vec::new(), signature }
    })
}

/// A picture (or other whole block) and the signature that its part carries: blocks of media have no place for it, so
/// an empty thought goes before them. The encoder puts the two together again.
pub(super) fn signed(signature: Option<Signature>, body: Body) -> Vec<Block> {
    let seal = signature.map(|s| words(String::new(), true, Some(s)));
    seal.into_iter().chain([Block::new(body)]).collect()
}

/// What a function gave back. Google's convention: `output` is the output, `error` an error; without either the whole
/// object is the output. <https://ai.google.dev/api/caching#FunctionResponse>
pub(super) fn result(response: FunctionResponse<'_>, call_id: String) -> ToolResult {
    let mut content = Vec::new();
    let mut is_error = false;
    if let Some(raw) = response.response {
        let text = match lone(raw) {
            Some(("output", value)) => serde_json::from_str::<String>(value.get()).ok(),
            Some(("error", value)) => {
                is_error = true;
                Some(serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned()))
            }
            _ => None,
        };
        let text = text.unwrap_or_else(|| raw.get().to_owned());
        if !text.is_empty() && text != "{}" {
            content.push(Block::text(text));
        }
    }
    for part in response.parts.unwrap_or_default().0 {
        match read(part).meaning {
            Meaning::Whole(body) => content.push(Block::new(body)),
            Meaning::Text { text, .. } => content.push(Block::text(text.own())),
            Meaning::Call(_) | Meaning::Response(_) => {}
        }
    }
    let name = response.name.map(Str::own);
    ToolResult { call_id, name, content, is_error, kind: CallKind::Function }
}

/// The only member of an object, if it is `output` or `error`.
fn lone(raw: &RawValue) -> Option<(&'static str, &RawValue)> {
    super::lenient::wire! {
        Outcome<'a> { output: &'a RawValue = "output", error: &'a RawValue = "error" }
    }
    let o: Outcome<'_> = serde_json::from_str(raw.get()).ok()?;
    match (o.output, o.error) {
        (Some(v), None) if o.other.is_empty() => Some(("output", v)),
        (None, Some(v)) if o.other.is_empty() => Some(("error", v)),
        _ => None,
    }
}
