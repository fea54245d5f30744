//! Responses that their provider makes in the background: their tokens are still to be told. The call log notes them
//! and strikes them off (`log_store`); here they are shared out among the instances.

use super::Store;
use crate::call::CallRecord;
use crate::error::StoreError;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use std::time::Duration;

/// The longest time between two questions. (OpenAI keeps a response of an account without data retention for about ten
/// minutes after its end: <https://platform.openai.com/docs/guides/background>.)
const RARELY: Duration = Duration::from_secs(300);
/// An end that is on its way into the log for longer than this was lost with its instance.
const SETTLING: Duration = Duration::from_secs(600);

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Awaited {
    /// `resp_…`
    pub object_id: String,
    /// The call that ordered it.
    pub call: CallRecord,
    /// How often its provider was asked, this time included.
    pub asked: u32,
}

fn awaited(row: &PgRow) -> Result<Awaited, sqlx::Error> {
    Ok(Awaited {
        object_id: row.try_get("object_id")?,
        call: row.try_get::<Json<CallRecord>, _>("call")?.0,
        asked: row.try_get::<i32, _>("asked")?.unsigned_abs(),
    })
}

impl Store {
    /// Takes those that are due, at most `most`: nobody else gets them before their next time, which comes after a
    /// quarter of their age, but at least `wait` and at most five minutes.
    pub async fn take_awaited(&self, most: u32, wait: Duration) -> Result<Vec<Awaited>, StoreError> {
        self.bounded("taking awaited responses", async {
            let mut lease = self.lease().await?;
            let answer = async {
                let rows = sqlx::query(
                    "UPDATE awaited_responses SET asked = asked + 1, settling = false, next_at = now() +
                         least(greatest((now() - started_at) / 4, make_interval(secs => $2)),
                               make_interval(secs => $3))
                     WHERE object_id IN (SELECT object_id FROM awaited_responses WHERE next_at <= now()
                                         ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED)
                     RETURNING object_id, call, asked",
                )
                .bind(i64::from(most))
                .bind(wait.as_secs_f64())
                .bind(RARELY.as_secs_f64())
                .fetch_all(&mut *lease)
                .await?;
                rows.iter().map(awaited).collect()
            }
            .await;
            lease.settle(answer)
        })
        .await
    }

    /// The awaited response of this id; None: none is.
    pub async fn awaited(&self, object_id: &str) -> Result<Option<Awaited>, StoreError> {
        self.bounded("looking an awaited response up", async {
            let mut lease = self.lease().await?;
            let answer = async {
                let sql = "SELECT object_id, call, asked FROM awaited_responses WHERE object_id = $1";
                let row = sqlx::query(sql).bind(object_id).fetch_optional(&mut *lease).await?;
                row.as_ref().map(awaited).transpose()
            }
            .await;
            lease.settle(answer)
        })
        .await
    }

    /// Its end is known: to the one who gets it back, and to nobody else for ten minutes, its record belongs. None: it is
    /// not awaited (any more, or yet), or another one's.
    pub async fn settle_awaited(&self, object_id: &str) -> Result<Option<Awaited>, StoreError> {
        self.bounded("settling an awaited response", async {
            let mut lease = self.lease().await?;
            let answer = async {
                let row = sqlx::query(
                    "UPDATE awaited_responses SET settling = true, next_at = now() + make_interval(secs => $2)
                     WHERE object_id = $1 AND NOT settling RETURNING object_id, call, asked",
                )
                .bind(object_id)
                .bind(SETTLING.as_secs_f64())
                .fetch_optional(&mut *lease)
                .await?;
                row.as_ref().map(awaited).transpose()
            }
            .await;
            lease.settle(answer)
        })
        .await
    }
}
