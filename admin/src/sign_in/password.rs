//! Passwords: what a good one is, and argon2id.
//!
//! Parameters are OWASP's first choice (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane.

use argon2::password_hash::{PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use sallyport_config::model::PasswordRules;
use zeroize::Zeroizing;

/// Longest password, in characters.
pub const LONGEST: usize = 256;
/// So many characters must be left when the words that everybody knows are taken out.
const OWN: usize = 6;
/// A phrase of this length may be made of them.
const PHRASE: usize = 24;
/// Words that everybody knows, a line each.
const COMMON: &str = include_str!("common.txt");
/// Opens to nothing: for accounts that do not exist, so that they take as long as those that do.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsbHlwb3J0LW5vYm9keQ$Zm9yLWFjY291bnRzLXRoYXQtZG8tbm90LWV4aXN0MDA";

/// Why a password is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too few characters.
    #[error("the password needs at least {0} characters")]
    TooShort(usize),
    /// Too many characters.
    #[error("a password may have at most {LONGEST} characters")]
    TooLong,
    /// In the list, or made of what the list and the account hold.
    #[error(
        "the password is too easy to guess: it is made of common words, of rows of characters, or of name, e-mail \
         address or site; take several words that do not belong together"
    )]
    Common,
    /// argon2 or the system's random numbers failed.
    #[error("the password could not be hashed: {0}")]
    Failed(String),
}

/// What a password must be.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    least: usize,
}

impl Policy {
    /// As configured.
    pub fn of(rules: &PasswordRules) -> Self {
        Self { least: usize::try_from(rules.min_length).unwrap_or(LONGEST) }
    }

    /// Checks a new password. `about`: name, e-mail address and what else a guesser would try for this account.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn check(self, password: &str, about: &[&str]) -> Result<(), PasswordError> {
        let count = password.chars().count();
        if count < self.least {
            return Err(PasswordError::TooShort(self.least));
        }
        if count > LONGEST {
            return Err(PasswordError::TooLong);
        }
        let lower = password.to_lowercase();
        let mut distinct: Vec<char> = lower.chars().collect();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() < 6 {
            return Err(PasswordError::Common);
        }
        let about: Vec<String> = about
            .iter()
            .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
            .filter(|word| word.chars().count() >= 4)
            .map(str::to_lowercase)
            .collect();
        let mut words: Vec<&str> = COMMON
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .chain(about.iter().map(String::as_str))
            .collect();
        words.sort_by_key(|w| std::cmp::Reverse(w.len()));
        let own = |text: &str| {
            let rest = words.iter().fold(text.to_owned(), |rest, word| rest.replace(word, "\0"));
            rest.chars().filter(|c| c.is_alphanumeric()).count()
        };
        let left = own(&lower).min(own(&plain(&lower)));
        if left < OWN && count < PHRASE {
            return Err(PasswordError::Common);
        }
        Ok(())
    }
}

/// `p@ssw0rd` as `password`.
fn plain(lower: &str) -> String {
    let plain = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        '8' => 'b',
        c => c,
    };
    lower.chars().map(plain).collect()
}

fn argon2id() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn failed(e: impl std::fmt::Display) -> PasswordError {
    PasswordError::Failed(e.to_string())
}

/// Hashes a password: a PHC string. Takes some 20 ms and 19 MiB: not for an async thread.
///
/// # Errors
/// [`PasswordError::Failed`].
pub fn hash(password: &str) -> Result<String, PasswordError> {
    let mut random = [0_u8; 16];
    openssl::rand::rand_bytes(&mut random).map_err(failed)?;
    let salt = SaltString::encode_b64(&random).map_err(failed)?;
    Ok(argon2id()?.hash_password(password.as_bytes(), &salt).map_err(failed)?.to_string())
}

/// Whether it is the password of this hash. Without a hash it takes as long, and is not.
pub(super) fn verify(password: &str, hash: Option<&str>) -> bool {
    let (Ok(argon2), Ok(parsed)) = (argon2id(), PasswordHash::new(hash.unwrap_or(NOBODY))) else {
        return false;
    };
    argon2.verify_password(password.as_bytes(), &parsed).is_ok() && hash.is_some()
}

/// A password for somebody else, who must change it: 100 random bits in groups that can be read out.
///
/// # Errors
/// [`PasswordError::Failed`]: no random numbers.
pub fn temporary() -> Result<Zeroizing<String>, PasswordError> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = Zeroizing::new([0_u8; 20]);
    openssl::rand::rand_bytes(&mut *random).map_err(failed)?;
    let mut text = Zeroizing::new(String::with_capacity(23));
    for (i, b) in random.iter().enumerate() {
        if i > 0 && i % 5 == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[usize::from(*b) % LETTERS.len()]));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
