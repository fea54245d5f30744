//! Errors of the clouds.

use super::Fault;
use serde_json::{Value, json};

/// Google's word and words for a status. <https://ai.google.dev/gemini-api/docs/troubleshooting>
pub(super) fn google(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => (
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
             valid authentication credential.",
        ),
        403 => ("PERMISSION_DENIED", "The caller does not have permission"),
        404 => (
            "NOT_FOUND",
            "The model is not found for API version v1beta, or is not supported for this method.",
        ),
        429 => ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        499 => ("CANCELLED", "The operation was cancelled."),
        503 => ("UNAVAILABLE", "The model is overloaded. Please try again later."),
        504 => ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
        500.. => ("INTERNAL", "An internal error has occurred. Please retry."),
        _ => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    }
}

/// A `google.rpc.Status`.
pub(super) fn status(fault: &Fault, word: &str) -> Value {
    let mut error = json!({"code": fault.status, "message": fault.message, "status": word});
    if let Some(reason) = fault.code {
        error["details"] = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason,
            "domain": "googleapis.com"}]);
    } else if let Some(seconds) = &fault.retry_after {
        error["details"] = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{seconds}s")}]);
    } else if let Some(field) = &fault.param {
        error["details"] = json!([{"@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": field, "description": fault.message}]}]);
    }
    json!({"error": error})
}

/// Bedrock's exception and words for a status.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors>
pub(super) fn amazon(status: u16) -> (&'static str, &'static str) {
    match status {
        401 | 403 => {
            ("AccessDeniedException", "You don't have access to the model with the specified model ID.")
        }
        404 => (
            "ResourceNotFoundException",
            "Could not resolve the foundation model from the provided model identifier.",
        ),
        408 => ("ModelTimeoutException", "The model timed out."),
        424 => ("ModelErrorException", "The model had an error."),
        429 => ("ThrottlingException", "Too many requests, please wait before trying again."),
        503 => ("ServiceUnavailableException", "Bedrock is unable to process your request."),
        500.. => ("InternalServerException", "The system encountered an unexpected error during processing."),
        _ => ("ValidationException", "The provided request is not valid"),
    }
}

/// Azure's gateway and its service have different shapes.
pub(super) fn azure(fault: &Fault) -> Value {
    match fault.status {
        401 | 404 | 429 => {
            let code = fault.code.map_or_else(|| fault.status.to_string(), str::to_owned);
            json!({"error": {"code": code, "message": fault.message}})
        }
        _ => json!({"error": {"message": fault.message, "type": fault.kind(super::Dialect::Azure),
            "param": fault.param, "code": fault.code}}),
    }
}
