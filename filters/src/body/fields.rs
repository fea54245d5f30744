//! The fields of a JSON body that the gateway must know.

use super::json::{self, JsonError, Kind, Member, Visit};
use super::{Envelope, Format, StreamOptions, Text, invalid};
use crate::rejection::{ErrorKind, Rejection};
use crate::surface::Surface;
use std::ops::Range;

/// A field that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Model,
    Models,
    Fallbacks,
    Tools,
    Stream,
    StreamOptions,
    IncludeUsage,
    PreviousResponseId,
    Conversation,
    ConversationId,
    Background,
    Store,
}

/// Fields of the outermost object.
const TOP: [(&str, Field); 10] = [
    ("model", Field::Model),
    ("models", Field::Models),
    ("fallbacks", Field::Fallbacks),
    ("tools", Field::Tools),
    ("stream", Field::Stream),
    ("stream_options", Field::StreamOptions),
    ("previous_response_id", Field::PreviousResponseId),
    ("conversation", Field::Conversation),
    ("background", Field::Background),
    ("store", Field::Store),
];

impl Field {
    /// Fields that have no meaning on a surface are passed on unread.
    fn matters_on(self, surface: Surface) -> bool {
        let responses = matches!(surface, Surface::Responses | Surface::ResponsesCompact);
        match self {
            Self::StreamOptions | Self::IncludeUsage => {
                matches!(surface, Surface::Chat | Surface::Completions)
            }
            Self::PreviousResponseId
            | Self::Conversation
            | Self::ConversationId
            | Self::Background
            | Self::Store => responses,
            _ => true,
        }
    }
    const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Models => "models",
            Self::Fallbacks => "fallbacks",
            Self::Tools => "tools",
            Self::Stream => "stream",
            Self::StreamOptions => "stream_options",
            Self::IncludeUsage => "stream_options.include_usage",
            Self::PreviousResponseId => "previous_response_id",
            Self::Conversation => "conversation",
            Self::ConversationId => "conversation.id",
            Self::Background => "background",
            Self::Store => "store",
        }
    }
}

/// Reads and validates a JSON body.
pub(super) fn read(raw: &[u8], surface: Surface) -> Result<Envelope, Rejection> {
    let text = std::str::from_utf8(raw).map_err(|e| not_utf8(raw, e.valid_up_to()))?;
    let mut reader = Reader { text, surface, open: None, seen: 0, out: Envelope::default(), error: None };
    let object = json::scan(text, &mut reader).map_err(|e| not_json(text, e))?;
    if let Some(error) = reader.error {
        return Err(error);
    }
    let mut out = reader.out;
    out.format = Format::Json(object);
    Ok(out)
}

struct Reader<'a> {
    text: &'a str,
    surface: Surface,
    /// The top-level field whose inside is being read.
    open: Option<Field>,
    /// A bit a field already seen (they come once).
    seen: u32,
    out: Envelope,
    /// The first thing wrong with a field; the scan goes on, since a syntax error matters more.
    error: Option<Rejection>,
}

impl Visit for Reader<'_> {
    fn descend(&mut self, key: &str, escaped: bool) -> bool {
        // Inside a descended value nothing is descended further.
        if self.open.is_some() {
            return false;
        }
        let Some((field, _)) = find(&TOP, key, escaped) else { return false };
        let down = match field {
            Field::StreamOptions | Field::Conversation => field.matters_on(self.surface),
            Field::Models | Field::Fallbacks | Field::Tools => true,
            _ => false,
        };
        if down {
            self.open = Some(field);
        }
        down
    }

    fn member(&mut self, m: Member) {
        let result = if m.level == 1 {
            self.open = None;
            self.top(&m)
        } else {
            self.inner(&m)
        };
        if let Err(e) = result {
            self.error.get_or_insert(e);
        }
    }
}

