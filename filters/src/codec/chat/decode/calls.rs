//! The calls of a conversation so far, for the results that come later: found by a look-up, because a client may send
//! hundreds of thousands of both.

use crate::ir::block::{Block, Body, CallKind};
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct Calls {
    kinds: HashMap<String, CallKind>,
    /// Name → id of its last call.
    named: HashMap<String, String>,
    latest: Option<String>,
}

impl Calls {
    /// Takes those of the next message. Of several with one id or name in a message the first counts, of several
    /// messages the last.
    pub(super) fn note(&mut self, content: &[Block]) {
        for block in content.iter().rev() {
            if let Body::ToolCall(c) = &block.body {
                self.kinds.insert(c.id.clone(), c.kind);
                self.named.insert(c.name.clone(), c.id.clone());
                self.latest = Some(c.id.clone());
            }
        }
    }

    /// The kind of the call with this id.
    pub(super) fn kind(&self, id: &str) -> Option<CallKind> {
        self.kinds.get(id).copied()
    }

    /// The id of the last call of this name; without a name: of the last one.
    pub(super) fn last(&self, name: Option<&str>) -> Option<&str> {
        match name {
            Some(name) => self.named.get(name).map(String::as_str),
            None => self.latest.as_deref(),
        }
    }
}
