//! An upstream's error answer: whose fault is it, what does it say, when may one try again?

use crate::rejection::{ErrorKind, Rejection};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use time::macros::format_description;

/// Whose fault an error answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The request is wrong: it would be wrong everywhere. Passed on as it is, never tried again.
    ClientsOwn,
    /// The upstream is busy or broken: another one, or the same one later, may answer.
    Retryable,
    /// The upstream refuses *us*: a revoked key, no credit, an organisation on hold. Another upstream may answer;
    /// this one will not, and its words are not for the client, whose own key is fine.
    CredentialsOrCredit,
}

/// Codes and types of error bodies that say that an account, not a request, is refused.
/// OpenAI: <https://platform.openai.com/docs/guides/error-codes>; Anthropic: `error.details.error_code` of its SDK;
/// Google: <https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto>.
const ACCOUNT: [&str; 27] = [
    "insufficient_quota",
    "billing_not_active",
    "billing_hard_limit_reached",
    "account_deactivated",
    "access_terminated",
    "invalid_api_key",
    "billing_error",
    "authentication_error",
    "contract_spend_limit_reached",
    "enforced_spend_limit_reached",
    "linked_organization_billing_unavailable",
    "linked_organization_spend_limit_reached",
    "organization_on_hold",
    "organization_type_not_supported",
    "parent_organization_required",
    "insufficient_balance",
    "SERVICE_DISABLED",
    "BILLING_DISABLED",
    "API_KEY_INVALID",
    "API_KEY_EXPIRED",
    "API_KEY_SERVICE_BLOCKED",
    "CONSUMER_SUSPENDED",
    "CONSUMER_INVALID",
    "USER_PROJECT_DENIED",
    "ACCESS_TOKEN_EXPIRED",
    "CREDENTIALS_MISSING",
    "ACCOUNT_STATE_INVALID",
];

/// Beginnings of messages that say the same without a code (Anthropic's and Google's 400s,
/// <https://ai.google.dev/gemini-api/docs/troubleshooting>). Beginnings only: a message may quote what the client
/// wrote.
const ACCOUNT_MESSAGES: [&str; 8] = [
    "Your credit balance is too low",
    "This organization has been disabled",
    "You have reached your specified API usage limits",
    "Billing hard limit has been reached",
    "API key not valid",
    "API key expired",
    "User location is not supported",
    "Gemini API free tier is not available",
];

/// Judges an answer that is not a 2xx.
pub fn upstream_fault(status: StatusCode, body: &[u8]) -> Fault {
    judge(status, || describe(body))
}

/// The same of an error that was read already.
pub fn fault_of(status: StatusCode, error: &UpstreamError) -> Fault {
    judge(status, || Some(error.clone()))
}

fn judge(status: StatusCode, error: impl Fn() -> Option<UpstreamError>) -> Fault {
    match status.as_u16() {
        401..=403 => Fault::CredentialsOrCredit,
        400 | 404 | 429 if error().is_some_and(|e| refuses_account(&e)) => Fault::CredentialsOrCredit,
        408 | 429 => Fault::Retryable,
        400..=499 => Fault::ClientsOwn,
        // 5xx (529 among them), and what a provider's API never answers: a redirect, a stray 1xx.
        _ => Fault::Retryable,
    }
}

fn refuses_account(e: &UpstreamError) -> bool {
    let words = [e.code.as_deref(), e.kind.as_deref(), e.detail_code.as_deref()];
    words.into_iter().flatten().any(|w| ACCOUNT.contains(&w))
        || e.message.as_ref().is_some_and(|m| ACCOUNT_MESSAGES.iter().any(|a| m.starts_with(a)))
}

/// What an error body says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamError {
    /// `error.type`; Google's `error.status`.
    pub kind: Option<String>,
    /// `error.code` (a number is written out).
    pub code: Option<String>,
    /// Anthropic's `error.details.error_code`; `reason` of Google's `ErrorInfo`.
    pub detail_code: Option<String>,
    /// `error.message`. It may quote the prompt: never for the log.
    pub message: Option<String>,
}

impl UpstreamError {
    /// The word for the log: the most precise there is, cut to 100 characters.
    pub fn word(&self) -> Option<String> {
        let word = [&self.detail_code, &self.code, &self.kind].into_iter().flatten().next()?;
        Some(word.chars().filter(|c| !c.is_control()).take(100).collect())
    }
}

/// Error bodies are small; of a larger one nobody wants a word.
const MAX_ERROR_BODY: usize = 256 * 1024;

/// Reads an error body of any dialect: `{"error":{…}}`, `{"type":"error","error":{…}}`, `{"error":"…"}`, Responses'
/// flat error event, `response.failed`, the bare object of FastAPI servers, or Google's array of one.
pub fn describe(body: &[u8]) -> Option<UpstreamError> {
    if body.len() > MAX_ERROR_BODY {
        return None;
    }
    #[derive(Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        error: Option<&'a RawValue>,
        #[serde(borrow)]
        response: Option<Response<'a>>,
        object: Option<String>,
        r#type: Option<String>,
    }
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    let outer = match body.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice::<Vec<Outer<'_>>>(body).ok()?.into_iter().next()?,
        _ => serde_json::from_slice(body).ok()?,
    };
    let not_null = |v: &&RawValue| v.get() != "null";
    if let Some(e) = outer.error.filter(not_null) {
        return Some(inner(e.get()));
    }
    if let Some(e) = outer.response.and_then(|r| r.error).filter(not_null) {
        return Some(inner(e.get()));
    }
    let flat = outer.object.as_deref() == Some("error") || outer.r#type.as_deref() == Some("error");
    flat.then(|| std::str::from_utf8(body).ok().map(inner)).flatten()
}

