//! The head is held back until the first bytes of the body are good: so that a 200 with an error event, or one
//! that breaks before its first byte, can still fail over.

use bytes::Bytes;
use sallyport_filters::sse::{FirstEvent, first_event};
use sallyport_filters::surface::Dialect;

/// A stream is passed on unverified when its first event has not come within so many bytes.
const MOST: usize = 64 * 1024;

/// What the first bytes say.
pub(crate) enum Verdict {
    /// Pass it on.
    Good,
    /// Not enough to say.
    More,
    /// The first event is an error, as if the answer had this status.
    Error {
        /// The status that the error stands for.
        status: u16,
        /// Its code or type.
        code: String,
    },
}

/// The hold on one answer.
pub(crate) struct Hold {
    dialect: Dialect,
    sse: bool,
    holding: bool,
}

impl Hold {
    pub(crate) fn new(dialect: Dialect, sse: bool) -> Self {
        Self { dialect, sse, holding: true }
    }

    /// Is the head still held?
    pub(crate) fn holding(&self) -> bool {
        self.holding
    }

    /// Looks at all that has come so far.
    pub(crate) fn look(&mut self, held: &[Bytes]) -> Verdict {
        let len: usize = held.iter().map(Bytes::len).sum();
        if len == 0 {
            return Verdict::More;
        }
        if !self.sse || len > MOST {
            self.holding = false;
            return Verdict::Good;
        }
        let joined;
        let bytes: &[u8] = match held {
            [one] => one,
            many => {
                joined = many.concat();
                &joined
            }
        };
        match first_event(self.dialect, bytes) {
            FirstEvent::More => Verdict::More,
            FirstEvent::Good => {
                self.holding = false;
                Verdict::Good
            }
            FirstEvent::Error { status, code } => Verdict::Error { status, code },
        }
    }
}
