//! The assertion of a service account: a JWT (RFC 7523), signed with RS256. By OpenSSL, which is here anyway: making
//! one of a known form needs no library for all that JWTs can be.

use super::super::AuthError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey};
use openssl::sign::Signer;
use sallyport_config::google::ServiceAccount;
use serde_json::json;
use time::OffsetDateTime;

/// Google allows at most an hour.
const LIFE: i64 = 3600;

/// An assertion for the service account's token endpoint.
pub(super) fn assertion(account: &ServiceAccount, scope: &str) -> Result<String, AuthError> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let mut header = json!({ "alg": "RS256", "typ": "JWT" });
    if let (Some(id), Some(header)) = (&account.private_key_id, header.as_object_mut()) {
        header.insert("kid".into(), id.as_str().into());
    }
    let claims = json!({
        "iss": account.client_email,
        "scope": scope,
        "aud": account.token_uri.as_str(),
        "iat": now,
        "exp": now + LIFE,
    });
    let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let signature = sign(account.private_key.expose(), signed.as_bytes())?;
    Ok(format!("{signed}.{}", BASE64.encode(signature)))
}

fn sign(pem: &str, message: &[u8]) -> Result<Vec<u8>, AuthError> {
    // Not OpenSSL's own words: they say much, and nothing to an operator.
    let bad = || AuthError::Setup("the service account's `private_key` is not an RSA key in PEM".into());
    let key = PKey::private_key_from_pem(pem.as_bytes()).map_err(|_| bad())?;
    if key.id() != Id::RSA {
        return Err(bad());
    }
    let mut signer = Signer::new(MessageDigest::sha256(), &key).map_err(|_| bad())?;
    signer.sign_oneshot_to_vec(message).map_err(|_| bad())
}