/// Reads Cohere's error body, which has no envelope: `{"id":…,"message":"…"}`.
pub fn describe_bare(body: &[u8]) -> Option<UpstreamError> {
    #[derive(Deserialize)]
    struct Bare {
        message: String,
    }
    if body.len() > MAX_ERROR_BODY {
        return None;
    }
    let bare: Bare = serde_json::from_slice(body).ok()?;
    Some(UpstreamError { message: Some(bare.message), ..UpstreamError::default() })
}

fn inner(text: &str) -> UpstreamError {
    #[derive(Deserialize)]
    struct Inner {
        #[serde(default)]
        r#type: serde_json::Value,
        #[serde(default)]
        status: serde_json::Value,
        #[serde(default)]
        code: serde_json::Value,
        #[serde(default)]
        message: serde_json::Value,
        #[serde(default)]
        details: serde_json::Value,
    }
    let word = |v: &serde_json::Value| match v {
        serde_json::Value::String(s) => Some(s.clone()),
        serde_json::Value::Number(n) => Some(n.to_string()),
        _ => None,
    };
    if let Ok(e) = serde_json::from_str::<Inner>(text) {
        return UpstreamError {
            kind: word(&e.r#type).or_else(|| word(&e.status)),
            code: word(&e.code),
            detail_code: match &e.details {
                serde_json::Value::Array(list) => list.iter().filter_map(|d| d.get("reason")).find_map(word),
                details => details.get("error_code").and_then(word),
            },
            message: word(&e.message),
        };
    }
    UpstreamError { message: serde_json::from_str(text).ok(), ..UpstreamError::default() }
}

/// What the client reads when an upstream refused us: never the upstream's own 401, which would look like the
/// client's key were wrong.
pub fn refused_us(provider: &str, status: StatusCode, body: &[u8]) -> Rejection {
    let word = describe(body).and_then(|e| e.word()).unwrap_or_default();
    Rejection::upstream(
        ErrorKind::Upstream,
        "upstream_refused",
        "The provider refused the gateway's own account. Whoever runs this gateway must see to it.",
    )
    .detail(format!("provider '{provider}' answered {} {word}", status.as_u16()))
}

/// What an answer's headers say of trying again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryHint {
    /// Not before this time has passed.
    pub after: Option<Duration>,
    /// `x-should-retry: false`: trying again is pointless.
    pub never: bool,
}

/// Reads `retry-after-ms`, `retry-after` (seconds or a date, RFC 9110 §10.2.3) and `x-should-retry`.
pub fn retry_after(headers: &HeaderMap) -> RetryHint {
    retry_after_at(headers, OffsetDateTime::now_utc())
}

/// The same, and of a body that says it (Google's `RetryInfo`).
pub fn retry_hint(headers: &HeaderMap, body: &[u8]) -> RetryHint {
    let hint = retry_after(headers);
    let told = || crate::codec::gemini::parse_error(body)?.retry_after;
    RetryHint { after: hint.after.or_else(told), ..hint }
}

/// The same at a given time.
pub fn retry_after_at(headers: &HeaderMap, now: OffsetDateTime) -> RetryHint {
    let get = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    let after = get("retry-after-ms")
        .and_then(|v| duration(v, 1000.0))
        .or_else(|| get("retry-after").and_then(|v| duration(v, 1.0).or_else(|| until(v, now))));
    RetryHint { after, never: get("x-should-retry") == Some("false") }
}

/// A number of units, `per_second` of them a second. Longer than a year is nonsense.
fn duration(text: &str, per_second: f64) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok()? / per_second;
    (0.0..=366.0 * 86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// From `now` to an HTTP date in any of its three forms (RFC 9110 §5.6.7); a past one is zero.
fn until(text: &str, now: OffsetDateTime) -> Option<Duration> {
    let asctime = format_description!(
        "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
    );
    let at = OffsetDateTime::parse(text, &Rfc2822)
        .or_else(|_| time::PrimitiveDateTime::parse(text, &asctime).map(time::PrimitiveDateTime::assume_utc))
        .ok()
        .or_else(|| rfc850(text, now))?;
    Some(Duration::try_from(at - now).unwrap_or_default())
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`: a year that seems more than 50 years ahead is in the past.
fn rfc850(text: &str, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let (date, hour) = text.split_once(", ")?.1.split_once(' ')?;
    let (day, rest) = date.split_once('-')?;
    let (month, year) = rest.split_once('-')?;
    let ahead = now.year() - now.year() % 100 + i32::from(year.parse::<u8>().ok()?);
    let year = if ahead > now.year() + 50 { ahead - 100 } else { ahead };
    OffsetDateTime::parse(&format!("{day} {month} {year} {hour}"), &Rfc2822).ok()
}

#[cfg(test)]
mod tests;
