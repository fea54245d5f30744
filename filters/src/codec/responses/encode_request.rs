//! A conversation as a request for OpenAI, Azure or a server that speaks the same.

use super::encode_items::{InItem, Items, field};
use super::tools::{Out, OutChoice};
use super::websearch;
use crate::ir::block::Body;
use crate::ir::settings::{Effort, Format, Reasoning};
use crate::ir::tool::{Tool, ToolBody, ToolChoice};
use crate::ir::{Conversation, Losses, Message, Origin, Raw, Role, Settings};
use serde::Serialize;
use serde::ser::SerializeMap;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// What depends on who asks and who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOptions {
    /// The client speaks another dialect: where this one's defaults differ from all others', the others' are said.
    /// Nothing is stored (`store: false`), functions are not strict unless asked, sealed thoughts are asked for where
    /// the client asks for thinking, and unknown fields are losses (to a client of this dialect they are said again).
    pub foreign: bool,
    /// Explicit cache points (`prompt_cache_breakpoint`): models from gpt-5.6 on.
    pub cache_breakpoints: bool,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self { foreign: true, cache_breakpoints: false }
    }
}

impl RequestOptions {
    /// For a client of this dialect.
    pub const NATIVE: Self = Self { foreign: false, cache_breakpoints: true };
}

/// The least `max_output_tokens` that the API takes.
const LEAST_TOKENS: u64 = 16;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
    input: Vec<InItem<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<AnyTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<OutChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<OutReasoning<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    background: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_response_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_retention: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_identifier: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    metadata: Pairs<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(flatten)]
    extra: Extra<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum AnyTool<'a> {
    Own(Out<'a>),
    Search(websearch::Out),
}

/// A map of strings in its order.
pub(super) struct Pairs<'a>(pub(super) &'a [(String, String)]);

impl Pairs<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(k, v)| (k, v)))
    }
}

/// Fields said again as they came.
#[derive(Default)]
pub(super) struct Extra<'a>(Vec<(&'a str, &'a Raw)>);

impl Serialize for Extra<'_> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
pub(super) struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<OutFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verbosity: Option<&'a str>,
    #[serde(flatten)]
    pub(super) extra: Extra<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutFormat<'a> {
    Text,
    JsonObject,
    JsonSchema {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        schema: &'a Raw,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
}

impl<'a> OutFormat<'a> {
    pub(super) fn of(format: &'a Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::JsonObject => Self::JsonObject,
            Format::JsonSchema { name, description, schema, strict } => Self::JsonSchema {
                // Required here; other dialects have none.
                name: name.as_deref().unwrap_or("response"),
                description: description.as_deref(),
                schema,
                strict: *strict,
            },
        }
    }
}

#[derive(Serialize)]
struct OutReasoning<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
    #[serde(flatten)]
    extra: Extra<'a>,
}

/// Encodes a request for an upstream; `model` is the provider's name for it.
pub fn encode_request(
    c: &Conversation,
    model: &str,
    options: &RequestOptions,
    losses: &mut Losses,
) -> Vec<u8> {
    let Conversation { model: _, messages, tools, tool_choice, settings, extra } = c;
    let (instructions, turns) = instructions(messages);
    let mut items = Items::new(c, options, losses);
    for message in turns {
        items.message(message);
    }
    let input = items.out;
    let mut request = encode_settings(settings, options, losses);
    request.model = model;
    request.instructions = instructions;
    request.input = input;
    request.tools = encode_tools(tools, options, losses);
    request.tool_choice = tool_choice.as_ref().map(|choice| OutChoice(choice, tools));
    if let Some(ToolChoice::Server(kind)) = tool_choice
        && !tools.iter().any(|t| t.name == *kind)
    {
        losses.add("tool_choice", "no such tool runs at this provider");
        request.tool_choice = None;
    }
    if options.foreign && tools.is_empty() && matches!(tool_choice, Some(ToolChoice::Auto | ToolChoice::None))
    {
        // Says nothing without tools; some servers refuse it.
        request.tool_choice = None;
    }
    if options.foreign && request.store.is_some_and(|stored| !stored) {
        let sealed = messages.iter().flat_map(|m| &m.content).any(|b| match &b.body {
            Body::Thinking(t) => t.signature.as_ref().is_some_and(|s| s.origin == Origin::OpenAi),
            _ => false,
        });
        let asked = settings.reasoning.as_ref().is_some_and(wants_thoughts);
        // Only reasoning models take this; a client that asks for thinking, or sends thoughts back, has one.
        if (sealed || asked) && !settings.encrypted_reasoning {
            request.include.push(ENCRYPTED.into());
        }
    }
    for (path, value) in extra {
        match path.as_str() {
            "include" if !options.foreign => {
                request.include.extend(serde_json::from_str::<Vec<String>>(value.text()).unwrap_or_default());
            }
            path if !options.foreign && request.again(path, value) => {}
            path if super::harmless(path) => losses.hint(path, "it stays behind in translation"),
            path => losses.add(path, "the Responses API has no such field"),
        }
    }
    // A struct of strings and numbers always serialises.
    serde_json::to_vec(&request).unwrap_or_default()
}

