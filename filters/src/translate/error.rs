//! Errors of an upstream in the words of the client's dialect.

use crate::codec::{Wire, converse, gemini};
use crate::dialect::error::reword;
use crate::dialect::fault::{self, Fault, UpstreamError};
use crate::rejection::ErrorKind;
use crate::surface::Dialect;
use http::{HeaderMap, StatusCode};

/// What an upstream's error answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamAnswer {
    /// Its words; None: a page that is no error of its API.
    pub error: Option<UpstreamError>,
    /// What dialects call it.
    pub kind: ErrorKind,
    /// Whose fault.
    pub fault: Fault,
}

/// Reads an error answer of an upstream.
pub fn answer_of(back: Wire, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> UpstreamAnswer {
    match back {
        Wire::Chat | Wire::Responses | Wire::Messages => UpstreamAnswer {
            error: fault::describe(body),
            kind: kind_of(status),
            fault: fault::upstream_fault(status, body),
        },
        Wire::Gemini => match gemini::parse_error(body) {
            None => UpstreamAnswer {
                error: None,
                kind: kind_of(status),
                fault: fault::upstream_fault(status, b""),
            },
            Some(failure) => {
                let kind = failure.kind();
                let fault = match kind {
                    ErrorKind::Authentication | ErrorKind::Permission => Fault::CredentialsOrCredit,
                    _ => fault::upstream_fault(status, b""),
                };
                UpstreamAnswer { error: Some(failure.upstream()), kind, fault }
            }
        },
        Wire::Converse => {
            let name = headers.get("x-amzn-errortype").and_then(|v| v.to_str().ok());
            let d = converse::error::describe(status.as_u16(), name, body);
            UpstreamAnswer { error: Some(d.error), kind: d.kind, fault: d.fault }
        }
    }
}

fn kind_of(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 => ErrorKind::Authentication,
        402 | 403 => ErrorKind::Permission,
        404 => ErrorKind::NotFound,
        408 => ErrorKind::RequestTimeout,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::RateLimit,
        503 | 529 => ErrorKind::Unavailable,
        504 => ErrorKind::UpstreamTimeout,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Upstream,
    }
}

/// An error event: the status it would have had in the head, what dialects call it, whose fault it is.
pub fn stream_fault(e: &UpstreamError) -> (StatusCode, ErrorKind, Fault) {
    let (kind, fault) = converse::error::judge_stream(e);
    if e.kind.as_deref().is_some_and(|k| k.ends_with("Exception")) {
        let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::BAD_GATEWAY);
        return (status, kind, fault);
    }
    let status = crate::sse::status_of(e);
    (status, kind_of(status), fault::fault_of(status, e))
}

/// An error event in the client's words.
pub(super) fn for_client(front: Wire, e: &UpstreamError) -> UpstreamError {
    let (_, kind, fault) = stream_fault(e);
    // A refused key is not the client's.
    let kind = if fault == Fault::CredentialsOrCredit { ErrorKind::Upstream } else { kind };
    let dialect = match front {
        Wire::Chat => Dialect::OpenAi,
        Wire::Responses => Dialect::Responses,
        Wire::Messages => Dialect::Anthropic,
        Wire::Gemini | Wire::Converse => Dialect::Gemini,
    };
    let mut e = e.clone();
    reword(kind, &mut e, dialect);
    e
}

#[cfg(test)]
mod tests;
