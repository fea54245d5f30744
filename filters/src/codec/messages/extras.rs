//! Members that have no name in the IR, said again to Anthropic if they are Anthropic's own. Everything else is a loss.

use super::write::{Object, Sink};
use crate::ir::{Losses, Raw};
use std::cell::Cell;
use std::collections::HashMap;

/// Members of a request that only Anthropic has.
/// <https://platform.claude.com/docs/en/api/messages/create>, and the betas of its SDK.
const OWN: [&str; 18] = [
    "anthropic_beta",
    "anthropic_version",
    "billing_policy",
    "cache_control",
    "compaction",
    "container",
    "context_management",
    "diagnostics",
    "fallback_credit_token",
    "fallbacks",
    "inference_geo",
    "mcp_servers",
    "output_format",
    "speed",
    "thinking",
    "thread",
    "user_profile_id",
    "workspace_id",
];

/// Other dialects' members that change no answer: bookkeeping, hints of speed, shapes of the stream's chunks.
const HARMLESS: [&str; 8] = [
    "client_metadata",
    "include",
    "prediction",
    "prompt_cache_options",
    "safety_identifier",
    "stream_options.include_obfuscation",
    "truncation",
    "anthropic_version",
];

/// The members, each with a mark whether it was said.
#[derive(Debug)]
pub(super) struct Extras<'a> {
    all: Vec<(&'a str, &'a Raw, Cell<bool>)>,
    /// By the path of the object that they stood in: a request may hold as many unknown members as blocks.
    inside: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Extras<'a> {
    /// Of a conversation.
    pub(super) fn new(extra: &'a [(String, Raw)]) -> Self {
        let mut inside = HashMap::<_, Vec<_>>::new();
        for (i, (key, _)) in extra.iter().enumerate() {
            if let Some((object, _)) = key.rsplit_once('.') {
                inside.entry(object).or_default().push(i);
            }
        }
        Self { all: extra.iter().map(|(k, v)| (k.as_str(), v, Cell::new(false))).collect(), inside }
    }

    /// Says the members that stood in the object at `path` (`messages.0.content.1`, `output_config`).
    pub(super) fn say<B: Sink>(&self, path: &str, o: &mut Object<'_, B>) {
        if self.inside.is_empty() {
            return;
        }
        for i in self.inside.get(path).into_iter().flatten() {
            let Some((key, value, said)) = self.all.get(*i) else { continue };
            o.raw(key.rsplit_once('.').map_or(*key, |(_, member)| member), value.text());
            said.set(true);
        }
    }

    /// Are there members of the object at `path`?
    pub(super) fn has(&self, path: &str) -> bool {
        !self.inside.is_empty() && self.inside.contains_key(path)
    }

    /// Says Anthropic's own top-level members, but not `except`.
    pub(super) fn say_top<B: Sink>(&self, o: &mut Object<'_, B>, except: &[Option<&str>]) {
        for (key, value, said) in &self.all {
            if OWN.contains(key) && !except.contains(&Some(*key)) {
                o.raw(key, value.text());
                said.set(true);
            }
        }
    }

    /// Marks a member as said or replaced by something that says the same.
    pub(super) fn done(&self, name: &str) {
        for (_, _, said) in self.all.iter().filter(|(key, ..)| *key == name) {
            said.set(true);
        }
    }

    /// A top-level member.
    pub(super) fn get(&self, name: &str) -> Option<&'a Raw> {
        self.all.iter().find(|(key, ..)| *key == name).map(|(_, v, _)| *v)
    }

    /// What was not said is lost.
    pub(super) fn report(self, losses: &mut Losses) {
        for (key, _, said) in self.all {
            if said.get() {
                continue;
            }
            let reason = "the model's provider has no such setting";
            if HARMLESS.contains(&key) {
                losses.hint(key, reason);
            } else {
                losses.add(key, reason);
            }
        }
    }
}
