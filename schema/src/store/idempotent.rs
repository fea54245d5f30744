//! Answers to requests with an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), for a day.

use super::Store;
use crate::error::StoreError;
use sqlx::Row;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: the request is to be carried out, and [`Store::remember_answer`] or [`Store::forget_answer`] called.
    New,
    /// The same request is under way.
    UnderWay,
    /// It was another request.
    Other,
    /// The same request was answered so; the answer is the envelope that was given.
    Answered {
        /// HTTP status.
        status: u16,
        /// Envelope of the answer.
        answer: Vec<u8>,
    },
}

impl Store {
    /// Claims the key for this request (SHA-256 of what it says), or says what is known of it. What has been under way
    /// for a minute has died.
    pub async fn claim_answer(
        &self,
        caller: &str,
        key: &str,
        request: &[u8; 32],
    ) -> Result<Known, StoreError> {
        self.bounded("looking an idempotency key up", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "WITH gone AS (DELETE FROM idempotent_answers WHERE caller = $1 AND key = $2
                     AND (created_at < now() - interval '1 day'
                          OR (status IS NULL AND created_at < now() - interval '1 minute')) RETURNING 1)
                 SELECT request, status, answer FROM idempotent_answers
                 WHERE caller = $1 AND key = $2 AND NOT EXISTS (SELECT 1 FROM gone)",
            )
            .bind(caller)
            .bind(key)
            .fetch_optional(&mut *lease)
            .await;
            if let Some(row) = lease.settle(answer)? {
                let known: Vec<u8> = row.try_get("request")?;
                if known != request {
                    return Ok(Known::Other);
                }
                let status: Option<i16> = row.try_get("status")?;
                return Ok(match (status, row.try_get::<Option<Vec<u8>>, _>("answer")?) {
                    (Some(status), Some(answer)) => {
                        Known::Answered { status: u16::try_from(status).unwrap_or(500), answer }
                    }
                    _ => Known::UnderWay,
                });
            }
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "INSERT INTO idempotent_answers (caller, key, request) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(caller)
            .bind(key)
            .bind(&request[..])
            .execute(&mut *lease)
            .await;
            let made = lease.settle(answer)?.rows_affected() == 1;
            Ok(if made { Known::New } else { Known::UnderWay })
        })
        .await
    }

    /// Keeps the answer.
    pub async fn remember_answer(
        &self,
        caller: &str,
        key: &str,
        status: u16,
        answer: &[u8],
    ) -> Result<(), StoreError> {
        self.bounded("keeping an answer", async {
            let mut lease = self.lease().await?;
            let done = sqlx::query(
                "UPDATE idempotent_answers SET status = $3, answer = $4 WHERE caller = $1 AND key = $2",
            )
            .bind(caller)
            .bind(key)
            .bind(i16::try_from(status).unwrap_or(500))
            .bind(answer)
            .execute(&mut *lease)
            .await;
            lease.settle(done).map(drop)
        })
        .await
    }

    /// It came to nothing (the server's fault): the key is free again.
    pub async fn forget_answer(&self, caller: &str, key: &str) -> Result<(), StoreError> {
        self.bounded("forgetting an answer", async {
            let mut lease = self.lease().await?;
            let done = sqlx::query("DELETE FROM idempotent_answers WHERE caller = $1 AND key = $2")
                .bind(caller)
                .bind(key)
                .execute(&mut *lease)
                .await;
            lease.settle(done).map(drop)
        })
        .await
    }

    /// Removes answers that are older than a day.
    pub async fn sweep_answers(&self) -> Result<(), StoreError> {
        self.bounded("sweeping answers", async {
            let mut lease = self.lease().await?;
            let done =
                sqlx::query("DELETE FROM idempotent_answers WHERE created_at < now() - interval '1 day'")
                    .execute(&mut *lease)
                    .await;
            lease.settle(done).map(drop)
        })
        .await
    }
}
