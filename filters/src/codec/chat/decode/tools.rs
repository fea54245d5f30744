//! Tools, and how they are chosen.

use super::verbatim::Verbatim;
use super::{Extra, part, raw, spot};
use crate::codec::DecodeError;
use crate::codec::chat::json::StrOr;
use crate::codec::chat::wire::{Choice, CustomTool, Function, Request, Tool as Wire, WebSearch};
use crate::ir::block::ServerKind;
use crate::ir::raw::Raw;
use crate::ir::signature::Origin;
use crate::ir::tool::{Tool, ToolBody, ToolChoice};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Reads `tools`, the old `functions`, and `web_search_options`, which is a tool in other formats.
pub(super) fn decode(
    r: &mut Request<'_>,
    body: &[u8],
    extra: &mut Extra,
) -> Result<(Vec<Tool>, Option<ToolChoice>), DecodeError> {
    let (mut tools, mut body) = (Vec::new(), Verbatim::new(body));
    for (i, t) in r.tools.take().unwrap_or_default().into_iter().enumerate() {
        tools.push(tool(t, i, &mut body)?);
    }
    for (i, f) in r.functions.take().unwrap_or_default().into_iter().enumerate() {
        tools.push(function(f, &format!("functions[{i}]"))?);
    }
    if let Some(w) = r.web_search_options.take() {
        tools.push(web_search(w, extra));
    }
    let choice = match (r.tool_choice.take(), r.function_call.take()) {
        (Some(c), _) => Some(choice(c, "tool_choice", extra)?),
        (None, Some(c)) => Some(choice(c, "function_call", extra)?),
        (None, None) => None,
    };
    Ok((tools, choice))
}

fn tool(t: Wire<'_>, i: usize, body: &mut Verbatim<'_>) -> Result<Tool, DecodeError> {
    let path = format!("tools[{i}]");
    let Wire { kind, function: f, custom, name, description, parameters, strict, cache_control, rest } = t;
    let cache = cache_control.map(|c| part::ttl(&c));
    let mut out = match kind.as_ref().map_or("function", |k| k.0.as_ref()) {
        "function" => match f {
            Some(f) => function(f, &format!("{path}.function"))?,
            // Responses' flat form, which some clients send here.
            None if name.is_some() => {
                let flat = Function { name, description, parameters, strict, rest: Vec::new() };
                function(flat, &path)?
            }
            None => return Err(DecodeError::new(format!("{path}.function"), "Describe the function.")),
        },
        "custom" => {
            let wanted = || DecodeError::new(format!("{path}.custom"), "Describe the tool.");
            self::custom(custom.ok_or_else(wanted)?, &path)?
        }
        "" => return Err(DecodeError::new(format!("{path}.type"), "Use function or custom.")),
        // Nobody's Chat has it, but what it is may be known to the model's provider.
        other => {
            let kind = match other {
                k if k.starts_with("web_search") => ServerKind::WebSearch,
                "code_interpreter" => ServerKind::CodeExecution,
                _ => ServerKind::Other,
            };
            let raw = body.tool(i);
            Tool {
                name: other.to_owned(),
                description: None,
                body: ToolBody::Server { kind, origin: Origin::OpenAi, raw },
                cache,
                extra: Vec::new(),
                at: spot(&path),
            }
        }
    };
    if !matches!(out.body, ToolBody::Server { .. }) {
        out.extra.extend(kept(rest));
    }
    out.cache = cache;
    out.at = spot(&path);
    Ok(out)
}

