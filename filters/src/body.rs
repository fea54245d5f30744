//! The request body: read once, parsed once, never re-serialised.
//!
//! [`RequestBody::parse`] validates the whole body and remembers where the few fields stand that the gateway must
//! know. What must change (the model's name at the provider, `include_usage`) is a splice: a range of the client's
//! bytes and what goes there instead. Everything else reaches the provider as the client wrote it, because
//! re-serialising breaks thinking signatures and prompt caches.
//!
//! What two readers could understand differently is refused: a field given twice, or in another case (Go's decoder
//! takes `Model` for `model`): otherwise access would be checked for one model and another one be served.

mod fields;
mod gemini;
pub(crate) mod json;
mod multipart;
mod splice;

pub use splice::Splice;

use crate::codec::gemini::Framing;
use crate::rejection::{ErrorKind, Rejection};
use crate::surface::{Dialect, Named, Surface};
use bytes::Bytes;
use std::fmt;
use std::ops::Range;

/// The request body and what the gateway had to know of it.
#[derive(Clone, Default)]
pub struct RequestBody {
    /// The bytes as sent.
    pub raw: Bytes,
    envelope: Envelope,
    /// What the path has said (Gemini).
    named: Option<Box<Named>>,
}

/// What stands where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Envelope {
    format: Format,
    model: Option<Text>,
    /// Models named beside the main one: `tools[].model`, `fallbacks[]`, `models[]`.
    other_models: Vec<Text>,
    stream: bool,
    stream_options: Option<StreamOptions>,
    previous_response_id: Option<Text>,
    conversation: Option<Text>,
    background: bool,
    store: Option<bool>,
}

/// How the body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    /// No body was needed, none was looked at.
    #[default]
    None,
    /// A JSON object.
    Json(json::Object),
    /// `multipart/form-data`.
    Multipart,
}

/// A text value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Text {
    /// Its bytes in the body, without quotes.
    span: Range<usize>,
    /// The text, where escapes had to be undone, or where it is asked for often.
    decoded: Option<Box<str>>,
}

/// The `stream_options` member.
#[derive(Clone, Debug, PartialEq, Eq)]
struct StreamOptions {
    /// Its value in the body.
    span: Range<usize>,
    /// `{}`; None: the value is `null`.
    empty: Option<bool>,
    /// `include_usage` in it: its value's span, and what it says.
    include_usage: Option<(Range<usize>, bool)>,
}

impl RequestBody {
    /// Reads a whole body. `content_type`: the header's value. The error is a 400 that names the field.
    pub fn parse(raw: Bytes, content_type: Option<&str>, surface: Surface) -> Result<Self, Rejection> {
        if !surface.takes_model() {
            return Ok(Self { raw, ..Self::default() });
        }
        let media = content_type.map(|t| t.split(';').next().unwrap_or_default().trim());
        let forms = matches!(surface, Surface::Images | Surface::Audio);
        let envelope = match media {
            Some(m) if forms && m.eq_ignore_ascii_case("multipart/form-data") => {
                multipart::read(&raw, content_type.unwrap_or_default())?
            }
            Some(m) if !is_json(m) => return Err(wrong_media_type(m, forms)),
            _ if surface.dialect() == Dialect::Gemini => gemini::read(&raw)?,
            _ => fields::read(&raw, surface)?,
        };
        let mut body = Self { raw, envelope, named: None };
        // A dozen places ask for it: is it UTF-8 is looked at once.
        let model = body.model().map(Box::from);
        if let Some(t) = &mut body.envelope.model {
            t.decoded = model;
        }
        Ok(body)
    }

    /// A body that is not read yet, of a call whose path names the model.
    pub fn unread(named: Option<Named>) -> Self {
        Self { named: named.map(Box::new), ..Self::default() }
    }

