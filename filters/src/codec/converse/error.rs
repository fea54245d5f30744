//! Bedrock's errors: `{"message": …}` with the type in the header `x-amzn-errortype`
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors>,
//! and exceptions in streams.

use crate::dialect::fault::{Fault, UpstreamError};
use crate::rejection::ErrorKind;
use serde::Deserialize;

/// The header with an error's type.
pub const ERROR_TYPE: &str = "x-amzn-errortype";

/// An error, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Type (`ValidationException`) and words.
    pub error: UpstreamError,
    /// What the client's dialect calls it.
    pub kind: ErrorKind,
    /// Whose fault.
    pub fault: Fault,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    #[serde(alias = "Message")]
    message: Option<String>,
    #[serde(rename = "__type")]
    r#type: Option<String>,
    original_status_code: Option<u16>,
    original_message: Option<String>,
}

/// Reads an error answer. `error_type` is the header [`ERROR_TYPE`].
pub fn describe(status: u16, error_type: Option<&str>, body: &[u8]) -> Described {
    let b: Body = serde_json::from_slice(body).unwrap_or_default();
    let name = error_type.or(b.r#type.as_deref()).map(short).filter(|n| !n.is_empty()).map(str::to_owned);
    let (kind, fault) = judge(name.as_deref(), status, b.message.as_deref().unwrap_or_default());
    Described { error: said(name, b), kind, fault }
}

/// An exception in a stream: its `:exception-type`, its payload.
pub(super) fn exception(name: &str, payload: &[u8]) -> UpstreamError {
    said(Some(name.to_owned()), serde_json::from_slice(payload).unwrap_or_default())
}

/// What an error in a stream (or one without a status) means.
pub fn judge_stream(e: &UpstreamError) -> (ErrorKind, Fault) {
    let code = e.code.as_deref().and_then(|c| c.parse().ok());
    judge(e.kind.as_deref(), code.unwrap_or(500), e.message.as_deref().unwrap_or_default())
}

fn said(name: Option<String>, b: Body) -> UpstreamError {
    UpstreamError {
        kind: name,
        code: b.original_status_code.map(|c| c.to_string()),
        detail_code: None,
        message: b.message.filter(|m| !m.is_empty()).or(b.original_message),
    }
}

/// `com.amazon.coral.service#ThrottlingException:http://internal.amazon.com/…` is a `ThrottlingException`.
fn short(name: &str) -> &str {
    let name = name.split(':').next().unwrap_or(name);
    name.rsplit('#').next().unwrap_or(name).trim()
}

/// Beginnings of messages that refuse an account, not a request, with a type that says something else.
const ACCOUNT: [&str; 4] = [
    "Operation not allowed",
    "Model use case details have not been submitted",
    "Your account is not authorized",
    "Your AWS account",
];

fn judge(name: Option<&str>, status: u16, message: &str) -> (ErrorKind, Fault) {
    use ErrorKind as K;
    use Fault::{ClientsOwn, CredentialsOrCredit, Retryable};
    if ACCOUNT.iter().any(|a| message.starts_with(a)) {
        return (K::Upstream, CredentialsOrCredit);
    }
    // Types begin in lower case in streams.
    let name = name.map(str::to_ascii_lowercase).unwrap_or_default();
    match (name.as_str(), status) {
        ("validationexception" | "serializationexception", _) => (K::InvalidRequest, ClientsOwn),
        ("resourcenotfoundexception", _) => (K::NotFound, ClientsOwn),
        // The quota is the account's: another region or account may have room.
        ("throttlingexception" | "servicequotaexceededexception" | "toomanyrequestsexception", _) => {
            (K::RateLimit, Retryable)
        }
        ("modeltimeoutexception", _) => (K::UpstreamTimeout, Retryable),
        ("modelnotreadyexception" | "serviceunavailableexception", _) => (K::Unavailable, Retryable),
        // 424: the model failed; `originalStatusCode` says how.
        ("modelstreamerrorexception" | "modelerrorexception", 400) => (K::InvalidRequest, ClientsOwn),
        (
            "modelstreamerrorexception"
            | "modelerrorexception"
            | "internalserverexception"
            | "internalfailure",
            _,
        ) => (K::Upstream, Retryable),
        (
            "accessdeniedexception"
            | "unrecognizedclientexception"
            | "invalidsignatureexception"
            | "incompletesignatureexception"
            | "missingauthenticationtokenexception"
            | "expiredtokenexception"
            | "optinrequired",
            _,
        )
        | (_, 401..=403) => (K::Upstream, CredentialsOrCredit),
        (_, 404) => (K::NotFound, ClientsOwn),
        (_, 408) => (K::UpstreamTimeout, Retryable),
        (_, 413) => (K::TooLarge, ClientsOwn),
        (_, 429) => (K::RateLimit, Retryable),
        (_, 503) => (K::Unavailable, Retryable),
        (_, 504) => (K::UpstreamTimeout, Retryable),
        (_, 424) => (K::Upstream, Retryable),
        (_, 400..=499) => (K::InvalidRequest, ClientsOwn),
        _ => (K::Upstream, Retryable),
    }
}
