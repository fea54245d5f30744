//! Estimates of tokens, where the provider says none: servers that never send usage, streams that were left or cut
//! before their usage came, and token counts for models whose provider has no call for it.
//!
//! - Tokens of a text: OpenAI's o200k, times a factor for other vendors' models ([`tokens`]). At most
//!   [`EXACT`] bytes of a text are looked at; the rest is taken to be like them.
//! - Input: the strings of the request that a model reads ([`asked`]), and flat numbers for turns and images.
//! - Output: the text that went to the client ([`delivered`]). Where it was not kept (see there), its bytes by
//!   [`BYTES_PER_TOKEN`].
//!
//! An estimate counts and costs like usage, and is marked wherever it is shown.

mod asked;
mod delivered;
mod tokens;

pub use delivered::Delivered;
pub use tokens::BYTES_PER_TOKEN;

use asked::Asked;

use crate::exchange::Exchange;
use crate::surface::Surface;
use crate::usage::Gap;

/// Most bytes of a text that are cut into tokens. 64 KiB take a few milliseconds.
pub const EXACT: usize = 64 * 1024;

/// Tokens of a turn beside its text: its role and its borders (OpenAI's cookbook on counting tokens has 3 and 1).
const PER_TURN: u64 = 4;

/// What Claude is told about tools in general as soon as one is offered (346 with `tool_choice: auto`).
/// <https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing>
const CLAUDES_TOOLS: u64 = 346;

/// Tokens of an image or a document. GPT-4o has 765 for a picture of 1024 × 1024, Claude about 1 400, Gemini 258 and
/// up: one number for all, because size and detail are not known without decoding it.
const PER_IMAGE: u64 = 765;

/// Longest request whose strings are looked for where there is no time for more.
const WALKED: usize = 256 * 1024;

/// What was made out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Prompt tokens.
    pub input: u64,
    /// Completion tokens.
    pub output: u64,
}

/// How much time there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Milliseconds: not on a worker that serves other calls.
    Full,
    /// Next to none: by the number of bytes.
    Rough,
}

/// Are the call's tokens, or a part of them, still to be estimated? Of refused calls never: a provider counts none. Of
/// a response in the background neither: it is only begun.
pub fn due(x: &Exchange) -> bool {
    x.accepted
        && estimated(x.surface)
        && x.meter.as_ref().is_some_and(|m| m.gap().is_some())
        && !x.body.background()
}

/// Fills in what the provider did not say.
pub fn settle(x: &mut Exchange, care: Care) {
    if !due(x) {
        return;
    }
    let model = x.model_served().unwrap_or_default();
    let Some(meter) = &x.meter else { return };
    let input = match meter.gap() {
        Some(Gap::Everything) => input(&x.body.raw, model, care),
        _ => 0,
    };
    let output = if x.surface.embeds() { 0 } else { meter.delivered().tokens(model, care) };
    if let Some(meter) = &mut x.meter {
        meter.fill(Estimate { input, output });
    }
}

/// Tokens of a request's body.
pub fn input(raw: &[u8], model: &str, care: Care) -> u64 {
    if care == Care::Rough && raw.len() > WALKED {
        return WALKED as u64 / BYTES_PER_TOKEN;
    }
    let Some(asked) = Asked::of(raw) else { return 0 };
    let text = tokens::of(&asked.text, asked.bytes, model, care);
    let tools = if asked.tools && tokens::is_claude(model) { CLAUDES_TOOLS } else { 0 };
    text + tools + asked.tokens + asked.turns * PER_TURN + asked.images * PER_IMAGE
}

/// Tokens of the model's words in a whole answer of OpenAI's.
pub fn output(body: &[u8], model: &str) -> u64 {
    let mut words = Delivered::new(true);
    words.whole(body);
    words.tokens(model, Care::Full)
}

/// Surfaces whose tokens are those of texts. (Images, sounds and moderations are billed by other measures.)
const fn estimated(surface: Surface) -> bool {
    use Surface as S;
    matches!(surface, S::Chat | S::Completions | S::Responses | S::Messages | S::Generate) || surface.embeds()
}

#[cfg(test)]
mod tests;
