//! The request: decoded once a call, encoded for each attempt.

use super::aside::Aside;
use super::fields;
use super::schemas;
use super::way::Back;
use crate::codec::chat::{self, ChatOptions, Thoughts};
use crate::codec::custom_tools::{self, CustomTools};
use crate::codec::responses::{self, Echo, Kept};
use crate::codec::tool_names::{self, NameMap, Rules};
use crate::codec::{DecodeError, Wire, converse, gemini, messages};
use crate::exchange::{Exchange, Target};
use crate::ir::block::{Body, Thinking};
use crate::ir::{Conversation, Loss, Losses, Origin};
use crate::rejection::{ErrorKind, Rejection};
use crate::surface::Surface;
use sallyport_config::model::{KindSettings, ProviderKind, ReasoningField};
use sallyport_config::snapshot::Provider;
use std::sync::Arc;

/// One attempt's translation: what the way back must know of the way there.
#[derive(Debug)]
pub struct Translation {
    pub(super) front: Wire,
    pub(super) back: Back,
    /// The model as the client asked for it.
    pub(super) asked: String,
    /// The model at the provider.
    pub(super) served: String,
    /// Id for an answer whose provider gives none.
    pub(super) id: String,
    /// Unix seconds of the call.
    pub(super) created: i64,
    pub(super) stream: bool,
    /// How a Gemini client's stream is framed.
    pub(super) framing: gemini::Framing,
    /// Chat's `include_usage`.
    pub(super) stream_usage: bool,
    /// Chat's functions from before tools.
    pub(super) function_call: bool,
    pub(super) names: NameMap,
    pub(super) custom: CustomTools,
    pub(super) echo: Echo,
    /// The gateway keeps the answer (Responses).
    pub(super) kept: Option<Kept>,
    /// It is no turn of a conversation.
    pub(super) aside: Option<Aside>,
}

/// What goes out.
#[derive(Debug)]
pub struct Encoded {
    /// The body.
    pub body: Vec<u8>,
    /// Bodies of further calls, where one request of the client's is several there.
    pub more: Vec<Vec<u8>>,
    /// Fields of the client's that the upstream does not get to see.
    pub dropped: Vec<String>,
}

/// Decodes the client's request. `model`: for formats that have it in the path.
///
/// # Errors
/// 400 that names the field.
pub fn decode(x: &Exchange, front: Wire) -> Result<Arc<Conversation>, Rejection> {
    let raw = &x.body.raw;
    let decoded = match front {
        Wire::Chat => chat::decode_request(raw),
        Wire::Responses => responses::decode_request(raw),
        Wire::Messages => messages::decode_request(raw),
        Wire::Gemini => gemini::decode_request(raw, x.model_asked().unwrap_or_default(), x.body.stream()),
        Wire::Converse => Err(DecodeError::new("", "no client speaks this format")),
    };
    let mut c = decoded.map_err(|e| invalid(&e))?;
    // Signatures that travelled in call ids, because the client's format has no field for them.
    gemini::extract_conversation(&mut c);
    summarise(&mut c);
    Ok(Arc::new(c))
}

/// What is shown of OpenAI's sealed thoughts is a summary. Formats that have one text for both give it back as the
/// thought itself; it must reach OpenAI as what it was.
fn summarise(c: &mut Conversation) {
    for block in c.messages.iter_mut().flat_map(|m| &mut m.content) {
        if let Body::Thinking(Thinking { text, summary, signature: Some(s), redacted: _ }) = &mut block.body
            && s.origin == Origin::OpenAi
            && !s.value.is_empty()
            && summary.is_empty()
            && !text.is_empty()
        {
            summary.push(std::mem::take(text));
        }
    }
}

pub(super) fn invalid(e: &DecodeError) -> Rejection {
    let message =
        if e.field.is_empty() { e.why.clone() } else { format!("Invalid '{}': {}.", e.field, e.why) };
    let rejection = Rejection::client(ErrorKind::InvalidRequest, "invalid_request", message);
    if e.field.is_empty() { rejection } else { rejection.param(e.field.clone()) }
}