impl<'a> Request<'a> {
    /// Says a field again where it stood; false: it stood inside something that is written anew.
    fn again(&mut self, path: &'a str, value: &'a Raw) -> bool {
        let place = match path.split_once('.') {
            None if !path.contains('[') => Some((&mut self.extra, path)),
            Some(("reasoning", key)) => self.reasoning.as_mut().map(|r| (&mut r.extra, key)),
            Some(("text", key)) if !key.contains('.') => self.text.as_mut().map(|t| (&mut t.extra, key)),
            _ => None,
        };
        place.map(|(extra, key)| extra.0.push((key, value))).is_some()
    }
}

const ENCRYPTED: &str = "reasoning.encrypted_content";

fn wants_thoughts(r: &Reasoning) -> bool {
    r.enabled != Some(false)
        && (r.enabled.is_some()
            || r.adaptive
            || r.budget.is_some()
            || r.effort.is_some_and(|e| e > Effort::None))
}

/// A system message of one plain text at the very beginning is `instructions`.
pub(super) fn instructions(messages: &[Message]) -> (Option<&str>, &[Message]) {
    if let [first, rest @ ..] = messages
        && first.role == Role::System
        && first.name.is_none()
        && let [block] = &first.content[..]
        && block.cache.is_none()
        && let Some(text) = block.as_text()
    {
        return (Some(text), rest);
    }
    (None, messages)
}

fn encode_tools<'a>(tools: &'a [Tool], options: &RequestOptions, losses: &mut Losses) -> Vec<AnyTool<'a>> {
    let strict = options.foreign.then_some(false);
    let mut out = Vec::with_capacity(tools.len());
    for tool in tools {
        let Tool { name, description: _, body, cache, extra, at } = tool;
        if cache.is_some() {
            losses.hint(field(at, "cache_control"), "the provider chooses cache points itself");
        }
        if options.foreign {
            for (key, _) in extra {
                const WHY: &str = "tools have no such field at this provider";
                match key.as_str() {
                    // How and when the provider reads the tool, not what it is.
                    "defer_loading" | "eager_input_streaming" | "allowed_callers" | "input_examples" => {
                        losses.hint(field(at, key), WHY);
                    }
                    _ => losses.add(field(at, key), WHY),
                }
            }
        }
        match body {
            ToolBody::Server { origin, kind, raw } if *origin != Origin::OpenAi => {
                match websearch::tool(*kind, *origin, raw, at, losses) {
                    Some(search) => out.push(AnyTool::Search(search)),
                    None => losses.add(field(at, name), "only another provider runs this tool"),
                }
            }
            _ => out.push(AnyTool::Own(Out::new(tool, strict, !options.foreign))),
        }
    }
    out
}

