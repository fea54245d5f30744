//! Converse's whole answer.

use super::citation;
use super::media::{self, What};
use super::model::Model;
use super::usage::TokenUsage;
use crate::codec::DecodeError;
use crate::ir::block::{Body, Media, ServerKind, Source, Thinking, ToolCall};
use crate::ir::{Block, Choice, Origin, Raw, Reply, Signature, Stop, StopReason};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    #[serde(borrow)]
    output: Output<'a>,
    stop_reason: Option<String>,
    usage: Option<TokenUsage>,
    additional_model_response_fields: Option<Fields>,
    service_tier: Option<Tier>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Tier {
    pub(super) r#type: String,
}

/// `additionalModelResponseFields`, as far as the request asks for some: Claude's own answer (whole) or its
/// `message_delta` (streamed).
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    #[serde(alias = "/stop_sequence", alias = "/delta/stop_sequence")]
    stop_sequence: Option<String>,
    delta: Option<Box<Fields>>,
}

impl Fields {
    pub(super) fn sequence(self) -> Option<String> {
        self.stop_sequence.or_else(|| self.delta.and_then(|d| d.stop_sequence))
    }
}

/// A content block: one of these, or something newer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    text: Option<String>,
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
    tool_result: Option<ToolResult>,
    reasoning_content: Option<Reasoning>,
    #[serde(borrow)]
    citations_content: Option<Citations<'a>>,
    image: Option<MediaIn>,
    audio: Option<MediaIn>,
    video: Option<MediaIn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse<'a> {
    tool_use_id: String,
    name: String,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    r#type: Option<String>,
}

