//! `GET` and `DELETE /v1/responses/{id}`, `cancel` and `input_items` of a response that the gateway keeps.

use super::follow::{Source, follow};
use super::{Keeper, bounded};
use crate::engine::call::Call;
use crate::engine::{self, reply, request_body};
use crate::gateway::Gateway;
use crate::owners::not_found;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora_core::BError;
use pingora_core::protocols::http::ServerSession;
use sallyport_config::model::Server;
use sallyport_filters::codec::responses::PageQuery;
use sallyport_filters::exchange::Exchange;
use sallyport_filters::kept;
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_schema::store::ResponseRow;
use std::borrow::Cow;
use time::OffsetDateTime;

/// What is wanted of it.
enum Wanted {
    Object,
    Deletion,
    Cancellation,
    Items(PageQuery),
    /// Events from this number on.
    Events(u64),
}

/// What it is answered with.
enum Reply {
    Whole(Bytes),
    Events(Source, u64),
}

/// Why a response is not made any more.
pub(super) const STOPPED: &str = "The gateway instance that made this response has stopped. Create it again.";

/// Takes the request through the filters and answers it.
pub(crate) async fn serve(
    gw: &Gateway,
    settings: &Server,
    d: &mut ServerSession,
    call: &mut Call,
) -> Result<(), BError> {
    // None of these has a body that would say something.
    if !request_body::discard_small(d, settings).await {
        d.set_keepalive(None);
    }
    match answer(&gw.keeper, d, call).await {
        Ok(Reply::Events(source, number)) => follow(&gw.keeper, d, call, source, number).await,
        Ok(Reply::Whole(body)) => {
            let mut headers = HeaderMap::with_capacity(4);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            reply::whole(d, &mut call.x, StatusCode::OK, headers, body).await?;
            call.finished = true;
            Ok(())
        }
        Err(rejection) => reply::reject(d, call, settings, rejection).await,
    }
}

async fn answer(keeper: &Keeper, d: &ServerSession, call: &mut Call) -> Result<Reply, Rejection> {
    while engine::enter_next(d, call).await? {}
    let head = d.req_header();
    let wanted = wanted(&head.method, head.uri.path(), head.uri.query())?;
    let id = call.x.path_id.clone().unwrap_or_default();
    match wanted {
        Wanted::Object => keeper.object(&call.x, &id).await,
        Wanted::Deletion => keeper.delete(&call.x, &id).await,
        Wanted::Cancellation => keeper.cancel(&call.x, &id).await,
        Wanted::Items(page) => keeper.items(&call.x, &id, &page).await,
        Wanted::Events(number) => {
            let row = keeper.one(&call.x, &id).await?;
            return Ok(Reply::Events(keeper.events(&row, number).await?, number));
        }
    }
    .map(|body| Reply::Whole(body.into()))
}

fn wanted(method: &Method, path: &str, query: Option<&str>) -> Result<Wanted, Rejection> {
    let query: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect();
    let get = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| &**v);
    let wrong = |param: &str, why: &str| {
        let why = format!("Invalid value for '{param}': {why}.");
        Rejection::client(ErrorKind::InvalidRequest, "invalid_parameter", why).param(param)
    };
    if path.ends_with("/cancel") {
        return Ok(Wanted::Cancellation);
    }
    if path.ends_with("/input_items") {
        let limit = get("limit").map_or(Ok(20), str::parse::<usize>).ok().filter(|n| (1..=100).contains(n));
        let ascending = match get("order") {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(_) => return Err(wrong("order", "send 'asc' or 'desc'")),
        };
        return Ok(Wanted::Items(PageQuery {
            limit: limit.ok_or_else(|| wrong("limit", "send a number from 1 to 100"))?,
            ascending,
            after: get("after").map(str::to_owned),
        }));
    }
    if method == Method::DELETE {
        return Ok(Wanted::Deletion);
    }
    if get("stream") == Some("true") {
        let after = get("starting_after").map(str::parse::<u64>).transpose();
        let after = after.map_err(|_| wrong("starting_after", "send a sequence number"))?;
        return Ok(Wanted::Events(after.map_or(0, |n| n.saturating_add(1))));
    }
    Ok(Wanted::Object)
}

impl Keeper {
    async fn one(&self, x: &Exchange, id: &str) -> Result<ResponseRow, Rejection> {
        let mut rows = self.chain(x, id, None, (1, u64::MAX)).await?;
        Ok(rows.swap_remove(0))
    }

    async fn object(&self, x: &Exchange, id: &str) -> Result<Vec<u8>, Rejection> {
        let row = self.one(x, id).await?;
        let turn = self.open(&row)?;
        if !row.status.ended() && row.alive_until.is_none_or(|t| t < OffsetDateTime::now_utc()) {
            return Ok(turn.failed("server_error", STOPPED));
        }
        Ok(turn.object(row.status.word()))
    }

    async fn items(&self, x: &Exchange, id: &str, page: &PageQuery) -> Result<Vec<u8>, Rejection> {
        let turn = self.open(&self.one(x, id).await?)?;
        let suffix = kept::call_of(id).map(|c| c.simple().to_string()).unwrap_or_default();
        turn.input_items(page, &suffix).map_err(|e| {
            let why = format!("Invalid value for '{}': {}.", e.field, e.why);
            Rejection::client(ErrorKind::InvalidRequest, "invalid_parameter", why).param(e.field)
        })
    }

    async fn delete(&self, x: &Exchange, id: &str) -> Result<Vec<u8>, Rejection> {
        self.one(x, id).await?;
        let pending = self.pending.done(id);
        let stored = match &self.store {
            Some(store) => bounded(store.delete_response(id)).await?,
            None => false,
        };
        self.at_work.stop(id);
        if !pending && !stored {
            return Err(not_found(id, None));
        }
        let gone = serde_json::json!({ "id": id, "object": "response", "deleted": true });
        Ok(gone.to_string().into_bytes())
    }

    async fn cancel(&self, x: &Exchange, id: &str) -> Result<Vec<u8>, Rejection> {
        let row = self.one(x, id).await?;
        if !row.background {
            let why = "Cannot cancel a synchronous response.";
            return Err(Rejection::client(ErrorKind::InvalidRequest, "invalid_request", why));
        }
        if let Some(store) = self.store.as_ref().filter(|_| !row.status.ended()) {
            bounded(store.cancel_response(id)).await?;
            // Another instance that makes it hears of it when it says that it lives.
            self.at_work.stop(id);
            let now = self.one(x, id).await?;
            return Ok(self.open(&now)?.object(now.status.word()));
        }
        Ok(self.open(&row)?.object(row.status.word()))
    }
}
