//! Responses that the gateway keeps for providers without state.
//!
//! A call does not wait for the database to keep its answer: what is kept is in memory until the store has it (this
//! instance finds it there), in a bounded queue. To come back to a response is the other half of the one request path
//! that may ask the store (see [`crate::owners`]), with the same bound.

pub(crate) mod background;
pub(crate) mod feed;
pub(crate) mod follow;
pub(crate) mod pending;
pub(crate) mod references;
pub(crate) mod serve;
mod stand_in;

use crate::owners::{AGAIN, LOOKUP, not_found, owns, unavailable};
use pending::Pending;
use sallyport_filters::codec::responses::Turn;
use sallyport_filters::exchange::Exchange;
use sallyport_filters::kept::id_of;
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_schema::backoff::Backoff;
use sallyport_schema::envelope::{KeyRing, RESPONSE_CONTENT};
use sallyport_schema::error::StoreError;
use sallyport_schema::store::{Chain, ResponseRow, ResponseStatus, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use time::OffsetDateTime;

/// Turns that a response can continue, at most.
const DEPTH: u32 = 1000;
/// First and longest wait before the store is asked again to keep a response.
const WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Keeps responses.
pub struct Keeper {
    store: Option<Store>,
    ring: Arc<KeyRing>,
    pending: Pending,
    lost: AtomicU64,
    pub(crate) at_work: background::AtWork,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Keeper {
    /// Keeps in `store`, sealed with `ring`.
    pub fn new(store: Option<Store>, ring: Arc<KeyRing>) -> Self {
        Self {
            store,
            ring,
            pending: Pending::default(),
            lost: AtomicU64::new(0),
            at_work: background::AtWork::default(),
        }
    }

    /// Responses that could not be kept since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Brings what is pending into the store, for ever.
    pub async fn run(self: Arc<Self>) {
        let Some(store) = &self.store else { return };
        let mut backoff = Backoff::new(WAITS.0, WAITS.1);
        loop {
            let row = self.pending.first().await;
            match store.keep_response(&row).await {
                Ok(()) => {
                    backoff.reset();
                    if !self.pending.done(&row.id)
                        && let Err(error) = store.delete_response(&row.id).await
                    {
                        // It was deleted while it was being written.
                        tracing::warn!(%error, "a deleted response is kept until its time is over");
                    }
                }
                Err(error) if error.is_data_fault() => {
                    tracing::error!(%error, "a response cannot be kept");
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    self.pending.done(&row.id);
                }
                Err(error) => {
                    tracing::debug!(%error, "a response waits to be kept");
                    tokio::time::sleep(backoff.next()).await;
                }
            }
        }
    }

    /// Waits until the store has everything, at most so long.
    pub async fn flush(&self, patience: Duration) {
        if tokio::time::timeout(patience, self.pending.until_empty()).await.is_err() {
            tracing::warn!(responses = self.pending.len(), "responses are lost: the store did not take them");
        }
    }

    /// Keeps the answer `object` of a call.
    pub(crate) fn keep(&self, x: &mut Exchange, object: Vec<u8>) {
        if let Some(turn) = x.turn.as_mut().filter(|t| t.background.is_some()) {
            turn.object = Some(object.into());
            return;
        }
        let turn = x.turn.as_deref();
        let asked = turn.and_then(|t| t.asked.as_ref()).unwrap_or(&x.body.raw);
        let status = status_of(&object);
        let kept = self.row(x, id_of(x.id), status, asked, &object);
        let kept = kept.and_then(|row| self.pending.add(row).map_err(|e| e.to_string()));
        if let Err(error) = kept {
            self.lost.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "a response is not kept");
        }
    }

    fn row(
        &self,
        x: &Exchange,
        id: String,
        status: ResponseStatus,
        asked: &[u8],
        object: &[u8],
    ) -> Result<ResponseRow, String> {
        let key = x.principal.as_ref().map(|p| &p.key);
        Ok(ResponseRow {
            content: self.sealed(&id, asked, object)?,
            id,
            previous_id: x.turn.as_deref().and_then(|t| t.previous.clone()),
            key_id: key.map(|k| k.id),
            user_id: key.and_then(|k| k.owner()),
            team_id: key.and_then(|k| k.team),
            status,
            background: false,
            streamed: false,
            created_at: x.started_at,
            expires_at: OffsetDateTime::now_utc() + x.snapshot.config.responses.retention.get(),
            alive_until: None,
        })
    }

    /// A turn, as the store gets it.
    fn sealed(&self, id: &str, asked: &[u8], object: &[u8]) -> Result<Vec<u8>, String> {
        let turn = Turn::new(asked, object).map_err(|e| e.to_string())?;
        self.ring.seal(&RESPONSE_CONTENT.place(id), &turn.to_bytes()).map_err(|e| e.to_string())
    }

    fn open(&self, row: &ResponseRow) -> Result<Turn, Rejection> {
        let unreadable = |detail: String| {
            let why = "The response cannot be read any more.";
            Rejection::gateway(ErrorKind::Internal, "response_unreadable", why).detail(detail)
        };
        let plain = self
            .ring
            .open(&RESPONSE_CONTENT.place(&row.id), &row.content)
            .map_err(|e| unreadable(e.to_string()))?;
        Turn::from_bytes(&plain).map_err(|e| unreadable(e.to_string()))
    }

    /// The response and those it continues, newest first, where the caller may see it. `param`: the field that names
    /// it; None: the path does.
    async fn chain(
        &self,
        x: &Exchange,
        id: &str,
        param: Option<&'static str>,
        (depth, most): (u32, u64),
    ) -> Result<Vec<ResponseRow>, Rejection> {
        // What another instance made is on its way to the store for a moment.
        let mut found = Vec::new();
        let mut next = Some(id.to_owned());
        while let Some(row) = next.as_ref().and_then(|id| self.pending.get(id))
            && found.len() < depth as usize
        {
            next = row.previous_id.clone();
            found.push((*row).clone());
        }
        if let Some(id) = next.filter(|_| found.len() < depth as usize) {
            found.extend(self.stored(&id, depth, most, found.is_empty()).await?);
        }
        let newest = found.first().ok_or_else(|| not_found(id, param))?;
        let owner = (newest.key_id, newest.user_id, newest.team_id);
        // Without a principal (auth switched off) there is only one party.
        if !x.principal.as_ref().is_none_or(|p| owns(p, owner)) {
            return Err(not_found(id, param).detail("the response belongs to another principal"));
        }
        Ok(found)
    }

    async fn stored(
        &self,
        id: &str,
        depth: u32,
        most: u64,
        again: bool,
    ) -> Result<Vec<ResponseRow>, Rejection> {
        let Some(store) = &self.store else { return Ok(Vec::new()) };
        let look = async {
            for again in [again, again, false] {
                match store.response_chain(id, depth, most).await? {
                    Chain::Found(rows) if rows.is_empty() && again => tokio::time::sleep(AGAIN).await,
                    found => return Ok(found),
                }
            }
            Ok::<_, StoreError>(Chain::Found(Vec::new()))
        };
        match bounded(look).await? {
            Chain::Found(rows) => Ok(rows),
            Chain::TooLarge(bytes) => Err(Rejection::client(
                ErrorKind::InvalidRequest,
                "context_length_exceeded",
                format!(
                    "The conversation before this response has {bytes} bytes; this gateway takes {most}. \
                     Begin a new one."
                ),
            )
            .param("previous_response_id")),
        }
    }

    /// Puts the turns before this one in front of the call's input, where the gateway keeps them.
    pub(crate) async fn resume(&self, x: &mut Exchange) -> Result<(), Rejection> {
        const PARAM: &str = "previous_response_id";
        let Some(id) = x.body.previous_response_id().map(str::to_owned) else { return Ok(()) };
        let most = x.snapshot.config.server.max_body.bytes();
        let rows = self.chain(x, &id, Some(PARAM), (DEPTH, most)).await?;
        let mut turns = Vec::with_capacity(rows.len());
        for row in &rows {
            if !matches!(row.status, ResponseStatus::Completed | ResponseStatus::Incomplete) {
                let message = format!(
                    "Response '{}' is {}: only one that is complete can be continued.",
                    row.id,
                    row.status.word()
                );
                let why =
                    Rejection::client(ErrorKind::InvalidRequest, "previous_response_not_complete", message);
                return Err(why.param(PARAM));
            }
            turns.push(self.open(row)?);
        }
        if let Some(gone) = rows.last().and_then(|r| r.previous_id.as_deref()) {
            return Err(
                not_found(gone, Some(PARAM)).detail("an earlier turn was deleted or is past its time")
            );
        }
        turns.reverse();
        let raw = sallyport_filters::codec::responses::continued(&x.body.raw, turns).map_err(|e| {
            let message = format!("Invalid '{}': {}", e.field, e.why);
            Rejection::client(ErrorKind::InvalidRequest, "invalid_request", message).param(e.field)
        })?;
        let body = x.body.read(raw.into(), None, x.surface)?;
        let asked = std::mem::replace(&mut x.body, body).raw;
        let turn = x.turn.get_or_insert_default();
        turn.asked = Some(asked);
        turn.previous = Some(id);
        Ok(())
    }
}

/// A look into the store that a request waits for.
async fn bounded<T>(look: impl Future<Output = Result<T, StoreError>>) -> Result<T, Rejection> {
    tokio::time::timeout(LOOKUP, look)
        .await
        .map_err(|_| unavailable(format!("no answer from the store within {LOOKUP:?}")))?
        .map_err(|e| unavailable(e.to_string()))
}

/// The status that a response object tells.
fn status_of(object: &[u8]) -> ResponseStatus {
    #[derive(serde::Deserialize)]
    struct Object<'a> {
        status: &'a str,
    }
    let told = serde_json::from_slice::<Object<'_>>(object).ok();
    told.and_then(|o| ResponseStatus::of(o.status)).unwrap_or(ResponseStatus::Failed)
}
