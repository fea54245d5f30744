//! What every request and answer goes through, whatever the route: bounds on time and size, headers that tell a
//! browser to do nothing with the answer, a request id, a line in the log.

use crate::caller::RequestId;
use crate::error::AdminError;
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::Limited;
use std::time::{Duration, Instant};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Longest time from request head to response head.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest request body.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const SECURITY: [(HeaderName, HeaderValue); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Outermost: request id, security headers, log.
pub(crate) async fn dress(mut request: Request, next: Next) -> Response {
    let id = uuid::Uuid::now_v7().to_string();
    let began = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    tracing::debug!(
        request_id = %id,
        %method,
        path,
        status = response.status().as_u16(),
        us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        "admin API"
    );
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        headers.entry(name).or_insert(value);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// Pages of these origins may use the API with a token (cookies stay at home). Nobody else's page sees an answer.
/// None: there are no such origins.
pub(crate) fn cors(origins: &[String]) -> Result<Option<CorsLayer>, AdminError> {
    if origins.is_empty() {
        return Ok(None);
    }
    let read = |o: &String| HeaderValue::from_str(o).map_err(|_| AdminError::Origin(o.clone()));
    let origins = origins.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([header::ETAG, header::RETRY_AFTER, REQUEST_ID])
        .max_age(Duration::from_secs(600));
    Ok(Some(layer))
}

/// Ends a request that takes too long.
pub(crate) async fn hurry(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable("timeout", "the answer took too long", 5).into_response(),
    }
}

/// Refuses a body that is announced as too large, and cuts one that turns out to be.
pub(crate) async fn weigh(request: Request, next: Next) -> Response {
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|n| n > MAX_BODY as u64) {
        return Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("a request body may have at most {MAX_BODY} bytes"),
        )
        .into_response();
    }
    next.run(request.map(|body| Body::new(Limited::new(body, MAX_BODY)))).await
}

/// There is no such route.
pub(crate) async fn no_route() -> Problem {
    Problem::not_found("there is nothing at this path; GET /api/openapi.json lists what there is")
}

/// The route has no such method (the Allow header says which it has).
pub(crate) async fn no_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "the path does not answer to this method; see the Allow header",
    )
}
