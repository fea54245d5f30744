//! Certificate authorities for upstream TLS. OpenSSL reads one bundle file per connector; where the configuration
//! adds authorities, the system's bundle and theirs are joined into one file of this instance.

use openssl::x509::X509;
use pingora_core::protocols::tls::CaType;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where Linux distributions keep the joined bundle (Debian, Fedora/RHEL, SUSE, Alpine).
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Authorities could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read or written.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file holds no certificate.
    #[error("{}: not a PEM file with certificates: {reason}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What OpenSSL says.
        reason: String,
    },
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Io { verb: "read", path: path.into(), source })
}

fn parse(path: &Path) -> Result<(Vec<u8>, Vec<X509>), TlsError> {
    let pem = read(path)?;
    let bad = |reason: String| TlsError::Pem { path: path.into(), reason };
    let certs = X509::stack_from_pem(&pem).map_err(|e| bad(e.to_string()))?;
    if certs.is_empty() {
        return Err(bad("it holds none".into()));
    }
    Ok((pem, certs))
}

/// The bundle for a connector: None = OpenSSL's default (the system's, or `SSL_CERT_FILE`).
pub(crate) fn bundle(extra: &[PathBuf], scratch: &Path) -> Result<Option<String>, TlsError> {
    if extra.is_empty() {
        return Ok(None);
    }
    let system = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let system = system.into_iter().chain(SYSTEM_BUNDLES.iter().map(PathBuf::from)).find(|p| p.is_file());
    let mut joined = system.map(|p| read(&p)).transpose()?.unwrap_or_default();
    for path in extra {
        joined.push(b'\n');
        joined.extend_from_slice(&parse(path)?.0);
    }
    let path = scratch.join("upstream-ca.pem");
    let io = |source| TlsError::Io { verb: "write", path: path.clone(), source };
    fs::create_dir_all(scratch).map_err(io)?;
    fs::write(&path, joined).map_err(io)?;
    Ok(Some(path.to_string_lossy().into_owned()))
}

/// The authorities of one provider.
pub(crate) fn authorities(path: &Path) -> Result<Arc<CaType>, TlsError> {
    let (_, certs) = parse(path)?;
    Ok(Arc::new(certs.into_boxed_slice()))
}
