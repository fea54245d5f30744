//! The turns of a conversation in the order and grouping that Anthropic wants:
//! - instructions at the beginning go to `system`; later ones stay in their place where the model takes them there;
//! - the results of tools are the first blocks of the user's turn right after the calls, all in one message;
//! - an assistant's thoughts, texts and calls of one turn are one message;
//! - empty texts, and messages without any block, are refused by the API and mean nothing: they are left out.

use super::citation;
use super::media::{document_misfit, image_misfit};
use super::models::Abilities;
use crate::ir::block::{Body, Thinking};
use crate::ir::{Block, Conversation, Losses, Message, Origin, Role, Signature, Spot};

/// One message to be sent.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    /// Who.
    pub(super) role: Role,
    /// What is sent of it.
    pub(super) blocks: Vec<&'a Block>,
    /// Where its first message stood.
    pub(super) at: &'a Spot,
}

impl Turn<'_> {
    /// Does it hold what must be in one message with its neighbours of the same role?
    fn binds(&self) -> bool {
        self.blocks.iter().any(|b| match self.role {
            Role::User => matches!(b.body, Body::ToolResult(_)),
            Role::Assistant => matches!(b.body, Body::ToolCall(_) | Body::Thinking(_)),
            Role::System | Role::Developer => true,
        })
    }
}

/// A conversation, arranged.
#[derive(Debug)]
pub(super) struct Turns<'a> {
    /// `system`.
    pub(super) system: Vec<&'a Block>,
    /// `messages`.
    pub(super) turns: Vec<Turn<'a>>,
}

/// Arranges a conversation. `own`: it was written in this format, its order is kept. `bare`: paths of messages that
/// are sent even without content.
pub(super) fn arrange<'a>(
    c: &'a Conversation,
    abilities: Abilities,
    own: bool,
    bare: impl Fn(&str) -> bool,
    losses: &mut Losses,
) -> Turns<'a> {
    let leading = c.messages.iter().take_while(|m| m.role.instructs()).count();
    let mut out = Turns { system: Vec::new(), turns: Vec::with_capacity(c.messages.len()) };
    // Does the last turn bind?
    let mut bound = false;
    for (i, m) in c.messages.iter().enumerate() {
        let Message { role, content, name, at } = m;
        if name.is_some() {
            losses.hint(member(at, "name"), "the model's provider has no names of participants");
        }
        let blocks: Vec<&Block> = content.iter().filter(|b| keep(b, *role, at, losses)).collect();
        if i < leading {
            out.system.extend(blocks);
            continue;
        }
        if blocks.is_empty() && !bare(&at.0) {
            continue;
        }
        let mut role = if *role == Role::Developer { Role::System } else { *role };
        if role == Role::System && !own {
            role = placed(&out.turns, abilities, at, losses);
        }
        let mut turn = Turn { role, blocks, at };
        let binds = turn.binds();
        match out.turns.last_mut() {
            Some(last) if last.role == role && (bound || binds) => {
                last.blocks.append(&mut turn.blocks);
                bound = true;
            }
            _ => {
                out.turns.push(turn);
                bound = binds;
            }
        }
    }
    for turn in &mut out.turns {
        // A stable sort: results first, all else in its order.
        if turn.role == Role::User && turn.binds() {
            turn.blocks.sort_by_key(|b| !matches!(b.body, Body::ToolResult(_)));
        }
    }
    out
}

/// How instructions in mid-conversation are sent: as such right after a user's turn, where the model takes them, else
/// as a turn of the user, in their place (moving them to the front would change what they apply to).
fn placed(turns: &[Turn<'_>], abilities: Abilities, at: &Spot, losses: &mut Losses) -> Role {
    let after_user = matches!(turns.last(), Some(t) if matches!(t.role, Role::User | Role::System));
    if abilities.system_anywhere && after_user {
        return Role::System;
    }
    losses.hint(
        member(at, "role"),
        "the model takes instructions only at the beginning; these are sent as a turn of the user",
    );
    Role::User
}

/// A member of what stood at a spot.
fn member(at: &Spot, name: &str) -> String {
    if at.0.is_empty() { format!("messages.{name}") } else { format!("{}.{name}", at.0) }
}

/// Is a block sent? Reports it if that is a loss.
fn keep(b: &Block, role: Role, message: &Spot, losses: &mut Losses) -> bool {
    let at = if b.at.0.is_empty() { message } else { &b.at };
    let field = || if at.0.is_empty() { "messages".to_owned() } else { at.0.to_string() };
    if let Body::ToolResult(r) = &b.body {
        for inner in &r.content {
            keep(inner, role, at, losses);
        }
    }
    match fit(b, role) {
        Fit::Yes => {}
        Fit::Blank => {
            if b.cache.is_some() {
                losses.hint(member(at, "cache_control"), "an empty text cannot be marked");
            }
            return false;
        }
        Fit::Hint(why) => {
            losses.hint(field(), why);
            return false;
        }
        Fit::No(why) => {
            losses.add(field(), why);
            return false;
        }
    }
    let foreign = |s: &Option<Signature>| s.as_ref().is_some_and(|s| s.origin != Origin::Anthropic);
    match &b.body {
        Body::Text { citations, signature, text: _ } => {
            if citations.iter().any(|c| !citation::is_own(c)) {
                losses.hint(member(at, "citations"), "they are another provider's");
            }
            if foreign(signature) {
                losses.hint(member(at, "signature"), "it is another provider's");
            }
        }
        Body::ToolCall(c) => {
            if foreign(&c.signature) {
                losses.hint(member(at, "signature"), "it is another provider's");
            }
            if c.namespace.is_some() {
                losses.add(member(at, "namespace"), "the model's provider has no namespaces of tools");
            }
        }
        Body::Image(m) | Body::Document(m) if m.detail.as_deref().is_some_and(|d| d != "auto") => {
            losses.hint(member(at, "detail"), "the model's provider has no such setting of an image");
        }
        _ => {}
    }
    true
}

/// Whether a block can be said.
pub(super) enum Fit {
    /// It can.
    Yes,
    /// It is empty and means nothing.
    Blank,
    /// It cannot, and nothing is lost in meaning.
    Hint(&'static str),
    /// It cannot.
    No(&'static str),
}

/// Can a block be said in a message of this role?
pub(super) fn fit(b: &Block, role: Role) -> Fit {
    let misfit = |why: Option<&'static str>| why.map_or(Fit::Yes, Fit::No);
    match &b.body {
        Body::Text { text, .. } | Body::Refusal(text) => {
            if text.trim().is_empty() {
                Fit::Blank
            } else {
                Fit::Yes
            }
        }
        Body::Image(_) | Body::Document(_) if role == Role::Assistant => {
            Fit::No("the model's provider takes no images or documents in an assistant's turn")
        }
        Body::Image(m) => misfit(image_misfit(m)),
        Body::Document(m) => misfit(document_misfit(m)),
        Body::Audio(_) => Fit::No("the model's provider takes no sound"),
        Body::Video(_) => Fit::No("the model's provider takes no films"),
        Body::Thinking(Thinking { signature: Some(s), .. }) if s.origin == Origin::Anthropic => Fit::Yes,
        Body::Thinking(_) => Fit::Hint("only the provider whose thought it is can read it"),
        Body::Server { origin, .. } | Body::Opaque { origin, .. } if *origin != Origin::Anthropic => {
            Fit::No("only the provider that made it understands it")
        }
        Body::ToolCall(_) | Body::ToolResult(_) | Body::Server { .. } | Body::Opaque { .. } => Fit::Yes,
    }
}
