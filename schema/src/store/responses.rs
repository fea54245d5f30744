//! Responses that the gateway keeps for providers without state.

use super::Store;
use crate::error::StoreError;
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// Rows that one round of the clean-up takes.
const EXPIRE_BATCH: i64 = 5000;

/// How a response stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseStatus {
    /// It will be made in the background.
    Queued,
    /// It is being made in the background.
    InProgress,
    /// It is whole.
    Completed,
    /// It was cut short (`max_output_tokens`, a filter).
    Incomplete,
    /// It came to nothing.
    Failed,
    /// The client wanted it no more.
    Cancelled,
}

impl ResponseStatus {
    /// The word of the API and of the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Queued, Self::InProgress, Self::Completed, Self::Incomplete, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|s| s.word() == word)
    }

    /// Nothing more will happen to it.
    pub const fn ended(self) -> bool {
        !matches!(self, Self::Queued | Self::InProgress)
    }
}

/// A kept response.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseRow {
    /// `resp_…`
    pub id: String,
    /// The one it continues.
    pub previous_id: Option<String>,
    /// Key it was made with.
    pub key_id: Option<Uuid>,
    /// That key's user.
    pub user_id: Option<Uuid>,
    /// That key's team.
    pub team_id: Option<Uuid>,
    /// How it stands.
    pub status: ResponseStatus,
    /// It was (or is being) made in the background.
    pub background: bool,
    /// Its client streams: there are events of it, or will be.
    pub streamed: bool,
    /// Envelope with what was asked and answered.
    pub content: Vec<u8>,
    /// When the call had arrived.
    pub created_at: OffsetDateTime,
    /// When it is deleted.
    pub expires_at: OffsetDateTime,
    /// Of one that is being made: whoever makes it says again before this that it lives.
    pub alive_until: Option<OffsetDateTime>,
}

/// A response and those it continues.
#[derive(Clone, Debug, PartialEq)]
pub enum Chain {
    /// Newest first. If the last one has a `previous_id`, that one is gone (or beyond the depth that was asked for).
    Found(Vec<ResponseRow>),
    /// Together they are larger than the bound: so many bytes.
    TooLarge(u64),
}

fn row(row: &PgRow) -> Result<ResponseRow, sqlx::Error> {
    let word: &str = row.try_get("status")?;
    let status = ResponseStatus::of(word)
        .ok_or_else(|| sqlx::Error::Decode(format!("unknown status '{word}' of a response").into()))?;
    Ok(ResponseRow {
        id: row.try_get("id")?,
        previous_id: row.try_get("previous_id")?,
        key_id: row.try_get("key_id")?,
        user_id: row.try_get("user_id")?,
        team_id: row.try_get("team_id")?,
        status,
        background: row.try_get("background")?,
        streamed: row.try_get("streamed")?,
        content: row.try_get("content")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        alive_until: row.try_get("alive_until")?,
    })
}

/// Contents have left the database only where all of them fit.
fn bounded(rows: &[PgRow], most: u64) -> Result<Chain, sqlx::Error> {
    let bytes: i64 = rows.first().map_or(Ok(0), |r| r.try_get("bytes"))?;
    match u64::try_from(bytes) {
        Ok(n) if n > most => Ok(Chain::TooLarge(n)),
        _ => rows.iter().map(row).collect::<Result<_, _>>().map(Chain::Found),
    }
}

