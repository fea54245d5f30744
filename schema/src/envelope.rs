//! Envelopes of secrets at rest: AES-256-GCM under a master key that is not in the database.
//!
//! ```text
//! version 1 │ key id (8) │ nonce (12) │ ciphertext and tag (n + 16)
//! ```
//! The AAD names the row and column (`providers/<id>/api_key`), so that an envelope copied into another row does not
//! open there. Nonces are random: below 2³² seals a key the risk of a repetition is under 2⁻³² (NIST SP 800-38D, 8.3),
//! and a gateway seals a secret when a person changes one.

mod columns;
mod master;

pub use columns::{
    OIDC_CLIENT_SECRET, OIDC_ID_TOKEN, PROVIDER_API_KEY, PROVIDER_SECRETS, RESPONSE_CONTENT, RESPONSE_EVENTS,
    SEALED, SealedColumn, USER_TOTP, USER_TOTP_PENDING, WAITING_SECRET,
};
pub use master::{KeyFileError, KeyId, MasterKey};

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce};
use zeroize::Zeroizing;

/// First byte of an envelope.
const VERSION: u8 = 1;
const ID: usize = 8;
const NONCE: usize = 12;
const TAG: usize = 16;
const HEAD: usize = 1 + ID + NONCE;

/// Why an envelope was not made or not opened. None of these holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not as long as the shortest envelope.
    #[error("{0} bytes are too few for an envelope: it is cut off or not one")]
    TooShort(usize),
    /// Made by a newer Sallyport, or not an envelope.
    #[error("envelope version {0} is not known: it was made by a newer sallyport, or it is not an envelope")]
    UnknownVersion(u8),
    /// Sealed with a key that is not at hand.
    #[error("sealed with master key {0}, which is not among the configured ones: add it as a previous key")]
    UnknownKey(KeyId),
    /// Changed, or taken from another row.
    #[error("the envelope does not open: its bytes were changed, or it belongs to another row")]
    NotAuthentic,
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system: {0}")]
    NoRandom(String),
    /// The cipher refused to encrypt (a plaintext beyond 64 GiB).
    #[error("the secret is too large to seal")]
    TooLarge,
}

/// The keys that open envelopes; the current one seals.
#[derive(Clone, Debug)]
pub struct KeyRing {
    /// Seals, and opens.
    pub current: MasterKey,
    /// Open only, until everything is sealed anew.
    pub previous: Vec<MasterKey>,
}

impl KeyRing {
    /// A ring of one key.
    pub fn new(current: MasterKey) -> Self {
        Self { current, previous: Vec::new() }
    }

    /// Seals `plaintext` for the place that `aad` names.
    pub fn seal(&self, aad: &str, plaintext: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|e| EnvelopeError::NoRandom(e.to_string()))?;
        let msg = Payload { msg: plaintext, aad: &bound_aad(aad) };
        let sealed =
            cipher(&self.current).encrypt(&Nonce::from(nonce), msg).map_err(|_| EnvelopeError::TooLarge)?;
        let mut envelope = Vec::with_capacity(HEAD + sealed.len());
        envelope.push(VERSION);
        envelope.extend_from_slice(&self.current.id().0);
        envelope.extend_from_slice(&nonce);
        envelope.extend_from_slice(&sealed);
        Ok(envelope)
    }

    /// Opens an envelope that was sealed for the same place. What it returns wipes itself when dropped.
    pub fn open(&self, aad: &str, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let id = key_id(envelope)?;
        let key = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|key| key.id() == id)
            .ok_or(EnvelopeError::UnknownKey(id))?;
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&envelope[1 + ID..HEAD]);
        let msg = Payload { msg: &envelope[HEAD..], aad: &bound_aad(aad) };
        let plaintext =
            cipher(key).decrypt(&Nonce::from(nonce), msg).map_err(|_| EnvelopeError::NotAuthentic)?;
        Ok(Zeroizing::new(plaintext))
    }

    /// Whether it should be sealed anew: it was not sealed with the current key (or is no envelope at all).
    pub fn needs_rekey(&self, envelope: &[u8]) -> bool {
        key_id(envelope) != Ok(self.current.id())
    }
}

