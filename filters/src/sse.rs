//! Server-sent events (WHATWG HTML §9.2), cut out of a stream of chunks without copying what stays as it is.
//!
//! [`EventStream`] shows every event to a closure and gives back what goes to the client: runs of kept events as
//! slices of the chunk that they came in, byte for byte, comments and odd line ends included. Only an event that is
//! cut by a chunk's border is copied, once.

mod block;
mod first;

pub(crate) use first::status_of;
pub use first::{FirstEvent, Verdict, first_event, first_event_of};

use crate::event::{Event, Fate, Piece};
use block::Cutter;
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// Largest event, in bytes.
pub const MAX_EVENT: usize = 16 * 1024 * 1024;

/// What goes to the client.
pub type Output = SmallVec<[Bytes; 2]>;

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// An event longer than the bound: no model sends that.
    #[error("an event is larger than {0} bytes")]
    EventTooLarge(usize),
}

/// Cuts a stream into events.
#[derive(Debug)]
pub struct EventStream {
    cutter: Cutter,
    /// An incomplete event.
    tail: BytesMut,
    /// For data of several lines.
    scratch: Vec<u8>,
    /// The fate of the last event: a line feed that belongs to its end shares it.
    kept: bool,
    first: bool,
    max: usize,
}

impl Default for EventStream {
    fn default() -> Self {
        Self::new()
    }
}

impl EventStream {
    /// A stream at its beginning.
    pub fn new() -> Self {
        Self::with_max(MAX_EVENT)
    }

    /// The same with another bound.
    pub fn with_max(max: usize) -> Self {
        Self {
            cutter: Cutter::default(),
            tail: BytesMut::new(),
            scratch: Vec::new(),
            kept: true,
            first: true,
            max,
        }
    }

    /// Takes the next chunk, shows `look` every event that is complete now, and returns what goes out.
    pub fn push(
        &mut self,
        mut chunk: Bytes,
        mut look: impl FnMut(&mut Event<'_>),
    ) -> Result<Output, StreamError> {
        let mut out = Output::new();
        // The LF of a CR LF that was cut in two belongs to what went before.
        let feed = self.cutter.line_feed(&chunk);
        if feed {
            let lf = chunk.split_to(1);
            if !self.tail.is_empty() {
                self.tail.extend_from_slice(&lf);
            } else if self.kept {
                out.push(lf);
            }
        }
        if !self.tail.is_empty() {
            let Some(end) = self.cutter.next(&chunk) else {
                self.hold(&chunk)?;
                return Ok(out);
            };
            self.hold(&chunk.split_to(end))?;
            let whole = self.tail.split().freeze();
            let fate = self.show(&whole, &mut look);
            self.emit(fate, whole, &mut out);
        }
        // Events inside the chunk: a run of kept ones goes out as one slice.
        let (mut run, mut at) = (0, 0);
        while let Some(n) = self.cutter.next(&chunk[at..]) {
            let end = at + n;
            if n > self.max {
                return Err(StreamError::EventTooLarge(self.max));
            }
            match self.show(&chunk[at..end], &mut look) {
                Fate::Keep => self.kept = true,
                fate => {
                    if run < at {
                        out.push(chunk.slice(run..at));
                    }
                    self.emit(fate, Bytes::new(), &mut out);
                    run = end;
                }
            }
            at = end;
        }
        if run < at {
            out.push(chunk.slice(run..at));
        }
        self.hold(&chunk[at..])?;
        Ok(out)
    }

    /// The end of the stream: what remains, verbatim, after `look` has seen it if it is an event at all.
    pub fn finish(&mut self, mut look: impl FnMut(&mut Event<'_>)) -> Output {
        let mut out = Output::new();
        if !self.tail.is_empty() {
            let rest = self.tail.split().freeze();
            let fate = self.show(&rest, &mut look);
            self.emit(fate, rest, &mut out);
        }
        out
    }

    /// Keeps the beginning of an event.
    fn hold(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        if self.tail.len() + bytes.len() > self.max {
            return Err(StreamError::EventTooLarge(self.max));
        }
        self.tail.extend_from_slice(bytes);
        Ok(())
    }

    /// Shows a block, if it is an event.
    fn show(&mut self, block: &[u8], look: &mut impl FnMut(&mut Event<'_>)) -> Fate {
        let first = std::mem::replace(&mut self.first, false);
        match block::parse(block, first, &mut self.scratch) {
            None => Fate::Keep,
            Some((name, data)) => {
                let mut event = Event { piece: Piece::Sse { name, data }, fate: Fate::Keep };
                look(&mut event);
                event.fate
            }
        }
    }

    fn emit(&mut self, fate: Fate, whole: Bytes, out: &mut Output) {
        self.kept = fate == Fate::Keep;
        match fate {
            Fate::Keep => out.push(whole),
            Fate::Drop => {}
            Fate::Replace(bytes) => out.push(bytes),
        }
    }
}

#[cfg(test)]
mod tests;