impl Translation {
    /// Encodes the conversation for `target`. `lossy`: what the upstream's format cannot say is dropped instead of
    /// refused.
    ///
    /// # Errors
    /// 400 that names the client's field.
    pub fn begin(
        x: &Exchange,
        c: &Conversation,
        front: Wire,
        back: Back,
        target: &Target,
        lossy: bool,
    ) -> Result<(Self, Encoded), Rejection> {
        let served = target.model.as_deref().unwrap_or(&c.model).to_owned();
        let echo = if front == Wire::Responses { Echo::of(c) } else { Echo::default() };
        let mut losses = Losses::default();
        let mut c = c.clone();
        let kept = kept(x, front);
        if kept.is_some() {
            // The gateway does it.
            c.settings.store = None;
        } else if front == Wire::Responses && c.settings.store == Some(true) {
            // To come back to the answer is what the client wants.
            c.settings.store = None;
            losses.add("store", "it keeps no responses, and this gateway is set up to keep none for it");
        }
        let openai = matches!(target.provider.kind, ProviderKind::Openai | ProviderKind::AzureOpenai);
        let wire = back.wire;
        let chat = (wire == Wire::Chat).then(|| chat_options(&target.provider));
        let free_text = wire == Wire::Responses || chat.as_ref().is_some_and(|o| o.custom_tools);
        let custom = if free_text { CustomTools::default() } else { custom_tools::wrap(&mut c, &mut losses) };
        let rules = match wire {
            Wire::Chat => Rules::CHAT,
            Wire::Responses => Rules::RESPONSES,
            Wire::Messages => Rules::ANTHROPIC,
            Wire::Gemini => Rules::GEMINI,
            Wire::Converse => Rules::CONVERSE,
        };
        let names = tool_names::flatten(&mut c, &rules);
        schemas::suit(&mut c, front, wire, openai, &mut losses);
        let body = match wire {
            Wire::Chat => chat::encode_request(&c, &served, &chat.unwrap_or_default(), &mut losses),
            Wire::Responses => {
                responses::encode_request(&c, &served, &responses::RequestOptions::default(), &mut losses)
            }
            Wire::Messages => {
                let platform = match target.provider.kind {
                    ProviderKind::Bedrock => messages::Platform::Bedrock,
                    ProviderKind::Vertex => messages::Platform::Vertex,
                    _ => messages::Platform::Anthropic,
                };
                let options = messages::RequestOptions { platform, ..Default::default() };
                messages::encode_request(&c, &served, &options, &mut losses)
            }
            Wire::Gemini => {
                let platform = match target.provider.kind {
                    ProviderKind::Vertex => gemini::Platform::Vertex,
                    _ => gemini::Platform::GeminiApi,
                };
                gemini::encode_request(&c, &served, &gemini::Options::of(platform), &mut losses)
            }
            Wire::Converse => converse::encode_request(&c, &served, &mut losses),
        };
        newer_name(&mut losses, front, &x.body.raw);
        let dropped = settle(losses, front, lossy, &target.provider.name)?;
        let translation = Self {
            front,
            back,
            asked: c.model,
            served,
            id: x.id.simple().to_string(),
            created: x.started_at.unix_timestamp(),
            stream: c.settings.stream,
            framing: x.body.framing(),
            stream_usage: c.settings.stream_usage,
            function_call: front == Wire::Chat && speaks_of_functions(&x.body.raw),
            names,
            custom,
            echo,
            kept,
            aside: None,
        };
        Ok((translation, Encoded { body, more: Vec::new(), dropped }))
    }

    /// The way back of a call that is no turn of a conversation.
    pub(super) fn of_aside(x: &Exchange, front: Wire, back: Back, served: &str, aside: Aside) -> Self {
        Self {
            front,
            back,
            asked: x.model_asked().unwrap_or_default().to_owned(),
            served: served.to_owned(),
            id: x.id.simple().to_string(),
            created: x.started_at.unix_timestamp(),
            stream: false,
            framing: x.body.framing(),
            stream_usage: false,
            function_call: false,
            names: NameMap::default(),
            custom: CustomTools::default(),
            echo: Echo::default(),
            kept: None,
            aside: Some(aside),
        }
    }

    /// The object of a response that will be made in the background.
    pub fn queued(&self) -> Vec<u8> {
        responses::encode_queued(&self.responses())
    }

    /// Does the gateway keep the answer?
    pub fn kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Did the client ask for an event stream?
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// Is the stream a JSON array, not events?
    pub fn array(&self) -> bool {
        self.front == Wire::Gemini && self.stream && self.framing == gemini::Framing::Array
    }

    /// Is a whole answer told as a stream of one event? (A Gemini client that asked for events can read nothing else.)
    pub fn one_event(&self) -> bool {
        self.front == Wire::Gemini && self.stream && self.framing == gemini::Framing::Sse
    }
}

