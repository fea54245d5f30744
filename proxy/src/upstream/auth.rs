//! What a cloud wants beside static headers: a bearer token that is fetched (Entra ID, Google) or a signature over the
//! request (AWS). One [`Authorizer`] a provider, kept beside its endpoint.
//!
//! Tokens and temporary keys are held until shortly before they expire; then they are fetched anew in the background
//! while the old one is still used ([`cache`]). They are fetched over the gateway's own connections ([`http`]): the
//! same resolver, TLS and guard against private networks as for calls, and no second HTTP client in the tree.

pub(crate) mod aws;
pub(crate) mod azure;
pub(crate) mod cache;
pub(crate) mod env;
pub(crate) mod google;
pub(crate) mod http;
pub(crate) mod oauth;
#[cfg(test)]
mod tests;

use ::http::header::AUTHORIZATION;
use ::http::{HeaderValue, Method};
use cache::Cached;
use env::Env;
use sallyport_config::model::KindSettings;
use sallyport_config::snapshot::Provider;
use sallyport_filters::outgoing::Outgoing;
use sallyport_filters::rejection::{ErrorKind, Rejection};
use std::time::Duration;

/// Longest wait of a call for credentials, and of a fetch for all its answers.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Why a call cannot be authenticated. Never holds a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthError {
    /// What is configured, or what the machine has, is not enough.
    #[error("{0}")]
    Setup(String),
    /// No answer.
    #[error("{what} cannot be reached: {why}")]
    Unreachable {
        /// Which service.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// It said no.
    #[error("{what} answered {status}: {story}")]
    Refused {
        /// Which service.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// Its own words.
        story: String,
    },
    /// It said something that is not in its documents.
    #[error("{what} gave an answer that cannot be used: {why}")]
    Answer {
        /// Which service.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing in time.
    #[error("no credentials within {0:?}")]
    Timeout(Duration),
    /// The request cannot be signed.
    #[error("{0}")]
    Sign(String),
}

impl AuthError {
    /// What the client is told: nothing of the story, which is for the log.
    pub fn rejection(&self, provider: &str) -> Rejection {
        Rejection::upstream(
            ErrorKind::Upstream,
            "upstream_refused",
            "The provider refused the gateway's own account. Whoever runs this gateway must see to it.",
        )
        .detail(format!("provider '{provider}': {self}"))
    }
}

/// Authenticates calls to one provider.
#[derive(Debug)]
pub struct Authorizer {
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Static headers are all.
    Nothing,
    /// `Authorization: Bearer …`.
    Bearer(Cached<HeaderValue>),
    /// Signature Version 4.
    Aws(aws::Signer),
}

impl Authorizer {
    /// For what needs nothing.
    pub(crate) const fn none() -> Self {
        Self { way: Way::Nothing }
    }

    /// For a provider, as its settings and the environment of this process say. Nothing is fetched yet.
    pub(crate) fn of(provider: &Provider, client: http::Client) -> Self {
        Self::with(provider, client, Env::process())
    }

    pub(crate) fn with(provider: &Provider, client: http::Client, env: Env) -> Self {
        let name = &provider.name;
        let way = match &provider.settings {
            // An API key went into the static headers.
            _ if provider.api_key.is_some() => Way::Nothing,
            KindSettings::AzureOpenai(s) => match azure::source(s, &provider.host, client, env) {
                Some(source) => Way::Bearer(Cached::new(name, source)),
                None => Way::Nothing,
            },
            KindSettings::Vertex(s) => Way::Bearer(Cached::new(name, google::source(s, client, env))),
            KindSettings::Bedrock(s) => match aws::bearer(s, &env) {
                Some(token) => Way::Bearer(Cached::new(name, Box::new(token))),
                None => Way::Aws(aws::Signer::new(name, s, client, env)),
            },
            KindSettings::Openai(_)
            | KindSettings::Anthropic(_)
            | KindSettings::Gemini
            | KindSettings::OpenaiCompatible(_) => Way::Nothing,
        };
        Self { way }
    }

    /// Adds what authenticates a request that is otherwise complete: a signature covers its body, path and query.
    /// `authority`: its `Host`. Waits for credentials where there are none, at most ten seconds.
    ///
    /// # Errors
    /// There are no credentials. The provider is as good as one that answered 401: another may be tried.
    pub async fn authorize(
        &self,
        out: &mut Outgoing,
        method: &Method,
        authority: &str,
    ) -> Result<(), AuthError> {
        match &self.way {
            Way::Nothing => Ok(()),
            Way::Bearer(token) => {
                out.headers.insert(AUTHORIZATION, (*token.get().await?).clone());
                Ok(())
            }
            Way::Aws(signer) => signer.sign(out, method, authority).await,
        }
    }

    /// The provider refused what [`authorize`](Self::authorize) added (a 401 or 403): it may have been revoked before
    /// its time. The next call gets fresh credentials, unless these are fresh.
    pub fn refused(&self) {
        match &self.way {
            Way::Nothing => {}
            Way::Bearer(token) => token.forget(),
            Way::Aws(signer) => signer.forget(),
        }
    }
}
