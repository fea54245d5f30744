//! Changes by way of Redis, beside LISTEN: whoever hears a notification publishes it, everybody subscribes.
//!
//! What is heard there is a hint and nothing more: it names rows, which are then read from Postgres. And only where
//! it is needed: a hint makes this instance send a beat (`pulse`); if that comes back on the listening connection, so
//! has the change before it, and nothing is read. A hint that comes by both ways therefore costs one small NOTIFY.
//! Whoever can publish can at worst cause that, or, where nobody listens, reads that are bounded (`hints`).

mod hints;
mod outbox;

use super::ConnectionState;
use super::pulse::Pulse;
use super::teller::Teller;
use crate::backoff::Backoff;
use crate::redis::Redis;
use crate::store::Store;
use futures::StreamExt;
use hints::{Hints, Reader};
use outbox::Outbox;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::{OnceCell, watch};

/// Pause between two questions whether the subscription is still there.
const PING: Duration = Duration::from_secs(1);

/// How the way by Redis is doing; for health and metrics.
#[derive(Debug)]
pub struct Relayed {
    state: watch::Sender<ConnectionState>,
    reads: AtomicU64,
    ignored: AtomicU64,
}

impl Relayed {
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(ConnectionState::Off),
            reads: AtomicU64::new(0),
            ignored: AtomicU64::new(0),
        }
    }

    /// Whether changes are heard by Redis; `Off`: not configured.
    pub fn state(&self) -> ConnectionState {
        self.state.borrow().clone()
    }

    /// Reads from Postgres since the start because Redis told of a change that LISTEN had not.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Messages since the start that named nothing.
    pub fn ignored(&self) -> u64 {
        self.ignored.load(Ordering::Relaxed)
    }

    fn up(&self) {
        tracing::info!("changes are heard by Redis");
        self.state.send_replace(ConnectionState::Connected);
    }

    fn down(&self, reason: String) {
        self.state.send_modify(|state| {
            let (since, old) = match state {
                ConnectionState::Disconnected { since, reason } => (*since, Some(reason.as_str())),
                _ => (OffsetDateTime::now_utc(), None),
            };
            if old != Some(reason.as_str()) {
                tracing::warn!(reason, "changes are not heard by Redis");
            }
            *state = ConnectionState::Disconnected { since, reason };
        });
    }
}

/// This process's part in it.
pub(super) struct Relay {
    store: Store,
    redis: Redis,
    /// The channel, once it is known whose changes they are.
    channel: OnceCell<String>,
    hints: Hints,
    outbox: Outbox,
}

impl Relay {
    /// Begins to publish what [`tell`](Self::tell) is given, and to hear. `pulse`: the heartbeat, if this process
    /// listens.
    pub(super) fn start(
        store: Store,
        redis: Redis,
        teller: Arc<Teller>,
        pulse: Option<Arc<Pulse>>,
    ) -> Arc<Self> {
        store.relayed().state.send_replace(ConnectionState::starting());
        let channel = OnceCell::new();
        let relay =
            Arc::new(Self { store, redis, channel, hints: Hints::default(), outbox: Outbox::default() });
        let (this, reader) = (relay.clone(), Reader::new(teller.clone(), pulse));
        tokio::spawn(async move {
            tokio::select! {
                () = this.hear() => {}
                () = this.publish() => {}
                () = reader.run(&this.hints, this.store.relayed()) => {}
                () = teller.unread() => {}
            }
        });
        relay
    }

    /// Tells a notification to the others. Never waits.
    pub(super) fn tell(&self, payload: &str) {
        self.outbox.put(payload);
    }

    /// `<prefix>:<database>:changes`: fleets that share a Redis do not wake one another.
    async fn channel(&self) -> Result<&str, String> {
        let name = self.channel.get_or_try_init(|| async {
            let identity = self.store.identity().await.map_err(|e| e.to_string())?;
            Ok(self.redis.name(&[&identity, "changes"]))
        });
        name.await.map(String::as_str)
    }

    /// Subscribes, again and again.
    async fn hear(&self) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let lost = match self.subscription(&mut backoff).await {
                Ok(never) => match never {},
                Err(reason) => reason,
            };
            self.store.relayed().down(lost);
            tokio::time::sleep(backoff.next()).await;
        }
    }

    /// One subscription, from birth to loss.
    async fn subscription(&self, backoff: &mut Backoff) -> Result<Infallible, String> {
        let channel = self.channel().await?;
        let (mut sink, mut messages) = self.redis.subscribe(channel).await.map_err(|e| e.to_string())?;
        backoff.reset();
        self.store.relayed().up();
        // Subscribed first, read second.
        self.hints.missed();
        let mut alive = pin!(async {
            loop {
                tokio::time::sleep(PING).await;
                if let Err(e) = self.redis.ping_subscription(&mut sink).await {
                    return e.to_string();
                }
            }
        });
        loop {
            // Messages are always taken: those that wait have no bound.
            tokio::select! {
                message = messages.next() => {
                    let message = message.ok_or("Redis closed the subscription")?;
                    if !self.hints.add(message.get_payload_bytes()) {
                        self.store.relayed().ignored.fetch_add(1, Ordering::Relaxed);
                    }
                }
                lost = &mut alive => return Err(lost),
            }
        }
    }

    /// Publishes what is put into the outbox.
    async fn publish(&self) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        loop {
            self.outbox.filled().await;
            let messages = self.outbox.take();
            let told = match self.channel().await {
                Ok(channel) => self.redis.publish(channel, &messages).await.map_err(|e| e.to_string()),
                Err(e) => Err(e),
            };
            match told {
                Ok(true) => backoff.reset(),
                // Kept until it can be told: the others may be subscribed although we are cut off.
                Ok(false) => self.again(messages, &mut backoff).await,
                Err(e) => {
                    tracing::debug!("a change was not published: {e}");
                    self.again(messages, &mut backoff).await;
                }
            }
        }
    }

    async fn again(&self, messages: Vec<String>, backoff: &mut Backoff) {
        messages.iter().for_each(|m| self.outbox.put(m));
        tokio::time::sleep(backoff.next()).await;
    }
}
