//! One call through the gateway, as the call log keeps it.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use time::OffsetDateTime;
use uuid::Uuid;

/// Who is at fault for a call that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorSource {
    /// The caller: bad request, bad key, no access, left early.
    Client,
    /// The provider or the way to it.
    Upstream,
    /// Sallyport itself.
    Gateway,
}

impl ErrorSource {
    /// The word that logs and the database use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Gateway => "gateway",
        }
    }
}

/// Token counts of one call. `input` counts every prompt token, the cached ones included;
/// `cached_input` and `cache_write*` are parts of `input`; `reasoning` is a part of `output`.
/// (OpenAI counts so; Anthropic reports the three input parts apart: the decoder adds them up.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens in all.
    pub input: u64,
    /// Of these, read from the provider's prompt cache.
    pub cached_input: u64,
    /// Of these, written to the prompt cache with the default (5 min) life time.
    pub cache_write: u64,
    /// Of these, written to the prompt cache with a life time of 1 h.
    pub cache_write_1h: u64,
    /// Completion tokens in all.
    pub output: u64,
    /// Of these, spent on reasoning.
    pub reasoning: u64,
}

/// One finished call: also a refused, failed or cancelled one. The unit of the call log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The request id that the client got as `x-request-id` (UUIDv7, so ordered by time): primary key.
    pub id: Uuid,
    /// When the request head had arrived.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// The gateway instance that served it.
    pub instance: String,
    /// The virtual key, where one was recognised.
    pub key_id: Option<Uuid>,
    /// The key's display prefix.
    pub key_prefix: Option<String>,
    /// Owner of the key.
    pub user_id: Option<Uuid>,
    /// Owner of the key.
    pub team_id: Option<Uuid>,
    /// Address of the client.
    pub client_ip: Option<IpAddr>,
    /// `User-Agent`, cut to 200 bytes.
    pub user_agent: Option<String>,
    /// Surface name (`chat`, `messages`, …).
    pub surface: String,
    /// Model that the client asked for (cut to 200 bytes).
    pub model_asked: Option<String>,
    /// Model that was asked of the provider.
    pub model_served: Option<String>,
    /// Provider of the last attempt.
    pub provider: Option<String>,
    /// The provider's own request id.
    pub upstream_request_id: Option<String>,
    /// Id of the object that the provider made (`resp_…`), where the API lets a client come back to it.
    pub object_id: Option<String>,
    /// Upstream attempts that were begun.
    pub attempts: u16,
    /// HTTP status that the client got (499: it left before one was sent).
    pub status: u16,
    /// Whose fault, if it did not succeed.
    pub error_source: Option<ErrorSource>,
    /// Our short code for what happened (`invalid_api_key`, `upstream_timeout`, …).
    pub error_code: Option<String>,
    /// The whole story for the operator; never a secret, never a prompt.
    pub error_detail: Option<String>,
    /// The client left before the answer was complete.
    pub cancelled: bool,
    /// The answer was a stream.
    pub streamed: bool,
    /// Tokens, where they are known.
    pub usage: Option<Usage>,
    /// Cost in nano-dollars (1e-9 USD), where a price is known.
    pub cost_nanos: Option<i64>,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the response body.
    pub bytes_out: u64,
    /// From request head to the first body byte sent to the client, in microseconds.
    pub ttft_us: Option<u64>,
    /// From request head to the end, in microseconds.
    pub duration_us: u64,
}
