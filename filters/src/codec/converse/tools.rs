//! `toolConfig`.

use super::additional::Additional;
use super::content::{CachePoint, cache_point};
use super::model::{Family, Model};
use crate::ir::block::{Body, ServerKind};
use crate::ir::tool::{Tool, ToolBody, ToolChoice};
use crate::ir::{Conversation, Losses, Origin, Raw};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Converse's `ToolConfiguration`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    tools: Vec<Said<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Said<'a> {
    ToolSpec(Spec<'a>),
    SystemTool(SystemTool<'a>),
    CachePoint(CachePoint),
    #[serde(untagged)]
    Raw(&'a RawValue),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Schema<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Schema<'a> {
    json: Cow<'a, RawValue>,
}

#[derive(Debug, Serialize)]
struct SystemTool<'a> {
    name: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Choice<'a> {
    Any {},
    Tool { name: &'a str },
}

/// Bedrock refuses tool calls in the history of a request that has no tools ("The toolConfig field must be defined
/// when using toolUse and toolResult content blocks").
const NO_TOOLS: &str = "no_tools_available";

/// Says tools and choice. Gives also whether a call is demanded: Claude does not think then.
pub(super) fn write<'a>(
    c: &'a Conversation,
    model: Model,
    additional: &mut Additional,
    losses: &mut Losses,
) -> (Option<ToolConfig<'a>>, bool) {
    let only: Option<&[String]> = match &c.tool_choice {
        Some(ToolChoice::Allowed { names, .. }) => Some(names),
        _ => None,
    };
    let none = c.tool_choice == Some(ToolChoice::None);
    let mut tools = Vec::with_capacity(c.tools.len());
    let mut native = Vec::new();
    // Without the right to call one, a model that is told of no tools calls none.
    let offered = if none { &[][..] } else { &c.tools };
    for (n, tool) in offered.iter().enumerate() {
        if only.is_none_or(|names| names.contains(&tool.name)) {
            one(tool, n, model, &mut tools, &mut native, losses);
        }
    }
    if !native.is_empty() {
        additional.set("tools", &native);
    }
    if !tools.iter().any(|t| !matches!(t, Said::CachePoint(_))) {
        let replaced = history(c).then(|| {
            losses.hint(
                "tools",
                "Bedrock wants a tool where the history has calls; one that says not to be called stands in",
            );
            placeholder()
        });
        return (replaced, false);
    }
    let choice = choice(c, losses);
    let forced = choice.is_some();
    // Said in one place only: Bedrock refuses a choice in both, even if they agree.
    let said_there = parallel(c, model, choice, additional, losses);
    let tool_choice = choice.filter(|_| !said_there);
    (Some(ToolConfig { tools, tool_choice }), forced)
}

/// Are there calls or results in the history?
fn history(c: &Conversation) -> bool {
    let called = |b: &Body| matches!(b, Body::ToolCall(_) | Body::ToolResult(_));
    c.messages.iter().flat_map(|m| &m.content).any(|b| called(&b.body))
}

fn placeholder<'a>() -> ToolConfig<'a> {
    let spec = Spec {
        name: NO_TOOLS,
        description: Some("There are no tools for this turn. Do not call this."),
        input_schema: Schema { json: empty_schema() },
        strict: None,
    };
    ToolConfig { tools: vec![Said::ToolSpec(spec)], tool_choice: None }
}

fn one<'a>(
    tool: &'a Tool,
    n: usize,
    model: Model,
    out: &mut Vec<Said<'a>>,
    native: &mut Vec<&'a RawValue>,
    losses: &mut Losses,
) {
    let Tool { name, description, body, cache, extra, at } = tool;
    let spot = || if at.0.is_empty() { format!("tools[{n}]") } else { at.0.to_string() };
    match body {
        ToolBody::Function { parameters, strict } => {
            if !(1..=64).contains(&name.len())
                || !name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'))
            {
                losses.add(spot(), "names of tools have 1 to 64 letters, digits, _ and - there");
            }
            out.push(Said::ToolSpec(Spec {
                name,
                description: description.as_deref().filter(|d| !d.is_empty()),
                input_schema: Schema { json: parameters.as_ref().map_or_else(empty_schema, object_schema) },
                strict: strict.filter(|s| *s),
            }));
        }
        ToolBody::Custom { .. } => losses.add(spot(), "a Bedrock model's tools take JSON, not free text"),
        ToolBody::Namespace(_) => losses.add(spot(), "Bedrock's tools have no namespaces"),
        ToolBody::Server { kind, origin, raw } => {
            server(*kind, *origin, raw, name, model, out, native, &spot, losses)
        }
    }
    for (field, _) in extra {
        losses.add(format!("{}.{field}", spot()), "Bedrock's tools have no such field");
    }
    if let Some(ttl) = cache {
        match out.last() {
            _ if !model.caches() => losses.hint(spot(), "this model has no prompt cache"),
            None | Some(Said::CachePoint(_)) => {}
            Some(_) => out.push(Said::CachePoint(cache_point(*ttl, model))),
        }
    }
}

/// Tools that the client did not define. Anthropic's own ones that the *client* runs (computer, bash, editor,
/// memory) reach Claude through the additional fields; Nova has its own search and interpreter.
#[expect(clippy::too_many_arguments, reason = "one case of `one`, split off for its length")]
fn server<'a>(
    kind: ServerKind,
    origin: Origin,
    raw: &'a Raw,
    name: &str,
    model: Model,
    out: &mut Vec<Said<'a>>,
    native: &mut Vec<&'a RawValue>,
    spot: &dyn Fn() -> String,
    losses: &mut Losses,
) {
    const CLIENTS: [&str; 4] = ["computer_", "bash_", "text_editor_", "memory_"];
    let nova = matches!(model.family, Family::Nova | Family::Nova2);
    match (kind, origin) {
        (_, Origin::Other)
            if raw.text().trim_start_matches(['{', ' ', '\n']).starts_with("\"systemTool\"") =>
        {
            out.push(Said::Raw(&raw.0));
        }
        (_, Origin::Anthropic) if model.may_be_claude() && CLIENTS.iter().any(|t| name.starts_with(t)) => {
            native.push(&raw.0);
        }
        (ServerKind::WebSearch, _) if nova => {
            out.push(Said::SystemTool(SystemTool { name: "nova_grounding" }));
        }
        (ServerKind::CodeExecution, _) if model.family == Family::Nova2 => {
            out.push(Said::SystemTool(SystemTool { name: "nova_code_interpreter" }));
        }
        _ => losses.add(spot(), "this model's provider does not run such a tool"),
    }
}

fn choice<'a>(c: &'a Conversation, losses: &mut Losses) -> Option<Choice<'a>> {
    match &c.tool_choice {
        // `auto` is what no choice means, and some models know no choice at all.
        None | Some(ToolChoice::Auto | ToolChoice::None) => None,
        Some(ToolChoice::Required) => Some(Choice::Any {}),
        Some(ToolChoice::Named(name)) => Some(Choice::Tool { name }),
        Some(ToolChoice::Allowed { names, required: true }) => Some(match &names[..] {
            [one] => Choice::Tool { name: one },
            _ => Choice::Any {},
        }),
        // The others are left out of the list.
        Some(ToolChoice::Allowed { required: false, .. }) => None,
        Some(ToolChoice::Server(_)) => {
            losses.add("tool_choice", "only tools of the client's can be demanded of a Bedrock model");
            None
        }
    }
}

