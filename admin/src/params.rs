//! Extractors whose refusals are problem documents.

use crate::problem::Problem;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

/// The query string as `T`.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(e) => Err(Problem::bad_request("bad_parameter", e.body_text())),
        }
    }
}

/// The one variable segment of the path.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(e) => Err(Problem::bad_request("bad_path", e.body_text())),
        }
    }
}

/// The variable segments of the path; what is not of their form names nothing.
pub(crate) struct Named<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(named)) => Ok(Self(named)),
            Err(_) => Err(Problem::not_found("there is no such thing: the id is not of the right form")),
        }
    }
}

/// The request's body, JSON, as `T`.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(JsonRejection::JsonSyntaxError(e)) => Err(Problem::bad_request("bad_json", e.body_text())),
            Err(JsonRejection::JsonDataError(e)) => Err(wrong(e.body_text())),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "send the body as content-type: application/json",
            )),
            Err(e) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is too large"))
            }
            Err(_) => Err(Problem::bad_request("bad_body", "the body could not be read")),
        }
    }
}

/// 422: JSON that says something that cannot be.
pub(crate) fn wrong(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_value", detail)
}

/// A line of text that people read: not empty, at most 200 characters, no control characters.
pub(crate) fn line(field: &str, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 200 || text.chars().any(char::is_control) {
        return Err(wrong(format!("{field}: 1 to 200 characters, no control characters")));
    }
    Ok(text.to_owned())
}

/// Free text of at most 2000 characters.
pub(crate) fn prose(field: &str, text: String) -> Result<String, Problem> {
    if text.chars().count() > 2000 || text.contains('\0') {
        return Err(wrong(format!("{field}: at most 2000 characters, no NUL")));
    }
    Ok(text)
}

/// Part of a text, to look for.
pub(crate) fn sought(text: Option<String>) -> Result<Option<String>, Problem> {
    asked("text", text)
}

/// A name of the query string.
pub(crate) fn asked(field: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    match text {
        Some(t) if t.is_empty() || t.chars().count() > 200 || t.chars().any(char::is_control) => {
            let detail = format!("{field}: 1 to 200 characters, no control characters");
            Err(Problem::bad_request("bad_parameter", detail))
        }
        text => Ok(text),
    }
}

/// An RFC 3339 instant of the query string.
pub(crate) fn instant(field: &str, text: Option<String>) -> Result<Option<time::OffsetDateTime>, Problem> {
    let read = |t: String| {
        time::OffsetDateTime::parse(&t, &time::format_description::well_known::Rfc3339).map_err(|_| {
            Problem::bad_request("bad_parameter", format!("{field}: an instant such as 2026-01-31T09:00:00Z"))
        })
    };
    text.map(read).transpose()
}
