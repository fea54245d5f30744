//! One pass over a JSON document: every byte validated (RFC 8259), and the members of chosen objects reported with
//! the spans of their key and value. Nothing is copied and nothing is built.
//!
//! Own code rather than a parser crate because a splice needs byte spans, because duplicate and look-alike keys must
//! be seen, and because `serde_json` neither bounds the depth of what it ignores nor checks its UTF-8.
//! `serde_json` is the oracle of the tests.

use std::ops::Range;

/// Nesting at most, the outermost object included: what `serde_json` accepts too.
pub(crate) const MAX_DEPTH: u32 = 128;

/// Why a text is not JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub(crate) struct JsonError {
    /// Offset in bytes.
    pub(crate) at: usize,
    /// What is wrong there.
    pub(crate) what: &'static str,
}

/// The first byte of a value tells its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    Text,
    Number,
    True,
    False,
    Null,
}

/// One member of an object.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The key, without its quotes, escapes not undone.
    pub(crate) key: Range<usize>,
    /// Has the key escapes?
    pub(crate) key_escaped: bool,
    /// The value, a string's quotes included.
    pub(crate) value: Range<usize>,
    /// What the value is.
    pub(crate) kind: Kind,
    /// Has the value, if a string, escapes?
    pub(crate) value_escaped: bool,
    /// 1: a member of the outermost object. 2 or 3: of an object that [`Visit::descend`] asked for.
    pub(crate) level: u8,
}

/// Where an object stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object {
    /// Offset of `{`.
    pub(crate) open: usize,
    /// It has no member.
    pub(crate) empty: bool,
}

/// Who is told of members.
pub(crate) trait Visit {
    /// Called after the key was read, before the value: true = report the members of the value too (of an object:
    /// its own, at level + 1; of an array: those of the objects in it, at level + 2, and its strings as members
    /// with an empty key).
    fn descend(&mut self, key: &str, escaped: bool) -> bool;
    /// A member was read. Members of a descended value come before their parent.
    fn member(&mut self, member: Member);
}

/// Validates `text` as one JSON object with nothing but white space around it.
pub(crate) fn scan(text: &str, visit: &mut impl Visit) -> Result<Object, JsonError> {
    let mut s = Scanner { text, b: text.as_bytes(), i: 0 };
    s.space();
    if s.peek() != Some(b'{') {
        return s.fail("an object is expected");
    }
    let open = s.i;
    let empty = s.members(1, 1, visit)?;
    s.space();
    if s.i < s.b.len() {
        return s.fail("nothing may follow the object");
    }
    Ok(Object { open, empty })
}

struct Scanner<'a> {
    text: &'a str,
    b: &'a [u8],
    i: usize,
}

