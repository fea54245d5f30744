//! One call through the gateway, as the call log keeps it.

use crate::labels::Labels;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
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
///
/// The serialised names are those of the spool's files: short, because every call is written there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens in all.
    #[serde(rename = "i", default, skip_serializing_if = "is_zero")]
    pub input: u64,
    /// Of these, read from the provider's prompt cache.
    #[serde(rename = "ci", default, skip_serializing_if = "is_zero")]
    pub cached_input: u64,
    /// Of these, written to the prompt cache with the default (5 min) life time.
    #[serde(rename = "cw", default, skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    /// Of these, written to the prompt cache with a life time of 1 h.
    #[serde(rename = "cw1", default, skip_serializing_if = "is_zero")]
    pub cache_write_1h: u64,
    /// Completion tokens in all.
    #[serde(rename = "o", default, skip_serializing_if = "is_zero")]
    pub output: u64,
    /// Of these, spent on reasoning.
    #[serde(rename = "r", default, skip_serializing_if = "is_zero")]
    pub reasoning: u64,
}

/// One finished call: also a refused, failed or cancelled one. The unit of the call log.
///
/// The serialised names are those of the spool's files: short, because every call is written there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The request id that the client got as `x-request-id` (UUIDv7, so ordered by time): primary key.
    #[serde(rename = "id")]
    pub id: Uuid,
    /// When the request head had arrived.
    #[serde(rename = "at", with = "time::serde::timestamp::nanoseconds")]
    pub started_at: OffsetDateTime,
    /// The gateway instance that served it.
    #[serde(rename = "in")]
    pub instance: String,
    /// The virtual key, where one was recognised.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<Uuid>,
    /// The key's display prefix.
    #[serde(rename = "kp", default, skip_serializing_if = "Option::is_none")]
    pub key_prefix: Option<String>,
    /// Owner of the key.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Uuid>,
    /// Owner of the key.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<Uuid>,
    /// The key's tags and metadata, where it has some.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Arc<Labels>>,
    /// Address of the client.
    #[serde(rename = "ip", default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<IpAddr>,
    /// `User-Agent`, cut to 200 bytes.
    #[serde(rename = "ua", default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Surface name (`chat`, `messages`, …).
    #[serde(rename = "s")]
    pub surface: String,
    /// Model that the client asked for (cut to 200 bytes).
    #[serde(rename = "ma", default, skip_serializing_if = "Option::is_none")]
    pub model_asked: Option<String>,
    /// Model that was asked of the provider.
    #[serde(rename = "ms", default, skip_serializing_if = "Option::is_none")]
    pub model_served: Option<String>,
    /// Provider of the last attempt.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's own request id.
    #[serde(rename = "ur", default, skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<String>,
    /// Id of the object that the provider made (`resp_…`), where the API lets a client come back to it.
    #[serde(rename = "ob", default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,
    /// Upstream attempts that were begun.
    #[serde(rename = "n")]
    pub attempts: u16,
    /// HTTP status that the client got (499: it left before one was sent).
    #[serde(rename = "st")]
    pub status: u16,
    /// Whose fault, if it did not succeed.
    #[serde(rename = "es", default, skip_serializing_if = "Option::is_none")]
    pub error_source: Option<ErrorSource>,
    /// Our short code for what happened (`invalid_api_key`, `upstream_timeout`, …).
    #[serde(rename = "ec", default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The whole story for the operator; never a secret, never a prompt.
    #[serde(rename = "ed", default, skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<String>,
    /// The client left before the answer was complete.
    #[serde(rename = "x", default, skip_serializing_if = "is_false")]
    pub cancelled: bool,
    /// The answer was a stream.
    #[serde(rename = "sse", default, skip_serializing_if = "is_false")]
    pub streamed: bool,
    /// The client's fields that the provider did not get to see: its dialect has no words for them.
    #[serde(rename = "dr", default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
    /// Tokens, where they are known.
    #[serde(rename = "us", default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// `usage`, or a part of it, is the gateway's estimate: the provider did not say (all of) it.
    #[serde(rename = "e", default, skip_serializing_if = "is_false")]
    pub estimated: bool,
    /// Cost in nano-dollars (1e-9 USD), where a price is known.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub cost_nanos: Option<i64>,
    /// Bytes of the request body.
    #[serde(rename = "bi")]
    pub bytes_in: u64,
    /// Bytes of the response body.
    #[serde(rename = "bo")]
    pub bytes_out: u64,
    /// From request head to the first body byte sent to the client, in microseconds.
    #[serde(rename = "tt", default, skip_serializing_if = "Option::is_none")]
    pub ttft_us: Option<u64>,
    /// From request head to the end, in microseconds.
    #[serde(rename = "d")]
    pub duration_us: u64,
    /// The call whose count this record completes: its provider made the answer in the background, and told the tokens
    /// later. No call of a client's. See [`CallRecord::follow_up`].
    #[serde(rename = "fo", default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Uuid>,
    /// The tokens of the object that it made are told later: it is awaited (`awaited_responses`) from the moment on that
    /// the log has the record. Not a column of the log.
    #[serde(rename = "aw", default, skip_serializing_if = "is_false")]
    pub awaited: bool,
}

/// What tells the id of a follow-up from that of the first call: random bits of a UUIDv7, never its time.
const FOLLOWS: u128 = 0x0f0e_0d0c_0b0a_0908;

impl CallRecord {
    /// The id of the record that completes the count of the call `first`. Always the same, and so is its start: it is in
    /// the log once, whoever writes it and however often.
    pub fn follow_up_id(first: Uuid) -> Uuid {
        Uuid::from_u128(first.as_u128() ^ FOLLOWS)
    }

    /// A record that completes the count of this one: same caller, model, provider and object, the time of its start.
    /// Nothing is counted yet.
    pub fn follow_up(&self, instance: &str) -> Self {
        Self {
            id: Self::follow_up_id(self.id),
            instance: instance.to_owned(),
            client_ip: None,
            user_agent: None,
            upstream_request_id: None,
            attempts: 0,
            status: 200,
            error_source: None,
            error_code: None,
            error_detail: None,
            cancelled: false,
            streamed: false,
            dropped: Vec::new(),
            usage: None,
            estimated: false,
            cost_nanos: None,
            bytes_in: 0,
            bytes_out: 0,
            ttft_us: None,
            duration_us: 0,
            follows: Some(self.id),
            awaited: false,
            ..self.clone()
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(b: &bool) -> bool {
    !b
}
