//! A stream as a script: all its bytes, with marks where an event ends and where time may pass. Made in one go and
//! played by `body`, so that dialects know nothing about time, cuts and sockets.

use crate::sim::directive::Eol;
use bytes::Bytes;
use serde::Serialize;

/// An event's end in the buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    /// Offset behind the event.
    pub(crate) end: usize,
    /// A token: the gap is waited before it.
    pub(crate) token: bool,
}

/// A finished stream.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) bytes: Bytes,
    pub(crate) marks: Vec<Mark>,
}

/// A stream that is being written.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    buf: Vec<u8>,
    marks: Vec<Mark>,
}

impl Writer {
    /// Room for `events` events of `size` bytes.
    pub(crate) fn with_capacity(events: usize, size: usize) -> Self {
        Self { buf: Vec::with_capacity(events * size), marks: Vec::with_capacity(events) }
    }

    /// An event `event: name` (none if empty) with `data` as it is.
    pub(crate) fn raw(&mut self, name: &str, data: &[&[u8]]) {
        self.event(name, false, data);
    }

    /// The same for a token: time may pass before it.
    pub(crate) fn token(&mut self, name: &str, data: &[&[u8]]) {
        self.event(name, true, data);
    }

    /// An event whose data is serialised.
    pub(crate) fn json(&mut self, name: &str, data: &impl Serialize) {
        // serialising a value of ours into memory fails for nothing but maps with keys that are no strings
        let data = serde_json::to_vec(data).unwrap_or_default();
        self.event(name, false, &[&data]);
    }

    /// Bytes that are not an event (binary streams).
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
        self.marks.push(Mark { end: self.buf.len(), token: true });
    }

    /// A frame of a binary stream.
    pub(crate) fn frame(&mut self, frame: &[u8], token: bool) {
        self.buf.extend_from_slice(frame);
        self.marks.push(Mark { end: self.buf.len(), token });
    }

    fn event(&mut self, name: &str, token: bool, data: &[&[u8]]) {
        if !name.is_empty() {
            self.buf.extend_from_slice(b"event: ");
            self.buf.extend_from_slice(name.as_bytes());
            self.buf.push(b'\n');
        }
        self.buf.extend_from_slice(b"data: ");
        for part in data {
            self.buf.extend_from_slice(part);
        }
        self.buf.extend_from_slice(b"\n\n");
        self.marks.push(Mark { end: self.buf.len(), token });
    }

    /// Number of events so far.
    pub(crate) fn len(&self) -> usize {
        self.marks.len()
    }

    /// The stream.
    pub(crate) fn finish(self) -> Script {
        Script { bytes: Bytes::from(self.buf), marks: self.marks }
    }
}

impl Script {
    /// The events one by one.
    pub(crate) fn events(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let starts = std::iter::once(0).chain(self.marks.iter().map(|m| m.end));
        starts.zip(&self.marks).map(|(start, mark)| (&self.bytes[start..mark.end], mark.token))
    }

    /// Keeps the first `events` events.
    pub(crate) fn truncate(&mut self, events: usize) {
        self.marks.truncate(events);
        self.bytes.truncate(self.marks.last().map_or(0, |m| m.end));
    }

    /// Leaves out the first `events` events.
    pub(crate) fn skip(self, events: usize) -> Self {
        let Some(last) = events.checked_sub(1) else { return self };
        let start = self.marks.get(last).map_or(self.bytes.len(), |m| m.end);
        let marks = self.marks.iter().skip(events).map(|m| Mark { end: m.end - start, ..*m }).collect();
        Self { bytes: self.bytes.slice(start..), marks }
    }

    /// Appends another stream.
    pub(crate) fn append(&mut self, more: &Script) {
        let start = self.bytes.len();
        let mut bytes = Vec::with_capacity(start + more.bytes.len());
        bytes.extend_from_slice(&self.bytes);
        bytes.extend_from_slice(&more.bytes);
        self.bytes = Bytes::from(bytes);
        self.marks.extend(more.marks.iter().map(|m| Mark { end: m.end + start, ..*m }));
    }

    /// The stream with other line ends. JSON holds no raw line ends, so each one is the framing's.
    pub(crate) fn with_eol(self, eol: Eol) -> Self {
        let end: &[u8] = match eol {
            Eol::Lf => return self,
            Eol::Crlf => b"\r\n",
            Eol::Cr => b"\r",
        };
        let mut out = Writer::with_capacity(self.marks.len(), 1);
        let mut start = 0;
        for mark in &self.marks {
            for &byte in &self.bytes[start..mark.end] {
                if byte == b'\n' { out.buf.extend_from_slice(end) } else { out.buf.push(byte) }
            }
            out.marks.push(Mark { end: out.buf.len(), token: mark.token });
            start = mark.end;
        }
        out.finish()
    }

    /// The stream cut at every `size` bytes.
    pub(crate) fn split(self, size: usize) -> Self {
        let len = self.bytes.len();
        let marks =
            (0..len.div_ceil(size)).map(|i| Mark { end: ((i + 1) * size).min(len), token: true }).collect();
        Self { bytes: self.bytes, marks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_and_marks() {
        let mut w = Writer::default();
        w.raw("a", &[b"1", b"2"]);
        w.token("", &[b"3"]);
        let mut s = w.finish();
        assert_eq!(&s.bytes[..], b"event: a\ndata: 12\n\ndata: 3\n\n");
        let crlf = s.clone().with_eol(Eol::Crlf);
        assert_eq!(&crlf.bytes[..], b"event: a\r\ndata: 12\r\n\r\ndata: 3\r\n\r\n");
        assert_eq!(s.clone().split(10).marks.len(), 3);
        let other = s.clone();
        s.truncate(1);
        s.append(&other);
        assert_eq!((s.marks.len(), s.marks[2].end), (3, s.bytes.len()));
    }
}
