//! A client's request.

use super::functions;
use super::lenient::{self, Str};
use super::part::{self, Meaning};
use super::settings;
use super::thoughts;
use super::wire::{Content, Part, Request};
use crate::codec::DecodeError;
use crate::ir::block::{Block, Body, ToolCall};
use crate::ir::{Conversation, Message, Raw, Role, Spot};
use std::collections::{HashMap, VecDeque};

/// Decodes the body of `generateContent` or `streamGenerateContent`. `model` and `stream` stand in the path.
///
/// # Errors
/// What Google would refuse, too: no JSON, a wrong type, an unknown role.
pub fn decode_request(body: &[u8], model: &str, stream: bool) -> Result<Conversation, DecodeError> {
    let request: Request<'_> = lenient::read(body)?;
    conversation(request, model, stream)
}

/// The same for a body that is read already.
pub(super) fn conversation(
    request: Request<'_>,
    model: &str,
    stream: bool,
) -> Result<Conversation, DecodeError> {
    let Request { model: _, contents, system, tools, tool_config, config, labels, service_tier, other } =
        request;
    let mut c = Conversation { model: model.to_owned(), ..Conversation::default() };
    c.extra.extend(other.into_iter().map(|(k, v)| (canonical(&k), Raw(v.to_owned()))));
    c.settings.stream = stream;
    c.settings.service_tier = service_tier.map(Str::own);
    let mut reader = Reader::default();
    if let Some(system) = system {
        let parts = system.parts.unwrap_or_default().0;
        let content = reader.parts(parts, "systemInstruction", &mut c.extra)?;
        if !content.is_empty() {
            let at = Spot::new("systemInstruction");
            c.messages.push(Message { at, ..Message::new(Role::System, content) });
        }
    }
    for (i, content) in contents.unwrap_or_default().0.into_iter().enumerate() {
        let at = format!("contents[{i}]");
        let Content { role, parts, other } = content;
        let role = match role.as_ref().map_or("user", Str::as_str) {
            "model" => Role::Assistant,
            // The last two are older names for results of functions.
            "user" | "" | "function" | "tool" => Role::User,
            _ => {
                return Err(DecodeError::new(
                    format!("{at}.role"),
                    "must be `user` or `model`; instructions belong into `systemInstruction`",
                ));
            }
        };
        c.extra.extend(other.into_iter().map(|(k, v)| (format!("{at}.{k}"), Raw(v.to_owned()))));
        let mut content = reader.parts(parts.unwrap_or_default().0, &at, &mut c.extra)?;
        // Canonical: results before other things.
        content.sort_by_key(|b| !matches!(b.body, Body::ToolResult(_)));
        if role == Role::Assistant {
            content = thoughts::joined(&mut c.messages, content);
        }
        c.messages.push(Message { at: Spot::new(at), ..Message::new(role, content) });
    }
    functions::read(tools.unwrap_or_default().0, tool_config, &mut c)?;
    if let Some(config) = config {
        settings::read(config, &mut c)?;
    }
    if let Some(labels) = labels {
        match serde_json::from_str::<Labels>(labels.get()) {
            Ok(map) => c.settings.metadata.extend(map.0),
            Err(_) => return Err(DecodeError::new("labels", "must be an object of strings")),
        }
    }
    Ok(c)
}

/// Pairs of texts, in the order in which they came.
struct Labels(Vec<(String, String)>);

impl<'de> serde::Deserialize<'de> for Labels {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        serde_json::Map::deserialize(d)?
            .into_iter()
            .map(|(k, v)| match v {
                serde_json::Value::String(s) => Ok((k, s)),
                _ => Err(serde::de::Error::custom("not a string")),
            })
            .collect::<Result<_, _>>()
            .map(Labels)
    }
}

/// The usual spelling of a field's name: `safety_settings` is `safetySettings`.
pub(super) fn canonical(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut up = false;
    for c in name.chars() {
        match c {
            '_' if !out.is_empty() => up = true,
            c if std::mem::take(&mut up) => out.push(c.to_ascii_uppercase()),
            c => out.push(c),
        }
    }
    out
}

/// Reads parts, and gives ids to calls and results that have none.
#[derive(Default)]
struct Reader {
    /// Ids of calls that have no result yet, by the function's name.
    open: HashMap<String, VecDeque<String>>,
}

impl Reader {
    fn parts(
        &mut self,
        parts: Vec<Part<'_>>,
        at: &str,
        extra: &mut Vec<(String, Raw)>,
    ) -> Result<Vec<Block>, DecodeError> {
        let mut out = Vec::with_capacity(parts.len());
        for (j, part) in parts.into_iter().enumerate() {
            let at = format!("{at}.parts[{j}]");
            let part::Read { meaning, signature, rest } = part::read(part);
            extra.extend(
                rest.into_iter().map(|(k, v)| (format!("{at}.{}", canonical(&k)), Raw(v.to_owned()))),
            );
            let spot = || Spot::new(at.as_str());
            match meaning {
                Meaning::Text { text, thought } => {
                    out.push(part::words(text.own(), thought, signature).at(spot()));
                }
                Meaning::Whole(body) => {
                    out.extend(part::signed(signature, body).into_iter().map(|b| b.at(spot())));
                }
                Meaning::Call(call) => {
                    let name = call.name.map(Str::own).filter(|n| !n.is_empty());
                    let name = name
                        .ok_or_else(|| DecodeError::new(format!("{at}.functionCall.name"), "is required"))?;
                    let id = call.id.map(Str::own).filter(|id| !id.is_empty());
                    // By its place: the same in every later turn, for prompt caches.
                    let id = id.unwrap_or_else(|| made_id(&at));
                    self.open.entry(name.clone()).or_default().push_back(id.clone());
                    out.push(
                        Block::new(Body::ToolCall(ToolCall {
                            id,
                            name,
                            arguments: part::arguments(call.args),
                            signature,
                            ..ToolCall::default()
                        }))
                        .at(spot()),
                    );
                }
                Meaning::Response(response) => {
                    let name = response.name.as_ref().map_or("", Str::as_str);
                    let open = self.open.entry(name.to_owned()).or_default();
                    let id = match response.id.as_ref().map_or("", Str::as_str) {
                        // Results without ids answer the calls in their order.
                        "" => open.pop_front().unwrap_or_else(|| made_id(&at)),
                        id => {
                            open.retain(|o| o != id);
                            id.to_owned()
                        }
                    };
                    out.push(Block::new(Body::ToolResult(part::result(response, id))).at(spot()));
                }
            }
        }
        Ok(out)
    }
}

/// An id for a call at a place (`contents[2].parts[0]`): `call_2_0`.
fn made_id(at: &str) -> String {
    at.split(|c: char| !c.is_ascii_digit())
        .filter(|n| !n.is_empty())
        .fold("call".to_owned(), |id, n| id + "_" + n)
}
