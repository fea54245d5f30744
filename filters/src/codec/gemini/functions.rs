//! Tools and how to use them.
//! <https://ai.google.dev/api/caching#Tool>, <https://ai.google.dev/api/caching#ToolConfig>

use super::json::Json;
use super::lenient::Str;
use super::model::Model;
use super::wire::{Function, Tool as WireTool, ToolConfig};
use super::{Options, Platform, schema};
use crate::codec::DecodeError;
use crate::ir::block::ServerKind;
use crate::ir::tool::{Tool, ToolBody, ToolChoice};
use crate::ir::{Conversation, Losses, Origin, Raw, Spot};
use serde_json::value::RawValue;

/// Fields of a function that only Google has.
const OWN: [&str; 3] = ["behavior", "response", "responseJsonSchema"];

/// A field of a client's that describes what its own functions give back. Google's SDKs make it from a function's
/// annotations, asked or not; other providers see the result when it is there.
pub fn harmless(field: &str) -> bool {
    let Some((place, name)) = field.rsplit_once('.') else { return false };
    place.contains("functionDeclarations[") && matches!(name, "response" | "responseJsonSchema")
}

/// Reads them.
pub(super) fn read(
    tools: Vec<WireTool<'_>>,
    config: Option<ToolConfig<'_>>,
    c: &mut Conversation,
) -> Result<(), DecodeError> {
    for (i, tool) in tools.into_iter().enumerate() {
        for (j, f) in tool.functions.unwrap_or_default().0.into_iter().enumerate() {
            c.tools.push(function(f, format!("tools[{i}].functionDeclarations[{j}]"))?);
        }
        for (name, raw) in tool.other {
            let name = super::request::canonical(&name);
            let kind = match name.as_str() {
                "googleSearch" | "googleSearchRetrieval" | "enterpriseWebSearch" => ServerKind::WebSearch,
                "urlContext" => ServerKind::WebFetch,
                "codeExecution" => ServerKind::CodeExecution,
                _ => ServerKind::Other,
            };
            let body = ToolBody::Server { kind, origin: Origin::Google, raw: wrap(&name, raw) };
            let at = Spot::new(format!("tools[{i}].{name}"));
            c.tools.push(Tool { name, description: None, body, cache: None, extra: Vec::new(), at });
        }
    }
    let Some(ToolConfig { calling, other }) = config else { return Ok(()) };
    for (name, raw) in other {
        let path = format!("toolConfig.{}", super::request::canonical(&name));
        c.extra.push((path, Raw(raw.to_owned())));
    }
    let Some(calling) = calling else { return Ok(()) };
    for (name, raw) in calling.other {
        let path = format!("toolConfig.functionCallingConfig.{}", super::request::canonical(&name));
        c.extra.push((path, Raw(raw.to_owned())));
    }
    let mut names: Vec<String> = calling.allowed.unwrap_or_default().0.into_iter().map(Str::own).collect();
    let mode = calling.mode.as_ref().map_or("MODE_UNSPECIFIED", Str::as_str);
    c.tool_choice = match mode.to_ascii_uppercase().as_str() {
        "MODE_UNSPECIFIED" if names.is_empty() => None,
        "NONE" => Some(ToolChoice::None),
        "ANY" => Some(match (names.pop(), names.is_empty()) {
            (None, _) => ToolChoice::Required,
            (Some(one), true) => ToolChoice::Named(one),
            (Some(last), false) => {
                names.push(last);
                ToolChoice::Allowed { names, required: true }
            }
        }),
        mode @ ("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED") => {
            // Calls are made to fit their schemas: what other dialects say of each function.
            if mode == "VALIDATED" {
                for tool in &mut c.tools {
                    if let ToolBody::Function { strict, .. } = &mut tool.body {
                        *strict = Some(true);
                    }
                }
            }
            Some(if names.is_empty() {
                ToolChoice::Auto
            } else {
                ToolChoice::Allowed { names, required: false }
            })
        }
        _ => {
            return Err(DecodeError::new(
                "toolConfig.functionCallingConfig.mode",
                "must be AUTO, ANY, NONE or VALIDATED",
            ));
        }
    };
    Ok(())
}

