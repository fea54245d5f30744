//! Responses (OpenAI's Responses API) that the gateway keeps where the provider cannot.

use super::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// State of the Responses API for models whose provider has none of it (every one but OpenAI's own): `store`,
/// `previous_response_id`, `background`, `GET /v1/responses/{id}`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Responses {
    /// Keep them, encrypted, in the database: those of clients that do not say `store: false`. False: such fields are
    /// refused for these models.
    pub keep: bool,
    /// How long each is kept (OpenAI: 30 days).
    pub retention: Duration,
    /// Responses that are made in the background.
    pub background: Background,
}

impl Default for Responses {
    fn default() -> Self {
        Self { keep: true, retention: Duration::secs(30 * 24 * 3600), background: Background::default() }
    }
}

/// Responses that are made while their client has left.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Background {
    /// So many at once in each instance; more are answered with 429. 0: none, `background` is refused.
    pub limit: usize,
    /// Longest time for one.
    pub timeout: Duration,
    /// Of those that the provider itself makes (OpenAI, Azure) the tokens are asked for, whether the client comes back or
    /// not: so often at first, ever more rarely with their age (a quarter of it, at most 5 min), for a day.
    pub ask_every: Duration,
}

impl Default for Background {
    fn default() -> Self {
        Self { limit: 64, timeout: Duration::secs(3600), ask_every: Duration::secs(5) }
    }
}
