//! Certificates of our own: an authority, and servers with certificates that are right, for another name, or expired.

use openssl::pkey::PKey;
use openssl::ssl::{AlpnError, Ssl, SslAcceptor, SslMethod, select_next_proto};
use openssl::x509::X509;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// A new one that nobody knows yet.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Writes the authority's certificate into `directory`.
    pub(crate) fn write(&self, directory: &Path) -> PathBuf {
        let path = directory.join("authority.pem");
        std::fs::write(&path, &self.pem).unwrap();
        path
    }

    /// A server certificate for these names (or addresses), with the protocols it offers by ALPN.
    pub(crate) fn server(&self, names: &[&str], alpn: &[&str]) -> ServerTls {
        self.sign(names, alpn, false)
    }

    /// The same, expired long ago.
    pub(crate) fn expired_server(&self, names: &[&str]) -> ServerTls {
        self.sign(names, &["http/1.1"], true)
    }

    /// The same as PEM files in `directory`: certificate and key.
    pub(crate) fn server_files(&self, names: &[&str], directory: &Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.pem(names, false);
        let files = (directory.join("cert.pem"), directory.join("key.pem"));
        std::fs::write(&files.0, certificate).unwrap();
        std::fs::write(&files.1, key).unwrap();
        files
    }

    fn sign(&self, names: &[&str], alpn: &[&str], expired: bool) -> ServerTls {
        let (certificate, key) = self.pem(names, expired);
        ServerTls::new(certificate.as_bytes(), key.as_bytes(), alpn)
    }

    fn pem(&self, names: &[&str], expired: bool) -> (String, String) {
        let mut params =
            CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Test upstream");
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// What a TLS server needs.
#[derive(Clone)]
pub(crate) struct ServerTls {
    acceptor: SslAcceptor,
}

impl ServerTls {
    fn new(certificate: &[u8], key: &[u8], alpn: &[&str]) -> Self {
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        builder.set_certificate(&X509::from_pem(certificate).unwrap()).unwrap();
        builder.set_private_key(&PKey::private_key_from_pem(key).unwrap()).unwrap();
        let offered: Vec<u8> =
            alpn.iter().flat_map(|p| std::iter::once(p.len() as u8).chain(p.bytes())).collect();
        builder.set_alpn_select_callback(move |_, client| {
            // OpenSSL wants an answer that outlives the call: a part of the client's own list.
            let chosen = select_next_proto(&offered, client).ok_or(AlpnError::NOACK)?;
            client.windows(chosen.len()).find(|w| *w == chosen).ok_or(AlpnError::NOACK)
        });
        Self { acceptor: builder.build() }
    }

    /// The server's side of a handshake.
    pub(crate) async fn accept(&self, socket: TcpStream) -> std::io::Result<SslStream<TcpStream>> {
        let ssl = Ssl::new(self.acceptor.context()).map_err(std::io::Error::other)?;
        let mut stream = SslStream::new(ssl, socket).map_err(std::io::Error::other)?;
        Pin::new(&mut stream).accept().await.map_err(std::io::Error::other)?;
        Ok(stream)
    }
}
