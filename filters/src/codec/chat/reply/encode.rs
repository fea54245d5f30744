//! Whole answers, to be written.

use crate::codec::chat::encode::tools::flat_name;
use crate::codec::chat::encode::wire::{CallBodyOut, CallOut, ImageOut, PartOut, SealsOut, Url};
use crate::codec::chat::thoughts::{self, DetailOut};
use crate::codec::chat::usage::UsageOut;
use crate::codec::tiers;
use crate::ir::Conversation;
use crate::ir::block::{Body, CallKind, Citation, Media, Source, Thinking, ToolCall};
use crate::ir::reply::{Choice, Reply, Stop, StopReason};
use crate::ir::signature::Origin;
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What an answer's encoder must know of the request.
#[derive(Clone, Debug, Default)]
pub struct EncodeReply {
    /// The model as the client asked for it.
    pub model: String,
    /// Unix seconds, for an answer that does not say when it was made.
    pub created: i64,
    /// Id for an answer that has none.
    pub id: String,
    /// The client asked for a last chunk with the usage (streams only).
    pub include_usage: bool,
    /// The client speaks of `functions`, the form before tools: it gets `function_call`.
    pub function_call: bool,
}

impl EncodeReply {
    /// For the answer to a request; `id` and `created` are used where the provider gives none.
    pub fn of(request: &Conversation, id: impl Into<String>, created: i64) -> Self {
        let old = request.tools.first().is_some_and(|t| t.at.0.starts_with("functions["));
        Self {
            model: request.model.clone(),
            created,
            id: id.into(),
            include_usage: request.settings.stream_usage,
            function_call: old,
        }
    }
}

#[derive(Serialize)]
struct ReplyOut<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
}

#[derive(Serialize)]
struct ChoiceOut<'a> {
    index: usize,
    message: AnswerOut<'a>,
    logprobs: Option<LogprobsOut<'a>>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
pub(crate) struct LogprobsOut<'a> {
    pub(crate) content: &'a RawValue,
    pub(crate) refusal: Option<&'a RawValue>,
}

#[derive(Default, Serialize)]
struct AnswerOut<'a> {
    role: &'static str,
    content: Option<Cow<'a, str>>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<DetailOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<AnnotationOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<AudioOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<PartOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<CallBodyOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<SealsOut<'a>>,
}

/// A source.
#[derive(Serialize)]
pub(crate) struct AnnotationOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url_citation: UrlCitationOut<'a>,
}

#[derive(Serialize)]
struct UrlCitationOut<'a> {
    start_index: u32,
    end_index: u32,
    url: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

impl<'a> AnnotationOut<'a> {
    /// A page as a source; `block`: where the block's text begins and ends in the whole. None: the format knows only
    /// pages.
    pub(crate) fn new(c: &'a Citation, block: (u32, u32)) -> Option<Self> {
        // Where it is not said which words: all of the block's.
        let (start, end) = c.range.unwrap_or((0, block.1 - block.0));
        Some(Self {
            kind: "url_citation",
            url_citation: UrlCitationOut {
                start_index: block.0.saturating_add(start),
                end_index: block.0.saturating_add(end),
                url: c.url.as_deref()?,
                title: c.title.as_deref().unwrap_or_default(),
                content: c.cited_text.as_deref(),
            },
        })
    }
}

/// A sound of the model's.
#[derive(Serialize)]
pub(crate) struct AudioOut<'a> {
    pub(crate) id: &'a str,
    pub(crate) data: &'a str,
    /// Other providers keep no sounds: it expires when it is made.
    pub(crate) expires_at: i64,
    pub(crate) transcript: &'a str,
}

/// Encodes an answer for the client.
pub fn encode_reply(r: &Reply, x: &EncodeReply) -> Vec<u8> {
    let Reply { id, model: _, created, choices, tokens, service_tier, blocked } = r;
    let id = if id.is_empty() { &x.id } else { id };
    let created = created.unwrap_or(x.created);
    let mut out: Vec<_> = choices.iter().enumerate().map(|(i, c)| choice(c, i, id, created, x)).collect();
    if let (true, Some(_)) = (out.is_empty(), blocked) {
        // The format has no blocked prompt: an answer that was filtered wholly is its nearest.
        out.push(ChoiceOut {
            index: 0,
            message: AnswerOut { role: "assistant", content: Some("".into()), ..AnswerOut::default() },
            logprobs: None,
            finish_reason: "content_filter",
        });
    }
    let reply = ReplyOut {
        id,
        object: "chat.completion",
        created,
        model: &x.model,
        choices: out,
        usage: tokens.as_ref().map(UsageOut::from),
        service_tier: service_tier.as_deref().and_then(tiers::openai),
    };
    // A struct of strings and JSON always serialises.
    serde_json::to_vec(&reply).unwrap_or_default()
}

