//! Access tokens: JWTs (RFC 7519), HS256, good for 15 minutes. The first key signs, all verify: so keys can be changed
//! without signing anybody out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::crypto::{CryptoProvider, JwkUtils, JwtSigner, JwtVerifier};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use sallyport_config::model::SessionRules;
use sallyport_schema::envelope::KeyRing;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

/// How long an access token is good.
pub(crate) const LIFE: Duration = Duration::from_secs(15 * 60);
/// What the key is derived for.
const LABEL: &str = "sallyport admin session v1";
const ISSUER: &str = "sallyport";
const AUDIENCE: &str = "sallyport-admin";
/// Longest token that is looked at, in bytes.
const LONGEST: usize = 2048;
/// Clocks of two instances may differ by so many seconds.
const LEEWAY: u64 = 5;

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The user.
    pub(crate) sub: Uuid,
    /// The session.
    pub(crate) sid: Uuid,
    /// The user's epoch.
    pub(crate) epoch: i64,
    iat: i64,
    exp: i64,
    iss: String,
    aud: String,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It was good.
    Expired,
    /// It is not one of ours.
    Wrong,
}

struct Key {
    raw: Zeroizing<[u8; 32]>,
    signs: EncodingKey,
    verifies: DecodingKey,
}

/// Makes and checks access tokens.
pub(crate) struct Tokens(Vec<Key>);

impl Tokens {
    /// With the configured secrets, or keys made from the master keys.
    pub(crate) fn new(rules: &SessionRules, ring: &KeyRing) -> Self {
        // the first one stays; in this process there is no other
        let _ = PROVIDER.install_default();
        let raw: Vec<Zeroizing<[u8; 32]>> = if rules.secrets.is_empty() {
            std::iter::once(&ring.current).chain(&ring.previous).map(|k| k.derive(LABEL)).collect()
        } else {
            let derive = |secret: &sallyport_config::model::Secret| {
                let mut hash = Sha256::new();
                hash.update(LABEL);
                hash.update([0]);
                hash.update(secret.expose());
                Zeroizing::new(hash.finalize().into())
            };
            rules.secrets.iter().map(derive).collect()
        };
        let key = |raw: Zeroizing<[u8; 32]>| Key {
            signs: EncodingKey::from_secret(&*raw),
            verifies: DecodingKey::from_secret(&*raw),
            raw,
        };
        Self(raw.into_iter().map(key).collect())
    }

    /// A token for a session that ends at `until` at the latest. None: it cannot be made.
    pub(crate) fn issue(
        &self,
        user: Uuid,
        session: Uuid,
        epoch: i64,
        until: OffsetDateTime,
    ) -> Option<String> {
        let now = OffsetDateTime::now_utc();
        let exp = (now + LIFE).min(until).unix_timestamp();
        let claims = Claims {
            sub: user,
            sid: session,
            epoch,
            iat: now.unix_timestamp(),
            exp,
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
        };
        let made = encode(&Header::new(Algorithm::HS256), &claims, &self.0.first()?.signs);
        made.inspect_err(|error| tracing::error!(%error, "an access token could not be made")).ok()
    }

    /// What the token says, if it is ours and good.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, Refused> {
        if token.len() > LONGEST {
            return Err(Refused::Wrong);
        }
        let mut rules = Validation::new(Algorithm::HS256);
        rules.leeway = LEEWAY;
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        for key in &self.0 {
            match decode::<Claims>(token, &key.verifies, &rules) {
                Ok(data) => return Ok(data.claims),
                Err(e) if *e.kind() == ErrorKind::InvalidSignature => {}
                Err(e) if *e.kind() == ErrorKind::ExpiredSignature => return Err(Refused::Expired),
                Err(_) => return Err(Refused::Wrong),
            }
        }
        Err(Refused::Wrong)
    }

    /// What the header `x-csrf-token` of this session must hold.
    pub(crate) fn csrf(&self, session: Uuid) -> String {
        self.0.first().map(|k| URL_SAFE_NO_PAD.encode(csrf(k, session))).unwrap_or_default()
    }

    /// Whether it does.
    pub(crate) fn csrf_matches(&self, session: Uuid, given: &[u8]) -> bool {
        let Ok(given) = URL_SAFE_NO_PAD.decode(given) else { return false };
        self.0.iter().any(|k| bool::from(csrf(k, session).as_slice().ct_eq(&given)))
    }
}

fn csrf(key: &Key, session: Uuid) -> Vec<u8> {
    let said = [b"csrf\0".as_slice(), session.as_bytes()].concat();
    mac(&*key.raw).map(|mac| mac.chain_update(said).finalize().into_bytes().to_vec()).unwrap_or_default()
}

/// jsonwebtoken leaves the cryptography to a provider. This one knows HS256 and nothing else, so that no token can ask
/// for another algorithm.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.try_get_hmac_secret()?)?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.try_get_hmac_secret()?)?)),
    jwk_utils: JwkUtils::new_unimplemented(),
};

struct Hs256(Hmac<Sha256>);

fn mac(key: &[u8]) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(key).ok()
}

impl Hs256 {
    fn new(algorithm: Algorithm, key: &[u8]) -> jsonwebtoken::errors::Result<Self> {
        if algorithm != Algorithm::HS256 {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        mac(key).map(Self).ok_or_else(|| ErrorKind::InvalidKeyFormat.into())
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.clone().chain_update(message).verify_slice(signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests;
