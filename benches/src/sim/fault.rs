//! Errors in the shape of the provider whose API was called.

mod cloud;
mod wrong;

use crate::sim::directive::Behaviour;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Whose API a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    /// OpenAI's API with errors, ids and filters of its own.
    Azure,
    Anthropic,
    /// Gemini's API and Vertex's for Google's models.
    Gemini,
    Bedrock,
}

/// An error answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    /// The dialect's own type for the status, if `None`.
    pub(crate) kind: Option<String>,
    pub(crate) message: String,
    /// OpenAI: the field at fault.
    pub(crate) param: Option<Cow<'static, str>>,
    /// OpenAI: the machine-readable reason.
    pub(crate) code: Option<&'static str>,
    /// Seconds.
    pub(crate) retry_after: Option<String>,
    /// Answer with a page instead of JSON.
    pub(crate) html: bool,
}

impl Fault {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), ..Self::default() }
    }

    /// A required field is not there.
    pub(crate) fn missing(dialect: Dialect, field: &'static str) -> Self {
        match dialect {
            Dialect::OpenAi | Dialect::Azure => Self {
                param: Some(field.into()),
                code: Some("missing_required_parameter"),
                ..Self::new(400, format!("Missing required parameter: '{field}'."))
            },
            Dialect::Anthropic => Self::new(400, format!("{field}: Field required")),
            Dialect::Gemini => Self::new(400, format!("* Request.{field}: {field} is not specified\n")),
            Dialect::Bedrock => Self::new(
                400,
                format!(
                    "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must \
                     not be null"
                ),
            ),
        }
    }

    /// The body is not JSON of the expected types.
    pub(crate) fn unreadable(dialect: Dialect, why: &serde_json::Error) -> Self {
        match dialect {
            Dialect::OpenAi | Dialect::Azure => Self::new(
                400,
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your \
                 HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid \
                 JSON.)",
            ),
            Dialect::Anthropic => Self::new(400, format!("The request body is not valid JSON: {why}")),
            Dialect::Gemini => Self::new(400, format!("Invalid JSON payload received. {why}")),
            Dialect::Bedrock => Self {
                kind: Some("SerializationException".to_owned()),
                ..Self::new(400, format!("The request body is not valid JSON: {why}"))
            },
        }
    }

    /// An error that a directive asked for.
    pub(crate) fn injected(dialect: Dialect, status: u16, behaviour: &Behaviour) -> Self {
        let family = if dialect == Dialect::Azure { Dialect::OpenAi } else { dialect };
        let (message, code) = match (family, status) {
            (Dialect::Gemini, _) => (cloud::google(status).1, None),
            (Dialect::Bedrock, _) => (cloud::amazon(status).1, None),
            (Dialect::Azure, _) => ("", None),
            (Dialect::OpenAi, 401) => ("Incorrect API key provided: sk-sim***.", Some("invalid_api_key")),
            (Dialect::OpenAi, 404) => {
                ("The model does not exist or you do not have access to it.", Some("model_not_found"))
            }
            (Dialect::OpenAi, 429) if behaviour.error.as_deref() == Some("insufficient_quota") => (
                "You exceeded your current quota, please check your plan and billing details.",
                Some("insufficient_quota"),
            ),
            (Dialect::OpenAi, 429) => {
                ("Rate limit reached for requests. Please try again later.", Some("rate_limit_exceeded"))
            }
            (Dialect::OpenAi, 500..) => {
                ("The server had an error while processing your request. Sorry about that!", None)
            }
            (Dialect::OpenAi, _) => ("Invalid request, as the simulator was told to answer.", None),
            (Dialect::Anthropic, 401) => ("invalid x-api-key", None),
            (Dialect::Anthropic, 402) => {
                ("Your credit balance is too low to access the Anthropic API.", None)
            }
            (Dialect::Anthropic, 429) => (
                "This request would exceed the rate limit for your organization. Please try again later.",
                None,
            ),
            (Dialect::Anthropic, 529) => ("Overloaded", None),
            (Dialect::Anthropic, 500..) => ("Internal server error", None),
            (Dialect::Anthropic, _) => ("Invalid request, as the simulator was told to answer.", None),
        };
        Self {
            kind: behaviour.error.clone(),
            code,
            retry_after: behaviour.retry_after.clone(),
            html: behaviour.html,
            ..Self::new(status, message)
        }
    }

    /// The error's type.
    pub(crate) fn kind(&self, dialect: Dialect) -> &str {
        if let Some(kind) = &self.kind {
            return kind;
        }
        match (dialect, self.status) {
            (Dialect::Gemini, status) => cloud::google(status).0,
            (Dialect::Bedrock, status) => cloud::amazon(status).0,
            (Dialect::Azure, 429) => "requests",
            (Dialect::Azure, 500..) => "server_error",
            (Dialect::Azure, _) => "invalid_request_error",
            (Dialect::OpenAi, 429) => "requests",
            (Dialect::OpenAi, 500..) => "server_error",
            (Dialect::OpenAi, _) => "invalid_request_error",
            (Dialect::Anthropic, 401) => "authentication_error",
            (Dialect::Anthropic, 402) => "billing_error",
            (Dialect::Anthropic, 403) => "permission_error",
            (Dialect::Anthropic, 404) => "not_found_error",
            (Dialect::Anthropic, 413) => "request_too_large",
            (Dialect::Anthropic, 429) => "rate_limit_error",
            (Dialect::Anthropic, 504) => "timeout_error",
            (Dialect::Anthropic, 529) => "overloaded_error",
            (Dialect::Anthropic, 500..) => "api_error",
            (Dialect::Anthropic, _) => "invalid_request_error",
        }
    }

    /// The answer's body.
    pub(crate) fn body(&self, dialect: Dialect, request_id: &str) -> Value {
        match dialect {
            Dialect::OpenAi => json!({"error": {
                "message": self.message, "type": self.kind(dialect), "param": self.param, "code": self.code}}),
            Dialect::Anthropic => json!({"type": "error", "error": {
                "type": self.kind(dialect), "message": self.message}, "request_id": request_id}),
            Dialect::Azure => cloud::azure(self),
            Dialect::Gemini => cloud::status(self, self.kind(dialect)),
            Dialect::Bedrock => json!({"message": self.message}),
        }
    }

    /// The page that a load balancer would show.
    pub(crate) fn page(&self) -> String {
        let reason = http::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason());
        let title = format!("{} {}", self.status, reason.unwrap_or("Error"));
        format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
        )
    }
}
