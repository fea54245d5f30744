//! Writing a request's content blocks.

use super::citation;
use super::content::{
    Citations, Content, Input, Piece, Reasoning, ToolOutput, ToolUse, cache_point, converse_block, id_of,
    object,
};
use super::media::{self, Names, What};
use super::model::{Family, Model};
use crate::ir::block::{Block, Body, CacheTtl, CallKind, Media, Thinking, ToolCall, ToolResult};
use crate::ir::{Losses, Origin, Raw};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// Where a block stands, as far as Converse makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    System,
    User,
    Assistant,
    ToolResult,
}

/// Writes blocks.
pub(super) struct Blocks<'l> {
    pub(super) model: Model,
    pub(super) names: Names,
    pub(super) losses: &'l mut Losses,
}

const UNSIGNED: &str = "a thought that the model did not sign is not taken back by it";

impl Blocks<'_> {
    /// Appends what says `blocks`; `around` is where they stand if they do not know it.
    pub(super) fn write<'a>(
        &mut self,
        blocks: &'a [Block],
        place: Place,
        around: &str,
        out: &mut Vec<Content<'a>>,
    ) {
        for (n, block) in blocks.iter().enumerate() {
            let Block { body, cache, at } = block;
            let spot = || {
                if at.0.is_empty() { format!("{around}.content[{n}]") } else { at.0.to_string() }
            };
            self.body(body, place, &spot, out);
            if let Some(ttl) = cache {
                self.cache(*ttl, place, &spot, out);
            }
        }
    }

    fn body<'a>(
        &mut self,
        body: &'a Body,
        place: Place,
        spot: &dyn Fn() -> String,
        out: &mut Vec<Content<'a>>,
    ) {
        if place == Place::System && !matches!(body, Body::Text { .. } | Body::Opaque { .. }) {
            return self.losses.add(spot(), "instructions of a Bedrock model are text only");
        }
        match body {
            Body::Text { text, citations, signature } => {
                if signature.is_some() {
                    self.losses.hint(spot(), "a signature of another provider means nothing there");
                }
                // Blank text is an error ("The text field in the ContentBlock object is blank").
                if text.trim().is_empty() {
                    return;
                }
                let said: Vec<_> = if self.model.may_be_claude() && place == Place::Assistant {
                    citations.iter().filter_map(citation::encode).collect()
                } else {
                    Vec::new()
                };
                if said.len() < citations.len() {
                    self.losses.hint(spot(), "the sources of a text cannot be said to this model");
                }
                out.push(if said.is_empty() {
                    Content::Text(text)
                } else {
                    Content::Citations(Citations { content: [Piece { text }], citations: said })
                });
            }
            // There is no part for it; the model reads what it said.
            Body::Refusal(text) if text.trim().is_empty() => {}
            Body::Refusal(text) => out.push(Content::Text(text)),
            Body::Image(m) => self.media(What::Image, m, spot, out),
            Body::Video(m) => self.media(What::Video, m, spot, out),
            Body::Audio(_) if place == Place::ToolResult => {
                self.losses.add(spot(), "a tool's result cannot hold sound there");
            }
            Body::Audio(m) => self.media(What::Audio, m, spot, out),
            Body::Document(m) => self.media(What::Document, m, spot, out),
            Body::ToolCall(call) => self.call(call, spot, out),
            Body::ToolResult(result) => self.result(result, spot, out),
            Body::Thinking(t) => self.thinking(t, spot, out),
            Body::Server { kind: _, origin, raw } => {
                match converse_block(*origin, raw, &["toolUse", "toolResult"]) {
                    Some(raw) => out.push(Content::Raw(raw)),
                    None => {
                        self.losses.add(spot(), "what another provider's own tool did cannot be said there")
                    }
                }
            }
            Body::Opaque { origin, name, raw } => self.opaque(*origin, name, raw, place, spot, out),
        }
    }

    fn media<'a>(&mut self, what: What, m: &'a Media, spot: &dyn Fn() -> String, out: &mut Vec<Content<'a>>) {
        let Media { mime: _, source: _, name: _, detail, context, citations } = m;
        if detail.as_deref().is_some_and(|d| d != "auto") {
            let at = format!("{}.detail", spot());
            self.losses.hint(at, "Bedrock has no setting for the detail of images");
        }
        if what != What::Document && (context.is_some() || *citations) {
            self.losses.hint(spot(), "only documents have a context and citations there");
        }
        let said = match what {
            What::Image => media::block(what, m).map(Content::Image),
            What::Video => media::block(what, m).map(Content::Video),
            What::Audio => media::block(what, m).map(Content::Audio),
            What::Document => media::document(m, &mut self.names).map(Content::Document),
        };
        match said {
            Ok(block) => out.push(block),
            Err(why) => self.losses.add(spot(), why),
        }
    }

    fn call<'a>(&mut self, call: &'a ToolCall, spot: &dyn Fn() -> String, out: &mut Vec<Content<'a>>) {
        let ToolCall { id, name, namespace, arguments, kind, signature } = call;
        if namespace.is_some() {
            self.losses.hint(spot(), "Bedrock's tools have no namespaces");
        }
        if signature.is_some() {
            self.losses.hint(spot(), "a signature of another provider means nothing there");
        }
        let object = match kind {
            CallKind::Function => object(arguments),
            CallKind::Custom => None,
        };
        let input = match object {
            Some(raw) => Input::Object(raw),
            None if arguments.trim().is_empty() => Input::Empty {},
            None => {
                if *kind == CallKind::Function {
                    self.losses.hint(spot(), "arguments that are no JSON object are said as text inside one");
                }
                Input::Text { input: arguments }
            }
        };
        out.push(Content::ToolUse(ToolUse { tool_use_id: id_of(id), name, input }));
    }

    fn result<'a>(&mut self, r: &'a ToolResult, spot: &dyn Fn() -> String, out: &mut Vec<Content<'a>>) {
        let ToolResult { call_id, name: _, content: blocks, is_error, kind: _ } = r;
        let mut content = Vec::with_capacity(blocks.len());
        self.write(blocks, Place::ToolResult, &spot(), &mut content);
        if content.is_empty() {
            // Neither an empty list nor an empty text is taken by every model.
            content.push(Content::Text("(no output)"));
        }
        let status = is_error.then_some("error");
        out.push(Content::ToolResult(ToolOutput { tool_use_id: id_of(call_id), content, status }));
    }

    /// Claude wants its own thoughts back as they were, and takes no others. A thought that is left out is a hint
    /// only: providers strip the thoughts of earlier turns themselves.
    fn thinking<'a>(&mut self, t: &'a Thinking, spot: &dyn Fn() -> String, out: &mut Vec<Content<'a>>) {
        let Thinking { text, summary, signature, redacted } = t;
        let Some(signature) = signature else { return self.losses.hint(spot(), UNSIGNED) };
        let own = match signature.origin {
            Origin::Anthropic => self.model.may_be_claude(),
            Origin::Other => self.model.family != Family::Claude,
            Origin::OpenAi | Origin::Google => false,
        };
        if !own {
            return self.losses.hint(spot(), "another model's thoughts cannot be read there");
        }
        let value = signature.value.as_str();
        out.push(Content::Reasoning(match (redacted, signature.origin) {
            (true, Origin::Anthropic) => Reasoning::RedactedContent(Cow::Owned(STANDARD.encode(value))),
            (true, _) => Reasoning::RedactedContent(Cow::Borrowed(value)),
            (false, _) => {
                let text = if summary.is_empty() {
                    Cow::Borrowed(text.as_str())
                } else {
                    summary.join("\n\n").into()
                };
                Reasoning::ReasoningText { text, signature: Some(value) }
            }
        }));
    }

    fn opaque<'a>(
        &mut self,
        origin: Origin,
        name: &str,
        raw: &'a Raw,
        place: Place,
        spot: &dyn Fn() -> String,
        out: &mut Vec<Content<'a>>,
    ) {
        let known: &[&str] = match place {
            Place::System => &["guardContent"],
            Place::ToolResult => &["json", "searchResult"],
            _ => &["guardContent", "searchResult", "toolAddition", "toolRemoval"],
        };
        if let Some(raw) = converse_block(origin, raw, known) {
            return out.push(Content::Raw(raw));
        }
        if origin == Origin::Anthropic
            && name == "search_result"
            && place != Place::System
            && let Ok(result) = serde_json::from_str(raw.text())
        {
            return out.push(Content::SearchResult(result));
        }
        self.losses.add(spot(), "only the provider that the client's dialect belongs to understands it");
    }

    fn cache<'a>(
        &mut self,
        ttl: CacheTtl,
        place: Place,
        spot: &dyn Fn() -> String,
        out: &mut Vec<Content<'a>>,
    ) {
        if !self.model.caches() {
            return self.losses.hint(spot(), "this model has no prompt cache");
        }
        if place == Place::ToolResult {
            return self.losses.hint(spot(), "a cache point cannot stand inside a tool's result there");
        }
        // A point needs something before it, and two in a row are an error.
        if !matches!(out.last(), None | Some(Content::CachePoint(_))) {
            out.push(Content::CachePoint(cache_point(ttl, self.model)));
        }
    }
}
