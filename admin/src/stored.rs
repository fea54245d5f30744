//! Errors of the store as problems.

use crate::problem::Problem;
use crate::versioned::stale;
use http::StatusCode;
use sallyport_schema::error::StoreError;

/// When to come back while the store is away, in seconds.
const RETRY_AFTER: u64 = 5;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what, name } => Self::not_found(format!(
                "there is no {what} `{}`",
                name.chars().take(100).collect::<String>()
            )),
            StoreError::Conflict { why: "it has been changed meanwhile", .. } => stale(),
            StoreError::Conflict { what, why } => {
                Self::new(StatusCode::CONFLICT, "conflict", format!("the {what} cannot be changed so: {why}"))
            }
            StoreError::Refused { constraint: Some(c), .. }
                if c.ends_with("_key") || c.ends_with("_once") =>
            {
                Self::new(StatusCode::CONFLICT, "exists", "there is one of this name (or address) already")
            }
            StoreError::Refused { constraint, message } => {
                tracing::debug!(?constraint, message, "the database refused a change");
                let detail = match constraint.filter(|c| c.ends_with("_fkey")) {
                    Some(_) => "it names something that does not exist",
                    None => "a value is not allowed here",
                };
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", detail)
            }
            e if e.is_transient() => {
                Self::unavailable("store_unavailable", format!("the database is away: {e}"), RETRY_AFTER)
            }
            e => {
                tracing::error!(error = %e, "the store failed");
                let detail = "the database could not do it; the log of the service says why";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store_error", detail)
            }
        }
    }
}