fn choice<'a>(c: &'a Choice, index: usize, id: &'a str, created: i64, x: &EncodeReply) -> ChoiceOut<'a> {
    let Choice { content, stop, logprobs } = c;
    let mut m = AnswerOut { role: "assistant", ..AnswerOut::default() };
    let mut chars = 0;
    for b in content {
        match &b.body {
            Body::Text { text, citations, signature } => {
                let end = chars + count(text);
                m.annotations.extend(citations.iter().filter_map(|c| AnnotationOut::new(c, (chars, end))));
                chars = end;
                match &mut m.content {
                    Some(all) => all.to_mut().push_str(text),
                    None => m.content = Some(Cow::Borrowed(text)),
                }
                let google = signature.as_ref().filter(|s| s.origin == Origin::Google);
                m.extra_content = google.map(|s| SealsOut::new(&s.value)).or(m.extra_content);
            }
            Body::Refusal(text) => m.refusal.get_or_insert_default().push_str(text),
            Body::Thinking(t) => thought(t, &mut m),
            Body::ToolCall(call) if x.function_call => {
                if m.function_call.is_none() {
                    m.function_call = Some(body(call));
                }
            }
            Body::ToolCall(call) => m.tool_calls.push(tool_call(call)),
            Body::Audio(media) => m.audio = audio(media, id, created),
            Body::Image(media) => m.images.extend(image(media)),
            // What only a provider's own clients can read.
            Body::Document(_)
            | Body::Video(_)
            | Body::ToolResult(_)
            | Body::Server { .. }
            | Body::Opaque { .. } => {}
        }
    }
    for b in content {
        if let Body::ToolCall(ToolCall { signature: Some(s), id, .. }) = &b.body {
            let index = u32::try_from(m.reasoning_details.len()).unwrap_or(u32::MAX);
            m.reasoning_details.push(DetailOut::sealed(s, Some(id), index));
        }
    }
    let calls = !m.tool_calls.is_empty() || m.function_call.is_some();
    if !calls && m.content.is_none() && m.refusal.is_none() && m.audio.is_none() {
        // Null is for answers that are something else; clients take it for that.
        m.content = Some(Cow::Borrowed(""));
    }
    let finish_reason = finish(stop.as_ref(), m.refusal.is_some(), x.function_call);
    let logprobs = logprobs.as_ref().map(|l| LogprobsOut { content: &l.0, refusal: None });
    ChoiceOut { index, message: m, logprobs, finish_reason }
}

/// Characters, as the format counts places in texts.
pub(crate) fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

fn thought<'a>(t: &'a Thinking, m: &mut AnswerOut<'a>) {
    for text in thoughts::readable(t) {
        let to = m.reasoning_content.get_or_insert_default();
        if !to.is_empty() {
            to.push_str("\n\n");
        }
        to.push_str(text);
    }
    thoughts::write(t, &mut m.reasoning_details);
}

fn body(c: &ToolCall) -> CallBodyOut<'_> {
    let ToolCall { id: _, name, namespace, arguments, kind, signature: _ } = c;
    let name = Some(flat_name(namespace.as_deref(), name));
    match kind {
        CallKind::Function => CallBodyOut { name, arguments: Some(arguments), input: None },
        CallKind::Custom => CallBodyOut { name, input: Some(arguments), arguments: None },
    }
}

/// A call. A signature is Gemini's own way to tell it, and told once more among the thoughts for OpenRouter's clients.
fn tool_call(c: &ToolCall) -> CallOut<'_> {
    let google = c.signature.as_ref().filter(|s| s.origin == Origin::Google);
    let mut out = CallOut {
        id: Some(Cow::Borrowed(&c.id)),
        extra_content: google.map(|s| SealsOut::new(&s.value)),
        ..CallOut::default()
    };
    match c.kind {
        CallKind::Function => (out.kind, out.function) = (Some("function"), Some(body(c))),
        CallKind::Custom => (out.kind, out.custom) = (Some("custom"), Some(body(c))),
    }
    out
}

fn audio<'a>(m: &'a Media, id: &'a str, created: i64) -> Option<AudioOut<'a>> {
    let Source::Base64(data) = &m.source else { return None };
    let id = m.name.as_deref().unwrap_or(id);
    Some(AudioOut { id, data, expires_at: created, transcript: m.context.as_deref().unwrap_or_default() })
}

/// A picture, in OpenRouter's form.
pub(crate) fn image(m: &Media) -> Option<PartOut<'_>> {
    let url = match &m.source {
        Source::Base64(data) => Url::Data { mime: m.mime.as_deref().unwrap_or("image/png"), data },
        Source::Url(url) => Url::Plain(url),
        Source::File { .. } | Source::Text(_) => return None,
    };
    Some(PartOut { kind: "image_url", image_url: Some(ImageOut { url, detail: None }), ..PartOut::default() })
}

/// Why it stopped, in the format's five words.
pub(crate) fn finish(stop: Option<&Stop>, refused: bool, function_call: bool) -> &'static str {
    match stop.map(|s| s.reason) {
        Some(StopReason::MaxTokens | StopReason::ContextFull) => "length",
        Some(StopReason::ToolUse) if function_call => "function_call",
        Some(StopReason::ToolUse) => "tool_calls",
        // Where the refusal is told in words, OpenAI says `stop`.
        Some(StopReason::Refusal) if !refused => "content_filter",
        Some(StopReason::ContentFilter) => "content_filter",
        Some(
            StopReason::End
            | StopReason::StopSequence
            | StopReason::Refusal
            | StopReason::Pause
            | StopReason::BadToolCall
            | StopReason::Other,
        )
        | None => "stop",
    }
}