/// What the gateway keeps of the answer: of Responses, unless the client or the configuration says not to.
fn kept(x: &Exchange, front: Wire) -> Option<Kept> {
    let wanted = front == Wire::Responses
        && x.surface == Surface::Responses
        && x.snapshot.config.responses.keep
        && x.body.store() != Some(false);
    wanted.then(|| {
        let turn = x.turn.as_deref();
        Kept {
            id: crate::kept::id_of(turn.and_then(|t| t.background).unwrap_or(x.id)),
            previous: turn.and_then(|t| t.previous.clone()),
            background: turn.is_some_and(|t| t.background.is_some()),
        }
    })
}

/// What a provider that speaks Chat takes.
fn chat_options(provider: &Provider) -> ChatOptions {
    match &provider.settings {
        KindSettings::AzureOpenai(s) => {
            s.api_version.as_deref().map_or_else(ChatOptions::openai, ChatOptions::azure)
        }
        KindSettings::Openai(_) => ChatOptions::openai(),
        KindSettings::OpenaiCompatible(s) => {
            let known = compatible(&provider.host);
            let thoughts = s.reasoning_field.map_or(known.thoughts, |field| match field {
                ReasoningField::ReasoningContent => Thoughts::Content,
                ReasoningField::Reasoning => Thoughts::Reasoning,
                ReasoningField::Both => Thoughts::Both,
            });
            ChatOptions { thoughts, ..known }
        }
        _ => compatible(&provider.host),
    }
}

/// What is known of a compatible server by its host's name.
fn compatible(host: &str) -> ChatOptions {
    let is = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|h| h.ends_with('.'));
    match () {
        () if is("mistral.ai") => ChatOptions::mistral(),
        () if is("deepseek.com") => ChatOptions::deepseek(),
        () if is("groq.com") => ChatOptions::groq(),
        () if is("openrouter.ai") => ChatOptions::openrouter(),
        () if is("googleapis.com") => ChatOptions::gemini(),
        () if at_home(host) => ChatOptions { thoughts: Thoughts::Both, ..ChatOptions::compatible() },
        () => ChatOptions::compatible(),
    }
}

/// Is it a server of one's own (an address, a name without a domain, a service in a cluster), not a hosted service?
fn at_home(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let inside = [".local", ".internal", ".svc", ".lan", ".localhost"].iter().any(|end| host.ends_with(end));
    inside || !host.contains('.') || host.parse::<std::net::IpAddr>().is_ok()
}

/// OpenAI's clients say `safety_identifier` or, by its older name, `user`; the conversation has one place for both.
fn newer_name(losses: &mut Losses, front: Wire, raw: &[u8]) {
    if matches!(front, Wire::Chat | Wire::Responses)
        && let Some(loss) = losses.0.iter_mut().find(|l| l.field == "user")
        && memchr::memmem::find(raw, b"\"safety_identifier\"").is_some()
    {
        loss.field = "safety_identifier".to_owned();
    }
}

/// A Chat client from before tools gets `function_call` back.
fn speaks_of_functions(raw: &[u8]) -> bool {
    memchr::memmem::find(raw, b"\"functions\"").is_some()
        && serde_json::from_slice::<Top<'_>>(raw).is_ok_and(|t| t.functions.is_some() && t.tools.is_none())
}

#[derive(serde::Deserialize)]
struct Top<'a> {
    #[serde(borrow)]
    functions: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow)]
    tools: Option<&'a serde_json::value::RawValue>,
}

/// Refuses what must not be lost; what may be is named.
pub(super) fn settle(
    losses: Losses,
    front: Wire,
    lossy: bool,
    provider: &str,
) -> Result<Vec<String>, Rejection> {
    let serious = |l: &&Loss| {
        !l.harmless
            && match front {
                Wire::Responses => !responses::harmless(&l.field),
                Wire::Gemini => !gemini::harmless(&l.field),
                Wire::Messages => !messages::harmless(&l.field),
                _ => true,
            }
    };
    if !lossy && let Some(loss) = losses.0.iter().find(serious) {
        let field = fields::of_front(front, &loss.field).into_owned();
        let message =
            format!("'{field}' cannot be passed on to the provider of this model: {}.", loss.reason);
        return Err(Rejection::client(ErrorKind::InvalidRequest, "unsupported_parameter", message)
            .param(field)
            .detail(format!("translation for provider '{provider}'")));
    }
    let mut dropped: Vec<String> =
        losses.0.iter().map(|l| fields::of_front(front, &l.field).into_owned()).collect();
    dropped.dedup();
    Ok(dropped)
}

#[cfg(test)]
mod tests;
