//! Signature Version 4 <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>, by AWS's own crate.
//! Sans-I/O: what is to be sent goes in, the headers to add come out.

use aws_credential_types::Credentials as Keys;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use http::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use std::time::SystemTime;

/// An access key. Its secret never appears in `Debug`.
#[derive(Clone, Debug)]
pub struct Credentials(Keys);

impl Credentials {
    /// A long-lived key, or, with a session token, a temporary one.
    pub fn new(
        access_key: impl Into<String>,
        secret: impl Into<String>,
        session_token: Option<String>,
    ) -> Self {
        Self(Keys::new(access_key, secret, session_token, None, "sallyport"))
    }
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `POST`.
    pub method: &'a str,
    /// As in the `host` header: with the port, if it is not the scheme's usual one.
    pub host: &'a str,
    /// As it is sent: percent-encoded once.
    pub path: &'a str,
    /// As it is sent, without `?`.
    pub query: Option<&'a str>,
    /// Headers to be signed beside `host`: those that nothing on the way changes (`content-type`, `x-amzn-…`).
    pub headers: &'a [(&'a str, &'a str)],
    /// SHA-256 of the body, see [`body_hash`].
    pub body_hash: &'a str,
}

/// Why something cannot be signed: nothing that a well-formed request meets.
#[derive(Debug, thiserror::Error)]
#[error("the request cannot be signed for AWS: {0}")]
pub struct SignError(String);

/// SHA-256 of a body, in hexadecimal digits.
pub fn body_hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// The headers to add: `x-amz-date`, `authorization`, and `x-amz-security-token` for a temporary key. `service` is
/// `bedrock` for the Bedrock runtime.
///
/// # Errors
/// A path, query or header that no HTTP request can have.
pub fn sign_request(
    request: &Request<'_>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    time: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
    let fail = |e: &dyn std::fmt::Display| SignError(e.to_string());
    let Request { method, host, path, query, headers, body_hash } = *request;
    let mut uri = format!("https://{host}{path}");
    if let Some(query) = query {
        uri.push('?');
        uri.push_str(query);
    }
    let identity = credentials.0.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(time)
        // The defaults are what all services but S3 want: the path normalised and encoded once more.
        .settings(SigningSettings::default())
        .build()
        .map_err(|e| fail(&e))?
        .into();
    // `host` is taken from the URI.
    let body = SignableBody::Precomputed(body_hash.to_owned());
    let signable = SignableRequest::new(method, uri, headers.iter().copied(), body).map_err(|e| fail(&e))?;
    let (added, _) = sign(signable, &params).map_err(|e| fail(&e))?.into_parts().0.into_parts();
    let headers = added.iter().map(|h| {
        let name = HeaderName::from_bytes(h.name().as_bytes()).map_err(|e| fail(&e))?;
        let mut value = HeaderValue::from_str(h.value()).map_err(|e| fail(&e))?;
        value.set_sensitive(h.sensitive());
        Ok((name, value))
    });
    headers.collect()
}

#[cfg(test)]
mod tests;