fn function(f: Function<'_>, at: String) -> Result<Tool, DecodeError> {
    let Function { name, description, parameters, json_schema, other } = f;
    let name = name.map(Str::own).filter(|n| !n.is_empty());
    let name = name.ok_or_else(|| DecodeError::new(format!("{at}.name"), "is required"))?;
    let parameters =
        json_schema.map(|j| Raw(j.to_owned())).or_else(|| parameters.map(schema::to_json_schema));
    Ok(Tool {
        name,
        description: description.map(Str::own).filter(|d| !d.is_empty()),
        body: ToolBody::Function { parameters, strict: None },
        cache: None,
        extra: other.into_iter().map(|(k, v)| (super::request::canonical(&k), Raw(v.to_owned()))).collect(),
        at: Spot::new(at),
    })
}

/// `{"name":raw}`
fn wrap(name: &str, raw: &RawValue) -> Raw {
    let mut json = Json::default();
    json.object();
    json.raw_member(name, raw.get());
    json.end_object();
    json.into_raw().unwrap_or_else(|| Raw(raw.to_owned()))
}

/// Writes `tools` and `toolConfig`.
pub(super) fn write(json: &mut Json, c: &Conversation, model: Model, options: &Options, losses: &mut Losses) {
    let mut functions = Json::default();
    let mut servers = Json::default();
    functions.array();
    let (mut strict, mut any_function, mut any_server) = (false, false, false);
    for tool in &c.tools {
        let mut spot = Where { functions: &mut functions, servers: &mut servers, options, losses };
        any_server |= spot.tool(tool, &mut strict, &mut any_function);
    }
    functions.end_array();
    if any_function || any_server {
        json.key("tools");
        json.array();
        if any_function {
            json.object();
            json.key("functionDeclarations");
            json.written(&functions.out);
            json.end_object();
        }
        if any_server {
            json.written(&servers.out);
        }
        json.end_array();
    }
    let own: Vec<(&str, &Raw)> =
        c.extra.iter().filter_map(|(k, v)| Some((k.strip_prefix("toolConfig.")?, v))).collect();
    // The Gemini API runs its own tools beside functions only if the client wants to see that they ran.
    const SHOW: &str = "includeServerSideToolInvocations";
    let show = any_function
        && any_server
        && model.third()
        && options.platform == Platform::GeminiApi
        && !own.iter().any(|(k, _)| *k == SHOW);
    let choice = c.tool_choice.as_ref();
    let calling = own.iter().filter_map(|(k, v)| Some((k.strip_prefix("functionCallingConfig.")?, v)));
    let calling: Vec<_> = calling.collect();
    let has_mode = choice.is_some_and(|t| !matches!(t, ToolChoice::Server(_))) || (strict && any_function);
    if let Some(ToolChoice::Server(_)) = choice {
        losses.add("tool_choice", "the model's provider cannot be told to use one of its own tools");
    }
    if own.is_empty() && !show && !has_mode {
        return;
    }
    json.key("toolConfig");
    json.object();
    if has_mode || !calling.is_empty() {
        json.key("functionCallingConfig");
        json.object();
        if has_mode {
            write_choice(json, choice, strict);
        }
        for (k, v) in calling {
            json.raw_member(k, v.text());
        }
        json.end_object();
    }
    for (k, v) in own.iter().filter(|(k, _)| !k.starts_with("functionCallingConfig.")) {
        json.raw_member(k, v.text());
    }
    if show {
        json.member(SHOW, &true);
    }
    json.end_object();
}

fn write_choice(json: &mut Json, choice: Option<&ToolChoice>, strict: bool) {
    let auto = if strict { "VALIDATED" } else { "AUTO" };
    let (mode, names): (_, &[String]) = match choice {
        None | Some(ToolChoice::Auto | ToolChoice::Server(_)) => (auto, &[]),
        Some(ToolChoice::None) => ("NONE", &[]),
        Some(ToolChoice::Required) => ("ANY", &[]),
        Some(ToolChoice::Named(name)) => ("ANY", std::slice::from_ref(name)),
        Some(ToolChoice::Allowed { names, required: true }) => ("ANY", names),
        // Names are allowed with ANY and VALIDATED only.
        Some(ToolChoice::Allowed { names, required: false }) => ("VALIDATED", names),
    };
    json.member("mode", mode);
    if !names.is_empty() {
        json.member("allowedFunctionNames", names);
    }
}

