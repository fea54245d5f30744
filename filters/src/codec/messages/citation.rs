//! Citations: <https://platform.claude.com/docs/en/build-with-claude/citations>. All kinds of location
//! (`char_location`, `page_location`, `content_block_location`, `search_result_location`,
//! `web_search_result_location`) stay as they came; what other dialects have names for is read beside it.

use super::fields::read;
use super::write::{Json, Sink};
use crate::ir::block::Citation;
use crate::ir::{Origin, Raw, Signature};
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
    url: Option<String>,
    source: Option<String>,
    title: Option<String>,
    document_title: Option<String>,
    cited_text: Option<String>,
    encrypted_index: Option<String>,
}

/// Reads a citation; None: not an object.
pub(super) fn decode(text: &str) -> Option<Citation> {
    let c: Seen<'_> = read(text)?;
    let raw = match c.encrypted_index {
        // Made by [`write`]: another provider's citation on its way back.
        Some(i) if i.is_empty() => None,
        Some(i) => match Signature::unwrap(&i, Origin::Anthropic) {
            s if s.origin != Origin::Anthropic => Raw::parse(&s.value).ok().map(|r| (s.origin, r)),
            _ => own(text),
        },
        None => own(text),
    };
    let source = c.source.filter(|_| c.r#type == "search_result_location");
    Some(Citation {
        url: c.url.or(source),
        title: c.title.or(c.document_title),
        cited_text: c.cited_text,
        range: None,
        raw,
    })
}

fn own(text: &str) -> Option<(Origin, Raw)> {
    Raw::parse(text).ok().map(|r| (Origin::Anthropic, r))
}

/// Is it one of Anthropic's own?
pub(super) fn is_own(c: &Citation) -> bool {
    matches!(c.raw, Some((Origin::Anthropic, _)))
}

/// Can it be told to a client? Another provider's can if it is a page.
pub(super) fn can_say(c: &Citation) -> bool {
    is_own(c) || c.url.is_some()
}

/// Writes a citation for which [`can_say`] is true. Another provider's page becomes a web search's, and what its
/// provider wrote travels where Anthropic's own sealed index is.
pub(super) fn write<B: Sink>(json: &mut Json<B>, c: &Citation) {
    let Citation { url, title, cited_text, range: _, raw } = c;
    match raw {
        Some((Origin::Anthropic, own)) => json.raw(own.text()),
        foreign => json.object(|o| {
            let index = foreign.as_ref().map(|(origin, raw)| Signature::new(*origin, raw.text()));
            o.str("type", "web_search_result_location");
            o.str("url", url.as_deref().unwrap_or_default());
            match title {
                Some(t) => o.str("title", t),
                None => o.raw("title", "null"),
            }
            o.str("encrypted_index", &index.map(|s| s.wrap(Origin::Anthropic)).unwrap_or_default());
            o.str("cited_text", cited_text.as_deref().unwrap_or_default());
        }),
    }
}
