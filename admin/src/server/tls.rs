//! Certificate and key of the listener, read again when the files change.
//!
//! The files are compared by content every few seconds: two small reads, and right whatever tool replaces them
//! (rename, symlink swap, write in place). A pair that does not fit, as in the middle of a renewal, is left alone
//! and tried again.

use crate::error::AdminError;
use axum_server::tls_openssl::OpenSSLConfig;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{AlpnError, SslAcceptor, SslMethod, select_next_proto};
use openssl::x509::X509;
use sallyport_config::model::TlsFiles;
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The listener's TLS side.
#[derive(Debug)]
pub(super) struct Tls {
    files: TlsFiles,
    config: OpenSSLConfig,
    /// Of the files as last seen, good or bad.
    seen: [u8; 32],
}

impl Tls {
    /// Reads the files.
    pub(super) fn load(files: &TlsFiles) -> Result<Self, AdminError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| AdminError::TlsFile { path: path.to_owned(), source })
        };
        let (cert, key) = (read(&files.cert)?, read(&files.key)?);
        let acceptor = acceptor(&cert, &key).map_err(|reason| AdminError::Tls {
            cert: files.cert.clone(),
            key: files.key.clone(),
            reason,
        })?;
        let config = OpenSSLConfig::from_acceptor(Arc::new(acceptor));
        Ok(Self { files: files.clone(), config, seen: digest(&cert, &key) })
    }

    /// Shares what new connections use.
    pub(super) fn config(&self) -> OpenSSLConfig {
        self.config.clone()
    }

    /// Follows the files for ever.
    pub(super) async fn keep_current(mut self) -> Infallible {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look().await;
        }
    }

    /// Takes new files into use; true if it did.
    async fn look(&mut self) -> bool {
        let (cert, key) = (tokio::fs::read(&self.files.cert).await, tokio::fs::read(&self.files.key).await);
        // A file that is missing for a moment is being replaced.
        let (Ok(cert), Ok(key)) = (cert, key) else { return false };
        let now = digest(&cert, &key);
        if now == self.seen {
            return false;
        }
        self.seen = now;
        let (cert_file, key_file) = (self.files.cert.display(), self.files.key.display());
        match acceptor(&cert, &key) {
            Ok(acceptor) => {
                self.config.reload_from_acceptor(Arc::new(acceptor));
                tracing::info!(cert = %cert_file, "admin service: new certificate in use");
                true
            }
            Err(reason) => {
                tracing::error!(cert = %cert_file, key = %key_file, reason, "admin service: keeps its old certificate");
                false
            }
        }
    }
}

fn digest(cert: &[u8], key: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((cert.len() as u64).to_be_bytes());
    hash.update(cert);
    hash.update(key);
    hash.finalize().into()
}

/// TLS 1.2 and 1.3 with Mozilla's intermediate settings, HTTP/1.1.
fn acceptor(cert: &[u8], key: &[u8]) -> Result<SslAcceptor, String> {
    let say = |what: &'static str| move |e: ErrorStack| format!("{what}: {e}");
    let mut chain = X509::stack_from_pem(cert).map_err(say("the certificate is not PEM"))?.into_iter();
    let leaf = chain.next().ok_or("the certificate file holds no certificate")?;
    // Without the callback OpenSSL would ask the terminal for the passphrase of an encrypted key.
    let key = PKey::private_key_from_pem_callback(key, |_| Ok(0))
        .map_err(say("the key is not an unencrypted PEM private key"))?;
    let build = || -> Result<SslAcceptor, ErrorStack> {
        let mut b = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        b.set_certificate(&leaf)?;
        for extra in chain {
            b.add_extra_chain_cert(extra)?;
        }
        b.set_private_key(&key)?;
        b.check_private_key()?;
        b.set_alpn_select_callback(|_, client| {
            select_next_proto(b"\x08http/1.1", client).ok_or(AlpnError::ALERT_FATAL)
        });
        Ok(b.build())
    };
    build().map_err(say("certificate and key do not belong together, or are too weak"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::asn1::Asn1Time;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::symm::Cipher;
    use openssl::x509::X509NameBuilder;

    fn pair() -> (Vec<u8>, PKey<openssl::pkey::Private>) {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "localhost").unwrap();
        let name = name.build();
        let mut b = X509::builder().unwrap();
        b.set_subject_name(&name).unwrap();
        b.set_issuer_name(&name).unwrap();
        b.set_pubkey(&key).unwrap();
        b.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        b.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
        b.sign(&key, MessageDigest::sha256()).unwrap();
        (b.build().to_pem().unwrap(), key)
    }

    #[tokio::test]
    async fn follows_its_files_and_survives_bad_ones() {
        let dir = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: dir.path().join("c.pem"), key: dir.path().join("k.pem") };
        let write = |cert: &[u8], key: &PKey<_>| {
            std::fs::write(&files.cert, cert).unwrap();
            std::fs::write(&files.key, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        };
        assert!(matches!(Tls::load(&files), Err(AdminError::TlsFile { .. })));
        let (one, two) = (pair(), pair());
        write(&one.0, &one.1);
        let mut tls = Tls::load(&files).unwrap();
        let first = Arc::as_ptr(&tls.config.get_inner());
        assert!(!tls.look().await, "nothing changed");

        write(&two.0, &one.1);
        assert!(!tls.look().await, "the key of another certificate");
        std::fs::remove_file(&files.key).unwrap();
        assert!(!tls.look().await);
        assert_eq!(Arc::as_ptr(&tls.config.get_inner()), first);

        write(&two.0, &two.1);
        assert!(tls.look().await);
        assert_ne!(Arc::as_ptr(&tls.config.get_inner()), first);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let (cert, key) = pair();
        let sealed = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret").unwrap();
        assert!(acceptor(&cert, &sealed).err().unwrap().contains("unencrypted"));
        assert!(acceptor(b"", &sealed).err().unwrap().contains("no certificate"));
        let other = pair().1.private_key_to_pem_pkcs8().unwrap();
        assert!(acceptor(&cert, &other).err().unwrap().contains("belong together"));
    }
}
