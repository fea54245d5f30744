//! Virtual keys: `sp-` + 30 random characters + 6 characters of checksum, all base 62.
//!
//! 30 characters hold 178 bits. The checksum (CRC-32 of all before it, as in GitHub's token format) refuses a typo,
//! a truncated paste or another product's key without a look-up; it protects nothing. Stored is the SHA-256 of the
//! whole secret: without salt or stretching, since nobody can guess 178 bits, and a look-up by hash needs no secret
//! comparison.

use crate::model::Secret;
use crate::snapshot::KeyHash;
use sha2::{Digest, Sha256};

const PREFIX: &str = "sp-";
const RANDOM: usize = 30;
const CHECK: usize = 6;
const LEN: usize = PREFIX.len() + RANDOM + CHECK;
/// Characters of the secret that may be shown.
const SHOWN: usize = PREFIX.len() + 8;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Why a text is not a virtual key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It does not begin with `sp-`.
    #[error("not a Sallyport key (it does not begin with sp-)")]
    Prefix,
    /// Too short or too long.
    #[error("a key of the wrong length")]
    Length,
    /// A character that is not a letter or digit.
    #[error("a key with a character that none has")]
    Alphabet,
    /// A typo.
    #[error("a key with a wrong checksum (a typo?)")]
    Checksum,
    /// The system has no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// A new virtual key. The secret is shown to its owner once and never stored.
#[derive(Clone, Debug)]
pub struct VirtualKey {
    /// The whole key.
    pub secret: Secret,
    /// `sp-` and the first 8 characters, for display.
    pub prefix: String,
    /// What is stored.
    pub hash: KeyHash,
}

impl VirtualKey {
    /// A key of fresh random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        let mut text = String::with_capacity(LEN);
        text.push_str(PREFIX);
        // Bytes past the last multiple of 62 would favour the first characters: thrown away.
        let mut bytes = [0_u8; 64];
        while text.len() < PREFIX.len() + RANDOM {
            getrandom::fill(&mut bytes)?;
            let fair = bytes.iter().filter(|b| **b < 248).map(|b| char::from(ALPHABET[usize::from(*b) % 62]));
            text.extend(fair.take(PREFIX.len() + RANDOM - text.len()));
        }
        let check = checksum(text.as_bytes());
        text.extend(check.iter().map(|c| char::from(*c)));
        let prefix = text[..SHOWN].to_owned();
        let hash = hash(&text);
        Ok(Self { secret: Secret::new(text), prefix, hash })
    }

    /// The hash of a well-formed key: what the snapshot is asked for.
    pub fn parse(text: &str) -> Result<KeyHash, KeyError> {
        let rest = text.strip_prefix(PREFIX).ok_or(KeyError::Prefix)?;
        if text.len() != LEN {
            return Err(KeyError::Length);
        }
        if !rest.bytes().all(|c| c.is_ascii_alphanumeric()) {
            return Err(KeyError::Alphabet);
        }
        let (body, check) = text.as_bytes().split_at(LEN - CHECK);
        if check != checksum(body) {
            return Err(KeyError::Checksum);
        }
        Ok(hash(text))
    }

    /// What may be shown of a presented credential: the prefix of a well-formed key, nothing of anything else
    /// (it may be the secret of another service).
    pub fn display_prefix(text: &str) -> Option<&str> {
        Self::parse(text).ok().and_then(|_| text.get(..SHOWN))
    }
}

fn hash(text: &str) -> KeyHash {
    Sha256::digest(text.as_bytes()).into()
}

/// CRC-32 in base 62, the least significant digit last.
fn checksum(body: &[u8]) -> [u8; CHECK] {
    let mut n = crc32fast::hash(body) as usize;
    let mut out = [b'0'; CHECK];
    for c in out.iter_mut().rev() {
        *c = ALPHABET[n % 62];
        n /= 62;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_new_key_is_well_formed_and_unique() {
        let keys: Vec<_> = (0..1000).map(|_| VirtualKey::generate().unwrap()).collect();
        let hashes: HashSet<_> = keys.iter().map(|k| k.hash).collect();
        assert_eq!(hashes.len(), 1000);
        for k in &keys {
            let text = k.secret.expose();
            assert_eq!(VirtualKey::parse(text), Ok(k.hash));
            assert_eq!(text.len(), 39);
            assert!(text.starts_with(&k.prefix) && k.prefix.len() == 11);
            assert!(!format!("{k:?}").contains(text), "a secret is never shown");
        }
        // All 62 characters turn up among 30 000: chance of a miss below 1e-200.
        let seen: HashSet<_> = keys.iter().flat_map(|k| k.secret.expose()[3..33].bytes()).collect();
        assert_eq!(seen.len(), 62);
    }

    /// The checksum, computed elsewhere (Python: zlib.crc32), so that the format cannot change unseen.
    #[test]
    fn the_format_is_fixed() {
        let key = "sp-000000000000000000000000000000";
        let full = format!("{key}{}", String::from_utf8(checksum(key.as_bytes()).to_vec()).unwrap());
        assert!(VirtualKey::parse(&full).is_ok(), "{full}");
        assert_eq!(full, "sp-0000000000000000000000000000000bfYKf");
    }

    #[test]
    fn other_texts_are_refused_without_a_look_up() {
        for (text, want) in [
            ("", KeyError::Prefix),
            ("sk-proj-abc", KeyError::Prefix),
            ("sp-", KeyError::Length),
            ("sp-00000000000000000000000000000-000000", KeyError::Alphabet),
            ("sp-000000000000000000000000000000000000", KeyError::Checksum),
        ] {
            assert_eq!(VirtualKey::parse(text), Err(want), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_typo_is_refused(at in 3_usize..39, c in "[0-9A-Za-z]") {
            let key = VirtualKey::generate().unwrap();
            let mut text = key.secret.expose().to_owned();
            prop_assume!(text[at..=at] != c);
            text.replace_range(at..=at, &c);
            prop_assert_eq!(VirtualKey::parse(&text), Err(KeyError::Checksum));
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = VirtualKey::parse(&text);
            let _ = VirtualKey::display_prefix(&text);
        }
    }
}
