//! Texts as JSON strings. Nearly all of a call is texts, and serde_json looks at them byte by byte when it writes; here
//! it is eight bytes at a time. What is written is the same.

/// Says `text` as a JSON string, piece by piece.
pub(super) fn quote(text: &str, mut put: impl FnMut(&str)) {
    put("\"");
    escape(text, &mut put);
    put("\"");
}

/// The same without quotes.
pub(super) fn escape(text: &str, mut put: impl FnMut(&str)) {
    let mut rest = text;
    loop {
        let (plain, more) = rest.split_at(plain(rest.as_bytes()));
        put(plain);
        let Some(byte) = more.bytes().next() else { break };
        match byte {
            b'"' => put("\\\""),
            b'\\' => put("\\\\"),
            b'\n' => put("\\n"),
            b'\t' => put("\\t"),
            b'\r' => put("\\r"),
            0x08 => put("\\b"),
            0x0c => put("\\f"),
            control => {
                let hex = |n: u8| char::from(b"0123456789abcdef"[usize::from(n & 15)]);
                put("\\u00");
                put(hex(control >> 4).encode_utf8(&mut [0; 4]));
                put(hex(control).encode_utf8(&mut [0; 4]));
            }
        }
        // What is escaped is ASCII, one byte.
        rest = &more[1..];
    }
}

/// Bytes at the beginning that need no escape.
fn plain(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let (words, tail) = text.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        // The lowest byte that is marked is exact: a borrow marks only bytes above one that is rightly marked.
        let word = u64::from_le_bytes(*word);
        let (quote, slash) = (word ^ (ONES * u64::from(b'"')), word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = quote.wrapping_sub(ONES) & !quote;
        let slash = slash.wrapping_sub(ONES) & !slash;
        let marked = (control | quote | slash) & (ONES << 7);
        if marked != 0 {
            return i * 8 + marked.trailing_zeros() as usize / 8;
        }
    }
    let special = |b: &u8| matches!(b, 0..0x20 | b'"' | b'\\');
    words.len() * 8 + tail.iter().position(special).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests;
