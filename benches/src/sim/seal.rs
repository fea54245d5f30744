//! Seals: signatures of thoughts that the simulator knows again without remembering them.
//!
//! A seal is a prefix, 16 random characters, and a sum over them and what is sealed. Letters and digits only, so that
//! every seal is base64 as well, which Gemini's and Bedrock's have to be.

use crate::sim::ids::Dice;

const NONCE: usize = 16;

/// A kind of seal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal {
    prefix: &'static str,
    /// Characters in all, a multiple of 4.
    len: usize,
}

/// `signature` of Claude's thinking, on all platforms.
pub(crate) const THINKING: Seal = Seal { prefix: "EqkE", len: 124 };
/// `data` of `redacted_thinking`.
pub(crate) const REDACTED: Seal = Seal { prefix: "EmwK", len: 124 };
/// `encrypted_content` of OpenAI's reasoning items.
pub(crate) const REASONING: Seal = Seal { prefix: "gAAAAABo", len: 128 };
/// Gemini's `thoughtSignature`.
pub(crate) const THOUGHT: Seal = Seal { prefix: "EpwC", len: 120 };

impl Seal {
    /// Seals some text.
    pub(crate) fn put(self, text: &str, dice: &mut Dice) -> String {
        let nonce = dice.alnum("", NONCE);
        self.with(&nonce, text)
    }

    /// Is this a seal of that text, as it was put?
    pub(crate) fn holds(self, seal: &str, text: &str) -> bool {
        let nonce = seal.get(self.prefix.len()..self.prefix.len() + NONCE);
        nonce.is_some_and(|nonce| self.with(nonce, text) == seal)
    }

    fn with(self, nonce: &str, text: &str) -> String {
        // FNV-1a: nobody forges these, they only must not survive a change
        let sum = [self.prefix, nonce, text]
            .iter()
            .flat_map(|part| part.bytes().chain([0xFF]))
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        let head = format!("{}{nonce}", self.prefix);
        Dice::new(sum, 1).alnum(&head, self.len - head.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_until_something_is_changed() {
        let mut dice = Dice::new(1, 1);
        for kind in [THINKING, REDACTED, REASONING, THOUGHT] {
            let seal = kind.put("a thought", &mut dice);
            assert!(kind.holds(&seal, "a thought") && seal.len().is_multiple_of(4));
            assert!(!kind.holds(&seal, "another") && !kind.holds(&seal[1..], "a thought"));
            assert!(!kind.holds(&seal.replace(seal.chars().last().unwrap(), "-"), "a thought"));
            assert!(!kind.holds("", "") && !kind.holds("é", "é"));
            assert_ne!(kind.put("a thought", &mut dice), seal);
        }
    }
}
