//! Responses that the gateway keeps for providers without state: what is kept, and what is made of it later.
//! Source: <https://platform.openai.com/docs/guides/conversation-state>,
//! <https://platform.openai.com/docs/guides/background>, <https://platform.openai.com/docs/api-reference/responses>.

use super::json::{Members, parse_body};
use super::object::{EncodeReply, Facts, Object, Status};
use crate::codec::DecodeError;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// One turn, as it is kept: what the client sent and what it got.
#[derive(Debug, Deserialize, Serialize)]
pub struct Turn {
    /// Items of the input, in the client's words.
    input: Vec<Box<RawValue>>,
    /// The response object.
    response: Box<RawValue>,
}

/// A page of `input_items`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// At most so many items (1 to 100).
    pub limit: usize,
    /// Oldest first? (The API's default is newest first.)
    pub ascending: bool,
    /// Only what comes after the item of this id.
    pub after: Option<String>,
}

impl Turn {
    /// The turn that `request` (a body) began and `response` (an object) ended.
    ///
    /// # Errors
    /// One of them is not what it should be.
    pub fn new(request: &[u8], response: &[u8]) -> Result<Self, DecodeError> {
        let response: Box<RawValue> =
            serde_json::from_slice(response).map_err(|e| DecodeError::new("", e.to_string()))?;
        Ok(Self { input: input(request)?, response })
    }

    /// What [`Turn::to_bytes`] has written.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_bytes(kept: &[u8]) -> Result<Self, DecodeError> {
        serde_json::from_slice(kept).map_err(|e| DecodeError::new("", e.to_string()))
    }

    /// As it is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Raw JSON always serialises.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The response object, as `status` wants it: the one kept may be older than its status.
    pub fn object(&self, status: &str) -> Vec<u8> {
        let Ok(mut object) = serde_json::from_str::<Map<String, Value>>(self.response.get()) else {
            return self.response.get().into();
        };
        if object.get("status").and_then(Value::as_str) == Some(status) {
            return self.response.get().into();
        }
        object.insert("status".into(), status.into());
        serde_json::to_vec(&object).unwrap_or_default()
    }

    /// The response object of a turn that came to nothing.
    pub fn failed(&self, code: &str, message: &str) -> Vec<u8> {
        let mut object: Map<String, Value> = serde_json::from_str(self.response.get()).unwrap_or_default();
        object.insert("status".into(), "failed".into());
        object.insert("error".into(), json!({ "code": code, "message": message }));
        serde_json::to_vec(&object).unwrap_or_default()
    }

    /// Items of the turn: what was sent, then what came.
    fn items(self) -> Result<impl Iterator<Item = Box<RawValue>>, DecodeError> {
        #[derive(Deserialize)]
        struct Output {
            #[serde(default)]
            output: Vec<Box<RawValue>>,
        }
        let Output { output } =
            serde_json::from_str(self.response.get()).map_err(|e| DecodeError::new("", e.to_string()))?;
        Ok(self.input.into_iter().chain(output))
    }

    /// Those items of the output that `wanted` knows, by their id.
    ///
    /// # Errors
    /// The response is no object.
    pub fn outputs(
        &self,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<(String, Box<RawValue>)>, DecodeError> {
        #[derive(Deserialize)]
        struct Output<'a> {
            #[serde(borrow, default)]
            output: Vec<&'a RawValue>,
        }
        let Output { output } =
            serde_json::from_str(self.response.get()).map_err(|e| DecodeError::new("", e.to_string()))?;
        let mut found = Vec::new();
        for item in output {
            if let Ok(Named { id: Some(id), .. }) = serde_json::from_str::<Named<'_>>(item.get())
                && wanted(&id)
            {
                found.push((id.into_owned(), item.to_owned()));
            }
        }
        Ok(found)
    }

    /// A page of the turn's input as a list of the API. `suffix`: makes ids for items that came without one.
    ///
    /// # Errors
    /// `after` is no item of it.
    pub fn input_items(&self, page: &PageQuery, suffix: &str) -> Result<Vec<u8>, DecodeError> {
        let mut items: Vec<Map<String, Value>> =
            self.input.iter().enumerate().map(|(i, item)| listed(item, suffix, i)).collect();
        if !page.ascending {
            items.reverse();
        }
        let id = |item: &Map<String, Value>| item.get("id").cloned().unwrap_or_default();
        let mut from = 0;
        if let Some(after) = &page.after {
            let at = items.iter().position(|i| i.get("id").and_then(Value::as_str) == Some(after.as_str()));
            from = at.ok_or_else(|| DecodeError::new("after", "is no item of this response"))? + 1;
        }
        let left = items.split_off(from.min(items.len()));
        let has_more = left.len() > page.limit;
        let data: Vec<_> = left.into_iter().take(page.limit).collect();
        let (first, last) = (data.first().map(id), data.last().map(id));
        let list = json!({
            "object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more,
        });
        Ok(serde_json::to_vec(&list).unwrap_or_default())
    }
}

/// What tells a reference from other items.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

