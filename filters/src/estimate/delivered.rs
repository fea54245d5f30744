//! What a client was given of the model's words: counted as it passes, for the case that no usage comes.
//!
//! Cheap, because it runs for every event of every stream: a search for the member that holds the words, and an
//! addition. The words themselves are kept (up to [`EXACT`]) only of providers that are known to leave usage out:
//! OpenAI-compatible servers.

use super::{Care, EXACT, tokens};
use crate::ir::stream::{Delta, StreamEvent};
use crate::surface::Dialect;
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// What a whole JSON answer has beside its words, in bytes: ids, names, reasons.
const ENVELOPE: u64 = 400;

/// Words on their way to a client.
#[derive(Clone, Default)]
pub struct Delivered {
    pub(super) bytes: u64,
    pub(super) text: String,
    /// The words are kept.
    keeps: bool,
    /// Bytes of a body that is not a stream, and its beginning where words are kept.
    body_bytes: u64,
    pub(super) body: Vec<u8>,
}

static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"delta\":"));

static TEXT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"text\":"));

/// Members that hold a model's words. The values of `input` and `args` are objects, and all of it are words.
fn holds_words(key: &[u8]) -> bool {
    matches!(
        key,
        b"content"
            | b"text"
            | b"arguments"
            | b"partial_json"
            | b"thinking"
            | b"reasoning"
            | b"reasoning_content"
            | b"refusal"
            | b"input"
            | b"args"
    )
}

impl Delivered {
    /// Nothing yet. `keeps`: the words are kept, not only counted.
    pub fn new(keeps: bool) -> Self {
        Self { keeps, ..Self::default() }
    }

    /// An event of a stream.
    pub(crate) fn event(&mut self, dialect: Dialect, name: &[u8], data: &[u8]) {
        match dialect {
            Dialect::OpenAi => {
                // Completions have no delta.
                let at = DELTA.find(data).map_or(0, |at| at + DELTA.needle().len());
                self.delta(&data[at..]);
            }
            Dialect::Anthropic if name == b"content_block_delta" || name.is_empty() => {
                if let Some(at) = DELTA.find(data) {
                    self.delta(&data[at + DELTA.needle().len()..]);
                }
            }
            // Rankings are no streams.
            Dialect::Anthropic | Dialect::Cohere => {}
            Dialect::Responses => {
                // `response.output_text.delta` and its kin: the delta is the text.
                if (name.ends_with(b".delta") || name.is_empty())
                    && let Some(at) = DELTA.find(data)
                    && let Some(text) = value(&data[at + DELTA.needle().len()..])
                {
                    self.add(text);
                }
            }
            Dialect::Gemini => {
                // (A call comes whole, in an event that says its tokens.)
                let mut rest = data;
                while let Some(at) = TEXT.find(rest) {
                    rest = &rest[at + TEXT.needle().len()..];
                    if let Some(text) = value(rest) {
                        self.add(text);
                    }
                }
            }
        }
    }

    /// What follows `"delta":`. Almost always it is one of a few forms with one text; else each member is looked at.
    fn delta(&mut self, rest: &[u8]) {
        const FORMS: [&[u8]; 4] = [
            br#"{"content":""#,
            br#"{"type":"text_delta","text":""#,
            br#"{"type":"thinking_delta","thinking":""#,
            br#"{"type":"input_json_delta","partial_json":""#,
        ];
        if let Some(text) = FORMS.iter().find_map(|f| rest.strip_prefix(*f)) {
            let len = string_len(text);
            if text.get(len + 1) == Some(&b'}') {
                return self.add(&text[..len]);
            }
        }
        self.words(rest);
    }

    /// A piece of a body that is not a stream.
    pub(crate) fn piece(&mut self, piece: &[u8]) {
        self.body_bytes += piece.len() as u64;
        if self.keeps && self.body.len() < EXACT {
            self.body.extend_from_slice(&piece[..piece.len().min(EXACT - self.body.len())]);
        }
    }

    /// A whole body in the client's format, of an answer that was translated.
    pub(crate) fn whole(&mut self, body: &[u8]) {
        self.keeps = true;
        self.words(body);
    }

    /// An event of a stream that is translated.
    pub(crate) fn said(&mut self, event: &StreamEvent) {
        if let StreamEvent::BlockDelta { delta, .. } = event
            && let Delta::Text(t) | Delta::Arguments(t) | Delta::Thinking(t) | Delta::Transcript(t) = delta
        {
            self.bytes += t.len() as u64;
            self.keep(t);
        }
    }