impl Reader<'_> {
    fn top(&mut self, m: &Member) -> Result<(), Rejection> {
        let Some((field, exact)) = find(&TOP, &self.text[m.key.clone()], m.key_escaped) else {
            return Ok(());
        };
        if !field.matters_on(self.surface) {
            return Ok(());
        }
        self.once(field, exact)?;
        match field {
            Field::Model => self.out.model = self.string(field, m)?,
            Field::PreviousResponseId => self.out.previous_response_id = self.string(field, m)?,
            Field::Stream => self.out.stream = boolean(field, m)?.unwrap_or(false),
            Field::Background => self.out.background = boolean(field, m)?.unwrap_or(false),
            Field::Store => self.out.store = boolean(field, m)?,
            Field::StreamOptions => {
                let empty = match m.kind {
                    Kind::Object => Some(is_empty_object(&self.text[m.value.clone()])),
                    Kind::Null => None,
                    _ => return Err(wrong_type(field, "an object")),
                };
                // `include_usage` was reported before its parent.
                let include_usage = self.out.stream_options.take().and_then(|o| o.include_usage);
                self.out.stream_options = Some(StreamOptions { span: m.value.clone(), empty, include_usage });
            }
            Field::Conversation => match m.kind {
                Kind::Text => self.out.conversation = self.string(field, m)?,
                Kind::Object | Kind::Null => {}
                _ => return Err(wrong_type(field, "a string or an object")),
            },
            _ => {}
        }
        Ok(())
    }

    /// A member of a descended value.
    fn inner(&mut self, m: &Member) -> Result<(), Rejection> {
        let key = &self.text[m.key.clone()];
        let is = |name, field| find(&[(name, field)], key, m.key_escaped).map(|(_, exact)| exact);
        match self.open {
            Some(Field::StreamOptions) => {
                let Some(exact) = is("include_usage", Field::IncludeUsage) else { return Ok(()) };
                self.once(Field::IncludeUsage, exact)?;
                let yes = boolean(Field::IncludeUsage, m)?.unwrap_or(false);
                let include_usage = Some((m.value.clone(), yes));
                // The parent's span follows when it has been read.
                self.out.stream_options =
                    Some(StreamOptions { span: m.value.clone(), empty: Some(false), include_usage });
            }
            Some(Field::Conversation) => {
                let Some(exact) = is("id", Field::ConversationId) else { return Ok(()) };
                self.once(Field::ConversationId, exact)?;
                self.out.conversation = self.string(Field::ConversationId, m)?;
            }
            // A string in a list of models (OpenRouter's `models`), not in the tools.
            Some(Field::Models | Field::Fallbacks) if m.key.is_empty() && m.kind == Kind::Text => {
                let text = self.string(Field::Models, m)?;
                self.out.other_models.extend(text);
            }
            Some(field @ (Field::Models | Field::Fallbacks | Field::Tools))
                if is("model", Field::Model).is_some() && m.kind == Kind::Text =>
            {
                let text = self.string(field, m)?;
                self.out.other_models.extend(text);
            }
            _ => {}
        }
        Ok(())
    }

    fn once(&mut self, field: Field, exact: bool) -> Result<(), Rejection> {
        // Lists of models are collected, not chosen from: a second one adds to what is checked.
        if matches!(field, Field::Models | Field::Fallbacks | Field::Tools) {
            return Ok(());
        }
        let name = field.name();
        if !exact {
            return Err(invalid(name, "ambiguous_field", format!("'{name}' must be written in lower case.")));
        }
        let bit = 1 << field as u32;
        if self.seen & bit != 0 {
            return Err(invalid(name, "duplicate_field", format!("'{name}' is given more than once.")));
        }
        self.seen |= bit;
        Ok(())
    }

    /// A string's span and text; None for null.
    fn string(&self, field: Field, m: &Member) -> Result<Option<Text>, Rejection> {
        match m.kind {
            Kind::Null => return Ok(None),
            Kind::Text => {}
            _ => return Err(wrong_type(field, "a string")),
        }
        let span: Range<usize> = m.value.start + 1..m.value.end - 1;
        let decoded = if m.value_escaped {
            let text: String = serde_json::from_str(&self.text[m.value.clone()])
                .map_err(|_| wrong_type(field, "a string of valid Unicode"))?;
            Some(text.into_boxed_str())
        } else {
            None
        };
        Ok(Some(Text { span, decoded }))
    }
}

/// true, false or null.
fn boolean(field: Field, m: &Member) -> Result<Option<bool>, Rejection> {
    match m.kind {
        Kind::True => Ok(Some(true)),
        Kind::False => Ok(Some(false)),
        Kind::Null => Ok(None),
        _ => Err(wrong_type(field, "a boolean")),
    }
}

fn wrong_type(field: Field, want: &str) -> Rejection {
    let name = field.name();
    invalid(name, "invalid_type", format!("Invalid type for '{name}': expected {want}."))
}

fn is_empty_object(text: &str) -> bool {
    text[1..text.len() - 1].bytes().all(|c| c.is_ascii_whitespace())
}

/// The field of a key, and whether the key is written exactly so. A key in another case counts (see the module's
/// head), also with the two characters that Unicode folds to ASCII letters: `ſ` (s) and `K` (k, the Kelvin sign).
fn find(fields: &[(&str, Field)], key: &str, escaped: bool) -> Option<(Field, bool)> {
    // Undoing escapes first: "mod\u0065l" is `model` to every reader. Lone surrogates are in none of our names.
    let decoded;
    let key = if escaped {
        let quoted = format!("\"{key}\"");
        decoded = serde_json::from_str::<String>(&quoted).ok()?;
        decoded.as_str()
    } else {
        key
    };
    if let Some((_, f)) = fields.iter().find(|(name, _)| *name == key) {
        return Some((*f, true));
    }
    if key.len() > 3 * 20 {
        return None;
    }
    let same = |name: &str| {
        if key.is_ascii() {
            return name.eq_ignore_ascii_case(key);
        }
        let folded = key.chars().map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            c => c.to_ascii_lowercase(),
        });
        folded.eq(name.chars())
    };
    fields.iter().find(|(name, _)| same(name)).map(|(_, f)| (*f, false))
}

/// The message says where, in lines and columns, never what the body says there.
pub(super) fn not_json(text: &str, e: JsonError) -> Rejection {
    let before = &text.as_bytes()[..e.at.min(text.len())];
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |n| n + 1) + 1;
    let message = if text.trim_start().is_empty() {
        "The request body is empty; send a JSON object.".into()
    } else {
        format!("The request body is not valid JSON: {} (line {line}, column {column}).", e.what)
    };
    Rejection::client(ErrorKind::InvalidRequest, "invalid_json", message)
}

pub(super) fn not_utf8(raw: &[u8], at: usize) -> Rejection {
    let compressed = raw.starts_with(&[0x1f, 0x8b]) || raw.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let message = if compressed {
        "The request body is compressed; send it without Content-Encoding.".into()
    } else {
        format!("The request body is not valid UTF-8 (byte {at}).")
    };
    Rejection::client(ErrorKind::InvalidRequest, "invalid_json", message)
}