fn encode_settings<'a>(s: &'a Settings, options: &RequestOptions, losses: &mut Losses) -> Request<'a> {
    let Settings {
        max_tokens,
        temperature,
        top_p,
        top_k,
        stop,
        n,
        seed,
        logprobs,
        top_logprobs,
        presence_penalty,
        frequency_penalty,
        logit_bias,
        reasoning,
        format,
        verbosity,
        parallel_tools,
        service_tier,
        user,
        metadata,
        cache_key,
        cache_retention,
        stream,
        stream_usage: _,
        modalities,
        audio,
        store,
        previous_response,
        background,
        encrypted_reasoning,
    } = s;
    for (said, name) in [
        (top_k.is_some(), "top_k"),
        (!stop.is_empty(), "stop"),
        (n.is_some_and(|n| n > 1), "n"),
        (seed.is_some(), "seed"),
        (presence_penalty.is_some_and(|p| p != 0.0), "presence_penalty"),
        (frequency_penalty.is_some_and(|p| p != 0.0), "frequency_penalty"),
        (logit_bias.is_some(), "logit_bias"),
        (modalities.iter().any(|m| m != "text"), "modalities"),
        (audio.is_some(), "audio"),
    ] {
        if said {
            losses.add(name, "the Responses API has no such setting");
        }
    }
    let mut include = Vec::new();
    if *encrypted_reasoning {
        include.push(ENCRYPTED.to_owned());
    }
    if *logprobs == Some(true) {
        include.push("message.output_text.logprobs".to_owned());
    }
    Request {
        model: "",
        instructions: None,
        input: Vec::new(),
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: *parallel_tools,
        text: (format.is_some() || verbosity.is_some()).then(|| Text {
            format: format.as_ref().map(OutFormat::of),
            verbosity: verbosity.as_deref(),
            extra: Extra::default(),
        }),
        reasoning: reasoning.as_ref().map(encode_reasoning),
        max_output_tokens: least(*max_tokens, options, losses),
        temperature: *temperature,
        top_p: *top_p,
        top_logprobs: *top_logprobs,
        include,
        store: store.or(options.foreign.then_some(false)),
        background: *background,
        previous_response_id: previous_response.as_deref(),
        service_tier: tier(service_tier.as_deref(), options, losses),
        prompt_cache_key: cache_key.as_deref(),
        prompt_cache_retention: cache_retention.as_deref(),
        safety_identifier: user.as_deref().map(|u| identifier(u, options)),
        metadata: Pairs(metadata),
        stream: *stream,
        extra: Extra(Vec::new()),
    }
}

/// Longest `safety_identifier`, in characters.
const LONGEST_IDENTIFIER: usize = 64;

/// Claude Code's `user_id` is a whole JSON object: what is too long is hashed, as OpenAI advises for all of them.
fn identifier<'a>(user: &'a str, options: &RequestOptions) -> Cow<'a, str> {
    if options.foreign && user.chars().count() > LONGEST_IDENTIFIER {
        hex::encode(Sha256::digest(user)).into()
    } else {
        user.into()
    }
}

/// Clients of other dialects ask for a single token to see whether they may.
fn least(max: Option<u64>, options: &RequestOptions, losses: &mut Losses) -> Option<u64> {
    match max {
        Some(few) if few < LEAST_TOKENS && options.foreign => {
            losses.hint("max_tokens", "the Responses API gives 16 tokens at least");
            Some(LEAST_TOKENS)
        }
        max => max,
    }
}

fn tier<'a>(tier: Option<&'a str>, options: &RequestOptions, losses: &mut Losses) -> Option<&'a str> {
    match tier {
        // Anthropic's word for "never priority".
        Some("standard_only") if options.foreign => Some("default"),
        Some(t) if options.foreign && !["auto", "default", "flex", "scale", "priority"].contains(&t) => {
            losses.hint("service_tier", "the provider has no such tier");
            None
        }
        tier => tier,
    }
}

fn encode_reasoning(r: &Reasoning) -> OutReasoning<'_> {
    let Reasoning { enabled, adaptive: _, effort, budget, summary } = r;
    let effort = match (effort, enabled, budget) {
        (Some(e), _, _) => Some(e.word()),
        (None, Some(false), _) => Some(Effort::None.word()),
        (None, _, Some(tokens)) => Some(Effort::of_budget(*tokens).word()),
        // On, or as the model likes: what a reasoning model does unasked.
        (None, _, None) => None,
    };
    OutReasoning { effort, summary: summary.as_deref().filter(|s| *s != "omitted"), extra: Extra::default() }
}
