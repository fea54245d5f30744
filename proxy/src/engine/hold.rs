//! The head is held back until the first bytes of the body are good: so that a 200 with an error event, or one
//! that breaks before its first byte, can still fail over.

use bytes::Bytes;
use sallyport_filters::sse::{Verdict, first_event_of};
use sallyport_filters::surface::Dialect;
use sallyport_filters::translate::{self, Back, First};

/// A stream is passed on unverified when its first event has not come within so many bytes.
const MOST: usize = 64 * 1024;

/// The hold on one answer.
pub(crate) struct Hold {
    dialect: Dialect,
    back: Option<Back>,
    sse: bool,
    holding: bool,
}

impl Hold {
    /// `back`: the upstream's format, where it is not the client's.
    pub(crate) fn new(dialect: Dialect, back: Option<Back>, sse: bool) -> Self {
        Self { dialect, back, sse, holding: true }
    }

    /// Is the head still held?
    pub(crate) fn holding(&self) -> bool {
        self.holding
    }

    /// Looks at all that has come so far.
    pub(crate) fn look(&mut self, held: &[Bytes]) -> Verdict {
        let len: usize = held.iter().map(Bytes::len).sum();
        if len == 0 {
            return Verdict::NeedMore;
        }
        let verdict = match held {
            _ if !self.sse || len > MOST => Verdict::Fine,
            _ if let Some(back) = self.back => match translate::first(back, held) {
                First::NeedMore => Verdict::NeedMore,
                First::Fine => Verdict::Fine,
                First::Error { fault, error } => {
                    Verdict::Error { status: translate::stream_fault(&error).0, fault, error }
                }
            },
            [one] => first_event_of(self.dialect, one),
            many => first_event_of(self.dialect, &many.concat()),
        };
        self.holding = verdict == Verdict::NeedMore;
        verdict
    }
}
