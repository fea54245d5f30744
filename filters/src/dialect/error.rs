//! A [`Rejection`] in the client's dialect: as a whole answer, or as an event inside a stream that has begun.
//!
//! Shapes and words are those of the providers:
//! OpenAI <https://platform.openai.com/docs/guides/error-codes>: `{"error":{message,type,param,code}}`;
//! Anthropic <https://docs.anthropic.com/en/api/errors>: `{"type":"error","error":{type,message},"request_id"}`;
//! Gemini <https://cloud.google.com/apis/design/errors>: `{"error":{code,message,status,details}}`;
//! Cohere <https://docs.cohere.com/reference/errors>: `{id,message}`.
//! The official SDKs choose their exception class by status and read exactly these fields.

use super::fault::UpstreamError;
use crate::codec::gemini;
use crate::exchange::Exchange;
use crate::rejection::{ErrorKind, Rejection};
use crate::surface::Dialect;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use serde::Serialize;
use std::time::Duration;

/// An error answer, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// HTTP status. Not always [`ErrorKind::status`]: Anthropic says 529 where others say 503.
    pub status: u16,
    /// Headers besides `x-request-id` and `content-length`, which every answer gets.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// A JSON body.
    pub body: Bytes,
}

/// The whole answer.
pub fn render(rejection: &Rejection, dialect: Dialect, request_id: &str) -> Rendered {
    let mut headers = Vec::with_capacity(4);
    headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
    if let Some(wait) = rejection.retry_after {
        // Whole seconds (RFC 9110 §10.2.3), rounded up: a client that comes at the time told must not be too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
    }
    if let Some(allow) = rejection.allow {
        headers.push((header::ALLOW, HeaderValue::from_static(allow)));
    }
    if rejection.kind == ErrorKind::Authentication {
        // RFC 9110 §11.6.1: a 401 must name a scheme.
        headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
    }
    if dialect == Dialect::Anthropic
        && let Ok(id) = HeaderValue::from_str(request_id)
    {
        headers.push((HeaderName::from_static("request-id"), id));
    }
    let body = match dialect {
        Dialect::OpenAi | Dialect::Responses => json(&OpenAi { error: openai(rejection) }),
        Dialect::Anthropic => json(&anthropic(rejection, request_id)),
        Dialect::Cohere => json(&Cohere { id: request_id, message: &rejection.message }),
        Dialect::Gemini => {
            let (wait, field) = (rejection.retry_after, rejection.param.as_deref());
            let reason = Some(google_reason(rejection.code));
            gemini::encode_field_error(rejection.kind, &rejection.message, reason, wait, field)
        }
    };
    Rendered { status: status(rejection.kind, dialect), headers, body: body.into() }
}

/// An error body as the call's client reads it: Google puts it into an array where the answer would have been one.
pub fn framed(x: &Exchange, body: Bytes) -> Bytes {
    let array = x.body.is_named() && x.body.stream() && x.body.framing() == gemini::Framing::Array;
    if array { [b"[", &*body, b"]"].concat().into() } else { body }
}

/// An event for a stream that has begun, such that the official SDKs raise an API error from it.
/// `sequence`: what the Responses dialect numbers it (one more than the last event's number).
pub fn event(rejection: &Rejection, dialect: Dialect, request_id: &str, sequence: u64) -> Bytes {
    let (head, data): (&[u8], _) = match dialect {
        Dialect::OpenAi => (b"data: ", json(&OpenAi { error: openai(rejection) })),
        Dialect::Responses => {
            let error = openai(rejection);
            // The documented event has its fields at the top; what the API really sends, and what SDKs raise an
            // error from, is the nested object. Both, so that every reader finds what it looks for.
            let data = json(&ResponsesEvent {
                r#type: "error",
                sequence_number: sequence,
                code: error.code,
                message: error.message,
                param: error.param,
                error,
            });
            (b"event: error\ndata: ", data)
        }
        Dialect::Anthropic => (b"event: error\ndata: ", json(&anthropic(rejection, request_id))),
        Dialect::Cohere => (b"data: ", json(&Cohere { id: request_id, message: &rejection.message })),
        Dialect::Gemini => {
            let reason = Some(google_reason(rejection.code));
            return gemini::encode_stream_error(rejection.kind, &rejection.message, reason).into();
        }
    };
    [head, &data, b"\n\n"].concat().into()
}

