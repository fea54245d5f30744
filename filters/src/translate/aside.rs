//! What Gemini's clients ask beside turns of a conversation, and what has a counterpart elsewhere: token counts at
//! Anthropic <https://docs.anthropic.com/en/api/messages-count-tokens> and OpenAI
//! <https://platform.openai.com/docs/api-reference/responses/input-tokens>, embeddings at OpenAI and compatible servers
//! <https://platform.openai.com/docs/api-reference/embeddings>.

use super::reply::{Translated, unreadable};
use super::request::{Encoded, Translation, invalid, settle};
use super::way::Back;
use crate::codec::gemini::{self, EmbedReply, EmbedRequest};
use crate::codec::tool_names::{self, Rules};
use crate::codec::{DecodeError, Wire, messages, responses};
use crate::exchange::{Exchange, Target};
use crate::ir::{Conversation, Losses, Raw, Settings, Tokens};
use crate::rejection::Rejection;
use crate::surface::Surface;
use sallyport_config::model::ProviderKind;
use sallyport_schema::call::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    /// A count.
    Count,
    /// Vectors: of one text, or of a list.
    Embed {
        /// A list, be it of one.
        batch: bool,
        /// How many texts.
        texts: usize,
    },
}

/// Is it a call of this kind?
pub const fn is_aside(surface: Surface) -> bool {
    matches!(surface, Surface::GeminiCountTokens | Surface::GeminiEmbed | Surface::GeminiBatchEmbed)
}

/// The wire format of the counterpart; None: the provider has none.
pub(super) fn way(kind: ProviderKind, surface: Surface) -> Option<Wire> {
    match (kind, surface) {
        (ProviderKind::Anthropic, Surface::GeminiCountTokens) => Some(Wire::Messages),
        (ProviderKind::Openai, Surface::GeminiCountTokens) => Some(Wire::Responses),
        (
            ProviderKind::Openai | ProviderKind::OpenaiCompatible,
            Surface::GeminiEmbed | Surface::GeminiBatchEmbed,
        ) => Some(Wire::Chat),
        _ => None,
    }
}

impl Aside {
    /// The path behind the provider's base.
    pub fn path(self, back: Wire) -> &'static str {
        match (self, back) {
            (Self::Embed { .. }, _) => "/embeddings",
            (Self::Count, Wire::Messages) => "/messages/count_tokens",
            (Self::Count, _) => "/responses/input_tokens",
        }
    }

    /// Translates the answer.
    pub(super) fn reply(self, back: Wire, body: &[u8]) -> Result<Translated, Rejection> {
        match self {
            Self::Count => {
                let n = match back {
                    Wire::Messages => messages::decode_count_tokens_reply(body),
                    _ => counted(body),
                };
                let body = gemini::encode_count_reply(n.map_err(|e| unreadable(&e))?);
                Ok(Translated { body, tokens: None })
            }
            Self::Embed { batch, texts } => {
                let reply = vectors(body, texts).map_err(|e| unreadable(&e))?;
                let tokens = reply
                    .tokens
                    .map(|input| Tokens { usage: Usage { input, ..Usage::default() }, ..Tokens::default() });
                Ok(Translated { body: gemini::encode_embed_reply(&reply, batch), tokens })
            }
        }
    }
}

impl Translation {
    /// Encodes a call of this kind for `target`.
    ///
    /// # Errors
    /// 400 that names the client's field.
    pub fn aside(
        x: &Exchange,
        back: Back,
        target: &Target,
        lossy: bool,
    ) -> Result<(Self, Encoded, Aside), Rejection> {
        let asked = x.model_asked().unwrap_or_default();
        let served = target.model.as_deref().unwrap_or(asked);
        let mut losses = Losses::default();
        let (aside, body) = if x.surface == Surface::GeminiCountTokens {
            let c = gemini::decode_count_request(&x.body.raw, asked).map_err(|e| invalid(&e))?;
            (Aside::Count, count(c, back.wire, served, &mut losses))
        } else {
            let r = gemini::decode_embed_request(&x.body.raw).map_err(|e| invalid(&e))?;
            let aside = Aside::Embed { batch: x.surface == Surface::GeminiBatchEmbed, texts: r.input.len() };
            (aside, embed(&r, served, &mut losses))
        };
        let dropped = settle(losses, Wire::Gemini, lossy, &target.provider.name)?;
        let translation = Self::of_aside(x, back, served, aside);
        Ok((translation, Encoded { body, dropped }, aside))
    }
}

fn count(mut c: Conversation, back: Wire, served: &str, losses: &mut Losses) -> Vec<u8> {
    gemini::extract_conversation(&mut c);
    // A count is the same for every way of sampling; a schema of the answer is part of the prompt.
    let Settings { format, parallel_tools, .. } = std::mem::take(&mut c.settings);
    c.settings = Settings { format, parallel_tools, ..Settings::default() };
    let rules = if back == Wire::Messages { Rules::ANTHROPIC } else { Rules::RESPONSES };
    tool_names::flatten(&mut c, &rules);
    if back == Wire::Messages {
        return messages::encode_count_tokens_request(
            &c,
            served,
            &messages::RequestOptions::default(),
            losses,
        );
    }
    let whole = responses::encode_request(&c, served, &responses::RequestOptions::default(), losses);
    only_counted(&whole).unwrap_or(whole)
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

fn counted(body: &[u8]) -> Result<u64, DecodeError> {
    #[derive(Deserialize)]
    struct Counted {
        input_tokens: u64,
    }
    let c: Counted = serde_json::from_slice(body).map_err(|e| DecodeError::new("", e.to_string()))?;
    Ok(c.input_tokens)
}

fn embed(r: &EmbedRequest, served: &str, losses: &mut Losses) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        model: &'a str,
        input: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        dimensions: Option<u32>,
        encoding_format: &'static str,
    }
    let EmbedRequest { input, batch: _, dimensions, task, title } = r;
    // Models without tasks make one kind of vectors, for every task.
    let why = "the model's provider knows no tasks of embeddings";
    if task.is_some() {
        losses.hint("taskType", why);
    }
    if title.is_some() {
        losses.hint("title", why);
    }
    let body = Body { model: served, input, dimensions: *dimensions, encoding_format: "float" };
    serde_json::to_vec(&body).unwrap_or_default()
}

fn vectors(body: &[u8], texts: usize) -> Result<EmbedReply, DecodeError> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Item>,
        usage: Option<Counts>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        index: usize,
        embedding: Box<RawValue>,
    }
    #[derive(Deserialize)]
    struct Counts {
        prompt_tokens: Option<u64>,
    }
    let list: List = serde_json::from_slice(body).map_err(|e| DecodeError::new("", e.to_string()))?;
    let mut data = list.data;
    data.sort_by_key(|i| i.index);
    if data.len() != texts || data.iter().any(|i| !i.embedding.get().starts_with('[')) {
        return Err(DecodeError::new("data", "is not one list of numbers for each text"));
    }
    let vectors = data.into_iter().map(|i| Raw(i.embedding)).collect();
    Ok(EmbedReply { vectors, tokens: list.usage.and_then(|u| u.prompt_tokens) })
}

#[cfg(test)]
mod tests;