fn kept(rest: Vec<(std::borrow::Cow<'_, str>, &RawValue)>) -> impl Iterator<Item = (String, Raw)> {
    rest.into_iter().map(|(k, v)| (k.into_owned(), raw(v)))
}

fn function(f: Function<'_>, path: &str) -> Result<Tool, DecodeError> {
    let Function { name, description, parameters, strict, rest } = f;
    let name = name.filter(|n| !n.is_empty());
    let name = name.ok_or_else(|| DecodeError::new(format!("{path}.name"), "Name the tool."))?;
    let body = ToolBody::Function { parameters: parameters.map(raw), strict };
    Ok(Tool { name, description, body, cache: None, extra: kept(rest).collect(), at: spot(path) })
}

fn custom(c: CustomTool<'_>, path: &str) -> Result<Tool, DecodeError> {
    let CustomTool { name, description, format, rest } = c;
    let name = name.filter(|n| !n.is_empty());
    let name = name.ok_or_else(|| DecodeError::new(format!("{path}.custom.name"), "Name the tool."))?;
    let body = ToolBody::Custom { format: format.map(flat_grammar) };
    Ok(Tool { name, description, body, cache: None, extra: kept(rest).collect(), at: spot(path) })
}

/// Chat nests a grammar (`{type, grammar: {syntax, definition}}`), Responses does not (`{type, syntax, definition}`).
/// In the conversation it is Responses' form.
fn flat_grammar(format: &RawValue) -> Raw {
    let flat = serde_json::from_str::<Map<String, Value>>(format.get()).ok().and_then(|mut m| {
        let Some(Value::Object(grammar)) = m.remove("grammar") else { return None };
        m.extend(grammar);
        Raw::of(&m).ok()
    });
    flat.unwrap_or_else(|| raw(format))
}

/// As Responses' tool, so that both of OpenAI's formats have one form of it.
fn web_search(w: WebSearch<'_>, extra: &mut Extra) -> Tool {
    let WebSearch { search_context_size, user_location, rest } = w;
    extra.rest("web_search_options", rest);
    let mut item = Map::new();
    item.insert("type".to_owned(), "web_search".into());
    if let Some(size) = search_context_size {
        item.insert("search_context_size".to_owned(), size.0.as_ref().into());
    }
    if let Some(l) = user_location {
        extra.rest("web_search_options.user_location", l.rest);
        let mut place = Map::new();
        place.insert("type".to_owned(), l.kind.map_or("approximate".into(), |k| k.0.as_ref().into()));
        let inner = l.approximate.and_then(|a| serde_json::from_str::<Map<_, _>>(a.get()).ok());
        place.extend(inner.unwrap_or_default());
        item.insert("user_location".to_owned(), place.into());
    }
    let raw = Raw::of(&item).unwrap_or_else(|_| Raw(RawValue::NULL.to_owned()));
    Tool {
        name: "web_search".to_owned(),
        description: None,
        body: ToolBody::Server { kind: ServerKind::WebSearch, origin: Origin::OpenAi, raw },
        cache: None,
        extra: Vec::new(),
        at: spot("web_search_options"),
    }
}

fn choice(c: StrOr<'_, Choice<'_>>, field: &str, extra: &mut Extra) -> Result<ToolChoice, DecodeError> {
    let wrong =
        || DecodeError::new(field, "Use none, auto, required, a function by its name, or allowed_tools.");
    let c = match c {
        StrOr::Str(word) => return self::word(&word).ok_or_else(wrong),
        StrOr::Other(c) => c,
    };
    let mut c = c;
    extra.rest(field, std::mem::take(&mut c.rest));
    let kind = c.kind.as_ref().map_or("", |k| k.0.as_ref());
    match (kind, c.allowed_tools) {
        ("allowed_tools", Some(a)) => {
            let names = a.tools.into_iter().flatten().filter_map(name_of).collect();
            Ok(ToolChoice::Allowed { names, required: a.mode.is_some_and(|m| m.0 == "required") })
        }
        ("function" | "custom" | "", _) => {
            let name = name_of(Choice { allowed_tools: None, ..c });
            name.map(ToolChoice::Named).ok_or_else(wrong)
        }
        (other, _) => Ok(self::word(other).unwrap_or_else(|| ToolChoice::Server(other.to_owned()))),
    }
}

fn word(word: &str) -> Option<ToolChoice> {
    match word {
        "none" => Some(ToolChoice::None),
        "auto" => Some(ToolChoice::Auto),
        // "any" is Mistral's.
        "required" | "any" => Some(ToolChoice::Required),
        _ => None,
    }
}

fn name_of(c: Choice<'_>) -> Option<String> {
    c.function.or(c.custom).and_then(|f| f.name).or(c.name).filter(|n| !n.is_empty())
}
