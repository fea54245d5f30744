//! Errors in Google's shape. <https://cloud.google.com/apis/design/errors>
//!
//! `{"error":{"code":429,"message":"…","status":"RESOURCE_EXHAUSTED","details":[{"@type":"…/google.rpc.RetryInfo",
//! "retryDelay":"22s"}]}}`; `streamGenerateContent` without `alt=sse` puts it into an array of one.

use super::json::Json;
use super::lenient::{Int, Str, wire};
use crate::dialect::fault::UpstreamError;
use crate::rejection::ErrorKind;
use serde_json::Value;
use std::time::Duration;

wire! {
    Envelope<'a> { error: &'a serde_json::value::RawValue = "error" }
}

wire! {
    Inner<'a> {
        code: Int = "code",
        message: Str<'a> = "message",
        status: Str<'a> = "status",
        details: &'a serde_json::value::RawValue = "details",
    }
}

/// An error answer of Google's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status that it tells of.
    pub code: Option<u16>,
    /// The word (`INVALID_ARGUMENT`).
    pub status: Option<String>,
    /// `reason` of its `ErrorInfo` (`API_KEY_INVALID`).
    pub reason: Option<String>,
    /// For people. It may quote the prompt.
    pub message: Option<String>,
    /// `retryDelay` of its `RetryInfo`.
    pub retry_after: Option<Duration>,
}

/// Google's words for kinds of errors, and the HTTP status that goes with each.
pub const fn words(kind: ErrorKind) -> (u16, &'static str) {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::TooLarge | ErrorKind::Method => {
            (kind.status(), "INVALID_ARGUMENT")
        }
        ErrorKind::Authentication => (401, "UNAUTHENTICATED"),
        ErrorKind::Permission => (403, "PERMISSION_DENIED"),
        ErrorKind::NotFound => (404, "NOT_FOUND"),
        ErrorKind::RequestTimeout => (408, "DEADLINE_EXCEEDED"),
        ErrorKind::RateLimit => (429, "RESOURCE_EXHAUSTED"),
        ErrorKind::Internal => (500, "INTERNAL"),
        ErrorKind::Upstream => (502, "UNAVAILABLE"),
        ErrorKind::Unavailable => (503, "UNAVAILABLE"),
        ErrorKind::UpstreamTimeout => (504, "DEADLINE_EXCEEDED"),
    }
}

/// The body of an error answer; its HTTP status is [`ErrorKind::status`]. `reason`: a stable word of the gateway's
/// (`model_not_found`), told as `ErrorInfo.reason`; `retry_after` as `RetryInfo`.
pub fn encode_error(
    kind: ErrorKind,
    message: &str,
    reason: Option<&str>,
    retry_after: Option<Duration>,
) -> Vec<u8> {
    encode_field_error(kind, message, reason, retry_after, None)
}

/// The same with the field that is wrong, told as `BadRequest`.
/// <https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>
pub fn encode_field_error(
    kind: ErrorKind,
    message: &str,
    reason: Option<&str>,
    retry_after: Option<Duration>,
    field: Option<&str>,
) -> Vec<u8> {
    let (code, status) = words(kind);
    let mut json = Json::default();
    json.object();
    json.key("error");
    json.object();
    json.member("code", &code);
    json.member("message", message);
    json.member("status", status);
    if reason.is_some() || retry_after.is_some() || field.is_some() {
        json.key("details");
        json.array();
        if let Some(reason) = reason {
            json.object();
            json.member("@type", "type.googleapis.com/google.rpc.ErrorInfo");
            json.member("reason", &reason.to_ascii_uppercase());
            json.end_object();
        }
        if let Some(field) = field {
            json.object();
            json.member("@type", "type.googleapis.com/google.rpc.BadRequest");
            json.key("fieldViolations");
            json.array();
            json.object();
            json.member("field", field);
            json.member("description", message);
            json.end_object();
            json.end_array();
            json.end_object();
        }
        if let Some(wait) = retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            json.object();
            json.member("@type", "type.googleapis.com/google.rpc.RetryInfo");
            json.member("retryDelay", &[&seconds.to_string(), "s"].concat());
            json.end_object();
        }
        json.end_array();
    }
    json.end_object();
    json.end_object();
    json.out
}

/// The same as an event of a stream that has begun (`alt=sse`).
pub fn encode_stream_error(kind: ErrorKind, message: &str, reason: Option<&str>) -> Vec<u8> {
    [b"data: ", &*encode_error(kind, message, reason, None), b"\r\n\r\n"].concat()
}

/// Reads an error answer, also one in an array. None: it is none.
pub fn parse_error(body: &[u8]) -> Option<Failure> {
    let all: super::lenient::List<Envelope<'_>> = serde_json::from_slice(body).ok()?;
    inner(all.0.into_iter().find_map(|e| e.error)?.get())
}