impl Scanner<'_> {
    fn fail<T>(&self, what: &'static str) -> Result<T, JsonError> {
        Err(JsonError { at: self.i, what })
    }

    fn peek(&self) -> Option<u8> {
        self.b.get(self.i).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.i += 1;
        }
    }

    /// Members of the object whose `{` is at the cursor. `depth`: of that object. Returns whether it is empty.
    fn members(&mut self, level: u8, depth: u32, visit: &mut impl Visit) -> Result<bool, JsonError> {
        self.i += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.i += 1;
            return Ok(true);
        }
        loop {
            let (key, key_escaped) = self.key()?;
            self.space();
            let start = self.i;
            let down = visit.descend(&self.text[key.clone()], key_escaped);
            let (kind, value_escaped) = match self.peek() {
                Some(b'{') if down && level < 3 => {
                    self.members(level + 1, depth + 1, visit)?;
                    (Kind::Object, false)
                }
                Some(b'[') if down && level < 2 => {
                    self.elements(level + 2, depth + 1, visit)?;
                    (Kind::Array, false)
                }
                _ => self.value(depth)?,
            };
            visit.member(Member { key, key_escaped, value: start..self.i, kind, value_escaped, level });
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.i += 1;
                    self.space();
                }
                Some(b'}') => {
                    self.i += 1;
                    return Ok(false);
                }
                _ => return self.fail("',' or '}' is expected"),
            }
        }
    }

    /// Elements of the array whose `[` is at the cursor; objects in it are visited.
    fn elements(&mut self, level: u8, depth: u32, visit: &mut impl Visit) -> Result<(), JsonError> {
        self.i += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.i += 1;
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() == Some(b'{') {
                self.members(level, depth + 1, visit)?;
            } else {
                let start = self.i;
                let (kind, value_escaped) = self.value(depth)?;
                if kind == Kind::Text {
                    let key = start..start;
                    let value = start..self.i;
                    visit.member(Member { key, key_escaped: false, value, kind, value_escaped, level });
                }
            }
            self.space();
            match self.peek() {
                Some(b',') => self.i += 1,
                Some(b']') => {
                    self.i += 1;
                    return Ok(());
                }
                _ => return self.fail("',' or ']' is expected"),
            }
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<(Range<usize>, bool), JsonError> {
        if self.peek() != Some(b'"') {
            return self.fail("a member name in double quotes is expected");
        }
        let start = self.i + 1;
        let escaped = self.string()?;
        let key = start..self.i - 1;
        self.space();
        if self.peek() != Some(b':') {
            return self.fail("':' is expected");
        }
        self.i += 1;
        Ok((key, escaped))
    }

    /// One value of any depth, without recursion: a bit per open container says whether it is an object.
    /// `base`: depth of what holds the value.
    fn value(&mut self, base: u32) -> Result<(Kind, bool), JsonError> {
        let (mut stack, mut depth) = (0_u128, 0_u32);
        let (mut outer, mut escaped) = (None, false);
        loop {
            self.space();
            let kind = match self.peek() {
                Some(b'"') => {
                    let e = self.string()?;
                    escaped = depth == 0 && e;
                    Kind::Text
                }
                Some(c @ (b'{' | b'[')) => {
                    let object = c == b'{';
                    if base + depth >= MAX_DEPTH {
                        return self.fail("nested too deeply");
                    }
                    self.i += 1;
                    self.space();
                    let kind = if object { Kind::Object } else { Kind::Array };
                    if self.peek() == Some(if object { b'}' } else { b']' }) {
                        self.i += 1;
                        kind
                    } else {
                        stack = stack << 1 | u128::from(object);
                        depth += 1;
                        outer.get_or_insert(kind);
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true", Kind::True)?,
                Some(b'f') => self.word(b"false", Kind::False)?,
                Some(b'n') => self.word(b"null", Kind::Null)?,
                _ => return self.fail("a value is expected"),
            };
            let kind = *outer.get_or_insert(kind);
            loop {
                if depth == 0 {
                    return Ok((kind, escaped));
                }
                self.space();
                let object = stack & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.i += 1;
                        if object {
                            self.space();
                            self.key()?;
                        }
                        break;
                    }
                    Some(b'}') if object => {}
                    Some(b']') if !object => {}
                    _ if object => return self.fail("',' or '}' is expected"),
                    _ => return self.fail("',' or ']' is expected"),
                }
                self.i += 1;
                stack >>= 1;
                depth -= 1;
            }
        }
    }

    /// A string; the cursor is at its opening quote. Returns whether it has escapes.
    fn string(&mut self) -> Result<bool, JsonError> {
        self.i += 1;
        let mut escaped = false;
        loop {
            self.i += plain(&self.b[self.i..]);
            match self.peek() {
                Some(b'"') => {
                    self.i += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    match self.b.get(self.i + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.i += 2,
                        Some(b'u') => {
                            let hex = self.b.get(self.i + 2..self.i + 6);
                            if !hex.is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)) {
                                return self.fail("\\u must be followed by four hex digits");
                            }
                            self.i += 6;
                        }
                        _ => return self.fail("no such escape"),
                    }
                }
                Some(_) => return self.fail("a control character must be escaped"),
                None => return self.fail("the string does not end"),
            }
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, JsonError> {
        if !self.b[self.i..].starts_with(word) {
            return self.fail("a value is expected");
        }
        self.i += word.len();
        Ok(kind)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.peek().is_some_and(|c| c.is_ascii_digit()) {
            return self.fail("a digit is expected");
        }
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.i += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Kind, JsonError> {
        if self.peek() == Some(b'-') {
            self.i += 1;
        }
        if self.peek() == Some(b'0') {
            self.i += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.i += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.i += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.i += 1;
            }
            self.digits()?;
        }
        Ok(Kind::Number)
    }
}

/// How many bytes from the start are neither quote, backslash nor control character: eight at a time (the well-known
/// "has a byte less than n" test on a word; a false positive only costs the slow look at those eight bytes).
/// `codec::text` has a twin that looks at 32 bytes first, for long plain texts; here it costs a fifth more instructions for
/// a small request and half more for one of 60 KB with line ends in its texts.
fn plain(b: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let has_zero = |w: u64| w.wrapping_sub(ONES) & !w & (ONES << 7);
    let mut n = 0;
    for chunk in b.as_chunks::<8>().0 {
        let w = u64::from_le_bytes(*chunk);
        let control = w.wrapping_sub(ONES * 0x20) & !w & (ONES << 7);
        let hit = has_zero(w ^ (ONES * u64::from(b'"'))) | has_zero(w ^ (ONES * u64::from(b'\\'))) | control;
        if hit != 0 {
            // The lowest hit is exact: a borrow can only disturb bytes above a true hit.
            return n + hit.trailing_zeros() as usize / 8;
        }
        n += 8;
    }
    n + b[n..].iter().take_while(|c| !matches!(c, b'"' | b'\\' | 0..=0x1f)).count()
}

#[cfg(test)]
mod tests;
