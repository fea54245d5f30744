//! Names of tools that an upstream takes, and the way back.
//!
//! Clients may group tools in namespaces (OpenAI's Responses; Codex does) and give them names that another provider
//! forbids. [`flatten`] renames what must be renamed in a conversation, before it is encoded for an upstream;
//! [`NameMap::restore`] and [`NameMap::restore_event`] give the client its own names back in the answer.
//!
//! Laws: names that are allowed and in no namespace never change; flat names are allowed, unique, and depend on the
//! list of tools only (the same list gives the same names: prompt caches depend on it); whatever the model calls by a
//! flat name comes back under name and namespace of the tool; a conversation without need of it is left as it is.

use crate::ir::block::{Body, ToolCall};
use crate::ir::stream::StreamEvent;
use crate::ir::tool::{Tool, ToolBody, ToolChoice};
use crate::ir::{Block, Conversation, Reply};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// What a provider allows in a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Most characters.
    pub longest: usize,
    /// Characters beside ASCII letters, digits, `_` and `-`.
    pub also: &'static str,
    /// The first character must be a letter or `_`.
    pub letter_first: bool,
    /// It has namespaces: they stay.
    pub namespaces: bool,
}

impl Rules {
    /// OpenAI's Responses: `^[a-zA-Z0-9_-]{1,64}$`, and namespaces.
    pub const RESPONSES: Self = Self { namespaces: true, ..Self::CHAT };
    /// OpenAI's Chat: `^[a-zA-Z0-9_-]{1,64}$`. (Compatible servers that have no rule take these as well.)
    pub const CHAT: Self = Self { longest: 64, also: "", letter_first: false, namespaces: false };
    /// Anthropic: `^[a-zA-Z0-9_-]{1,128}$`.
    pub const ANTHROPIC: Self = Self { longest: 128, ..Self::CHAT };
    /// Gemini: letters, digits, `_`, `.`, `:` and `-`, beginning with a letter or `_`, 64 at most.
    pub const GEMINI: Self = Self { also: ".:", letter_first: true, ..Self::CHAT };
    /// Bedrock's Converse: `^[a-zA-Z0-9_-]{1,64}$`.
    pub const CONVERSE: Self = Self::CHAT;

    fn allows_char(&self, c: char) -> bool {
        c.is_ascii_alphanumeric() || c == '_' || c == '-' || self.also.contains(c)
    }

    /// Is the name allowed?
    pub fn allows(&self, name: &str) -> bool {
        !name.is_empty()
            && name.len() <= self.longest
            && name.chars().all(|c| self.allows_char(c))
            && !(self.letter_first && name.starts_with(|c: char| !c.is_ascii_alphabetic() && c != '_'))
    }
}

/// A tool as the client knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Own {
    namespace: Option<String>,
    name: String,
}

/// Flat names and what they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameMap {
    back: HashMap<String, Own>,
}

/// Renames the tools of a conversation as `rules` ask: in the list of tools, the choice, the calls and results of
/// earlier turns. Namespaces are dissolved where the provider has none.
pub fn flatten(c: &mut Conversation, rules: &Rules) -> NameMap {
    let mut names = Names { rules, taken: HashSet::new(), there: HashMap::new() };
    // Names that stay have the first right to themselves.
    for tool in &c.tools {
        match &tool.body {
            ToolBody::Namespace(_) => {}
            _ if names.stays(None, &tool.name, &tool.body) => drop(names.taken.insert(tool.name.clone())),
            _ => {}
        }
    }
    // A choice names tools as the client does; their flat names are the list's to decide.
    let before = match c.tool_choice {
        Some(ToolChoice::Named(_) | ToolChoice::Allowed { .. }) => c.tools.clone(),
        _ => Vec::new(),
    };
    let mut tools = Vec::with_capacity(c.tools.len());
    for tool in c.tools.drain(..) {
        names.tool(tool, &mut tools);
    }
    c.tools = tools;
    c.tool_choice = c.tool_choice.take().map(|choice| names.choice(choice, &before));
    for block in c.messages.iter_mut().flat_map(|m| &mut m.content) {
        match &mut block.body {
            Body::ToolCall(call) => names.call(call),
            Body::ToolResult(result) => {
                if let Some(name) = &mut result.name {
                    *name = names.flat(None, name).into_owned();
                }
            }
            _ => {}
        }
    }
    let back = names.there.into_iter().map(|(own, flat)| (flat, own)).collect();
    NameMap { back }
}

struct Names<'r> {
    rules: &'r Rules,
    taken: HashSet<String>,
    there: HashMap<Own, String>,
}

