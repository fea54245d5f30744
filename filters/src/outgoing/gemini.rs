//! Where Gemini's own format is spoken: the model and the method stand in the path.

use super::address::{Operation, address};
use crate::codec::Wire;
use crate::codec::gemini::Framing;
use crate::exchange::{Exchange, Target};
use crate::surface::{Surface, resource};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sallyport_config::model::ProviderKind;

/// All but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Path and query of a call whose bytes pass as they are, with the model's name at the provider. None: the client's
/// path says nothing of the kind. Of the client's query only `alt` goes along: it decides what the answer looks like.
pub(super) fn path_and_query(x: &Exchange, target: &Target) -> Option<String> {
    let asked = x.body.model().filter(|_| x.body.is_named())?;
    let method = match x.surface {
        Surface::Generate if x.body.stream() => "streamGenerateContent",
        Surface::Generate => "generateContent",
        Surface::GeminiCountTokens => "countTokens",
        Surface::GeminiEmbed => "embedContent",
        Surface::GeminiBatchEmbed => "batchEmbedContents",
        _ => return None,
    };
    if target.provider.kind == ProviderKind::Vertex {
        let model = target.model.as_deref().unwrap_or(asked);
        let stream = x.body.stream();
        let operation = match x.surface {
            Surface::GeminiCountTokens => Operation::CountTokens,
            _ => Operation::Generate,
        };
        let mut path = address(&target.provider, Wire::Gemini, operation, model, stream)?;
        if x.body.framing() == Framing::Array {
            path.truncate(path.strip_suffix("?alt=sse").unwrap_or(&path).len());
        }
        return Some(path);
    }
    let mut out = target.provider.base_path.to_string();
    for segment in resource(target.model.as_deref().unwrap_or(asked)).split('/') {
        out.push('/');
        if segment.bytes().all(|c| c == b'.') {
            // Dots alone would mean another path.
            out.push_str(&"%2E".repeat(segment.len()));
        } else {
            out.extend(utf8_percent_encode(segment, SEGMENT));
        }
    }
    out.push(':');
    out.push_str(method);
    if x.body.stream() && x.body.framing() == Framing::Sse {
        out.push_str("?alt=sse");
    }
    Some(out)
}

#[cfg(test)]
mod tests;
