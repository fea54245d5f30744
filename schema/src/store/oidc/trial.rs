//! Test logins of sign-in providers.

use super::{OidcState, Store, locked, set_state};
use crate::audit::{Actor, Event, Outcome};
use crate::error::StoreError;
use sqlx::Row;
use time::OffsetDateTime;
use uuid::Uuid;

/// The last test login.
#[derive(Clone, Debug, PartialEq)]
pub struct OidcTest {
    /// The configuration that was tested.
    pub configuration: i64,
    /// Somebody could have signed in.
    pub passed: bool,
    /// Claims and what they map to, or the error.
    pub outcome: serde_json::Value,
    /// Who began it.
    pub started_by: String,
    /// When it ended.
    pub at: OffsetDateTime,
}

impl Store {
    /// Keeps how a test login went, unless the configuration is another one meanwhile.
    pub async fn keep_oidc_test(&self, id: Uuid, test: &OidcTest, actor: &Actor) -> Result<(), StoreError> {
        self.bounded("keeping a test login", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, None).await?;
            if before.configuration != test.configuration {
                let why = "it has been changed meanwhile";
                return Err(StoreError::Conflict { what: "sign-in provider", why });
            }
            sqlx::query(
                "INSERT INTO oidc_tests (provider_id, configuration, passed, outcome, started_by, at)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (provider_id) DO UPDATE SET configuration = excluded.configuration,
                     passed = excluded.passed, outcome = excluded.outcome, started_by = excluded.started_by,
                     at = excluded.at",
            )
            .bind(id)
            .bind(test.configuration)
            .bind(test.passed)
            .bind(&test.outcome)
            .bind(&test.started_by)
            .bind(test.at)
            .execute(&mut *tx)
            .await?;
            if test.passed && before.state == OidcState::Draft {
                set_state(&mut tx, id, OidcState::Tested).await?;
            }
            let event = match test.passed {
                true => Event::done("oidc_provider.test"),
                false => Event::not_done("oidc_provider.test", Outcome::Failed, "the test login failed"),
            };
            tx.note(actor, &event.on("oidc_provider", id, &before.slug)).await?;
            tx.commit().await
        })
        .await
    }

    /// The last test login.
    pub async fn oidc_test(&self, id: Uuid) -> Result<Option<OidcTest>, StoreError> {
        self.bounded("reading a test login", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "SELECT configuration, passed, outcome, started_by, at FROM oidc_tests WHERE provider_id = $1",
            )
            .bind(id)
            .fetch_optional(&mut *lease)
            .await;
            let Some(row) = lease.settle(answer)? else { return Ok(None) };
            Ok(Some(OidcTest {
                configuration: row.try_get("configuration")?,
                passed: row.try_get("passed")?,
                outcome: row.try_get("outcome")?,
                started_by: row.try_get("started_by")?,
                at: row.try_get("at")?,
            }))
        })
        .await
    }
}
