//! One provider, resolved: addresses, Pingora peers, and which of them is in use.

use super::auth::Authorizer;
use super::tls;
use arc_swap::ArcSwapOption;
use pingora_core::upstreams::peer::{ALPN, HttpPeer};
use sallyport_config::addresses;
use sallyport_config::model::{HttpVersions, Upstream as Settings};
use sallyport_config::snapshot::Provider;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long addresses are used before the resolver asks again.
pub const DNS_TTL: Duration = Duration::from_secs(30);
/// Streams of one HTTP/2 connection to a provider; providers grant 100 or more.
const H2_STREAMS: usize = 100;
/// HTTP/2 connection window: one slow client must not hold up all streams of a shared connection.
const H2_CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;

/// Why a provider cannot be connected to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EndpointError {
    /// The name has no address.
    #[error("cannot resolve {host}: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver says.
        reason: String,
    },
    /// Every address is private and none is listed.
    #[error(
        "{host} has the address {address}, which is not public; if that is intended, add its network to \
         upstream.allow_networks"
    )]
    Private {
        /// The name.
        host: String,
        /// Its first address.
        address: IpAddr,
    },
    /// The authorities of the provider cannot be read.
    #[error("{0}")]
    Authorities(String),
    /// TLS to an address literal: OpenSSL would verify it as a name.
    #[error("{0} is an address: TLS needs a name to verify; set tls_name")]
    NoName(String),
}

/// The peers of one round of resolving.
#[derive(Debug)]
pub(crate) struct Peers {
    /// One for each address.
    pub(crate) list: Vec<HttpPeer>,
    resolved: Instant,
}

/// A provider and the way to it.
#[derive(Debug)]
pub struct Endpoint {
    /// The provider.
    pub(crate) provider: Arc<Provider>,
    /// Plain HTTP/1.1 only: head and body in one write.
    pub(crate) raw: bool,
    /// When idle connections are closed.
    pub(crate) keepalive: Duration,
    authorizer: Authorizer,
    settings: Settings,
    peers: ArcSwapOption<Peers>,
    current: AtomicUsize,
    last_error: ArcSwapOption<EndpointError>,
}

impl Endpoint {
    pub(crate) fn new(provider: Arc<Provider>, settings: &Settings, authorizer: Authorizer) -> Self {
        let raw = match provider.http {
            HttpVersions::H1 => true,
            HttpVersions::Auto => !provider.tls,
            HttpVersions::H2 => false,
        };
        Self {
            provider,
            raw,
            keepalive: settings.keepalive.get(),
            authorizer,
            settings: settings.clone(),
            peers: ArcSwapOption::empty(),
            current: AtomicUsize::new(0),
            last_error: ArcSwapOption::empty(),
        }
    }

    /// What authenticates calls to the provider, beside its static headers.
    pub fn authorizer(&self) -> &Authorizer {
        &self.authorizer
    }

    /// Name of the provider.
    pub fn name(&self) -> &str {
        &self.provider.name
    }

    /// Is this still the endpoint for the provider?
    pub(crate) fn serves(&self, provider: &Provider, settings: &Settings) -> bool {
        self.provider.generation == provider.generation && self.settings == *settings
    }

    /// The peers, resolved now if they never were.
    pub(crate) async fn peers(&self) -> Result<Arc<Peers>, EndpointError> {
        if let Some(peers) = self.peers.load_full() {
            return Ok(peers);
        }
        self.resolve().await
    }

    /// Asks the resolver; old addresses stay in use when it fails.
    pub async fn refresh(&self) -> Result<(), EndpointError> {
        let fresh = self.peers.load().as_ref().is_some_and(|p| p.resolved.elapsed() < DNS_TTL);
        if fresh { Ok(()) } else { self.resolve().await.map(|_| ()) }
    }

    /// Why the last look-up failed, if it did.
    pub fn last_error(&self) -> Option<Arc<EndpointError>> {
        self.last_error.load_full()
    }

    async fn resolve(&self) -> Result<Arc<Peers>, EndpointError> {
        match self.lookup().await {
            Ok(list) => {
                let peers = Arc::new(Peers { list, resolved: Instant::now() });
                self.peers.store(Some(peers.clone()));
                self.last_error.store(None);
                Ok(peers)
            }
            Err(e) => {
                self.last_error.store(Some(Arc::new(e.clone())));
                Err(e)
            }
        }
    }

