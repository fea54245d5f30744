//! Response bodies: a whole one, or a script that is played in time.

use crate::sim::script::Script;
use crate::sim::stats::Guard;
use crate::sim::text::STAMP;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, Sleep, sleep_until};

/// Time for what was sent to leave before the connection is cut.
const LINGER: Duration = Duration::from_millis(2);

/// The simulator breaks the connection off.
#[derive(Debug)]
pub(crate) struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken off, as the request asked")
    }
}

impl std::error::Error for BrokenOff {}

/// How a script ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As it should.
    Clean,
    /// The connection is closed in the middle.
    Cut,
    /// Nothing comes any more.
    Stall,
}

/// A response body.
#[derive(Debug)]
pub(crate) enum SimBody {
    /// Sent in one piece.
    Whole(Bytes, Guard),
    /// Played.
    Played(Box<Player>),
}

/// A script on its way out.
#[derive(Debug)]
pub(crate) struct Player {
    script: Script,
    pace: Pace,
    end: End,
    next: usize,
    at: usize,
    /// The wait before the event at `next` is over.
    waited: bool,
    token_sent: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    guard: Guard,
}

/// How a script is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Between tokens.
    pub(crate) gap: Duration,
    /// Events in a write.
    pub(crate) burst: usize,
    /// Fill in the time.
    pub(crate) stamp: bool,
}

impl SimBody {
    pub(crate) fn whole(bytes: Bytes, mut guard: Guard) -> Self {
        if bytes.is_empty() {
            guard.completed(); // an empty body is never polled
        }
        Self::Whole(bytes, guard)
    }

    pub(crate) fn played(script: Script, pace: Pace, end: End, guard: Guard) -> Self {
        Self::Played(Box::new(Player {
            script,
            pace,
            end,
            next: 0,
            at: 0,
            waited: true,
            token_sent: None,
            sleep: None,
            guard,
        }))
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(bytes, guard) => {
                guard.completed();
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Played(player) => player.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes, _) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            Self::Played(_) => SizeHint::default(),
        }
    }
}

impl Player {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            if self.next == self.script.marks.len() {
                match self.end {
                    End::Clean => {
                        self.guard.completed();
                        return Poll::Ready(None);
                    }
                    // no waker: the server drops us when the client goes
                    End::Stall => return Poll::Pending,
                    End::Cut if self.waited => {
                        self.waited = false;
                        self.sleep = Some(Box::pin(sleep_until(Instant::now() + LINGER)));
                        continue;
                    }
                    End::Cut => {
                        self.guard.broken_off();
                        return Poll::Ready(Some(Err(BrokenOff)));
                    }
                }
            }
            if !self.waited {
                self.waited = true;
                match self.token_sent {
                    Some(last) if self.script.marks[self.next].token && !self.pace.gap.is_zero() => {
                        // absolute times, so that the timer's granularity does not add up
                        let due = last + self.pace.gap;
                        self.token_sent = Some(due);
                        self.sleep = Some(Box::pin(sleep_until(due)));
                        continue;
                    }
                    _ => {
                        // pending once: what was sent so far leaves in a write of its own
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
            }
            return Poll::Ready(Some(Ok(Frame::data(self.take()))));
        }
    }

    /// The next events that go out together.
    fn take(&mut self) -> Bytes {
        let last = (self.next + self.pace.burst).min(self.script.marks.len());
        if self.token_sent.is_none() && self.script.marks[self.next..last].iter().any(|m| m.token) {
            self.token_sent = Some(Instant::now());
        }
        let end = self.script.marks[last - 1].end;
        let bytes = self.script.bytes.slice(self.at..end);
        self.next = last;
        self.at = end;
        // a cut needs its linger even directly behind the last event
        self.waited = last == self.script.marks.len();
        if self.pace.stamp { stamped(&bytes) } else { bytes }
    }
}

/// Fills the time into each place that was left for it.
fn stamped(bytes: &Bytes) -> Bytes {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros());
    let digits = format!("{now:016}");
    let mut out = BytesMut::from(&bytes[..]);
    let place = STAMP.as_bytes();
    let found: Vec<usize> = memchr::memmem::find_iter(bytes, place).collect();
    for at in found {
        out[at + 2..at + 18].copy_from_slice(digits.as_bytes());
    }
    out.freeze()
}
