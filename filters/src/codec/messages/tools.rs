//! Tools and the choice among them: <https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview>.

use super::blocks::{cache, flag, maybe, needed, optional, wrong};
use super::fields::{Elem, Fields, read};
use super::request::parallel;
use super::write::{Json, Sink};
use crate::codec::DecodeError;
use crate::ir::block::{CacheTtl, ServerKind};
use crate::ir::tool::ToolBody;
use crate::ir::{Losses, Origin, Raw, Spot, Tool, ToolChoice};
use serde::Deserialize;

/// Members of a tool that only Anthropic has: they stay with it and are said again.
const OWN: [&str; 4] = ["allowed_callers", "defer_loading", "eager_input_streaming", "input_examples"];

/// The web search that every model takes, without a beta.
const WEB_SEARCH: &str = "web_search_20250305";

/// Reads `tools`.
pub(super) fn decode(list: &[Elem<'_>]) -> Result<Vec<Tool>, DecodeError> {
    let mut tools = Vec::with_capacity(list.len());
    for (i, elem) in list.iter().enumerate() {
        let path = format!("tools.{i}");
        let Elem::Object(f) = elem else {
            return Err(DecodeError::new(path, "Input should be an object"));
        };
        tools.push(tool(f, path)?);
    }
    Ok(tools)
}

fn tool(f: &Fields<'_>, path: String) -> Result<Tool, DecodeError> {
    let kind = maybe(f, &path, "type")?.unwrap_or("custom".into());
    if kind != "custom" {
        // What Anthropic runs, and what it defines for the client to run (`bash_…`, `text_editor_…`, `memory_…`).
        let name = maybe(f, &path, "name")?.unwrap_or_else(|| kind.clone()).into_owned();
        let body = ToolBody::Server { kind: server_kind(&kind), origin: Origin::Anthropic, raw: f.raw() };
        return Ok(Tool {
            name,
            description: None,
            body,
            cache: None,
            extra: Vec::new(),
            at: Spot::new(path),
        });
    }
    let schema = f.value("input_schema").ok_or_else(|| wrong(&path, "input_schema", "Field required"))?;
    if !schema.get().starts_with('{') {
        return Err(wrong(&path, "input_schema", "Input should be a JSON Schema object"));
    }
    let parameters = Raw(schema.to_owned());
    const KNOWN: [&str; 6] = ["type", "name", "description", "input_schema", "strict", "cache_control"];
    let extra = f.0.iter().filter(|(k, v)| !KNOWN.contains(&k.as_ref()) && v.get() != "null");
    Ok(Tool {
        name: needed(f, &path, "name")?,
        description: optional(f, &path, "description")?,
        // `false` is the default, and said by saying nothing.
        body: ToolBody::Function {
            parameters: Some(parameters),
            strict: flag(f, &path, "strict")?.filter(|s| *s),
        },
        cache: cache(f, &path)?,
        extra: extra.map(|(k, v)| (k.clone().into_owned(), Raw((*v).to_owned()))).collect(),
        at: Spot::new(path),
    })
}

fn server_kind(kind: &str) -> ServerKind {
    // `web_search_20250305`: the type without its date.
    match kind.rsplit_once('_').map_or(kind, |(name, _)| name) {
        "web_search" => ServerKind::WebSearch,
        "web_fetch" => ServerKind::WebFetch,
        "code_execution" => ServerKind::CodeExecution,
        _ => ServerKind::Other,
    }
}

/// Reads `tool_choice`: the choice, and whether several tools may be called at once.
pub(super) fn decode_choice(f: &Fields<'_>) -> Result<(ToolChoice, Option<bool>), DecodeError> {
    let choice = match needed(f, "tool_choice", "type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(needed(f, "tool_choice", "name")?),
        _ => return Err(wrong("tool_choice", "type", "Input should be 'auto', 'any', 'tool' or 'none'")),
    };
    Ok((choice, parallel(f)?))
}

/// `{"type": "ephemeral"}`, with its life time where it is not the default one.
pub(super) fn write_cache<B: Sink>(json: &mut Json<B>, ttl: CacheTtl) {
    json.raw(match ttl {
        CacheTtl::Default => r#"{"type":"ephemeral"}"#,
        CacheTtl::Hour => r#"{"type":"ephemeral","ttl":"1h"}"#,
    });
}

/// Writes a tool, if Anthropic has such a thing.
pub(super) fn write<B: Sink>(json: &mut Json<B>, tool: &Tool, losses: &mut Losses) {
    let Tool { name, description, body, cache, extra, at: _ } = tool;
    match body {
        ToolBody::Function { parameters, strict } => json.object(|o| {
            o.str("name", name);
            if let Some(d) = description {
                o.str("description", d);
            }
            o.raw(
                "input_schema",
                parameters.as_ref().map_or(r#"{"type":"object","properties":{}}"#, Raw::text),
            );
            if *strict == Some(true) {
                o.raw("strict", "true");
            }
            if let Some(ttl) = cache {
                write_cache(o.key("cache_control"), *ttl);
            }
            for (key, value) in extra {
                if OWN.contains(&key.as_str()) {
                    o.raw(key, value.text());
                } else {
                    losses.add(spot(tool, Some(key)), "the model's provider has no such setting of a tool");
                }
            }
        }),
        ToolBody::Server { origin: Origin::Anthropic, raw, kind: _ } => json.raw(raw.text()),
        ToolBody::Server { raw, .. } => web_search(json, tool, raw, losses),
        ToolBody::Custom { .. } | ToolBody::Namespace(_) => {}
    }
}

/// Why a tool cannot be said; None: it can.
pub(super) fn misfit(tool: &Tool) -> Option<&'static str> {
    match &tool.body {
        ToolBody::Function { .. }
        | ToolBody::Server { origin: Origin::Anthropic, .. }
        | ToolBody::Server { kind: ServerKind::WebSearch, .. } => None,
        ToolBody::Server { .. } => Some("only the provider that it belongs to can run this tool"),
        ToolBody::Custom { .. } => Some("the model's provider has no tools with free text as argument"),
        ToolBody::Namespace(_) => Some("the model's provider has no namespaces of tools"),
    }
}

/// Where a tool, or a member of it, stood.
pub(super) fn spot(tool: &Tool, key: Option<&str>) -> String {
    let at = if tool.at.0.is_empty() { "tools" } else { &tool.at.0 };
    key.map_or_else(|| at.to_owned(), |k| format!("{at}.{k}"))
}

/// Another provider's web search: OpenAI's `{"type":"web_search","filters":{"allowed_domains":[…]},"user_location":
/// {…}}`, Gemini's `{"googleSearch":{}}`.
fn web_search<B: Sink>(json: &mut Json<B>, tool: &Tool, raw: &Raw, losses: &mut Losses) {
    #[derive(Default, Deserialize)]
    struct Filters {
        allowed_domains: Option<Vec<String>>,
        blocked_domains: Option<Vec<String>>,
    }
    #[derive(Default, Deserialize)]
    struct Place {
        city: Option<String>,
        country: Option<String>,
        region: Option<String>,
        timezone: Option<String>,
    }
    let f: Fields<'_> = read(raw.text()).unwrap_or_default();
    let filters: Filters = f.get("filters").and_then(read).unwrap_or_default();
    json.object(|o| {
        o.str("type", WEB_SEARCH);
        o.str("name", "web_search");
        // Not both are allowed: what is allowed says more.
        if let Some(list) = filters.allowed_domains.filter(|l| !l.is_empty()) {
            o.value("allowed_domains", &list);
        } else if let Some(list) = filters.blocked_domains.filter(|l| !l.is_empty()) {
            o.value("blocked_domains", &list);
        }
        if let Some(place) = f.get("user_location").and_then(read::<Place>) {
            o.object("user_location", |p| {
                let Place { city, country, region, timezone } = place;
                p.str("type", "approximate");
                for (key, value) in
                    [("city", city), ("country", country), ("region", region), ("timezone", timezone)]
                {
                    if let Some(v) = value {
                        p.str(key, &v);
                    }
                }
            });
        }
        if let Some(ttl) = tool.cache {
            write_cache(o.key("cache_control"), ttl);
        }
    });
    const SAID: [&str; 5] = ["type", "filters", "user_location", "googleSearch", "google_search"];
    for (key, _) in f.0.iter().filter(|(k, _)| !SAID.contains(&k.as_ref())) {
        // How much of the found pages is shown to the model, and the like.
        losses.hint(spot(tool, Some(key)), "the web search of the model's provider has no such setting");
    }
}

/// Writes `tool_choice`, if it must be said. `tools`: those that are sent.
pub(super) fn write_choice(
    choice: Option<&ToolChoice>,
    parallel: Option<bool>,
    tools: &[&Tool],
    losses: &mut Losses,
) -> Option<Raw> {
    const FIELD: &str = "tool_choice";
    if tools.is_empty() {
        if matches!(choice, Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Server(_))) {
            losses.add(FIELD, "no tool is left that could be used");
        }
        return None;
    }
    let (kind, name) = match choice {
        // Several at once is the default.
        None if parallel != Some(false) => return None,
        None | Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Named(name)) => ("tool", Some(name.as_str())),
        Some(ToolChoice::Allowed { required, .. }) => match (required, tools) {
            (true, [one]) => ("tool", Some(one.name.as_str())),
            (true, _) => ("any", None),
            (false, _) => ("auto", None),
        },
        Some(ToolChoice::Server(kind)) => {
            let found = tools.iter().find(|t| match &t.body {
                ToolBody::Server { kind: ServerKind::WebSearch, .. } => kind.starts_with("web_search"),
                ToolBody::Server { origin: Origin::Anthropic, .. } => t.name == *kind,
                _ => false,
            });
            match found {
                Some(t) if t.name.starts_with("web_search") => ("tool", Some("web_search")),
                Some(t) => ("tool", Some(t.name.as_str())),
                None => {
                    losses.add(FIELD, "the model's provider has no such tool");
                    return None;
                }
            }
        }
    };
    let mut json = Json::with_capacity(64);
    json.object(|o| {
        o.str("type", kind);
        if let Some(name) = name {
            o.str("name", name);
        }
        match parallel {
            Some(p) if kind != "none" => o.value("disable_parallel_tool_use", &!p),
            _ => {}
        }
    });
    Some(json.into_raw())
}
