//! What clients ask beside turns of a conversation, and what has a counterpart elsewhere: token counts ([`count`]),
//! embeddings at OpenAI and compatible servers <https://platform.openai.com/docs/api-reference/embeddings>.

pub(super) mod count;

use super::reply::{Translated, unreadable};
use super::request::{Encoded, Translation, invalid, settle};
use super::way::Back;
use crate::codec::gemini::{self, EmbedReply, EmbedRequest};
use crate::codec::{DecodeError, Wire};
use crate::exchange::{Exchange, Target};
use crate::ir::{Losses, Raw, Tokens};
use crate::rejection::Rejection;
use crate::surface::Surface;
use sallyport_config::model::ProviderKind;
use sallyport_schema::call::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    /// A count, for a client of this format.
    Count(Wire),
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
    matches!(surface, Surface::GeminiEmbed | Surface::GeminiBatchEmbed)
}

/// The wire format of the counterpart; None: the provider has none.
pub(super) fn way(kind: ProviderKind, surface: Surface) -> Option<Wire> {
    match (kind, surface) {
        (
            ProviderKind::Openai | ProviderKind::OpenaiCompatible,
            Surface::GeminiEmbed | Surface::GeminiBatchEmbed,
        ) => Some(Wire::Chat),
        _ => None,
    }
}

impl Aside {
    /// Translates the answer.
    pub(super) fn reply(self, back: Wire, body: &[u8]) -> Result<Translated, Rejection> {
        match self {
            Self::Count(front) => count::reply(front, back, body),
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
    ) -> Result<(Self, Encoded), Rejection> {
        let asked = x.model_asked().unwrap_or_default();
        let served = target.model.as_deref().unwrap_or(asked);
        let mut losses = Losses::default();
        let r = gemini::decode_embed_request(&x.body.raw).map_err(|e| invalid(&e))?;
        let aside = Aside::Embed { batch: x.surface == Surface::GeminiBatchEmbed, texts: r.input.len() };
        let body = embed(&r, served, &mut losses);
        let dropped = settle(losses, Wire::Gemini, lossy, &target.provider.name)?;
        let translation = Self::of_aside(x, back, served, aside);
        Ok((translation, Encoded { body, dropped }))
    }
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
