//! The control plane's store: Postgres, through one pool.
//!
//! Every wait is bounded three times: by the pool (acquire, which includes connecting), by Postgres
//! (`statement_timeout`) and by this side's clock, because a half-dead connection answers neither way.
//! No request of the data plane ever comes here.

pub mod accounts;
mod awaited;
mod effective;
mod erase;
mod export;
pub mod factor;
pub mod idempotent;
mod identity;
mod keys;
mod lease;
pub(crate) mod load;
mod migrate;
mod objects;
pub mod oidc;
pub mod passkeys;
pub mod people;
mod purge;
mod rekey;
pub mod resources;
mod responses;
pub mod roles;
pub mod scim;
pub mod sessions;
pub mod teams;
mod trail;
mod tx;
mod upsert;
pub mod virtual_keys;

pub use awaited::Awaited;
pub use erase::Erased;
pub use export::PersonRecords;
pub use objects::ObjectOwner;
pub use purge::Purged;
pub use rekey::Rekeyed;
pub use responses::{Chain, ResponseRow, ResponseStatus};

use crate::changes::{ConnectionState, Relayed};
use crate::error::StoreError;
use lease::Lease;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The store. Cheap to clone; all clones share one pool.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    options: PgConnectOptions,
    timeout: Duration,
    connection: watch::Sender<ConnectionState>,
    relayed: Relayed,
}

impl Store {
    /// Connects and asks one question, so that a wrong URL shows at once.
    /// `timeout` bounds connecting, waiting for a free connection and each statement.
    pub async fn connect(url: &str, max_connections: u32, timeout: Duration) -> Result<Self, StoreError> {
        let store = Self::connect_lazy(url, max_connections, timeout)?;
        store.ping().await?;
        Ok(store)
    }

    /// Like [`connect`](Self::connect), but connects when first used: for a start while Postgres is away.
    /// Fails only for a URL that cannot be read. Must be called inside a tokio runtime.
    pub fn connect_lazy(url: &str, max_connections: u32, timeout: Duration) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|e| StoreError::BadUrl(e.to_string()))?
            .application_name("sallyport");
        let statement_timeout = format!("SET statement_timeout = {}", timeout.as_millis().max(1));
        let pool = PgPoolOptions::new()
            .max_connections(max_connections.max(1))
            .acquire_timeout(timeout)
            .idle_timeout(Duration::from_secs(300))
            .after_connect(move |conn, _| {
                // SET, not the start-up parameter `options`: PgBouncer refuses the latter
                let sql = sqlx::AssertSqlSafe(statement_timeout.clone());
                Box::pin(async move { sqlx::raw_sql(sql).execute(conn).await.map(drop) })
            })
            .connect_lazy_with(options.clone());
        let (connection, _) = watch::channel(ConnectionState::starting());
        Ok(Self { inner: Arc::new(Inner { pool, options, timeout, connection, relayed: Relayed::new() }) })
    }

    /// One round trip: is Postgres there?
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.bounded("ping", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query("SELECT 1").execute(&mut *lease).await;
            lease.settle(answer).map(drop)
        })
        .await
    }

    /// A notification on a channel.
    pub(crate) async fn notify(&self, channel: &str, payload: &str) -> Result<(), StoreError> {
        self.bounded("notifying", async {
            let mut lease = self.lease().await?;
            let query = sqlx::query("SELECT pg_notify($1, $2)").bind(channel).bind(payload);
            let answer = query.execute(&mut *lease).await;
            lease.settle(answer).map(drop)
        })
        .await
    }

    /// State of the listening connection that [`watch`](Self::watch) keeps; for health.
    pub fn connection(&self) -> watch::Receiver<ConnectionState> {
        self.inner.connection.subscribe()
    }

    /// How changes are heard by Redis, beside that connection; for health.
    pub fn relayed(&self) -> &Relayed {
        &self.inner.relayed
    }

    /// Closes the pool; connections in use are waited for, within the store's time-out.
    pub async fn close(&self) {
        // Past the bound the process is going away anyhow: nothing to report.
        let _ = tokio::time::timeout(self.inner.timeout, self.inner.pool.close()).await;
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.inner.options
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.inner.timeout
    }

    pub(crate) fn connection_sender(&self) -> &watch::Sender<ConnectionState> {
        &self.inner.connection
    }

    /// A connection of the pool.
    pub(crate) async fn lease(&self) -> Result<Lease, StoreError> {
        Ok(Lease::new(self.inner.pool.acquire().await?))
    }

    /// Bounds a whole operation: acquire and statement may each take the time-out.
    pub(crate) async fn bounded<T>(
        &self,
        what: &'static str,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let after = self.inner.timeout * 2;
        tokio::time::timeout(after, operation).await.unwrap_or(Err(StoreError::Timeout { what, after }))
    }
}
