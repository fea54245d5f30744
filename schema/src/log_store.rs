//! Where the call log ends up. Postgres here; other stores implement the same trait.

mod awaited;
mod columns;
pub mod costs;
mod cursor;
mod find;
mod last_use;
mod partitions;
mod postgres;
mod recent;

pub use cursor::Cursor;
pub use postgres::PgLogStore;

use crate::call::CallRecord;
use crate::error::StoreError;
use time::OffsetDateTime;
use uuid::Uuid;

/// Most calls that one page gives.
pub const PAGE_MAX: u32 = 1000;

/// Why the log did not take or give.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cursor is none of ours.
    #[error("the cursor is not valid: begin again without one")]
    BadCursor,
    /// Any other store's error.
    #[error("{0}")]
    Other(String),
}

/// Which calls; every field that is set must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Made with this key.
    pub key_id: Option<Uuid>,
    /// Made with the key of this display prefix.
    pub key_prefix: Option<String>,
    /// That asked for this model.
    pub model: Option<String>,
    /// With a key of this user or service account.
    pub user_id: Option<Uuid>,
    /// For this team.
    pub team_id: Option<Uuid>,
    /// With a key that had this tag then.
    pub tag: Option<String>,
    /// That this provider answered.
    pub provider: Option<String>,
    /// That got this HTTP status.
    pub status: Option<u16>,
    /// That got a status of this class (4: 400 to 499).
    pub status_class: Option<u8>,
    /// On this surface.
    pub surface: Option<String>,
    /// That began at this instant or later.
    pub from: Option<OffsetDateTime>,
    /// That began before this instant.
    pub to: Option<OffsetDateTime>,
    /// For one of these teams, or with a key of this user (or of a service account that such a team answers for); None:
    /// whoever's.
    pub visible: Option<(Vec<Uuid>, Option<Uuid>)>,
    /// At most so many, 1 to [`PAGE_MAX`]; 0 stands for 100.
    pub limit: u32,
}

/// A page of calls, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The calls.
    pub calls: Vec<CallRecord>,
    /// Where the next page begins; None at the end.
    pub next: Option<Cursor>,
}

/// A store of call records.
#[async_trait::async_trait]
pub trait LogStore: Send + Sync {
    /// Stores the records; those that are there already (by id) stay as they are. On an error none or some are stored,
    /// and the same call may be made again. A record that can never be stored is set aside, counted by
    /// [`rejected`](Self::rejected), and is no error: it must not block those behind it.
    async fn append(&self, records: &[CallRecord]) -> Result<(), LogError>;

    /// The newest calls that fit, from the cursor on.
    async fn recent(&self, filter: &CallFilter, cursor: Option<Cursor>) -> Result<Page, LogError>;

    /// The call with this request id, or with this id of the provider's; of several the newest.
    async fn find(&self, id: &str) -> Result<Option<CallRecord>, LogError> {
        let _ = id;
        Err(LogError::Other("this store cannot look up a single call".to_owned()))
    }

    /// What the calls that fit have cost, added up, the most costly first. `limit` bounds the sums.
    async fn costs(&self, filter: &CallFilter, by: costs::By) -> Result<costs::Costs, LogError> {
        let _ = (filter, by);
        Err(LogError::Other("this store cannot add up".to_owned()))
    }

    /// Drops what is older than so many days besides today, and prepares for the days to come. To be called daily or
    /// oftener.
    async fn maintain(&self, retention_days: u32) -> Result<(), LogError>;

    /// Records set aside since the start.
    fn rejected(&self) -> u64 {
        0
    }
}
