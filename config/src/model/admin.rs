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
    /// URL at which browsers reach the admin service: `https://sallyport.corp`. Passkeys (good for its
    /// host alone) and OpenID Connect need it; without it there are neither.
    pub public_url: Option<String>,
    /// What the admin service calls this place, in sign-in pages and authenticator apps.
    pub site_name: String,
    /// Bearer token of the API. Default: made at first start, printed once, kept (hashed) in the data directory.
    pub token: Option<Secret>,
    /// Passwords of people.
    pub password: PasswordRules,
    /// Sessions of people who have signed in.
    pub session: SessionRules,
    /// Second factors of people.
    pub second_factor: SecondFactorRules,
    /// Origins of other sites whose pages may use the API with a token: `https://tools.corp`. None but those.
    pub cors_origins: Vec<String>,
    /// How often the API may be asked.
    pub rate_limit: RateLimit,
    /// Days after which deleted users, teams and service accounts, and archived keys, go for good; 0: never.
    pub purge_after_days: u32,
}

/// How often the admin API may be asked: requests a minute, all of them at once if need be; 0: any number.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimit {
    /// By one address (IPv6: one /64).
    pub address: u32,
    /// By one account.
    pub account: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { address: 3000, account: 1200 }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3001)),
            tls: None,
            public_url: None,
            site_name: "Sallyport".into(),
            token: None,
            password: PasswordRules::default(),
            session: SessionRules::default(),
            second_factor: SecondFactorRules::default(),
            cors_origins: Vec::new(),
            rate_limit: RateLimit::default(),
            purge_after_days: 30,
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

/// Second factors of people: TOTP or a passkey.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct SecondFactorRules {
    /// Whoever has one of these roles (built in or custom, in a team or everywhere) can do nothing but set a second
    /// factor up until there is one. Sign-ins with OIDC are left to the provider.
    pub required_roles: Vec<String>,
}
