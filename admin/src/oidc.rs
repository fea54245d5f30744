//! Sign-in with an identity provider: OpenID Connect Core 1.0, code flow with PKCE.
//!
//! A provider is a draft until a test login has succeeded with its configuration as it is, and is activated then. A flow
//! is bound to the browser that began it by a sealed cookie, and works once. Who comes back is known by provider, issuer
//! and subject; an e-mail address alone opens nothing. What a provider's rules give is given and taken anew at each
//! sign-in, and what others gave is left alone.

mod claims;
mod flow;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod presets;
mod remote;
mod tokens;
pub(crate) mod trial;
mod view;
pub(crate) mod write;

use crate::problem::Problem;
use http::StatusCode;
use remote::Remotes;
use sallyport_config::model::Admin;

/// Longest text of a provider that is passed on to people, in characters.
const TOLD: usize = 300;

/// What signing in with identity providers needs.
pub(crate) struct Oidc {
    /// Without a slash at the end.
    public_url: Option<String>,
    remotes: Remotes,
}

impl Oidc {
    /// As configured.
    pub(crate) fn new(rules: &Admin) -> Self {
        let trimmed = |url: &String| url.trim_end_matches('/').to_owned();
        Self { public_url: rules.public_url.as_ref().map(trimmed), remotes: Remotes::default() }
    }

    /// Where browsers reach this service.
    fn public_url(&self) -> Result<&str, Problem> {
        self.public_url.as_deref().ok_or_else(|| {
            Problem::new(
                StatusCode::CONFLICT,
                "no_public_url",
                "set admin.public_url: identity providers send browsers back to it",
            )
        })
    }

    /// Where this provider sends browsers back to.
    fn callback(&self, slug: &str) -> Result<String, Problem> {
        Ok(format!("{}/api/oidc/{slug}/callback", self.public_url()?))
    }
}

/// Why a sign-in with a provider did not come about. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OidcError {
    /// No answer.
    #[error("the identity provider cannot be reached: {0}")]
    Away(String),
    /// An answer that cannot be.
    #[error("the identity provider's answer cannot be used: {0}")]
    Answer(String),
    /// A token that is not to be trusted.
    #[error("the token is not valid: {0}")]
    Token(String),
    /// The provider says no.
    #[error("the identity provider says {0}")]
    Denied(String),
    /// The rules say no.
    #[error("{0}")]
    Refused(String),
}

impl OidcError {
    /// Whether it belongs into the audit trail: what takes a code of the provider does, what anybody can bring about by
    /// the thousand goes to the log.
    fn counts(&self) -> bool {
        matches!(self, Self::Token(_) | Self::Refused(_))
    }

    /// For whoever wanted to sign in: not more than he needs to know.
    fn problem(&self) -> Problem {
        let (status, code, detail) = match self {
            Self::Away(_) => (
                StatusCode::BAD_GATEWAY,
                "provider_unreachable",
                "the identity provider cannot be reached: try again later".to_owned(),
            ),
            Self::Answer(_) => (
                StatusCode::BAD_GATEWAY,
                "provider_answer",
                "the identity provider's answer cannot be used; the log of the service says why".to_owned(),
            ),
            Self::Token(_) => (
                StatusCode::FORBIDDEN,
                "bad_token",
                "the identity provider's token is not valid; the audit trail says why".to_owned(),
            ),
            Self::Denied(_) => (StatusCode::BAD_REQUEST, "provider_denied", self.to_string()),
            Self::Refused(why) => (StatusCode::FORBIDDEN, "sign_in_refused", why.clone()),
        };
        Problem::new(status, code, detail)
    }
}

/// Somebody else's text, fit for a message.
fn told(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TOLD).collect()
}
