//! Logout tokens (OpenID Connect Back-Channel Logout 1.0), and the bytes of JWTs.

use super::remote::{ALGORITHMS, LEEWAY, Metadata};
use super::{OidcError, told};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::CoreJwsSigningAlgorithm;
use openidconnect::{JsonWebKey as _, SignatureVerificationError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use time::OffsetDateTime;

/// The member of `events` that makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A token is not older than so many seconds.
const OLDEST: i64 = 600;
/// Longest token, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;

/// A logout token, not verified yet.
pub(super) struct LogoutToken {
    signed: String,
    signature: Vec<u8>,
    algorithm: CoreJwsSigningAlgorithm,
    kid: Option<String>,
    pub(super) claims: LogoutClaims,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// What it says.
#[derive(Deserialize)]
pub(super) struct LogoutClaims {
    iss: String,
    aud: Audience,
    iat: i64,
    exp: Option<i64>,
    pub(super) jti: String,
    events: Map<String, Value>,
    pub(super) sub: Option<String>,
    pub(super) sid: Option<String>,
    nonce: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn names(&self, client: &str) -> bool {
        match self {
            Self::One(one) => one == client,
            Self::Many(all) => all.iter().any(|a| a == client),
        }
    }
}

/// What is wrong with its signature.
pub(super) enum Unsigned {
    /// Other keys might help.
    Unknown(OidcError),
    /// Nothing helps.
    Wrong(OidcError),
}

impl LogoutToken {
    /// Reads it, and holds what it says against the rules (2.6): all but the signature, so that no key is asked for
    /// because of a token that is good for nothing anyhow.
    pub(super) fn read(text: &str, issuer: &str, client: &str) -> Result<Self, OidcError> {
        let bad = |why: &str| OidcError::Token(why.to_owned());
        let mut parts = text.split('.');
        let (Some(head), Some(body), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("it is no signed JWT"));
        };
        let header: Header = part(head)?;
        let algorithm = serde_json::from_value(header.alg.into()).ok().filter(|a| ALGORITHMS.contains(a));
        let algorithm = algorithm.ok_or_else(|| bad("its algorithm is not allowed"))?;
        let kind = header.typ.as_deref().map(str::to_ascii_lowercase);
        if !matches!(kind.as_deref(), None | Some("jwt" | "logout+jwt")) || header.crit.is_some() {
            return Err(bad("its header says that it is something else"));
        }
        let claims: LogoutClaims = part(body)?;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let wrong = [
            (claims.iss != issuer, "its issuer is another one"),
            (!claims.aud.names(client), "its audience is another one"),
            (claims.iat > now.saturating_add(LEEWAY), "it is from the future"),
            (claims.iat < now - OLDEST, "it is too old"),
            (claims.exp.is_some_and(|exp| exp <= now), "it has expired"),
            (!claims.events.get(EVENT).is_some_and(Value::is_object), "it is no logout token (events)"),
            (claims.nonce.is_some(), "it has a nonce: it is an ID token"),
            (claims.sub.is_none() && claims.sid.is_none(), "it names neither sub nor sid"),
            (claims.jti.is_empty() || claims.jti.len() > 1000, "it has no usable jti"),
        ];
        if let Some((_, why)) = wrong.iter().find(|(is, _)| *is) {
            return Err(bad(why));
        }
        if [&claims.sub, &claims.sid].into_iter().flatten().any(|t| t.contains('\0')) {
            return Err(bad("sub or sid cannot be"));
        }
        Ok(Self {
            signed: format!("{head}.{body}"),
            signature: URL_SAFE_NO_PAD.decode(signature).map_err(|_| bad("its signature is no base64url"))?,
            algorithm,
            kid: header.kid,
            claims,
        })
    }

    /// Whether one of the provider's keys has signed it.
    pub(super) fn verify(&self, metadata: &Metadata) -> Result<(), Unsigned> {
        let mut why = None;
        for key in metadata.jwks().keys() {
            if self.kid.is_some() && key.key_id().map(|id| id.as_str()) != self.kid.as_deref() {
                continue;
            }
            // the key's own type, use and algorithm are held against the token's by the crate
            match key.verify_signature(&self.algorithm, self.signed.as_bytes(), &self.signature) {
                Ok(()) => return Ok(()),
                Err(e) => why = Some(e),
            }
        }
        Err(match why {
            None => Unsigned::Unknown(OidcError::Token("no key of the provider has its kid".to_owned())),
            Some(e @ SignatureVerificationError::CryptoError(_)) => {
                Unsigned::Unknown(OidcError::Token(told(&format!("signature: {e}"))))
            }
            Some(e) => Unsigned::Wrong(OidcError::Token(told(&format!("signature: {e}")))),
        })
    }

    /// How long one like it could be good.
    pub(super) fn until(&self) -> OffsetDateTime {
        let end = self.claims.iat.saturating_add(OLDEST + LEEWAY);
        OffsetDateTime::from_unix_timestamp(end).unwrap_or_else(|_| OffsetDateTime::now_utc())
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, OidcError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| OidcError::Token("it is no JWT".to_owned()))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| OidcError::Token(told(&format!("it does not say what it must: {e}"))))
}

/// The claims of a JWT whose signature was verified.
pub(super) fn payload(jwt: &str) -> Result<Map<String, Value>, OidcError> {
    part(jwt.split('.').nth(1).unwrap_or_default())
}
