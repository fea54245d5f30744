//! Calls of tools that were given out behind a sealed thought: their results must not come back without it.
//!
//! Some real APIs would forgive that (Claude with adaptive thinking, OpenAI when items come without ids), but it is
//! what a gateway does that loses thoughts; `forgetful` makes the simulator as lenient.

use std::collections::{HashSet, VecDeque};

/// Ids remembered; the oldest goes first.
const KEPT: usize = 4096;

/// Ids of such calls.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Memory {
    pub(crate) fn put(&mut self, id: &str) {
        if self.order.len() == KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        if self.ids.insert(id.to_owned()) {
            self.order.push_back(id.to_owned());
        }
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    pub(crate) fn clear(&mut self) {
        self.ids.clear();
        self.order.clear();
    }
}
