//! What clients ask beside turns of a conversation, and what has a counterpart elsewhere: token counts ([`count`]),
//! embeddings ([`embed`]), rankings ([`rerank`]).

pub(super) mod count;
pub(super) mod embed;
pub(super) mod rerank;

use super::reply::{Translated, unreadable};
use super::request::{Encoded, Translation, invalid, settle};
use super::way::Back;
use crate::codec::{DecodeError, Wire};
use crate::exchange::{Exchange, Target};
use crate::ir::Losses;
use crate::outgoing::address::Operation;
use crate::rejection::Rejection;
use crate::surface::{Dialect, Surface};
use http::HeaderMap;
use sallyport_config::model::ProviderKind;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Aside {
    /// A count, for a client of this format.
    Count(Wire),
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
        Surface::Embeddings | Surface::GeminiEmbed | Surface::GeminiBatchEmbed | Surface::Rerank
    )
}

/// The wire format of the counterpart; None: the provider has none.
pub(super) fn way(kind: ProviderKind, model: &str, surface: Surface) -> Option<Wire> {
    match (kind, surface) {
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
}

/// The client's own format, for the names of its fields.
const fn front(x: &Exchange) -> Wire {
    match x.surface.dialect() {
        Dialect::Gemini => Wire::Gemini,
        Dialect::Anthropic => Wire::Messages,
        _ => Wire::Chat,
    }
}

#[cfg(test)]
mod tests;
