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
    while let Some((word, more)) = rest.split_first_chunk::<WORD>()
        && let Some(to) = out[len..].first_chunk_mut()
    {
        *to = *word;
        let marks = equal(u64::from_le_bytes(*word), b'\\');
        if marks != 0 {
            let at = first(marks);
            len += at;
            quiet = 0;
            match rest[at + 1..].split_first() {
                Some((b'u', more)) => (len, rest) = unit(more, &mut out, len)?,
                Some((letter, more)) => {
                    out[len] = MEANS[usize::from(*letter)];
                    (len, rest) = (len + 1, more);
                }
                None => return Err(Half),
            }
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
        (len, rest) = match (byte, more) {
            (b'\\', [b'u', more @ ..]) => unit(more, &mut out, len)?,
            (b'\\', [letter, more @ ..]) => {
                out[len] = MEANS[usize::from(*letter)];
                (len + 1, more)
            }
            (b'\\', []) => return Err(Half),
            (byte, more) => {
                out[len] = *byte;
                (len + 1, more)
            }
        };
    }
    out.truncate(len);
    String::from_utf8(out).map(Cow::Owned).map_err(|_| Half)
}

/// What a letter behind a backslash stands for: quote, backslash and slash for themselves.
const MEANS: [u8; 256] = {
    let mut means = [0; 256];
    let mut letter = 0;
    while letter < 256 {
        means[letter] = letter as u8;
        letter += 1;
    }
    means[b'n' as usize] = b'\n';
    means[b't' as usize] = b'\t';
    means[b'r' as usize] = b'\r';
    means[b'b' as usize] = 0x08;
    means[b'f' as usize] = 0x0c;
    means
};

/// Writes a character by its number, of four digits or two such numbers that are a pair, to its place; gives back where
/// it ends, and what is behind the digits.
#[cold]
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
