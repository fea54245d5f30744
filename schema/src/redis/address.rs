//! Where Redis is, and how it is known to be the right one.

use super::RedisError;
use ::redis::{Client, ConnectionInfo, IntoConnectionInfo, TlsCertificates};

/// Judges a URL and the authorities (PEM) that are trusted with it, without connecting.
pub fn check(url: &str, authorities: Option<Vec<u8>>) -> Result<(), RedisError> {
    client(url, authorities).map(drop)
}

/// A client that connects later.
pub(super) fn client(url: &str, authorities: Option<Vec<u8>>) -> Result<Client, RedisError> {
    let info = read(url, authorities.is_some())?;
    match authorities {
        None => Client::open(info).map_err(RedisError::from),
        Some(pem) => {
            let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem) };
            Client::build_with_tls(info, certificates).map_err(|e| RedisError::BadAuthorities(e.to_string()))
        }
    }
}

fn read(url: &str, authorities: bool) -> Result<ConnectionInfo, RedisError> {
    let bad = |why| Err(RedisError::BadUrl(why));
    let Some(parsed) = ::redis::parse_redis_url(url) else { return bad("not a Redis URL") };
    let unix = parsed.scheme().ends_with("unix");
    let tls = matches!(parsed.scheme(), "rediss" | "valkeys");
    if parsed.fragment().is_some() {
        // The crate takes #insecure for "verify nothing".
        return bad("what follows # is not understood");
    }
    if !unix && parsed.query().is_some() {
        return bad("what follows ? is not understood");
    }
    if authorities && !tls {
        return bad("authorities are configured, but it is not rediss://");
    }
    // Not the crate's own words: they may quote the URL.
    parsed.into_connection_info().or_else(|_| bad("host, path or number of the database cannot be read"))
}
