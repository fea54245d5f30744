//! Credentials that expire: fetched once for all who wait, kept, and fetched anew ahead of their end.

use super::{AuthError, PATIENCE};
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use rand::Rng;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Fetched anew so long before the end, or after four fifths of a short life.
const AHEAD: Duration = Duration::from_secs(300);
/// Not used in the last moments: the call must arrive before the end, and clocks differ.
const MARGIN: Duration = Duration::from_secs(10);
/// After a failure: so long nobody asks again; doubles up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// What is younger than this is not [forgotten](Cached::forget).
const YOUNG: Duration = Duration::from_secs(30);

/// Where credentials come from.
#[async_trait]
pub(crate) trait Source<T>: Send + Sync {
    /// Fetches them.
    async fn fetch(&self) -> Result<Fresh<T>, AuthError>;
}

/// Credentials just fetched.
#[derive(Debug)]
pub(crate) struct Fresh<T> {
    /// What it is.
    pub(crate) value: T,
    /// How long it is good; None: for ever.
    pub(crate) life: Option<Duration>,
}

/// Credentials in use.
struct Held<T> {
    value: Arc<T>,
    fetched: Instant,
    /// From here on they are fetched anew, while they are still used.
    renew: Option<Instant>,
    /// From here on they are of no use.
    end: Option<Instant>,
}

impl<T> Held<T> {
    fn new(fresh: Fresh<T>, fetched: Instant) -> Self {
        let Fresh { value, life } = fresh;
        let renew = life.map(|life| {
            let ahead = AHEAD.min(life / 5);
            // Instances that started together do not ask together.
            fetched + life.saturating_sub(ahead + ahead.mul_f64(rand::rng().random_range(0.0..0.5)))
        });
        let end = life.map(|life| fetched + life - MARGIN.min(life / 10));
        Self { value: Arc::new(value), fetched, renew, end }
    }

    fn useful(&self, now: Instant) -> bool {
        self.end.is_none_or(|end| now < end)
    }

    fn due(&self, now: Instant) -> bool {
        self.renew.is_some_and(|renew| now >= renew)
    }
}

/// How a fetch went.
type Outcome = Option<Result<(), AuthError>>;

/// At most one fetch is under way.
#[derive(Default)]
struct Flight {
    running: Option<watch::Receiver<Outcome>>,
    failed: Option<(Instant, Duration, AuthError)>,
}

struct Inner<T> {
    provider: Arc<str>,
    source: Box<dyn Source<T>>,
    held: ArcSwapOption<Held<T>>,
    flight: Mutex<Flight>,
}

/// The credentials of one provider.
pub(crate) struct Cached<T>(Arc<Inner<T>>);

impl<T> std::fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cached").field("provider", &self.0.provider).finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Cached<T> {
    /// Nothing yet.
    pub(crate) fn new(provider: &Arc<str>, source: Box<dyn Source<T>>) -> Self {
        Self(Arc::new(Inner {
            provider: provider.clone(),
            source,
            held: ArcSwapOption::empty(),
            flight: Mutex::default(),
        }))
    }

    /// Credentials that are good now.
    pub(crate) async fn get(&self) -> Result<Arc<T>, AuthError> {
        let now = Instant::now();
        if let Some(held) = self.0.held.load().as_ref().filter(|h| h.useful(now)) {
            if held.due(now) {
                // Who has to wait will see the error; here the old ones do.
                let _ = self.0.clone().start(now);
            }
            return Ok(held.value.clone());
        }
        self.wait(now).await
    }

    /// Nothing useful is there: waits for the fetch.
    async fn wait(&self, now: Instant) -> Result<Arc<T>, AuthError> {
        let mut landing = self.0.clone().start(now)?;
        let outcome = tokio::time::timeout(PATIENCE, landing.wait_for(Option::is_some)).await;
        match outcome {
            Err(_) => return Err(AuthError::Timeout(PATIENCE)),
            Ok(Ok(outcome)) => {
                if let Some(Err(e)) = &*outcome {
                    return Err(e.clone());
                }
            }
            // The task is gone without a word: the process ends.
            Ok(Err(_)) => {}
        }
        match self.0.held.load().as_ref() {
            Some(held) => Ok(held.value.clone()),
            None => Err(AuthError::Setup("the fetch of credentials was given up".into())),
        }
    }

    /// The provider refused them: fetched anew at the next call, unless they are young.
    pub(crate) fn forget(&self) {
        let held = self.0.held.load_full();
        if held.as_ref().is_some_and(|h| h.end.is_some() && h.fetched.elapsed() > YOUNG) {
            self.0.held.compare_and_swap(&held, None);
        }
    }
}

impl<T: Send + Sync + 'static> Inner<T> {
    fn flight(&self) -> MutexGuard<'_, Flight> {
        // Held for a few instructions, none of which can panic.
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a fetch, or joins the one under way. In a task of its own: a client that leaves does not end it.
    ///
    /// # Errors
    /// The last one failed a moment ago.
    fn start(self: Arc<Self>, now: Instant) -> Result<watch::Receiver<Outcome>, AuthError> {
        let mut flight = self.flight();
        if let Some(running) = flight.running.as_ref().filter(|r| r.has_changed().is_ok()) {
            return Ok(running.clone());
        }
        if let Some((until, _, error)) = flight.failed.as_ref().filter(|(until, ..)| now < *until) {
            tracing::debug!(provider = %self.provider, again_in = ?*until - now, "not asking for credentials");
            return Err(error.clone());
        }
        let (land, landing) = watch::channel(None);
        flight.running = Some(landing.clone());
        drop(flight);
        tokio::spawn(async move {
            let outcome = self.fetch().await;
            land.send_replace(Some(outcome));
        });
        Ok(landing)
    }

    async fn fetch(&self) -> Result<(), AuthError> {
        let started = Instant::now();
        let fetched = tokio::time::timeout(PATIENCE, self.source.fetch()).await;
        let fetched = fetched.unwrap_or(Err(AuthError::Timeout(PATIENCE)));
        // Before the flight is over: who comes after it must find them.
        let outcome = fetched.map(|fresh| self.held.store(Some(Arc::new(Held::new(fresh, started)))));
        let mut flight = self.flight();
        flight.running = None;
        let Err(error) = outcome else {
            if flight.failed.take().is_some() {
                tracing::info!(provider = %self.provider, "credentials again");
            }
            return Ok(());
        };
        let pause = flight.failed.take().map_or(PAUSE, |(_, pause, _)| (pause * 2).min(MAX_PAUSE));
        flight.failed = Some((Instant::now() + pause, pause, error.clone()));
        drop(flight);
        tracing::warn!(provider = %self.provider, %error, "no credentials for the provider");
        Err(error)
    }
}

#[cfg(test)]
mod tests;
