//! Tools and `tool_choice`, both ways.

use super::json::{Members, Str, join, object, parse, raw, required};
use crate::codec::DecodeError;
use crate::ir::block::ServerKind;
use crate::ir::tool::{Tool, ToolBody, ToolChoice};
use crate::ir::{Origin, Raw, Spot};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

object! {
    /// Any tool.
    AnyTool {
        kind "type": Str<'de>,
        name "name": Str<'de>,
        description "description": Str<'de>,
        parameters "parameters": &'de RawValue,
        strict "strict": bool,
        format "format": &'de RawValue,
        tools "tools": Vec<&'de RawValue>,
    }
}

object! {
    /// Only what says which kind of tool it is: the others' members have types of their own.
    Kind { kind "type": Str<'de> }
}

/// What a server tool does, by its type; dated versions begin with the plain name.
fn server_kind(kind: &str) -> ServerKind {
    match kind {
        k if k.starts_with("web_search") => ServerKind::WebSearch,
        "code_interpreter" => ServerKind::CodeExecution,
        _ => ServerKind::Other,
    }
}

/// Reads a list of tools that stands at `path`.
pub(super) fn decode(list: &[&RawValue], path: &str, out: &mut Vec<Tool>) -> Result<(), DecodeError> {
    for (i, text) in list.iter().enumerate() {
        out.push(decode_one(text, &format!("{path}[{i}]"), true)?);
    }
    Ok(())
}

fn decode_one(text: &RawValue, path: &str, outer: bool) -> Result<Tool, DecodeError> {
    // Nearly all are the client's own: they are read once.
    let own = parse::<AnyTool<'_>>(text.get(), path);
    let kind = match &own {
        Ok(tool) => tool.kind.clone(),
        Err(_) => parse::<Kind<'_>>(text.get(), path)?.kind,
    };
    let kind = required(kind, path, "type")?;
    let at = Spot::new(path);
    if !matches!(&*kind, "function" | "custom" | "namespace") {
        let name = kind.into_string();
        let body = ToolBody::Server { kind: server_kind(&name), origin: Origin::OpenAi, raw: raw(text) };
        return Ok(Tool { name, description: None, body, cache: None, extra: Vec::new(), at });
    }
    let t = own?;
    let name = required(t.name, path, "name")?.into_string();
    let mut extra: Vec<(String, Raw)> = Vec::new();
    let body = match &*kind {
        "function" => ToolBody::Function { parameters: t.parameters.map(raw), strict: t.strict },
        "custom" => ToolBody::Custom { format: t.format.map(raw) },
        // One level, as the API has it: deeper ones would recurse as deep as the client likes.
        _ if !outer => return Err(DecodeError::new(path, "A namespace cannot stand inside a namespace.")),
        _ => {
            let list = required(t.tools, path, "tools")?;
            let inside = join(path, "tools");
            let tools = list.iter().enumerate().map(|(i, t)| decode_one(t, &format!("{inside}[{i}]"), false));
            ToolBody::Namespace(tools.collect::<Result<_, _>>()?)
        }
    };
    extra.extend(t.rest.into_iter().map(|(k, v)| (k.into_owned(), raw(v))));
    Ok(Tool { name, description: t.description.map(Str::into_string), body, cache: None, extra, at })
}

object! {
    /// Any `tool_choice` that is an object, and any entry of `allowed_tools`.
    Choice {
        kind "type": Str<'de>,
        name "name": Str<'de>,
        mode "mode": Str<'de>,
        tools "tools": Vec<Choice<'de>>,
    }
}

/// Reads `tool_choice`. None: a form that has no name in the IR (one tool of one MCP server).
pub(super) fn decode_choice(text: &RawValue) -> Result<Option<ToolChoice>, DecodeError> {
    const FIELD: &str = "tool_choice";
    if text.get().starts_with('"') {
        let word: Str<'_> = parse(text.get(), FIELD)?;
        return match &*word {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            other => Err(DecodeError::new(
                FIELD,
                format!("\"{other}\" is none of \"auto\", \"none\" and \"required\"."),
            )),
        };
    }
    let c: Choice<'_> = parse(text.get(), FIELD)?;
    let named = |c: Choice<'_>| match c.kind.as_deref() {
        Some("function" | "custom" | "namespace") => c.name.map(Str::into_string),
        Some("mcp") | None => None,
        Some(kind) => Some(kind.to_owned()),
    };
    Ok(match &*required(c.kind.clone(), FIELD, "type")? {
        "function" | "custom" => Some(ToolChoice::Named(required(c.name, FIELD, "name")?.into_string())),
        "mcp" => None,
        "allowed_tools" => {
            let required_one = c.mode.as_deref() == Some("required");
            let names: Option<Vec<String>> =
                required(c.tools, FIELD, "tools")?.into_iter().map(named).collect();
            names.map(|names| ToolChoice::Allowed { names, required: required_one })
        }
        kind => Some(ToolChoice::Server(kind.to_owned())),
    })
}

