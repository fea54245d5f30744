//! What the gateway answers by itself: `/v1/models`.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use sallyport_filters::dialect::models;
use sallyport_filters::exchange::{Exchange, Request};
use sallyport_filters::rejection::Rejection;

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The models that the key may use, or one of them, in the client's dialect.
pub(crate) fn models(x: &Exchange, request: Request<'_>) -> Result<Answer, Rejection> {
    let body = models::answer(x, request.query)?;
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Answer { headers, body })
}