/// A provider's error in another dialect: its status there, and a body that says the same words. `retry_after`: where
/// the dialect has a place for it in the body.
pub fn pass_on(
    kind: ErrorKind,
    status: u16,
    error: &UpstreamError,
    retry_after: Option<Duration>,
    dialect: Dialect,
    request_id: &str,
) -> (u16, Bytes) {
    // Google has a word of its own for a provider's 500.
    let kind = if dialect == Dialect::Gemini && status == 500 { ErrorKind::Internal } else { kind };
    let message = error.message.clone().unwrap_or_else(|| "The model provider failed.".to_owned());
    let r = Rejection::upstream(kind, "upstream_error", message);
    let body = match dialect {
        Dialect::OpenAi | Dialect::Responses => {
            let code = error.code.as_deref().filter(|c| is_word(c)).or(error.kind.as_deref());
            json(&OpenAi { error: OpenAiError { code, ..openai(&r) } })
        }
        Dialect::Anthropic => json(&anthropic(&r, request_id)),
        Dialect::Cohere => json(&Cohere { id: request_id, message: &r.message }),
        Dialect::Gemini => gemini::encode_error(kind, &r.message, error.detail_code.as_deref(), retry_after),
    };
    let status = match (status, dialect) {
        // Its statuses are few, and the body says them, too.
        (_, Dialect::Gemini) => gemini::words(kind).0,
        (503, Dialect::Anthropic) => 529,
        (529, Dialect::OpenAi | Dialect::Responses | Dialect::Cohere) => 503,
        (s, _) => s,
    };
    (status, body.into())
}

/// Google's own words for what clients look at; else the gateway's.
fn google_reason(code: &'static str) -> &'static str {
    match code {
        "invalid_api_key" => "API_KEY_INVALID",
        "missing_api_key" => "CREDENTIALS_MISSING",
        other => other,
    }
}

/// The status of an error kind in a dialect.
const fn status(kind: ErrorKind, dialect: Dialect) -> u16 {
    match (kind, dialect) {
        (ErrorKind::Unavailable, Dialect::Anthropic) => 529,
        _ => kind.status(),
    }
}

#[derive(Serialize)]
struct OpenAi<'a> {
    error: OpenAiError<'a>,
}

#[derive(Clone, Copy, Serialize)]
struct OpenAiError<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

#[derive(Serialize)]
struct ResponsesEvent<'a> {
    r#type: &'static str,
    sequence_number: u64,
    code: Option<&'a str>,
    message: &'a str,
    param: Option<&'a str>,
    error: OpenAiError<'a>,
}

fn openai(r: &Rejection) -> OpenAiError<'_> {
    OpenAiError {
        message: &r.message,
        r#type: openai_word(r.kind),
        param: r.param.as_deref(),
        code: Some(r.code),
    }
}

const fn openai_word(kind: ErrorKind) -> &'static str {
    match kind {
        // OpenAI tells a wrong key and a missing model as invalid requests too, apart by status and code.
        ErrorKind::InvalidRequest
        | ErrorKind::Authentication
        | ErrorKind::NotFound
        | ErrorKind::Method
        | ErrorKind::RequestTimeout
        | ErrorKind::TooLarge => "invalid_request_error",
        ErrorKind::Permission => "permission_error",
        ErrorKind::RateLimit => "rate_limit_error",
        ErrorKind::Internal | ErrorKind::Upstream | ErrorKind::Unavailable | ErrorKind::UpstreamTimeout => {
            "server_error"
        }
    }
}

#[derive(Serialize)]
struct Cohere<'a> {
    id: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Anthropic<'a> {
    r#type: &'static str,
    error: AnthropicError<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    r#type: &'static str,
    message: &'a str,
}

fn anthropic<'a>(r: &'a Rejection, request_id: &'a str) -> Anthropic<'a> {
    let error = AnthropicError { r#type: anthropic_word(r.kind), message: &r.message };
    Anthropic { r#type: "error", error, request_id }
}

const fn anthropic_word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::Method => "invalid_request_error",
        ErrorKind::Authentication => "authentication_error",
        ErrorKind::Permission => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::TooLarge => "request_too_large",
        ErrorKind::RateLimit => "rate_limit_error",
        ErrorKind::Internal | ErrorKind::Upstream => "api_error",
        ErrorKind::Unavailable => "overloaded_error",
        ErrorKind::RequestTimeout | ErrorKind::UpstreamTimeout => "timeout_error",
    }
}

/// A provider's error in mid-stream, put into the words that the encoder of the client's dialect writes: the provider's
/// own (`modelStreamErrorException`, 424) mean nothing there, or something else.
pub fn reword(kind: ErrorKind, e: &mut UpstreamError, dialect: Dialect) {
    match dialect {
        Dialect::OpenAi | Dialect::Responses => {
            let theirs = e.kind.replace(openai_word(kind).to_owned());
            e.code = e.code.take().filter(|c| is_word(c)).or(theirs);
        }
        Dialect::Anthropic => e.kind = Some(anthropic_word(kind).to_owned()),
        // The encoder finds Google's word by the status.
        Dialect::Gemini => (e.kind, e.code) = (None, Some(kind.status().to_string())),
        Dialect::Cohere => {}
    }
}

/// A number says no more than the status does.
fn is_word(code: &str) -> bool {
    code.bytes().any(|b| !b.is_ascii_digit())
}

/// These types always serialise.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec())
}

#[cfg(test)]
mod tests;
