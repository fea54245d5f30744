//! The way to the providers: addresses, the guard against private networks, pooled connections, TLS.

pub mod auth;
pub mod connection;
pub mod endpoint;
pub mod fetch;
pub mod list;
pub mod tls;
pub(crate) mod whole;

use arc_swap::ArcSwap;
use auth::Authorizer;
use endpoint::Endpoint;
use pingora_core::connectors::http::Connector;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use sallyport_config::model::Upstream as Settings;
use sallyport_config::snapshot::{Provider, Snapshot};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Pooled connections. Shared with what fetches tokens, which outlives a call.
pub struct Pools {
    /// Pool for what ALPN decides, or HTTP/2.
    pub(crate) http: Connector,
    /// Pool for plain HTTP/1.1, where head and body go out in one write.
    pub(crate) raw: TransportConnector,
}

impl std::fmt::Debug for Pools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pools")
    }
}

impl Pools {
    fn new(options: ConnectorOptions) -> Self {
        Self { http: Connector::new(Some(options.clone())), raw: TransportConnector::new(Some(options)) }
    }
}

/// All that is needed to call a provider. One for the process.
pub struct Upstreams {
    pools: Arc<Pools>,
    endpoints: ArcSwap<HashMap<Arc<str>, Arc<Endpoint>>>,
}

impl std::fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstreams").field("endpoints", &self.endpoints.load().len()).finish_non_exhaustive()
    }
}

/// Whoever has the upstreams has their connections.
impl std::ops::Deref for Upstreams {
    type Target = Pools;
    fn deref(&self) -> &Pools {
        &self.pools
    }
}

impl Upstreams {
    /// Connectors with the system's authorities and those of `settings.ca_files`. `scratch`: a directory of this
    /// instance, where the joined bundle is written.
    pub fn new(settings: &Settings, scratch: &Path) -> Result<Self, tls::TlsError> {
        let mut options = ConnectorOptions::new(settings.keepalive_pool);
        options.ca_file = tls::bundle(&settings.ca_files, scratch)?;
        Ok(Self { pools: Arc::new(Pools::new(options)), endpoints: ArcSwap::default() })
    }

    fn make(&self, provider: &Arc<Provider>, settings: &Settings) -> Arc<Endpoint> {
        let client = auth::http::Client::new(self.pools.clone(), settings);
        Arc::new(Endpoint::new(provider.clone(), settings, Authorizer::of(provider, client)))
    }

    /// Takes over the providers of a new snapshot; unchanged ones keep their endpoint and their connections.
    pub fn adopt(&self, snapshot: &Snapshot) {
        let old = self.endpoints.load();
        let settings = &snapshot.config.upstream;
        let new = snapshot
            .providers
            .values()
            .map(|p| {
                let kept = old.get(&p.name).filter(|e| e.serves(p, settings)).cloned();
                (p.name.clone(), kept.unwrap_or_else(|| self.make(p, settings)))
            })
            .collect();
        self.endpoints.store(Arc::new(new));
    }

    /// The endpoint of a provider. A call judged by an older snapshot than the newest may ask for a provider that
    /// was changed meanwhile: it gets one of its own.
    pub(crate) fn endpoint(&self, provider: &Arc<Provider>, settings: &Settings) -> Arc<Endpoint> {
        match self.endpoints.load().get(&provider.name) {
            Some(e) if e.provider.generation == provider.generation => e.clone(),
            _ => self.make(provider, settings),
        }
    }

    /// Every endpoint, for the resolver.
    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.endpoints.load().values().cloned().collect()
    }
}