    async fn lookup(&self) -> Result<Vec<HttpPeer>, EndpointError> {
        let p = &self.provider;
        let unresolved = |reason: String| EndpointError::Resolve { host: p.host.to_string(), reason };
        let wait = self.settings.connect_timeout.get();
        let found = tokio::time::timeout(wait, tokio::net::lookup_host((&*p.host, p.port)))
            .await
            .map_err(|_| unresolved(format!("no answer within {wait:?}")))?
            .map_err(|e| unresolved(e.to_string()))?;
        let mut addresses: Vec<SocketAddr> = found.collect();
        addresses.dedup();
        let first = addresses.first().ok_or_else(|| unresolved("it has no address".into()))?.ip();
        addresses.retain(|a| addresses::allowed(a.ip(), &self.settings.allow_networks));
        if addresses.is_empty() {
            return Err(EndpointError::Private { host: p.host.to_string(), address: first });
        }
        let ca = p.ca_file.as_deref().map(tls::authorities).transpose();
        let ca = ca.map_err(|e| EndpointError::Authorities(e.to_string()))?;
        if p.tls && (p.tls_name.is_empty() || p.tls_name.parse::<IpAddr>().is_ok()) {
            return Err(EndpointError::NoName(p.tls_name.to_string()));
        }
        Ok(addresses
            .into_iter()
            .map(|a| {
                let mut peer =
                    HttpPeer::new(a, p.tls, if p.tls { p.tls_name.to_string() } else { String::new() });
                let o = &mut peer.options;
                o.connection_timeout = Some(wait);
                o.total_connection_timeout = Some(wait);
                o.alpn = match p.http {
                    HttpVersions::H2 => ALPN::H2,
                    HttpVersions::Auto if p.tls => ALPN::H2H1,
                    _ => ALPN::H1,
                };
                o.max_h2_streams = H2_STREAMS;
                o.h2_connection_window_size = Some(H2_CONNECTION_WINDOW);
                o.ca = ca.clone();
                o.verify_cert = true;
                o.verify_hostname = true;
                // Pingora's pool key leaves out authorities and ALPN: the generation stands for all settings.
                peer.group_key = p.generation;
                peer
            })
            .collect())
    }

    /// The peer in use.
    pub(crate) fn pick<'p>(&self, peers: &'p Peers) -> Option<&'p HttpPeer> {
        let n = peers.list.len();
        (n > 0).then(|| &peers.list[self.current.load(Ordering::Relaxed) % n])
    }

    /// The peer in use does not answer: use the next one.
    pub(crate) fn turn(&self) {
        self.current.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_config::model::{KindSettings, ProviderKind};

    fn provider(host: &str, tls: bool) -> Arc<Provider> {
        Arc::new(Provider {
            name: "p".into(),
            kind: ProviderKind::Openai,
            tls,
            host: host.into(),
            port: 443,
            authority: host.into(),
            base_path: "/v1".into(),
            api_key: None,
            settings: KindSettings::default_of(ProviderKind::Openai),
            headers: Vec::new(),
            http: HttpVersions::Auto,
            ca_file: None,
            tls_name: host.into(),
            passthrough: Arc::default(),
            enabled: true,
            generation: 7,
            managed: true,
        })
    }

    #[tokio::test]
    async fn a_private_address_is_refused_with_what_to_do() {
        let e = Endpoint::new(provider("127.0.0.1", false), &Settings::default(), Authorizer::none());
        let err = e.peers().await.unwrap_err();
        assert!(err.to_string().contains("upstream.allow_networks"), "{err}");
        assert!(e.last_error().is_some());
    }

    #[tokio::test]
    async fn tls_without_a_name_is_refused() {
        let settings =
            Settings { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], ..Settings::default() };
        let e = Endpoint::new(provider("127.0.0.1", true), &settings, Authorizer::none());
        assert!(matches!(e.peers().await, Err(EndpointError::NoName(_))));
    }

    #[tokio::test]
    async fn verification_is_always_on_and_the_generation_is_part_of_the_pool_key() {
        let settings =
            Settings { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], ..Settings::default() };
        let mut p = (*provider("127.0.0.1", true)).clone();
        p.tls_name = "api.example.com".into();
        let e = Endpoint::new(Arc::new(p), &settings, Authorizer::none());
        let peers = e.peers().await.unwrap();
        let peer = e.pick(&peers).unwrap();
        assert!(peer.options.verify_cert && peer.options.verify_hostname);
        assert_eq!((peer.sni.as_str(), peer.group_key), ("api.example.com", 7));
    }
}
