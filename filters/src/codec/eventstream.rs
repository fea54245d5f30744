//! AWS event streams (`application/vnd.amazon.eventstream`): frames cut out of a stream of chunks, and written.
//!
//! A frame is `total length (u32) | headers length (u32) | CRC-32 of those 8 bytes | headers | payload | CRC-32 of all
//! before`, all big endian. A header is `name length (u8) | name | type (u8) | value`.
//! <https://smithy.io/2.0/aws/amazon-eventstream.html>
//!
//! Both checksums are always checked: a wrong one means that the borders of frames cannot be trusted any more, so a
//! decoder that has once failed stays failed.

mod header;
mod write;

pub use header::{HeaderValue, Headers};
pub use write::{encode, encode_event, encode_exception};

use bytes::{Buf, Bytes, BytesMut};

/// Largest block of headers, in bytes (what the AWS SDKs accept).
pub const MAX_HEADERS: usize = 128 * 1024;
/// Largest payload, in bytes (what the AWS SDKs accept).
pub const MAX_PAYLOAD: usize = 24 * 1024 * 1024;
/// Lengths, their checksum.
const PRELUDE: usize = 12;
/// The checksum at the end.
const TRAILER: usize = 4;

/// Why a stream of frames cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The lengths do not fit their checksum.
    #[error("the checksum of a frame's lengths is wrong")]
    PreludeChecksum,
    /// The frame does not fit its checksum.
    #[error("the checksum of a frame is wrong")]
    MessageChecksum,
    /// Lengths that no frame can have.
    #[error("a frame of {total} bytes with {headers} bytes of headers is impossible or too large")]
    Length {
        /// Of the frame, in bytes.
        total: u32,
        /// Of its headers, in bytes.
        headers: u32,
    },
    /// The headers are not what they should be.
    #[error("the headers of a frame cannot be read")]
    Headers,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The headers, known to be well formed.
    headers: Bytes,
    /// The payload; what it is says `:content-type`.
    pub payload: Bytes,
}

/// What a frame is, by its `:message-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// An event: its `:event-type`.
    Event(&'a str),
    /// A modelled error: its `:exception-type`; the payload says more.
    Exception(&'a str),
    /// An unmodelled error: `:error-code` and `:error-message`; there is no payload.
    Error {
        /// A word.
        code: &'a str,
        /// Words.
        message: &'a str,
    },
    /// Something that is not known (yet).
    Other,
}

impl Frame {
    /// The headers, one after the other.
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(&self.headers)
    }

    /// The text of a header.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers().flatten().find_map(|(n, v)| match v {
            HeaderValue::String(s) if n == name => Some(s),
            _ => None,
        })
    }

    /// What it is. A frame without `:message-type` is an event if it has an `:event-type`.
    pub fn kind(&self) -> Kind<'_> {
        let (mut message, mut event, mut exception, mut code, mut words) = (None, None, None, "", "");
        for (name, value) in self.headers().flatten() {
            let HeaderValue::String(v) = value else { continue };
            match name {
                ":message-type" => message = Some(v),
                ":event-type" => event = Some(v),
                ":exception-type" => exception = Some(v),
                ":error-code" => code = v,
                ":error-message" => words = v,
                _ => {}
            }
        }
        match (message, event, exception) {
            (Some("event") | None, Some(e), _) => Kind::Event(e),
            (Some("exception"), _, Some(e)) => Kind::Exception(e),
            (Some("error"), ..) => Kind::Error { code, message: words },
            _ => Kind::Other,
        }
    }
}

/// Cuts a stream into frames. Any split of the same bytes gives the same frames.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    held: BytesMut,
    failed: Option<FrameError>,
}

impl FrameDecoder {
    /// A stream at its beginning.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next chunk. Call [`FrameDecoder::next_frame`] until it gives none before the next one: then at most
    /// one frame is held.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.failed.is_none() {
            self.held.extend_from_slice(chunk);
        }
    }

    /// The next frame, if it is complete.
    ///
    /// # Errors
    /// Bytes that are no frame; the same error for ever after.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        match self.failed {
            Some(e) => Err(e),
            None => self.cut().inspect_err(|e| {
                self.failed = Some(*e);
                self.held = BytesMut::new();
            }),
        }
    }

    /// No part of a frame is held: a stream that ends here was not cut short.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn cut(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.held.len() < PRELUDE {
            return Ok(None);
        }
        let mut prelude = &self.held[..PRELUDE];
        let sum = crc32fast::hash(&prelude[..8]);
        let (total, headers) = (prelude.get_u32(), prelude.get_u32());
        if prelude.get_u32() != sum {
            return Err(FrameError::PreludeChecksum);
        }
        let (whole, head) = (total as usize, headers as usize);
        // Checked before anything is waited for: nobody makes us hold what will be refused.
        if head > MAX_HEADERS
            || whole < PRELUDE + head + TRAILER
            || whole - PRELUDE - head - TRAILER > MAX_PAYLOAD
        {
            return Err(FrameError::Length { total, headers });
        }
        if self.held.len() < whole {
            self.held.reserve(whole - self.held.len());
            return Ok(None);
        }
        let mut frame = self.held.split_to(whole).freeze();
        let sum = crc32fast::hash(&frame[..whole - TRAILER]);
        if frame.split_off(whole - TRAILER).get_u32() != sum {
            return Err(FrameError::MessageChecksum);
        }
        frame.advance(PRELUDE);
        let headers = frame.split_to(head);
        if !Headers::new(&headers).all(|h| h.is_ok()) {
            return Err(FrameError::Headers);
        }
        Ok(Some(Frame { headers, payload: frame }))
    }
}

#[cfg(test)]
mod tests;
