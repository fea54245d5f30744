//! Who made a stored object (`resp_…`), and at which provider. A principal reaches only its own: through
//! `GET /v1/responses/{id}` as through `previous_response_id`.
//!
//! Objects that this instance made are remembered in memory; others are looked up in the store, with a bound. This
//! is the only request path that may ask the store, and only for calls that name a stored object.

use sallyport_filters::exchange::{Exchange, Principal};
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::surface::Surface;
use sallyport_schema::store::{ObjectOwner, Store};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Objects remembered in memory, at most.
const RECENT: usize = 50_000;
/// The whole look-up in the store, retries included.
pub(crate) const LOOKUP: Duration = Duration::from_millis(1500);
/// The record of another instance's object is on its way to the store for about so long.
pub(crate) const AGAIN: Duration = Duration::from_millis(150);

/// Owners of stored objects.
pub struct Owners {
    recent: quick_cache::sync::Cache<String, Arc<ObjectOwner>>,
    store: Option<Store>,
}

impl std::fmt::Debug for Owners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owners").field("recent", &self.recent.len()).finish_non_exhaustive()
    }
}

impl Owners {
    /// Remembers in memory, and asks `store` for the rest.
    pub fn new(store: Option<Store>) -> Self {
        Self { recent: quick_cache::sync::Cache::new(RECENT), store }
    }

    /// Remembers what a call has made, before its record is on its way (which may wait for an estimate).
    pub(crate) fn learn(&self, x: &Exchange) {
        let Some(id) = x.object_id() else { return };
        let Some(target) = x.target.as_ref().filter(|_| (200..300).contains(&x.outcome.status)) else {
            return;
        };
        let key = x.principal.as_ref().map(|p| &p.key);
        let owner = ObjectOwner {
            provider: target.provider.name.as_ref().to_owned(),
            key_id: key.map(|k| k.id),
            user_id: key.and_then(|k| k.owner()),
            team_id: key.and_then(|k| k.team),
        };
        self.recent.insert(id.to_owned(), Arc::new(owner));
    }

    /// The provider that a call must go to because it names a stored object; None: it names none. Refused as not
    /// found where the object is another's, so that nobody learns what exists.
    pub(crate) async fn pinned(&self, x: &Exchange) -> Result<Option<String>, Rejection> {
        let (id, param) = match x.surface {
            Surface::StoredResponse => (x.path_id.as_deref(), None),
            Surface::Responses | Surface::ResponsesCompact => {
                (x.body.previous_response_id(), Some("previous_response_id"))
            }
            _ => (None, None),
        };
        if x.body.conversation().is_some() {
            // Conversations are made elsewhere: whose one is cannot be known.
            return Err(Rejection::client(
                ErrorKind::InvalidRequest,
                "unsupported_parameter",
                "This gateway does not pass 'conversation' on: it cannot tell whose a conversation is. \
                 Use 'previous_response_id', or send the input whole.",
            )
            .param("conversation"));
        }
        let Some(id) = id else { return Ok(None) };
        // Boxed: rare, and the store's state machine would make that of every call larger.
        let owner = Box::pin(self.find(id)).await?.ok_or_else(|| not_found(id, param))?;
        // Without a principal (auth switched off) there is only one party.
        let maker = (owner.key_id, owner.user_id, owner.team_id);
        if x.principal.as_ref().is_none_or(|p| owns(p, maker)) {
            Ok(Some(owner.provider.clone()))
        } else {
            Err(not_found(id, param).detail("the object belongs to another principal"))
        }
    }

    async fn find(&self, id: &str) -> Result<Option<Arc<ObjectOwner>>, Rejection> {
        if let Some(owner) = self.recent.get(id) {
            return Ok(Some(owner));
        }
        let Some(store) = &self.store else { return Ok(None) };
        let look = async {
            for again in [true, true, false] {
                if let Some(owner) = store.object_owner(id).await? {
                    return Ok(Some(owner));
                }
                if again {
                    tokio::time::sleep(AGAIN).await;
                }
            }
            Ok::<_, sallyport_schema::error::StoreError>(None)
        };
        let found = tokio::time::timeout(LOOKUP, look)
            .await
            .map_err(|_| unavailable(format!("no answer from the store within {LOOKUP:?}")))?
            .map_err(|e| unavailable(e.to_string()))?;
        Ok(found.map(|owner| {
            let owner = Arc::new(owner);
            self.recent.insert(id.to_owned(), owner.clone());
            owner
        }))
    }
}

/// There is no such response for this caller. `param`: the field that names it; None: the path does.
pub(crate) fn not_found(id: &str, param: Option<&'static str>) -> Rejection {
    let why = format!("Response with id '{id}' not found.");
    match param {
        Some(param) => {
            Rejection::client(ErrorKind::InvalidRequest, "previous_response_not_found", why).param(param)
        }
        None => Rejection::client(ErrorKind::NotFound, "not_found", why),
    }
}

/// The store could not be asked.
pub(crate) fn unavailable(detail: String) -> Rejection {
    let why = "Stored responses cannot be looked up at the moment; try again.";
    Rejection::gateway(ErrorKind::Unavailable, "store_unavailable", why).detail(detail)
}

/// The same key, or one of the same person or team, as that of the maker (key, user, team).
pub(crate) fn owns(p: &Principal, (key, user, team): (Option<Uuid>, Option<Uuid>, Option<Uuid>)) -> bool {
    let same = |a: Option<Uuid>, b: Option<Uuid>| a.is_some() && a == b;
    Some(p.key.id) == key || same(p.key.owner(), user) || same(p.key.team, team)
}
