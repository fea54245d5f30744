//! Events of a response that is being made in the background, for whoever follows it. The response does not wait for
//! them, and they may come and go.

use bytes::Bytes;
use sallyport_filters::codec::responses::{Events, event};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Bytes of events of one response, and of all of them together: beyond that the oldest go, and with them the way back to
/// the beginning.
const MOST: (usize, usize) = (8 * 1024 * 1024, 128 * 1024 * 1024);
/// Events that are taken at once.
const BATCH: usize = 64;

/// The events.
#[derive(Debug)]
pub(crate) struct Feed {
    state: Mutex<State>,
    changed: Notify,
    /// Bytes of all feeds.
    all: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct State {
    /// The JSON of each.
    events: VecDeque<Bytes>,
    /// Number of the first one.
    first: u64,
    bytes: usize,
    ended: bool,
}

/// What there is behind a number.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// These, written for a stream, and the number behind them.
    Events(Bytes, u64),
    /// Nothing yet.
    Wait,
    /// Nothing any more.
    End,
    /// They are gone.
    Lost,
}

impl Feed {
    pub(crate) fn new(all: Arc<AtomicUsize>) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), all }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next event's JSON.
    pub(crate) fn push(&self, data: Bytes) {
        {
            let mut s = self.state();
            s.bytes += data.len();
            let mut all = self.all.fetch_add(data.len(), Ordering::Relaxed) + data.len();
            s.events.push_back(data);
            while s.events.len() > 1 && (s.bytes > MOST.0 || all > MOST.1) {
                let Some(oldest) = s.events.pop_front() else { break };
                s.first += 1;
                s.bytes -= oldest.len();
                all = self.all.fetch_sub(oldest.len(), Ordering::Relaxed) - oldest.len();
            }
        }
        self.changed.notify_waiters();
    }

    /// The number that the next event will have.
    pub(crate) fn next_number(&self) -> u64 {
        let s = self.state();
        s.first + s.events.len() as u64
    }

    /// No more will come.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_waiters();
    }

    /// All events with the last one, which is still to come; None: the first are gone.
    pub(crate) fn whole(&self, last: &Bytes) -> Option<Events> {
        let s = self.state();
        (s.first == 0).then(|| Events::new(s.events.iter().chain(std::iter::once(last))))
    }

    /// What there is from `number` on.
    pub(crate) fn from(&self, number: u64) -> Next {
        let s = self.state();
        let Some(skip) = number.checked_sub(s.first) else { return Next::Lost };
        let events = s.events.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(BATCH);
        let (mut out, mut n) = (bytes::BytesMut::new(), number);
        for data in events {
            event(data, &mut out);
            n += 1;
        }
        match n > number {
            true => Next::Events(out.freeze(), n),
            false if s.ended => Next::End,
            false => Next::Wait,
        }
    }

    /// The same, but waits for it.
    pub(crate) async fn wait(&self, number: u64) -> Next {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.from(number) {
                Next::Wait => changed.await,
                next => return next,
            }
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let bytes = self.state().bytes;
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> Feed {
        Feed::new(Arc::default())
    }

    fn data(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[tokio::test]
    async fn followers_begin_anywhere_and_wait() {
        let f = Arc::new(feed());
        f.push(data(r#"{"type":"a"}"#));
        f.push(data(r#"{"type":"b"}"#));
        let Next::Events(text, 2) = f.from(1) else { panic!() };
        assert_eq!(text, "event: b\ndata: {\"type\":\"b\"}\n\n");
        assert_eq!((f.from(2), f.from(99), f.next_number()), (Next::Wait, Next::Wait, 2));
        let follower = tokio::spawn({
            let f = f.clone();
            async move { f.wait(2).await }
        });
        tokio::task::yield_now().await;
        f.push(data(r#"{"type":"c"}"#));
        assert!(matches!(follower.await.unwrap(), Next::Events(_, 3)));
        f.end();
        assert_eq!((f.wait(3).await, f.wait(9).await), (Next::End, Next::End));
    }

    #[test]
    fn it_is_bounded() {
        let all = Arc::new(AtomicUsize::new(0));
        let f = Feed::new(all.clone());
        let large = Bytes::from(vec![b'x'; MOST.0 / 2]);
        f.push(large.clone());
        f.push(large.clone());
        assert!(f.whole(&large).is_some());
        f.push(large.clone());
        assert!(f.whole(&large).is_none());
        assert_eq!(f.from(0), Next::Lost);
        assert_eq!(f.next_number(), 3);
        assert_eq!(all.load(Ordering::Relaxed), MOST.0);
        drop(f);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }
}
