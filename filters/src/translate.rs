//! Translation of a call between the client's wire format and the upstream's, through the conversation IR.
//!
//! [`way`] decides how an upstream is spoken to. The same format passes verbatim (Claude on Bedrock and Vertex: with
//! splices). Otherwise the client's request is decoded once a call ([`decode`]), encoded for each attempt
//! ([`Translation::begin`]), and the answer comes back through [`Translation::reply`] or a [`Stream`].

mod error;
mod fields;
mod reply;
mod request;
mod stream;

pub use error::{UpstreamAnswer, answer_of, stream_fault};
pub use reply::Translated;
pub use request::{Encoded, Translation, decode};
pub use stream::{First, Stream, first};

use crate::codec::Wire;
use crate::surface::Surface;
use sallyport_config::model::ProviderKind;
use sallyport_config::snapshot::Provider;

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The client's own bytes, with splices.
    Verbatim,
    /// In another wire format.
    Translated(Wire),
}

/// The wire format of a surface whose requests can be translated.
pub const fn front(surface: Surface) -> Option<Wire> {
    match surface {
        Surface::Chat => Some(Wire::Chat),
        Surface::Responses => Some(Wire::Responses),
        Surface::Messages => Some(Wire::Messages),
        _ => None,
    }
}

/// How `provider` is spoken to for a call on `surface`; None: it cannot serve it.
pub fn way(provider: &Provider, surface: Surface) -> Option<Way> {
    let native = crate::selector::serves(provider.kind, surface.dialect());
    let verbatim = native && (surface != Surface::Responses || has_responses(provider));
    if verbatim {
        return Some(Way::Verbatim);
    }
    front(surface)?;
    Some(Way::Translated(match provider.kind {
        // Sealed thoughts survive in Responses only.
        ProviderKind::Openai => Wire::Responses,
        ProviderKind::OpenaiCompatible => Wire::Chat,
        ProviderKind::Anthropic => Wire::Messages,
    }))
}

/// Compatible servers have Chat; of the Responses API they have to say it.
fn has_responses(provider: &Provider) -> bool {
    provider.kind != ProviderKind::OpenaiCompatible
}
