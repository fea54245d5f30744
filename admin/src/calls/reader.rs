//! What the routes ask of the call log.

use sallyport_schema::call::CallRecord;
use time::OffsetDateTime;
use uuid::Uuid;

/// Which calls; everything that is set must match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFilter {
    /// Of this key.
    pub key_id: Option<Uuid>,
    /// Of keys that begin so.
    pub key_prefix: Option<String>,
    /// Asked or served.
    pub model: Option<String>,
    /// Status.
    pub status: Option<StatusFilter>,
    /// Surface name.
    pub surface: Option<String>,
    /// Not before.
    pub from: Option<OffsetDateTime>,
    /// Before.
    pub to: Option<OffsetDateTime>,
    /// At most so many.
    pub limit: u32,
}

/// One status or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFilter {
    /// This one.
    Exact(u16),
    /// 4 for 4xx.
    Class(u8),
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Of the last call of the page.
    pub started_at: OffsetDateTime,
    /// Of the last call of the page.
    pub id: Uuid,
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Newest first.
    pub calls: Vec<CallRecord>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

/// Why the call log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store is away; another time it may answer.
    #[error("{0}")]
    Unavailable(String),
    /// It answers, but not as it should.
    #[error("{0}")]
    Failed(String),
}

/// Reads the call log.
#[async_trait::async_trait]
pub trait CallReader: Send + Sync + 'static {
    /// One page, newest first.
    async fn recent(&self, filter: CallFilter, after: Option<Cursor>) -> Result<Page, ReadError>;

    /// By request id, or by the provider's request id.
    async fn find(&self, id: &str) -> Result<Option<CallRecord>, ReadError>;
}
