//! Bringing the database to the schema that this binary knows.

use super::Store;
use crate::error::StoreError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};
use std::time::Duration;

static MIGRATOR: Migrator = sqlx::migrate!("./postgres");

/// How long to wait for another instance that is migrating.
const LOCK_WAIT: Duration = Duration::from_secs(60);
/// A single migration statement may take this long (an index over a large log).
const STATEMENT: Duration = Duration::from_secs(600);

impl Store {
    /// Newest schema version in this binary.
    pub fn known_version() -> i64 {
        MIGRATOR.iter().map(|m| m.version).max().unwrap_or(0)
    }

    /// Applies what is missing, one instance at a time (advisory lock), each migration in a transaction.
    /// Refuses a database that a newer binary has migrated. Returns the version reached.
    pub async fn migrate(&self) -> Result<i64, StoreError> {
        // A connection of its own: longer time-outs, and the advisory lock ends with it whatever happens.
        let connect = self.options().connect();
        let mut conn = tokio::time::timeout(self.timeout(), connect)
            .await
            .map_err(|_| StoreError::Timeout { what: "connecting to migrate", after: self.timeout() })??;
        let done = migrate_on(&mut conn).await;
        // The work is done or has failed: how the farewell goes makes no difference.
        let _ = tokio::time::timeout(self.timeout(), conn.close()).await;
        done
    }
}

async fn migrate_on(conn: &mut PgConnection) -> Result<i64, StoreError> {
    let bounds = format!(
        "SET lock_timeout = {}; SET statement_timeout = {}; SET client_min_messages = warning",
        LOCK_WAIT.as_millis(),
        STATEMENT.as_millis()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(bounds)).execute(&mut *conn).await?;
    let known = Store::known_version();
    match MIGRATOR.run_direct(None, conn, false).await {
        Ok(()) => Ok(known),
        Err(MigrateError::VersionMissing(found)) => Err(StoreError::DatabaseNewer { found, known }),
        Err(MigrateError::VersionMismatch(version)) => Err(StoreError::MigrationChanged(version)),
        Err(MigrateError::Execute(error)) => Err(StoreError::from(error)),
        Err(other) => Err(StoreError::Migration(Box::new(other))),
    }
}