fn inner(text: &str) -> Option<Failure> {
    let Inner { code, message, status, details, other: _ } = serde_json::from_str(text).ok()?;
    let details: Value = details.and_then(|d| serde_json::from_str(d.get()).ok()).unwrap_or_default();
    let find = |key: &str| {
        let all = details.as_array().into_iter().flatten();
        all.filter_map(|d| d.get(key)).find_map(Value::as_str).map(str::to_owned)
    };
    let seconds = find("retryDelay").and_then(|d| d.strip_suffix('s')?.parse::<f64>().ok());
    Some(Failure {
        code: code.and_then(|c| u16::try_from(c.0).ok()),
        status: status.map(Str::own),
        reason: find("reason"),
        message: message.map(Str::own),
        // Longer than a year is nonsense.
        retry_after: seconds.filter(|s| (0.0..=3.2e7).contains(s)).map(Duration::from_secs_f64),
    })
}

/// An error in a stream, in the IR's words.
pub(super) fn upstream(text: &str) -> UpstreamError {
    match inner(text) {
        Some(f) => f.upstream(),
        None => UpstreamError { message: serde_json::from_str(text).ok(), ..UpstreamError::default() },
    }
}

impl Failure {
    /// In the words that every dialect's errors are read as: `kind` is the status word.
    pub fn upstream(self) -> UpstreamError {
        UpstreamError {
            kind: self.status,
            code: self.code.map(|c| c.to_string()),
            detail_code: self.reason,
            message: self.message,
        }
    }

    /// What kind of error it is. A wrong key is a 400 at the Gemini API.
    pub fn kind(&self) -> ErrorKind {
        if matches!(
            self.reason.as_deref(),
            Some("API_KEY_INVALID" | "API_KEY_EXPIRED" | "ACCESS_TOKEN_EXPIRED")
        ) {
            return ErrorKind::Authentication;
        }
        match (self.status.as_deref(), self.code) {
            (Some("UNAUTHENTICATED"), _) | (None, Some(401)) => ErrorKind::Authentication,
            (Some("PERMISSION_DENIED"), _) | (None, Some(403)) => ErrorKind::Permission,
            (Some("NOT_FOUND"), _) | (None, Some(404)) => ErrorKind::NotFound,
            (Some("RESOURCE_EXHAUSTED"), _) | (None, Some(429)) => ErrorKind::RateLimit,
            (Some("UNAVAILABLE"), _) | (None, Some(503)) => ErrorKind::Unavailable,
            (Some("DEADLINE_EXCEEDED"), _) | (None, Some(504)) => ErrorKind::UpstreamTimeout,
            (Some("INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "ABORTED" | "CANCELLED"), _) => ErrorKind::Upstream,
            (_, Some(413)) => ErrorKind::TooLarge,
            (_, Some(code)) if code >= 500 => ErrorKind::Upstream,
            _ => ErrorKind::InvalidRequest,
        }
    }
}

/// The kind of an error that came in a stream.
pub(super) fn kind_of(e: &UpstreamError) -> ErrorKind {
    let kind = e.kind.as_deref().unwrap_or_default();
    let code = e.code.as_deref().and_then(|c| c.parse().ok());
    // Other dialects' words (`overloaded_error`, `rate_limit_exceeded`), then Google's own.
    if kind.contains("rate_limit") || e.code.as_deref().is_some_and(|c| c.contains("rate_limit")) {
        return ErrorKind::RateLimit;
    }
    if kind.contains("overloaded") {
        return ErrorKind::Unavailable;
    }
    let google = kind.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') && !kind.is_empty();
    let status = google.then(|| kind.to_owned());
    if status.is_none() && code.is_none() {
        return ErrorKind::Upstream;
    }
    Failure { code, status, reason: e.detail_code.clone(), message: None, retry_after: None }.kind()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn google_s_own() {
        let body = br#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.",
            "status":"INVALID_ARGUMENT","details":[
            {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"},
            {"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"en-US","message":"x"}]}}]"#;
        let f = parse_error(body).unwrap();
        assert_eq!((f.code, f.kind()), (Some(400), ErrorKind::Authentication));
        let body = br#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"22.5s"}]}}"#;
        let f = parse_error(body).unwrap();
        assert_eq!((f.retry_after, f.kind()), (Some(Duration::from_millis(22_500)), ErrorKind::RateLimit));
        assert_eq!(f.upstream().word().as_deref(), Some("429"));
        for none in ["{}", "[]", "x", r#"{"error":null}"#, r#"{"candidates":[]}"#] {
            assert_eq!(parse_error(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn what_is_encoded_is_read_again() {
        for kind in [
            ErrorKind::InvalidRequest,
            ErrorKind::Authentication,
            ErrorKind::Permission,
            ErrorKind::NotFound,
            ErrorKind::RateLimit,
            ErrorKind::Unavailable,
            ErrorKind::UpstreamTimeout,
        ] {
            let body = encode_error(kind, "a \"b\"", Some("why_not"), Some(Duration::from_millis(1500)));
            let f = parse_error(&body).unwrap();
            assert_eq!((f.kind(), f.code), (kind, Some(kind.status())));
            assert_eq!((f.reason.as_deref(), f.retry_after), (Some("WHY_NOT"), Some(Duration::from_secs(2))));
        }
    }
}
