//! `item_reference`: a client (Vercel's AI SDK) names items of earlier answers by their id instead of sending them. OpenAI
//! looks its own up; those of kept responses are put in their place here, for providers that know of none.
//!
//! An item's id holds the id of its response: no index is needed, and nobody finds what is another's.

use super::background::translated;
use super::{DEPTH, Keeper, bounded};
use crate::owners::{AGAIN, owns};
use sallyport_filters::codec::responses::{dereferenced, references};
use sallyport_filters::exchange::{Exchange, Target};
use sallyport_filters::kept::maker_of;
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::surface::Surface;
use sallyport_schema::error::StoreError;
use sallyport_schema::store::{Chain, ResponseRow};
use serde_json::value::RawValue;
use std::collections::{BTreeSet, HashMap, HashSet};

const PARAM: &str = "input";

/// Are there references for the gateway to look up? (An OpenAI upstream gets them as they are.)
pub(crate) fn wanted(x: &Exchange, targets: &[Target]) -> bool {
    x.surface == Surface::Responses
        && targets.first().is_some_and(|t| translated(x, t))
        && memchr::memmem::find(&x.body.raw, b"\"item_reference\"").is_some()
}

fn not_found(id: &str) -> Rejection {
    let why = format!("Item with id '{id}' not found.");
    Rejection::client(ErrorKind::NotFound, "item_not_found", why).param(PARAM)
}

fn too_large(most: u64) -> Rejection {
    let why = format!("What the input refers to has more than the {most} bytes that this gateway takes.");
    Rejection::client(ErrorKind::InvalidRequest, "context_length_exceeded", why).param(PARAM)
}

impl Keeper {
    /// Puts the items that the input refers to in their place, in what is sent and in what is kept.
    pub(crate) async fn dereference(&self, x: &mut Exchange) -> Result<(), Rejection> {
        // What cannot be read is told when it is decoded.
        let Ok(ids) = references(&x.body.raw) else { return Ok(()) };
        if ids.is_empty() {
            return Ok(());
        }
        let most = x.snapshot.config.server.max_body.bytes();
        let makers: BTreeSet<String> = ids.iter().filter_map(|id| maker_of(id)).collect();
        if makers.len() > DEPTH as usize {
            let why = format!("The input refers to items of more than {DEPTH} responses.");
            return Err(Rejection::client(ErrorKind::InvalidRequest, "invalid_request", why).param(PARAM));
        }
        let named: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let mut items: HashMap<String, Box<RawValue>> = HashMap::new();
        for row in self.makers(makers, most).await? {
            let owner = (row.key_id, row.user_id, row.team_id);
            // Without a principal (auth switched off) there is only one party.
            if x.principal.as_ref().is_none_or(|p| owns(p, owner)) {
                let found = self.open(&row)?.outputs(|id| named.contains(id));
                items.extend(found.unwrap_or_default());
            }
        }
        if let Some(unknown) = ids.iter().find(|id| !items.contains_key(*id)) {
            return Err(not_found(unknown));
        }
        let find = |id: &str| items.get(id).map(|item| &**item);
        let put = |raw: &[u8]| dereferenced(raw, find, most).map_err(|_| too_large(most));
        let raw = put(&x.body.raw)?;
        if let Some(turn) = &mut x.turn
            && let Some(asked) = &mut turn.asked
        {
            *asked = put(asked)?.into();
        }
        x.body = x.body.read(raw.into(), None, x.surface)?;
        Ok(())
    }

    /// These responses, as far as they are known.
    async fn makers(&self, mut ids: BTreeSet<String>, most: u64) -> Result<Vec<ResponseRow>, Rejection> {
        let mut found: Vec<ResponseRow> = Vec::new();
        ids.retain(|id| match self.pending.get(id) {
            Some(row) => {
                found.push((*row).clone());
                false
            }
            None => true,
        });
        let Some(store) = self.store.as_ref().filter(|_| !ids.is_empty()) else { return Ok(found) };
        let ids: Vec<String> = ids.into_iter().collect();
        let look = async {
            // What another instance made is on its way to the store for a moment.
            for again in [true, true, false] {
                match store.responses(&ids, most).await? {
                    Chain::Found(rows) if rows.len() < ids.len() && again => tokio::time::sleep(AGAIN).await,
                    found => return Ok(found),
                }
            }
            Ok::<_, StoreError>(Chain::Found(Vec::new()))
        };
        match bounded(look).await? {
            Chain::Found(rows) => found.extend(rows),
            Chain::TooLarge(_) => return Err(too_large(most)),
        }
        Ok(found)
    }
}
