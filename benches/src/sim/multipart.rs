//! Just enough `multipart/form-data` to find fields and files in a body that is already in memory.

use bytes::Bytes;
use http::HeaderMap;
use memchr::memmem;

/// The parts in order.
#[derive(Debug, Default)]
pub(crate) struct Form {
    parts: Vec<(String, Bytes)>,
}

impl Form {
    /// A field's text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.part(name).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// A part's content.
    pub(crate) fn part(&self, name: &str) -> Option<&Bytes> {
        self.parts
            .iter()
            .find(|(n, _)| n == name || n.strip_suffix("[]") == Some(name))
            .map(|(_, content)| content)
    }
}

/// `None` if it is no form, or a broken one.
pub(crate) fn parse(headers: &HeaderMap, body: &Bytes) -> Option<Form> {
    let content_type = headers.get("content-type")?.to_str().ok()?;
    if !content_type.starts_with("multipart/form-data") {
        return None;
    }
    let boundary = parameter(content_type, "boundary")?;
    let delimiter = format!("--{boundary}");
    let mut form = Form::default();
    let mut at = memmem::find(body, delimiter.as_bytes())? + delimiter.len();
    let inner = format!("\r\n{delimiter}");
    while !body.get(at..)?.starts_with(b"--") {
        let head_end = at + memmem::find(&body[at..], b"\r\n\r\n")?;
        let head = std::str::from_utf8(&body[at..head_end]).ok()?;
        let start = head_end + 4;
        let end = start + memmem::find(&body[start..], inner.as_bytes())?;
        let disposition =
            head.lines().find(|l| l.to_ascii_lowercase().starts_with("content-disposition:"))?;
        form.parts.push((parameter(disposition, "name")?.to_owned(), body.slice(start..end)));
        at = end + inner.len();
    }
    Some(form)
}

fn parameter<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    header.split(';').skip(1).find_map(|p| {
        let (key, value) = p.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_files() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "multipart/form-data; boundary=\"x\"".parse().unwrap());
        let body = Bytes::from_static(
            b"--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--x\r\nContent-Disposition: form-data; name=\"image[]\"; filename=\"a\"\r\nContent-Type: a/b\r\n\r\n\r\n--\r\n\r\n--x--\r\n",
        );
        let form = parse(&headers, &body).unwrap();
        assert_eq!(form.text("model"), Some("m"));
        assert_eq!(form.part("image").unwrap().len(), 6);
        assert!(parse(&headers, &Bytes::from_static(b"--x\r\n")).is_none());
    }
}
