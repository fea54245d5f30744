//! What lies beyond this process: providers that are tested, identity providers that are asked. The service has no HTTP
//! client of its own; whoever runs it lends it the gateway's connections, with their one guard against private
//! networks: the address that was judged is the one that is connected to.

use async_trait::async_trait;
use bytes::Bytes;
use sallyport_config::snapshot::Provider;
use std::sync::Arc;

/// The way out.
#[async_trait]
pub trait Outside: Send + Sync {
    /// Sends a small request to an address that somebody has entered: `http` or `https`, public or in
    /// `upstream.allow_networks`. Redirects are answers like any other: nobody is sent elsewhere. Bounded in time and in
    /// the answer's length.
    ///
    /// # Errors
    /// There is no answer; any status is one.
    async fn fetch(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, OutsideError>;

    /// The models that a provider says it has, asked with its credentials: the live test of a provider.
    ///
    /// # Errors
    /// It cannot be reached, refuses the credentials, or gives no list.
    async fn models(&self, provider: &Arc<Provider>) -> Result<Vec<Listed>, OutsideError>;
}

/// A model that a provider lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name, as a call says it.
    pub name: String,
    /// What the provider calls it for people, or who made it.
    pub title: String,
}

/// Why there is no answer. Holds no secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct OutsideError(pub String);

/// Reaches nothing: for a service that is described or tested without a gateway.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

#[async_trait]
impl Outside for Nowhere {
    async fn fetch(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, OutsideError> {
        Err(OutsideError("this process has no way out".into()))
    }

    async fn models(&self, _: &Arc<Provider>) -> Result<Vec<Listed>, OutsideError> {
        Err(OutsideError("this process has no way out".into()))
    }
}
