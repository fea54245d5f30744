//! `multipart/form-data` (RFC 7578) in memory: finds the `model` and `stream` parts wherever they stand.
//!
//! An own scanner, since the crates for it hand out contents without their place, and the model must be spliced in
//! place. It is stricter than they are: what two readers could cut differently is refused (a delimiter that goes
//! on as a longer word, bare line feeds, two names on one part, bytes before or after the parts). `multer` is the
//! oracle of the tests.

use super::{Envelope, Format, Text, invalid};
use crate::rejection::{ErrorKind, Rejection};
use memchr::memmem;
use std::ops::Range;

/// Parts at most.
const MAX_PARTS: usize = 256;
/// Bytes of one part's header block at most.
const MAX_HEAD: usize = 16 * 1024;
/// Bytes of a text field that we read at most.
const MAX_FIELD: usize = 1024;

/// Reads a form. `content_type` is the whole header value.
pub(super) fn read(raw: &[u8], content_type: &str) -> Result<Envelope, Rejection> {
    let boundary = boundary(content_type).ok_or_else(|| bad("Content-Type has no valid boundary"))?;
    let mut out = Envelope { format: Format::Multipart, ..Envelope::default() };
    let mut stream_seen = false;
    for part in Parts::new(raw, &boundary) {
        let part = part?;
        match part.name {
            "model" => {
                if out.model.is_some() {
                    return Err(invalid("model", "duplicate_field", "'model' is given more than once."));
                }
                field(raw, &part)?;
                out.model = Some(Text { span: part.content, decoded: None });
            }
            "stream" => {
                if std::mem::replace(&mut stream_seen, true) {
                    return Err(invalid("stream", "duplicate_field", "'stream' is given more than once."));
                }
                // What form decoders of the providers' frameworks take for true.
                let yes = ["true", "1", "on", "yes", "t", "y"];
                let value = field(raw, &part)?.trim();
                out.stream = yes.iter().any(|y| value.eq_ignore_ascii_case(y));
            }
            _ => {}
        }
    }
    Ok(out)
}

/// A short text field's content.
fn field<'a>(raw: &'a [u8], part: &Part<'a>) -> Result<&'a str, Rejection> {
    let name = part.name;
    if part.encoded || part.file {
        return Err(invalid(name, "invalid_type", format!("'{name}' must be a plain form field.")));
    }
    let bytes = &raw[part.content.clone()];
    if bytes.len() > MAX_FIELD {
        return Err(invalid(name, "invalid_type", format!("'{name}' is too long.")));
    }
    std::str::from_utf8(bytes)
        .map_err(|_| invalid(name, "invalid_type", format!("'{name}' is not valid UTF-8.")))
}

fn bad(what: &str) -> Rejection {
    let message = format!("The request body is not a valid form: {what}.");
    Rejection::client(ErrorKind::InvalidRequest, "invalid_form", message)
}

/// One part.
#[derive(Debug)]
struct Part<'a> {
    name: &'a str,
    file: bool,
    /// It has a Content-Transfer-Encoding that changes its bytes.
    encoded: bool,
    content: Range<usize>,
}

struct Parts<'a> {
    raw: &'a [u8],
    /// CR LF `--` boundary.
    delimiter: memmem::Finder<'a>,
    /// Right after the last delimiter. None: at the end (or after an error).
    at: Option<usize>,
    begun: bool,
    count: usize,
}

impl<'a> Parts<'a> {
    fn new(raw: &'a [u8], boundary: &str) -> Self {
        let delimiter = memmem::Finder::new(format!("\r\n--{boundary}").as_bytes()).into_owned();
        Self { raw, delimiter, at: Some(0), begun: false, count: 0 }
    }

    /// The first delimiter has no line before it (some clients send an empty one).
    fn begin(&self) -> Result<usize, Rejection> {
        let full = self.delimiter.needle();
        let n = if self.raw.starts_with(full) {
            full.len()
        } else if self.raw.starts_with(&full[2..]) {
            full.len() - 2
        } else {
            return Err(bad("it does not begin with the boundary of Content-Type"));
        };
        Ok(n)
    }

