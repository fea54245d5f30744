//! Passkeys (WebAuthn level 2) with webauthn-rs: user verification is required, so that a passkey is two factors in one.
//!
//! The challenge of a sign-in stays with the browser, in a cookie that we have authenticated and that is good for five
//! minutes: nobody fills a table with challenges that nobody answers, and any instance can take the answer. That it is
//! answered once only, the store sees to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sallyport_schema::envelope::KeyRing;
use sallyport_schema::store::passkeys::PasskeyRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use time::OffsetDateTime;
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    CredentialID, DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};
use zeroize::Zeroizing;

/// How long a challenge is good.
pub(super) const LIFE: Duration = Duration::from_secs(5 * 60);
/// What the key of the cookie is derived for.
const LABEL: &str = "sallyport passkey challenge v1";
/// Longest cookie that is looked at, in bytes.
const LONGEST: usize = 4096;

/// Why a ceremony failed; for the log and the trail.
#[derive(Debug, thiserror::Error)]
pub(super) enum CeremonyError {
    /// The credential is no credential.
    #[error("not a credential: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It does not prove what it should.
    #[error("{0}")]
    Refused(#[from] WebauthnError),
    /// The cookie is missing, too old, or not ours.
    #[error("the challenge is over or is not of this browser")]
    Over,
}

/// Makes challenges and checks answers.
pub(crate) struct Passkeys {
    webauthn: Webauthn,
    keys: Vec<Zeroizing<[u8; 32]>>,
}

/// A challenge on its way.
#[derive(Serialize, Deserialize)]
struct Held {
    until: i64,
    state: DiscoverableAuthentication,
}

/// An answer to a challenge that is ours, unchecked.
pub(super) struct Answered {
    answer: PublicKeyCredential,
    state: DiscoverableAuthentication,
    /// SHA-256 of the challenge.
    pub(super) challenge: [u8; 32],
    /// The user that the authenticator names.
    pub(super) user: Uuid,
    /// The credential that it names.
    pub(super) credential_id: Vec<u8>,
}

impl Passkeys {
    /// For the pages of this URL; None: there are none. The configuration has been checked.
    pub(super) fn new(url: Option<&str>, ring: &KeyRing) -> Option<Self> {
        let url = Url::parse(url?).inspect_err(|error| off(error)).ok()?;
        let built = WebauthnBuilder::new(url.domain()?, &url).map(|b| b.rp_name("Sallyport").timeout(LIFE));
        let webauthn = built.and_then(WebauthnBuilder::build).inspect_err(|error| off(error)).ok()?;
        let keys = std::iter::once(&ring.current).chain(&ring.previous).map(|k| k.derive(LABEL)).collect();
        Some(Self { webauthn, keys })
    }

    /// Begins a registration: what the browser gets, and what is kept.
    pub(super) fn register(
        &self,
        user: Uuid,
        (email, name): (&str, &str),
        has: &[PasskeyRow],
    ) -> Result<(Value, Value), CeremonyError> {
        let has: Vec<CredentialID> = has.iter().map(|p| p.credential_id.clone().into()).collect();
        let (challenge, state) = self.webauthn.start_passkey_registration(user, email, name, Some(has))?;
        let mut challenge = serde_json::to_value(challenge)?;
        // a passkey that the authenticator finds without an account being named, or signing in needs the password
        if let Some(wish) = challenge.pointer_mut("/publicKey/authenticatorSelection") {
            wish["residentKey"] = "required".into();
            wish["requireResidentKey"] = true.into();
        }
        Ok((challenge, serde_json::to_value(state)?))
    }

    /// Ends a registration: id of the credential, and the credential.
    pub(super) fn registered(&self, answer: Value, state: Value) -> Result<(Vec<u8>, Value), CeremonyError> {
        let answer: RegisterPublicKeyCredential = serde_json::from_value(answer)?;
        let state: PasskeyRegistration = serde_json::from_value(state)?;
        let passkey = self.webauthn.finish_passkey_registration(&answer, &state)?;
        Ok((passkey.cred_id().to_vec(), serde_json::to_value(&passkey)?))
    }

