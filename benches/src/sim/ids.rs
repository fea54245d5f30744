//! Ids and dice: cheap, deterministic for a seed and a request's number.

const ALNUM: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// A small generator (splitmix64): good enough for ids and coin flips, one multiplication a step.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// A stream of numbers for one request.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        dice.next();
        dice
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// True with probability `p`.
    pub(crate) fn flip(&mut self, p: f64) -> bool {
        // 53 bits are what an f64 holds exactly
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        unit < p
    }

    /// `prefix` and `len` letters and digits, as `chatcmpl-BSXjyBwGuZrtuuSzNCeaWMpGv2MZ3`.
    pub(crate) fn alnum(&mut self, prefix: &str, len: usize) -> String {
        self.letters(prefix, len, ALNUM)
    }

    /// `prefix` and `len` hexadecimal digits, as `resp_68477f0b40a8819c…`.
    pub(crate) fn hex(&mut self, prefix: &str, len: usize) -> String {
        self.letters(prefix, len, HEX)
    }

    fn letters(&mut self, prefix: &str, len: usize, of: &[u8]) -> String {
        let mut id = String::with_capacity(prefix.len() + len);
        id.push_str(prefix);
        let base = of.len() as u64;
        let mut left = 0;
        for i in 0..len {
            if i % 8 == 0 {
                left = self.next();
            }
            id.push(char::from(of[(left % base) as usize]));
            left /= base;
        }
        id
    }
}
