//! Tokens of a text.
//!
//! OpenAI publishes its tokenizers; the others' are not public (Claude, Gemini) or one a model (Llama, Qwen, Mistral).
//! o200k stands for all of them, times a factor for the family: prose and code differ by a few percent between the
//! newer vocabularies of 100 000 tokens and more, and Claude's has fewer long ones.

use super::Care;

/// Bytes of a token, where there is no time (or no text) to cut: English prose has 4.2 to 4.6 in o200k, code about 3.5.
pub const BYTES_PER_TOKEN: u64 = 4;

/// Tokens of a text of `bytes` bytes, of which `text` is the beginning.
pub(super) fn of(text: &str, bytes: u64, model: &str, care: Care) -> u64 {
    let (percent, known) = (percent(model), text.len() as u64);
    let counted = match care {
        Care::Full if known > 0 => {
            let n = bpe_openai::o200k_base().count(text) as u64;
            // What was not looked at is taken to be like what was.
            if bytes > known { scaled(n, bytes, known) } else { n }
        }
        _ => bytes.max(known).div_ceil(BYTES_PER_TOKEN),
    };
    scaled(counted, percent, 100)
}

/// `n × by / of`, rounded up.
fn scaled(n: u64, by: u64, of: u64) -> u64 {
    let product = u128::from(n) * u128::from(by);
    u64::try_from(product.div_ceil(u128::from(of.max(1)))).unwrap_or(u64::MAX)
}

/// What a model's tokens are to o200k's, in percent.
fn percent(model: &str) -> u64 {
    if is_claude(model) { 120 } else { 100 }
}

pub(super) fn is_claude(model: &str) -> bool {
    model.contains("claude")
}
