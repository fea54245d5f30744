//! Texts as JSON strings, both ways. Nearly all of a call is texts, and serde_json goes from escape to escape with a
//! copy for each; here whole words of eight bytes are copied, however little of them counts. What is written and read
//! is the same.

mod read;

use bytes::BytesMut;
pub(super) use read::{inside, unescape};

/// What texts are written into.
pub(super) trait Buffer {
    /// Makes room for so many bytes more.
    fn room(&mut self, bytes: usize);
    /// Appends.
    fn put(&mut self, bytes: &[u8]);
}

macro_rules! buffers {
    ($($kind:ty),*) => {
        $(impl Buffer for $kind {
            fn room(&mut self, bytes: usize) {
                self.reserve(bytes);
            }
            fn put(&mut self, bytes: &[u8]) {
                self.extend_from_slice(bytes);
            }
        })*
    };
}

buffers!(Vec<u8>, BytesMut);

/// Appends a text as a JSON string.
pub(super) fn quote(text: &str, out: &mut impl Buffer) {
    out.room(text.len() + 2);
    out.put(b"\"");
    escape(text, out);
    out.put(b"\"");
}

/// The same without quotes.
pub(super) fn escape(text: &str, out: &mut impl Buffer) {
    let mut rest = text.as_bytes();
    loop {
        let (plain, more) = rest.split_at(plain(rest));
        out.put(plain);
        if more.is_empty() {
            return;
        }
        rest = escapes(more, out);
    }
}

/// Bytes that are gathered before they are appended.
const GATHERED: usize = 128;

/// Most bytes that a byte of the text becomes.
const LONGEST: usize = 6;

/// So many words without an escape, and its neighbours are over.
const QUIET: u32 = 4;

/// Says an escape and its neighbours: in a program's text the next one is always near. Gives back what is behind them.
fn escapes<'a>(text: &'a [u8], out: &mut impl Buffer) -> &'a [u8] {
    let (mut rest, mut quiet) = (text, 0);
    let (mut gathered, mut len) = ([0; GATHERED], 0);
    while quiet < QUIET
        && let Some((word, more)) = rest.split_first_chunk::<WORD>()
    {
        if len > GATHERED - WORD - LONGEST {
            out.put(&gathered[..len]);
            len = 0;
        }
        // All of it; what is too much is written over.
        gathered[len..len + WORD].copy_from_slice(word);
        let marks = special(*word);
        if marks == 0 {
            len += WORD;
            quiet += 1;
            rest = more;
        } else {
            let at = first(marks);
            len += at;
            len += escaped(word[at], &mut gathered[len..]);
            quiet = 0;
            rest = &rest[at + 1..];
        }
    }
    out.put(&gathered[..len]);
    if rest.len() >= WORD {
        return rest;
    }
    for byte in rest {
        let len = if is_special(byte) { escaped(*byte, &mut gathered) } else { 0 };
        out.put(if len == 0 { std::slice::from_ref(byte) } else { &gathered[..len] });
    }
    &[]
}

/// Writes one byte that must be escaped (they are all ASCII) to where there is room; gives back how long that is.
#[inline]
fn escaped(byte: u8, to: &mut [u8]) -> usize {
    match LETTERS[usize::from(byte)] {
        0 => {
            let hex = |n: u8| b"0123456789abcdef"[usize::from(n & 15)];
            to[..LONGEST].copy_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte)]);
            LONGEST
        }
        letter => {
            to[..2].copy_from_slice(&[b'\\', letter]);
            2
        }
    }
}

/// The letters of the short escapes.
const LETTERS: [u8; 256] = {
    let mut letters = [0; 256];
    letters[b'"' as usize] = b'"';
    letters[b'\\' as usize] = b'\\';
    letters[b'\n' as usize] = b'n';
    letters[b'\t' as usize] = b't';
    letters[b'\r' as usize] = b'r';
    letters[0x08] = b'b';
    letters[0x0c] = b'f';
    letters
};

/// Bytes that are looked at at once: as many as a number holds.
const WORD: usize = 8;

const ONES: u64 = u64::MAX / 255;

/// Marks (the highest bit of) the bytes of a word that are `byte`; as in all that borrows from byte to byte, only the
/// lowest mark is exact.
fn equal(word: u64, byte: u8) -> u64 {
    let other = word ^ (ONES * u64::from(byte));
    other.wrapping_sub(ONES) & !other & (ONES << 7)
}

/// Marks the bytes that must be escaped.
fn special(word: [u8; WORD]) -> u64 {
    let word = u64::from_le_bytes(word);
    let control = word.wrapping_sub(ONES * 0x20) & !word & (ONES << 7);
    control | equal(word, b'"') | equal(word, b'\\')
}

fn is_special(byte: &u8) -> bool {
    (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\')
}

/// Where the first mark is.
fn first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// Offset of the first quote or backslash, or the length. Most strings are keys and short words, for which the set-up of
/// a vector search costs more than a few words.
pub(crate) fn string_end(b: &[u8]) -> usize {
    const NEAR: usize = 4;
    let (words, _) = b.as_chunks::<WORD>();
    for (i, word) in words.iter().take(NEAR).enumerate() {
        let word = u64::from_le_bytes(*word);
        let marks = equal(word, b'"') | equal(word, b'\\');
        if marks != 0 {
            return i * WORD + first(marks);
        }
    }
    let far = words.len().min(NEAR) * WORD;
    memchr::memchr2(b'"', b'\\', &b[far..]).map_or(b.len(), |n| far + n)
}

/// Bytes that are looked at at once where nothing special is near: the compiler makes vectors of them.
const STRETCH: usize = 32;

/// How many bytes at the beginning need no escape.
fn plain(text: &[u8]) -> usize {
    let (stretches, _) = text.as_chunks::<STRETCH>();
    // Every byte is looked at, whatever the ones before it are: that is what vectors can do.
    let quiet = |s: &&[u8; STRETCH]| !s.iter().fold(false, |any, b| any | is_special(b));
    let far = stretches.iter().take_while(quiet).count() * STRETCH;
    let (words, tail) = text[far..].as_chunks::<WORD>();
    for (i, word) in words.iter().enumerate() {
        let marks = special(*word);
        if marks != 0 {
            return far + i * WORD + first(marks);
        }
    }
    let near = tail.iter().position(is_special).unwrap_or(tail.len());
    far + words.len() * WORD + near
}

#[cfg(test)]
mod tests;
