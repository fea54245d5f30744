//! One-time codes of an authenticator app (RFC 6238): SHA-1, 6 digits, steps of 30 s: what all apps know.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

/// Length of a secret, in bytes (RFC 4226, 4: that of the hash).
pub(crate) const SECRET: usize = 20;
/// Seconds of a step.
const STEP: i64 = 30;
/// Clocks of server and phone may differ by so many steps.
const DRIFT: i64 = 1;

/// What a code is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The code of this step.
    Right(i64),
    /// It, or a later one, has been used.
    Used,
    /// Of no step near this instant.
    Wrong,
}

/// Looks a code up. `now`: seconds since 1970; `last`: the last step that was used.
pub(crate) fn check(secret: &[u8], code: &str, now: i64, last: i64) -> Code {
    let given: String = code.chars().filter(|c| *c != ' ').collect();
    let here = now.div_euclid(STEP);
    let mut found = Code::Wrong;
    for step in here - DRIFT..=here + DRIFT {
        let same = at(secret, step).is_some_and(|c| bool::from(c.as_bytes().ct_eq(given.as_bytes())));
        match found {
            Code::Right(_) => {}
            _ if same && step > last => found = Code::Right(step),
            _ if same => found = Code::Used,
            _ => {}
        }
    }
    found
}

/// The code of a step.
fn at(secret: &[u8], step: i64) -> Option<String> {
    let mac = Hmac::<Sha1>::new_from_slice(secret).ok()?.chain_update(step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    // RFC 4226, 5.3: the last four bits say where the 31 bits are
    let start = usize::from(hash.last()? & 0xf);
    let bits = hash.get(start..start + 4)?.try_into().ok().map(u32::from_be_bytes)?;
    Some(format!("{:06}", (bits & 0x7fff_ffff) % 1_000_000))
}

/// Base32 without padding (RFC 4648, 6), as apps want the secret.
pub(crate) fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for five in bytes.chunks(5) {
        let mut block = [0_u8; 8];
        block[3..3 + five.len()].copy_from_slice(five);
        let bits = u64::from_be_bytes(block);
        for i in 0..(five.len() * 8).div_ceil(5) {
            let index = usize::try_from(bits >> (35 - 5 * i) & 31).unwrap_or(0);
            text.push(char::from(LETTERS[index]));
        }
    }
    text
}

/// What an app reads from a QR code (github.com/google/google-authenticator/wiki/Key-Uri-Format).
pub(crate) fn uri(site: &str, secret: &str, email: &str) -> String {
    // A `+` for a space is what forms have, not URIs.
    let encode = |text: &str| -> String {
        let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        text.replace('+', "%20")
    };
    let (site, email) = (encode(site), encode(email));
    format!(
        "otpauth://totp/{site}:{email}?secret={secret}&issuer={site}&algorithm=SHA1&digits=6&period={STEP}"
    )
}

#[cfg(test)]
mod tests;