/// One call at a time: Claude's own field, a part of the choice in Claude's words. Gives whether the choice is said
/// there.
fn parallel(
    c: &Conversation,
    model: Model,
    choice: Option<Choice<'_>>,
    additional: &mut Additional,
    losses: &mut Losses,
) -> bool {
    if c.settings.parallel_tools != Some(false) {
        return false;
    }
    if model.family != Family::Claude {
        losses.add("parallel_tools", "this model cannot be held to one call at a time");
        return false;
    }
    let said = match choice {
        None => json!({"type": "auto", "disable_parallel_tool_use": true}),
        Some(Choice::Any {}) => json!({"type": "any", "disable_parallel_tool_use": true}),
        Some(Choice::Tool { name }) => {
            json!({"type": "tool", "name": name, "disable_parallel_tool_use": true})
        }
    };
    additional.set("tool_choice", &said);
    true
}

fn empty_schema<'a>() -> Cow<'a, RawValue> {
    let text = r#"{"type":"object","properties":{}}"#;
    RawValue::from_string(text.to_owned()).map(Cow::Owned).unwrap_or_else(|_| Cow::Borrowed(RawValue::NULL))
}

/// Bedrock wants `type: object` at the top of a schema; elsewhere it may be left out.
fn object_schema(raw: &Raw) -> Cow<'_, RawValue> {
    #[derive(Deserialize)]
    struct Top<'a> {
        #[serde(borrow)]
        r#type: Option<&'a RawValue>,
    }
    let typed = serde_json::from_str::<Top<'_>>(raw.text()).is_ok_and(|t| t.r#type.is_some());
    let rest = raw.text().trim_start().strip_prefix('{').map(str::trim_start);
    match rest {
        Some(rest) if !typed => {
            let comma = if rest.starts_with('}') { "" } else { "," };
            RawValue::from_string(format!(r#"{{"type":"object"{comma}{rest}"#))
                .map_or(Cow::Borrowed(&raw.0), Cow::Owned)
        }
        _ => Cow::Borrowed(&raw.0),
    }
}
