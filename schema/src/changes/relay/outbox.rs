//! What is still to be published: a set, with a bound.

use super::hints::EVERYTHING;
use crate::changes::batch::{Batch, MANY};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

#[derive(Default)]
pub(super) struct Outbox {
    messages: Mutex<BTreeSet<String>>,
    filled: Notify,
}

impl Outbox {
    /// A notification's payload. Beyond the bound all of them become "everything".
    pub(super) fn put(&self, payload: &str) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if !messages.contains(EVERYTHING) {
            // What we do not understand ourselves, nobody would.
            if messages.len() >= MANY || !Batch::default().note(payload) {
                messages.clear();
                messages.insert(EVERYTHING.to_owned());
            } else {
                messages.insert(payload.to_owned());
            }
        }
        drop(messages);
        self.filled.notify_one();
    }

    /// Waits until there may be something.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// All of them.
    pub(super) fn take(&self) -> Vec<String> {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *messages).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[tokio::test]
    async fn a_flood_becomes_one_message() {
        let outbox = Outbox::default();
        let key = format!("virtual_keys:update:{}", Uuid::now_v7());
        outbox.put(&key);
        outbox.put(&key);
        outbox.filled().await;
        assert_eq!(outbox.take(), [key]);
        for _ in 0..=MANY {
            outbox.put(&format!("virtual_keys:update:{}", Uuid::now_v7()));
        }
        assert_eq!(outbox.take(), [EVERYTHING]);
        outbox.put("a newer table:update:1");
        assert_eq!(outbox.take(), [EVERYTHING]);
        assert!(outbox.take().is_empty());
    }
}
