//! The one error of a call: what the client reads, what the log reads, whose fault it is.

use sallyport_schema::call::ErrorSource;
use std::time::Duration;

/// The kinds of error that dialects have words for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// 400: the request makes no sense.
    InvalidRequest,
    /// 401: no key, or one that is not valid.
    Authentication,
    /// 403: a valid key without the right.
    Permission,
    /// 404: no such path, model or object.
    NotFound,
    /// 405.
    Method,
    /// 408: the client was too slow.
    RequestTimeout,
    /// 413.
    TooLarge,
    /// 429.
    RateLimit,
    /// 500: our fault.
    Internal,
    /// 502: the upstream answered nonsense or not at all.
    Upstream,
    /// 503: nothing can serve this now.
    Unavailable,
    /// 504: the upstream was too slow.
    UpstreamTimeout,
}

impl ErrorKind {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Authentication => 401,
            Self::Permission => 403,
            Self::NotFound => 404,
            Self::Method => 405,
            Self::RequestTimeout => 408,
            Self::TooLarge => 413,
            Self::RateLimit => 429,
            Self::Internal => 500,
            Self::Upstream => 502,
            Self::Unavailable => 503,
            Self::UpstreamTimeout => 504,
        }
    }
}

/// A call's end by the gateway. [`crate::dialect::error::render`] tells it in the client's dialect.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {message}{}", detail.as_deref().map(|d| format!(" ({d})")).unwrap_or_default())]
pub struct Rejection {
    /// Decides the status and the dialect's type.
    pub kind: ErrorKind,
    /// A short stable word (`invalid_api_key`, `model_not_found`, …): in the body where the dialect has a code, and
    /// in the log.
    pub code: &'static str,
    /// For the client: what to do. Never a secret, never an inside address.
    pub message: String,
    /// For the log only.
    pub detail: Option<String>,
    /// Whose fault.
    pub fault: ErrorSource,
    /// The request's field that is wrong, where it is one.
    pub param: Option<String>,
    /// `Retry-After`, where waiting helps.
    pub retry_after: Option<Duration>,
    /// `Allow`, for 405.
    pub allow: Option<&'static str>,
}

impl Rejection {
    /// A rejection that is the client's fault.
    pub fn client(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorSource::Client, kind, code, message)
    }
    /// A rejection that is the upstream's fault.
    pub fn upstream(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorSource::Upstream, kind, code, message)
    }
    /// A rejection that is our fault.
    pub fn gateway(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorSource::Gateway, kind, code, message)
    }
    fn new(fault: ErrorSource, kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            message: message.into(),
            detail: None,
            fault,
            param: None,
            retry_after: None,
            allow: None,
        }
    }
    /// Adds what only the log may read.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
    /// Names the field that is wrong.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }
}