impl Store {
    /// Keeps a response. The same id again changes nothing.
    pub async fn keep_response(&self, r: &ResponseRow) -> Result<(), StoreError> {
        self.bounded("keeping a response", async {
            let mut lease = self.lease().await?;
            let sql = "INSERT INTO responses (id, previous_id, key_id, user_id, team_id, status, background, content,
                                              created_at, expires_at, alive_until, events)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, CASE WHEN $12 THEN ''::bytea END)
                       ON CONFLICT (id) DO NOTHING";
            let answer = sqlx::query(sql)
                .bind(&r.id)
                .bind(&r.previous_id)
                .bind(r.key_id)
                .bind(r.user_id)
                .bind(r.team_id)
                .bind(r.status.word())
                .bind(r.background)
                .bind(&r.content)
                .bind(r.created_at)
                .bind(r.expires_at)
                .bind(r.alive_until)
                .bind(r.streamed)
                .execute(&mut *lease)
                .await;
            lease.settle(answer).map(drop)
        })
        .await
    }

    /// The response and those it continues, at most `depth` of them and `most` bytes; empty where it is not known or
    /// past its time.
    pub async fn response_chain(&self, id: &str, depth: u32, most: u64) -> Result<Chain, StoreError> {
        self.bounded("looking a response up", async {
            let mut lease = self.lease().await?;
            let answer = async {
                let rows = sqlx::query(
                    "WITH RECURSIVE chain AS (
                         SELECT r.*, 1 AS depth FROM responses r WHERE r.id = $1 AND r.expires_at > now()
                         UNION ALL
                         SELECT r.*, c.depth + 1 FROM responses r JOIN chain c ON r.id = c.previous_id
                         WHERE c.depth < $2 AND r.expires_at > now()
                     ), total AS (SELECT coalesce(sum(octet_length(content)), 0)::bigint AS bytes FROM chain)
                     SELECT id, previous_id, key_id, user_id, team_id, status, background, created_at, expires_at,
                            alive_until, events IS NOT NULL AS streamed, bytes,
                            CASE WHEN bytes <= $3 THEN content ELSE ''::bytea END AS content
                     FROM chain, total ORDER BY depth",
                )
                .bind(id)
                .bind(i32::try_from(depth).unwrap_or(i32::MAX))
                .bind(i64::try_from(most).unwrap_or(i64::MAX))
                .fetch_all(&mut *lease)
                .await?;
                bounded(&rows, most)
            }
            .await;
            lease.settle(answer)
        })
        .await
    }

    /// Those of these responses that are known and not past their time, in no order; at most `most` bytes of them.
    pub async fn responses(&self, ids: &[String], most: u64) -> Result<Chain, StoreError> {
        self.bounded("looking responses up", async {
            let mut lease = self.lease().await?;
            let answer = async {
                let rows = sqlx::query(
                    "WITH found AS (SELECT * FROM responses WHERE id = ANY($1) AND expires_at > now()),
                          total AS (SELECT coalesce(sum(octet_length(content)), 0)::bigint AS bytes FROM found)
                     SELECT id, previous_id, key_id, user_id, team_id, status, background, created_at, expires_at,
                            alive_until, events IS NOT NULL AS streamed, bytes,
                            CASE WHEN bytes <= $2 THEN content ELSE ''::bytea END AS content
                     FROM found, total",
                )
                .bind(ids)
                .bind(i64::try_from(most).unwrap_or(i64::MAX))
                .fetch_all(&mut *lease)
                .await?;
                bounded(&rows, most)
            }
            .await;
            lease.settle(answer)
        })
        .await
    }

    /// Deletes it. False: there was none.
    pub async fn delete_response(&self, id: &str) -> Result<bool, StoreError> {
        self.bounded("deleting a response", async {
            let mut lease = self.lease().await?;
            let answer =
                sqlx::query("DELETE FROM responses WHERE id = $1").bind(id).execute(&mut *lease).await;
            lease.settle(answer).map(|done| done.rows_affected() > 0)
        })
        .await
    }

    /// Whoever makes a response in the background says that it goes on, for `lease` more. False: nobody wants it any
    /// more (cancelled or deleted).
    pub async fn response_goes_on(&self, id: &str, lease: Duration) -> Result<bool, StoreError> {
        self.bounded("prolonging a response", async {
            let mut conn = self.lease().await?;
            let answer = sqlx::query(
                "UPDATE responses SET status = 'in_progress', alive_until = now() + make_interval(secs => $2)
                 WHERE id = $1 AND status IN ('queued', 'in_progress')",
            )
            .bind(id)
            .bind(lease.as_secs_f64())
            .execute(&mut *conn)
            .await;
            conn.settle(answer).map(|done| done.rows_affected() > 0)
        })
        .await
    }

    /// The end of a response that was made in the background; `events`: where they are kept. False: it was cancelled or deleted before.
    pub async fn finish_response(
        &self,
        id: &str,
        status: ResponseStatus,
        content: &[u8],
        events: Option<&[u8]>,
    ) -> Result<bool, StoreError> {
        self.bounded("finishing a response", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "UPDATE responses SET status = $2, content = $3, alive_until = NULL, events = coalesce($4, events)
                 WHERE id = $1 AND status IN ('queued', 'in_progress')",
            )
            .bind(id)
            .bind(status.word())
            .bind(content)
            .bind(events)
            .execute(&mut *lease)
            .await;
            lease.settle(answer).map(|done| done.rows_affected() > 0)
        })
        .await
    }

    /// The envelope of its events; None: there are none.
    pub async fn response_events(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.bounded("looking a response's events up", async {
            let mut lease = self.lease().await?;
            let answer = async {
                let sql = "SELECT events FROM responses
                           WHERE id = $1 AND expires_at > now() AND octet_length(events) > 0";
                let row = sqlx::query(sql).bind(id).fetch_optional(&mut *lease).await?;
                row.map(|row| row.try_get("events")).transpose()
            }
            .await;
            lease.settle(answer)
        })
        .await
    }

    /// Cancels a response that is being made in the background; one that has ended stays as it is.
    pub async fn cancel_response(&self, id: &str) -> Result<(), StoreError> {
        self.bounded("cancelling a response", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "UPDATE responses SET status = 'cancelled', alive_until = NULL
                 WHERE id = $1 AND status IN ('queued', 'in_progress')",
            )
            .bind(id)
            .execute(&mut *lease)
            .await;
            lease.settle(answer).map(drop)
        })
        .await
    }

    /// Deletes what is past its time. How many.
    pub async fn expire_responses(&self) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let n = self
                .bounded("deleting old responses", async {
                    let mut lease = self.lease().await?;
                    let answer = sqlx::query(
                        "DELETE FROM responses WHERE id IN
                         (SELECT id FROM responses WHERE expires_at <= now() LIMIT $1)",
                    )
                    .bind(EXPIRE_BATCH)
                    .execute(&mut *lease)
                    .await;
                    lease.settle(answer).map(|done| done.rows_affected())
                })
                .await?;
            all += n;
            if n < EXPIRE_BATCH.unsigned_abs() {
                return Ok(all);
            }
        }
    }
}
