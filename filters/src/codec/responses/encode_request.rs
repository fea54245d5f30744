//! A conversation as a request for OpenAI, Azure or a server that speaks the same.

use super::encode_items::{Items, field};
use super::encode_settings::{ENCRYPTED, encode_settings};
use super::request_body::AnyTool;
use super::tools::{Out, OutChoice};
use super::websearch;
use crate::codec::{ROOM, out};
use crate::ir::block::Body;
use crate::ir::settings::{Effort, Reasoning};
use crate::ir::tool::{Tool, ToolBody, ToolChoice};
use crate::ir::{Conversation, Losses, Message, Origin, Role};

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
    let mut body = Vec::with_capacity(ROOM);
    out::write(&request, &mut body);
    body
}

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
