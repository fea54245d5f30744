//! Optimistic concurrency: the version of a resource as `ETag`, and `If-Match` (RFC 9110, 13.1.1).

use crate::problem::Problem;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// The version that a change is meant for; None: there was no `If-Match`, or `*`.
pub(crate) struct IfMatch(pub(crate) Option<i64>);

impl IfMatch {
    /// The version that a change of what has just been read must find: rights were checked on that one.
    pub(crate) fn on(&self, read: i64) -> Result<Option<i64>, Problem> {
        match self.0 {
            Some(wanted) if wanted != read => Err(stale()),
            _ => Ok(Some(read)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        // A weak tag never matches (RFC 9110, 8.8.3.2).
        let tag = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        let Some(tag) = tag.filter(|t| !t.contains('"')) else {
            return Err(Problem::bad_request(
                "bad_if_match",
                "If-Match: the ETag of an answer, with its quotes",
            ));
        };
        let version = if text.starts_with("W/") { None } else { tag.parse().ok() };
        version.map(|v| Self(Some(v))).ok_or_else(stale)
    }
}

/// 412: the resource is at another version.
pub(crate) fn stale() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "stale_version",
        "it has been changed meanwhile: read it again and give its ETag as If-Match",
    )
}

/// A resource with its version.
pub(crate) struct Versioned<T>(pub(crate) StatusCode, pub(crate) i64, pub(crate) T);

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let Self(status, version, body) = self;
        let mut response = (status, Json(body)).into_response();
        if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
            response.headers_mut().insert(header::ETAG, value);
        }
        response
    }
}
