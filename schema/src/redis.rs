//! Redis, beside Postgres: a connection for commands that a task of its own keeps up, and subscriptions.
//!
//! It holds nothing that cannot be lost. While it is away there is no connection, which the caller is told at once:
//! nobody waits for Redis to come back. One server (or whatever looks like one): no cluster redirections, no sentinels.

mod address;
mod keeper;

pub use address::check;

use crate::changes::ConnectionState;
use ::redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use ::redis::{AsyncConnectionConfig, Client, Value};
use arc_swap::ArcSwapOption;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How Redis is reached.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://[user:password@]host:6379/0`, `rediss://…` (TLS) or `redis+unix:///path/to/socket`.
    pub url: String,
    /// Authorities (PEM) that are trusted instead of the system's; only with TLS.
    pub authorities: Option<Vec<u8>>,
    /// First word of the names of all channels and keys.
    pub prefix: String,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the answer to a command.
    pub command_timeout: Duration,
}

/// What can go wrong. No message holds the URL: it may contain a password.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RedisError {
    /// The URL cannot be used.
    #[error(
        "the Redis URL is not usable: {0}; expected redis://[user:password@]host:6379/0, rediss://… for TLS, or \
         redis+unix:///path/to/socket"
    )]
    BadUrl(&'static str),
    /// The authorities cannot be used.
    #[error("the certificate authorities for Redis are not usable: {0}")]
    BadAuthorities(String),
    /// It took too long.
    #[error("Redis did not answer within {after:?} ({what})")]
    Timeout {
        /// What was being done.
        what: &'static str,
        /// The bound that was hit.
        after: Duration,
    },
    /// What the client or the server says.
    #[error("Redis: {0}")]
    Said(String),
}

impl From<::redis::RedisError> for RedisError {
    fn from(error: ::redis::RedisError) -> Self {
        // A server's own words: bounded, and one line.
        Self::Said(error.to_string().chars().filter(|c| !c.is_control()).take(300).collect())
    }
}

/// Redis. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    prefix: String,
    connect_timeout: Duration,
    command_timeout: Duration,
    /// The connection, while it is known to answer.
    live: ArcSwapOption<MultiplexedConnection>,
    state: watch::Sender<ConnectionState>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redis")
    }
}

impl Redis {
    /// Begins to connect, in a task of the current tokio runtime that ends with the last clone. Fails only for what
    /// cannot be read; that Redis is away shows in [`state`](Self::state).
    pub fn start(options: RedisOptions) -> Result<Self, RedisError> {
        let client = address::client(&options.url, options.authorities)?;
        let (state, _) = watch::channel(ConnectionState::starting());
        let inner = Arc::new(Inner {
            client,
            prefix: options.prefix,
            connect_timeout: options.connect_timeout,
            command_timeout: options.command_timeout,
            live: ArcSwapOption::empty(),
            state,
        });
        tokio::spawn(keeper::keep(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// The connection for commands, if it answers: each command on it is bounded by the command time-out, and many may
    /// be under way at once. None: go on without.
    pub fn connection(&self) -> Option<MultiplexedConnection> {
        self.inner.live.load().as_deref().cloned()
    }

    /// Whether it answers (asked once a second); for health and metrics.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.inner.state.subscribe()
    }

    /// The name of a channel or key: `<prefix>:<part>:…`.
    pub fn name(&self, parts: &[&str]) -> String {
        let mut name = self.inner.prefix.clone();
        for part in parts {
            name.push(':');
            name.push_str(part);
        }
        name
    }

    /// Publishes messages on a channel, in order, in one round trip. False: Redis is away.
    pub(crate) async fn publish(&self, channel: &str, messages: &[String]) -> Result<bool, RedisError> {
        let Some(mut connection) = self.connection() else { return Ok(false) };
        let mut pipeline = ::redis::pipe();
        for message in messages {
            pipeline.cmd("PUBLISH").arg(channel).arg(message).ignore();
        }
        pipeline.exec_async(&mut connection).await?;
        Ok(true)
    }

    /// Subscribes to a channel on a connection of its own.
    pub(crate) async fn subscribe(&self, channel: &str) -> Result<(PubSubSink, PubSubStream), RedisError> {
        self.inner
            .within_connect("subscribing", async {
                let (mut sink, stream) = self.inner.client.get_async_pubsub().await?.split();
                sink.subscribe(channel).await?;
                Ok((sink, stream))
            })
            .await
    }

    /// Asks a subscription's connection whether it is still there.
    pub(crate) async fn ping_subscription(&self, sink: &mut PubSubSink) -> Result<(), RedisError> {
        let after = self.inner.command_timeout;
        let asked = tokio::time::timeout(after, sink.ping::<Value>()).await;
        asked.map_err(|_| RedisError::Timeout { what: "ping of the subscription", after })??;
        Ok(())
    }
}

impl Inner {
    /// A new connection that has answered once.
    async fn open(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.command_timeout));
        self.within_connect("connecting", async {
            let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            ping(&mut connection).await?;
            Ok(connection)
        })
        .await
    }

    async fn within_connect<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        let after = self.connect_timeout;
        tokio::time::timeout(after, work).await.unwrap_or(Err(RedisError::Timeout { what, after }))
    }
}

async fn ping(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    ::redis::cmd("PING").query_async::<Value>(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
