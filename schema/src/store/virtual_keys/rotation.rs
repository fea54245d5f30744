//! A key in the place of another: by hand, or by the key's own policy. The secret of one that was made by the policy
//! waits, sealed, until somebody who may have it fetches it, once.

use super::{KeyDetail, NewKey, by_id, finish, insert, locked, missing};
use crate::audit::{Actor, Event};
use crate::envelope::{KeyRing, WAITING_SECRET};
use crate::error::StoreError;
use crate::store::Store;
use crate::store::tx::Tx;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Keys that are replaced in one run; the next run takes the rest.
const AT_ONCE: i64 = 100;

/// When a key is replaced by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Seconds after which it is replaced, at least a day.
    pub every: i64,
    /// Seconds that the replaced one stays good: an hour to 90 days.
    pub grace: i64,
}

/// A secret that has just been made.
#[derive(Debug)]
pub struct FreshSecret {
    /// The whole.
    pub secret: Zeroizing<String>,
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// Its first characters.
    pub prefix: String,
}

impl Store {
    /// A new secret in the same lineage: a second key like the first, which is good until `grace_ends` (or its own end,
    /// if that comes first). The old one and the new one.
    pub async fn rotate_key(
        &self,
        id: Uuid,
        version: Option<i64>,
        hash: [u8; 32],
        prefix: &str,
        grace_ends: OffsetDateTime,
        actor: &Actor,
    ) -> Result<(KeyDetail, KeyDetail), StoreError> {
        self.bounded("rotating a key", async {
            let mut tx = self.begin().await?;
            let before = locked(&mut tx, id, version).await?;
            if before.revoked_at.is_some() || before.replaced_by.is_some() {
                let why = "it has been revoked or replaced already";
                return Err(StoreError::Conflict { what: "key", why });
            }
            let made = replace(&mut tx, &before, hash, prefix, grace_ends, actor).await?;
            let old = finish(tx, "key.rotate", before, actor).await?;
            Ok((old, made))
        })
        .await
    }

    /// Replaces the keys whose policy says so; one instance at a time. How many; None: another instance is at it.
    ///
    /// # Errors
    /// The store fails, or a secret cannot be made or sealed: then nothing was replaced.
    pub async fn rotate_due_keys(
        &self,
        keyring: &KeyRing,
        fresh: &(dyn Fn() -> Option<FreshSecret> + Sync),
        actor: &Actor,
    ) -> Result<Option<usize>, StoreError> {
        self.bounded("rotating keys", async {
            let mut tx = self.begin().await?;
            if !super::chores::mine(&mut tx).await? {
                tx.commit().await?;
                return Ok(None);
            }
            let due: Vec<Uuid> = sqlx::query(
                "SELECT id FROM virtual_keys WHERE rotate_every IS NOT NULL AND replaced_by IS NULL
                     AND revoked_at IS NULL AND disabled_at IS NULL AND archived_at IS NULL
                     AND (expires_at IS NULL OR expires_at > now())
                     AND created_at + rotate_every * interval '1 second' <= now()
                 ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED",
            )
            .bind(AT_ONCE)
            .fetch_all(&mut *tx)
            .await?
            .iter()
            .map(|row| row.try_get("id"))
            .collect::<Result<_, _>>()?;
            let mut events = Vec::new();
            for id in &due {
                let before = by_id(&mut tx, *id).await?.ok_or_else(|| missing(*id))?;
                let unmade = || StoreError::Conflict { what: "key", why: "no secret can be made for it" };
                let secret = fresh().ok_or_else(unmade)?;
                let grace = before.rotation.map_or(0, |r| r.grace);
                let ends = OffsetDateTime::now_utc() + Duration::seconds(grace);
                let made = replace(&mut tx, &before, secret.hash, &secret.prefix, ends, actor).await?;
                let place = WAITING_SECRET.place(made.id);
                let sealed = keyring.seal(&place, secret.secret.as_bytes()).map_err(|_| unmade())?;
                sqlx::query("UPDATE virtual_keys SET waiting_secret = $2 WHERE id = $1")
                    .bind(made.id)
                    .bind(sealed)
                    .execute(&mut *tx)
                    .await?;
                let after = by_id(&mut tx, *id).await?.ok_or_else(|| missing(*id))?;
                let mut event = Event::done("key.rotate")
                    .on("key", after.id, &after.name)
                    .changed(Some(before.shown()), Some(after.shown()));
                event.reason = Some("by its policy; the new secret waits to be fetched".into());
                events.push(event);
            }
            for event in &events {
                tx.note(actor, event).await?;
            }
            tx.commit().await?;
            Ok(Some(due.len()))
        })
        .await
    }

    /// Takes the secret of a key that its policy has made; there is none afterwards. None: none waits.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: it does not open with these keys; it stays where it is.
    pub async fn fetch_waiting_secret(
        &self,
        id: Uuid,
        keyring: &KeyRing,
        actor: &Actor,
    ) -> Result<Option<(KeyDetail, Zeroizing<String>)>, StoreError> {
        self.bounded("fetching a secret", async {
            let mut tx = self.begin().await?;
            let row = sqlx::query("SELECT waiting_secret FROM virtual_keys WHERE id = $1 FOR UPDATE")
                .bind(id)
                .fetch_optional(&mut *tx)
                .await?
                .ok_or_else(|| missing(id))?;
            let Some(sealed) = row.try_get::<Option<Vec<u8>>, _>("waiting_secret")? else { return Ok(None) };
            let unreadable = || StoreError::Conflict {
                what: "key",
                why: "its secret does not open with the keys of encryption",
            };
            let opened = keyring.open(&WAITING_SECRET.place(id), &sealed).map_err(|_| unreadable())?;
            let secret = Zeroizing::new(std::str::from_utf8(&opened).map_err(|_| unreadable())?.to_owned());
            sqlx::query("UPDATE virtual_keys SET waiting_secret = NULL WHERE id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await?;
            let key = by_id(&mut tx, id).await?.ok_or_else(|| missing(id))?;
            tx.note(actor, &Event::done("key.fetch_secret").on("key", id, &key.name)).await?;
            tx.commit().await?;
            Ok(Some((key, secret)))
        })
        .await
    }
}

/// Makes the key that takes over, and ends the other one's time.
async fn replace(
    tx: &mut Tx,
    before: &KeyDetail,
    hash: [u8; 32],
    prefix: &str,
    grace_ends: OffsetDateTime,
    actor: &Actor,
) -> Result<KeyDetail, StoreError> {
    let new = NewKey {
        hash,
        prefix: prefix.to_owned(),
        name: before.name.clone(),
        user: before.user,
        account: before.account,
        team: before.team,
        surfaces: before.surfaces.clone(),
        models: before.models.clone(),
        tools: before.tools.clone(),
        networks: before.networks.clone(),
        tags: before.tags.clone(),
        metadata: before.metadata.clone(),
        expires_at: before.expires_at,
        idle_timeout: before.idle_timeout,
        rotation: before.rotation,
    };
    let next = Uuid::now_v7();
    insert(tx, next, Some(before.lineage), &new, actor).await?;
    sqlx::query("UPDATE virtual_keys SET replaced_by = $2, expires_at = LEAST(expires_at, $3) WHERE id = $1")
        .bind(before.id)
        .bind(next)
        .bind(grace_ends)
        .execute(&mut **tx)
        .await?;
    by_id(tx, next).await?.ok_or_else(|| missing(next))
}
