//! Sessions that came from a sign-in provider end: here and there.

use super::{Store, spend};
use crate::audit::{Actor, Event};
use crate::error::StoreError;
use sqlx::Row;
use time::OffsetDateTime;
use uuid::Uuid;

/// What signing out at the provider needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcFarewell {
    /// Its `end_session_endpoint`.
    pub end_session: String,
    /// We there.
    pub client_id: String,
    /// Envelope of the ID token; AAD `oidc_sessions/<session>/id_token`.
    pub id_token: Option<Vec<u8>>,
}

/// Which sessions a provider ends (OpenID Connect Back-Channel Logout 1.0, 2.4): of this subject, this session of its
/// own, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcEnded {
    /// Which provider.
    pub provider: Uuid,
    /// Its slug.
    pub slug: String,
    /// Its issuer.
    pub issuer: String,
    /// The subject.
    pub subject: Option<String>,
    /// The provider's name of its session.
    pub sid: Option<String>,
    /// SHA-256 that names the token: it works once …
    pub token: [u8; 32],
    /// … and no longer than until then.
    pub until: OffsetDateTime,
}

impl Store {
    /// Where a session is ended at its provider too; None: it came from none, or there is no such place.
    pub async fn oidc_farewell(&self, session: Uuid) -> Result<Option<OidcFarewell>, StoreError> {
        self.bounded("reading a session", async {
            let mut lease = self.lease().await?;
            let answer = sqlx::query(
                "SELECT s.end_session, s.id_token, p.client_id FROM oidc_sessions s
                 JOIN oidc_providers p ON p.id = s.provider_id AND p.issuer = s.issuer
                 WHERE s.session_id = $1 AND s.end_session IS NOT NULL",
            )
            .bind(session)
            .fetch_optional(&mut *lease)
            .await;
            let Some(row) = lease.settle(answer)? else { return Ok(None) };
            Ok(Some(OidcFarewell {
                end_session: row.try_get("end_session")?,
                client_id: row.try_get("client_id")?,
                id_token: row.try_get("id_token")?,
            }))
        })
        .await
    }

    /// Ends what the provider says has ended. How many sessions; None: the token was used before.
    pub async fn end_oidc_sessions(
        &self,
        ended: &OidcEnded,
        actor: &Actor,
    ) -> Result<Option<u64>, StoreError> {
        self.bounded("ending sessions", async {
            let mut tx = self.begin().await?;
            if !spend(&mut tx, &ended.token, ended.until).await? {
                tx.commit().await?;
                return Ok(None);
            }
            let rows = sqlx::query(
                "UPDATE sessions s SET ended_at = now(), ended_why = 'signed out at its sign-in provider'
                 FROM oidc_sessions o, users u
                 WHERE o.session_id = s.id AND u.id = s.user_id AND s.ended_at IS NULL
                     AND o.provider_id = $1 AND o.issuer = $2
                     AND ($3::text IS NULL OR o.subject = $3) AND ($4::text IS NULL OR o.sid = $4)
                 RETURNING s.user_id, u.email",
            )
            .bind(ended.provider)
            .bind(&ended.issuer)
            .bind(&ended.subject)
            .bind(&ended.sid)
            .fetch_all(&mut *tx)
            .await?;
            let by = Actor {
                kind: "system",
                id: Some(ended.provider.to_string()),
                name: format!("oidc:{}", ended.slug),
                ..actor.clone()
            };
            let mut told = Vec::new();
            for row in &rows {
                let (user, email): (Uuid, String) = (row.try_get(0)?, row.try_get(1)?);
                if !told.contains(&user) {
                    told.push(user);
                    let after = serde_json::json!({"why": "signed out at its sign-in provider"});
                    let event = Event::done("session.end").on("user", user, email).changed(None, Some(after));
                    tx.note(&by, &event).await?;
                }
            }
            tx.commit().await?;
            Ok(Some(rows.len() as u64))
        })
        .await
    }
}