    /// Takes over what another has counted since the last time.
    pub fn absorb(&mut self, other: &mut Self) {
        self.bytes += std::mem::take(&mut other.bytes);
        self.keeps |= other.keeps;
        if !other.text.is_empty() {
            self.keep(&other.text);
            other.text.clear();
        }
    }

    /// Tokens of the words.
    pub(super) fn tokens(&self, model: &str, care: Care) -> u64 {
        if self.body_bytes == 0 {
            return tokens::of(&self.text, self.bytes, model, care);
        }
        if self.body.is_empty() {
            let words = self.body_bytes.saturating_sub(ENVELOPE);
            return tokens::of("", words, model, care);
        }
        let mut of_body = Self::new(true);
        of_body.words(&self.body);
        // A body that was longer than what is kept goes on as it began.
        let rest = self.body_bytes.saturating_sub(self.body.len() as u64);
        tokens::of(&of_body.text, of_body.bytes + rest, model, care)
    }

    /// Counts the members of a JSON text (it may begin and end anywhere) that hold words.
    fn words(&mut self, json: &[u8]) {
        let (mut i, mut wanted) = (0, false);
        while let Some(q) = memchr::memchr(b'"', json.get(i..).unwrap_or_default()) {
            let start = i + q + 1;
            let end = start + string_len(&json[start..]);
            let string = &json[start..end];
            i = end + 1;
            let after = json.get(i..).unwrap_or_default().trim_ascii_start();
            let Some(after) = after.strip_prefix(b":") else {
                if wanted {
                    self.add(string);
                }
                continue;
            };
            wanted = holds_words(string);
            let object = wanted && matches!(string, b"input" | b"args");
            if object && after.trim_ascii_start().starts_with(b"{") {
                i = json.len() - after.trim_ascii_start().len();
                let len = object_len(&json[i..]);
                // `{}` is how a call begins whose input comes in pieces.
                if len > 2 {
                    self.add(&json[i..i + len]);
                }
                i += len;
            }
        }
    }

    /// Words as they stand in JSON.
    fn add(&mut self, raw: &[u8]) {
        let escaped = memchr::memchr(b'\\', raw).is_some();
        self.bytes += if escaped { decoded_len(raw) } else { raw.len() as u64 };
        if self.keeps && self.text.len() < EXACT {
            let decoded =
                escaped.then(|| serde_json::from_slice::<String>(&[b"\"", raw, b"\""].concat()).ok());
            match decoded.flatten() {
                Some(text) => self.keep(&text),
                None => self.keep(&String::from_utf8_lossy(raw)),
            }
        }
    }

    fn keep(&mut self, text: &str) {
        if self.keeps && self.text.len() < EXACT {
            self.text.push_str(&text[..text.floor_char_boundary(EXACT - self.text.len())]);
        }
    }
}

/// The string that a text begins with, without quotes.
fn value(json: &[u8]) -> Option<&[u8]> {
    let rest = json.trim_ascii_start().strip_prefix(b"\"")?;
    Some(&rest[..string_len(rest)])
}

/// Length of a string up to its closing quote, or of all there is.
fn string_len(b: &[u8]) -> usize {
    // Most are a few words, for which a vector search costs more than looking at each byte.
    let plain = b.iter().take(16).take_while(|c| !matches!(c, b'"' | b'\\')).count();
    if b.get(plain) == Some(&b'"') {
        return plain;
    }
    let mut i = plain;
    while let Some(n) = memchr::memchr2(b'"', b'\\', b.get(i..).unwrap_or_default()) {
        i += n;
        if b[i] == b'"' {
            return i;
        }
        i += 2;
    }
    b.len()
}

/// Length of an object up to its closing brace, or of all there is.
fn object_len(b: &[u8]) -> usize {
    let (mut i, mut depth) = (0, 0usize);
    while let Some(c) = b.get(i) {
        i += 1;
        match c {
            b'"' => i += string_len(&b[i..]) + 1,
            b'{' => depth += 1,
            b'}' if depth <= 1 => return i,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    b.len()
}

/// Bytes of a JSON string once its escapes are read.
fn decoded_len(raw: &[u8]) -> u64 {
    let (mut i, mut n) = (0, 0);
    while let Some(c) = raw.get(i) {
        match (c, raw.get(i + 1)) {
            // Most of what is written so has three bytes; a pair of surrogates four.
            (b'\\', Some(b'u')) => (i, n) = (i + 6, n + 3),
            (b'\\', _) => (i, n) = (i + 2, n + 1),
            _ => (i, n) = (i + 1, n + 1),
        }
    }
    n
}

/// Words are the client's own: never shown.
impl std::fmt::Debug for Delivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivered").field("bytes", &self.bytes.max(self.body_bytes)).finish_non_exhaustive()
    }
}
