//! Schemas whose provider promises to keep to them: of structured answers, and of `strict` tools. Each provider makes
//! that promise only for schemas of its own kind; those of a client who speaks another dialect are brought into it.
//!
//! - Anthropic and Bedrock: closed objects, no bounds of numbers, texts and lists.
//!   <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>
//! - OpenAI with `strict: true`: closed objects, every property required.
//!   <https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>
//!
//! Every answer to the new schema is one to the client's. Constraints that the provider cannot keep stand in the
//! description, where the official SDKs put them, too, and are named as hints. A schema that cannot be brought into the
//! form is not touched: Anthropic is left to refuse it, to OpenAI it goes without `strict`.

mod fits;
mod suit;

use crate::codec::Wire;
use crate::ir::settings::Format;
use crate::ir::tool::ToolBody;
use crate::ir::{Conversation, Losses, Raw, Tool};
use fits::fits;
use suit::suited;

/// Deeper schemas stay as they are; serde_json reads no deeper than 128 either.
const MAX_DEPTH: usize = 64;

/// Anthropic refuses more strict tools in a request.
const MOST_STRICT: usize = 20;

const TOLD: &str = "the model's provider cannot enforce it; the model is told in the description";
const LAX: &str = "the model's provider cannot enforce this schema; the model is told it";

/// Whose schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Anthropic,
    OpenAi,
}

/// Brings the schemas of a request from `front` into the form of the provider behind `wire`; `openai`: it is OpenAI
/// or Azure.
pub(super) fn suit(c: &mut Conversation, front: Wire, wire: Wire, openai: bool, losses: &mut Losses) {
    let maker = match (front, wire) {
        (Wire::Messages, Wire::Messages | Wire::Converse) => return,
        (_, Wire::Messages | Wire::Converse) => Maker::Anthropic,
        // What an OpenAI client says of `strict` is what OpenAI is to hear.
        (Wire::Messages | Wire::Gemini, Wire::Chat | Wire::Responses) if openai => Maker::OpenAi,
        _ => return,
    };
    if let Some(Format::JsonSchema { schema, strict, .. }) = &mut c.settings.format {
        match (brought(schema, maker, "format", losses), maker) {
            (true, Maker::OpenAi) => *strict = Some(true),
            (false, Maker::OpenAi) => losses.hint("format", LAX),
            (_, Maker::Anthropic) => {}
        }
    }
    let mut held = 0;
    for (n, Tool { body, at, .. }) in c.tools.iter_mut().enumerate() {
        let ToolBody::Function { parameters: Some(schema), strict: strict @ Some(true) } = body else {
            continue;
        };
        let at = if at.0.is_empty() { format!("tools[{n}]") } else { at.0.to_string() };
        let full = maker == Maker::Anthropic && held == MOST_STRICT;
        if !full && brought(schema, maker, &at, losses) {
            held += 1;
        } else {
            *strict = None;
            losses.hint(format!("{at}.strict"), LAX);
        }
    }
}

/// Brings a schema into the form; false: it cannot be, and stays.
fn brought(schema: &mut Raw, maker: Maker, field: &str, losses: &mut Losses) -> bool {
    let mut value = schema.value();
    let before = value.clone();
    let told = suited(&mut value, maker);
    let fits = fits(&value, maker);
    if !fits && maker == Maker::OpenAi {
        return false;
    }
    if value != before
        && let Ok(new) = Raw::of(&value)
    {
        *schema = new;
    }
    for keyword in told {
        losses.hint(format!("{field} ({keyword})"), TOLD);
    }
    fits
}

#[cfg(test)]
mod tests;
