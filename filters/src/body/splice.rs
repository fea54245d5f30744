//! What is changed in a body: a range of its bytes, and what goes there instead.

use super::{Format, RequestBody};
use crate::surface::resource;
use bytes::Bytes;
use std::ops::Range;

/// A replacement of a range of the body's bytes (an empty range: an insertion before its start).
pub type Splice = (Range<usize>, Bytes);

const WHOLE: &[u8] = br#"{"include_usage":true}"#;

impl RequestBody {
    /// Another model name in the place of the client's. None: the body has no model, or `new` cannot be written
    /// there (a line break in a form field).
    pub fn splice_model(&self, new: &str) -> Option<Splice> {
        let span = self.model_span()?;
        let bytes = match self.envelope.format {
            Format::Multipart if new.contains(['\r', '\n']) => return None,
            Format::Json(_) if new.bytes().any(|c| c < 0x20 || c == b'"' || c == b'\\') => {
                let quoted = Bytes::from(serde_json::to_vec(new).ok()?);
                quoted.slice(1..quoted.len() - 1)
            }
            _ => Bytes::copy_from_slice(new.as_bytes()),
        };
        Some((span, bytes))
    }

    /// Another model name wherever the body repeats the one in the path (`requests[].model`), as Google wants it.
    pub fn splice_repeated(&self, new: &str) -> impl Iterator<Item = Splice> + '_ {
        let quoted = serde_json::to_string(&resource(new)).unwrap_or_default();
        let inside = quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"')).unwrap_or_default();
        let inside = Bytes::copy_from_slice(inside.as_bytes());
        let repeated = self.envelope.other_models.iter().filter(|_| self.is_named());
        repeated.map(move |t| (t.span.clone(), inside.clone()))
    }

    /// Sets `stream_options.include_usage` to true. None: it is already, or the body is not a JSON object.
    pub fn splice_include_usage(&self) -> Option<Splice> {
        let Format::Json(object) = self.envelope.format else { return None };
        // An insertion after `{`, with a comma if members follow.
        let first = |open: usize, member: &'static [u8], alone: &'static [u8], empty: bool| {
            Some((open + 1..open + 1, Bytes::from_static(if empty { alone } else { member })))
        };
        match &self.envelope.stream_options {
            None => first(
                object.open,
                br#""stream_options":{"include_usage":true},"#,
                br#""stream_options":{"include_usage":true}"#,
                object.empty,
            ),
            Some(o) => match (&o.include_usage, o.empty) {
                (Some((_, true)), _) => None,
                (Some((span, false)), _) => Some((span.clone(), Bytes::from_static(b"true"))),
                (None, None) => Some((o.span.clone(), Bytes::from_static(WHOLE))),
                (None, Some(empty)) => {
                    first(o.span.start, br#""include_usage":true,"#, br#""include_usage":true"#, empty)
                }
            },
        }
    }
}