/// A tool as it is written.
pub(super) struct Out<'a> {
    tool: &'a Tool,
    /// `strict` of a function that does not say it.
    strict: Option<bool>,
    /// Say members without a name in the IR.
    extra: bool,
}

impl<'a> Out<'a> {
    /// `strict`: what a function that does not say it means. (In this format silence means that the server tries to
    /// make the schema strict; in every other one it means no.)
    pub(super) fn new(tool: &'a Tool, strict: Option<bool>, extra: bool) -> Self {
        Self { tool, strict, extra }
    }
}

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        // `cache` is reported by the caller; `at` is no content.
        let Tool { name, description, body, cache: _, extra, at: _ } = self.tool;
        if let ToolBody::Server { kind: _, origin: _, raw } = body {
            return raw.serialize(s);
        }
        let mut map = s.serialize_map(None)?;
        let kind = match body {
            ToolBody::Function { .. } => "function",
            ToolBody::Custom { .. } => "custom",
            ToolBody::Namespace(_) | ToolBody::Server { .. } => "namespace",
        };
        map.serialize_entry("type", kind)?;
        map.serialize_entry("name", name)?;
        if let Some(d) = description {
            map.serialize_entry("description", d)?;
        }
        match body {
            ToolBody::Function { parameters, strict } => {
                // Required by the API, if only as null.
                map.serialize_entry("parameters", parameters)?;
                if let Some(strict) = strict.or(self.strict) {
                    map.serialize_entry("strict", &strict)?;
                }
            }
            ToolBody::Custom { format } => {
                if let Some(format) = format {
                    map.serialize_entry("format", format)?;
                }
            }
            ToolBody::Namespace(tools) => {
                let tools: Vec<Out<'_>> =
                    tools.iter().map(|t| Out::new(t, self.strict, self.extra)).collect();
                map.serialize_entry("tools", &tools)?;
            }
            ToolBody::Server { .. } => {}
        }
        for (key, value) in extra.iter().filter(|_| self.extra) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// `tool_choice` as it is written.
pub(super) struct OutChoice<'a>(pub(super) &'a ToolChoice, pub(super) &'a [Tool]);

/// One tool in a choice: `type`, and `name` where the type is not enough.
#[derive(serde::Serialize)]
struct Entry<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

fn entry<'a>(name: &'a str, tools: &[Tool]) -> Entry<'a> {
    // Another vendor's search is written as ours; it may be named by its name or by its dated type.
    let theirs = |t: &Tool| matches!(t.body, ToolBody::Server { kind: ServerKind::WebSearch, origin, .. } if origin != Origin::OpenAi);
    if tools.iter().any(|t| theirs(t) && (t.name == name || name == "web_search")) {
        return Entry { r#type: "web_search", name: None };
    }
    let kind = tools.iter().find(|t| t.name == name).map(|t| &t.body);
    let r#type = match kind {
        Some(ToolBody::Server { .. }) => return Entry { r#type: name, name: None },
        Some(ToolBody::Custom { .. }) => "custom",
        Some(ToolBody::Namespace(_)) => "namespace",
        Some(ToolBody::Function { .. }) | None => "function",
    };
    Entry { r#type, name: Some(name) }
}

impl Serialize for OutChoice<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ToolChoice::Auto => s.serialize_str("auto"),
            ToolChoice::None => s.serialize_str("none"),
            ToolChoice::Required => s.serialize_str("required"),
            ToolChoice::Named(name) => entry(name, self.1).serialize(s),
            ToolChoice::Server(kind) => {
                let Entry { r#type, .. } = entry(kind, self.1);
                let r#type = if r#type == "web_search" { r#type } else { kind };
                Entry { r#type, name: None }.serialize(s)
            }
            ToolChoice::Allowed { names, required } => {
                let tools: Vec<Entry<'_>> = names.iter().map(|n| entry(n, self.1)).collect();
                let mut map = s.serialize_map(Some(3))?;
                map.serialize_entry("type", "allowed_tools")?;
                map.serialize_entry("mode", if *required { "required" } else { "auto" })?;
                map.serialize_entry("tools", &tools)?;
                map.end()
            }
        }
    }
}

/// The members of a map of strings, in order.
pub(super) fn strings(text: &RawValue, path: &str) -> Result<Vec<(String, String)>, DecodeError> {
    let members: Members<'_> = parse(text.get(), path)?;
    let one = |(key, value): (std::borrow::Cow<'_, str>, &RawValue)| {
        let text: Str<'_> = parse(value.get(), &join(path, &key))?;
        Ok((key.into_owned(), text.into_string()))
    };
    members.0.into_iter().map(one).collect()
}
