//! Tools, and how they are chosen.

use super::part::cache_control;
use super::wire::{AllowedOut, ChoiceOut, CustomOut, FunctionOut, RequestOut, ToolOut};
use crate::codec::chat::options::{CacheWords, ChatOptions};
use crate::ir::block::{ServerKind, ToolCall};
use crate::ir::loss::{Losses, Spot};
use crate::ir::raw::Raw;
use crate::ir::signature::Origin;
use crate::ir::tool::{Tool, ToolBody, ToolChoice};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Says all tools and the choice among them.
pub(super) fn encode<'a>(
    tools: &'a [Tool],
    choice: Option<&'a ToolChoice>,
    o: &ChatOptions,
    out: &mut RequestOut<'a>,
    losses: &mut Losses,
) {
    for t in tools {
        tool(t, None, o, out, losses);
    }
    let Some(choice) = choice else { return };
    let custom =
        |name: &str| tools.iter().any(|t| t.name == name && matches!(t.body, ToolBody::Custom { .. }));
    out.tool_choice = match choice {
        // Without tools OpenAI refuses the field, and these mean nothing.
        ToolChoice::Auto | ToolChoice::None if out.tools.is_empty() => None,
        ToolChoice::Auto => Some(ChoiceOut::Word("auto")),
        ToolChoice::None => Some(ChoiceOut::Word("none")),
        ToolChoice::Required => Some(ChoiceOut::Word(o.required)),
        ToolChoice::Named(name) => Some(ChoiceOut::named(name, custom(name))),
        ToolChoice::Allowed { names, required } if o.custom_tools => Some(ChoiceOut::Allowed {
            kind: "allowed_tools",
            allowed_tools: AllowedOut {
                mode: if *required { "required" } else { "auto" },
                tools: names.iter().map(|n| ChoiceOut::named(n, custom(n))).collect(),
            },
        }),
        // The same meaning: leave out the others.
        ToolChoice::Allowed { names, required } => {
            out.tools.retain(|t| t.function.as_ref().is_some_and(|f| names.iter().any(|n| *n == f.name)));
            let word = if *required { o.required } else { "auto" };
            (!out.tools.is_empty()).then_some(ChoiceOut::Word(word))
        }
        ToolChoice::Server(_) => {
            losses.add("tool_choice", "the model's provider cannot be made to use its own tools");
            None
        }
    };
}

/// The field of a tool, for a loss.
fn field(at: &Spot, name: &str) -> String {
    if at.0.is_empty() { format!("tools.{name}") } else { at.0.to_string() }
}

fn tool<'a>(
    t: &'a Tool,
    namespace: Option<&str>,
    o: &ChatOptions,
    out: &mut RequestOut<'a>,
    losses: &mut Losses,
) {
    let Tool { name, description, body, cache, extra, at } = t;
    for (key, _) in extra {
        let (field, reason) =
            (format!("{}.{key}", field(at, name)), "the model's provider has no such field of a tool");
        // Anthropic's: how finely its arguments are streamed.
        if key == "eager_input_streaming" { losses.hint(field, reason) } else { losses.add(field, reason) }
    }
    let full = flat_name(namespace, name);
    let description = description.as_deref();
    let mut said = match body {
        ToolBody::Function { parameters, strict } => ToolOut {
            kind: "function",
            function: Some(FunctionOut {
                name: full,
                description,
                parameters: parameters.as_ref().map(|p| &*p.0),
                strict: *strict,
            }),
            ..ToolOut::default()
        },
        ToolBody::Custom { .. } if !o.custom_tools => {
            losses.add(field(at, name), "the model's provider has no tools with free text");
            return;
        }
        ToolBody::Custom { format } => ToolOut {
            kind: "custom",
            custom: Some(CustomOut { name: full, description, format: format.as_ref().map(nested_grammar) }),
            ..ToolOut::default()
        },
        ToolBody::Server { kind, origin, raw } => {
            if *kind == ServerKind::WebSearch && o.web_search && out.web_search_options.is_none() {
                out.web_search_options = Some(web_search(*origin, raw, &field(at, name), losses));
            } else {
                losses.add(field(at, name), "the model's provider has no such tool of its own here");
            }
            return;
        }
        ToolBody::Namespace(inner) => {
            for t in inner {
                tool(t, Some(name), o, out, losses);
            }
            return;
        }
    };
    match (cache, o.cache) {
        (Some(ttl), CacheWords::Control) => said.cache_control = Some(cache_control(*ttl)),
        (Some(_), _) => {
            let at = format!("{}.cache_control", field(at, name));
            losses.hint(at, "the model's provider takes no cache marks on tools");
        }
        (None, _) => {}
    }
    out.tools.push(said);
}

/// The name of a tool in a namespace: the format has none.
pub(crate) fn flat_name<'a>(namespace: Option<&str>, name: &'a str) -> Cow<'a, str> {
    match namespace {
        Some(space) => Cow::Owned(format!("{space}__{name}")),
        None => Cow::Borrowed(name),
    }
}

/// Undoes the flattening of namespaces in a call that comes back: the client knows the tool by both names.
pub fn restore_namespace(call: &mut ToolCall, tools: &[Tool]) {
    for t in tools {
        let ToolBody::Namespace(inner) = &t.body else { continue };
        let rest = call.name.strip_prefix(t.name.as_str()).and_then(|r| r.strip_prefix("__"));
        if let Some(name) = rest.filter(|n| inner.iter().any(|i| i.name == *n)) {
            call.name = name.to_owned();
            call.namespace = Some(t.name.clone());
            return;
        }
    }
}

/// Responses' form of a grammar, in Chat's.
fn nested_grammar(format: &Raw) -> Value {
    let mut value = format.value();
    if let Some(m) = value.as_object_mut()
        && m.get("type").is_some_and(|t| t == "grammar")
        && !m.contains_key("grammar")
    {
        let grammar: Map<_, _> =
            ["syntax", "definition"].into_iter().filter_map(|k| Some((k.to_owned(), m.remove(k)?))).collect();
        m.insert("grammar".to_owned(), grammar.into());
    }
    value
}

/// Another API's web search as `web_search_options`.
fn web_search(origin: Origin, raw: &Raw, at: &str, losses: &mut Losses) -> Value {
    let mut out = Map::new();
    let Value::Object(item) = raw.value() else { return out.into() };
    for (key, value) in item {
        match (key.as_str(), value) {
            ("type" | "name", _) | (_, Value::Null) => {}
            ("search_context_size", size) if origin == Origin::OpenAi => {
                out.insert(key, size);
            }
            ("user_location", Value::Object(mut place)) => {
                place.remove("type");
                place.retain(|_, v| !v.is_null());
                let location = serde_json::json!({"type": "approximate", "approximate": place});
                out.insert(key, location);
            }
            // Google's search has no settings that matter; what remains narrows the search.
            _ => losses
                .add(format!("{at}.{key}"), "the model's provider has no such setting of its web search"),
        }
    }
    out.into()
}
