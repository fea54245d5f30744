//! Redis, beside Postgres.

use crate::units::{Duration, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Redis (or Valkey), beside Postgres: one server, or one address that stands for several. Changes are told there too,
/// for instances whose listening connection to Postgres is broken. While it is away everything goes on without it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// `redis://[user:password@]host:6379/0`, `rediss://…` for TLS, or `redis+unix:///path/to/socket`. Default: none.
    pub url: Option<Secret>,
    /// PEM file with the certificate authorities that are trusted for it instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// First word of the names of its channels and keys. Fleets on one Redis are apart by their databases anyway.
    pub prefix: String,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the answer to a command.
    pub command_timeout: Duration,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            url: None,
            ca_file: None,
            prefix: "sallyport".into(),
            connect_timeout: Duration::secs(2),
            command_timeout: Duration::millis(500),
        }
    }
}
