//! Sources of an answer: `groundingMetadata`, `citationMetadata`. Their offsets count bytes of UTF-8, the IR's
//! characters. <https://ai.google.dev/api/generate-content#GroundingMetadata>

use super::json::Json;
use super::lenient::{Int, Str};
use super::wire::{Chunk, Citations, Found, Grounding};
use crate::ir::block::{Block, Body, Citation};
use crate::ir::{Origin, Raw};

/// A text block of an answer: its index and what it says so far.
pub(super) type Said = (u32, String);

/// Finds the words that `start..end` (bytes) and `text` name: the block, and the characters. The part that a segment
/// names is no help in a stream, whose events each count their own parts; the words are.
fn locate(said: &[Said], start: usize, end: usize, text: &str) -> Option<(u32, (u32, u32))> {
    let range = |s: &str, from: usize, to: usize| {
        let chars = |b: &str| u32::try_from(b.chars().count()).ok();
        let from_chars = chars(s.get(..from)?)?;
        Some((from_chars, from_chars + chars(s.get(from..to)?)?))
    };
    if text.is_empty() {
        let (index, s) = said.iter().find(|(_, s)| s.len() >= end && end > start)?;
        return Some((*index, range(s, start, end)?));
    }
    let exact = said.iter().find(|(_, s)| s.get(start..end) == Some(text));
    if let Some((index, s)) = exact {
        return Some((*index, range(s, start, end)?));
    }
    said.iter().find_map(|(index, s)| {
        let at = s.find(text)?;
        Some((*index, range(s, at, at + text.len())?))
    })
}

/// The citations of an answer, each with its block. `all`: every `groundingMetadata` that came, in order; later ones
/// may say again what earlier ones said.
pub(super) fn read(all: &[Raw], said: &[Said]) -> Vec<(u32, Citation)> {
    let Some(last) = said.last().map(|(index, _)| *index) else { return Vec::new() };
    let mut out: Vec<(u32, Citation)> = Vec::new();
    let mut loose: Vec<Citation> = Vec::new();
    for raw in all {
        let Ok(grounding) = serde_json::from_str::<Grounding<'_>>(raw.text()) else { continue };
        let chunks = grounding.chunks.as_ref().map_or(&[][..], |c| &c.0);
        for support in grounding.supports.iter().flat_map(|s| &s.0) {
            let segment = support.segment.as_ref();
            let place = segment.and_then(|s| {
                let text = s.text.as_ref().map_or("", Str::as_str);
                locate(said, offset(s.start), offset(s.end), text)
            });
            for index in support.chunks.iter().flat_map(|c| &c.0) {
                let Some(raw) = usize::try_from(index.0).ok().and_then(|at| chunks.get(at)) else { continue };
                let found = (place.map_or(last, |p| p.0), citation(raw, place.map(|p| p.1)));
                if !out.contains(&found) {
                    out.push(found);
                }
            }
        }
        loose.extend(chunks.iter().map(|raw| citation(raw, None)));
    }
    // Found, and said to support nothing in particular.
    for c in loose {
        if !out.iter().any(|(_, o)| o.url == c.url && o.title == c.title && o.raw == c.raw) {
            out.push((last, c));
        }
    }
    out
}

fn offset(n: Option<Int>) -> usize {
    n.map_or(0, |n| usize::try_from(n.0).unwrap_or(0))
}

fn citation(raw: &serde_json::value::RawValue, range: Option<(u32, u32)>) -> Citation {
    let chunk: Chunk<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let quoted = chunk.context.is_some();
    let found = chunk.web.or(chunk.context).or(chunk.maps).or(chunk.image);
    let Found { uri, title, text, other: _ } = found.unwrap_or_default();
    Citation {
        url: uri.map(Str::own),
        title: title.map(Str::own),
        cited_text: text.filter(|_| quoted).map(Str::own),
        range,
        raw: Some((Origin::Google, Raw(raw.to_owned()))),
    }
}

/// The citations that `citationMetadata` holds: texts that the model recites.
pub(super) fn read_recited(citations: &Citations<'_>, said: &[Said]) -> Vec<(u32, Citation)> {
    let Some(last) = said.last().map(|(index, _)| *index) else { return Vec::new() };
    let all = citations.citations.iter().flat_map(|c| &c.0);
    all.map(|source| {
        let place = locate(said, offset(source.start), offset(source.end), "");
        let text = |s: &Option<Str<'_>>| s.as_ref().map(|s| s.as_str().to_owned());
        let (url, title) = (text(&source.uri), text(&source.title));
        let c = Citation { url, title, cited_text: None, range: place.map(|p| p.1), raw: None };
        (place.map_or(last, |p| p.0), c)
    })
    .collect()
}

/// Writes `groundingMetadata` for the citations of a whole answer: its texts, each with the number of its part.
pub(super) fn write(json: &mut Json, texts: &[(usize, &str, &[Citation])]) {
    if texts.iter().all(|(_, _, c)| c.is_empty()) {
        return;
    }
    let mut chunks: Vec<&Citation> = Vec::new();
    let mut supports = Vec::new();
    for (part, text, citations) in texts {
        for c in *citations {
            let same = |o: &&Citation| o.url == c.url && o.title == c.title && o.cited_text == c.cited_text;
            let chunk = chunks.iter().position(same).unwrap_or_else(|| {
                chunks.push(c);
                chunks.len() - 1
            });
            if let Some((from, to)) = c.range {
                supports.push((*part, bytes(text, from), bytes(text, to), *text, chunk));
            }
        }
    }
    json.key("groundingMetadata");
    json.object();
    json.key("groundingChunks");
    json.array();
    chunks.iter().for_each(|c| write_chunk(json, c));
    json.end_array();
    json.key("groundingSupports");
    json.array();
    for (part, from, to, text, chunk) in supports {
        json.object();
        json.key("segment");
        json.object();
        if part > 0 {
            json.member("partIndex", &part);
        }
        if from > 0 {
            json.member("startIndex", &from);
        }
        json.member("endIndex", &to);
        json.member("text", text.get(from..to).unwrap_or_default());
        json.end_object();
        json.member("groundingChunkIndices", &[chunk]);
        json.end_object();
    }
    json.end_array();
    json.end_object();
}

fn write_chunk(json: &mut Json, c: &Citation) {
    // How it is cited is told by the supports.
    let Citation { url, title, cited_text, range: _, raw } = c;
    if let Some((Origin::Google, raw)) = raw {
        return json.raw(raw.text());
    }
    json.object();
    // Only a retrieved context has words of the source.
    json.key(if cited_text.is_some() { "retrievedContext" } else { "web" });
    json.object();
    json.maybe("uri", url.as_ref());
    json.maybe("title", title.as_ref());
    json.maybe("text", cited_text.as_ref());
    json.end_object();
    json.end_object();
}

/// Characters to bytes.
fn bytes(text: &str, chars: u32) -> usize {
    text.char_indices().nth(chars as usize).map_or(text.len(), |(at, _)| at)
}

/// The texts of an answer with their parts' numbers.
pub(super) fn texts(content: &[Block]) -> Vec<(usize, &str, &[Citation])> {
    let all = content.iter().enumerate();
    all.filter_map(|(i, b)| match &b.body {
        Body::Text { text, citations, .. } => Some((i, text.as_str(), citations.as_slice())),
        _ => None,
    })
    .collect()
}
