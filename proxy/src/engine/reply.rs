//! Answers of the gateway itself, and what goes onto every answer's head.

use super::call::Call;
use super::request_body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora_core::BError;
use pingora_core::protocols::http::{HttpTask, ServerSession};
use pingora_http::ResponseHeader;
use sallyport_config::model::Server;
use sallyport_filters::dialect::error::{framed, render};
use sallyport_filters::exchange::Exchange;
use sallyport_filters::outgoing::upstream_request_id;
use sallyport_filters::rejection::Rejection;
use sallyport_filters::surface::Dialect;
use uuid::Uuid;

/// The gateway's own request id, on every answer; the call log's primary key.
pub(crate) const OWN_REQUEST_ID: HeaderName = HeaderName::from_static("x-sallyport-request-id");
/// The provider's request id where it gave one (clients quote it to the provider), else the gateway's.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the request ids onto a head.
pub(crate) fn stamp(headers: &mut HeaderMap, id: Uuid) {
    let mut text = Uuid::encode_buffer();
    let id = id.hyphenated().encode_lower(&mut text);
    if let Ok(id) = HeaderValue::from_str(id) {
        if !headers.contains_key(&REQUEST_ID) {
            let theirs = upstream_request_id(headers).and_then(|id| HeaderValue::from_str(id).ok());
            headers.insert(REQUEST_ID, theirs.unwrap_or_else(|| id.clone()));
        }
        headers.insert(OWN_REQUEST_ID, id);
    }
}

/// A head for Pingora's writers: HTTP/1.1 and chunked where there is no length (the HTTP/1 writer panics on other
/// versions; an HTTP/1.0 client gets a body that ends with the connection).
pub(crate) fn head(
    d: &ServerSession,
    status: StatusCode,
    mut headers: HeaderMap,
    has_body: bool,
) -> Result<Box<ResponseHeader>, BError> {
    let mut h = ResponseHeader::build_no_case(status, Some(0))?;
    let chunked = has_body
        && !headers.contains_key(header::CONTENT_LENGTH)
        && !d.is_http2()
        && d.req_header().version != Version::HTTP_10;
    if chunked {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    // Pingora offers no way to hand over a map: take the parts apart and put ours in.
    let mut parts: http::response::Parts = h.into();
    parts.headers = headers;
    h = parts.into();
    h.set_version(Version::HTTP_11);
    Ok(Box::new(h))
}

/// Sends a whole answer under a request id. True: it had a body.
async fn send(
    d: &mut ServerSession,
    id: Uuid,
    status: StatusCode,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<bool, BError> {
    stamp(&mut headers, id);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let has_body = d.req_header().method != Method::HEAD && !body.is_empty();
    let mut tasks = vec![HttpTask::Header(head(d, status, headers, has_body)?, !has_body)];
    if has_body {
        tasks.push(HttpTask::Body(Some(body), true));
    }
    d.response_duplex_vec(tasks).await?;
    Ok(has_body)
}

/// Sends a whole answer outside of a call (health, metrics).
pub(crate) async fn plain(
    d: &mut ServerSession,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(), BError> {
    send(d, Uuid::now_v7(), status, headers, body).await.map(|_| ())
}

/// Sends a call's whole answer and counts it.
pub(crate) async fn whole(
    d: &mut ServerSession,
    x: &mut Exchange,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(), BError> {
    let len = body.len() as u64;
    x.outcome.status = status.as_u16();
    if send(d, x.id, status, headers, body).await? {
        x.outcome.first_byte.get_or_insert_with(std::time::Instant::now);
        x.outcome.bytes_out += len;
    }
    Ok(())
}

/// A rejection as an answer in a dialect.
fn told(rejection: &Rejection, dialect: Dialect, id: Uuid) -> (StatusCode, HeaderMap, Bytes) {
    let rendered = render(rejection, dialect, &id.to_string());
    let status = StatusCode::from_u16(rendered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = HeaderMap::with_capacity(rendered.headers.len() + 4);
    headers.extend(rendered.headers);
    (status, headers, rendered.body)
}

/// Before an answer that does not wait for the request's body. The connection lives on where the body was (or could
/// be) read; False: it will be closed, and [`request_body::linger`] is due after the answer.
async fn make_way(d: &mut ServerSession, settings: &Server) -> bool {
    let kept = request_body::discard_small(d, settings).await;
    if !kept {
        d.set_keepalive(None);
    }
    kept
}

/// Refuses a call in the client's dialect.
pub(crate) async fn reject(
    d: &mut ServerSession,
    call: &mut Call,
    settings: &Server,
    rejection: Rejection,
) -> Result<(), BError> {
    let kept = make_way(d, settings).await;
    let (status, headers, body) = told(&rejection, call.x.dialect, call.x.id);
    let body = framed(&call.x, body);
    call.x.outcome.rejection = Some(rejection);
    whole(d, &mut call.x, status, headers, body).await?;
    call.finished = true;
    if !kept {
        request_body::linger(d).await;
    }
    Ok(())
}

/// Refuses what is no call (an unknown path, a request before the first snapshot).
pub(crate) async fn refuse(
    d: &mut ServerSession,
    dialect: Dialect,
    settings: &Server,
    rejection: &Rejection,
) -> Result<(), BError> {
    let kept = make_way(d, settings).await;
    let id = Uuid::now_v7();
    let (status, headers, body) = told(rejection, dialect, id);
    send(d, id, status, headers, body).await?;
    if !kept {
        request_body::linger(d).await;
    }
    Ok(())
}
