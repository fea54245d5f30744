//! Why an attempt came to nothing, and what the client is told of it.

use super::call::Call;
use super::translated;
use crate::upstream::connection::OpenError;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use sallyport_filters::dialect::error as dialect_error;
use sallyport_filters::dialect::fault::{Fault, RetryHint, UpstreamError};
use sallyport_filters::outgoing::tell_retry_after;
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::selector;
use std::time::Duration;

/// Why an attempt came to nothing.
pub(crate) struct Failure {
    /// What is told to the client if nothing better comes.
    pub(crate) rejection: Rejection,
    /// The upstream's own answer, passed on instead of `rejection` where the client may see it.
    pub(crate) answer: Option<Answer>,
    /// What kind of failure it is, for the decision on another attempt.
    pub(crate) kind: selector::Failure,
    /// What the upstream says of trying again.
    pub(crate) hint: RetryHint,
    /// A pooled connection was dead before a byte came: the same upstream is asked again, at once.
    pub(crate) stale: bool,
}

/// An upstream's whole answer, held.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Failure {
    pub(super) fn connection(rejection: Rejection, stale: bool) -> Self {
        let kind = match rejection.kind {
            ErrorKind::UpstreamTimeout => selector::Failure::Timeout,
            _ => selector::Failure::Connect,
        };
        Self { rejection, answer: None, kind, hint: RetryHint::default(), stale }
    }

    /// The request did not get out.
    pub(super) fn not_opened(e: OpenError) -> Self {
        match e {
            OpenError::Timeout(e) => Self::timed_out(e.to_string()),
            OpenError::Write { error, reused } => Self::connection(broken(error.to_string()), reused),
            OpenError::Request(why) => Self {
                kind: selector::Failure::Answer(Fault::ClientsOwn),
                ..Self::connection(
                    Rejection::client(ErrorKind::InvalidRequest, "invalid_request", why),
                    false,
                )
            },
            e => Self::broken(e.to_string()),
        }
    }
    /// A pooled connection was dead before a byte came.
    pub(super) fn stale(detail: String) -> Self {
        Self::connection(broken(detail), true)
    }
    pub(super) fn broken(detail: String) -> Self {
        Self::connection(broken(detail), false)
    }
    pub(super) fn timed_out(detail: String) -> Self {
        Self::connection(timed_out(detail), false)
    }
    /// There are no credentials for the provider.
    pub(super) fn unauthorized(rejection: Rejection) -> Self {
        let kind = selector::Failure::Answer(Fault::CredentialsOrCredit);
        Self { kind, ..Self::connection(rejection, false) }
    }
    /// An answer that is not the format's.
    pub(super) fn unreadable(rejection: Rejection) -> Self {
        Self::connection(rejection, false)
    }
}

/// An upstream's error in the client's dialect.
pub(super) fn translated_error(
    status: StatusCode,
    kind: ErrorKind,
    error: &UpstreamError,
    headers: &HeaderMap,
    after: Option<Duration>,
    call: &Call,
) -> Answer {
    let id = call.x.id.to_string();
    let (status, body) = dialect_error::pass_on(kind, status.as_u16(), error, after, call.x.dialect, &id);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let body = dialect_error::framed(&call.x, body);
    let mut headers = translated::head(headers, &call.x, false);
    tell_retry_after(&mut headers, after);
    Answer { status, headers, body }
}

pub(super) fn timed_out(detail: String) -> Rejection {
    Rejection::upstream(
        ErrorKind::UpstreamTimeout,
        "upstream_timeout",
        "The model provider did not answer in time.",
    )
    .detail(detail)
}

/// An error status without the provider's own words.
pub(super) fn foreign(status: StatusCode) -> Rejection {
    let (kind, message) = match status.as_u16() {
        404 => (ErrorKind::NotFound, "The model provider does not know this path or object."),
        413 => (ErrorKind::TooLarge, "The request is too large for the model provider."),
        429 => (ErrorKind::RateLimit, "The model provider is asked too much at the moment."),
        503 => (ErrorKind::Unavailable, "The model provider is not available at the moment."),
        504 => (ErrorKind::UpstreamTimeout, "The model provider did not answer in time."),
        400..=499 => {
            (ErrorKind::InvalidRequest, "The model provider refused the request without saying why.")
        }
        _ => (ErrorKind::Upstream, "The model provider failed."),
    };
    Rejection::upstream(kind, "upstream_error", message)
}

pub(super) fn broken(detail: String) -> Rejection {
    Rejection::upstream(
        ErrorKind::Upstream,
        "upstream_connection_error",
        "The connection to the model provider failed.",
    )
    .detail(detail)
}