#[derive(Deserialize)]
struct ToolResult {
    #[serde(default)]
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning {
    reasoning_text: Option<ReasoningText>,
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
struct ReasoningText {
    #[serde(default)]
    text: String,
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Citations<'a> {
    #[serde(default)]
    content: Vec<citation::Text>,
    #[serde(borrow, default)]
    citations: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediaIn {
    format: String,
    source: Option<Place>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    pub(super) bytes: Option<String>,
    s3_location: Option<S3>,
}

#[derive(Deserialize)]
struct S3 {
    uri: String,
}

/// Decodes an answer. Its id is in the header `x-amzn-requestid`, its model is the one that was asked.
///
/// # Errors
/// Bytes that are no answer of Converse's.
pub fn decode_reply(body: &[u8]) -> Result<Reply, DecodeError> {
    decode_reply_of(body, Model::default())
}

/// The same for a known model: it decides whose signatures those of its thoughts are.
///
/// # Errors
/// Bytes that are no answer of Converse's.
pub fn decode_reply_of(body: &[u8], model: Model) -> Result<Reply, DecodeError> {
    let r: Response<'_> = serde_json::from_slice(body).map_err(|e| DecodeError::new("", e.to_string()))?;
    let content = r.output.message.content.iter().enumerate();
    let content = content.map(|(n, raw)| {
        block(raw, model).map_err(|e| DecodeError::new(format!("output.message.content[{n}]"), e.to_string()))
    });
    let sequence = r.additional_model_response_fields.and_then(Fields::sequence);
    Ok(Reply {
        choices: vec![Choice {
            content: content.collect::<Result<_, _>>()?,
            stop: r.stop_reason.map(|word| stop(&word, sequence)),
            logprobs: None,
        }],
        tokens: r.usage.map(|u| u.tokens()),
        service_tier: r.service_tier.map(|t| t.r#type),
        ..Reply::default()
    })
}

fn block(raw: &RawValue, model: Model) -> Result<Block, serde_json::Error> {
    let c: Content<'_> = serde_json::from_str(raw.get())?;
    let body = if let Some(text) = c.text {
        return Ok(Block::text(text));
    } else if let Some(call) = c.tool_use {
        if call.r#type.as_deref() == Some("server_tool_use") {
            server(&call.name, Raw(raw.to_owned()))
        } else {
            let arguments = call.input.map_or("{}", RawValue::get).to_owned();
            Body::ToolCall(ToolCall {
                id: call.tool_use_id,
                name: call.name,
                arguments,
                ..ToolCall::default()
            })
        }
    } else if let Some(result) = c.tool_result {
        server(result.r#type.as_deref().unwrap_or_default(), Raw(raw.to_owned()))
    } else if let Some(r) = c.reasoning_content {
        Body::Thinking(match (r.reasoning_text, r.redacted_content) {
            (Some(t), _) => {
                let signature = t.signature.map(|s| Signature::new(signer(model), s));
                Thinking { text: t.text, signature, ..Thinking::default() }
            }
            (None, sealed) => redacted(&sealed.unwrap_or_default(), model),
        })
    } else if let Some(c) = c.citations_content {
        Body::Text {
            text: c.content.into_iter().map(|t| t.text).collect(),
            citations: c.citations.into_iter().map(citation::decode).collect(),
            signature: None,
        }
    } else if let Some(m) = c.image {
        Body::Image(medium(What::Image, m))
    } else if let Some(m) = c.audio {
        Body::Audio(medium(What::Audio, m))
    } else if let Some(m) = c.video {
        Body::Video(medium(What::Video, m))
    } else {
        opaque(raw)
    };
    Ok(Block::new(body))
}

/// A block that came after this was written.
pub(super) fn opaque(raw: &RawValue) -> Body {
    let members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(raw.get()).unwrap_or_default();
    let name = members.keys().next().cloned().unwrap_or_default();
    Body::Opaque { origin: Origin::Other, name, raw: Raw(raw.to_owned()) }
}

/// A tool that Bedrock ran: the block as it came.
pub(super) fn server(name: &str, raw: Raw) -> Body {
    let kind = match name {
        n if n.contains("grounding") || n.contains("search") => ServerKind::WebSearch,
        n if n.contains("code_interpreter") => ServerKind::CodeExecution,
        _ => ServerKind::Other,
    };
    Body::Server { kind, origin: Origin::Other, raw }
}

/// Of all of Bedrock's models only Claude is known to sign its thoughts, so one that is not known is taken for it.
pub(super) fn signer(model: Model) -> Origin {
    if model.may_be_claude() { Origin::Anthropic } else { Origin::Other }
}

/// A sealed thought: a blob. Claude's is the text that Anthropic's own API calls `data`.
pub(super) fn redacted(blob: &str, model: Model) -> Thinking {
    let data = || STANDARD.decode(blob).ok().and_then(|b| String::from_utf8(b).ok());
    let own = if model.may_be_claude() { data() } else { None };
    let signature = match own {
        Some(data) => Signature::new(Origin::Anthropic, data),
        None => Signature::new(Origin::Other, blob),
    };
    Thinking { signature: Some(signature), redacted: true, ..Thinking::default() }
}

fn medium(what: What, m: MediaIn) -> Media {
    let source = match m.source {
        Some(Place { bytes: Some(bytes), .. }) => Source::Base64(bytes),
        Some(Place { s3_location: Some(s3), .. }) => Source::Url(s3.uri),
        _ => Source::Base64(String::new()),
    };
    Media { source, ..empty_medium(what, &m.format) }
}

/// A medium whose bytes are still to come.
pub(super) fn empty_medium(what: What, format: &str) -> Media {
    Media {
        mime: media::mime(what, format).map(str::to_owned),
        source: Source::Base64(String::new()),
        name: None,
        detail: None,
        context: None,
        citations: false,
    }
}

/// Why it ended.
pub(super) fn stop(word: &str, sequence: Option<String>) -> Stop {
    let reason = match word {
        "end_turn" => StopReason::End,
        "tool_use" => StopReason::ToolUse,
        "max_tokens" => StopReason::MaxTokens,
        "stop_sequence" => StopReason::StopSequence,
        "model_context_window_exceeded" => StopReason::ContextFull,
        "guardrail_intervened" | "content_filtered" => StopReason::ContentFilter,
        "malformed_tool_use" => StopReason::BadToolCall,
        // Claude's own words, which Bedrock does not list.
        "refusal" => StopReason::Refusal,
        "pause_turn" => StopReason::Pause,
        _ => StopReason::Other,
    };
    let lost = matches!(reason, StopReason::ContentFilter | StopReason::Other);
    Stop { reason, sequence, word: lost.then(|| word.to_owned()), detail: None }
}
