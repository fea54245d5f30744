//! How an upstream is spoken to.

use super::aside::count::is_count;
use super::aside::is_aside;
use crate::codec::Wire;
use crate::codec::messages::Platform;
use crate::surface::{Dialect, Surface};
use sallyport_config::model::{BedrockApi, KindSettings};
use sallyport_config::snapshot::Provider;

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The client's own bytes, with splices for the model and what the gateway asks on its behalf.
    Verbatim,
    /// The same for Claude on another platform: spliced into the form that the platform wants.
    Platform(Platform),
    /// In another wire format.
    Translated(Wire),
    /// Not at all: the provider has no such call, and the gateway answers with an estimate.
    Estimated,
}

/// How an upstream's answer is cut into events, where it is a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// AWS event-stream frames whose payload is the event.
    Frames,
    /// AWS event-stream frames that wrap Anthropic's events (InvokeModelWithResponseStream).
    Chunks,
}

/// What comes back from an upstream whose bytes do not pass to the client as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Back {
    /// Format of the answer.
    pub wire: Wire,
    /// Its framing.
    pub framing: Framing,
    /// Format of its errors.
    pub errors: Wire,
}

/// The wire format of a surface whose requests can be translated.
pub const fn front(surface: Surface) -> Option<Wire> {
    match surface {
        Surface::Chat => Some(Wire::Chat),
        Surface::Responses => Some(Wire::Responses),
        Surface::Messages => Some(Wire::Messages),
        Surface::Generate => Some(Wire::Gemini),
        _ => None,
    }
}

/// How `provider` is spoken to for a call on `surface`; `model`: its name there. None: it cannot serve it.
pub fn way(provider: &Provider, model: &str, surface: Surface) -> Option<Way> {
    use KindSettings as Kind;
    if is_count(surface) {
        return Some(super::aside::count::way(provider, model, surface));
    }
    let dialect = surface.dialect();
    let native = match &provider.settings {
        Kind::Openai(_) => matches!(dialect, Dialect::OpenAi | Dialect::Responses).then_some(Way::Verbatim),
        Kind::AzureOpenai(s) => (dialect == Dialect::OpenAi
            || (dialect == Dialect::Responses && s.has_responses()))
        .then_some(Way::Verbatim),
        // Compatible servers have Chat; of the Responses API they have to say it.
        Kind::OpenaiCompatible(s) => (matches!(dialect, Dialect::OpenAi | Dialect::Cohere)
            || (dialect == Dialect::Responses && s.responses))
            .then_some(Way::Verbatim),
        Kind::Anthropic(_) => (dialect == Dialect::Anthropic).then_some(Way::Verbatim),
        Kind::Vertex(_) if is_claude(model) && surface == Surface::Messages => {
            Some(Way::Platform(Platform::Vertex))
        }
        Kind::Bedrock(s)
            if is_claude(model)
                && surface == Surface::Messages
                && !matches!(s.api, Some(BedrockApi::Converse)) =>
        {
            Some(Way::Platform(Platform::Bedrock))
        }
        Kind::Gemini => (dialect == Dialect::Gemini).then_some(Way::Verbatim),
        Kind::Vertex(_) => (surface == Surface::Generate && !is_claude(model)).then_some(Way::Verbatim),
        Kind::Bedrock(_) => None,
    };
    if native.is_some() {
        return native;
    }
    if is_aside(surface) {
        return super::aside::way(provider.kind, model, surface).map(Way::Translated);
    }
    front(surface)?;
    Some(Way::Translated(match &provider.settings {
        // Sealed thoughts survive in Responses only.
        Kind::AzureOpenai(s) if !s.has_responses() => Wire::Chat,
        Kind::Openai(_) | Kind::AzureOpenai(_) => Wire::Responses,
        Kind::OpenaiCompatible(_) => Wire::Chat,
        Kind::Anthropic(_) => Wire::Messages,
        Kind::Gemini => Wire::Gemini,
        Kind::Vertex(_) if is_claude(model) => Wire::Messages,
        Kind::Vertex(_) => Wire::Gemini,
        Kind::Bedrock(s) if is_claude(model) && matches!(s.api, Some(BedrockApi::Invoke)) => Wire::Messages,
        Kind::Bedrock(_) => Wire::Converse,
    }))
}

/// `claude-sonnet-5`, `us.anthropic.claude-sonnet-5-v1:0`, an ARN that says it.
pub(super) fn is_claude(model: &str) -> bool {
    model.contains("claude")
}

impl Way {
    /// What comes back, where it is not what the client gets.
    pub fn back(self, provider: &Provider) -> Option<Back> {
        let bedrock = matches!(provider.settings, KindSettings::Bedrock(_));
        let errors = |wire| if bedrock { Wire::Converse } else { wire };
        match self {
            Self::Verbatim | Self::Platform(Platform::Anthropic | Platform::Vertex) | Self::Estimated => None,
            Self::Platform(Platform::Bedrock) => {
                Some(Back { wire: Wire::Messages, framing: Framing::Chunks, errors: Wire::Converse })
            }
            Self::Translated(wire) => {
                let framing = match wire {
                    Wire::Converse => Framing::Frames,
                    Wire::Messages if bedrock => Framing::Chunks,
                    _ => Framing::Sse,
                };
                Some(Back { wire, framing, errors: errors(wire) })
            }
        }
    }
}