impl Names<'_> {
    /// Server tools have names of their provider's.
    fn stays(&self, namespace: Option<&str>, name: &str, body: &ToolBody) -> bool {
        matches!(body, ToolBody::Server { .. })
            || self.rules.allows(name) && (namespace.is_none() || self.rules.namespaces)
    }

    /// The flat name of a tool.
    fn flat<'n>(&mut self, namespace: Option<&str>, name: &'n str) -> Cow<'n, str> {
        let namespace = namespace.filter(|_| !self.rules.namespaces);
        if namespace.is_none() && self.rules.allows(name) {
            return Cow::Borrowed(name);
        }
        let own = Own { namespace: namespace.map(str::to_owned), name: name.to_owned() };
        if let Some(flat) = self.there.get(&own) {
            return Cow::Owned(flat.clone());
        }
        let joined = match namespace {
            // Codex' namespaces of MCP servers end so already.
            Some(ns) if ns.ends_with("__") => [ns, name].concat(),
            Some(ns) => [ns, "__", name].concat(),
            None => name.to_owned(),
        };
        let flat = self.unique(&joined, &own);
        self.taken.insert(flat.clone());
        self.there.insert(own, flat.clone());
        Cow::Owned(flat)
    }

    /// An allowed name that nothing else has: the joined one if it may be, else cut, with a hash of the whole behind.
    fn unique(&self, joined: &str, own: &Own) -> String {
        if self.rules.allows(joined) && !self.taken.contains(joined) {
            return joined.to_owned();
        }
        let mut clean: String =
            joined.chars().map(|c| if self.rules.allows_char(c) { c } else { '_' }).collect();
        if self.rules.letter_first && clean.starts_with(|c: char| !c.is_ascii_alphabetic() && c != '_') {
            clean.insert(0, '_');
        }
        let mut round = 0_u32;
        loop {
            let mut hash = Sha256::new();
            // A separator that cannot stand in either, so that `a` + `bc` and `ab` + `c` differ.
            hash.update(own.namespace.as_deref().unwrap_or_default());
            hash.update([0xff]);
            hash.update(&own.name);
            hash.update(round.to_be_bytes());
            let hash = hex::encode(&hash.finalize()[..4]);
            let room = self.rules.longest.saturating_sub(hash.len() + 1);
            let flat = format!("{}_{hash}", &clean[..clean.len().min(room)]);
            if !self.taken.contains(&flat) {
                return flat;
            }
            round += 1;
        }
    }

    fn tool(&mut self, mut tool: Tool, out: &mut Vec<Tool>) {
        match &mut tool.body {
            ToolBody::Server { .. } => out.push(tool),
            ToolBody::Namespace(inner) if self.rules.namespaces => {
                for t in inner {
                    t.name = self.flat(None, &t.name).into_owned();
                }
                out.push(tool);
            }
            ToolBody::Namespace(inner) => {
                for (i, mut t) in std::mem::take(inner).into_iter().enumerate() {
                    t.name = self.flat(Some(&tool.name), &t.name).into_owned();
                    // A short description helps with each tool; a long one is told once.
                    if let Some(about) = tool.description.as_deref().filter(|d| i == 0 || d.len() <= 200)
                        && !about.is_empty()
                    {
                        let own = t.description.unwrap_or_default();
                        t.description =
                            Some(if own.is_empty() { about.to_owned() } else { format!("{about}\n\n{own}") });
                    }
                    t.cache = t.cache.or(tool.cache);
                    out.push(t);
                }
            }
            ToolBody::Function { .. } | ToolBody::Custom { .. } => {
                tool.name = self.flat(None, &tool.name).into_owned();
                out.push(tool);
            }
        }
    }

    fn call(&mut self, call: &mut ToolCall) {
        call.name = self.flat(call.namespace.as_deref(), &call.name).into_owned();
        if !self.rules.namespaces {
            call.namespace = None;
        }
    }

    /// The flat names of what a choice names: a tool, a tool inside a namespace, or a whole namespace.
    fn named(&mut self, name: &str, tools: &[Tool]) -> Vec<String> {
        let inner = |t: &Tool| match &t.body {
            ToolBody::Namespace(inner) => inner.iter().map(|t| t.name.clone()).collect(),
            _ => Vec::new(),
        };
        if tools.iter().any(|t| t.name == *name && matches!(t.body, ToolBody::Server { .. })) {
            return vec![name.to_owned()];
        }
        if tools.iter().any(|t| t.name == *name && !matches!(t.body, ToolBody::Namespace(_))) {
            return vec![self.flat(None, name).into_owned()];
        }
        if self.rules.namespaces {
            return vec![self.flat(None, name).into_owned()];
        }
        if let Some(space) = tools.iter().find(|t| t.name == *name) {
            return inner(space).iter().map(|n| self.flat(Some(&space.name), n).into_owned()).collect();
        }
        match tools.iter().find(|t| inner(t).iter().any(|n| n == name)) {
            Some(space) => vec![self.flat(Some(&space.name), name).into_owned()],
            None => vec![self.flat(None, name).into_owned()],
        }
    }

    fn choice(&mut self, choice: ToolChoice, tools: &[Tool]) -> ToolChoice {
        match choice {
            ToolChoice::Named(name) => {
                let mut names = self.named(&name, tools);
                match names.pop() {
                    Some(one) if names.is_empty() => ToolChoice::Named(one),
                    last => {
                        names.extend(last);
                        ToolChoice::Allowed { names, required: true }
                    }
                }
            }
            ToolChoice::Allowed { names, required } => {
                let names = names.iter().flat_map(|n| self.named(n, tools)).collect();
                ToolChoice::Allowed { names, required }
            }
            other => other,
        }
    }
}

impl NameMap {
    /// Is there nothing to give back?
    pub fn is_empty(&self) -> bool {
        self.back.is_empty()
    }

    /// Name and namespace of the client's tool behind a flat name; None: it is the client's own name.
    pub fn own(&self, flat: &str) -> Option<(&str, Option<&str>)> {
        self.back.get(flat).map(|own| (own.name.as_str(), own.namespace.as_deref()))
    }

    /// Gives an answer's calls the client's names.
    pub fn restore(&self, reply: &mut Reply) {
        if !self.is_empty() {
            reply.choices.iter_mut().flat_map(|c| &mut c.content).for_each(|b| self.restore_block(b));
        }
    }

    /// The same in a stream.
    pub fn restore_event(&self, event: &mut StreamEvent) {
        if let StreamEvent::BlockStart { block, .. } = event
            && !self.is_empty()
        {
            self.restore_block(block);
        }
    }

    fn restore_block(&self, block: &mut Block) {
        if let Body::ToolCall(call) = &mut block.body
            && let Some(own) = self.back.get(&call.name)
        {
            call.name.clone_from(&own.name);
            if own.namespace.is_some() {
                call.namespace.clone_from(&own.namespace);
            }
        }
    }
}

#[cfg(test)]
mod tests;
