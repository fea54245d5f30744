//! Finds wanted top-level members of a JSON body as it passes, piece by piece.
//!
//! No piece is kept: only the wanted values are copied, up to a bound. 20 MB of embeddings cost one pass over the
//! bytes and no memory. What is not a JSON object (audio, plain text) is left alone after its first byte; where arrays
//! of objects are expected (Gemini's stream without `alt=sse`) each is looked at.

use crate::codec::text::string_end;
use smallvec::SmallVec;

/// Largest value that is held; a larger one is passed over.
const MAX_VALUE: usize = 64 * 1024;
/// Longest key that is compared.
const MAX_KEY: usize = 16;

/// Members that are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Usage,
    /// Gemini's usage.
    Metadata,
    /// Cohere's usage, and more.
    Meta,
    Id,
    Store,
    /// How a response stands.
    Status,
    /// Is it made in the background?
    Background,
}

/// Where the scan stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first byte.
    #[default]
    Start,
    /// Inside the object.
    In,
    /// Inside an array, between its objects.
    Between,
    /// The object has ended.
    Ended,
    /// Not a JSON object.
    Off,
}

/// A scan that can be stopped and resumed at any byte.
#[derive(Clone, Debug, Default)]
pub(super) struct BodyScan {
    state: State,
    /// Arrays of objects are looked into.
    arrays: bool,
    /// The document is one.
    array: bool,
    depth: u32,
    in_string: bool,
    escape: bool,
    /// At depth 1: the next (or current) string is a key.
    at_key: bool,
    key: SmallVec<[u8; 24]>,
    /// The value that is being read is wanted.
    wanted: Option<Wanted>,
    value: Vec<u8>,
}

impl BodyScan {
    /// A scan that looks into an array of objects, too.
    pub(super) fn with_arrays() -> Self {
        Self { arrays: true, ..Self::default() }
    }

    /// Did the document end, or is it none?
    pub(super) fn ended(&self) -> bool {
        matches!(self.state, State::Ended | State::Off)
    }

    /// Reads on. `found` gets each wanted value once it is whole.
    pub(super) fn push(&mut self, piece: &[u8], mut found: impl FnMut(Wanted, &[u8])) {
        let mut i = self.begin(piece, 0);
        // From here the bytes of a wanted value are not yet copied.
        let mut from = i;
        while self.state == State::In && i < piece.len() {
            if self.in_string {
                i = self.string(piece, i);
                continue;
            }
            if self.depth > 1 {
                i = self.nested(piece, i);
                continue;
            }
            match piece[i] {
                b'"' => {
                    self.in_string = true;
                    if self.at_key {
                        self.key.clear();
                    }
                }
                b'{' | b'[' => self.depth = 2,
                b'}' | b']' => {
                    self.depth = 0;
                    self.take(&piece[from.min(i)..i], &mut found);
                    if self.array {
                        self.state = State::Between;
                        i = self.begin(piece, i + 1);
                        from = i;
                        continue;
                    }
                    self.state = State::Ended;
                }
                b':' if self.at_key => {
                    self.at_key = false;
                    self.wanted = match self.key.as_slice() {
                        b"usage" => Some(Wanted::Usage),
                        b"usageMetadata" | b"usage_metadata" => Some(Wanted::Metadata),
                        b"meta" => Some(Wanted::Meta),
                        b"id" => Some(Wanted::Id),
                        b"store" => Some(Wanted::Store),
                        b"status" => Some(Wanted::Status),
                        b"background" => Some(Wanted::Background),
                        _ => None,
                    };
                    self.value.clear();
                    from = i + 1;
                }
                b',' => {
                    self.take(&piece[from.min(i)..i], &mut found);
                    self.at_key = true;
                }
                _ => {}
            }
            i += 1;
        }
        if self.state == State::In && self.wanted.is_some() {
            self.keep(&piece[from.min(piece.len())..]);
        }
    }

    /// Looks for the beginning of an object; returns where to read on.
    fn begin(&mut self, piece: &[u8], mut i: usize) -> usize {
        while let (State::Start | State::Between, Some(c)) = (self.state, piece.get(i)) {
            i += 1;
            match (c, self.state) {
                (c, _) if c.is_ascii_whitespace() => {}
                (b'{', _) => {
                    self.state = State::In;
                    self.depth = 1;
                    self.at_key = true;
                }
                (b'[', State::Start) if self.arrays => {
                    self.state = State::Between;
                    self.array = true;
                }
                (b',', State::Between) => {}
                (b']', State::Between) => self.state = State::Ended,
                _ => self.state = State::Off,
            }
        }
        i
    }

    /// Reads on inside a nested value, where only brackets and quotes matter, up to its end; returns where.
    fn nested(&mut self, piece: &[u8], mut i: usize) -> usize {
        let mut depth = self.depth;
        loop {
            let rest = &piece[i..];
            let Some(n) = rest.iter().position(|c| !matches!(CLASS[usize::from(*c)], Class::Other)) else {
                i = piece.len();
                break;
            };
            i += n + 1;
            match CLASS[usize::from(rest[n])] {
                Class::Other => {}
                Class::Quote => {
                    i += string_end(&piece[i..]);
                    if piece.get(i) == Some(&b'"') {
                        i += 1;
                    } else {
                        // An escape, or the piece's end: the careful way.
                        self.in_string = true;
                        break;
                    }
                }
                Class::Open => depth = depth.saturating_add(1),
                Class::Close => {
                    depth -= 1;
                    if depth == 1 {
                        break;
                    }
                }
            }
        }
        self.depth = depth;
        i
    }

    /// Reads on inside a string; returns where.
    fn string(&mut self, piece: &[u8], mut i: usize) -> usize {
        let key = self.depth == 1 && self.at_key;
        if std::mem::take(&mut self.escape) {
            // An escaped key is none of ours: providers do not write those.
            return i + 1;
        }
        let n = string_end(&piece[i..]);
        if key {
            // One past the bound is enough to make the key a different one.
            let room = (MAX_KEY + 1).saturating_sub(self.key.len());
            self.key.extend_from_slice(&piece[i..i + n.min(room)]);
        }
        i += n;
        match piece.get(i) {
            Some(b'"') => self.in_string = false,
            Some(_) => {
                self.escape = true;
                if key {
                    self.key.extend_from_slice(b"\\");
                }
            }
            None => return i,
        }
        i + 1
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.value.len() + bytes.len() > MAX_VALUE {
            self.wanted = None;
            self.value = Vec::new();
        } else {
            self.value.extend_from_slice(bytes);
        }
    }

    /// A value has ended; `rest`: its bytes in this piece.
    fn take(&mut self, rest: &[u8], found: &mut impl FnMut(Wanted, &[u8])) {
        let Some(wanted) = self.wanted else { return };
        if self.value.is_empty() {
            found(wanted, rest);
        } else {
            self.keep(rest);
            if self.wanted.is_some() {
                found(wanted, &self.value);
            }
        }
        self.wanted = None;
        self.value.clear();
    }
}

/// What a byte is to [`BodyScan::nested`].
#[derive(Clone, Copy)]
enum Class {
    Other,
    Quote,
    Open,
    Close,
}

static CLASS: [Class; 256] = {
    let mut table = [Class::Other; 256];
    table[b'"' as usize] = Class::Quote;
    table[b'{' as usize] = Class::Open;
    table[b'[' as usize] = Class::Open;
    table[b'}' as usize] = Class::Close;
    table[b']' as usize] = Class::Close;
    table
};

#[cfg(test)]
mod tests;
