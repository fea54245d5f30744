//! Is a stream an error in disguise? Its head said 200; its first meaningful event tells.

use super::block::{self, Cutter};
use crate::dialect::fault::{Fault, UpstreamError, describe, upstream_fault};
use crate::surface::Dialect;
use http::StatusCode;

/// What the first event of a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet: comments and pings do not count.
    NeedMore,
    /// A normal stream.
    Fine,
    /// An error, as if the head had said so.
    Error {
        /// The status that the provider would have sent in the head, as far as the words tell.
        status: StatusCode,
        /// Whose fault.
        fault: Fault,
        /// What it says.
        error: UpstreamError,
    },
}

/// Judges one event.
pub fn first_event(dialect: Dialect, name: &[u8], data: &[u8]) -> Verdict {
    if name == b"ping" || (dialect == Dialect::Anthropic && data.starts_with(br#"{"type":"ping""#)) {
        return Verdict::NeedMore;
    }
    // A chunk that is no error has no member `error`, or a null one, at its top.
    let suspicious = name == b"error"
        || name == b"response.failed"
        || memchr::memmem::find(data, b"\"error\"").is_some()
        || memchr::memmem::find(data, b"response.failed").is_some();
    if !suspicious {
        return Verdict::Fine;
    }
    let error = match (describe(data), name) {
        (Some(e), b"error" | b"response.failed") => e,
        (None, b"error" | b"response.failed") => UpstreamError::default(),
        // Without a name: only an error at the top, or a response that has failed, counts. (`response.created`
        // carries the whole response, whose `error` is null.)
        (Some(e), _) => e,
        (None, _) => return Verdict::Fine,
    };
    let status = status_of(&error);
    Verdict::Error { status, fault: upstream_fault(status, data), error }
}

/// Judges the beginning of a stream: all bytes that were held so far.
pub fn first_event_of(dialect: Dialect, held: &[u8]) -> Verdict {
    let (mut cutter, mut at, mut scratch) = (Cutter::default(), 0, Vec::new());
    while let Some(n) = cutter.next(&held[at..]) {
        if let Some((name, data)) = block::parse(&held[at..at + n], at == 0, &mut scratch) {
            let verdict = first_event(dialect, name, data);
            if verdict != Verdict::NeedMore {
                return verdict;
            }
        }
        at += n;
    }
    Verdict::NeedMore
}

/// The same, event by event.
#[derive(Clone, Copy, Debug)]
pub struct FirstEvent {
    dialect: Dialect,
    decided: bool,
}

impl FirstEvent {
    /// For a stream of a dialect.
    pub const fn new(dialect: Dialect) -> Self {
        Self { dialect, decided: false }
    }

    /// Looks at the next event. After the first verdict everything is fine.
    pub fn look(&mut self, name: &[u8], data: &[u8]) -> Verdict {
        if self.decided {
            return Verdict::Fine;
        }
        let verdict = first_event(self.dialect, name, data);
        self.decided = verdict != Verdict::NeedMore;
        verdict
    }
}

/// The status that belongs to an error's words. Unknown words are the provider's trouble.
pub(crate) fn status_of(e: &UpstreamError) -> StatusCode {
    let words = [e.detail_code.as_deref(), e.code.as_deref(), e.kind.as_deref()];
    let found = words.into_iter().flatten().find_map(|w| {
        Some(match w {
            "invalid_request_error" | "invalid_prompt" | "BadRequestError" => 400,
            "context_length_exceeded" | "content_filter" | "content_policy_violation" => 400,
            "authentication_error" | "invalid_api_key" => 401,
            "billing_error" => 402,
            "permission_error" | "PermissionDeniedError" => 403,
            "not_found_error" | "model_not_found" | "NotFoundError" => 404,
            "request_too_large" => 413,
            "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" | "RateLimitError" => 429,
            "timeout_error" => 504,
            "overloaded_error" => 529,
            // Google's, where they come without their number.
            "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
            "UNAUTHENTICATED" => 401,
            "PERMISSION_DENIED" => 403,
            "NOT_FOUND" => 404,
            "RESOURCE_EXHAUSTED" => 429,
            "UNAVAILABLE" => 503,
            "DEADLINE_EXCEEDED" => 504,
            // Some servers give the status itself as the code.
            w => w.parse().ok().filter(|n| (400..600).contains(n))?,
        })
    });
    found.and_then(|n: u16| StatusCode::from_u16(n).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