/// The version is authenticated with the rest, so that an envelope cannot be passed off as one of another version.
fn bound_aad(aad: &str) -> Vec<u8> {
    let mut bound = Vec::with_capacity(1 + aad.len());
    bound.push(VERSION);
    bound.extend_from_slice(aad.as_bytes());
    bound
}

fn cipher(key: &MasterKey) -> Aes256Gcm {
    Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key.bytes()))
}

/// Checks length and version; the id of the key that sealed it.
fn key_id(envelope: &[u8]) -> Result<KeyId, EnvelopeError> {
    match envelope.first() {
        Some(&VERSION) if envelope.len() >= HEAD + TAG => {
            let mut id = [0; ID];
            id.copy_from_slice(&envelope[1..1 + ID]);
            Ok(KeyId(id))
        }
        Some(&VERSION) | None => Err(EnvelopeError::TooShort(envelope.len())),
        Some(&other) => Err(EnvelopeError::UnknownVersion(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring() -> KeyRing {
        KeyRing::new(MasterKey::generate().unwrap())
    }

    #[test]
    fn a_secret_comes_back_in_its_own_row_only() {
        let ring = ring();
        let sealed = ring.seal("providers/1/api_key", b"sk-secret").unwrap();
        assert!(!sealed.windows(9).any(|w| w == b"sk-secret"));
        assert_eq!(&**ring.open("providers/1/api_key", &sealed).unwrap(), b"sk-secret");
        assert_eq!(ring.open("providers/2/api_key", &sealed), Err(EnvelopeError::NotAuthentic));
        assert_ne!(sealed, ring.seal("providers/1/api_key", b"sk-secret").unwrap(), "nonces differ");
    }

    #[test]
    fn rekeying_opens_the_old_and_seals_the_new() {
        let old = ring();
        let sealed = old.seal("a", b"secret").unwrap();
        assert!(!old.needs_rekey(&sealed));
        let mut new = ring();
        assert_eq!(new.open("a", &sealed), Err(EnvelopeError::UnknownKey(old.current.id())));
        new.previous.push(old.current);
        assert!(new.needs_rekey(&sealed));
        let again = new.seal("a", &new.open("a", &sealed).unwrap()).unwrap();
        assert!(!new.needs_rekey(&again));
        assert!(new.needs_rekey(b"plain text"));
    }

    #[test]
    fn a_known_envelope_still_opens() {
        // fixed key, nonce and text: the format is a promise to databases that exist
        let key = MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let envelope = hex::decode(KNOWN).unwrap();
        assert_eq!(&**KeyRing::new(key).open("providers/x/api_key", &envelope).unwrap(), b"sk-known");
    }

    /// Made with Node's crypto module: key 00…1f, nonce of 0x42.
    const KNOWN: &str =
        "0138a27c664f8c2cd742424242424242424242424269f754ade3ead282585e4f4587065c0bbb40c2aabb037a0d";

    proptest! {
        #[test]
        fn whatever_was_sealed_opens(text: Vec<u8>, aad: String) {
            let ring = ring();
            let sealed = ring.seal(&aad, &text).unwrap();
            prop_assert_eq!(sealed.len(), text.len() + HEAD + TAG);
            prop_assert_eq!(&**ring.open(&aad, &sealed).unwrap(), &text);
        }

        #[test]
        fn a_cut_or_flipped_envelope_never_opens(
            text: Vec<u8>,
            at: proptest::sample::Index,
            bit in 0u8..8,
            cut: bool,
        ) {
            let ring = ring();
            let mut sealed = ring.seal("a", &text).unwrap();
            let at = at.index(sealed.len());
            if cut { sealed.truncate(at) } else { sealed[at] ^= 1 << bit }
            prop_assert!(ring.open("a", &sealed).is_err());
        }

        #[test]
        fn rubbish_is_an_error_and_no_panic(bytes: Vec<u8>) {
            prop_assert!(ring().open("a", &bytes).is_err());
        }
    }
}
