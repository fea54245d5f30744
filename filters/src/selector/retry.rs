//! After a failed attempt: the next candidate, the same one after a wait, or the end?

use crate::dialect::fault::{Fault, RetryHint};
use rand::{Rng, RngCore};
use sallyport_config::model::Upstream;
use std::time::Duration;

/// How an attempt failed, before the first byte went to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection (TCP, TLS, DNS), or it broke before an answer.
    Connect,
    /// The head of the answer did not come in time.
    Timeout,
    /// An error answer, or a stream whose first event is an error.
    Answer(Fault),
}

/// An attempt that failed.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Attempts made so far, this one included.
    pub number: u32,
    /// Attempts made on this candidate in a row, this one included.
    pub on_same: u32,
    /// Is there a candidate that was not tried yet?
    pub has_other: bool,
    /// What went wrong.
    pub failure: Failure,
    /// What the answer's headers say of trying again.
    pub hint: RetryHint,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The next candidate, at once.
    Other,
    /// The same candidate, after this wait.
    Same(Duration),
    /// The end: pass the answer on (with its Retry-After), or say that nothing answered.
    GiveUp,
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    max_attempts: u32,
    backoff: Duration,
    max_backoff: Duration,
}

impl From<&Upstream> for RetryPolicy {
    fn from(u: &Upstream) -> Self {
        Self {
            max_attempts: u.max_attempts.max(1),
            backoff: u.backoff.get(),
            max_backoff: u.max_backoff.get(),
        }
    }
}

impl RetryPolicy {
    /// Decides. The client's own errors are never tried again; another candidate is tried at once, whatever the
    /// failed one says of waiting; the same one only where waiting can help.
    pub fn decide(&self, attempt: &Attempt, rng: &mut dyn RngCore) -> Decision {
        if attempt.failure == Failure::Answer(Fault::ClientsOwn) || attempt.number >= self.max_attempts {
            return Decision::GiveUp;
        }
        if attempt.has_other {
            return Decision::Other;
        }
        if attempt.failure == Failure::Answer(Fault::CredentialsOrCredit) || attempt.hint.never {
            return Decision::GiveUp;
        }
        let jittered = self.jitter(attempt.on_same, rng);
        match attempt.hint.after {
            // Coming back earlier than told is pointless; keeping the client that long is worse than telling it.
            Some(told) if told > self.max_backoff => Decision::GiveUp,
            Some(told) => Decision::Same(told.max(jittered)),
            None => Decision::Same(jittered),
        }
    }

    /// Full jitter: uniform between zero and the doubled base, so that clients that failed together do not come
    /// back together.
    fn jitter(&self, on_same: u32, rng: &mut dyn RngCore) -> Duration {
        let doubled = self.backoff.saturating_mul(1_u32 << on_same.saturating_sub(1).min(16));
        doubled.min(self.max_backoff).mul_f64(rng.random::<f64>())
    }
}

#[cfg(test)]
mod tests;
