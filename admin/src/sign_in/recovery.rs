//! Recovery codes: each opens once in the place of the second factor, for whoever has lost it.

use super::password;
use crate::problem::Problem;
use sallyport_schema::store::factor::CodeHash;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// How many there are.
const COUNT: usize = 10;

/// New ones: for their owner, and for the store. 100 random bits each: a plain hash is enough.
pub(super) fn make() -> Result<(Vec<String>, Vec<CodeHash>), Problem> {
    let codes = (0..COUNT).map(|_| password::temporary()).collect::<Result<Vec<_>, _>>()?;
    let hashes = codes.iter().map(|c| hash(c)).collect();
    Ok((codes.iter().map(|c| c.to_string()).collect(), hashes))
}

/// As it is kept; however it was typed.
pub(super) fn hash(code: &str) -> CodeHash {
    let plain = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase());
    let plain = Zeroizing::new(plain.collect::<String>());
    let mut hash = Sha256::new();
    hash.update("sallyport recovery code v1\0");
    hash.update(plain.as_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ten_that_differ_and_hold_100_bits() {
        let (codes, hashes) = make().unwrap();
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), 10);
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 10);
        // 20 letters of 32
        assert!(codes.iter().all(|c| c.len() == 23 && c.chars().filter(|c| *c != '-').count() == 20));
    }

    #[test]
    fn as_it_is_typed() {
        assert_eq!(hash("abcde-fghij"), hash(" ABCDE fghij\n"));
        assert_ne!(hash("abcde-fghij"), hash("abcde-fghik"));
    }
}
