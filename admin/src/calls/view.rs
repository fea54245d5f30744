//! A call as the API shows it.

use sallyport_schema::call::{CallRecord, ErrorSource, Usage};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// One finished call: also a refused, failed or cancelled one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Call {
    /// The request id that the client got as `x-request-id`.
    id: Uuid,
    /// When the request head had arrived.
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    /// The gateway instance that served it.
    instance: String,
    /// The virtual key, where one was recognised.
    key_id: Option<Uuid>,
    /// First characters of the key.
    key_prefix: Option<String>,
    /// Owner of the key: a user or a service account.
    user_id: Option<Uuid>,
    /// Owner of the key, if a team.
    team_id: Option<Uuid>,
    /// Tags of the key at that time.
    tags: Vec<String>,
    /// Metadata of the key at that time.
    metadata: BTreeMap<String, String>,
    /// Address of the client.
    client_ip: Option<String>,
    /// `User-Agent`, cut to 200 bytes.
    user_agent: Option<String>,
    /// Which API was called: `chat`, `messages`, …
    surface: String,
    /// Model that the client asked for.
    model_asked: Option<String>,
    /// Model that was asked of the provider.
    model_served: Option<String>,
    /// Provider of the last attempt.
    provider: Option<String>,
    /// The provider's own request id.
    upstream_request_id: Option<String>,
    /// Id of the object that the provider made (`resp_…`).
    object_id: Option<String>,
    /// Upstream attempts that were begun.
    attempts: u16,
    /// HTTP status that the client got; 499: it left before one was sent.
    status: u16,
    /// Whose fault, if it did not succeed.
    error_source: Option<Source>,
    /// What happened, in a word.
    error_code: Option<String>,
    /// What happened, in full. Never holds a secret or a prompt.
    error_detail: Option<String>,
    /// The client left before the answer was complete.
    cancelled: bool,
    /// The answer was a stream.
    streamed: bool,
    /// The client's fields that the provider did not get to see: its dialect has no words for them.
    dropped: Vec<String>,
    /// Tokens, where they are known.
    usage: Option<Tokens>,
    /// `usage` (and so `cost`), or a part of it, is the gateway's estimate: the provider did not say (all of) it.
    estimated: bool,
    /// Cost, where a price is known.
    cost: Option<Cost>,
    /// Bytes of the request body.
    bytes_in: u64,
    /// Bytes of the response body.
    bytes_out: u64,
    /// Microseconds from request head to the first body byte sent to the client.
    ttft_us: Option<u64>,
    /// Microseconds from request head to the end.
    duration_us: u64,
    /// The call whose count this record completes, where its provider made the answer in the background and told the
    /// tokens later: no call of its own. Sums of tokens and cost take both.
    follows: Option<Uuid>,
}

/// Whose fault a failure was.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ErrorSource)]
enum Source {
    /// The caller: bad request, bad key, no access, left early.
    Client,
    /// The provider or the way to it.
    Upstream,
    /// Sallyport itself.
    Gateway,
}

/// Token counts. The cached and written parts are parts of `input`, `reasoning` is a part of `output`.
#[derive(Debug, Serialize, ToSchema)]
struct Tokens {
    /// Prompt tokens in all.
    input: u64,
    /// Of these, read from the provider's prompt cache.
    cached_input: u64,
    /// Of these, written to the prompt cache for 5 minutes.
    cache_write: u64,
    /// Of these, written to the prompt cache for 1 hour.
    cache_write_1h: u64,
    /// Completion tokens in all.
    output: u64,
    /// Of these, spent on reasoning.
    reasoning: u64,
}

/// An amount of money.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Cost {
    /// In nano-dollars (1e-9 USD).
    nanos: i64,
    /// In US dollars, exact.
    #[schema(pattern = "^-?[0-9]+\\.[0-9]{9}$", example = "0.000012500")]
    usd: String,
}

impl Cost {
    pub(super) fn new(nanos: i64) -> Self {
        let (sign, amount) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
        Self { nanos, usd: format!("{sign}{}.{:09}", amount / 1_000_000_000, amount % 1_000_000_000) }
    }
}

impl From<CallRecord> for Call {
    fn from(c: CallRecord) -> Self {
        let labels = c.labels.map(Arc::unwrap_or_clone).unwrap_or_default();
        Self {
            id: c.id,
            started_at: c.started_at,
            instance: c.instance,
            key_id: c.key_id,
            key_prefix: c.key_prefix,
            user_id: c.user_id,
            team_id: c.team_id,
            tags: labels.tags,
            metadata: labels.metadata,
            client_ip: c.client_ip.map(|ip| ip.to_string()),
            user_agent: c.user_agent,
            surface: c.surface,
            model_asked: c.model_asked,
            model_served: c.model_served,
            provider: c.provider,
            upstream_request_id: c.upstream_request_id,
            object_id: c.object_id,
            attempts: c.attempts,
            status: c.status,
            error_source: c.error_source.map(|s| match s {
                ErrorSource::Client => Source::Client,
                ErrorSource::Upstream => Source::Upstream,
                ErrorSource::Gateway => Source::Gateway,
            }),
            error_code: c.error_code,
            error_detail: c.error_detail,
            cancelled: c.cancelled,
            streamed: c.streamed,
            dropped: c.dropped,
            usage: c.usage.map(Tokens::from),
            estimated: c.estimated,
            cost: c.cost_nanos.map(Cost::new),
            bytes_in: c.bytes_in,
            bytes_out: c.bytes_out,
            ttft_us: c.ttft_us,
            duration_us: c.duration_us,
            follows: c.follows,
        }
    }
}

impl From<Usage> for Tokens {
    fn from(u: Usage) -> Self {
        let Usage { input, cached_input, cache_write, cache_write_1h, output, reasoning } = u;
        Self { input, cached_input, cache_write, cache_write_1h, output, reasoning }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact() {
        for (nanos, usd) in [
            (0, "0.000000000"),
            (1, "0.000000001"),
            (12_500, "0.000012500"),
            (1_000_000_000, "1.000000000"),
            (-1_500_000_000, "-1.500000000"),
            (i64::MAX, "9223372036.854775807"),
            (i64::MIN, "-9223372036.854775808"),
        ] {
            assert_eq!(Cost::new(nanos).usd, usd);
        }
    }
}
