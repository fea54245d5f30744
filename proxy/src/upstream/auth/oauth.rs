//! Token answers (RFC 6749 §5.1), with what the clouds make of them.

use super::AuthError;
use super::cache::Fresh;
use super::http::Answer;
use http::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a token is used whose life is not told.
const UNTOLD: Duration = Duration::from_secs(300);

#[derive(Deserialize)]
struct Said {
    access_token: String,
    /// Seconds; Azure's metadata service writes them as text.
    #[serde(default)]
    expires_in: Value,
    /// Unix seconds; all that Azure's App Service tells.
    #[serde(default)]
    expires_on: Value,
}

/// `Bearer …` as a header has it.
pub(crate) fn bearer(answer: &Answer) -> Result<Fresh<HeaderValue>, AuthError> {
    let said: Said = answer.read()?;
    let value =
        header(&said.access_token).ok_or_else(|| answer.bad("the token cannot be sent in a header"))?;
    let life = number(&said.expires_in).map(Duration::from_secs).or_else(|| {
        let end = UNIX_EPOCH.checked_add(Duration::from_secs(number(&said.expires_on)?))?;
        Some(end.duration_since(SystemTime::now()).unwrap_or_default())
    });
    Ok(Fresh { value, life: Some(life.unwrap_or(UNTOLD)) })
}

/// `Bearer …` as a header has it.
pub(crate) fn header(token: &str) -> Option<HeaderValue> {
    if token.is_empty() {
        return None;
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(n) => n.as_u64(),
        Value::String(s) => s.parse().ok(),
        _ => None,
    }
}
