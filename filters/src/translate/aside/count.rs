//! Token counts, for clients of Anthropic's and of Gemini's API, at every kind of provider:
//! - Anthropic <https://platform.claude.com/docs/en/api/messages/count_tokens>, and the same on Vertex
//!   <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/count-tokens>
//! - OpenAI <https://platform.openai.com/docs/api-reference/responses/input-tokens>
//! - Gemini API and Vertex <https://ai.google.dev/api/tokens>
//! - Bedrock <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html>: a body of Converse
//!   or, as it is, of InvokeModel
//!
//! Azure and compatible servers have no such call: there the gateway estimates.

use super::Aside;
use crate::codec::messages::Platform;
use crate::codec::tool_names::{self, Rules};
use crate::codec::{DecodeError, Wire, converse, gemini, messages, responses};
use crate::dialect::fault::Fault;
use crate::exchange::{Exchange, Target};
use crate::ir::{Conversation, Losses, Settings};
use crate::rejection::Rejection;
use crate::surface::Surface;
use crate::translate::reply::{Translated, unreadable};
use crate::translate::request::{Encoded, Translation, invalid, settle};
use crate::translate::way::{Back, Way, is_claude};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sallyport_config::model::{BedrockApi, KindSettings, ProviderKind};
use sallyport_config::snapshot::Provider;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Is it a count?
pub const fn is_count(surface: Surface) -> bool {
    matches!(surface, Surface::CountTokens | Surface::GeminiCountTokens)
}

/// How `provider` is asked for a count.
pub(in crate::translate) fn way(provider: &Provider, model: &str, surface: Surface) -> Way {
    use KindSettings as Kind;
    let gemini = surface == Surface::GeminiCountTokens;
    let own = |mine: bool, wire| if mine { Way::Verbatim } else { Way::Translated(wire) };
    match &provider.settings {
        Kind::Anthropic(_) => own(!gemini, Wire::Messages),
        Kind::Openai(_) => Way::Translated(Wire::Responses),
        Kind::Gemini => own(gemini, Wire::Gemini),
        Kind::Vertex(_) if is_claude(model) && !gemini => Way::Platform(Platform::Vertex),
        Kind::Vertex(_) if is_claude(model) => Way::Translated(Wire::Messages),
        Kind::Vertex(_) => own(gemini, Wire::Gemini),
        Kind::Bedrock(s) if is_claude(model) && !gemini && !matches!(s.api, Some(BedrockApi::Converse)) => {
            Way::Translated(Wire::Messages)
        }
        Kind::Bedrock(_) => Way::Translated(Wire::Converse),
        Kind::AzureOpenai(_) | Kind::OpenaiCompatible(_) => Way::Estimated,
    }
}

/// Reads what is to be counted.
fn decode(x: &Exchange) -> Result<Conversation, Rejection> {
    let decoded = match x.surface {
        Surface::CountTokens => messages::decode_count_tokens(&x.body.raw),
        _ => gemini::decode_count_request(&x.body.raw, x.model_asked().unwrap_or_default()),
    };
    let mut c = decoded.map_err(|e| invalid(&e))?;
    gemini::extract_conversation(&mut c);
    Ok(c)
}

/// Is the request one whose tokens can be estimated?
///
/// # Errors
/// 400 that names the client's field.
pub fn check_count(x: &Exchange) -> Result<(), Rejection> {
    decode(x).map(drop)
}

/// The answer to a count, in the client's format.
pub fn count_reply(surface: Surface, tokens: u64) -> Vec<u8> {
    encode(front(surface), tokens)
}

/// Did Bedrock refuse to count for this model at all? It counts for some models only, and tells by words.
pub fn count_refused(target: &Target, surface: Surface, fault: Fault, status: u16, answer: &[u8]) -> bool {
    let says = |words: &str| memchr::memmem::find(answer, words.as_bytes()).is_some();
    is_count(surface)
        && target.provider.kind == ProviderKind::Bedrock
        && fault == Fault::ClientsOwn
        && (status == 404
            || (status == 400
                && (says("support counting") || says("isn't supported") || says("identifier is invalid"))))
}

fn front(surface: Surface) -> Wire {
    if surface == Surface::CountTokens { Wire::Messages } else { Wire::Gemini }
}

fn encode(front: Wire, tokens: u64) -> Vec<u8> {
    match front {
        Wire::Messages => messages::encode_count_tokens_reply(tokens),
        _ => gemini::encode_count_reply(tokens),
    }
}

/// Translates an answer.
pub(in crate::translate) fn reply(front: Wire, back: Wire, body: &[u8]) -> Result<Translated, Rejection> {
    #[derive(Deserialize)]
    struct Counted {
        #[serde(alias = "inputTokens")]
        input_tokens: u64,
    }
    let tokens = match back {
        Wire::Gemini => gemini::decode_count_reply(body),
        _ => serde_json::from_slice::<Counted>(body)
            .map(|c| c.input_tokens)
            .map_err(|e| DecodeError::new("", e.to_string())),
    };
    // It is no usage: nothing was used.
    Ok(Translated { body: encode(front, tokens.map_err(|e| unreadable(&e))?), tokens: None })
}

