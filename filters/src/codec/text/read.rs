//! JSON strings to texts, where the JSON was read before: as [`RawValue`](serde_json::value::RawValue), which knows it
//! to be well formed but has not looked at what it says.

use super::{WORD, equal, first};
use std::borrow::Cow;

/// So many words without an escape, and the next one is looked for from afar.
const QUIET: u32 = 4;

/// The string has a half of a surrogate pair (`\ud800`): no text, but JSON all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) struct Half;

/// What stands between the quotes of a JSON string; None: it is some other JSON.
pub(in crate::codec) fn inside(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}

/// The text that is written between the quotes of a JSON string.
///
/// # Errors
/// It is no text.
pub(in crate::codec) fn unescape(inside: &str) -> Result<Cow<'_, str>, Half> {
    let Some(at) = memchr::memchr(b'\\', inside.as_bytes()) else { return Ok(Cow::Borrowed(inside)) };
    // What an escape stands for is shorter than it. Words are written whole, however little of them counts.
    let mut out = vec![0; inside.len() + WORD];
    out[..at].copy_from_slice(&inside.as_bytes()[..at]);
    let (mut len, mut rest, mut quiet) = (at, &inside.as_bytes()[at..], 0);
    while let Some((word, more)) = rest.split_first_chunk::<WORD>() {
        out[len..len + WORD].copy_from_slice(word);
        let marks = equal(u64::from_le_bytes(*word), b'\\');
        if marks != 0 {
            let at = first(marks);
            len += at;
            (len, rest) = escape(&rest[at + 1..], &mut out, len)?;
            quiet = 0;
            continue;
        }
        (len, rest, quiet) = (len + WORD, more, quiet + 1);
        // Where a few words are plain, much is.
        if quiet > QUIET {
            let (plain, more) = rest.split_at(memchr::memchr(b'\\', rest).unwrap_or(rest.len()));
            out[len..len + plain.len()].copy_from_slice(plain);
            (len, rest) = (len + plain.len(), more);
        }
    }
    while let Some((byte, more)) = rest.split_first() {
        if *byte == b'\\' {
            (len, rest) = escape(more, &mut out, len)?;
        } else {
            out[len] = *byte;
            (len, rest) = (len + 1, more);
        }
    }
    out.truncate(len);
    String::from_utf8(out).map(Cow::Owned).map_err(|_| Half)
}

/// Writes what a backslash and the next letters stand for to its place; gives back where that ends, and what is behind
/// the letters.
fn escape<'a>(rest: &'a [u8], out: &mut [u8], at: usize) -> Result<(usize, &'a [u8]), Half> {
    let (letter, more) = rest.split_first().ok_or(Half)?;
    out[at] = match letter {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'u' => return unit(more, out, at),
        // Quote, backslash, slash.
        itself => *itself,
    };
    Ok((at + 1, more))
}

/// A character by its number: one of four digits, or two that are a pair.
fn unit<'a>(rest: &'a [u8], out: &mut [u8], at: usize) -> Result<(usize, &'a [u8]), Half> {
    let number = |at: &'a [u8]| {
        let (digits, more) = at.split_first_chunk::<4>()?;
        let digits = std::str::from_utf8(digits).ok()?;
        Some((u16::from_str_radix(digits, 16).ok()?, more))
    };
    let (first, mut more) = number(rest).ok_or(Half)?;
    let mut pair = [first, 0];
    let mut units = &pair[..1];
    if (0xd800..0xdc00).contains(&first) {
        let second;
        (second, more) = more.strip_prefix(b"\\u").and_then(number).ok_or(Half)?;
        pair[1] = second;
        units = &pair;
    }
    let mut end = at;
    for c in char::decode_utf16(units.iter().copied()) {
        end += c.map_err(|_| Half)?.encode_utf8(&mut out[end..]).len();
    }
    Ok((end, more))
}
