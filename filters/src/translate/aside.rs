//! What clients ask beside turns of a conversation, and what has a counterpart elsewhere: token counts of Gemini's
//! clients at Anthropic <https://docs.anthropic.com/en/api/messages-count-tokens> and OpenAI
//! <https://platform.openai.com/docs/api-reference/responses/input-tokens>, embeddings ([`embed`]), rankings
//! ([`rerank`]).

pub(super) mod embed;
pub(super) mod rerank;

use super::reply::{Translated, unreadable};
use super::request::{Encoded, Translation, invalid, settle};
use super::way::Back;
use crate::codec::gemini;
use crate::codec::tool_names::{self, Rules};
use crate::codec::{DecodeError, Wire, messages, responses};
use crate::exchange::{Exchange, Target};
use crate::ir::{Conversation, Losses, Settings};
use crate::outgoing::address::Operation;
use crate::rejection::Rejection;
use crate::surface::{Dialect, Surface};
use http::HeaderMap;
use sallyport_config::model::ProviderKind;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Aside {
    /// A count.
    Count,
    /// Vectors.
    Embed(embed::Embedding),
    /// A ranking.
    Rerank(Box<crate::codec::rerank::Request>),
}

/// A whole answer of an upstream.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its headers: Bedrock says tokens there.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
}

/// Is it a call of this kind?
pub const fn is_aside(surface: Surface) -> bool {
    matches!(
        surface,
        Surface::GeminiCountTokens
            | Surface::Embeddings
            | Surface::GeminiEmbed
            | Surface::GeminiBatchEmbed
            | Surface::Rerank
    )
}

/// The wire format of the counterpart; None: the provider has none.
pub(super) fn way(kind: ProviderKind, model: &str, surface: Surface) -> Option<Wire> {
    match (kind, surface) {
        (ProviderKind::Anthropic, Surface::GeminiCountTokens) => Some(Wire::Messages),
        (ProviderKind::Openai, Surface::GeminiCountTokens) => Some(Wire::Responses),
        (_, Surface::Embeddings | Surface::GeminiEmbed | Surface::GeminiBatchEmbed) => {
            embed::way(kind, model)
        }
        (_, Surface::Rerank) => rerank::way(kind, model),
        _ => None,
    }
}

impl Aside {
    /// Is it more than the body of one answer: several answers, or what headers say?
    const fn is_whole(&self) -> bool {
        matches!(self, Self::Embed(_) | Self::Rerank(_))
    }
}

impl Translation {
    /// Encodes a call of this kind for `target`; also what is asked of it.
    ///
    /// # Errors
    /// 400 that names the client's field.
    pub fn aside(
        x: &Exchange,
        back: Back,
        target: &Target,
        lossy: bool,
    ) -> Result<(Self, Encoded, Operation<'static>), Rejection> {
        let asked = x.model_asked().unwrap_or_default();
        let served = target.model.as_deref().unwrap_or(asked);
        let mut losses = Losses::default();
        let kind = target.provider.kind;
        let (aside, operation, bodies) = match x.surface {
            Surface::GeminiCountTokens => {
                let c = gemini::decode_count_request(&x.body.raw, asked).map_err(|e| invalid(&e))?;
                (Aside::Count, Operation::CountTokens, vec![count(c, back.wire, served, &mut losses)])
            }
            Surface::Rerank => {
                let r = rerank::decode(&x.body.raw).map_err(|e| invalid(&e))?;
                let body = rerank::encode(&r, served, &mut losses);
                (Aside::Rerank(Box::new(r)), Operation::Rerank, vec![body])
            }
            _ => {
                let (r, mut embedding) = embed::decode(x).map_err(|e| invalid(&e))?;
                let bodies = embedding.encode(&r, kind, served, &mut losses);
                (Aside::Embed(embedding), embedding.operation(), bodies)
            }
        };
        let mut bodies = bodies.into_iter();
        let first = bodies.next();
        // Without a body the input itself is lost: nothing can be left out then.
        let front = front(x);
        let dropped = settle(losses, front, lossy && first.is_some(), &target.provider.name)?;
        let encoded = Encoded { body: first.unwrap_or_default(), more: bodies.collect(), dropped };
        Ok((Self::of_aside(x, front, back, served, aside), encoded, operation))
    }

    /// Is the answer put together of whole ones by [`Translation::joined`]?
    pub fn is_whole(&self) -> bool {
        self.aside.as_ref().is_some_and(Aside::is_whole)
    }

    /// Puts the answers to a call and to what was [`Encoded::more`] together, in their order.
    ///
    /// # Errors
    /// The upstream sent what is no answer of its format.
    pub fn joined(&self, answers: &[Answer<'_>]) -> Result<Translated, Rejection> {
        let joined = match (&self.aside, answers) {
            (Some(Aside::Embed(e)), _) => e.reply(&self.asked, answers),
            (Some(Aside::Rerank(r)), [only]) => rerank::reply(r, &self.id, only),
            (_, [only]) => return self.reply(only.body),
            _ => Err(DecodeError::new("", "one answer was expected")),
        };
        joined.map_err(|e| unreadable(&e))
    }

    /// Translates a count.
    pub(super) fn counted(&self, body: &[u8]) -> Result<Translated, Rejection> {
        let n = match self.back.wire {
            Wire::Messages => messages::decode_count_tokens_reply(body),
            _ => counted(body),
        };
        let body = gemini::encode_count_reply(n.map_err(|e| unreadable(&e))?);
        Ok(Translated { body, tokens: None })
    }
}

/// The client's own format, for the names of its fields.
const fn front(x: &Exchange) -> Wire {
    match x.surface.dialect() {
        Dialect::Gemini => Wire::Gemini,
        Dialect::Anthropic => Wire::Messages,
        _ => Wire::Chat,
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

#[cfg(test)]
mod tests;