/// The id that an item of the input refers to, where it is a reference.
fn reference(item: &RawValue) -> Option<String> {
    // Most items are none: a look instead of a parse.
    memchr::memmem::find(item.get().as_bytes(), b"\"item_reference\"")?;
    let Named { r#type, id } = serde_json::from_str(item.get()).ok()?;
    id.filter(|_| r#type.as_deref() == Some("item_reference")).map(Cow::into_owned)
}

/// Ids of the items that a request's input refers to (`{"type": "item_reference", "id": …}`), in its order.
///
/// # Errors
/// The body is no request.
pub fn references(request: &[u8]) -> Result<Vec<String>, DecodeError> {
    Ok(input(request)?.iter().filter_map(|item| reference(item)).collect())
}

/// The request with each reference replaced by the item that `find` knows. What the client wrote stays as it wrote it.
///
/// # Errors
/// The body is no request, a reference is not known (its id is told as the field), or the items have more than `most`
/// bytes.
pub fn dereferenced<'a>(
    request: &[u8],
    find: impl Fn(&str) -> Option<&'a RawValue>,
    most: u64,
) -> Result<Vec<u8>, DecodeError> {
    let mut items = Vec::new();
    let mut bytes = 0;
    for item in input(request)? {
        let item = match reference(&item) {
            Some(id) => find(&id).ok_or_else(|| DecodeError::new(id, "It is not known."))?.to_owned(),
            None => item,
        };
        bytes += item.get().len() as u64;
        if bytes > most {
            return Err(DecodeError::new("input", "What it refers to is too large."));
        }
        items.push(item);
    }
    with_input(request, &items)
}

/// Items of a request's `input`.
fn input(request: &[u8]) -> Result<Vec<Box<RawValue>>, DecodeError> {
    #[derive(Deserialize)]
    struct Asked<'a> {
        #[serde(borrow, default)]
        input: Option<&'a RawValue>,
    }
    let asked: Asked<'_> = parse_body(request)?;
    let Some(input) = asked.input else { return Ok(Vec::new()) };
    let wrong = |e: serde_json::Error| DecodeError::new("input", e.to_string());
    match input.get().as_bytes().first() {
        Some(b'"') => {
            #[derive(Serialize)]
            struct Message<'a> {
                r#type: &'static str,
                role: &'static str,
                content: &'a RawValue,
            }
            let message = Message { r#type: "message", role: "user", content: input };
            Ok(vec![serde_json::value::to_raw_value(&message).map_err(wrong)?])
        }
        _ => serde_json::from_str(input.get()).map_err(wrong),
    }
}

/// An item of the input as the API lists it: with an id, and with parts instead of a plain text.
fn listed(item: &RawValue, suffix: &str, index: usize) -> Map<String, Value> {
    let mut item: Map<String, Value> = serde_json::from_str(item.get()).unwrap_or_default();
    let kind =
        item.entry("type").or_insert_with(|| "message".into()).as_str().unwrap_or("message").to_owned();
    if kind == "message" {
        let model = item.get("role").and_then(Value::as_str) == Some("assistant");
        if let Some(Value::String(text)) = item.get("content") {
            let part = if model {
                json!({ "type": "output_text", "text": text, "annotations": [] })
            } else {
                json!({ "type": "input_text", "text": text })
            };
            item.insert("content".into(), json!([part]));
        }
        item.entry("status").or_insert_with(|| "completed".into());
    }
    if !item.get("id").is_some_and(Value::is_string) {
        let prefix = match kind.as_str() {
            "message" => "msg",
            "function_call" => "fc",
            "function_call_output" => "fco",
            "reasoning" => "rs",
            _ => "item",
        };
        item.insert("id".into(), format!("{prefix}_{suffix}{index:02x}").into());
    }
    item
}

/// Members of an object, written in their order.
struct Written<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl Serialize for Written<'_> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, &**value)?;
        }
        map.end()
    }
}

/// The request with `turns` (oldest first) in front of its input, and no longer naming the response it continues.
/// What the client wrote stays as it wrote it.
///
/// # Errors
/// The body is no object.
pub fn continued(request: &[u8], turns: Vec<Turn>) -> Result<Vec<u8>, DecodeError> {
    let mut items = Vec::new();
    for turn in turns {
        items.extend(turn.items()?);
    }
    items.extend(input(request)?);
    with_input(request, &items)
}

/// The request with another input, and no longer naming the response it continues.
fn with_input(request: &[u8], items: &[Box<RawValue>]) -> Result<Vec<u8>, DecodeError> {
    let items =
        serde_json::value::to_raw_value(items).map_err(|e| DecodeError::new("input", e.to_string()))?;
    let Members(members) = parse_body(request)?;
    let mut written: Vec<_> = members
        .into_iter()
        .filter(|(name, _)| name != "previous_response_id" && name != "input")
        .map(|(name, value)| (name, Cow::Borrowed(value)))
        .collect();
    written.push(("input".into(), Cow::Owned(items)));
    serde_json::to_vec(&Written(written)).map_err(|e| DecodeError::new("", e.to_string()))
}

/// The request of a response for the background, as it is made there: at once, and whole unless the client streams.
///
/// # Errors
/// The body is no object.
pub fn at_once(request: &[u8], stream: bool) -> Result<Vec<u8>, DecodeError> {
    let Members(members) = parse_body(request)?;
    let written = members
        .into_iter()
        .filter(|(name, _)| name != "background" && (stream || name != "stream"))
        .map(|(name, value)| (name, Cow::Borrowed(value)))
        .collect();
    serde_json::to_vec(&Written(written)).map_err(|e| DecodeError::new("", e.to_string()))
}

/// The object of a response that will be made in the background.
pub fn encode_queued(x: &EncodeReply) -> Vec<u8> {
    let id = x.kept.as_ref().map_or(&*x.id, |k| &k.id);
    let facts = Facts {
        id,
        created: x.created,
        status: Status::Queued,
        error: None,
        output: &[],
        tokens: None,
        tier: None,
    };
    // Strings, numbers and raw JSON always serialise.
    serde_json::to_vec(&Object::new(x, facts)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