    /// The same with the body, once it is read: [`RequestBody::parse`]. A body that names another model than the path
    /// is refused: two readers could understand it differently.
    pub fn read(&self, raw: Bytes, content_type: Option<&str>, surface: Surface) -> Result<Self, Rejection> {
        let body = Self { named: self.named.clone(), ..Self::parse(raw, content_type, surface)? };
        let Some(named) = &body.named else { return Ok(body) };
        if body.other_models().all(|m| named.is(m)) {
            return Ok(body);
        }
        let message = "The model in the body must be the one in the path, or be left out.";
        Err(invalid("model", "ambiguous_field", message))
    }

    fn text<'a>(&'a self, t: Option<&'a Text>) -> Option<&'a str> {
        let t = t?;
        match &t.decoded {
            Some(d) => Some(d),
            // The span was cut from valid UTF-8 at quotes: this cannot fail.
            None => self.raw.get(t.span.clone()).and_then(|b| std::str::from_utf8(b).ok()),
        }
    }

    /// The model that the client asked for.
    pub fn model(&self) -> Option<&str> {
        if let Some(named) = &self.named {
            return Some(&named.model);
        }
        self.text(self.envelope.model.as_ref())
    }

    /// Where the model's name stands in [`RequestBody::raw`] (without quotes).
    pub fn model_span(&self) -> Option<Range<usize>> {
        self.envelope.model.as_ref().map(|t| t.span.clone())
    }

    /// Models that the body names beside the main one (Anthropic's advisor tool, fallback lists): access must be
    /// checked for them too. They go to the provider as written; but where the path names the model they are that
    /// same one ([`RequestBody::splice_repeated`]).
    pub fn other_models(&self) -> impl Iterator<Item = &str> {
        self.envelope.other_models.iter().filter_map(|t| self.text(Some(t)))
    }

    /// Does the path name the model?
    pub fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// How a stream to a Gemini client is framed.
    pub fn framing(&self) -> Framing {
        self.named.as_ref().map_or(Framing::Sse, |n| n.framing)
    }

    /// Did the client ask for an event stream?
    pub fn stream(&self) -> bool {
        self.named.as_ref().map_or(self.envelope.stream, |n| n.stream)
    }

    /// Did the client ask for the usage chunk (`stream_options.include_usage`)?
    pub fn include_usage(&self) -> bool {
        let asked = self.envelope.stream_options.as_ref().and_then(|o| o.include_usage.as_ref());
        asked.is_some_and(|(_, yes)| *yes)
    }

    /// The stored response that this one continues (Responses API).
    pub fn previous_response_id(&self) -> Option<&str> {
        self.text(self.envelope.previous_response_id.as_ref())
    }

    /// The conversation that this response belongs to (Responses API): its id, given plainly or as `{"id": …}`.
    pub fn conversation(&self) -> Option<&str> {
        self.text(self.envelope.conversation.as_ref())
    }

    /// Is the response to be made in the background (Responses API)?
    pub fn background(&self) -> bool {
        self.envelope.background
    }

    /// `store` as sent (Responses API; OpenAI's default there is true).
    pub fn store(&self) -> Option<bool> {
        self.envelope.store
    }

    /// Is it a JSON object?
    pub fn is_json(&self) -> bool {
        matches!(self.envelope.format, Format::Json(_))
    }
}

/// Bodies hold prompts: never shown.
impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("len", &self.raw.len()).field("model", &self.model()).finish()
    }
}

/// `application/json` and its relatives (RFC 6839 `+json`).
fn is_json(media: &str) -> bool {
    let media = media.to_ascii_lowercase();
    matches!(media.as_str(), "application/json" | "text/json")
        || (media.starts_with("application/") && media.ends_with("+json"))
}

fn wrong_media_type(media: &str, forms: bool) -> Rejection {
    let want = if forms { "application/json or multipart/form-data" } else { "application/json" };
    let media: String = media.chars().filter(|c| c.is_ascii_graphic()).take(80).collect();
    let message = format!("Unsupported Content-Type '{media}'; send {want}.");
    Rejection::client(ErrorKind::InvalidRequest, "unsupported_content_type", message)
}

/// A 400 about one field.
fn invalid(param: &str, code: &'static str, message: impl Into<String>) -> Rejection {
    Rejection::client(ErrorKind::InvalidRequest, code, message).param(param)
}

#[cfg(test)]
mod tests;
