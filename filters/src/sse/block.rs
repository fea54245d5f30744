//! Where events end, and what is in them.

/// Finds the blank lines that end events, across chunks, looking at each byte once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cutter {
    /// No byte of the current line has been seen.
    empty_line: bool,
    /// The last byte was a CR: an LF now belongs to it.
    after_cr: bool,
}

impl Default for Cutter {
    fn default() -> Self {
        Self { empty_line: true, after_cr: false }
    }
}

impl Cutter {
    /// Does the chunk begin with the second half of a CR LF?
    pub(super) fn line_feed(&mut self, chunk: &[u8]) -> bool {
        match chunk.first() {
            None => false,
            Some(c) => std::mem::take(&mut self.after_cr) && *c == b'\n',
        }
    }

    /// Bytes up to the end of the current event; None: it goes on after `b`.
    pub(super) fn next(&mut self, b: &[u8]) -> Option<usize> {
        let mut i = 0;
        loop {
            let Some(n) = memchr::memchr2(b'\n', b'\r', &b[i..]) else {
                self.empty_line &= i == b.len();
                return None;
            };
            let blank = self.empty_line && n == 0;
            let cr = b[i + n] == b'\r';
            i += n + 1;
            if cr {
                match b.get(i) {
                    Some(b'\n') => i += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            self.empty_line = true;
            if blank {
                return Some(i);
            }
        }
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Name and data of a block of lines. None: no data field, so no event (comments, a lone `event:`). `first`: the
/// block begins the stream and may have a byte order mark. `scratch` holds data of several lines.
pub(super) fn parse<'a>(
    block: &'a [u8],
    first: bool,
    scratch: &'a mut Vec<u8>,
) -> Option<(&'a [u8], &'a [u8])> {
    let mut rest = if first { block.strip_prefix(BOM).unwrap_or(block) } else { block };
    let (mut name, mut data): (&[u8], Option<&[u8]>) = (b"", None);
    let mut joined = false;
    while !rest.is_empty() {
        let line = match memchr::memchr2(b'\n', b'\r', rest) {
            None => std::mem::take(&mut rest),
            Some(n) => {
                let (line, after) = rest.split_at(n);
                // CR LF needs no care: the empty line between them says nothing.
                rest = &after[1..];
                line
            }
        };
        if let Some(value) = field(line, b"data") {
            match data {
                None => data = Some(value),
                Some(one) => {
                    if !std::mem::replace(&mut joined, true) {
                        scratch.clear();
                        scratch.extend_from_slice(one);
                    }
                    scratch.push(b'\n');
                    scratch.extend_from_slice(value);
                }
            }
        } else if let Some(value) = field(line, b"event") {
            name = value;
        }
    }
    let data = data?;
    Some((name, if joined { scratch.as_slice() } else { data }))
}

/// The value of a line, if it is of the field. One space after the colon is not part of it; a field without a colon
/// has an empty value.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [] => Some(b""),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}
