//! A conversation's turns as `input` items.

use super::carry;
use super::item::{ITEM, PART};
use super::media::{OutBreakpoint, OutPart, out_document, out_image};
use super::{RequestOptions, annotation};
use crate::codec::says_error;
use crate::ir::block::{Body, CacheTtl, CallKind, Thinking, ToolCall, ToolResult};
use crate::ir::{Block, Conversation, Losses, Message, Origin, Raw, Role, Spot};
use serde::Serialize;
use std::borrow::Cow;

/// A string or parts.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<OutPart<'a>>),
}

/// A part of a reasoning item.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Thought<'a> {
    SummaryText { text: &'a str },
    ReasoningText { text: &'a str },
}

/// An item of `input`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum InItem<'a> {
    Message {
        role: &'static str,
        content: Content<'a>,
    },
    FunctionCall {
        call_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        arguments: &'a str,
    },
    CustomToolCall {
        call_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        input: &'a str,
    },
    FunctionCallOutput {
        call_id: &'a str,
        output: Content<'a>,
    },
    CustomToolCallOutput {
        call_id: &'a str,
        output: Content<'a>,
    },
    Reasoning {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        summary: Vec<Thought<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Thought<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
    #[serde(untagged)]
    Raw(&'a Raw),
}

/// Writes items.
pub(super) struct Items<'a, 'l> {
    options: &'l RequestOptions,
    losses: &'l mut Losses,
    /// What the request says about storing.
    stored: Option<bool>,
    /// Ids of free-text calls: dialects that do not tell the kind of a result know the kind of the call.
    custom: Vec<&'a str>,
    pub(super) out: Vec<InItem<'a>>,
}

const fn role_word(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// Where a loss is, in the client's words.
pub(super) fn field(at: &Spot, more: &str) -> String {
    match (&*at.0, more) {
        ("", "") => "messages".to_owned(),
        ("", more) => more.to_owned(),
        (at, "") => at.to_owned(),
        (at, more) => format!("{at}.{more}"),
    }
}

impl<'a, 'l> Items<'a, 'l> {
    /// For the turns of a conversation.
    pub(super) fn new(c: &'a Conversation, options: &'l RequestOptions, losses: &'l mut Losses) -> Self {
        let blocks = c.messages.iter().flat_map(|m| &m.content);
        let custom = blocks.filter_map(|b| match &b.body {
            Body::ToolCall(c) if c.kind == CallKind::Custom => Some(c.id.as_str()),
            _ => None,
        });
        let (custom, out) = (custom.collect(), Vec::with_capacity(c.messages.len()));
        Self { options, losses, stored: c.settings.store, custom, out }
    }

    /// Writes a turn.
    pub(super) fn message(&mut self, m: &'a Message) {
        let Message { role, content, name, at } = m;
        if name.is_some() {
            self.losses.add(field(at, "name"), "the Responses API has no names of participants");
        }
        let mut parts: Vec<&'a Block> = Vec::new();
        for block in content {
            let item = match &block.body {
                Body::ToolCall(call) => self.call(call),
                Body::ToolResult(result) => self.result(result),
                Body::Thinking(t) => self.thinking(t, &block.at),
                Body::Server { kind: _, origin, raw } => {
                    if *origin == Origin::OpenAi {
                        Some(InItem::Raw(raw))
                    } else {
                        self.losses.add(field(&block.at, ""), "another provider ran this tool");
                        None
                    }
                }
                Body::Opaque { origin: Origin::OpenAi, name, raw } if name.starts_with(ITEM) => {
                    Some(InItem::Raw(raw))
                }
                _ => {
                    parts.push(block);
                    continue;
                }
            };
            self.flush(*role, &mut parts);
            if block.cache.is_some() {
                self.losses.hint(field(&block.at, ""), "a cache point can stand at content parts only");
            }
            self.out.extend(item);
        }
        // A message without any content is said, too: it may separate two turns.
        if content.is_empty() && *role != Role::Assistant {
            self.out.push(InItem::Message { role: role_word(*role), content: Content::Parts(Vec::new()) });
        }
        self.flush(*role, &mut parts);
    }

    /// Writes the parts gathered so far as a message.
    fn flush(&mut self, role: Role, parts: &mut Vec<&'a Block>) {
        if parts.is_empty() {
            return;
        }
        let content = self.content(role, std::mem::take(parts));
        if !matches!(&content, Content::Parts(p) if p.is_empty()) {
            self.out.push(InItem::Message { role: role_word(role), content });
        }
    }

    fn content(&mut self, role: Role, blocks: Vec<&'a Block>) -> Content<'a> {
        let points = self.options.cache_breakpoints;
        if let [one] = blocks[..]
            && let Body::Text { text, citations, signature: None } = &one.body
            && citations.is_empty()
            && (one.cache.is_none() || !points)
        {
            self.point(one);
            return Content::Text(Cow::Borrowed(text));
        }
        Content::Parts(blocks.into_iter().filter_map(|b| self.part(role, b)).collect())
    }

    /// The cache point of a block, or a hint that there is none.
    fn point(&mut self, block: &Block) -> Option<OutBreakpoint> {
        let ttl = block.cache?;
        if !self.options.cache_breakpoints {
            self.losses.hint(field(&block.at, "cache_control"), "the provider chooses cache points itself");
            return None;
        }
        Some(OutBreakpoint { mode: "explicit", ttl: (ttl == CacheTtl::Hour).then_some("12h") })
    }

    fn part(&mut self, role: Role, block: &'a Block) -> Option<OutPart<'a>> {
        let Block { body, cache: _, at } = block;
        let assistant = role == Role::Assistant;
        let lost = |s: &mut Self, why| {
            s.losses.add(field(at, ""), why);
            None
        };
        match body {
            // A foreign signature on a text means nothing to OpenAI; the text stays.
            Body::Text { text, citations, signature: _ } if assistant => {
                if block.cache.is_some() {
                    self.losses.hint(field(at, "cache_control"), "answers cannot hold a cache point");
                }
                let length = text.chars().count();
                let annotations = citations.iter().filter_map(|c| annotation::encode(c, length)).collect();
                Some(OutPart::OutputText { text, annotations })
            }
            Body::Text { text, citations: _, signature: _ } => {
                Some(OutPart::InputText { text, prompt_cache_breakpoint: self.point(block) })
            }
            Body::Refusal(refusal) if assistant => Some(OutPart::Refusal { refusal }),
            Body::Refusal(text) => Some(OutPart::InputText { text, prompt_cache_breakpoint: None }),
            Body::Image(_) | Body::Document(_) if assistant => {
                lost(self, "the Responses API takes no media in answers of the model")
            }
            Body::Image(m) => {
                let point = self.point(block);
                out_image(m, point).or_else(|| lost(self, "the file is stored at another provider"))
            }
            Body::Document(m) => {
                if m.context.is_some() {
                    self.losses.add(field(at, "context"), "files have no context of their own");
                }
                if m.citations {
                    self.losses.add(field(at, "citations"), "files cannot be cited");
                }
                let point = self.point(block);
                out_document(m, point).or_else(|| lost(self, "the file is stored at another provider"))
            }
            Body::Audio(_) => lost(self, "the Responses API takes no sound"),
            Body::Video(_) => lost(self, "the Responses API takes no video"),
            Body::Opaque { origin: Origin::OpenAi, name, raw } if name.starts_with(PART) => {
                Some(OutPart::Raw(raw))
            }
            Body::Opaque { .. } => lost(self, "only another provider understands this"),
            Body::ToolCall(_) | Body::ToolResult(_) | Body::Thinking(_) | Body::Server { .. } => {
                lost(self, "it cannot stand here")
            }
        }
    }

    fn call(&mut self, call: &'a ToolCall) -> Option<InItem<'a>> {
        // A foreign signature means nothing to OpenAI; its own calls have none.
        let ToolCall { id, name, namespace, arguments, kind, signature: _ } = call;
        let namespace = namespace.as_deref();
        Some(match kind {
            CallKind::Function => InItem::FunctionCall { call_id: id, name, namespace, arguments },
            CallKind::Custom => InItem::CustomToolCall { call_id: id, name, namespace, input: arguments },
        })
    }

    fn result(&mut self, result: &'a ToolResult) -> Option<InItem<'a>> {
        let ToolResult { call_id, name: _, content, is_error, kind } = result;
        let mut output = match content.is_empty() {
            true => Content::Text(Cow::Borrowed("")),
            false => self.content(Role::User, content.iter().collect()),
        };
        if *is_error {
            told_as_error(&mut output);
        }
        let custom = *kind == CallKind::Custom || self.custom.contains(&call_id.as_str());
        Some(match custom {
            false => InItem::FunctionCallOutput { call_id, output },
            true => InItem::CustomToolCallOutput { call_id, output },
        })
    }

    fn thinking(&mut self, t: &'a Thinking, at: &Spot) -> Option<InItem<'a>> {
        let Thinking { text, summary, signature, redacted: _ } = t;
        let own = signature.as_ref().filter(|s| s.origin == Origin::OpenAi);
        let Some(s) = own else {
            // Another model's thoughts of earlier turns: this one makes its own.
            self.losses.hint(field(at, ""), "thoughts of another provider's model mean nothing to this one");
            return None;
        };
        // Known by its id alone, it would be looked for among what is stored; and nothing of a foreign client's is.
        if self.options.foreign && s.value.is_empty() && self.stored != Some(true) {
            self.losses.hint(field(at, ""), "the thought was not sealed, and it is not stored");
            return None;
        }
        let content = Some(text.as_str()).filter(|t| !t.is_empty());
        Some(InItem::Reasoning {
            id: s.id.as_deref(),
            summary: summary.iter().map(|text| Thought::SummaryText { text }).collect(),
            content: content.map(|text| Thought::ReasoningText { text }).into_iter().collect(),
            encrypted_content: match carry::thinking(t) {
                Some(std::borrow::Cow::Borrowed(sealed)) => Some(sealed),
                _ => None,
            },
        })
    }
}

/// The format has no field for a failure: the text must say it, and mostly does.
fn told_as_error(output: &mut Content<'_>) {
    match output {
        Content::Text(text) if text.is_empty() => *text = Cow::Borrowed("Error"),
        Content::Text(text) if !says_error(text) => text.to_mut().insert_str(0, "Error: "),
        Content::Text(_) => {}
        Content::Parts(parts) => {
            if !matches!(parts.first(), Some(OutPart::InputText { text, .. }) if says_error(text)) {
                parts.insert(0, OutPart::InputText { text: "Error", prompt_cache_breakpoint: None });
            }
        }
    }
}