    fn step(&mut self, at: usize) -> Result<Option<(Part<'a>, usize)>, Rejection> {
        let at = if std::mem::replace(&mut self.begun, true) { at } else { self.begin()? };
        let rest = &self.raw[at..];
        if let Some(end) = rest.strip_prefix(b"--") {
            if end.iter().any(|c| !c.is_ascii_whitespace()) {
                return Err(bad("bytes follow the last boundary"));
            }
            return Ok(None);
        }
        if !rest.starts_with(b"\r\n") {
            return Err(bad("a boundary is not alone on its line"));
        }
        self.count += 1;
        if self.count > MAX_PARTS {
            return Err(bad("it has too many parts"));
        }
        // A part without any header has its empty line right here.
        let head_end = memmem::find(rest, b"\r\n\r\n").ok_or_else(|| bad("a part's head does not end"))?;
        if head_end > MAX_HEAD {
            return Err(bad("a part's head is too long"));
        }
        let head = rest.get(2..head_end).unwrap_or_default();
        let start = at + head_end + 4;
        // Readers disagree on whether the line end of an empty head's line may be the delimiter's too.
        if self.raw[start..].starts_with(&self.delimiter.needle()[2..]) {
            return Err(bad("a boundary follows a part's head without a line between"));
        }
        let end = start
            + self.delimiter.find(&self.raw[start..]).ok_or_else(|| bad("the last boundary is missing"))?;
        let part = part(head, start..end)?;
        Ok(Some((part, end + self.delimiter.needle().len())))
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, Rejection>;
    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at.take()?;
        match self.step(at) {
            Ok(None) => None,
            Ok(Some((part, at))) => {
                self.at = Some(at);
                Some(Ok(part))
            }
            Err(e) => Some(Err(e)),
        }
    }
}

/// Reads a part's head.
fn part(head: &[u8], content: Range<usize>) -> Result<Part<'_>, Rejection> {
    let head = std::str::from_utf8(head).map_err(|_| bad("a part's head is not valid UTF-8"))?;
    let (mut name, mut file, mut encoded) = (None, false, false);
    for line in head.split("\r\n") {
        if line.contains(['\r', '\n']) || line.starts_with([' ', '\t']) {
            return Err(bad("a part's head has a folded or broken line"));
        }
        let (key, value) = line.split_once(':').ok_or_else(|| bad("a line of a part's head has no ':'"))?;
        if key.eq_ignore_ascii_case("content-disposition") {
            if name.is_some() {
                return Err(bad("a part has two Content-Disposition"));
            }
            for (k, v) in disposition(value)? {
                let is = |name: &str| k.eq_ignore_ascii_case(name);
                if is("name*") {
                    return Err(bad("a part's name is written as name*"));
                }
                if is("name") {
                    if name.is_some() {
                        return Err(bad("a part has two names"));
                    }
                    name = Some(v);
                }
                file |= is("filename") || is("filename*");
            }
            if name.is_none() {
                return Err(bad("a part has no name"));
            }
        } else if key.eq_ignore_ascii_case("content-transfer-encoding") {
            let v = value.trim();
            encoded |= !["7bit", "8bit", "binary"].iter().any(|e| v.eq_ignore_ascii_case(e));
        }
    }
    let name = name.ok_or_else(|| bad("a part has no Content-Disposition"))?;
    // An escape in a name means different names to different readers.
    if name.contains('\\') {
        return Err(bad("a part's name has a backslash"));
    }
    Ok(Part { name, file, encoded, content })
}

/// `form-data; name="…"; filename="…"` → its parameters (escapes in quotes not undone).
fn disposition(value: &str) -> Result<Vec<(&str, &str)>, Rejection> {
    let broken = || bad("a Content-Disposition cannot be read");
    let (kind, mut rest) = value.split_once(';').ok_or_else(broken)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(bad("a part is not form-data"));
    }
    let mut out = Vec::with_capacity(2);
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(out);
        }
        let (key, after) = rest.split_once('=').ok_or_else(broken)?;
        let (value, tail) = value_of(after).ok_or_else(broken)?;
        out.push((key.trim(), value));
        rest = match tail.trim_start() {
            "" => return Ok(out),
            t => t.strip_prefix(';').ok_or_else(broken)?,
        };
    }
}

/// A parameter's value (token or quoted string) and what follows it.
fn value_of(s: &str) -> Option<(&str, &str)> {
    let s = s.trim_start();
    let Some(quoted) = s.strip_prefix('"') else {
        let n = s.find(';').unwrap_or(s.len());
        let v = s[..n].trim_end();
        return (!v.contains(['"', ' '])).then_some((v, &s[n..]));
    };
    let b = quoted.as_bytes();
    let mut i = 0;
    while i < b.len() {
        match b[i] {
            b'"' => return Some((&quoted[..i], &quoted[i + 1..])),
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
    None
}

/// The boundary of a Content-Type (RFC 2046 §5.1.1: 1–70 characters of a small set).
fn boundary(content_type: &str) -> Option<String> {
    let (_, mut rest) = content_type.split_once(';')?;
    let mut found = None;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, tail) = value_of(after)?;
        if key.trim().eq_ignore_ascii_case("boundary") && found.replace(value).is_some() {
            return None;
        }
        match tail.trim_start().strip_prefix(';') {
            Some(t) if !t.trim().is_empty() => rest = t,
            _ if tail.trim_matches([' ', '\t', ';']).is_empty() => break,
            _ => return None,
        }
    }
    let b = found?;
    let fits = (1..=70).contains(&b.len())
        && b.bytes().all(|c| c.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&c))
        && !b.ends_with(' ');
    fits.then(|| b.to_owned())
}

#[cfg(test)]
mod tests;
