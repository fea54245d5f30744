//! DNS rebinding: a web page whose name suddenly resolves to 127.0.0.1 could talk to a service that trusts its
//! loopback. So a loopback listener answers only to names that mean loopback.

use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::uri::Authority;
use http::{StatusCode, header};
use std::net::{IpAddr, SocketAddr};

/// Which `Host` a request may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostPolicy {
    /// Any: the listener is reachable from elsewhere under names that we cannot know.
    Any,
    /// `localhost`, a loopback address, or this address that we listen on.
    Loopback(IpAddr),
}

impl HostPolicy {
    /// The policy for a listener.
    pub(crate) fn of(listen: SocketAddr) -> Self {
        let ip = listen.ip().to_canonical();
        if ip.is_loopback() { Self::Loopback(ip) } else { Self::Any }
    }

    fn allows(self, authority: &str) -> bool {
        let Self::Loopback(listen) = self else { return true };
        let Ok(authority) = authority.parse::<Authority>() else { return false };
        if authority.as_str().contains('@') {
            return false;
        }
        let host = authority.host();
        if host.eq_ignore_ascii_case("localhost") || host.eq_ignore_ascii_case("localhost.") {
            return true;
        }
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        bare.parse::<IpAddr>().is_ok_and(|ip| {
            let ip = ip.to_canonical();
            ip == listen
                || ip == IpAddr::from([127, 0, 0, 1])
                || ip == IpAddr::from(std::net::Ipv6Addr::LOCALHOST)
        })
    }
}

/// Refuses requests for another host.
pub(crate) async fn check(State(policy): State<HostPolicy>, request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    let named = match (request.uri().authority(), first, second) {
        (_, _, Some(_)) => None,
        // An absolute target overrules Host, but a lie in either is a lie.
        (Some(target), Some(host), None) => {
            host.to_str().ok().filter(|h| h.eq_ignore_ascii_case(target.as_str()))
        }
        (Some(target), None, None) => Some(target.as_str()),
        (None, host, None) => host.and_then(|h| h.to_str().ok()),
    };
    match named {
        Some(host) if policy.allows(host) => next.run(request).await,
        Some(_) => Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong_host",
            "this listener is bound to loopback and answers only to localhost, 127.0.0.1 and [::1]; \
             set admin.listen to a routable address to use another name",
        )
        .into_response(),
        None if policy == HostPolicy::Any && second.is_none() => next.run(request).await,
        None => Problem::bad_request("bad_host", "the request needs exactly one Host header").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_mean_loopback() {
        let p = HostPolicy::of("127.0.0.5:3001".parse().unwrap());
        for ok in [
            "localhost",
            "LOCALHOST:3001",
            "localhost.",
            "127.0.0.1:80",
            "127.0.0.5:3001",
            "[::1]",
            "[::1]:9",
        ] {
            assert!(p.allows(ok), "{ok}");
        }
        for bad in [
            "evil.example",
            "evil.example:3001",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "127.0.0.9",
            "",
            "user@localhost",
            "localhost@evil.example",
            "10.0.0.1",
            "[::2]",
            "0.0.0.0",
        ] {
            assert!(!p.allows(bad), "{bad}");
        }
        assert_eq!(HostPolicy::of("0.0.0.0:3001".parse().unwrap()), HostPolicy::Any);
        assert_eq!(
            HostPolicy::of("[::1]:3001".parse().unwrap()),
            HostPolicy::Loopback("::1".parse().unwrap())
        );
    }
}
