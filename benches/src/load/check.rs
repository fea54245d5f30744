//! Is an answer's body whole and right?

use crate::load::record::{Problem, Recorder};
use memchr::{memchr, memmem};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What marks a time stamp that the simulator put into a token: the µs since the epoch in 16 digits.
const STAMP: &[u8] = b"t=";
const STAMP_DIGITS: usize = 16;

/// Collects a body and judges it at its end.
#[derive(Debug)]
pub(crate) enum Check {
    /// A JSON document.
    Json(Vec<u8>),
    /// An event stream.
    Events(Events),
    /// Anything else: nothing but its length is known.
    Opaque(usize),
}

/// An event stream, scanned line by line.
#[derive(Debug, Default)]
pub(crate) struct Events {
    partial: Vec<u8>,
    has_data: bool,
    count: usize,
    ended: bool,
    last: Option<Instant>,
}

impl Check {
    /// For a `Content-Type`.
    pub(crate) fn of(content_type: &str) -> Self {
        if content_type.starts_with("text/event-stream") {
            Self::Events(Events::default())
        } else if content_type.starts_with("application/json") {
            Self::Json(Vec::with_capacity(4096))
        } else {
            Self::Opaque(0)
        }
    }

    /// More of the body, read at `now`.
    pub(crate) fn feed(&mut self, data: &[u8], now: Instant, recorder: &mut Recorder) {
        match self {
            Self::Json(body) => body.extend_from_slice(data),
            Self::Events(events) => events.feed(data, now, recorder),
            Self::Opaque(length) => *length += data.len(),
        }
    }

    /// The verdict.
    pub(crate) fn finish(self, wanted_events: Option<usize>) -> Result<(), Problem> {
        match self {
            Self::Json(body) => {
                serde_json::from_slice::<serde::de::IgnoredAny>(&body).map(|_| ()).map_err(|_| Problem::Body)
            }
            Self::Events(events) if !events.ended => Err(Problem::NoEnd),
            Self::Events(events) => match wanted_events {
                Some(wanted) if wanted != events.count => Err(Problem::EventCount),
                None if events.count < 2 => Err(Problem::EventCount),
                _ => Ok(()),
            },
            Self::Opaque(0) => Err(Problem::Body),
            Self::Opaque(_) => Ok(()),
        }
    }
}

impl Events {
    fn feed(&mut self, mut data: &[u8], now: Instant, recorder: &mut Recorder) {
        let clock = SystemTime::now();
        while let Some(end) = memchr(b'\n', data) {
            if self.partial.is_empty() {
                self.line(&data[..end], now, clock, recorder);
            } else {
                let mut line = std::mem::take(&mut self.partial);
                line.extend_from_slice(&data[..end]);
                self.line(&line, now, clock, recorder);
                line.clear();
                self.partial = line;
            }
            data = &data[end + 1..];
        }
        self.partial.extend_from_slice(data);
    }

    fn line(&mut self, line: &[u8], now: Instant, clock: SystemTime, recorder: &mut Recorder) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(data) = line.strip_prefix(b"data:") {
            self.has_data = true;
            let data = data.trim_ascii_start();
            // the three dialects' ends
            self.ended |= data == b"[DONE]"
                || [&b"{\"type\":\"message_stop\""[..], b"{\"type\":\"response.completed\""]
                    .iter()
                    .any(|end| data.starts_with(end));
            if let Some(delay) = stamp(data).and_then(|sent| clock.duration_since(sent).ok()) {
                recorder.event_delay(delay);
            }
        } else if line == b"event: message_stop" || line == b"event: response.completed" {
            self.ended = true;
        } else if line.is_empty() && self.has_data {
            self.has_data = false;
            self.count += 1;
            if let Some(last) = self.last.replace(now) {
                recorder.event_spacing(now - last);
            }
        }
    }
}

fn stamp(data: &[u8]) -> Option<SystemTime> {
    let at = memmem::find(data, STAMP)? + STAMP.len();
    let digits = data.get(at..at + STAMP_DIGITS)?;
    let micros: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(UNIX_EPOCH + Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(content_type: &str, body: &[u8], size: usize, wanted: Option<usize>) -> Result<(), Problem> {
        let mut check = Check::of(content_type);
        let mut recorder = Recorder::default();
        for piece in body.chunks(size) {
            check.feed(piece, Instant::now(), &mut recorder);
        }
        check.finish(wanted)
    }

    #[test]
    fn streams_must_be_whole() {
        let sse = b"data: 1\n\ndata: 2\r\n\r\n: comment\n\ndata: [DONE]\n\n";
        for size in 1..sse.len() {
            assert_eq!(judge("text/event-stream; charset=utf-8", sse, size, Some(3)), Ok(()));
        }
        assert_eq!(judge("text/event-stream", sse, 9, Some(4)), Err(Problem::EventCount));
        assert_eq!(judge("text/event-stream", b"data: 1\n\n", 9, None), Err(Problem::NoEnd));
    }

    #[test]
    fn documents_must_be_whole() {
        assert_eq!(judge("application/json", b"{\"a\":[1]}", 3, None), Ok(()));
        assert_eq!(judge("application/json", b"{\"a\":[1]", 3, None), Err(Problem::Body));
        assert_eq!(judge("text/plain", b"x", 3, None), Ok(()));
    }

    #[test]
    fn stamps_are_found() {
        let micros = stamp(br#"{"content":"t=0000000000000042 "}"#).unwrap();
        assert_eq!(micros, UNIX_EPOCH + Duration::from_micros(42));
        assert!(stamp(b"t=12").is_none());
    }
}