impl Translation {
    /// Encodes a count for `target`. `betas`: the values of the client's header `anthropic-beta`, split at the commas.
    ///
    /// # Errors
    /// 400 that names the client's field.
    pub fn count(
        x: &Exchange,
        betas: &[&str],
        back: Back,
        target: &Target,
        lossy: bool,
    ) -> Result<(Self, Encoded), Rejection> {
        let served = target.model.as_deref().or(x.model_asked()).unwrap_or_default();
        let front = front(x.surface);
        let provider = &target.provider;
        let (body, dropped) = if provider.kind == ProviderKind::Bedrock && back.wire == Wire::Messages {
            (invoked(&x.body.raw, betas).map_err(|e| invalid(&e))?, Vec::new())
        } else {
            let mut losses = Losses::default();
            let body = body(decode(x)?, back.wire, served, provider.kind, &mut losses);
            (body, settle(losses, front, lossy, &provider.name)?)
        };
        let translation = Self::of_aside(x, front, back, served, Aside::Count(front));
        Ok((translation, Encoded { body, more: Vec::new(), dropped }))
    }
}

fn body(mut c: Conversation, wire: Wire, served: &str, kind: ProviderKind, losses: &mut Losses) -> Vec<u8> {
    // A count is the same for every way of sampling; a schema of the answer is part of the prompt.
    let Settings { format, parallel_tools, .. } = std::mem::take(&mut c.settings);
    c.settings = Settings { format, parallel_tools, ..Settings::default() };
    let rules = match wire {
        Wire::Messages => Rules::ANTHROPIC,
        Wire::Gemini => Rules::GEMINI,
        Wire::Converse => Rules::CONVERSE,
        Wire::Chat | Wire::Responses => Rules::RESPONSES,
    };
    tool_names::flatten(&mut c, &rules);
    let vertex = kind == ProviderKind::Vertex;
    match wire {
        Wire::Messages => {
            let platform = if vertex { Platform::Vertex } else { Platform::Anthropic };
            let options = messages::RequestOptions { platform, ..Default::default() };
            messages::encode_count_tokens_request(&c, served, &options, losses)
        }
        Wire::Gemini => {
            let platform = if vertex { gemini::Platform::Vertex } else { gemini::Platform::GeminiApi };
            gemini::encode_count_request(&c, served, &gemini::Options::of(platform), losses)
        }
        Wire::Converse => conversed(&converse::encode_request(&c, served, losses)),
        Wire::Chat | Wire::Responses => {
            let whole = responses::encode_request(&c, served, &responses::RequestOptions::default(), losses);
            only_counted(&whole).unwrap_or(whole)
        }
    }
}

/// Of a request to OpenAI only what `input_tokens` knows.
fn only_counted(whole: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize, Serialize)]
    struct Counted<'a> {
        #[serde(borrow)]
        model: &'a RawValue,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        instructions: Option<&'a RawValue>,
        #[serde(borrow)]
        input: &'a RawValue,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        tools: Option<&'a RawValue>,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        tool_choice: Option<&'a RawValue>,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        parallel_tool_calls: Option<&'a RawValue>,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        text: Option<&'a RawValue>,
    }
    serde_json::to_vec(&serde_json::from_slice::<Counted<'_>>(whole).ok()?).ok()
}

/// `{"input": {"converse": …}}` with what `ConverseTokensRequest` has of a body of Converse.
fn conversed(whole: &[u8]) -> Vec<u8> {
    #[derive(Deserialize, Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Counted<'a> {
        #[serde(borrow)]
        messages: &'a RawValue,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        system: Option<&'a RawValue>,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        tool_config: Option<&'a RawValue>,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        additional_model_request_fields: Option<&'a RawValue>,
    }
    #[derive(Serialize)]
    struct Converse<'a> {
        converse: Counted<'a>,
    }
    #[derive(Serialize)]
    struct Body<'a> {
        input: Converse<'a>,
    }
    // The encoder's own words: they are an object with messages.
    serde_json::from_slice::<Counted<'_>>(whole)
        .and_then(|converse| serde_json::to_vec(&Body { input: Converse { converse } }))
        .unwrap_or_default()
}

/// `{"input": {"invokeModel": {"body": …}}}` with the client's own bytes, in the form that InvokeModel wants.
fn invoked(raw: &[u8], betas: &[&str]) -> Result<Vec<u8>, DecodeError> {
    let splices = messages::splices(raw, Platform::Bedrock, betas, true)?;
    let mut body = messages::apply(raw, &splices);
    if let Some(most) = max_tokens(raw)
        && let Some(at) = body.iter().position(|c| *c == b'{')
    {
        // InvokeModel demands it, a count's client does not give it, and it changes no count. (What the splices put
        // in stands first: the object is not empty.)
        let member = format!("\"max_tokens\":{most},");
        body.splice(at + 1..at + 1, member.into_bytes());
    }
    let mut out = br#"{"input":{"invokeModel":{"body":""#.to_vec();
    out.extend_from_slice(STANDARD.encode(&body).as_bytes());
    out.extend_from_slice(br#""}}}"#);
    Ok(out)
}

/// The `max_tokens` that a body lacks: one more than its budget for thoughts.
fn max_tokens(raw: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Top {
        max_tokens: Option<serde::de::IgnoredAny>,
        thinking: Option<Thinking>,
    }
    #[derive(Deserialize)]
    struct Thinking {
        budget_tokens: Option<u64>,
    }
    let (given, budget) = match serde_json::from_slice::<Top>(raw) {
        Ok(t) => (t.max_tokens.is_some(), t.thinking.and_then(|t| t.budget_tokens).unwrap_or(0)),
        Err(_) => (memchr::memmem::find(raw, b"\"max_tokens\"").is_some(), 0),
    };
    (!given).then(|| budget.saturating_add(1))
}

#[cfg(test)]
mod tests;
