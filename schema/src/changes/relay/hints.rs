//! What is heard by Redis, and the reads that it may cause.
//!
//! Bounds: messages that wait are a set of at most 200 rows, beyond that "everything"; hints are looked at 20 times a
//! second at most; and all reads of everything together take a tenth of the time at most.

use super::Relayed;
use crate::backoff::Backoff;
use crate::changes::batch::{Batch, MANY};
use crate::changes::pulse::Pulse;
use crate::changes::teller::{Teller, Untold};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The message that names no row: read everything.
pub(super) const EVERYTHING: &str = "everything";
/// Longest message that is looked at, in bytes.
const LONGEST: usize = 1024;
/// Hints are gathered so long.
const GATHER: Duration = Duration::from_millis(50);
/// How long a beat may take to come back before LISTEN is not relied on.
const PROOF: Duration = Duration::from_millis(250);
/// The same after a (re)connect, when nobody waits for a change and the first load may be under way.
const PROOF_OF_ALL: Duration = Duration::from_secs(3);
/// Where nobody listens and Redis is away: pause between reads.
const POLL: Duration = Duration::from_secs(10);
/// Least and longest pause after a read of everything; in between it is ten times what the read took.
const PAUSE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// What was heard and not yet looked at.
#[derive(Default)]
pub(super) struct Hints {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    rows: Batch,
    /// A message said so, or there were too many.
    everything: bool,
    /// Redis was away: nobody knows what was said meanwhile.
    missed: bool,
}

impl Hints {
    /// Takes a message. False: it names nothing, and is ignored.
    pub(super) fn add(&self, message: &[u8]) -> bool {
        let text = std::str::from_utf8(message).ok().filter(|t| t.len() <= LONGEST);
        let Some(text) = text.filter(|t| !t.contains(char::is_control)) else { return false };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if text == EVERYTHING {
            waiting.everything = true;
        } else if !waiting.rows.note(text) {
            return false;
        }
        if waiting.rows.len() > MANY || waiting.rows.is_everything() {
            waiting.rows = Batch::default();
            waiting.everything = true;
        }
        drop(waiting);
        self.arrived.notify_one();
        true
    }

    /// Something may have been said that was not heard.
    pub(super) fn missed(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).missed = true;
        self.arrived.notify_one();
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads what the hints name, where LISTEN does not prove that it has.
pub(super) struct Reader {
    teller: Arc<Teller>,
    /// None: nobody listens.
    pulse: Option<Arc<Pulse>>,
    /// Everything is still to be read …
    owed: bool,
    /// … but not before this.
    next: Instant,
    /// When everything was read last.
    last: Instant,
    backoff: Backoff,
}

impl Reader {
    pub(super) fn new(teller: Arc<Teller>, pulse: Option<Arc<Pulse>>) -> Self {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        // Without LISTEN nobody else does the first load.
        let now = Instant::now();
        Self { teller, owed: pulse.is_none(), pulse, next: now, last: now, backoff }
    }

    /// Runs until nobody reads the changes any more.
    pub(super) async fn run(mut self, hints: &Hints, relayed: &Relayed) {
        let mut state = relayed.state.subscribe();
        loop {
            let alone = self.pulse.is_none() && !state.borrow_and_update().is_connected();
            tokio::select! {
                () = hints.arrived.notified() => {}
                () = tokio::time::sleep_until(self.next), if self.owed => {}
                () = tokio::time::sleep_until(self.last + POLL), if alone && !self.owed => self.owed = true,
                // `alone` may be another
                _ = state.changed() => continue,
            }
            tokio::time::sleep(GATHER).await;
            if matches!(self.look(hints.take(), relayed).await, Err(Untold::Unread)) {
                return;
            }
        }
    }

    async fn look(&mut self, heard: Waiting, relayed: &Relayed) -> Result<(), Untold> {
        let patience = if heard.missed { PROOF_OF_ALL } else { PROOF };
        if let Some(pulse) = &self.pulse
            && pulse.proves_hearing(patience).await
        {
            self.owed = false;
            return Ok(());
        }
        self.owed |= heard.missed || heard.everything;
        if self.owed && Instant::now() >= self.next {
            return self.everything(relayed).await;
        }
        if heard.rows.len() == 0 {
            return Ok(());
        }
        relayed.reads.fetch_add(1, Ordering::Relaxed);
        let told = self.teller.rows(heard.rows).await;
        if let Err(Untold::Failed(error)) = &told {
            tracing::debug!(%error, "changes that Redis told of could not be read");
            self.owed = true;
        }
        told
    }

    async fn everything(&mut self, relayed: &Relayed) -> Result<(), Untold> {
        relayed.reads.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let told = self.teller.everything().await;
        let wait = match &told {
            Err(Untold::Failed(error)) => {
                tracing::warn!(%error, "what is stored could not be read");
                self.backoff.next()
            }
            _ => {
                self.owed = false;
                self.backoff.reset();
                (began.elapsed() * 10).clamp(PAUSE[0], PAUSE[1])
            }
        };
        self.last = Instant::now();
        self.next = self.last + wait;
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn only_what_names_something_is_taken() {
        let hints = Hints::default();
        let long = format!("organisation_settings:update:{}", "x".repeat(LONGEST));
        let garbage: [&[u8]; 9] = [
            b"",
            b"\xff\xfe",
            b"virtual_keys",
            b"virtual_keys:update:1",
            b"virtual_keys:update:' OR 1=1",
            b"pg_authid:update:x",
            b"pg_authid:truncate:",
            b"roles:update:a\0b",
            long.as_bytes(),
        ];
        for message in garbage {
            assert!(!hints.add(message), "{}", String::from_utf8_lossy(message));
        }
        let waiting = hints.take();
        assert!(waiting.rows.len() == 0 && !waiting.everything && !waiting.missed);
        for message in ["everything", "routes:truncate:", "users:truncate:"] {
            assert!(hints.add(message.as_bytes()), "{message}");
            assert!(hints.take().everything, "{message}");
        }
    }

    #[test]
    fn a_flood_has_a_bound() {
        let hints = Hints::default();
        for _ in 0..10 * MANY {
            assert!(hints.add(format!("virtual_keys:update:{}", Uuid::now_v7()).as_bytes()));
        }
        let waiting = hints.take();
        assert!(waiting.everything && waiting.rows.len() <= MANY);
    }
}
