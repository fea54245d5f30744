//! What can go wrong with stored state, in words that say what to do.

use std::time::Duration;

/// An error of [`Store`](crate::store::Store).
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL cannot be used. (The message never holds the URL: it may contain a password.)
    #[error("the database URL is not usable: {0}; expected postgres://user:password@host:5432/database")]
    BadUrl(String),
    /// No connection.
    #[error("Postgres cannot be reached: {0}")]
    Unreachable(#[source] sqlx::Error),
    /// It took too long.
    #[error("Postgres did not answer within {after:?} ({what})")]
    Timeout {
        /// What was being done.
        what: &'static str,
        /// The bound that was hit.
        after: Duration,
    },
    /// There are no tables (or not all).
    #[error("the database has no Sallyport schema yet: run `sallyport migrate`")]
    NotMigrated,
    /// A newer binary has migrated the database.
    #[error(
        "the database is at schema version {found}, this binary knows versions up to {known}: \
         use a newer sallyport, or restore the database from before the upgrade"
    )]
    DatabaseNewer {
        /// Version found in the database.
        found: i64,
        /// Newest version in this binary.
        known: i64,
    },
    /// A migration that was applied reads differently in this binary.
    #[error(
        "migration {0} was applied in another form than this binary holds: \
         the database was made by a different build; use that build or a fresh database"
    )]
    MigrationChanged(i64),
    /// A migration failed.
    #[error("migrating the database failed: {0}")]
    Migration(#[source] Box<sqlx::migrate::MigrateError>),
    /// No such row.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// A key prefix that fits several keys.
    #[error("the prefix `{prefix}` fits {count} keys: give more of it, or the id")]
    AmbiguousPrefix {
        /// What was asked for.
        prefix: String,
        /// How many keys begin so.
        count: usize,
    },
    /// The state of things does not allow it: a changed version, the last super admin.
    #[error("the {what} cannot be changed so: {why}")]
    Conflict {
        /// Kind of thing.
        what: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// A unique or check constraint said no.
    #[error("the database refused it: {message}")]
    Refused {
        /// Name of the constraint, where one is known.
        constraint: Option<String>,
        /// Postgres's own words.
        message: String,
    },
    /// A stored row does not read as the type it should have.
    #[error("a stored {what} is not readable: {detail}")]
    Corrupt {
        /// Kind of row.
        what: &'static str,
        /// Why.
        detail: String,
    },
    /// Anything else that Postgres says.
    #[error("Postgres: {0}")]
    Sql(#[source] sqlx::Error),
}

impl StoreError {
    /// True if the same call may succeed later without anybody changing anything: the store is away or busy.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout { .. } | Self::NotMigrated => true,
            Self::Sql(error) => !is_data_fault(error),
            _ => false,
        }
    }

    /// True if the error lies in what was sent: the same again fails again.
    pub fn is_data_fault(&self) -> bool {
        match self {
            Self::Refused { .. } => true,
            Self::Sql(error) => is_data_fault(error),
            _ => false,
        }
    }
}

/// The SQLSTATE of a database error.
pub(crate) fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|e| e.code()).map(|c| c.into_owned())
}

/// Whether the error lies in the data that was sent (so that sending it again fails again):
/// classes 22 data exception, 23 integrity violation, 54 program limit; and values that cannot be encoded.
/// Source: PostgreSQL documentation, Appendix A.
pub(crate) fn is_data_fault(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Encode(_) => true,
        other => sqlstate(other)
            .is_some_and(|code| code.starts_with("22") || code.starts_with("23") || code.starts_with("54")),
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => {
                Self::Unreachable(error)
            }
            E::Configuration(detail) => Self::BadUrl(detail.to_string()),
            E::Database(db) => {
                let code = db.code().unwrap_or_default().into_owned();
                match code.as_str() {
                    // undefined table or function
                    "42P01" | "42883" => Self::NotMigrated,
                    // starting up, shutting down, no such database, too many connections, bad password
                    "57P01" | "57P02" | "57P03" | "3D000" | "53300" | "28P01" | "28000" => {
                        Self::Unreachable(error)
                    }
                    c if c.starts_with("08") => Self::Unreachable(error),
                    c if c.starts_with("23") || c.starts_with("22") => Self::Refused {
                        constraint: db.constraint().map(str::to_owned),
                        message: db.message().to_owned(),
                    },
                    _ => Self::Sql(error),
                }
            }
            _ => Self::Sql(error),
        }
    }
}