/// Where tools are written to.
struct Where<'a> {
    functions: &'a mut Json,
    servers: &'a mut Json,
    options: &'a Options,
    losses: &'a mut Losses,
}

impl Where<'_> {
    /// Writes a tool; true: one of the provider's own.
    fn tool(&mut self, tool: &Tool, strict: &mut bool, any_function: &mut bool) -> bool {
        let Tool { name, description, body, cache, extra, at } = tool;
        let at = if at.0.is_empty() { "tools" } else { &*at.0 };
        if cache.is_some() {
            self.losses.hint(format!("{at}.cache_control"), "the model's provider caches prompts by itself");
        }
        match body {
            ToolBody::Function { parameters, strict: exact } => {
                *any_function = true;
                *strict |= *exact == Some(true);
                self.function(name, description.as_deref(), parameters.as_ref(), extra, at);
                false
            }
            ToolBody::Custom { .. } => {
                self.losses.add(at, "the model's provider has no tools with free text as their argument");
                false
            }
            ToolBody::Namespace(inner) => {
                self.losses.add(at, "the model's provider has no namespaces of tools");
                let mut any = false;
                for t in inner {
                    any |= self.tool(t, strict, any_function);
                }
                any
            }
            ToolBody::Server { kind: _, origin: Origin::Google, raw } => {
                self.servers.raw(raw.text());
                true
            }
            ToolBody::Server { kind, origin: _, raw } => self.foreign(*kind, raw, at),
        }
    }

    fn function(
        &mut self,
        name: &str,
        description: Option<&str>,
        parameters: Option<&Raw>,
        extra: &[(String, Raw)],
        at: &str,
    ) {
        let json = &mut *self.functions;
        json.object();
        json.member("name", name);
        // Google wants one, be it empty.
        json.words("description", description.unwrap_or_default());
        if let Some(p) = parameters {
            if self.options.json_schema {
                json.raw_member("parametersJsonSchema", schema::plain(p).text());
            } else {
                json.member("parameters", &schema::from_json_schema(p, at, self.losses));
            }
        }
        for (k, v) in extra {
            match k.as_str() {
                k if OWN.contains(&k) => json.raw_member(k, v.text()),
                // Says when to show the tool, not what it is.
                "defer_loading" | "eager_input_streaming" => {
                    self.losses.hint(format!("{at}.{k}"), "the model's provider has no such setting");
                }
                _ => self.losses.add(format!("{at}.{k}"), "the model's provider has no such setting"),
            }
        }
        json.end_object();
    }

    /// Another vendor's tool that Google has, too: searching and fetching.
    fn foreign(&mut self, kind: ServerKind, raw: &Raw, at: &str) -> bool {
        let own = match kind {
            ServerKind::WebSearch => "googleSearch",
            ServerKind::WebFetch => "urlContext",
            ServerKind::CodeExecution | ServerKind::Other => {
                self.losses.add(at, "another provider's tool");
                return false;
            }
        };
        let mut blocked = None;
        if let serde_json::Value::Object(fields) = raw.value() {
            for (k, v) in fields {
                let empty = v.is_null() || v.as_array().is_some_and(Vec::is_empty);
                match k.as_str() {
                    "type" | "name" => {}
                    _ if empty => {}
                    "blocked_domains"
                        if own == "googleSearch" && self.options.platform == Platform::Vertex =>
                    {
                        blocked = Some(v);
                    }
                    // How much and from where: hints. Which pages may be read is more than that.
                    "search_context_size"
                    | "user_location"
                    | "max_uses"
                    | "max_content_tokens"
                    | "external_web_access"
                    | "citations" => {
                        self.losses.hint(format!("{at}.{k}"), "Google's tool has no such setting");
                    }
                    _ => self.losses.add(format!("{at}.{k}"), "Google's tool has no such setting"),
                }
            }
        }
        let json = &mut *self.servers;
        json.object();
        json.key(own);
        json.object();
        json.maybe("excludeDomains", blocked);
        json.end_object();
        json.end_object();
        true
    }
}
