//! The admin service, and how people sign in to it.

use super::TlsFiles;
use crate::units::{Duration, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The admin service.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Address to listen on; loopback unless you say otherwise.
    pub listen: SocketAddr,
    /// Serve TLS.
    pub tls: Option<TlsFiles>,
    /// URL at which browsers reach the admin service: `https://sallyport.corp`. Sign-in by OpenID Connect needs it.
    #[schemars(with = "Option<String>")]
    pub public_url: Option<url::Url>,
    /// Bearer token of the API. Default: made at first start, printed once, kept (hashed) in the data directory.
    pub token: Option<Secret>,
    /// Passwords of people.
    pub password: PasswordRules,
    /// Sessions of people who have signed in.
    pub session: SessionRules,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3001)),
            tls: None,
            public_url: None,
            token: None,
            password: PasswordRules::default(),
            session: SessionRules::default(),
        }
    }
}

/// Passwords of people.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordRules {
    /// Fewest characters, from 12 to 128.
    pub min_length: u32,
    /// How long a password that somebody else has set (a temporary one) opens; it must be changed within that time.
    pub temporary: Duration,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self { min_length: 12, temporary: Duration::secs(72 * 3600) }
    }
}

/// Sessions of people who have signed in.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct SessionRules {
    /// Secrets that sign access tokens: the first signs, all verify. Each at least 32 random characters. Default: made
    /// from the master keys.
    pub secrets: Vec<Secret>,
    /// A session ends after this, whatever happens in it.
    pub max_age: Duration,
    /// A session that is not refreshed for so long ends. More than the 15 minutes of an access token.
    pub idle: Duration,
    /// How much of the client's address must stay the same within a session.
    pub bind_address: BindAddress,
}

impl Default for SessionRules {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            max_age: Duration::secs(12 * 3600),
            idle: Duration::secs(3600),
            bind_address: BindAddress::Prefix,
        }
    }
}

/// How much of the client's address must stay the same within a session.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum BindAddress {
    /// All of it.
    Exact,
    /// Its network: /24 of IPv4, /56 of IPv6.
    #[default]
    Prefix,
    /// Nothing.
    Off,
}