    /// Begins a sign-in: what the browser gets, and the cookie.
    pub(super) fn challenge(&self) -> Result<(Value, String), CeremonyError> {
        let (mut challenge, state) = self.webauthn.start_discoverable_authentication()?;
        // the page knows whether it asks with a button or in the form's own list
        challenge.mediation = None;
        let until = (OffsetDateTime::now_utc() + LIFE).unix_timestamp();
        let held = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Held { until, state })?);
        let mac = self.keys.first().and_then(|k| mac(k, held.as_bytes())).ok_or(CeremonyError::Over)?;
        let mac = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        Ok((serde_json::to_value(challenge)?, format!("{held}.{mac}")))
    }

    /// What the browser answers to the challenge in its cookie.
    pub(super) fn answered(&self, cookie: Option<&str>, answer: Value) -> Result<Answered, CeremonyError> {
        let (held, given) = cookie
            .filter(|c| c.len() <= LONGEST)
            .and_then(|c| c.split_once('.'))
            .ok_or(CeremonyError::Over)?;
        let given = URL_SAFE_NO_PAD.decode(given).map_err(|_| CeremonyError::Over)?;
        let ours = |k| mac(k, held.as_bytes()).is_some_and(|m| m.verify_slice(&given).is_ok());
        if !self.keys.iter().any(ours) {
            return Err(CeremonyError::Over);
        }
        let read = URL_SAFE_NO_PAD.decode(held).map_err(|_| CeremonyError::Over)?;
        let Held { until, state } = serde_json::from_slice(&read)?;
        if until <= OffsetDateTime::now_utc().unix_timestamp() {
            return Err(CeremonyError::Over);
        }
        let answer: PublicKeyCredential = serde_json::from_value(answer)?;
        let (user, credential_id) = self.webauthn.identify_discoverable_authentication(&answer)?;
        let credential_id = credential_id.to_vec();
        Ok(Answered { answer, state, challenge: Sha256::digest(held).into(), user, credential_id })
    }

    /// Checks an answer against the passkey that it names: the counter that it shows, and the credential as it is now.
    pub(super) fn verify(&self, answered: Answered, has: &Value) -> Result<(u32, Value), CeremonyError> {
        let mut passkey: Passkey = serde_json::from_value(has.clone())?;
        let keys = [DiscoverableKey::from(&passkey)];
        let Answered { answer, state, .. } = answered;
        let result = self.webauthn.finish_discoverable_authentication(&answer, state, &keys)?;
        if !result.user_verified() {
            return Err(WebauthnError::UserNotVerified.into());
        }
        passkey.update_credential(&result);
        Ok((result.counter(), serde_json::to_value(&passkey)?))
    }
}

fn mac(key: &Zeroizing<[u8; 32]>, text: &[u8]) -> Option<Hmac<Sha256>> {
    Some(Hmac::<Sha256>::new_from_slice(&**key).ok()?.chain_update(text))
}

fn off(error: &dyn std::fmt::Display) {
    tracing::error!(%error, "admin.public_url cannot be used for passkeys: they are off");
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_schema::envelope::MasterKey;

    fn ring() -> KeyRing {
        KeyRing::new(MasterKey::generate().unwrap())
    }

    #[test]
    fn passkeys_need_a_name_that_browsers_know() {
        for none in [None, Some("https://192.0.2.1"), Some("https://[::1]"), Some("sallyport.corp")] {
            assert!(Passkeys::new(none, &ring()).is_none(), "{none:?}");
        }
        assert!(Passkeys::new(Some("https://sallyport.corp:3001"), &ring()).is_some());
        assert!(Passkeys::new(Some("http://localhost:3001"), &ring()).is_some());
    }

    #[test]
    fn a_challenge_is_good_for_five_minutes() {
        let passkeys = Passkeys::new(Some("https://sallyport.corp"), &ring()).unwrap();
        let (_, good) = passkeys.challenge().unwrap();
        assert!(good.len() < LONGEST / 2, "{}", good.len());
        let made = |until| {
            let held = good.split_once('.').unwrap().0;
            let mut held: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(held).unwrap()).unwrap();
            held["until"] = until;
            let held = URL_SAFE_NO_PAD.encode(held.to_string());
            let mac = mac(&passkeys.keys[0], held.as_bytes()).unwrap().finalize().into_bytes();
            format!("{held}.{}", URL_SAFE_NO_PAD.encode(mac))
        };
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let why = |cookie: &str| passkeys.answered(Some(cookie), Value::Null).map(drop).unwrap_err();
        assert!(
            matches!(why(&made((now + 60).into())), CeremonyError::Malformed(_)),
            "the answer is looked at"
        );
        assert!(matches!(why(&good), CeremonyError::Malformed(_)));
        assert!(matches!(why(&made((now - 1).into())), CeremonyError::Over));
    }
}
